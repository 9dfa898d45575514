//! Copies a store to another one.
//!
//! Entries keep their ids, versions and times: what lists them is copied as it is. Every content is compared with its
//! SHA-256 on the way. Contents and pages come before the manifest that lists them, so a target is never worse than
//! incomplete, and what it shows can be read.
//!
//! A copy that was interrupted is repeated: what is there already is compared and left. If something else is there, it is
//! reported and left as well, unless [`CopyOptions::overwrite`] says otherwise.
//!
//! Entries of the Python service are copied as they are, or made entries of ours ([`CopyOptions::convert`]): with their ids, versions,
//! times and children, listed under their keys in the order of time. Then nothing of its files is in the target.
//!
//! Left out is what belongs to no entry or rebuilds itself: blobs and pages that nothing references, intents, the catalog. So are
//! the API keys: who may use one store need not be let into its copy.
//!
//! The source may be in use. What was stored before the copy began is in the copy; an entry that is stored, updated or deleted
//! meanwhile may be in it or not. Repeat the copy once nobody writes, with [`CopyOptions::overwrite`].

mod convert;

use std::collections::BTreeSet;
use std::sync::Arc;

use bytes::Bytes;
use cache_core::cache::{Cache, ContentPlace, ManifestAudit, NamespaceCache};
use cache_core::digest::Sha256Digest;
use cache_core::error::Error;
use cache_core::ids::{CacheHash, Namespace};
use cache_core::layout::{Layout, ObjectKind};
use cache_core::storage::{ListedObject, Object, ObjectKey, PutMode, Storage, StorageError};
use cache_core::time::Deadline;
use cache_storage::system::{OsRng, SystemClock};
use futures::stream::{self, StreamExt, TryStreamExt};
use serde::Serialize;
use tokio::sync::Semaphore;

use self::convert::PythonFiles;
use crate::listing::{for_each, page, read};
use crate::progress::Progress;
use crate::retry::retry;

/// How many bytes of contents are in memory at the same time, about, in units of [`UNIT`].
const UNITS: u32 = 4_096;
const UNIT: u64 = 64 << 10;
/// How often a manifest is read again that changes all the time.
const MAX_ATTEMPTS: usize = 8;

/// How a store is copied.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct CopyOptions {
    /// How many objects are copied at the same time.
    pub parallel: usize,
    /// Whether objects of the target that differ are replaced.
    pub overwrite: bool,
    /// Whether entries of the Python service become entries of ours.
    pub convert: bool,
}

impl Default for CopyOptions {
    /// 32 at the same time; nothing is replaced or converted.
    fn default() -> Self {
        Self { parallel: 32, overwrite: false, convert: false }
    }
}

/// What a copy did.
#[derive(Debug, Clone, PartialEq, Eq, Default, Serialize)]
pub struct CopyReport {
    /// Entries that the target lists now.
    pub entries: u64,
    /// Those of them that were made of entries of the Python service.
    pub converted: u64,
    /// Objects that were written.
    pub copied: u64,
    /// Objects that were there already.
    pub present: u64,
    /// Contents whose SHA-256 was compared.
    pub checked: u64,
    /// Bytes that were written.
    pub bytes: u64,
    /// Objects of the target that are different, and were left.
    pub different: BTreeSet<String>,
    /// Objects of the source that are missing, damaged or cannot be read. What else there is was copied.
    pub damaged: BTreeSet<String>,
}

impl CopyReport {
    /// Whether the target has all that the source has.
    pub fn is_clean(&self) -> bool {
        self.different.is_empty() && self.damaged.is_empty()
    }

    fn add(&mut self, other: Self) {
        self.entries += other.entries;
        self.converted += other.converted;
        self.copied += other.copied;
        self.present += other.present;
        self.checked += other.checked;
        self.bytes += other.bytes;
        self.different.extend(other.different);
        self.damaged.extend(other.damaged);
    }
}

/// Copies everything.
///
/// # Errors
///
/// Those of the storages. What was copied until then stays, and the copy can be repeated.
pub async fn copy(
    from: Arc<dyn Storage>,
    to: Arc<dyn Storage>,
    options: CopyOptions,
    progress: &Progress,
) -> Result<CopyReport, Error> {
    let cache = Cache::new(from.clone(), Arc::new(SystemClock), Arc::new(OsRng)).with_deadline(Deadline::NEVER);
    let target = Cache::new(to.clone(), Arc::new(SystemClock), Arc::new(OsRng)).with_deadline(Deadline::NEVER);
    let copying = Copying { from, to, target, options, progress, memory: Semaphore::new(UNITS as usize) };
    let namespaces = cache.namespaces().await?;
    for namespace in &namespaces {
        copying.count(&format!("{namespace}/")).await?;
    }
    let mut report = CopyReport::default();
    for namespace in &namespaces {
        report.add(copying.namespace(&cache.namespace(namespace), namespace).await?);
    }
    Ok(report)
}

