//! The paths that are rendered from manifests.

use crate::error::Error;
use crate::strategy::Strategy;

use super::super::super::NamespaceCache;
use super::super::super::catalog::Walk;
use super::super::super::listing::MAX_LISTED;
use super::AFTER_ALL;
use super::collector::{Collector, ItemKind};

/// How many manifests are looked at when one path is enough.
const FEW: usize = 8;

impl NamespaceCache {
    /// The reference files of hashes. Their paths are in the order of manifests.
    pub(super) async fn list_hash_references(&self, found: &mut Collector<'_>) -> Result<(), Error> {
        let layout = self.layout();
        let folder = layout.manifests();
        let Some(mut walk) = self.walk_related(&folder, found) else { return Ok(()) };
        let only_one = found.takes_one_of(&folder);
        'all: while let Some(manifests) = walk.next(batch_size(found, &folder)).await? {
            for manifest in manifests.into_iter().filter(|manifest| !manifest.row.counts.is_zero()) {
                let path = layout.hash_reference(&manifest.cache_hash).to_string();
                if found.is_complete_before(&path) {
                    break 'all;
                }
                found.offer(&path);
                if only_one {
                    break 'all;
                }
            }
        }
        walk.finish().await;
        for hash in self.python_hashes(None, usize::MAX).await? {
            found.offer(layout.hash_reference(&hash).as_str());
        }
        Ok(())
    }

    /// The reference files of entries. Their paths are in the order of manifests, but for ids that are not ours.
    pub(super) async fn list_id_references(&self, found: &mut Collector<'_>) -> Result<(), Error> {
        let layout = self.layout();
        let folder = layout.aliases();
        let Some(mut walk) = self.walk_related(&folder, found) else { return Ok(()) };
        self.list_foreign_ids(&folder, found).await?;
        let only_one = found.takes_one_of(&folder);
        'all: while let Some(manifests) = walk.next(batch_size(found, &folder)).await? {
            for manifest in manifests.into_iter().filter(|manifest| !manifest.row.counts.is_zero()) {
                let entries = self.entries_of(manifest).await?;
                let own = entries.iter().map(|entry| entry.cache_id).filter(|id| id.parts().is_some());
                let paths: Vec<String> = own.map(|id| layout.alias(id).to_string()).collect();
                let first = paths.iter().min();
                if first.is_some_and(|first| found.is_complete_before(first)) {
                    break 'all;
                }
                paths.iter().for_each(|path| found.offer(path));
                if only_one && first.is_some() {
                    break 'all;
                }
            }
        }
        walk.finish().await;
        Ok(())
    }

    async fn list_foreign_ids(&self, folder: &str, found: &mut Collector<'_>) -> Result<(), Error> {
        let after = found.after.and_then(|after| after.strip_prefix(folder));
        let after = after.and_then(|after| after.rsplit('/').next()?.strip_suffix(".json")?.parse().ok());
        let below = if found.prefix.len() > folder.len() { found.prefix.clone() } else { folder.to_owned() };
        // Several files can be in one folder, so of these it is not known how many are needed.
        let max = if found.kind == ItemKind::Files { found.max() } else { usize::MAX };
        let ids = self.foreign_ids(&below, after, max).await?;
        ids.iter().for_each(|id| found.offer(self.layout().alias(*id).as_str()));
        Ok(())
    }

    /// The contents of the entries of the strategy `direct`. Their paths are in no order.
    pub(super) async fn list_direct_contents(&self, found: &mut Collector<'_>) -> Result<(), Error> {
        let folder = self.layout().direct_contents();
        if !is_related(&folder, found) {
            return Ok(());
        }
        let only_one = found.takes_one_of(&folder);
        let mut walk = self.walk_all();
        'all: while let Some(manifests) = walk.next(if only_one { FEW } else { MAX_LISTED }).await? {
            for manifest in manifests.into_iter().filter(|manifest| manifest.row.counts.of(Strategy::Direct) > 0) {
                if only_one {
                    found.offer(&format!("{folder}{}", manifest.cache_hash));
                    break 'all;
                }
                let entries = self.entries_of(manifest).await?;
                let files = entries.iter().filter_map(|entry| entry.direct_file.as_deref());
                files.for_each(|file| found.offer(&format!("{folder}{file}")));
            }
        }
        walk.finish().await;
        Ok(())
    }

    /// The manifests whose paths below this folder can count; `None` when none can. Below it paths have the same shards and
    /// the same order as manifests.
    fn walk_related(&self, folder: &str, found: &Collector<'_>) -> Option<Walk<'_>> {
        if !is_related(folder, found) {
            return None;
        }
        let manifests = self.layout().manifests();
        let below = found.prefix.strip_prefix(folder).unwrap_or_default();
        let after = found.after.and_then(|after| after.strip_prefix(folder)).map(|after| {
            let name = after.rsplit('/').next().unwrap_or_default().trim_end_matches(".json");
            match name.parse() {
                Ok(id) => self.layout().manifests_from(id),
                // A folder that is listed as a whole, or a hash.
                Err(_) if after.ends_with('/') && !found.recursive => format!("{manifests}{after}{AFTER_ALL}"),
                Err(_) => format!("{manifests}{}", after.trim_end_matches(".json")),
            }
        });
        Some(self.walk(&format!("{manifests}{below}"), after))
    }
}

/// Whether paths below a folder can count.
fn is_related(folder: &str, found: &Collector<'_>) -> bool {
    let overlaps = folder.starts_with(&found.prefix) || found.prefix.starts_with(folder);
    // Only folders are found from above.
    let is_useless = found.kind == ItemKind::Files && found.takes_one_of(folder);
    overlaps && !is_useless && !found.is_passed(folder)
}

/// How many manifests are looked at together.
fn batch_size(found: &Collector<'_>, folder: &str) -> usize {
    if found.takes_one_of(folder) { FEW } else { found.max().min(MAX_LISTED) }
}
