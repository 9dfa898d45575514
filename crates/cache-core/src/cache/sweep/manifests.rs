//! Expired entries are deleted, and tombstones forget what has run out. Which manifests have either, the catalog says.

use futures::stream::{self, StreamExt};

use crate::error::Error;
use crate::manifest::{EntryRow, Manifest};
use crate::storage::ObjectKey;

use super::super::NamespaceCache;
use super::super::catalog::ListedManifest;
use super::super::commit::CommitContext;
use super::super::listing::MAX_LISTED;
use super::super::load::Part;
use super::super::manifest_changes::ManifestChange;
use super::{Sweep, SweepReport, report_corrupt};

/// How many manifests are worked on at the same time; each takes several calls at once.
const MANIFEST_CONCURRENCY: usize = 8;
/// How many entries of one manifest are deleted at the same time. Their deletes share writes.
const DELETE_CONCURRENCY: usize = 8;

impl Sweep {
    /// Looks at all manifests, from a random place on and around.
    pub(super) async fn manifests(&mut self) -> Result<bool, Error> {
        let start = self.cache.random_manifest_place();
        Ok(self.manifests_between(Some(start.clone()), None).await?
            && self.manifests_between(None, Some(&start)).await?)
    }

    async fn manifests_between(&mut self, after: Option<String>, until: Option<&str>) -> Result<bool, Error> {
        let cache = self.cache.clone();
        let now = cache.cache.now();
        let mut walk = cache.walk(&cache.layout().manifests(), after);
        let mut done = true;
        while let Some(manifests) = walk.next(MAX_LISTED).await? {
            self.report.add(SweepReport::damaged(walk.take_damaged()));
            let in_part =
                manifests.iter().take_while(|manifest| until.is_none_or(|until| manifest.key.as_str() <= until));
            let in_part = in_part.count();
            let has_work = |manifest: &&ListedManifest| {
                let counts = &manifest.row.counts;
                counts.is_zero() || counts.earliest_expiry().is_some_and(|expiry| expiry <= now)
            };
            let wanted = manifests[..in_part].iter().filter(has_work);
            let mut swept = stream::iter(wanted.map(|manifest| cache.sweep_manifest(manifest)).collect::<Vec<_>>())
                .buffer_unordered(MANIFEST_CONCURRENCY);
            while let Some(swept) = swept.next().await {
                self.report.add(report_corrupt(swept)?);
                if cache.cache.is_past_deadline() {
                    break;
                }
            }
            drop(swept);
            done = !cache.cache.is_past_deadline();
            if !done || in_part < manifests.len() {
                break;
            }
        }
        walk.finish().await;
        Ok(done)
    }
}

impl NamespaceCache {
    async fn sweep_manifest(&self, manifest: &ListedManifest) -> Result<SweepReport, Error> {
        if manifest.row.counts.is_zero() {
            let emptied_tombstones = u64::from(self.empty_tombstone(&manifest.key).await?);
            return Ok(SweepReport { emptied_tombstones, ..SweepReport::default() });
        }
        let Some(tree) = self.manifest_tree(&manifest.key).await? else { return Ok(SweepReport::default()) };
        let now = self.cache.now();
        let expired = tree.pages.rows.iter().filter(|row| row.spec.is_expired(now));
        let mut deletes = stream::iter(expired.map(|row| self.delete_expired(row)).collect::<Vec<_>>())
            .buffer_unordered(DELETE_CONCURRENCY);
        let mut report = SweepReport::default();
        while let Some(deleted) = deletes.next().await {
            match deleted {
                Ok(is_deleted) => report.expired_entries += u64::from(is_deleted),
                // What was deleted before counts all the same.
                Err(Error::Corrupt { object, .. }) => report.add(SweepReport::damaged([object])),
                // The caller notices the deadline.
                Err(_) if self.cache.is_past_deadline() => break,
                Err(error) => return Err(error),
            }
        }
        Ok(report)
    }

    async fn delete_expired(&self, row: &EntryRow) -> Result<bool, Error> {
        if self.cache.is_past_deadline() {
            return Ok(false);
        }
        Ok(self.delete(row.cache_id).await?.is_some())
    }

    /// Makes a tombstone forget what has run out, once all of it has; `false` when it has not.
    async fn empty_tombstone(&self, key: &ObjectKey) -> Result<bool, Error> {
        let loaded = self.load::<Manifest>(key, Part::Whole).await?;
        let Some(manifest) = &loaded.head else { return Ok(false) };
        let mut pruned = manifest.recent().clone();
        pruned.prune(self.cache.now());
        if !manifest.is_tombstone() || manifest.recent().is_empty() || !pruned.is_empty() {
            return Ok(false);
        }
        self.commit(key, loaded, ManifestChange::Prune, CommitContext::since(self.cache.now())).await?;
        Ok(true)
    }
}
