//! Compares everything in a store with everything else.
//!
//! | finding | what it means | what [`repair()`] does |
//! |---|---|---|
//! | `missing_content` | an entry whose content is gone | nothing: only a copy of the store has it |
//! | `damaged_content` | a content that does not have the SHA-256 that is listed | nothing |
//! | `unreadable` | a manifest, page or index that cannot be read | nothing |
//! | `without_manifest` | a blob, page or key row whose manifest is missing | nothing: the manifest may have been lost by mistake |
//! | `unreferenced_blob`, `orphaned_page`, `orphaned_view` | belongs to nothing, and is older than a day | removes it |
//! | `key_row_without_entry` | a key index lists an entry that is gone | takes it out |
//! | `not_under_its_key` | an entry that its key index does not list, and that is newer than all that it ever listed | lists it |
//! | `missing_view` | an entry that a folder of views does not show | writes the view |
//! | `python_leftover` | a file of the Python service that belongs to no entry, or a reference to an entry that is gone | finishes deletes that broke off; the rest may be what is left of an entry whose reference file was lost |
//! | `python_entry_without_content` | an entry of the Python service whose content is gone, as it is when an entry with the same key and file id was deleted | nothing |
//! | `stale_catalog` | a part of the catalog that is out of date: listings then read manifests | removes it; listings write it again |
//!
//! A store under a key writes the manifest first, then the key index, and is acknowledged then; a delete begins with the key
//! index. So a process that is killed in between leaves an entry with its id and hash but without a version under its key. It
//! is no finding when the key index has listed a later entry, because which version an older one should be would be a guess:
//! [`VerifyReport::unlisted_entries`] names it. Only a key index that was set back from outside can lack older entries that were
//! acknowledged, and looks the same once a later one was stored.
//!
//! A store may be in use meanwhile. Then what is being written at the moment can be among the findings; what is found again by
//! a second run is lasting. A stale catalog is no damage and does not count as a finding.
//!
//! | module | what |
//! |---|---|
//! | `report` | what is reported |
//! | `manifests` | reads all manifests, and the contents that they list |
//! | `key_indexes` | key indexes, compared with the manifests |
//! | `leftovers` | blobs and pages that nothing leads to |
//! | `views` | views, compared with manifests and key indexes |
//! | `catalog` | the catalog, compared with the manifests |
//! | `python_files` | what the Python service has left |
//! | `repair` | what is mended |

mod catalog;
mod key_indexes;
mod leftovers;
mod manifests;
mod python_files;
mod repair;
mod report;
mod views;

use std::collections::{BTreeMap, BTreeSet, HashMap, HashSet};
use std::sync::Arc;

use cache_core::cache::{Cache, NamespaceCache, SWEEP_MIN_AGE};
use cache_core::clock::Clock;
use cache_core::error::Error;
use cache_core::ids::{CacheHash, CacheId, Namespace};
use cache_core::layout::{KeyRef, Layout};
use cache_core::storage::{ListedObject, ObjectKey, Storage, Version};
use cache_core::time::{Deadline, UnixMillis};
use cache_storage::system::{OsRng, SystemClock};

pub use self::repair::{RepairReport, repair};
pub use self::report::{Finding, FindingKind, VerifyReport};

use crate::listing::for_each;
use crate::progress::Progress;

/// How many manifests or key indexes are compared at the same time. Each has one content in memory at most.
const PARALLEL: usize = 8;

/// Compares everything. Nothing is changed.
///
/// # Errors
///
/// Those of the storage.
pub async fn verify(storage: Arc<dyn Storage>, progress: &Progress) -> Result<VerifyReport, Error> {
    let cache = cache_over(&storage);
    let namespaces = cache.namespaces().await?;
    expect_manifests(&*storage, &namespaces, progress).await?;
    let mut report = VerifyReport { namespaces: namespaces.len() as u64, ..VerifyReport::default() };
    for namespace in &namespaces {
        let space = Space { storage: &storage, cache: cache.namespace(namespace), namespace, progress };
        space.verify(&mut report).await?;
    }
    Ok(report)
}

/// Counts what [`Space::expected`] reads; contents are counted as they are found.
async fn expect_manifests(storage: &dyn Storage, namespaces: &[Namespace], progress: &Progress) -> Result<(), Error> {
    for namespace in namespaces {
        for_each(storage, &Layout::new(namespace).manifests(), |_| progress.expect(1, 0)).await?;
    }
    Ok(())
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

/// What the manifests and key indexes of a namespace lead to.
#[derive(Default)]
struct Expected {
    blobs: HashSet<ObjectKey>,
    pages: HashSet<ObjectKey>,
    dated_views: HashMap<ObjectKey, CacheId>,
    /// By key index, the entries that it does not list, once it was read.
    by_key: BTreeMap<ObjectKey, BTreeSet<CacheId>>,
    stored_at: HashMap<CacheId, UnixMillis>,
    /// Keys that list entries and have a view.
    viewed_keys: Vec<KeyRef>,
    /// Manifests that could not be read: what belongs to them is no finding of its own.
    unreadable: HashSet<CacheHash>,
    versions: HashMap<CacheHash, Version>,
}

impl Space<'_> {
    fn layout(&self) -> Layout<'_> {
        Layout::new(self.namespace)
    }

    async fn verify(&self, report: &mut VerifyReport) -> Result<(), Error> {
        let expected = self.expected(report).await?;
        self.python_files(report).await?;
        self.blobs(report, &expected).await?;
        self.pages(report, &expected).await?;
        for (view, entry) in self.dated_views(report, &expected).await? {
            report.find(FindingKind::MissingView, &view, vec![entry]);
        }
        for key in self.keys_without_view(&expected).await? {
            if let Ok(view) = self.layout().latest(key) {
                report.find(FindingKind::MissingView, &view, Vec::new());
            }
        }
        report.stale_catalogs += self.stale_catalogs(&expected.versions).await?.len() as u64;
        Ok(())
    }

    /// Reads all manifests and key indexes, and compares them with each other and with the contents.
    async fn expected(&self, report: &mut VerifyReport) -> Result<Expected, Error> {
        let mut expected = Expected { versions: self.manifest_versions().await?, ..Expected::default() };
        self.manifests(report, &mut expected).await?;
        self.key_indexes(report, &mut expected).await?;
        Ok(expected)
    }
}

/// Whether nothing that is still under way can have written it.
fn is_old(object: &ListedObject) -> bool {
    SystemClock.now() >= object.modified.plus(SWEEP_MIN_AGE)
}