struct Copying<'a> {
    from: Arc<dyn Storage>,
    to: Arc<dyn Storage>,
    /// Over `to`.
    target: Cache,
    options: CopyOptions,
    progress: &'a Progress,
    memory: Semaphore,
}

/// How much is known of an object.
#[derive(Clone, Copy)]
enum Check {
    /// It is written once, so one of this size is it; and these are its bytes.
    Content(Sha256Digest, u64),
    /// It is written once.
    Once,
    /// It may change.
    Bytes,
}

impl Copying<'_> {
    async fn count(&self, folder: &str) -> Result<(), Error> {
        let expect = |object: ListedObject| {
            if object.key.parse().is_ok_and(|key| is_needed(&key)) {
                self.progress.expect(1, object.size);
            }
        };
        for_each(&*self.from, folder, expect).await
    }

    async fn namespace(&self, cache: &NamespaceCache, namespace: &Namespace) -> Result<CopyReport, Error> {
        let layout = Layout::new(namespace);
        let mut report = CopyReport::default();
        let python = if self.options.convert { PythonFiles::of(cache).await? } else { PythonFiles::default() };
        let (is_joined, python_entries) = (|hash: &CacheHash| python.hashes.contains(hash), &python.entries);
        let manifest = |object: ListedObject| async move {
            let Some((_, ObjectKind::Manifest(hash))) = object.key.parse().ok().as_ref().and_then(ObjectKind::of)
            else {
                return Ok(CopyReport::default());
            };
            self.manifest(cache, layout, &hash, is_joined(&hash)).await
        };
        report.add(self.each(&layout.manifests(), manifest).await?);
        // Before the key indexes that lead to them.
        report.add(self.folder(&layout.pages_of_key_indexes(), |_| true).await?);
        report.add(self.folder(&format!("{namespace}/"), |key| is_by_itself(key) && !python.has(key)).await?);
        report.add(self.convert(cache, &self.target.namespace(namespace), python_entries).await?);
        Ok(report)
    }

    /// Copies the objects in a folder one by one.
    async fn folder(&self, folder: &str, is_wanted: impl Fn(&ObjectKey) -> bool) -> Result<CopyReport, Error> {
        let is_wanted = &is_wanted;
        self.each(folder, |object| async move {
            match object.key.parse::<ObjectKey>() {
                Ok(key) if is_wanted(&key) => self.object(&key, Check::Bytes).await,
                Ok(_) | Err(_) => Ok(CopyReport::default()),
            }
        })
        .await
    }

    /// Does something for each object in a folder, several at the same time.
    async fn each<F>(&self, folder: &str, work: impl Fn(ListedObject) -> F) -> Result<CopyReport, Error>
    where
        F: Future<Output = Result<CopyReport, Error>>,
    {
        let mut report = CopyReport::default();
        let mut after = None;
        loop {
            let page = page(&*self.from, folder, after.take()).await?;
            let mut done =
                stream::iter(page.objects.into_iter().map(&work)).buffer_unordered(self.options.parallel.max(1));
            while let Some(one) = done.try_next().await? {
                report.add(one);
            }
            let Some(next) = page.next else { return Ok(report) };
            after = Some(next);
        }
    }

    /// Copies what a manifest leads to, and then the manifest.
    async fn manifest(
        &self,
        cache: &NamespaceCache,
        layout: Layout<'_>,
        hash: &CacheHash,
        is_joined: bool,
    ) -> Result<CopyReport, Error> {
        let key = layout.manifest(hash);
        let mut report = CopyReport::default();
        // One that an earlier run has written lists the converted entries as well.
        if is_joined && !self.options.overwrite && retry(|| self.to.head(&key)).await?.is_some() {
            return Ok(CopyReport { present: 1, ..report });
        }
        let (object, audit) = match self.consistent(cache, &key, hash).await {
            Ok(Some(found)) => found,
            Ok(None) => return Ok(report),
            Err(Error::Corrupt { object, problem }) => {
                tracing::error!(object, problem, "left out");
                report.damaged.insert(object);
                return Ok(report);
            }
            Err(err) => return Err(err),
        };
        for content in &audit.contents {
            match &content.place {
                ContentPlace::Inline { is_intact } => {
                    report.checked += 1;
                    if !is_intact {
                        report.damaged.insert(key.to_string());
                    }
                }
                ContentPlace::Blob(blob) => {
                    report.add(self.object(blob, Check::Content(content.sha256, content.size)).await?);
                }
            }
        }
        for page in &audit.pages {
            report.add(self.object(page, Check::Once).await?);
        }
        report.add(self.put(&key, object.bytes).await?);
        report.entries += audit.entries.len() as u64;
        Ok(report)
    }

    /// A manifest, and what it leads to at this state.
    async fn consistent(
        &self,
        cache: &NamespaceCache,
        key: &ObjectKey,
        hash: &CacheHash,
    ) -> Result<Option<(Object, ManifestAudit)>, Error> {
        for _ in 0..MAX_ATTEMPTS {
            let Some(object) = read(&*self.from, key).await? else { return Ok(None) };
            let Some(audit) = cache.audit_manifest(hash).await? else { return Ok(None) };
            let head = retry(|| self.from.head(key)).await?;
            if head.is_some_and(|head| head.version == object.version) {
                return Ok(Some((object, audit)));
            }
        }
        Err(Error::Unavailable { message: format!("{key} changes all the time: repeat the copy later"), source: None })
    }

    /// Copies an object, unless it is there.
    async fn object(&self, key: &ObjectKey, check: Check) -> Result<CopyReport, Error> {
        let mut report = CopyReport::default();
        let size = match check {
            Check::Content(_, size) => {
                let there = retry(|| self.to.head(key)).await?;
                if there.is_some_and(|there| there.size == size) {
                    self.progress.done(size);
                    return Ok(CopyReport { present: 1, ..report });
                }
                size
            }
            Check::Once | Check::Bytes => UNIT,
        };
        let units = u32::try_from(size.div_ceil(UNIT)).unwrap_or(UNITS).clamp(1, UNITS);
        // Nobody closes it.
        let _memory = self.memory.acquire_many(units).await;
        let Some(Object { bytes, .. }) = read(&*self.from, key).await? else {
            // Something that may change may have been deleted since it was listed.
            if !matches!(check, Check::Bytes) {
                report.damaged.insert(key.to_string());
            }
            return Ok(report);
        };
        if let Check::Content(sha256, _) = check {
            report.checked += 1;
            if Sha256Digest::of(&bytes) != sha256 {
                tracing::error!(%key, "left out: its SHA-256 is not what its manifest lists");
                report.damaged.insert(key.to_string());
                return Ok(report);
            }
        }
        report.add(self.put(key, bytes).await?);
        Ok(report)
    }

    /// Writes an object, unless there is one.
    async fn put(&self, key: &ObjectKey, bytes: Bytes) -> Result<CopyReport, Error> {
        let size = bytes.len() as u64;
        let mut report = CopyReport::default();
        match retry(|| self.to.put(key, bytes.clone(), PutMode::Create)).await {
            Ok(_) => (report.copied, report.bytes) = (1, size),
            Err(StorageError::Precondition { .. }) => {
                let there = read(&*self.to, key).await?;
                if there.is_some_and(|there| there.bytes == bytes) {
                    report.present = 1;
                } else if self.options.overwrite {
                    retry(|| self.to.put(key, bytes.clone(), PutMode::Overwrite)).await?;
                    (report.copied, report.bytes) = (1, size);
                } else {
                    report.different.insert(key.to_string());
                }
            }
            Err(err) => return Err(err.into()),
        }
        self.progress.done(size);
        Ok(report)
    }
}

