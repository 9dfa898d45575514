//! The shards of the catalog that a listing goes through: read when it comes to their hashes, written back when it has left
//! them.

use std::collections::{BTreeMap, BTreeSet};

use futures::future::join_all;

use crate::catalog::{CatalogRow, Shard};
use crate::error::Error;
use crate::ids::CacheHash;
use crate::storage::Version;

use super::super::NamespaceCache;

/// A shard is written back when so many rows of it have changed.
const MIN_CHANGED_ROWS: usize = 100;

/// All shards of a namespace.
pub(super) struct Shards<'a> {
    cache: &'a NamespaceCache,
    /// The prefixes of those that exist.
    prefixes: BTreeSet<String>,
    /// How long the longest of them is.
    longest_prefix: usize,
    /// Those that were read, by their prefixes.
    open: BTreeMap<String, OpenShard>,
}

/// A shard in memory.
#[derive(Debug, Default)]
pub(super) struct OpenShard {
    shard: Shard,
    /// How many rows are not as they are stored.
    changed: usize,
}

impl<'a> Shards<'a> {
    /// Looks which shards there are.
    pub(super) async fn list(cache: &'a NamespaceCache) -> Result<Self, Error> {
        let layout = cache.layout();
        let mut prefixes = BTreeSet::new();
        let folder = layout.catalog();
        let mut pages = cache.list(&folder);
        while let Some(page) = pages.next().await? {
            let shards = page.objects.iter().filter_map(|object| layout.parse_catalog_shard(&object.key));
            prefixes.extend(shards.map(ToOwned::to_owned));
        }
        let longest_prefix = prefixes.iter().map(String::len).max().unwrap_or(0);
        Ok(Self { cache, prefixes, longest_prefix, open: BTreeMap::new() })
    }

    /// The shard with the row of a hash.
    pub(super) async fn open(&mut self, hash: &CacheHash) -> &mut OpenShard {
        let prefix = self.prefix_of(hash);
        if !self.open.contains_key(prefix) {
            let shard = if self.prefixes.contains(prefix) { self.read(prefix).await } else { Shard::default() };
            self.open.insert(prefix.to_owned(), OpenShard { shard, changed: 0 });
        }
        self.open.get_mut(prefix).expect("it was just opened")
    }

    /// Writes back the shards whose hashes all come before this one.
    pub(super) async fn close_before(&mut self, hash: &CacheHash) {
        let is_left = |prefix: &&String| !hash.as_str().starts_with(prefix.as_str());
        let left: Vec<String> = self.open.keys().filter(is_left).cloned().collect();
        for prefix in left {
            self.close(prefix).await;
        }
    }

    /// Writes back all shards.
    pub(super) async fn close_all(&mut self) {
        while let Some(prefix) = self.open.keys().next().cloned() {
            self.close(prefix).await;
        }
    }

    /// The longest prefix of a hash that has a shard; if none has, the empty one, which gets one.
    fn prefix_of<'h>(&self, hash: &'h CacheHash) -> &'h str {
        let hash = hash.as_str();
        let mut prefixes = (1..=self.longest_prefix.min(hash.len())).rev().map(|len| &hash[..len]);
        prefixes.find(|prefix| self.prefixes.contains(*prefix)).unwrap_or_default()
    }

    /// A shard that cannot be read has no rows.
    async fn read(&self, prefix: &str) -> Shard {
        let key = self.cache.layout().catalog_shard(prefix);
        match self.cache.cache.read(&key).await {
            Ok(bytes) => bytes.and_then(|bytes| Shard::parse(&bytes)).unwrap_or_default(),
            Err(error) => {
                tracing::info!(%key, %error, "a shard of the catalog was not read");
                Shard::default()
            }
        }
    }

    async fn close(&mut self, prefix: String) {
        let Some(OpenShard { mut shard, changed }) = self.open.remove(&prefix) else { return };
        if changed < MIN_CHANGED_ROWS {
            return;
        }
        // Rows that went into shards with longer prefixes are dead here.
        shard.retain(|hash| self.prefix_of(hash) == prefix);
        let layout = self.cache.layout();
        let parts = shard.into_parts(prefix.clone());
        let written = parts.iter().map(async |(prefix, bytes)| {
            let key = layout.catalog_shard(prefix);
            let result = self.cache.cache.overwrite(&key, bytes.clone()).await;
            result.inspect_err(|error| tracing::info!(%key, %error, "a shard of the catalog was not written")).is_ok()
        });
        let is_written = join_all(written).await.into_iter().all(|is_written| is_written);
        if is_written && self.prefixes.contains(&prefix) && parts.iter().all(|(part, _)| *part != prefix) {
            self.cache.cache.remove_garbage(&layout.catalog_shard(&prefix)).await;
            self.prefixes.remove(&prefix);
        }
        for (prefix, _) in parts {
            self.longest_prefix = self.longest_prefix.max(prefix.len());
            self.prefixes.insert(prefix);
        }
    }
}

impl OpenShard {
    /// The row of a hash, if it was made of this version of its manifest.
    pub(super) fn row(&self, hash: &CacheHash, version: &Version) -> Option<&CatalogRow> {
        self.shard.row(hash, version)
    }

    /// Adds or replaces a row.
    pub(super) fn insert(&mut self, hash: &CacheHash, row: &CatalogRow) {
        self.changed += 1;
        self.shard.insert(hash.clone(), row.clone());
    }

    /// Takes out the row of a manifest that lists nothing any more.
    pub(super) fn remove(&mut self, hash: &CacheHash) {
        self.changed += usize::from(self.shard.remove(hash));
    }
}
