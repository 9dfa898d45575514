//! Caches that stand for processes, over one storage in memory that keeps a log of its calls, fails when told to, and knows
//! digests as S3 does.

#![allow(dead_code, reason = "each test uses its own part")]
#![allow(clippy::unwrap_used, reason = "a test may panic")]

mod s3_like;

use std::fmt::Write;
use std::future::Future;
use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};

use bytes::Bytes;
use cache_core::cache::{
    Cache, CacheConfig, IdempotencyKey, NamespaceCache, Retrieved, Selector, StoreRequest, Stored, UpdateRequest,
    UploadRequest,
};
use cache_core::content::Content;
use cache_core::digest::Sha256Digest;
use cache_core::entry::Entry;
use cache_core::error::{Error, ErrorKind};
use cache_core::ids::{CacheHash, CacheId, Namespace};
use cache_core::layout::{KeyRef, Layout};
use cache_core::manifest::Limits;
use cache_core::storage::{GetOptions, GetResult, ListRequest, ObjectKey, PutMode, Storage};
use cache_core::strategy::{ContentKind, Strategy};
use cache_storage::memory::Memory;
use cache_storage::operation::StorageOp;
use cache_testing::fault_injection::{FaultInjectingStorage, FaultRates};
use cache_testing::mock_clock::MockClock;
use cache_testing::recording::RecordingStorage;
use cache_testing::seeded_rng::SeededRng;

use self::s3_like::S3Like;

/// Everything is split early: contents become blobs, rows and revisions move into pages.
pub const SMALL_LIMITS: Limits = Limits {
    max_inline_bytes: 64,
    spill_above_bytes: 4_000,
    keep_row_bytes: 1_000,
    max_page_refs: 4,
    max_row_revisions: 2,
};

/// A storage, its clock, and what several processes need to share it.
pub struct SharedStorage {
    pub clock: Arc<MockClock>,
    pub storage: Arc<RecordingStorage>,
    pub faults: Arc<FaultInjectingStorage>,
    s3_like: Arc<S3Like>,
    processes: AtomicU64,
}

impl SharedStorage {
    pub fn new() -> Self {
        Self::with_faults(FaultRates::default(), 0)
    }

    /// A storage whose calls fail at random.
    pub fn with_faults(rates: FaultRates, seed: u64) -> Self {
        let clock = Arc::new(MockClock::default());
        let s3_like = Arc::new(S3Like::new(Memory::new(clock.clone())));
        let faults = Arc::new(FaultInjectingStorage::at_random(s3_like.clone(), rates, seed));
        let storage = Arc::new(RecordingStorage::new(faults.clone()));
        Self { clock, storage, faults, s3_like, processes: AtomicU64::new(0) }
    }

    /// A process that has nothing in memory, not even the settings of the namespace.
    pub fn new_process(&self) -> NamespaceCache {
        self.process_with(CacheConfig::default())
    }

    pub fn process_with(&self, config: CacheConfig) -> NamespaceCache {
        let rng = Arc::new(SeededRng::new(self.processes.fetch_add(1, Ordering::Relaxed)));
        Cache::with_config(self.storage.clone(), self.clock.clone(), rng, &config).namespace(&namespace())
    }

    /// The cache of a process, for what is not in one namespace.
    pub fn admin(&self) -> Cache {
        let rng = Arc::new(SeededRng::new(self.processes.fetch_add(1, Ordering::Relaxed)));
        Cache::new(self.storage.clone(), self.clock.clone(), rng)
    }

    /// A process whose calls neither fail nor are counted.
    pub fn healthy_process(&self) -> NamespaceCache {
        let rng = Arc::new(SeededRng::new(self.processes.fetch_add(1, Ordering::Relaxed)));
        Cache::new(self.s3_like.clone(), self.clock.clone(), rng).namespace(&namespace())
    }

    /// A process that splits everything early.
    pub fn small_process(&self) -> NamespaceCache {
        self.process_with(CacheConfig { limits: SMALL_LIMITS, ..CacheConfig::default() })
    }

    /// A process that knows the settings of the namespace, as it does after its first store.
    pub async fn process(&self) -> NamespaceCache {
        self.process_keeping(0).await
    }

    /// The same that keeps so many bytes in memory.
    pub async fn process_keeping(&self, object_cache_bytes: u64) -> NamespaceCache {
        let process = self.process_with(CacheConfig { object_cache_bytes, ..CacheConfig::default() });
        process.settings().await.unwrap();
        process
    }

    /// What an operation returns, and what it asked of the storage: see [`SharedStorage::cost`].
    pub async fn cost_of<T>(&self, operation: impl Future<Output = T>) -> (T, String) {
        self.storage.reset();
        let result = operation.await;
        (result, self.cost())
    }

    /// Calls by kind since the last reset, and the number of round trips in parentheses, such as `PUT+2 GET (1)`.
    pub fn cost(&self) -> String {
        let mut cost = String::new();
        for operation in [StorageOp::Put, StorageOp::Get, StorageOp::Head, StorageOp::List, StorageOp::Delete] {
            let plus = if cost.is_empty() { "" } else { "+" };
            let name = operation.name().to_uppercase();
            match self.storage.count(operation) {
                0 => {}
                1 => write!(cost, "{plus}{name}").unwrap(),
                calls => write!(cost, "{plus}{calls} {name}").unwrap(),
            }
        }
        write!(cost, " ({})", self.storage.round_trips()).unwrap();
        cost.trim_start().to_owned()
    }

