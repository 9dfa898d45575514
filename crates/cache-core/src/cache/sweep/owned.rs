//! What belongs to a manifest, a key index or an entry: blobs, pages, intents, children and aliases.

use std::collections::BTreeSet;

use crate::error::Error;
use crate::ids::{BlobToken, CacheHash};
use crate::key_index::KeyIndex;
use crate::layout::{ObjectKind, PageOwner};
use crate::manifest::Manifest;
use crate::storage::ObjectKey;

use super::super::NamespaceCache;
use super::super::load::Part;
use super::super::locate::EntryLocation;
use super::super::page_tree::{ManifestTree, Presence};
use super::super::pages::Pages;
use super::{Group, SweepReport};

impl NamespaceCache {
    /// Blobs of one hash.
    pub(super) async fn sweep_blobs(&self, group: &Group) -> Result<SweepReport, Error> {
        let blobs: Vec<(&ObjectKey, &CacheHash, BlobToken)> = group.iter().filter_map(blob).collect();
        let Some((_, hash, _)) = blobs.first() else { return Ok(SweepReport::default()) };
        let manifest_key = self.layout().manifest(hash);
        let Some(manifest) = self.load::<Manifest>(&manifest_key, Part::Head).await?.head else {
            return Ok(SweepReport::without_owner(group));
        };
        // Most are in the head, and then no page has to be read.
        if blobs.iter().all(|(_, _, token)| manifest.contents().has_blob(*token)) {
            return Ok(SweepReport::default());
        }
        let Some(referenced) = self.referenced_blobs(&manifest_key).await? else {
            return Ok(SweepReport::without_owner(group));
        };
        let unreferenced = blobs.iter().filter(|(_, _, token)| !referenced.contains(token)).map(|(key, _, _)| *key);
        let unreferenced_blobs = self.remove_group(unreferenced).await?;
        Ok(SweepReport { unreferenced_blobs, ..SweepReport::default() })
    }

    /// All blobs that a manifest, its pages and those of its revisions reference; `None` when there is no manifest.
    async fn referenced_blobs(&self, key: &ObjectKey) -> Result<Option<BTreeSet<BlobToken>>, Error> {
        self.retry_replaced(|| async {
            let Some(tree) = self.manifest_tree(key).await? else { return Ok(None) };
            let mut blobs = tree.pages.blobs.clone();
            blobs.extend(tree.manifest.contents().blobs());
            for row in &tree.pages.rows {
                for (_, page) in self.older_revisions(key, row).await? {
                    blobs.extend(page.contents.blobs());
                }
            }
            Ok(Some(blobs))
        })
        .await
    }

    /// Pages of one manifest or key index.
    pub(super) async fn sweep_pages(&self, group: &Group) -> Result<SweepReport, Error> {
        let owner = group.first().and_then(|(key, _)| self.layout().page_owner(key));
        let names = match owner {
            Some(PageOwner::Manifest(key)) => self.pages_of_manifest(&key).await?,
            Some(PageOwner::KeyIndex(key)) => self.pages_of_key_index(&key).await?,
            None => return Ok(SweepReport::default()),
        };
        let Some(names) = names else { return Ok(SweepReport::without_owner(group)) };
        let is_orphaned = |key: &&ObjectKey| key.as_str().rsplit('/').next().is_some_and(|name| !names.contains(name));
        let orphaned_pages = self.remove_group(group.iter().map(|(key, _)| key).filter(is_orphaned)).await?;
        Ok(SweepReport { orphaned_pages, ..SweepReport::default() })
    }

    /// The names of all pages that a manifest leads to, those of revisions included.
    async fn pages_of_manifest(&self, key: &ObjectKey) -> Result<Option<BTreeSet<String>>, Error> {
        self.retry_replaced(|| async {
            let Some(ManifestTree { pages, .. }) = self.manifest_tree(key).await? else { return Ok(None) };
            let mut names = pages.names;
            for row in &pages.rows {
                names.extend(self.older_revisions(key, row).await?.into_iter().map(|(name, _)| name));
            }
            Ok(Some(names))
        })
        .await
    }

    async fn pages_of_key_index(&self, key: &ObjectKey) -> Result<Option<BTreeSet<String>>, Error> {
        self.retry_replaced(|| async {
            let Some(index) = self.load::<KeyIndex>(key, Part::Head).await?.head else { return Ok(None) };
            Ok(Some(Pages::new(self, key).tree(index.log()).await?.names))
        })
        .await
    }

    /// Intents: nobody commits them when they are so old.
    pub(super) async fn sweep_intents(&self, group: &Group) -> Result<SweepReport, Error> {
        let intents = group.iter().filter(|(_, kind)| *kind == ObjectKind::Intent).map(|(key, _)| key);
        Ok(SweepReport { stale_intents: self.remove_group(intents).await?, ..SweepReport::default() })
    }

    /// Children of one entry.
    pub(super) async fn sweep_children(&self, group: &Group) -> Result<SweepReport, Error> {
        let Some((_, ObjectKind::Child(cache_id))) = group.first() else { return Ok(SweepReport::default()) };
        match self.presence(*cache_id).await? {
            Presence::Listed(_) | Presence::InPythonFiles => Ok(SweepReport::default()),
            Presence::Unknown => Ok(SweepReport::without_owner(group)),
            Presence::Gone => {
                let orphaned_children = self.remove_group(group.iter().map(|(key, _)| key)).await?;
                Ok(SweepReport { orphaned_children, ..SweepReport::default() })
            }
        }
    }

    /// One alias.
    pub(super) async fn sweep_aliases(&self, group: &Group) -> Result<SweepReport, Error> {
        let Some((_, ObjectKind::Alias(cache_id))) = group.first() else { return Ok(SweepReport::default()) };
        // An id that says itself which manifest lists its entry is not looked up here; and a tombstone leads nowhere.
        if cache_id.parts().is_some() || matches!(self.locate_entry(*cache_id).await?, EntryLocation::Gone) {
            return Ok(SweepReport::default());
        }
        match self.presence(*cache_id).await? {
            Presence::Listed(_) | Presence::InPythonFiles => Ok(SweepReport::default()),
            Presence::Unknown => Ok(SweepReport::without_owner(group)),
            Presence::Gone => {
                self.retire_alias(*cache_id).await?;
                Ok(SweepReport { orphaned_aliases: 1, ..SweepReport::default() })
            }
        }
    }
}

fn blob((key, kind): &(ObjectKey, ObjectKind)) -> Option<(&ObjectKey, &CacheHash, BlobToken)> {
    let ObjectKind::Blob { cache_hash, token } = kind else { return None };
    Some((key, cache_hash, *token))
}
