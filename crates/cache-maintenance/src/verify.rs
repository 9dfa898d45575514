//! Compares everything in a store with everything else.
//!
//! | finding | what it means | what [`repair`] does |
//! |---|---|---|
//! | `missing_content` | an entry whose content is gone | nothing: only a copy of the store has it |
//! | `damaged_content` | a content that does not have the SHA-256 that is listed | nothing |
//! | `unreadable` | a manifest, page or index that cannot be read | nothing |
//! | `without_manifest` | a blob, page or key row whose manifest is missing | nothing: the manifest may have been lost by mistake |
//! | `unreferenced_blob`, `orphaned_page`, `orphaned_view` | belongs to nothing, and is older than a day | removes it |
//! | `key_row_without_entry` | a key index lists an entry that is gone | takes it out |
//! | `not_under_its_key` | an entry that its key index does not list | lists it if it is newer than all that are listed; which version an older one should be is a guess |
//! | `missing_view` | an entry that a folder of views does not show | writes the view |
//! | `python_leftover` | a file of the Python service that belongs to no entry, or a reference to an entry that is gone | finishes deletes that broke off; the rest may be what is left of an entry whose reference file was lost |
//! | `python_entry_without_content` | an entry of the Python service whose content is gone, as it is when an entry with the same key and file id was deleted | nothing |
//! | `stale_catalog` | a part of the catalog that is out of date: listings then read manifests | removes it; listings write it again |
//!
//! A store may be in use meanwhile. Then what is being written at the moment can be among the findings; what is found again by
//! a second run is lasting. A stale catalog is no damage and does not count as a finding.

mod python_files;

use std::collections::{BTreeMap, BTreeSet, HashMap, HashSet};
use std::sync::Arc;

use cache_core::cache::{Cache, ContentPlace, KeyIndexAudit, ManifestAudit, NamespaceCache, SWEEP_MIN_AGE};
use cache_core::catalog::Shard;
use cache_core::clock::Clock;
use cache_core::digest::Sha256Digest;
use cache_core::error::Error;
use cache_core::ids::{CacheHash, CacheId, Namespace};
use cache_core::layout::{KeyRef, Layout, ObjectKind};
use cache_core::storage::{ListedObject, ObjectKey, Storage, Version};
use cache_core::strategy::Strategy;
use cache_core::time::{Deadline, UnixMillis};
use cache_storage::system::{OsRng, SystemClock};
use futures::stream::{self, StreamExt, TryStreamExt};
use serde::Serialize;

use crate::listing::{for_each, read};
use crate::progress::Progress;
use crate::retry::retry;

/// How many manifests or key indexes are compared at the same time. Each has one content in memory at most.
const PARALLEL: usize = 8;

/// What is wrong with an object. The module's docs have a table.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Serialize)]
#[serde(rename_all = "snake_case")]
pub enum FindingKind {
    /// An entry's content is gone.
    MissingContent,
    /// A content does not have the SHA-256 that is listed.
    DamagedContent,
    /// A manifest, page or index cannot be read.
    Unreadable,
    /// Its manifest is missing.
    WithoutManifest,
    /// Nothing references this blob.
    UnreferencedBlob,
    /// Nothing leads to this page.
    OrphanedPage,
    /// The entry of this view is gone.
    OrphanedView,
    /// A key index lists an entry that is gone.
    KeyRowWithoutEntry,
    /// A key index does not list an entry.
    NotUnderItsKey,
    /// A view is missing.
    MissingView,
    /// A file of the Python service belongs to no entry.
    PythonLeftover,
    /// The content of an entry of the Python service is gone.
    PythonEntryWithoutContent,
}

/// One finding.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord, Serialize)]
pub struct Finding {
    /// What is wrong.
    pub kind: FindingKind,
    /// The object.
    pub object: String,
    /// The entries that are affected.
    #[serde(skip_serializing_if = "Vec::is_empty")]
    pub entries: Vec<CacheId>,
}

