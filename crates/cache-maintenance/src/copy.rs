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
mod manifests;
mod objects;

use std::collections::BTreeSet;
use std::sync::Arc;

use cache_core::cache::{Cache, NamespaceCache};
use cache_core::error::Error;
use cache_core::ids::{CacheHash, Namespace};
use cache_core::layout::{Layout, ObjectKind};
use cache_core::storage::{ListedObject, ObjectKey, Storage};
use cache_core::time::Deadline;
use cache_storage::system::{OsRng, SystemClock};
use futures::stream::{self, StreamExt, TryStreamExt};
use serde::Serialize;
use tokio::sync::Semaphore;

use self::convert::PythonFiles;
use self::objects::{Check, MEMORY_UNITS};
use crate::listing::{for_each, page};
use crate::progress::Progress;

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
    let copying = Copying { from, to, target, options, progress, memory: Semaphore::new(MEMORY_UNITS as usize) };
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
    let comes_with_manifest = |(_, kind): (_, ObjectKind)| {
        matches!(kind, ObjectKind::Manifest(_) | ObjectKind::Page | ObjectKind::Blob { .. })
    };
    ObjectKind::of(key).is_none_or(comes_with_manifest) || is_by_itself(key)
}
