//! A store with entries of every kind is copied from backend to backend, and is the same in the end.
//!
//! `MGRAPH_COPY_ENTRIES` says how many entries; CI takes 2,000.

#![allow(clippy::unwrap_used, reason = "a test panics where it fails")]

use std::collections::BTreeMap;
use std::path::Path;
use std::sync::Arc;
use std::time::{Duration, Instant};

use cache_core::cache::{Cache, CacheConfig, NamespaceCache, Selector, StoreRequest};
use cache_core::content::Content;
use cache_core::ids::CacheId;
use cache_core::storage::{GetOptions, ListRequest, PutMode, Storage};
use cache_core::strategy::Strategy;
use cache_core::time::Deadline;
use cache_maintenance::{CopyOptions, Progress, StoreAddress, copy, repair, verify};
use cache_storage::memory::Memory;
use cache_storage::system::{OsRng, SystemClock};
use cache_testing::s3_server::S3Server;
use futures::stream::{self, StreamExt};

/// How many entries are copied: by default enough to see everything in reasonable time.
fn entry_count() -> usize {
    std::env::var("MGRAPH_COPY_ENTRIES").map_or(1_000, |count| count.parse().unwrap())
}

fn cache(storage: &Arc<dyn Storage>) -> NamespaceCache {
    let config = CacheConfig::default();
    let cache = Cache::with_config(storage.clone(), Arc::new(SystemClock), Arc::new(OsRng), &config);
    cache.with_deadline(Deadline::NEVER).namespace(&"demo".parse().unwrap())
}

fn request(n: usize) -> StoreRequest {
    // Every fifth content is stored again and again; every hundredth is too large to be inline.
    let text = match n % 100 {
        0 => format!("{n} ").repeat(20_000),
        other if other % 5 == 1 => format!("shared {}", n % 7),
        _ => format!("content {n}"),
    };
    let strategy = Strategy::ALL[n % Strategy::ALL.len()];
    let mut request = StoreRequest::new(strategy, Content::string(text).unwrap());
    if n.is_multiple_of(3) {
        request.cache_key = Some(format!("users/{}", n % 50).parse().unwrap());
        request.file_id = Some("profile".parse().unwrap());
    }
    request
}

/// Stores this many entries, and returns their texts.
async fn fill(storage: &Arc<dyn Storage>, count: usize) -> BTreeMap<CacheId, String> {
    let demo = cache(storage);
    let stores = (0..count).map(|n| {
        let demo = demo.clone();
        async move {
            let stored = demo.store(&request(n)).await.unwrap();
            (stored.entry.cache_id, n)
        }
    });
    let stored: Vec<_> = stream::iter(stores).buffer_unordered(32).collect().await;
    let text = |n| String::from_utf8(request(n).content.bytes().to_vec()).unwrap();
    stored.into_iter().map(|(id, n)| (id, text(n))).collect()
}

/// Expects that a store has these entries and no others, and that nothing in it is wrong.
async fn check(storage: &Arc<dyn Storage>, entries: &BTreeMap<CacheId, String>) {
    let report = verify(storage.clone(), &Progress::default()).await.unwrap();
    assert!(report.is_clean(), "{:#?}", report.findings.iter().take(10).collect::<Vec<_>>());
    assert_eq!(report.entries as usize, entries.len());
    let demo = cache(storage);
    let reads = entries.iter().map(|(id, text)| {
        let demo = demo.clone();
        async move {
            let read = demo.retrieve(&Selector::Id(*id)).await.unwrap().unwrap_or_else(|| panic!("{id} is missing"));
            assert!(read.bytes == text.as_bytes(), "{id} has another content");
        }
    });
    stream::iter(reads).buffer_unordered(32).collect::<Vec<_>>().await;
}

async fn open(scheme: &str, folder: &Path) -> Arc<dyn Storage> {
    let address: StoreAddress = format!("{scheme}:{}", folder.join(scheme).display()).parse().unwrap();
    address.open().await.unwrap()
}