/// What a store has, and what is wrong with it.
#[derive(Debug, Clone, PartialEq, Eq, Default, Serialize)]
pub struct VerifyReport {
    /// Namespaces.
    pub namespaces: u64,
    /// Manifests, tombstones included.
    pub manifests: u64,
    /// Entries that manifests list.
    pub entries: u64,
    /// Entries of the Python service that were not changed. The SHA-256 of their contents is not known.
    pub python_entries: u64,
    /// Contents whose SHA-256 was compared.
    pub contents: u64,
    /// Their bytes.
    pub content_bytes: u64,
    /// Key indexes.
    pub key_indexes: u64,
    /// Shards of the catalog that are out of date, or cannot be read. They are no findings.
    pub stale_catalogs: u64,
    /// What is wrong, sorted.
    pub findings: BTreeSet<Finding>,
}

impl VerifyReport {
    /// Whether nothing is wrong.
    pub fn is_clean(&self) -> bool {
        self.findings.is_empty()
    }

    fn find(&mut self, kind: FindingKind, object: &ObjectKey, entries: Vec<CacheId>) {
        self.findings.insert(Finding { kind, object: object.to_string(), entries });
    }
}

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

/// Compares everything. Nothing is changed.
///
/// # Errors
///
/// Those of the storage.
pub async fn verify(storage: Arc<dyn Storage>, progress: &Progress) -> Result<VerifyReport, Error> {
    let cache = cache_over(&storage);
    let namespaces = cache.namespaces().await?;
    for namespace in &namespaces {
        for_each(&*storage, &Layout::new(namespace).manifests(), |object| progress.expect(1, object.size)).await?;
    }
    let mut report = VerifyReport { namespaces: namespaces.len() as u64, ..VerifyReport::default() };
    for namespace in &namespaces {
        let space = Space { storage: &storage, cache: cache.namespace(namespace), namespace, progress };
        space.verify(&mut report).await?;
    }
    Ok(report)
}

/// Mends what can be mended without a guess, and verifies what is left.
///
/// # Errors
///
/// Those of the storage. What was mended until then stays mended.
pub async fn repair(storage: Arc<dyn Storage>, progress: &Progress) -> Result<RepairReport, Error> {
    let cache = cache_over(&storage);
    let mut repaired = RepairReport::default();
    for namespace in &cache.namespaces().await? {
        let space = Space { storage: &storage, cache: cache.namespace(namespace), namespace, progress };
        let swept = space.cache.sweep().await?;
        repaired.removed += swept.expired_entries
            + swept.unreferenced_blobs
            + swept.stale_intents
            + swept.orphaned_children
            + swept.orphaned_aliases
            + swept.orphaned_pages
            + swept.orphaned_views
            + swept.orphaned_key_rows;
        let versions = space.manifest_versions().await?;
        for shard in space.stale_catalogs(&versions).await? {
            retry(|| storage.delete(&shard)).await?;
            repaired.removed_catalogs += 1;
        }
        let found = space.expected().await?;
        for entry in found.views.values() {
            repaired.written_views += u64::from(space.cache.restore_view(*entry).await?);
        }
        let mut unlisted = found.unlisted;
        unlisted.sort();
        for (_, entry) in unlisted {
            repaired.listed_entries += u64::from(space.cache.list_under_its_key(entry).await?);
        }
        for key in space.keys_without_view().await? {
            space.cache.settle_view(&key).await;
            repaired.written_views += 1;
        }
    }
    repaired.left = verify(storage, progress).await?;
    Ok(repaired)
}

fn cache_over(storage: &Arc<dyn Storage>) -> Cache {
    Cache::new(storage.clone(), Arc::new(SystemClock), Arc::new(OsRng)).with_deadline(Deadline::NEVER)
}

/// A namespace that is verified.
struct Space<'a> {
    storage: &'a Arc<dyn Storage>,
    cache: NamespaceCache,
    namespace: &'a Namespace,
    progress: &'a Progress,
}

/// What is missing of what the manifests of a namespace lead to.
struct Missing {
    /// Dated views, with their entries.
    views: HashMap<ObjectKey, CacheId>,
    /// Entries that their key indexes do not list, with their times.
    unlisted: Vec<(UnixMillis, CacheId)>,
}

