//! Each kind of finding is found, and mended if that takes no guess.

#![allow(clippy::unwrap_used, reason = "a test panics where it fails")]

use std::sync::Arc;
use std::time::Duration;

use bytes::Bytes;
use cache_core::cache::{Cache, NamespaceCache, Selector, StoreRequest, UpdateRequest};
use cache_core::clock::Clock;
use cache_core::content::Content;
use cache_core::entry::Entry;
use cache_core::ids::{CacheId, IdParts, Locator, Namespace};
use cache_core::layout::Layout;
use cache_core::nonce::Nonce;
use cache_core::storage::{GetOptions, ListRequest, ObjectKey, PutMode, Storage};
use cache_core::strategy::{ContentKind, Strategy};
use cache_core::time::{Deadline, UnixMillis};
use cache_maintenance::{Progress, repair, verify};
use cache_storage::memory::Memory;
use cache_storage::system::{OsRng, SystemClock};
use cache_testing::mock_clock::MockClock;

/// A hash that nothing has.
const NOBODY: &str = "0123456789abcdef";
/// More than a listing learns without writing it down.
const MANY: usize = 150;

/// So long ago that everything is old enough to be garbage, in milliseconds.
const LONG_AGO: u64 = 2 * 24 * 60 * 60 * 1_000;

struct Store {
    storage: Arc<dyn Storage>,
    namespace: Namespace,
}

impl Store {
    fn new() -> Self {
        let long_ago = MockClock::new(UnixMillis::new(SystemClock.now().get() - LONG_AGO));
        Self { storage: Arc::new(Memory::new(Arc::new(long_ago))), namespace: "demo".parse().unwrap() }
    }

    fn layout(&self) -> Layout<'_> {
        Layout::new(&self.namespace)
    }

    fn cache(&self) -> NamespaceCache {
        let cache = Cache::new(self.storage.clone(), Arc::new(SystemClock), Arc::new(OsRng));
        cache.with_deadline(Deadline::NEVER).namespace(&self.namespace)
    }

    async fn store(&self, strategy: Strategy, key: Option<&str>, text: &str) -> Entry {
        let mut request = StoreRequest::new(strategy, Content::string(text.to_owned()).unwrap());
        request.cache_key = key.map(|key| key.parse().unwrap());
        request.file_id = key.map(|_| "f".parse().unwrap());
        // Times tell the order of entries.
        tokio::time::sleep(Duration::from_millis(2)).await;
        self.cache().store(&request).await.unwrap().entry
    }

    async fn put(&self, key: &ObjectKey, bytes: impl Into<Bytes>) {
        self.storage.put(key, bytes.into(), PutMode::Overwrite).await.unwrap();
    }

    async fn get(&self, key: &ObjectKey) -> Option<Bytes> {
        let found = self.storage.get(key, &GetOptions::default()).await.unwrap();
        found.and_then(cache_core::storage::GetResult::into_object).map(|object| object.bytes)
    }

    async fn remove(&self, key: &ObjectKey) {
        self.storage.delete(key).await.unwrap();
    }

    async fn keys(&self, prefix: &str) -> Vec<ObjectKey> {
        let request = ListRequest { prefix: prefix.to_owned(), limit: 1_000, ..ListRequest::default() };
        let page = self.storage.list(&request).await.unwrap();
        page.objects.iter().map(|object| object.key.parse().unwrap()).collect()
    }

    /// What is found, as kind and object.
    async fn findings(&self) -> Vec<(String, String)> {
        let report = verify(self.storage.clone(), &Progress::default()).await.unwrap();
        let kind = |kind| serde_json::to_string(kind).unwrap().trim_matches('"').to_owned();
        report.findings.iter().map(|finding| (kind(&finding.kind), finding.object.clone())).collect()
    }

    /// Expects this finding and no other; `mended` says whether a repair ends it.
    async fn check(&self, kind: &str, object: &ObjectKey, mended: bool) {
        let expected = vec![(kind.to_owned(), object.to_string())];
        assert_eq!(self.findings().await, expected);
        let repaired = repair(self.storage.clone(), &Progress::default()).await.unwrap();
        assert_eq!(repaired.left.is_clean(), mended, "{repaired:?}");
        assert_eq!(self.findings().await, if mended { Vec::new() } else { expected });
    }
}

#[tokio::test]
async fn a_blob_that_nothing_references_is_removed() {
    let store = Store::new();
    let entry = store.store(Strategy::Direct, None, "text").await;
    let blob = store.layout().blob(&entry.cache_hash, "0002a".parse().unwrap());
    store.put(&blob, "content").await;
    store.check("unreferenced_blob", &blob, true).await;
    assert_eq!(store.get(&blob).await, None);
}

#[tokio::test]
async fn a_blob_whose_manifest_is_missing_is_left() {
    let store = Store::new();
    let blob = store.layout().blob(&NOBODY.parse().unwrap(), "0002a".parse().unwrap());
    store.put(&blob, "content").await;
    store.check("without_manifest", &blob, false).await;
}

#[tokio::test]
async fn a_page_that_nothing_leads_to_is_removed() {
    let store = Store::new();
    let entry = store.store(Strategy::Direct, Some("k"), "text").await;
    let index = store.layout().key_index(&entry.key_ref().unwrap());
    for head in [store.layout().manifest(&entry.cache_hash), index] {
        let page = store.layout().page(&head, "1-0123456789abcdef");
        store.put(&page, "{}").await;
        store.check("orphaned_page", &page, true).await;
    }
}

