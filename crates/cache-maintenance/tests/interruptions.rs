//! A process that is killed after any of its calls to the storage leaves a store that a repair makes clean, without a guess.

#![allow(clippy::unwrap_used, reason = "a test panics where it fails")]

use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};
use std::time::Duration;

use async_trait::async_trait;
use cache_core::cache::{Cache, NamespaceCache, Selector, StoreRequest, VersionsOf};
use cache_core::clock::Clock;
use cache_core::content::Content;
use cache_core::entry::Entry;
use cache_core::ids::CacheId;
use cache_core::layout::KeyRef;
use cache_core::storage::Storage;
use cache_core::strategy::Strategy;
use cache_core::time::{Deadline, UnixMillis};
use cache_maintenance::verify::{Finding, FindingKind, RepairReport, VerifyReport};
use cache_maintenance::{Progress, repair, verify};
use cache_storage::memory::Memory;
use cache_storage::system::SystemClock;
use cache_testing::fault_injection::FaultInjectingStorage;
use cache_testing::seeded_rng::SeededRng;
use futures::future::join;
use tokio::time::timeout;

/// A content that its manifest holds, and one that is a blob, in bytes.
const SIZES: [usize; 2] = [10, 100_000];
/// How long ago the operations were, so that their clock stays behind that of a repair.
const AGO: u64 = 60_000;
/// Fewer calls than any operation here makes.
const MIN_CALLS: usize = 3;

/// A clock that no one sees twice at the same time, so that the times of entries tell their order.
#[derive(Debug)]
struct Ticks(AtomicU64);

#[async_trait]
impl Clock for Ticks {
    fn now(&self) -> UnixMillis {
        UnixMillis::new(self.0.fetch_add(1, Ordering::Relaxed))
    }

    async fn sleep(&self, duration: Duration) {
        tokio::time::sleep(duration).await;
    }
}

/// An entry, and its text.
type Acknowledged = (Entry, String);

fn key(strategy: Strategy) -> KeyRef {
    KeyRef { strategy, cache_key: "reports/daily".parse().unwrap(), file_id: "summary".parse().unwrap() }
}

fn text(name: &str, size: usize) -> String {
    format!("{name} {}", "x".repeat(size))
}

struct World {
    storage: Arc<dyn Storage>,
    clock: Arc<Ticks>,
    rng: Arc<SeededRng>,
    acknowledged: Vec<Acknowledged>,
}

impl World {
    fn new() -> Self {
        Self {
            storage: Arc::new(Memory::default()),
            clock: Arc::new(Ticks(AtomicU64::new(SystemClock.now().get() - AGO))),
            rng: Arc::default(),
            acknowledged: Vec::new(),
        }
    }

    /// A process that has nothing in memory yet.
    fn process(&self) -> Process {
        let storage = Arc::new(FaultInjectingStorage::new(self.storage.clone()));
        let cache = Cache::new(storage.clone(), self.clock.clone(), self.rng.clone()).with_deadline(Deadline::NEVER);
        Process { storage, cache: cache.namespace(&"demo".parse().unwrap()) }
    }

    async fn store(&mut self, process: &Process, strategy: Strategy, text: &str) -> Entry {
        let stored = process.store(strategy, text).await.unwrap();
        self.acknowledged.push(stored.clone());
        stored.0
    }

    async fn verify(&self) -> VerifyReport {
        verify(self.storage.clone(), &Progress::default()).await.unwrap()
    }

    /// Everything that is found is about what was never acknowledged.
    async fn check_findings(&self) {
        let found = self.verify().await;
        assert!(!found.unlisted_entries.iter().any(|id| self.is_acknowledged(*id)), "{found:?}");
        for Finding { kind, object, entries } in found.findings {
            assert!(matches!(kind, FindingKind::NotUnderItsKey | FindingKind::MissingView), "{kind:?}: {object}");
            assert!(!entries.iter().any(|id| self.is_acknowledged(*id)), "{kind:?}: {object} {entries:?}");
        }
    }

    fn is_acknowledged(&self, id: CacheId) -> bool {
        self.acknowledged.iter().any(|(entry, _)| entry.cache_id == id)
    }

    /// Repairs the store, which is clean then.
    async fn repair(&self) -> RepairReport {
        let repaired = repair(self.storage.clone(), &Progress::default()).await.unwrap();
        assert!(repaired.left.is_clean(), "{repaired:?}");
        assert_eq!(self.verify().await, repaired.left);
        repaired
    }

    /// Every entry that was acknowledged is there, under its id and under its key.
    async fn check_acknowledged(&self) {
        let everything = 100;
        let cache = self.process().cache;
        for (entry, text) in &self.acknowledged {
            let found = cache.retrieve(&Selector::Id(entry.cache_id)).await.unwrap().unwrap();
            assert_eq!(found.bytes, text.as_bytes());
            let versions =
                cache.versions(&VersionsOf::Key(entry.key_ref().unwrap()), None, everything).await.unwrap().unwrap();
            assert!(versions.versions.iter().any(|listed| listed.cache_id == entry.cache_id), "{entry:?} {versions:?}");
        }
    }

    /// The newest entry under the key.
    async fn newest(&self, strategy: Strategy) -> Option<Entry> {
        self.process().cache.entry(&Selector::Key(key(strategy), None)).await.unwrap()
    }
}

struct Process {
    storage: Arc<FaultInjectingStorage>,
    cache: NamespaceCache,
}

