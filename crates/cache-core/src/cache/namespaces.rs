//! What a namespace holds: lists of its hashes and ids, and counts.
//!
//! An entry that has expired is listed and counted until the sweep removes it. A manifest that cannot be read is left out, and
//! logged as an error.

use std::fmt::Display;
use std::str::FromStr;

use futures::future::try_join;
use futures::stream::{self, StreamExt, TryStreamExt};

use crate::catalog::CatalogRow;
use crate::error::Error;
use crate::ids::{CacheHash, CacheId, InvalidName, Namespace};
use crate::strategy::Strategy;

use super::listing::{MAX_LISTED, NamePage};
use super::locate::is_id_file;
use super::page_tree::Presence;
use super::{CONCURRENCY, Cache, NamespaceCache};

/// How much a namespace holds.
#[derive(Debug, Clone, PartialEq, Eq, Default)]
pub struct Stats {
    /// Entries of each strategy, in the order of [`Strategy::ALL`].
    pub entries: [u64; Strategy::ALL.len()],
    /// Hashes that have at least one entry.
    pub hashes: u64,
    /// Entries.
    pub ids: u64,
    /// Bytes of contents with all revisions; a content that several entries of one hash share counts once as long as they
    /// are in one object. Contents of the Python service do not count.
    pub bytes: u64,
}

impl Cache {
    /// All namespaces that something was ever stored in, sorted.
    ///
    /// # Errors
    ///
    /// `Unavailable` when the storage does not respond.
    pub async fn namespaces(&self) -> Result<Vec<Namespace>, Error> {
        let mut namespaces = Vec::new();
        let mut pages = self.list("").flat(true);
        while let Some(page) = pages.next().await? {
            namespaces.extend(page.folders.iter().filter_map(|folder| namespace_of(folder)));
        }
        namespaces.sort();
        Ok(namespaces)
    }
}

impl NamespaceCache {
    /// All hashes that have entries, expired ones included until the sweep, sorted.
    ///
    /// # Errors
    ///
    /// `Unavailable` when the storage does not respond.
    pub async fn hashes(&self) -> Result<Vec<CacheHash>, Error> {
        self.hashes_after(None, usize::MAX).await
    }

    /// All ids of entries, expired ones included until the sweep, sorted as text.
    ///
    /// # Errors
    ///
    /// `Unavailable` when the storage does not respond.
    pub async fn ids(&self) -> Result<Vec<CacheId>, Error> {
        self.ids_after(None, usize::MAX).await
    }

    /// A page of [`NamespaceCache::hashes`]: at most `limit`, after `cursor`.
    ///
    /// # Errors
    ///
    /// `Invalid` when no page named the cursor; as [`NamespaceCache::hashes`].
    pub async fn hash_page(&self, limit: usize, cursor: Option<&str>) -> Result<NamePage<CacheHash>, Error> {
        let cursor: Option<CacheHash> = cursor.map(parse_cursor).transpose()?;
        Ok(page(self.hashes_after(cursor.as_ref(), limit.saturating_add(1)).await?, limit))
    }

    /// A page of [`NamespaceCache::ids`]: at most `limit`, after `cursor`.
    ///
    /// # Errors
    ///
    /// As [`NamespaceCache::hash_page`].
    pub async fn id_page(&self, limit: usize, cursor: Option<&str>) -> Result<NamePage<CacheId>, Error> {
        let cursor: Option<CacheId> = cursor.map(parse_cursor).transpose()?;
        Ok(page(self.ids_after(cursor, limit.saturating_add(1)).await?, limit))
    }

    /// Counts what the namespace holds, expired entries included until the sweep.
    ///
    /// # Errors
    ///
    /// `Unavailable` when the storage does not respond.
    pub async fn stats(&self) -> Result<Stats, Error> {
        let mut stats = Stats::default();
        let mut walk = self.walk_all();
        while let Some(manifests) = walk.next(MAX_LISTED).await? {
            for CatalogRow { counts, bytes, .. } in manifests.iter().map(|manifest| &manifest.row) {
                if counts.is_zero() {
                    continue;
                }
                stats.bytes += bytes;
                stats.hashes += 1;
                stats.ids += counts.total();
                for strategy in Strategy::ALL {
                    stats.entries[strategy as usize] += counts.of(strategy);
                }
            }
        }
        walk.finish().await;
        self.add_python_stats(&mut stats).await?;
        Ok(stats)
    }

