//! What a sweep removes, and what it leaves alone.

#![allow(clippy::unwrap_used, reason = "a test may panic")]

use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};
use std::time::Duration;

use async_trait::async_trait;
use cache_core::cache::{Cache, OLD_MS, Selector, StoreRequest, Swept};
use cache_core::content::Content;
use cache_core::ids::{BlobToken, Namespace};
use cache_core::layout::Layout;
use cache_core::record::Record;
use cache_core::settings::{OnExpiry, Settings};
use cache_core::storage::{PutMode, Storage};
use cache_core::strategy::{ContentKind, Strategy};
use cache_core::surroundings::Surroundings;
use cache_storage::memory::Memory;

/// A clock that moves when told to, and chance that counts.
#[derive(Debug)]
struct Clock {
    now_ms: AtomicU64,
    random: AtomicU64,
}

#[async_trait]
impl Surroundings for Clock {
    fn now_ms(&self) -> u64 {
        self.now_ms.load(Ordering::Relaxed)
    }

    fn random(&self) -> u64 {
        self.random.fetch_add(0x9e37_79b9_7f4a_7c15, Ordering::Relaxed)
    }

    async fn sleep(&self, _: Duration) {}
}

struct World {
    clock: Arc<Clock>,
    storage: Arc<Memory>,
    cache: Cache,
    namespace: Namespace,
}

impl World {
    fn new() -> Self {
        let clock = Arc::new(Clock { now_ms: AtomicU64::new(1_795_176_411_520), random: AtomicU64::new(1) });
        let storage = Arc::new(Memory::new(clock.clone()));
        let cache = Cache::new(storage.clone(), clock.clone());
        Self { clock, storage, cache, namespace: "demo".parse().unwrap() }
    }

    fn request(&self, text: &str, strategy: Strategy) -> StoreRequest {
        StoreRequest {
            namespace: self.namespace.clone(),
            strategy,
            cache_key: None,
            file_id: None,
            content: Content::string(text.to_owned()).unwrap(),
        }
    }

    async fn store(&self, text: &str) -> Record {
        self.cache.store(&self.request(text, Strategy::Direct)).await.unwrap().record
    }

    async fn record(&self, record: &Record) -> Option<Record> {
        self.cache.record(&self.namespace, &Selector::Id(record.cache_id)).await.unwrap()
    }

    async fn is_there(&self, record: &Record) -> bool {
        self.cache.retrieve(&self.namespace, &Selector::Id(record.cache_id)).await.unwrap().is_some()
    }

    fn wait(&self, ms: u64) {
        self.clock.now_ms.fetch_add(ms, Ordering::Relaxed);
    }

    async fn check(&self, expected: Swept) {
        assert_eq!(self.cache.sweep(&self.namespace).await.unwrap(), Swept { complete: true, ..expected });
    }
}

#[tokio::test]
async fn entries_that_live_stay() {
    let world = World::new();
    let records = [world.store("a").await, world.store("b").await, world.store("a").await];
    world.wait(10 * OLD_MS);
    world.check(Swept::default()).await;
    for record in records {
        assert!(world.is_there(&record).await);
    }
}

#[tokio::test]
async fn an_expired_entry_is_a_miss_at_once_and_removed_by_the_sweep() {
    let world = World::new();
    let settings = Settings { ttl_hours: Some(2), on_expiry: OnExpiry::Delete, strategies: None };
    world.cache.change_settings(&world.namespace, &settings).await.unwrap();
    let record = world.store("a").await;
    world.wait(2 * 3_600_000 - 1);
    assert!(world.is_there(&record).await);
    world.check(Swept::default()).await;
    world.wait(1);
    assert!(!world.is_there(&record).await);
    assert!(!world.cache.exists_hash(&world.namespace, &record.cache_hash).await.unwrap());
    world.check(Swept { expired: 1, ..Swept::default() }).await;
    assert!(world.storage.get(&record.blob(), None).await.unwrap().is_none());
}

#[tokio::test]
async fn a_process_that_does_not_know_the_settings_yet_obeys_them() {
    let world = World::new();
    let settings = Settings { ttl_hours: None, on_expiry: OnExpiry::Delete, strategies: Some(vec![Strategy::Direct]) };
    world.cache.change_settings(&world.namespace, &settings).await.unwrap();
    let other = World { cache: Cache::new(world.storage.clone(), world.clock.clone()), ..world };
    let record = other.store("a").await;
    let day = record.stored_at + 24 * 3_600_000;
    assert_eq!((record.expires_at, other.record(&record).await), (Some(day), Some(record.clone())));

    let other = World { cache: Cache::new(other.storage.clone(), other.clock.clone()), ..other };
    let refused = other.cache.store(&other.request("b", Strategy::Temporal)).await.unwrap_err();
    assert!(refused.to_string().contains("do not allow 'temporal'"), "{refused}");
    assert_eq!(other.cache.ids(&other.namespace).await.unwrap(), [record.cache_id]);
}