impl Process {
    /// `None`: the process was killed on the way.
    async fn store(&self, strategy: Strategy, text: &str) -> Option<Acknowledged> {
        let KeyRef { strategy, cache_key, file_id } = key(strategy);
        let mut request = StoreRequest::new(strategy, Content::string(text.to_owned()).unwrap());
        (request.cache_key, request.file_id) = (Some(cache_key), Some(file_id));
        let stored = until_killed(self.cache.store(&request)).await?;
        Some((stored.unwrap().entry, text.to_owned()))
    }

    async fn store_without_key(&self) {
        let content = Content::string("without a key".to_owned()).unwrap();
        self.cache.store(&StoreRequest::new(Strategy::Direct, content)).await.unwrap();
    }
}

/// Time goes by only when nothing goes on, because it is paused.
async fn until_killed<T>(operation: impl Future<Output = T>) -> Option<T> {
    timeout(Duration::from_secs(1), operation).await.ok()
}

/// What the store has before.
#[derive(Debug, Clone, Copy)]
enum Before {
    /// Nothing under the key.
    Nothing,
    /// One of the contents, under the key.
    SameContent,
    /// Another content, under the key.
    OtherContent,
}

/// Two stores at once, of a process that is killed.
#[derive(Debug, Clone, Copy)]
struct Stores {
    strategy: Strategy,
    size: usize,
    before: Before,
    /// Whether the process itself did what was done before, and has it in memory.
    is_warm: bool,
}

impl Stores {
    fn all() -> Vec<Self> {
        let mut all = Vec::new();
        for strategy in Strategy::ALL {
            for size in SIZES {
                for before in [Before::Nothing, Before::SameContent, Before::OtherContent] {
                    all.extend([false, true].map(|is_warm| Self { strategy, size, before, is_warm }));
                }
            }
        }
        all
    }

    /// What is left after so many calls; `None` when they sufficed.
    async fn killed_after(self, calls: usize) -> Option<World> {
        let Self { strategy, size, before, is_warm } = self;
        let mut world = World::new();
        let mut process = world.process();
        match before {
            Before::Nothing => process.store_without_key().await,
            Before::SameContent => _ = world.store(&process, strategy, &text("first", size)).await,
            Before::OtherContent => _ = world.store(&process, strategy, &text("other", size)).await,
        }
        if !is_warm {
            process = world.process();
        }
        process.storage.stop_after(calls);
        let (first, second) = (text("first", size), text("second", size));
        let (first, second) = join(process.store(strategy, &first), process.store(strategy, &second)).await;
        let is_killed = first.is_none() || second.is_none();
        world.acknowledged.extend(first.into_iter().chain(second));
        is_killed.then_some(world)
    }
}

/// Checks what is left after each number of calls.
async fn after_each_call(mut check: impl AsyncFnMut(Stores, World)) {
    for stores in Stores::all() {
        let mut calls = 0;
        while let Some(world) = stores.killed_after(calls).await {
            world.check_findings().await;
            world.check_acknowledged().await;
            check(stores, world).await;
            calls += 1;
        }
        assert!(calls > MIN_CALLS, "{stores:?} makes {calls} calls");
    }
}

#[tokio::test(start_paused = true)]
async fn a_repair_lists_what_broke_off_unless_a_later_one_is_listed() {
    let mut listed = 0;
    after_each_call(async |stores, world| {
        let before = world.newest(stores.strategy).await;
        listed += world.repair().await.listed_entries;
        let after = world.newest(stores.strategy).await;
        let time = |entry: &Option<Entry>| entry.as_ref().map(|entry| entry.stored_at);
        assert!(after == before || time(&after) > time(&before), "{stores:?}: {after:?} instead of {before:?}");
        world.check_acknowledged().await;
    })
    .await;
    assert!(listed > 0);
}

#[tokio::test(start_paused = true)]
async fn what_broke_off_before_a_later_store_never_comes_back() {
    let mut left = 0;
    after_each_call(async |stores, mut world| {
        let Stores { strategy, size, .. } = stores;
        let before = world.newest(strategy).await;
        let process = world.process();
        let later = world.store(&process, strategy, &text("later", size)).await;
        world.check_findings().await;
        let repaired = world.repair().await;
        assert_eq!((repaired.listed_entries, world.newest(strategy).await.as_ref()), (0, Some(&later)), "{stores:?}");
        world.check_acknowledged().await;
        left += repaired.left.unlisted_entries.len();

        process.cache.delete(later.cache_id).await.unwrap().unwrap();
        world.acknowledged.retain(|(entry, _)| entry.cache_id != later.cache_id);
        assert_eq!((world.repair().await.listed_entries, world.newest(strategy).await), (0, before), "{stores:?}");
        world.check_acknowledged().await;
    })
    .await;
    assert!(left > 0);
}

#[tokio::test(start_paused = true)]
async fn a_delete_that_broke_off_leaves_nothing_to_mend() {
    for (strategy, size) in Strategy::ALL.into_iter().flat_map(|strategy| SIZES.map(|size| (strategy, size))) {
        for calls in 0.. {
            let mut world = World::new();
            let process = world.process();
            for name in ["first", "second"] {
                world.store(&process, strategy, &text(name, size)).await;
            }
            let (entry, _) = world.acknowledged.pop().unwrap();
            process.storage.stop_after(calls);
            let is_killed = until_killed(process.cache.delete(entry.cache_id)).await.is_none();
            world.check_findings().await;
            assert_eq!(world.repair().await.listed_entries, 0, "{strategy} {size} {calls}");
            world.check_acknowledged().await;
            if !is_killed {
                assert!(calls > MIN_CALLS, "{strategy} {size} makes {calls} calls");
                break;
            }
        }
    }
}
