//! A cache over memory, with a clock that moves when told to and a log of calls: for tests of listings, of the sweep and of
//! the admin routes.

#![allow(dead_code, reason = "each test uses its own part")]
#![allow(clippy::unwrap_used, reason = "a test may panic")]

use std::sync::Arc;
use std::time::Duration;

use cache_core::cache::{Cache, CacheConfig, NamespaceCache, Selector, StoreRequest, UpdateRequest};
use cache_core::content::Content;
use cache_core::entry::Entry;
use cache_core::ids::CacheId;
use cache_core::layout::Layout;
use cache_core::manifest::Limits;
use cache_core::storage::{GetOptions, GetResult, ListRequest, ListedObject, ObjectKey, PutMode, Storage};
use cache_core::strategy::{ContentKind, Strategy};
use cache_storage::memory::Memory;
use cache_testing::mock_clock::MockClock;
use cache_testing::recording::RecordingStorage;
use cache_testing::seeded_rng::SeededRng;

pub struct World {
    pub clock: Arc<MockClock>,
    pub rng: Arc<SeededRng>,
    pub storage: Arc<RecordingStorage>,
    pub limits: Limits,
    pub cache: Cache,
    pub demo: NamespaceCache,
}

impl World {
    pub fn new() -> Self {
        Self::with_limits(Limits::default())
    }

    /// Heads that are made smaller after a few rows.
    pub fn with_small_heads() -> Self {
        let limits = Limits {
            max_inline_bytes: 64,
            spill_above_bytes: 2_000,
            keep_row_bytes: 600,
            max_page_refs: 3,
            max_row_revisions: 2,
        };
        Self::with_limits(limits)
    }

    pub fn with_limits(limits: Limits) -> Self {
        let clock = Arc::new(MockClock::default());
        let rng = Arc::new(SeededRng::new(7));
        let storage = Arc::new(RecordingStorage::new(Arc::new(Memory::new(clock.clone()))));
        let cache = Cache::with_config(
            storage.clone(),
            clock.clone(),
            rng.clone(),
            &CacheConfig { limits, ..CacheConfig::default() },
        );
        let demo = cache.namespace(&"demo".parse().unwrap());
        Self { clock, rng, storage, limits, cache, demo }
    }

    /// Another process over the same storage, which remembers nothing.
    pub fn restart(&mut self) {
        let config = CacheConfig { limits: self.limits, ..CacheConfig::default() };
        self.cache = Cache::with_config(self.storage.clone(), self.clock.clone(), self.rng.clone(), &config);
        self.demo = self.cache.namespace(&"demo".parse().unwrap());
    }

    pub fn layout(&self) -> Layout<'_> {
        Layout::new(self.demo.name())
    }

    pub async fn store(&self, text: &str) -> Entry {
        self.store_as(text, Strategy::Direct, None, None).await
    }

    pub async fn store_as(
        &self,
        text: &str,
        strategy: Strategy,
        cache_key: Option<&str>,
        file_id: Option<&str>,
    ) -> Entry {
        let request = StoreRequest {
            cache_key: cache_key.map(|key| key.parse().unwrap()),
            file_id: file_id.map(|file_id| file_id.parse().unwrap()),
            ..StoreRequest::new(strategy, Content::string(text.to_owned()).unwrap())
        };
        self.demo.store(&request).await.unwrap().entry
    }

    pub async fn store_with_ttl(&self, text: &str, ttl: Duration) -> Entry {
        let content = Content::string(text.to_owned()).unwrap();
        let request = StoreRequest { ttl: Some(ttl), ..StoreRequest::new(Strategy::Direct, content) };
        self.demo.store(&request).await.unwrap().entry
    }

    pub async fn update(&self, cache_id: CacheId, text: &str) -> Entry {
        let content = text.to_owned().into();
        let request = UpdateRequest { cache_id, kind: ContentKind::String, content, idempotency_key: None };
        self.demo.update(&request).await.unwrap().unwrap()
    }

    pub async fn text_of(&self, entry: &Entry) -> Option<String> {
        let found = self.demo.retrieve(&Selector::Id(entry.cache_id)).await.unwrap();
        found.map(|found| String::from_utf8(found.bytes.to_vec()).unwrap())
    }

    pub async fn delete(&self, entry: &Entry) {
        self.demo.delete(entry.cache_id).await.unwrap().unwrap();
    }

    /// Writes an object as it is.
    pub async fn put(&self, key: &ObjectKey, bytes: impl Into<bytes::Bytes> + Send) {
        self.storage.put(key, bytes.into(), PutMode::Overwrite).await.unwrap();
    }

    pub async fn get(&self, key: &ObjectKey) -> Option<bytes::Bytes> {
        let found = self.storage.get(key, &GetOptions::default()).await.unwrap();
        found.and_then(GetResult::into_object).map(|object| object.bytes)
    }

    pub async fn exists(&self, key: &ObjectKey) -> bool {
        self.storage.head(key).await.unwrap().is_some()
    }

    pub async fn remove(&self, key: &ObjectKey) {
        self.storage.delete(key).await.unwrap();
    }

    /// All objects below a prefix.
    pub async fn objects(&self, prefix: &str) -> Vec<ListedObject> {
        let mut objects = Vec::new();
        let mut after = None;
        loop {
            let request = ListRequest { prefix: prefix.to_owned(), start_after: after, limit: 1000, delimiter: false };
            let page = self.storage.list(&request).await.unwrap();
            objects.extend(page.objects);
            after = page.next;
            if after.is_none() {
                return objects;
            }
        }
    }
}