    /// The calls since the last reset with the folders that they are about, side by side those of one round trip.
    pub fn calls_by_round_trip(&self) -> Vec<String> {
        let mut round_trips = vec![Vec::new(); self.storage.round_trips()];
        for call in self.storage.calls() {
            let folder: Vec<&str> = call.key.split('/').skip(1).take(2).collect();
            round_trips[call.round_trip - 1].push(format!(
                "{} {}",
                call.operation.name().to_uppercase(),
                folder.join("/")
            ));
        }
        round_trips.iter().map(|calls| calls.join(", ")).collect()
    }

    /// How many bytes of objects were read since the start.
    pub fn read_bytes(&self) -> u64 {
        self.s3_like.read_bytes()
    }

    pub async fn get(&self, key: &ObjectKey) -> Option<Bytes> {
        let found = self.s3_like.get(key, &GetOptions::default()).await.unwrap();
        found.and_then(GetResult::into_object).map(|object| object.bytes)
    }

    pub async fn put(&self, key: &ObjectKey, bytes: impl Into<Bytes>) {
        self.s3_like.put(key, bytes.into(), PutMode::Overwrite).await.unwrap();
    }

    pub async fn remove(&self, key: &ObjectKey) {
        self.s3_like.delete(key).await.unwrap();
    }

    /// The keys below a folder of the namespace, in order.
    pub async fn keys(&self, folder: &str) -> Vec<ObjectKey> {
        let mut request =
            ListRequest { prefix: format!("{}/{folder}", namespace()), limit: 1000, ..ListRequest::default() };
        let mut keys = Vec::new();
        loop {
            let page = self.s3_like.list(&request).await.unwrap();
            keys.extend(page.objects.iter().map(|object| object.key.parse::<ObjectKey>().unwrap()));
            request.start_after = page.next;
            if request.start_after.is_none() {
                return keys;
            }
        }
    }
}

pub fn namespace() -> Namespace {
    "demo".parse().unwrap()
}

pub fn manifest_key(hash: &CacheHash) -> ObjectKey {
    Layout::new(&namespace()).manifest(hash)
}

/// The blob of an entry.
pub fn blob_key(entry: &Entry) -> ObjectKey {
    Layout::new(&namespace()).blob(&entry.cache_hash, entry.content.blob.expect("its content is a blob"))
}

/// The key and file id that [`keyed`] stores under.
pub fn key_ref(strategy: Strategy) -> KeyRef {
    KeyRef { strategy, cache_key: "a/b".parse().unwrap(), file_id: "f".parse().unwrap() }
}

pub fn text(text: &str) -> Content {
    Content::string(text.to_owned()).unwrap()
}

/// A content of so many bytes, other ones for every number.
pub fn binary(number: u8, size: usize) -> Content {
    Content::binary(vec![number; size].into()).unwrap()
}

pub fn direct(content: Content) -> StoreRequest {
    StoreRequest::new(Strategy::Direct, content)
}

/// A store under a key and file id.
pub fn keyed(strategy: Strategy, content: Content) -> StoreRequest {
    let KeyRef { cache_key, file_id, .. } = key_ref(strategy);
    StoreRequest { cache_key: Some(cache_key), file_id: Some(file_id), ..StoreRequest::new(strategy, content) }
}

/// The request as all repeats of one caller send it.
pub fn repeatable(request: StoreRequest, key: &str) -> StoreRequest {
    StoreRequest { idempotency_key: Some(IdempotencyKey::new(key, "caller").unwrap()), ..request }
}

pub async fn store(cache: &NamespaceCache, request: &StoreRequest) -> Stored {
    cache.store(request).await.unwrap()
}

pub async fn store_text(cache: &NamespaceCache, content: &str) -> Entry {
    store(cache, &direct(text(content))).await.entry
}

pub fn update_request(cache_id: CacheId, content: impl Into<Bytes>) -> UpdateRequest {
    UpdateRequest { cache_id, kind: ContentKind::String, content: content.into(), idempotency_key: None }
}

pub async fn update(cache: &NamespaceCache, cache_id: CacheId, content: &str) -> Option<Entry> {
    cache.update(&update_request(cache_id, content.to_owned())).await.unwrap()
}

pub async fn delete(cache: &NamespaceCache, cache_id: CacheId) -> bool {
    cache.delete(cache_id).await.unwrap().is_some()
}

pub async fn retrieve(cache: &NamespaceCache, selector: &Selector) -> Option<Retrieved> {
    cache.retrieve(selector).await.unwrap()
}

/// The content as text.
pub async fn read(cache: &NamespaceCache, selector: &Selector) -> Option<String> {
    retrieve(cache, selector).await.map(|found| String::from_utf8(found.bytes.to_vec()).unwrap())
}

pub async fn read_id(cache: &NamespaceCache, id: CacheId) -> Option<String> {
    read(cache, &Selector::Id(id)).await
}

pub fn is_unavailable<T>(result: &Result<T, Error>) -> bool {
    has_kind(result, ErrorKind::Unavailable)
}

pub fn is_corrupt<T>(result: &Result<T, Error>) -> bool {
    matches!(result, Err(Error::Corrupt { .. }))
}

pub fn has_kind<T>(result: &Result<T, Error>, kind: ErrorKind) -> bool {
    result.as_ref().is_err_and(|error| error.kind() == kind)
}

/// The announcement of a binary content that is stored directly.
pub fn upload_request(content: &Bytes) -> UploadRequest {
    UploadRequest {
        strategy: Strategy::Direct,
        cache_key: None,
        file_id: None,
        kind: ContentKind::Binary,
        sha256: Sha256Digest::of(content),
        size: content.len() as u64,
    }
}