/// Copies a store, says how fast, and expects nothing to be different or damaged. Returns how many objects were written and were
/// there.
async fn copy_all(hop: &str, from: &Arc<dyn Storage>, to: &Arc<dyn Storage>) -> (u64, u64) {
    let started = Instant::now();
    let report = copy(from.clone(), to.clone(), CopyOptions::default(), &Progress::default()).await.unwrap();
    let seconds = started.elapsed().as_secs_f64();
    assert!(report.is_clean(), "{:?} {:?}", report.different, report.damaged);
    eprintln!(
        "{hop}: {} entries in {seconds:.1} s, {:.0} entries/s, {:.1} MB/s written",
        report.entries,
        report.entries as f64 / seconds,
        report.bytes as f64 / 1e6 / seconds
    );
    (report.copied, report.present)
}

/// Begins a copy, and drops it when there are objects for a tenth of the entries.
async fn interrupt_copy(from: &Arc<dyn Storage>, to: &Arc<dyn Storage>) {
    let progress = Progress::default();
    let enough = async {
        while progress.snapshot().objects < (entry_count() / 10) as u64 {
            tokio::time::sleep(Duration::from_millis(1)).await;
        }
    };
    let copying = copy(from.clone(), to.clone(), CopyOptions::default(), &progress);
    tokio::select! {
        done = copying => panic!("it was not interrupted: {done:?}"),
        () = enough => {}
    }
}

async fn count(storage: &Arc<dyn Storage>) -> usize {
    storage.list(&ListRequest { limit: usize::MAX, ..ListRequest::default() }).await.unwrap().objects.len()
}

#[tokio::test(flavor = "multi_thread")]
async fn entries_go_through_every_backend_unchanged() {
    let folder = tempfile::tempdir().unwrap();
    let disk = open("disk", folder.path()).await;
    let entries = fill(&disk, entry_count()).await;
    check(&disk, &entries).await;
    let sqlite = open("sqlite", folder.path()).await;
    interrupt_copy(&disk, &sqlite).await;
    assert!((1..entry_count()).contains(&count(&sqlite).await), "it was interrupted in the middle");
    let (written, there) = copy_all("disk to SQLite, the rest", &disk, &sqlite).await;
    assert!(written > 0 && there > 0, "{written} written, {there} were there");
    check(&sqlite, &entries).await;
    let zip = open("zip", folder.path()).await;
    copy_all("SQLite to ZIP", &sqlite, &zip).await;
    check(&zip, &entries).await;
    let last: Arc<dyn Storage> = Arc::new(Memory::default());
    match S3Server::shared() {
        Some(server) => {
            let s3: Arc<dyn Storage> = Arc::new(server.storage("copies").await);
            copy_all("ZIP to S3", &zip, &s3).await;
            check(&s3, &entries).await;
            copy_all("S3 to memory", &s3, &last).await;
        }
        None => drop(copy_all("ZIP to memory", &zip, &last).await),
    }
    check(&last, &entries).await;
    let (written, there) = copy_all("disk to memory, which has it", &disk, &last).await;
    assert_eq!((written, there > 0), (0, true), "the last copy is the first store");
}

async fn small() -> (Arc<dyn Storage>, BTreeMap<CacheId, String>) {
    let storage: Arc<dyn Storage> = Arc::new(Memory::default());
    let entries = fill(&storage, 300).await;
    (storage, entries)
}

/// The first key that begins with this.
async fn first(storage: &Arc<dyn Storage>, prefix: &str) -> cache_core::storage::ObjectKey {
    let page = storage.list(&ListRequest { prefix: prefix.to_owned(), limit: 1, ..ListRequest::default() }).await;
    page.unwrap().objects[0].key.parse().unwrap()
}

