//! Mends what can be mended without a guess.

use std::sync::Arc;

use cache_core::cache::SweepReport;
use cache_core::error::Error;
use cache_core::ids::CacheId;
use cache_core::storage::Storage;
use cache_core::time::UnixMillis;
use serde::Serialize;

use super::{Expected, Space, VerifyReport, cache_over, expect_manifests, verify};
use crate::progress::Progress;
use crate::retry::retry;

/// What a repair did.
#[derive(Debug, Clone, PartialEq, Eq, Default, Serialize)]
pub struct RepairReport {
    /// Objects and rows that were removed because they belong to nothing, expired entries included.
    pub removed: u64,
    /// Shards of the catalog that were removed.
    pub removed_catalogs: u64,
    /// Views that were written.
    pub written_views: u64,
    /// Entries that were listed under their keys again.
    pub listed_entries: u64,
    /// What is left.
    pub left: VerifyReport,
}

/// Mends what can be mended without a guess, and verifies what is left.
///
/// # Errors
///
/// Those of the storage. What was mended until then stays mended.
pub async fn repair(storage: Arc<dyn Storage>, progress: &Progress) -> Result<RepairReport, Error> {
    let cache = cache_over(&storage);
    let namespaces = cache.namespaces().await?;
    expect_manifests(&*storage, &namespaces, progress).await?;
    let mut repaired = RepairReport::default();
    for namespace in &namespaces {
        let space = Space { storage: &storage, cache: cache.namespace(namespace), namespace, progress };
        space.repair(&mut repaired).await?;
    }
    repaired.left = verify(storage, progress).await?;
    Ok(repaired)
}

impl Space<'_> {
    async fn repair(&self, repaired: &mut RepairReport) -> Result<(), Error> {
        repaired.removed += removed_by(&self.cache.sweep().await?);
        let versions = self.manifest_versions().await?;
        for shard in self.stale_catalogs(&versions).await? {
            retry(|| self.storage.delete(&shard)).await?;
            repaired.removed_catalogs += 1;
        }
        let mut found = VerifyReport::default();
        let expected = self.expected(&mut found).await?;
        for entry in self.dated_views(&mut found, &expected).await?.values() {
            repaired.written_views += u64::from(self.cache.restore_view(*entry).await?);
        }
        for entry in not_under_their_keys(&expected) {
            repaired.listed_entries += u64::from(self.cache.list_under_its_key(entry).await?);
        }
        for key in self.keys_without_view(&expected).await? {
            self.cache.settle_view(key).await;
            repaired.written_views += 1;
        }
        Ok(())
    }
}

fn removed_by(swept: &SweepReport) -> u64 {
    swept.expired_entries
        + swept.unreferenced_blobs
        + swept.stale_intents
        + swept.orphaned_children
        + swept.orphaned_aliases
        + swept.orphaned_pages
        + swept.orphaned_views
        + swept.orphaned_key_rows
}

/// Entries that their key indexes do not list, in the order of time.
fn not_under_their_keys(expected: &Expected) -> Vec<CacheId> {
    let unlisted = expected.by_key.values().flatten();
    let mut unlisted: Vec<(UnixMillis, CacheId)> =
        unlisted.filter_map(|id| Some((*expected.stored_at.get(id)?, *id))).collect();
    unlisted.sort();
    unlisted.into_iter().map(|(_, id)| id).collect()
}