#[tokio::test]
async fn by_default_nothing_expires() {
    let world = World::new();
    let record = world.store("a").await;
    world.wait(10_000 * OLD_MS);
    world.check(Swept::default()).await;
    assert!(world.is_there(&record).await);
}

#[tokio::test]
async fn a_grave_goes_when_it_is_old() {
    let world = World::new();
    let record = world.store("a").await;
    world.cache.delete(&world.namespace, record.cache_id).await.unwrap().unwrap();
    world.wait(OLD_MS - 1);
    world.check(Swept::default()).await;
    world.wait(1);
    world.check(Swept { graves: 1, ..Swept::default() }).await;
    world.check(Swept::default()).await;
}

#[tokio::test]
async fn what_a_broken_off_store_left_goes_when_it_is_old_and_its_name_is_burnt_first() {
    let world = World::new();
    let mut record = world.store("a").await;
    // As if the process had ended before it listed the entry.
    let layout = Layout::new(&world.namespace);
    let index = layout.hash_index(&record.cache_hash);
    world.storage.delete(&index).await.unwrap();
    world.wait(OLD_MS - 1);
    world.check(Swept::default()).await;
    world.wait(1);
    world.check(Swept { records: 1, blobs: 1, ..Swept::default() }).await;
    assert!(world.storage.get(&index, None).await.unwrap().is_some_and(|tombstone| tombstone.size < 64));
    record = world.store("a").await;
    assert_ne!(record.token, BlobToken::PLAIN, "a late delete of the plain blob must not hit the new one");
}

#[tokio::test]
async fn a_blob_that_its_index_does_not_reference_goes_when_it_is_old() {
    let world = World::new();
    let record = world.store("a").await;
    let stray = Layout::new(&world.namespace).blob(&record.cache_hash, BlobToken::fresh(7));
    world.storage.put(&stray, "x".into(), PutMode::Create).await.unwrap();
    world.wait(OLD_MS);
    world.check(Swept { blobs: 1, ..Swept::default() }).await;
    assert!(world.is_there(&record).await);
}

#[tokio::test]
async fn children_and_revisions_go_when_their_entry_is_gone_and_they_are_old() {
    let world = World::new();
    let (kept, deleted) = (world.store("a").await, world.store("b").await);
    let layout = Layout::new(&world.namespace);
    let owned = |record: &Record| {
        let child = layout.child(record.cache_id, None, &"f".parse().unwrap(), ContentKind::String).unwrap();
        [child, layout.revision(record.cache_id, 1), layout.revision_description(record.cache_id, 1)]
    };
    world.cache.delete(&world.namespace, deleted.cache_id).await.unwrap().unwrap();
    // As if they had been on their way while the entry was deleted.
    for key in owned(&kept).iter().chain(&owned(&deleted)) {
        world.storage.put(key, "x".into(), PutMode::Create).await.unwrap();
    }
    world.wait(OLD_MS - 1);
    world.check(Swept::default()).await;
    world.wait(1);
    world.check(Swept { graves: 1, orphans: 3, ..Swept::default() }).await;
    for key in owned(&kept) {
        assert!(world.storage.get(&key, None).await.unwrap().is_some(), "{key}");
    }
    world.check(Swept::default()).await;
}

#[tokio::test]
async fn a_record_that_cannot_be_read_does_not_keep_the_rest_from_being_swept() {
    let world = World::new();
    let (broken, deleted) = (world.store("a").await, world.store("b").await);
    let layout = Layout::new(&world.namespace);
    let key = layout.record(broken.cache_id);
    let index = layout.hash_index(&broken.cache_hash);
    world.storage.put(&key, vec![b'{'; 100].into(), PutMode::Overwrite).await.unwrap();
    world.storage.delete(&index).await.unwrap();
    world.cache.delete(&world.namespace, deleted.cache_id).await.unwrap().unwrap();
    world.wait(OLD_MS);
    world.check(Swept { graves: 1, blobs: 1, ..Swept::default() }).await;
    assert!(world.storage.get(&key, None).await.unwrap().is_some(), "a person has to look at it");
}