/// What is found in a store, as kind and object.
async fn findings(storage: &Arc<dyn Storage>) -> Vec<(String, String)> {
    let report = verify(storage.clone(), &Progress::default()).await.unwrap();
    let kind = |kind| serde_json::to_string(kind).unwrap().trim_matches('"').to_owned();
    report.findings.iter().map(|finding| (kind(&finding.kind), finding.object.clone())).collect()
}

#[tokio::test]
async fn what_is_missing_or_damaged_is_found_and_not_copied() {
    let (storage, _) = small().await;
    let blob = first(&storage, "demo/blobs/").await;
    storage.put(&blob, "other".into(), PutMode::Overwrite).await.unwrap();
    assert_eq!(findings(&storage).await, [("damaged_content".to_owned(), blob.to_string())]);
    let target: Arc<dyn Storage> = Arc::new(Memory::default());
    let report = copy(storage.clone(), target.clone(), CopyOptions::default(), &Progress::default()).await.unwrap();
    assert_eq!(report.damaged.iter().collect::<Vec<_>>(), [blob.as_str()]);
    assert!(target.head(&blob).await.unwrap().is_none());
    storage.delete(&blob).await.unwrap();
    assert_eq!(findings(&storage).await, [("missing_content".to_owned(), blob.to_string())]);
    // A guess would be needed.
    let repaired = repair(storage.clone(), &Progress::default()).await.unwrap();
    assert_eq!(repaired.left.findings.len(), 1);

    let manifest = first(&storage, "demo/refs/by-hash/").await;
    storage.put(&manifest, "{}".into(), PutMode::Overwrite).await.unwrap();
    assert!(findings(&storage).await.contains(&("unreadable".to_owned(), manifest.to_string())));
}

#[tokio::test]
async fn a_changed_inline_content_is_found() {
    let (storage, _) = small().await;
    let manifest = first(&storage, "demo/refs/by-hash/").await;
    let object = storage.get(&manifest, &GetOptions::default()).await.unwrap().unwrap().into_object().unwrap();
    let mut bytes = object.bytes.to_vec();
    *bytes.last_mut().unwrap() ^= 1;
    storage.put(&manifest, bytes.into(), PutMode::Overwrite).await.unwrap();
    let found = findings(&storage).await;
    assert!(found.contains(&("damaged_content".to_owned(), manifest.to_string())), "{found:?}");
}

#[tokio::test]
async fn key_rows_and_views_that_lag_are_found_and_mended() {
    let (storage, _) = small().await;
    let view = first(&storage, "demo/data/temporal-latest/latest/").await;
    storage.delete(&view).await.unwrap();
    assert_eq!(findings(&storage).await, [("missing_view".to_owned(), view.to_string())]);
    let repaired = repair(storage.clone(), &Progress::default()).await.unwrap();
    assert!(repaired.left.is_clean() && repaired.written_views == 1, "{repaired:?}");
    assert!(storage.head(&view).await.unwrap().is_some());

    let index = first(&storage, "demo/refs/by-key/").await;
    storage.delete(&index).await.unwrap();
    assert!(findings(&storage).await.contains(&("not_under_its_key".to_owned(), index.to_string())));
}

#[tokio::test]
async fn what_differs_in_the_target_is_left_unless_it_may_be_replaced() {
    let (storage, entries) = small().await;
    let target: Arc<dyn Storage> = Arc::new(Memory::default());
    let manifest = first(&storage, "demo/refs/by-hash/").await;
    target.put(&manifest, "mine".into(), PutMode::Create).await.unwrap();
    let report = copy(storage.clone(), target.clone(), CopyOptions::default(), &Progress::default()).await.unwrap();
    assert_eq!(report.different.iter().collect::<Vec<_>>(), [manifest.as_str()]);
    let options = CopyOptions { overwrite: true, ..CopyOptions::default() };
    assert!(copy(storage, target.clone(), options, &Progress::default()).await.unwrap().is_clean());
    check(&target, &entries).await;
}