#[tokio::test]
async fn a_view_of_an_entry_that_is_gone_is_removed() {
    let store = Store::new();
    let entry = store.store(Strategy::Temporal, None, "text").await;
    let locator = Locator::Inline { version: 7, random: 7 };
    let (cache_hash, kind) = (entry.cache_hash.clone(), ContentKind::String);
    let gone = CacheId::new(&IdParts { cache_hash, strategy: Strategy::Temporal, kind, locator }).unwrap();
    let view = store.layout().dated(Strategy::Temporal, entry.stored_at, gone, Nonce::from_random(7));
    store.put(&view, "{}").await;
    store.check("orphaned_view", &view, true).await;
}

#[tokio::test]
async fn a_row_of_a_key_whose_entry_is_gone_is_taken_out() {
    let store = Store::new();
    let first = store.store(Strategy::Direct, Some("k"), "text").await;
    let manifest = store.layout().manifest(&first.cache_hash);
    let before = store.get(&manifest).await.unwrap();
    store.store(Strategy::Direct, Some("k"), "text").await;
    // The manifest is set back, as by a restored backup.
    store.put(&manifest, before).await;
    let index = store.layout().key_index(&first.key_ref().unwrap());
    store.check("key_row_without_entry", &index, true).await;
    let newest = Selector::Key(first.key_ref().unwrap(), None);
    assert_eq!(store.cache().entry(&newest).await.unwrap().unwrap().cache_id, first.cache_id);
}

#[tokio::test]
async fn a_row_of_a_key_whose_manifest_is_missing_is_left() {
    let store = Store::new();
    let entry = store.store(Strategy::Direct, Some("k"), "text").await;
    store.remove(&store.layout().manifest(&entry.cache_hash)).await;
    store.check("without_manifest", &store.layout().key_index(&entry.key_ref().unwrap()), false).await;
}

#[tokio::test]
async fn a_stale_part_of_the_catalog_is_removed_and_no_finding() {
    let store = Store::new();
    let mut entries = Vec::new();
    for n in 0..MANY {
        entries.push(store.store(Strategy::Direct, None, &format!("text {n}")).await);
    }
    assert_eq!(store.cache().stats().await.unwrap().ids, MANY as u64);
    assert_eq!(store.keys("demo/catalog/").await.len(), 1);
    let stale = async || verify(store.storage.clone(), &Progress::default()).await.unwrap().stale_catalogs;
    assert_eq!(stale().await, 0);
    let (cache_id, content) = (entries[0].cache_id, Bytes::from("other"));
    let update = UpdateRequest { cache_id, kind: ContentKind::String, content, idempotency_key: None };
    store.cache().update(&update).await.unwrap().unwrap();
    assert_eq!((stale().await, store.findings().await), (1, Vec::new()));
    let repaired = repair(store.storage.clone(), &Progress::default()).await.unwrap();
    assert_eq!((repaired.removed_catalogs, repaired.left.stale_catalogs), (1, 0));
}

#[tokio::test]
async fn a_missing_dated_view_is_written_again() {
    for strategy in [Strategy::Temporal, Strategy::TemporalLatest, Strategy::TemporalVersioned] {
        let store = Store::new();
        let entry = store.store(strategy, Some("k"), "text").await;
        let view = store.keys(&format!("demo/data/{}/2", strategy.folder())).await.pop().unwrap();
        let before = store.get(&view).await;
        store.remove(&view).await;
        store.check("missing_view", &view, true).await;
        assert_eq!(store.get(&view).await, before);
        let request =
            cache_core::cache::EntriesRequest { strategy: None, from: None, to: None, limit: 9, cursor: None };
        assert_eq!(store.cache().entries(&request).await.unwrap().0[0].cache_id, entry.cache_id);
    }
}

#[tokio::test]
async fn entries_that_their_key_does_not_list_are_listed_in_the_order_of_time() {
    for strategy in Strategy::ALL {
        let store = Store::new();
        let mut ids = Vec::new();
        for text in ["first", "second", "first", "third"] {
            ids.push(store.store(strategy, Some("k"), text).await);
        }
        let key = ids[0].key_ref().unwrap();
        let index = store.layout().key_index(&key);
        store.remove(&index).await;
        store.check("not_under_its_key", &index, true).await;
        for (place, entry) in ids.iter().enumerate() {
            let found = store.cache().entry(&Selector::Key(key.clone(), Some(place as u64 + 1))).await.unwrap();
            assert_eq!(found.unwrap().cache_id, entry.cache_id);
        }
    }
}

#[tokio::test]
async fn an_entry_older_than_what_its_key_listed_is_named_and_left() {
    let store = Store::new();
    let older = store.store(Strategy::Direct, Some("k"), "older").await;
    let key = older.key_ref().unwrap();
    store.remove(&store.layout().key_index(&key)).await;
    let newer = store.store(Strategy::Direct, Some("k"), "newer").await;
    // Also after the newer one is gone: else a repair would bring back what a caller has replaced and deleted.
    for newest in [Some(newer.cache_id), None] {
        let found = verify(store.storage.clone(), &Progress::default()).await.unwrap();
        assert!(found.is_clean() && found.unlisted_entries.iter().eq([&older.cache_id]), "{found:?}");
        let repaired = repair(store.storage.clone(), &Progress::default()).await.unwrap();
        assert_eq!((repaired.listed_entries, repaired.left), (0, found));
        let found = store.cache().entry(&Selector::Key(key.clone(), None)).await.unwrap();
        assert_eq!(found.map(|entry| entry.cache_id), newest);
        store.cache().delete(newer.cache_id).await.unwrap();
    }
}