    async fn hashes_after(&self, after: Option<&CacheHash>, max: usize) -> Result<Vec<CacheHash>, Error> {
        let layout = self.layout();
        let mut hashes = Vec::new();
        let mut walk = self.walk(&layout.manifests(), after.map(|hash| layout.manifest(hash).to_string()));
        while hashes.len() < max {
            let Some(manifests) = walk.next(max - hashes.len()).await? else { break };
            let live = manifests.into_iter().filter(|manifest| !manifest.row.counts.is_zero());
            hashes.extend(live.map(|manifest| manifest.cache_hash));
        }
        walk.finish().await;
        let python = self.python_hashes(after, max).await?;
        if !python.is_empty() {
            hashes.extend(python);
            hashes.sort();
            hashes.dedup();
            hashes.truncate(max);
        }
        Ok(hashes)
    }

    async fn ids_after(&self, after: Option<CacheId>, max: usize) -> Result<Vec<CacheId>, Error> {
        let folder = self.layout().aliases();
        let (mut ids, foreign) = try_join(self.own_ids(after, max), self.foreign_ids(&folder, after, max)).await?;
        ids.extend(foreign);
        ids.sort();
        ids.truncate(max);
        Ok(ids)
    }

    /// The ids that say themselves which manifest lists them. They begin with its hash, so manifests come in their order.
    async fn own_ids(&self, after: Option<CacheId>, max: usize) -> Result<Vec<CacheId>, Error> {
        let layout = self.layout();
        let mut ids = Vec::new();
        let mut walk = self.walk(&layout.manifests(), after.map(|id| layout.manifests_from(id)));
        while ids.len() < max {
            let Some(manifests) = walk.next(max - ids.len()).await? else { break };
            let live = manifests.into_iter().filter(|manifest| !manifest.row.counts.is_zero());
            let entries =
                stream::iter(live.map(|manifest| self.entries_of(manifest)).collect::<Vec<_>>()).buffered(CONCURRENCY);
            let entries: Vec<_> = entries.try_collect().await?;
            let own = entries.iter().flatten().map(|entry| entry.cache_id).filter(|id| id.parts().is_some());
            ids.extend(own.filter(|id| after.is_none_or(|after| *id > after)));
        }
        walk.finish().await;
        ids.sort();
        Ok(ids)
    }

    /// The ids that are found through aliases in a folder, as far as their entries are there.
    pub(super) async fn foreign_ids(
        &self,
        folder: &str,
        after: Option<CacheId>,
        max: usize,
    ) -> Result<Vec<CacheId>, Error> {
        let layout = self.layout();
        let mut ids = Vec::new();
        let mut pages = self.list(folder).after(after.map(|id| layout.alias(id).to_string()));
        while let Some(page) = pages.next().await?.filter(|_| ids.len() < max) {
            let foreign = page.objects.iter().filter_map(|object| {
                let id: CacheId = object.key.rsplit('/').next()?.strip_suffix(".json")?.parse().ok()?;
                let is_foreign = layout.alias(id).as_str() == object.key && id.parts().is_none();
                is_foreign.then(|| (id, is_id_file(object)))
            });
            let checked =
                foreign.map(async |(id, is_python)| Ok::<_, Error>((id, is_python || self.is_listed(id).await?)));
            let checked = stream::iter(checked.collect::<Vec<_>>());
            let checked: Vec<_> = checked.buffered(CONCURRENCY).try_collect().await?;
            ids.extend(checked.into_iter().filter(|(_, is_listed)| *is_listed).map(|(id, _)| id));
        }
        Ok(ids)
    }

    /// Whether its manifest lists an entry. One that cannot be read lists nothing.
    pub(super) async fn is_listed(&self, id: CacheId) -> Result<bool, Error> {
        match self.presence(id).await {
            Ok(Presence::Listed(_) | Presence::InPythonFiles) => Ok(true),
            Ok(Presence::Gone | Presence::Unknown) => Ok(false),
            Err(error @ Error::Corrupt { .. }) => {
                tracing::error!(%error, "left out of a listing");
                Ok(false)
            }
            Err(error) => Err(error),
        }
    }
}

/// A page of items that were asked for with one more than the limit.
fn page<T: ToString>(mut items: Vec<T>, limit: usize) -> NamePage<T> {
    let has_more = items.len() > limit;
    items.truncate(limit);
    NamePage { next_cursor: items.last().filter(|_| has_more).map(ToString::to_string), items }
}

fn parse_cursor<T: FromStr<Err = InvalidName>>(cursor: &str) -> Result<T, Error> {
    cursor.parse().map_err(invalid_cursor)
}

/// A cursor that no page named.
pub(super) fn invalid_cursor(reason: impl Display) -> Error {
    Error::invalid("cursor", format!("{reason}: pass the next_cursor of the page before"))
}

/// The namespace that a folder at the root belongs to: none when its name would have to be sanitized to be one.
pub(super) fn namespace_of(folder: &str) -> Option<Namespace> {
    let name = folder.trim_end_matches('/');
    name.parse().ok().filter(|namespace: &Namespace| namespace.as_str() == name)
}