/// What the manifests of a namespace lead to.
#[derive(Default)]
struct Expected {
    blobs: HashSet<ObjectKey>,
    pages: HashSet<ObjectKey>,
    dated_views: HashMap<ObjectKey, CacheId>,
    by_key: BTreeMap<ObjectKey, BTreeSet<CacheId>>,
    stored_at: HashMap<CacheId, UnixMillis>,
    /// Manifests that could not be read: what belongs to them is no finding of its own.
    unreadable: HashSet<CacheHash>,
    versions: HashMap<CacheHash, Version>,
}

impl Space<'_> {
    fn layout(&self) -> Layout<'_> {
        Layout::new(self.namespace)
    }

    async fn verify(&self, report: &mut VerifyReport) -> Result<(), Error> {
        let mut expected = Expected { versions: self.manifest_versions().await?, ..Expected::default() };
        self.manifests(report, &mut expected).await?;
        self.key_indexes(report, &mut expected).await?;
        self.python_files(report).await?;
        self.blobs(report, &expected).await?;
        self.pages(report, &expected).await?;
        for (view, entry) in self.dated_views(report, &expected).await? {
            report.find(FindingKind::MissingView, &view, vec![entry]);
        }
        for key in self.keys_without_view().await? {
            if let Ok(view) = self.layout().latest(&key) {
                report.find(FindingKind::MissingView, &view, Vec::new());
            }
        }
        report.stale_catalogs += self.stale_catalogs(&expected.versions).await?.len() as u64;
        Ok(())
    }

    /// What a repair has to write.
    async fn expected(&self) -> Result<Missing, Error> {
        let (mut report, mut expected) = (VerifyReport::default(), Expected::default());
        expected.versions = self.manifest_versions().await?;
        self.manifests(&mut report, &mut expected).await?;
        self.key_indexes(&mut report, &mut expected).await?;
        let views = self.dated_views(&mut report, &expected).await?;
        let unlisted = expected.by_key.values().flatten();
        let unlisted = unlisted.filter_map(|id| Some((*expected.stored_at.get(id)?, *id))).collect();
        Ok(Missing { views, unlisted })
    }

    async fn manifest_versions(&self) -> Result<HashMap<CacheHash, Version>, Error> {
        let mut versions = HashMap::new();
        for_each(&**self.storage, &self.layout().manifests(), |object| {
            if let Some((_, ObjectKind::Manifest(hash))) = object.key.parse().ok().as_ref().and_then(ObjectKind::of) {
                versions.insert(hash, object.version);
            }
        })
        .await?;
        Ok(versions)
    }

    async fn manifests(&self, report: &mut VerifyReport, expected: &mut Expected) -> Result<(), Error> {
        let hashes: Vec<CacheHash> = expected.versions.keys().cloned().collect();
        let mut audits = stream::iter(hashes.into_iter().map(|hash| async move {
            let audit = self.cache.audit_manifest(&hash).await;
            (hash, audit)
        }))
        .buffer_unordered(PARALLEL);
        let mut blobs = Vec::new();
        while let Some((hash, audit)) = audits.next().await {
            self.progress.done(0);
            report.manifests += 1;
            match audit {
                Ok(Some(audit)) => self.manifest(&hash, audit, report, expected, &mut blobs),
                Ok(None) => {}
                Err(Error::Corrupt { object, .. }) => {
                    report.findings.insert(Finding { kind: FindingKind::Unreadable, object, entries: Vec::new() });
                    expected.unreadable.insert(hash);
                }
                Err(err) => return Err(err),
            }
        }
        drop(audits);
        self.progress.expect(blobs.len() as u64, blobs.iter().map(|blob| blob.size).sum());
        let mut checks = stream::iter(blobs.into_iter().map(|blob| self.check_blob(blob))).buffer_unordered(PARALLEL);
        while let Some((finding, size)) = checks.try_next().await? {
            (report.contents, report.content_bytes) = (report.contents + 1, report.content_bytes + size);
            report.findings.extend(finding);
        }
        Ok(())
    }

    fn manifest(
        &self,
        hash: &CacheHash,
        audit: ManifestAudit,
        report: &mut VerifyReport,
        expected: &mut Expected,
        blobs: &mut Vec<Blob>,
    ) {
        report.entries += audit.entries.len() as u64;
        for content in audit.contents {
            match content.place {
                ContentPlace::Inline { is_intact } => {
                    report.contents += 1;
                    report.content_bytes += content.size;
                    if !is_intact {
                        report.find(FindingKind::DamagedContent, &self.layout().manifest(hash), content.entries);
                    }
                }
                ContentPlace::Blob(key) => {
                    expected.blobs.insert(key.clone());
                    blobs.push(Blob { key, sha256: content.sha256, size: content.size, entries: content.entries });
                }
            }
        }
        expected.pages.extend(audit.pages);
        for entry in audit.entries {
            expected.stored_at.insert(entry.cache_id, entry.stored_at);
            // One that came from elsewhere may be older than what its key lists.
            if let Some((index, _)) = entry.key_index.filter(|_| entry.cache_id.parts().is_some()) {
                expected.by_key.entry(index).or_default().insert(entry.cache_id);
            }
            if let Some(view) = entry.dated_view {
                expected.dated_views.insert(view, entry.cache_id);
            }
        }
    }

    async fn check_blob(&self, blob: Blob) -> Result<(Option<Finding>, u64), Error> {
        let found = read(&**self.storage, &blob.key).await?;
        self.progress.done(blob.size);
        let kind = match &found {
            None => Some(FindingKind::MissingContent),
            Some(object) => (Sha256Digest::of(&object.bytes) != blob.sha256).then_some(FindingKind::DamagedContent),
        };
        let size = found.map_or(0, |object| object.size);
        Ok((kind.map(|kind| Finding { kind, object: blob.key.to_string(), entries: blob.entries }), size))
    }

    async fn key_indexes(&self, report: &mut VerifyReport, expected: &mut Expected) -> Result<(), Error> {
        let mut indexes = Vec::new();
        for_each(&**self.storage, &self.layout().key_indexes(), |object| {
            indexes.extend(object.key.parse::<ObjectKey>())
        })
        .await?;
        let audits = indexes.into_iter().map(|key| async move {
            let audit = self.cache.audit_key_index(&key).await;
            (key, audit)
        });
        let mut audits = stream::iter(audits).buffer_unordered(PARALLEL);
        while let Some((key, audit)) = audits.next().await {
            report.key_indexes += 1;
            match audit {
                Ok(None) => {}
                Ok(Some(KeyIndexAudit { pages, listed, gone, unknown })) => {
                    expected.pages.extend(pages);
                    let missing = expected.by_key.entry(key.clone()).or_default();
                    listed.iter().for_each(|id| _ = missing.remove(id));
                    for (kind, ids) in
                        [(FindingKind::KeyRowWithoutEntry, gone), (FindingKind::WithoutManifest, unknown)]
                    {
                        if !ids.is_empty() {
                            report.find(kind, &key, ids);
                        }
                    }
                }
                Err(Error::Corrupt { object, .. }) => {
                    report.findings.insert(Finding { kind: FindingKind::Unreadable, object, entries: Vec::new() });
                    expected.by_key.remove(&key);
                }
                Err(err) => return Err(err),
            }
        }
        for (key, missing) in &expected.by_key {
            if !missing.is_empty() {
                report.find(FindingKind::NotUnderItsKey, key, missing.iter().copied().collect());
            }
        }
        Ok(())
    }

    async fn blobs(&self, report: &mut VerifyReport, expected: &Expected) -> Result<(), Error> {
        for_each(&**self.storage, &self.layout().blobs(), |object| {
            let Ok(key) = object.key.parse::<ObjectKey>() else { return };
            let Some((_, ObjectKind::Blob { cache_hash, .. })) = ObjectKind::of(&key) else { return };
            if expected.blobs.contains(&key) || !is_old(&object) || expected.unreadable.contains(&cache_hash) {
                return;
            }
            let has_manifest = expected.versions.contains_key(&cache_hash);
            let kind = if has_manifest { FindingKind::UnreferencedBlob } else { FindingKind::WithoutManifest };
            report.find(kind, &key, Vec::new());
        })
        .await
    }

    async fn pages(&self, report: &mut VerifyReport, expected: &Expected) -> Result<(), Error> {
        for folder in [self.layout().pages_of_manifests(), self.layout().pages_of_key_indexes()] {
            for_each(&**self.storage, &folder, |object| {
                let Ok(key) = object.key.parse::<ObjectKey>() else { return };
                if is_old(&object) && !expected.pages.contains(&key) {
                    report.find(FindingKind::OrphanedPage, &key, Vec::new());
                }
            })
            .await?;
        }
        Ok(())
    }

    /// Reports views that nothing expects, and returns those that are missing.
    async fn dated_views(
        &self,
        report: &mut VerifyReport,
        expected: &Expected,
    ) -> Result<HashMap<ObjectKey, CacheId>, Error> {
        let mut missing = expected.dated_views.clone();
        for strategy in Strategy::ALL.into_iter().filter(|strategy| strategy.is_dated()) {
            for_each(&**self.storage, &self.layout().dated_folder(strategy), |object| {
                let Ok(key) = object.key.parse::<ObjectKey>() else { return };
                let is_dated = matches!(ObjectKind::of(&key), Some((_, ObjectKind::Dated { .. })));
                if missing.remove(&key).is_none() && is_dated && is_old(&object) {
                    report.find(FindingKind::OrphanedView, &key, Vec::new());
                }
            })
            .await?;
        }
        // One that came from elsewhere, and was changed here, has its views there.
        missing.retain(|_, entry| entry.parts().is_some());
        Ok(missing)
    }

    /// Keys that have an entry but no latest view.
    async fn keys_without_view(&self) -> Result<Vec<KeyRef>, Error> {
        let mut views = HashSet::new();
        let folder = format!("{}latest/", self.layout().dated_folder(Strategy::TemporalLatest));
        for_each(&**self.storage, &folder, |object| _ = views.insert(object.key)).await?;
        let mut indexes = Vec::new();
        for_each(&**self.storage, &self.layout().key_indexes(), |object| {
            indexes.extend(object.key.parse::<ObjectKey>())
        })
        .await?;
        let mut keys =
            stream::iter(indexes.iter().map(|key| self.cache.key_with_entries(key))).buffer_unordered(PARALLEL);
        let mut without = Vec::new();
        while let Some(key) = keys.next().await {
            // One that cannot be read is a finding already.
            let Some(key) = unless_corrupt(key)? else { continue };
            let view = self.layout().latest(&key);
            if key.strategy == Strategy::TemporalLatest && view.is_ok_and(|view| !views.contains(view.as_str())) {
                without.push(key);
            }
        }
        Ok(without)
    }

    /// The shards of the catalog with a row of another version than its manifest has.
    async fn stale_catalogs(&self, versions: &HashMap<CacheHash, Version>) -> Result<Vec<ObjectKey>, Error> {
        let mut shards = Vec::new();
        for_each(&**self.storage, &self.layout().catalog(), |object| shards.extend(object.key.parse::<ObjectKey>()))
            .await?;
        let mut stale = Vec::new();
        for key in shards {
            let Some(object) = read(&**self.storage, &key).await? else { continue };
            let is_fresh = Shard::parse(&object.bytes)
                .is_some_and(|shard| shard.versions().all(|(hash, version)| versions.get(hash) == Some(version)));
            if !is_fresh {
                stale.push(key);
            }
        }
        Ok(stale)
    }
}

/// A blob that a manifest lists.
struct Blob {
    key: ObjectKey,
    sha256: Sha256Digest,
    size: u64,
    entries: Vec<CacheId>,
}

/// Whether nothing that is still under way can have written it.
fn is_old(object: &ListedObject) -> bool {
    SystemClock.now() >= object.modified.plus(SWEEP_MIN_AGE)
}

fn unless_corrupt<T>(found: Result<Option<T>, Error>) -> Result<Option<T>, Error> {
    match found {
        Err(Error::Corrupt { .. }) => Ok(None),
        found => found,
    }
}
