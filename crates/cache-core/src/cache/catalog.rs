//! Listing manifests, with what listings need of each: from the catalog if that is up to date, else from the manifest itself.
//!
//! LIST says at which version every manifest is, so a row of the catalog that was made of another version is not used. What
//! was read instead is written back when there is enough of it; that is best effort.

mod shards;

use std::collections::VecDeque;

use futures::future::try_join;
use futures::stream::{self, StreamExt, TryStreamExt};

use crate::catalog::{CatalogEntry, CatalogRow};
use crate::error::Error;
use crate::ids::CacheHash;
use crate::manifest::{MAX_TOMBSTONE_BYTES, Manifest};
use crate::storage::{ListedObject, ObjectKey};

use self::shards::Shards;
use super::listing::Listing;
use super::load::Part;
use super::{CONCURRENCY, NamespaceCache};

/// A manifest, and what is known of it.
#[derive(Debug, Clone)]
pub(super) struct ListedManifest {
    /// Its hash.
    pub(super) cache_hash: CacheHash,
    /// Its key.
    pub(super) key: ObjectKey,
    /// What listings need of it.
    pub(super) row: CatalogRow,
}

/// The manifests of a namespace in the order of their hashes, those without entries included while they have anything to
/// remember. A caller that has taken as many as it wants calls [`Walk::finish`].
pub(super) struct Walk<'a> {
    cache: &'a NamespaceCache,
    listing: Listing<'a>,
    listed: VecDeque<(CacheHash, ListedObject)>,
    shards: Option<Shards<'a>>,
    damaged: Vec<String>,
}

impl NamespaceCache {
    /// The manifests in this folder, which is that of all manifests or one within, that come after this key in a listing.
    pub(super) fn walk(&self, folder: &str, after: Option<String>) -> Walk<'_> {
        Walk {
            cache: self,
            listing: self.list(folder).after(after),
            listed: VecDeque::new(),
            shards: None,
            damaged: Vec::new(),
        }
    }

    /// All manifests.
    pub(super) fn walk_all(&self) -> Walk<'_> {
        self.walk(&self.layout().manifests(), None)
    }

    /// The entries of a manifest, from its pages if they are too many for a row. A manifest that cannot be read has none.
    pub(super) async fn entries_of(&self, manifest: ListedManifest) -> Result<Vec<CatalogEntry>, Error> {
        if let Some(entries) = manifest.row.entries {
            return Ok(entries);
        }
        match self.manifest_tree(&manifest.key).await {
            Ok(tree) => Ok(tree.iter().flat_map(|tree| &tree.pages.rows).map(CatalogEntry::of).collect()),
            Err(error @ Error::Corrupt { .. }) => {
                tracing::error!(%error, "left out of a listing");
                Ok(Vec::new())
            }
            Err(error) => Err(error),
        }
    }
}

impl<'a> Walk<'a> {
    /// At most `max` manifests, which may be none; `None` after the last. One that cannot be read is left out.
    ///
    /// # Errors
    ///
    /// `Unavailable` when the storage does not respond.
    pub(super) async fn next(&mut self, max: usize) -> Result<Option<Vec<ListedManifest>>, Error> {
        while self.listed.is_empty() {
            if !self.list().await? {
                return Ok(None);
            }
        }
        let batch = self.listed.drain(..max.clamp(1, self.listed.len())).collect();
        self.resolve(batch).await.map(Some)
    }

    /// Writes back what was learned.
    pub(super) async fn finish(self) {
        if let Some(mut shards) = self.shards {
            shards.close_all().await;
        }
    }

    /// The manifests that could not be read since this was asked last.
    pub(super) fn take_damaged(&mut self) -> Vec<String> {
        std::mem::take(&mut self.damaged)
    }

    /// The next page of the listing; `false` after the last.
    async fn list(&mut self) -> Result<bool, Error> {
        let page = if self.shards.is_none() {
            // The first page comes beside the list of shards.
            let (page, shards) = try_join(self.listing.next(), Shards::list(self.cache)).await?;
            self.shards = Some(shards);
            page
        } else {
            self.listing.next().await?
        };
        let Some(page) = page else { return Ok(false) };
        let layout = self.cache.layout();
        self.listed.extend(page.objects.into_iter().filter_map(|object| {
            let hash = object.key.rsplit('/').next()?.parse::<CacheHash>().ok()?;
            (layout.manifest(&hash).as_str() == object.key).then_some((hash, object))
        }));
        Ok(true)
    }

    async fn resolve(&mut self, batch: Vec<(CacheHash, ListedObject)>) -> Result<Vec<ListedManifest>, Error> {
        let cache = self.cache;
        let Some(shards) = &mut self.shards else { return Ok(Vec::new()) };
        let last = batch.last().map(|(hash, _)| hash.clone());
        let (mut known, unknown) = look_up(cache, shards, batch).await;
        let reads = unknown.iter().map(|(_, key)| cache.read_row(key)).collect::<Vec<_>>();
        let reads = stream::iter(reads).buffered(CONCURRENCY);
        let read: Vec<Result<Option<CatalogRow>, Error>> = reads.map(recover).try_collect().await?;
        for ((cache_hash, key), row) in unknown.into_iter().zip(read) {
            match row {
                Ok(None) => {}
                Ok(Some(row)) => {
                    shards.open(&cache_hash).await.insert(&cache_hash, &row);
                    known.push(ListedManifest { cache_hash, key, row });
                }
                Err(error) => {
                    tracing::error!(%error, "left out of a listing");
                    self.damaged.push(key.to_string());
                }
            }
        }
        if let Some(last) = last {
            shards.close_before(&last).await;
        }
        known.sort_by(|a, b| a.cache_hash.cmp(&b.cache_hash));
        Ok(known)
    }
}

/// The manifests whose rows the catalog has, and those that have to be read. What is a tombstone is neither.
async fn look_up(
    cache: &NamespaceCache,
    shards: &mut Shards<'_>,
    batch: Vec<(CacheHash, ListedObject)>,
) -> (Vec<ListedManifest>, Vec<(CacheHash, ObjectKey)>) {
    let (mut known, mut unknown) = (Vec::with_capacity(batch.len()), Vec::new());
    for (cache_hash, object) in batch {
        let shard = shards.open(&cache_hash).await;
        if object.size < MAX_TOMBSTONE_BYTES {
            shard.remove(&cache_hash);
            continue;
        }
        let key = cache.layout().manifest(&cache_hash);
        match shard.row(&cache_hash, &object.version) {
            Some(row) => known.push(ListedManifest { row: row.clone(), cache_hash, key }),
            None => unknown.push((cache_hash, key)),
        }
    }
    (known, unknown)
}

/// Lets an object that cannot be read pass as a result; other errors end the listing.
fn recover(read: Result<Option<CatalogRow>, Error>) -> Result<Result<Option<CatalogRow>, Error>, Error> {
    match read {
        Err(error) if !matches!(error, Error::Corrupt { .. }) => Err(error),
        read => Ok(read),
    }
}

impl NamespaceCache {
    /// The row of a manifest as it is now; `None` when there is none.
    async fn read_row(&self, key: &ObjectKey) -> Result<Option<CatalogRow>, Error> {
        let loaded = self.load::<Manifest>(key, Part::Head).await?;
        Ok(loaded.head.zip(loaded.version).map(|(manifest, version)| CatalogRow::of(&manifest, version)))
    }
}
