//! Entries of the Python service become entries of ours in the target.

use std::collections::HashSet;

use cache_core::cache::{Conversion, NamespaceCache, PythonEntry, PythonEntryState};
use cache_core::error::Error;
use cache_core::ids::{CacheHash, CacheId};
use cache_core::layout::ObjectKind;
use cache_core::storage::ObjectKey;
use futures::stream::{self, StreamExt, TryStreamExt};

use super::{CopyReport, Copying};

/// The files of the entries that are converted.
#[derive(Default)]
pub(super) struct PythonFiles {
    pub(super) entries: Vec<PythonEntry>,
    pub(super) hashes: HashSet<CacheHash>,
    ids: HashSet<CacheId>,
    files: HashSet<String>,
    folders: HashSet<String>,
}

impl PythonFiles {
    pub(super) async fn of(cache: &NamespaceCache) -> Result<Self, Error> {
        let all = cache.python_entries().await?;
        let mut files = Self::default();
        for entry in &all {
            files.hashes.insert(entry.cache_hash.clone());
            files.ids.insert(entry.cache_id);
            files.files.extend(entry.files());
            files.folders.extend(entry.child_folders.iter().cloned());
        }
        files.entries = all.into_iter().filter(|entry| entry.state != PythonEntryState::Deleted).collect();
        Ok(files)
    }

    /// Whether an object belongs to one of them.
    pub(super) fn has(&self, key: &ObjectKey) -> bool {
        let kind = ObjectKind::of(key).map(|(_, kind)| kind);
        if let Some(ObjectKind::HashFile(hash)) = &kind {
            return self.hashes.contains(hash);
        }
        if let Some(ObjectKind::Alias(id)) = &kind {
            return self.ids.contains(id);
        }
        self.has_file(key.as_str())
    }

    fn has_file(&self, path: &str) -> bool {
        let is_child =
            || path.match_indices("/data/").any(|(at, folder)| self.folders.contains(&path[..at + folder.len()]));
        self.files.contains(path) || !self.folders.is_empty() && is_child()
    }
}

impl Copying<'_> {
    /// Makes entries of ours of those of the Python service. Those with one hash come one after the other, in their order.
    pub(super) async fn convert(
        &self,
        cache: &NamespaceCache,
        target: &NamespaceCache,
        entries: &[PythonEntry],
    ) -> Result<CopyReport, Error> {
        let of_hashes = entries.chunk_by(|a, b| a.cache_hash == b.cache_hash).map(|entries| async move {
            let mut report = CopyReport::default();
            for entry in entries {
                report.add(self.convert_one(cache, target, entry).await?);
            }
            Ok::<_, Error>(report)
        });
        let mut report = CopyReport::default();
        let mut converting = stream::iter(of_hashes).buffer_unordered(self.options.parallel.max(1));
        while let Some(one) = converting.try_next().await? {
            report.add(one);
        }
        // Under a key, the one that was stored last is the newest.
        let mut by_time: Vec<&PythonEntry> =
            entries.iter().filter(|entry| entry.state == PythonEntryState::Original).collect();
        by_time.sort_by_key(|entry| entry.stored_at);
        for entry in by_time {
            target.restore_view(entry.cache_id).await?;
            target.list_under_its_key(entry.cache_id).await?;
        }
        Ok(report)
    }

    async fn convert_one(
        &self,
        cache: &NamespaceCache,
        target: &NamespaceCache,
        entry: &PythonEntry,
    ) -> Result<CopyReport, Error> {
        let mut report = CopyReport::default();
        match cache.convert_python_entry(entry, target).await? {
            Conversion::Converted(bytes) => {
                (report.copied, report.converted, report.bytes) = (1, 1, bytes);
                self.progress.done(bytes);
            }
            Conversion::Present => report.present = 1,
            Conversion::WithoutContent => {
                report.damaged.extend(entry.contents.first().map(ToString::to_string));
                return Ok(report);
            }
        }
        // One that was updated is counted with the manifest.
        report.entries = u64::from(entry.state == PythonEntryState::Original);
        Ok(report)
    }
}
