//! A thundering herd: many processes store the same content at the same time, as they do after a deployment or when a popular
//! entry expires. It is a discrete-event simulation: every storage call takes 15 to 40 ms of virtual time.
//!
//! `HERD` says how many processes there are (default 200; for 1,000 use a build with optimizations). The figures are printed.

#![allow(clippy::unwrap_used, reason = "a test may panic")]

use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::time::Duration;

use async_trait::async_trait;
use bytes::Bytes;
use cache_core::cache::{Cache, NamespaceCache, StoreRequest, Stored, VersionsOf};
use cache_core::clock::Clock;
use cache_core::content::Content;
use cache_core::layout::KeyRef;
use cache_core::rng::Rng;
use cache_core::storage::{
    GetOptions, GetResult, ListPage, ListRequest, ObjectHead, ObjectKey, PutMode, Storage, StorageError, Version,
};
use cache_core::strategy::Strategy;
use cache_core::time::UnixMillis;
use cache_storage::memory::Memory;
use cache_testing::mock_clock::MockClock;
use cache_testing::seeded_rng::SeededRng;
use tokio::time::{Instant, sleep};

/// How long a storage call takes, in milliseconds.
const CALL_MILLIS: std::ops::RangeInclusive<u64> = 15..=40;
/// The slowest store may take so long.
const MAX_STORE: Duration = Duration::from_secs(2);

/// A storage with the latency of S3.
#[derive(Debug)]
struct SlowStorage {
    memory: Memory,
    rng: SeededRng,
    calls: AtomicUsize,
}

impl SlowStorage {
    /// A call: it takes effect halfway.
    async fn call<T>(&self, call: impl Future<Output = T>) -> T {
        self.calls.fetch_add(1, Ordering::Relaxed);
        let millis = CALL_MILLIS.start() + self.rng.next_u64() % (CALL_MILLIS.end() - CALL_MILLIS.start() + 1);
        sleep(Duration::from_millis(millis / 2)).await;
        let result = call.await;
        sleep(Duration::from_millis(millis - millis / 2)).await;
        result
    }
}

#[async_trait]
impl Storage for SlowStorage {
    async fn get(&self, key: &ObjectKey, options: &GetOptions) -> Result<Option<GetResult>, StorageError> {
        self.call(self.memory.get(key, options)).await
    }

    async fn head(&self, key: &ObjectKey) -> Result<Option<ObjectHead>, StorageError> {
        self.call(self.memory.head(key)).await
    }

    async fn put(&self, key: &ObjectKey, bytes: Bytes, mode: PutMode) -> Result<Version, StorageError> {
        self.call(self.memory.put(key, bytes, mode)).await
    }

    async fn delete(&self, key: &ObjectKey) -> Result<(), StorageError> {
        self.call(self.memory.delete(key)).await
    }

    async fn list(&self, request: &ListRequest) -> Result<ListPage, StorageError> {
        self.call(self.memory.list(request)).await
    }
}

/// The virtual time of the runtime, as a clock.
#[derive(Debug)]
struct VirtualClock(Instant);

#[async_trait]
impl Clock for VirtualClock {
    fn now(&self) -> UnixMillis {
        MockClock::START.plus(self.0.elapsed())
    }

    async fn sleep(&self, duration: Duration) {
        sleep(duration).await;
    }
}

/// Processes over one storage.
struct Herd {
    storage: Arc<SlowStorage>,
    clock: Arc<VirtualClock>,
    processes: Vec<NamespaceCache>,
}

impl Herd {
    fn new(size: u64) -> Self {
        let memory = Memory::default();
        let storage = Arc::new(SlowStorage { memory, rng: SeededRng::new(size), calls: AtomicUsize::new(0) });
        let clock = Arc::new(VirtualClock(Instant::now()));
        let process = |seed| {
            let cache = Cache::new(storage.clone(), clock.clone(), Arc::new(SeededRng::new(seed)));
            cache.namespace(&"demo".parse().unwrap())
        };
        let processes = (0..size).map(process).collect();
        Self { storage, clock, processes }
    }