/// Whether an object of a namespace is copied by itself: not with its manifest, and not before its key index.
fn is_by_itself(key: &ObjectKey) -> bool {
    let Some((namespace, kind)) = ObjectKind::of(key) else { return false };
    match kind {
        ObjectKind::Manifest(_)
        | ObjectKind::Page
        | ObjectKind::Blob { .. }
        | ObjectKind::Intent
        | ObjectKind::Catalog => false,
        // What nobody knows is kept, but for remains of folders whose names are known.
        ObjectKind::Other => {
            !Layout::new(&namespace).physical_folders().iter().any(|folder| key.as_str().starts_with(folder))
        }
        ObjectKind::HashFile(_)
        | ObjectKind::KeyIndex
        | ObjectKind::Alias(_)
        | ObjectKind::Dated { .. }
        | ObjectKind::Latest(_)
        | ObjectKind::Readable { .. }
        | ObjectKind::Child(_)
        | ObjectKind::Settings => true,
    }
}

/// Whether an object is copied at all.
fn is_needed(key: &ObjectKey) -> bool {
    match ObjectKind::of(key) {
        Some((_, ObjectKind::Manifest(_) | ObjectKind::Page | ObjectKind::Blob { .. })) | None => true,
        Some(_) => is_by_itself(key),
    }
}