    /// All store the same at once. Prints how long that took them, and returns what they got.
    async fn store(&self, what: &str, request: &StoreRequest) -> Vec<Stored> {
        self.storage.calls.store(0, Ordering::Relaxed);
        let stores = self.processes.iter().cloned().map(|process| {
            let request = request.clone();
            tokio::spawn(async move {
                let begun = Instant::now();
                let stored = process.store(&request).await.unwrap();
                (stored, begun.elapsed())
            })
        });
        let ended = futures::future::join_all(stores.collect::<Vec<_>>()).await;
        let (stored, mut took): (Vec<_>, Vec<_>) = ended.into_iter().map(Result::unwrap).unzip();
        took.sort();
        let percentile = |percent: usize| took[(took.len() - 1) * percent / 100].as_secs_f64();
        let requests = self.storage.calls.load(Ordering::Relaxed) as f64 / took.len() as f64;
        eprintln!(
            "{what}: {} stores, p50 {:.3} s, p95 {:.3} s, max {:.3} s, {requests:.1} requests per store",
            took.len(),
            percentile(50),
            percentile(95),
            percentile(100),
        );
        assert!(*took.last().unwrap() < MAX_STORE, "{what}: the slowest store took {:?}", took.last());
        stored
    }

    /// Compares the versions that a hash or key lists with those that the stores got: each once, without gaps.
    async fn check_versions(&self, of: VersionsOf, stored: &[Stored], version: impl Fn(&Stored) -> u64) {
        let mut expected: Vec<_> = stored.iter().map(|stored| (version(stored), stored.entry.cache_id)).collect();
        expected.sort();
        let numbers: Vec<u64> = expected.iter().map(|(version, _)| *version).collect();
        assert_eq!(numbers, (1..=stored.len() as u64).collect::<Vec<_>>(), "each version once");
        let reader = Cache::new(self.storage.clone(), self.clock.clone(), Arc::new(SeededRng::new(u64::MAX)));
        let reader = reader.namespace(self.processes[0].name());
        let listed = reader.versions(&of, None, usize::MAX).await.unwrap().unwrap();
        let listed: Vec<_> = listed.versions.iter().map(|listed| (listed.version, listed.cache_id)).collect();
        assert_eq!(listed, expected);
    }

    async fn check_no_intents(&self) {
        let request = ListRequest { prefix: "demo/intents/".to_owned(), limit: 1, ..ListRequest::default() };
        assert_eq!(self.storage.list(&request).await.unwrap().objects, []);
    }
}

fn size() -> u64 {
    std::env::var("HERD").map_or(200, |size| size.parse().unwrap())
}

fn content() -> Content {
    Content::string("the same".to_owned()).unwrap()
}

#[tokio::test(start_paused = true)]
async fn all_stores_of_a_herd_are_acknowledged_in_time() {
    let herd = Herd::new(size());
    let request = StoreRequest::new(Strategy::Direct, content());
    let stored = herd.store("without a key", &request).await;
    let of = VersionsOf::Hash(content().cache_hash().clone());
    herd.check_versions(of, &stored, |stored| stored.entry.version).await;
    herd.check_no_intents().await;
}

#[tokio::test(start_paused = true)]
async fn all_stores_of_a_herd_under_one_key_are_acknowledged_in_time() {
    let herd = Herd::new(size());
    let key = KeyRef { strategy: Strategy::Direct, cache_key: "a/b".parse().unwrap(), file_id: "f".parse().unwrap() };
    let request = StoreRequest {
        cache_key: Some(key.cache_key.clone()),
        file_id: Some(key.file_id.clone()),
        ..StoreRequest::new(Strategy::Direct, content())
    };
    let stored = herd.store("under one key", &request).await;
    herd.check_versions(VersionsOf::Key(key), &stored, |stored| stored.key_version.unwrap()).await;
    herd.check_no_intents().await;
}

#[tokio::test(start_paused = true)]
async fn a_herd_with_a_large_content_keeps_one_blob() {
    let herd = Herd::new(size() / 4);
    let content = Content::binary(vec![7; 100_000].into()).unwrap();
    let stored = herd.store("large", &StoreRequest::new(Strategy::Direct, content.clone())).await;
    let of = VersionsOf::Hash(content.cache_hash().clone());
    herd.check_versions(of, &stored, |stored| stored.entry.version).await;
    let request = ListRequest { prefix: "demo/blobs/".to_owned(), limit: 10, ..ListRequest::default() };
    assert_eq!(herd.storage.list(&request).await.unwrap().objects.len(), 1);
}
