//! Several processes that change the same things at the same time, and reads while that happens.

#![allow(clippy::unwrap_used, reason = "a test may panic")]

mod shared_storage;

use std::collections::BTreeSet;
use std::time::Duration;

use cache_core::cache::{NamespaceCache, Selector, StoreRequest, Stored, VersionsOf};
use cache_core::ids::CacheId;
use cache_core::strategy::Strategy;
use cache_storage::operation::StorageOp;
use cache_testing::fault_injection::{Fault, FaultRates};
use futures::future::{join, join_all};

use self::shared_storage::*;

const SLOW: FaultRates = FaultRates { slow: 0.3, lost: 0.0, response_lost: 0.0, late: 0.0 };
const FAULTY: FaultRates = FaultRates { slow: 0.3, lost: 0.05, response_lost: 0.05, late: 0.03 };

/// 40 stores of the same by 8 processes, at the same time.
async fn stampede(world: &SharedStorage, request: &StoreRequest) -> Vec<Stored> {
    let processes: Vec<NamespaceCache> = (0..8).map(|_| world.new_process()).collect();
    join_all((0..40).map(|number| store(&processes[number % 8], request))).await
}

fn sorted(versions: impl Iterator<Item = u64>) -> Vec<u64> {
    let mut versions: Vec<u64> = versions.collect();
    versions.sort_unstable();
    versions
}

/// The ids that a hash or key lists, oldest version first.
async fn listed(cache: &NamespaceCache, of: &VersionsOf) -> Vec<CacheId> {
    let versions = cache.versions(of, None, usize::MAX).await.unwrap();
    versions.map(|page| page.versions.iter().map(|version| version.cache_id).collect()).unwrap_or_default()
}

#[tokio::test(start_paused = true)]
async fn each_of_40_identical_stores_gets_a_version_of_its_own() {
    for content in [text("x"), binary(1, 70_000), binary(1, 1_100_000)] {
        let world = SharedStorage::with_faults(SLOW, 1);
        let stored = stampede(&world, &direct(content.clone())).await;
        assert_eq!(sorted(stored.iter().map(|stored| stored.entry.version)), (1..=40).collect::<Vec<_>>());
        let ids: BTreeSet<CacheId> = stored.iter().map(|stored| stored.entry.cache_id).collect();
        assert_eq!(ids.len(), 40);
        let reader = world.healthy_process();
        for stored in &stored {
            let by_version = Selector::Hash(content.cache_hash().clone(), Some(stored.entry.version));
            assert_eq!(retrieve(&reader, &by_version).await.unwrap().entry.cache_id, stored.entry.cache_id);
            let by_id = Selector::Id(stored.entry.cache_id);
            assert_eq!(retrieve(&reader, &by_id).await.unwrap().bytes, content.bytes());
        }
        assert_eq!(world.keys("intents/").await, []);
    }
}

#[tokio::test(start_paused = true)]
async fn each_of_40_stores_under_one_key_gets_a_key_version_of_its_own() {
    for strategy in Strategy::ALL {
        let world = SharedStorage::with_faults(SLOW, 1);
        let stored = stampede(&world, &keyed(strategy, text("x"))).await;
        let reader = world.healthy_process();
        let key = VersionsOf::Key(key_ref(strategy));
        assert_eq!(sorted(stored.iter().map(|stored| stored.entry.version)), (1..=40).collect::<Vec<_>>());
        assert_eq!(sorted(stored.iter().filter_map(|stored| stored.key_version)), (1..=40).collect::<Vec<_>>());
        let by_version = |number: u64| stored.iter().find(|stored| stored.key_version == Some(number)).unwrap();
        let expected: Vec<CacheId> = (1..=40).map(|number| by_version(number).entry.cache_id).collect();
        assert_eq!(listed(&reader, &key).await, expected, "{strategy}");
        let newest = retrieve(&reader, &Selector::Key(key_ref(strategy), None)).await.unwrap();
        assert_eq!(newest.entry.cache_id, expected[39]);
        assert_eq!(world.keys("intents/").await, []);
        // Each has one dated view, and all share that of the key.
        let views = if strategy.is_dated() { 40 } else { 0 };
        let shared = usize::from(matches!(strategy, Strategy::KeyBased | Strategy::TemporalLatest));
        assert_eq!(world.keys("data/").await.len(), views + shared, "{strategy}");
    }
}

#[tokio::test(start_paused = true)]
async fn a_stampede_leaves_the_newest_content_in_the_view_of_its_key() {
    for seed in 0..20 {
        let world = SharedStorage::with_faults(SLOW, seed);
        let processes: Vec<NamespaceCache> = (0..4).map(|_| world.new_process()).collect();
        let requests: Vec<_> =
            (0..8).map(|number| keyed(Strategy::KeyBased, text(&format!("content {number}")))).collect();
        join_all(requests.iter().enumerate().map(|(number, request)| store(&processes[number % 4], request))).await;
        let newest = retrieve(&world.healthy_process(), &Selector::Key(key_ref(Strategy::KeyBased), None)).await;
        let views = world.keys("data/").await;
        assert_eq!(views.len(), 1);
        assert_eq!(world.get(&views[0]).await, newest.map(|newest| newest.bytes), "seed {seed}");
    }
}

/// Stores by 4 processes through a storage that fails; each repeats until it is acknowledged, as clients do.
async fn stores_with_faults(world: &SharedStorage, request: &StoreRequest) -> Vec<Stored> {
    let processes: Vec<NamespaceCache> = (0..4).map(|_| world.new_process()).collect();
    let stores = (0..12).map(async |number: usize| {
        let request = repeatable(request.clone(), &format!("{number}"));
        for _ in 0..50 {
            match processes[number % 4].store(&request).await {
                Ok(stored) => return stored,
                failed => assert!(is_unavailable(&failed), "{failed:?}"),
            }
        }
        panic!("50 repeats have failed");
    });
    join_all(stores).await
}

#[tokio::test(start_paused = true)]
async fn repeats_through_a_faulty_storage_are_one_entry_each() {
    for seed in 0..60 {
        let strategy = Strategy::ALL[seed as usize % 5];
        let content = if seed % 2 == 0 { text("x") } else { binary(1, 70_000) };
        let world = SharedStorage::with_faults(FAULTY, seed);
        let stored = stores_with_faults(&world, &keyed(strategy, content.clone())).await;
        let ids: BTreeSet<CacheId> = stored.iter().map(|stored| stored.entry.cache_id).collect();
        let reader = world.healthy_process();
        assert_eq!(ids.len(), 12, "seed {seed}");
        let of_hash = listed(&reader, &VersionsOf::Hash(content.cache_hash().clone())).await;
        let of_key = listed(&reader, &VersionsOf::Key(key_ref(strategy))).await;
        assert_eq!(of_hash.iter().copied().collect::<BTreeSet<_>>(), ids, "seed {seed}");
        assert_eq!(of_key.iter().copied().collect::<BTreeSet<_>>(), ids, "seed {seed}");
        assert_eq!((of_hash.len(), of_key.len()), (12, 12), "seed {seed}");
        for id in ids {
            assert_eq!(retrieve(&reader, &Selector::Id(id)).await.unwrap().bytes, content.bytes(), "seed {seed}");
        }
    }
}

#[tokio::test(start_paused = true)]
async fn stores_and_deletes_of_one_key_agree_in_the_end() {
    for seed in 0..60 {
        let world = SharedStorage::with_faults(SLOW, seed);
        let strategy = Strategy::ALL[seed as usize % 5];
        let processes: Vec<NamespaceCache> = (0..4).map(|_| world.new_process()).collect();
        let request = keyed(strategy, text("x"));
        let store_and_delete = |number: usize| {
            let (cache, other, request) = (&processes[number % 4], &processes[(number + 1) % 4], &request);
            async move {
                let stored = store(cache, request).await;
                if number.is_multiple_of(2) {
                    assert!(delete(other, stored.entry.cache_id).await);
                    return None;
                }
                Some(stored.entry.cache_id)
            }
        };
        let kept: BTreeSet<CacheId> = join_all((0..16).map(store_and_delete)).await.into_iter().flatten().collect();
        let reader = world.healthy_process();
        let of_hash = listed(&reader, &VersionsOf::Hash(text("x").cache_hash().clone())).await;
        let of_key = listed(&reader, &VersionsOf::Key(key_ref(strategy))).await;
        assert_eq!(of_hash.into_iter().collect::<BTreeSet<_>>(), kept, "seed {seed}");
        assert_eq!(of_key.into_iter().collect::<BTreeSet<_>>(), kept, "seed {seed}");
        for id in kept {
            assert!(delete(&reader, id).await);
        }
        assert_eq!((world.keys("data/").await, world.keys("intents/").await), (vec![], vec![]), "seed {seed}");
    }
}

#[tokio::test(start_paused = true)]
async fn stores_and_deletes_of_a_large_content_lose_nothing() {
    for seed in 0..100 {
        let world = SharedStorage::with_faults(SLOW, seed);
        let (cache, other) = (world.new_process(), world.new_process());
        let request = direct(binary(1, 70_000));
        let old = store(&cache, &request).await.entry;
        let (stored, deleted) = join(store(&cache, &request), delete(&other, old.cache_id)).await;
        assert!(deleted);
        let found = retrieve(&world.healthy_process(), &Selector::Id(stored.entry.cache_id)).await;
        assert_eq!(found.unwrap().bytes, request.content.bytes(), "seed {seed}");
    }
}

#[tokio::test(start_paused = true)]
async fn of_racing_deletes_each_succeeds_or_finds_nothing() {
    for seed in 0..50 {
        let world = SharedStorage::with_faults(SLOW, seed);
        let (cache, other) = (world.new_process(), world.new_process());
        let id = store(&cache, &keyed(Strategy::KeyBased, text("x"))).await.entry.cache_id;
        let (one, two) = join(delete(&cache, id), delete(&other, id)).await;
        assert!(one || two, "seed {seed}");
        assert_eq!(read_id(&cache, id).await, None);
        assert_eq!(world.keys("data/").await, []);
    }
}

/// Deletes an entry half a second from now.
async fn delete_later(cache: &NamespaceCache, id: CacheId) -> bool {
    tokio::time::sleep(Duration::from_millis(500)).await;
    delete(cache, id).await
}

#[tokio::test(start_paused = true)]
async fn a_read_by_hash_finds_the_next_entry_when_the_newest_goes() {
    // The manifest lists the newer one as another content of the same hash, so that its blob goes with it.
    let world = SharedStorage::new();
    let (cache, other) = (world.process().await, world.process().await);
    let content = |number: usize| {
        let document = format!(r#"{{"same":"x","padding":"{}"}}"#, number.to_string().repeat(70_000));
        let document = cache_core::json::Document::parse(&document.into()).unwrap();
        cache_core::content::Content::json_by_field(document, "same".parse().unwrap()).unwrap()
    };
    let older = store(&cache, &direct(content(1))).await.entry.cache_id;
    let newer = store(&cache, &direct(content(2))).await.entry;
    world.faults.once(StorageOp::Get, "blobs/", Fault::Slow(Duration::from_secs(1)));
    let selector = Selector::Hash(newer.cache_hash.clone(), None);
    let (found, deleted) = join(retrieve(&cache, &selector), delete_later(&other, newer.cache_id)).await;
    assert!(deleted);
    let found = found.unwrap();
    assert_eq!((found.entry.cache_id, &found.bytes), (older, content(1).bytes()));
}

#[tokio::test(start_paused = true)]
async fn a_read_by_key_finds_the_next_entry_when_the_newest_goes() {
    let world = SharedStorage::new();
    let (cache, other) = (world.process().await, world.process().await);
    let request = keyed(Strategy::Direct, text("x"));
    let older = store(&cache, &request).await.entry.cache_id;
    let newer = store(&cache, &request).await.entry.cache_id;
    // The key index has no copy of an updated entry, so the manifest is read after it.
    update(&cache, newer, "y").await.unwrap();
    world.faults.once(StorageOp::Get, "refs/by-hash", Fault::Slow(Duration::from_secs(1)));
    let selector = Selector::Key(key_ref(Strategy::Direct), None);
    let (found, deleted) = join(retrieve(&cache, &selector), delete_later(&other, newer)).await;
    assert!(deleted);
    assert_eq!(found.unwrap().entry.cache_id, older);
}

/// Stores under a key. Half a second later, when the entry is found by hash but not listed under its key yet, another process
/// does something with it.
async fn meet_before_listing(
    slow: StorageOp,
    strategy: Strategy,
    meet: impl AsyncFn(&NamespaceCache, CacheId),
) -> (SharedStorage, Stored) {
    let world = SharedStorage::new();
    let (cache, other) = (world.process().await, world.process().await);
    world.faults.once(slow, "refs/by-key", Fault::Slow(Duration::from_secs(1)));
    let request = keyed(strategy, text("x"));
    let (stored, ()) = join(store(&cache, &request), async {
        tokio::time::sleep(Duration::from_millis(500)).await;
        let by_hash = Selector::Hash(text("x").cache_hash().clone(), None);
        let found = retrieve(&other, &by_hash).await.expect("it is committed");
        assert_eq!(read(&other, &Selector::Key(key_ref(strategy), None)).await, None);
        meet(&other, found.entry.cache_id).await;
    })
    .await;
    (world, stored)
}

#[tokio::test(start_paused = true)]
async fn an_update_before_its_entry_is_listed_is_not_hidden() {
    for slow in [StorageOp::Get, StorageOp::Put] {
        for strategy in Strategy::ALL {
            let update = async |cache: &NamespaceCache, id| drop(update(cache, id, "y").await.unwrap());
            let (world, stored) = meet_before_listing(slow, strategy, update).await;
            assert_eq!(stored.key_version, Some(1));
            let by_key = Selector::Key(key_ref(strategy), None);
            assert_eq!(read(&world.process().await, &by_key).await.as_deref(), Some("y"), "{slow:?} {strategy}");
        }
    }
}

#[tokio::test(start_paused = true)]
async fn a_delete_before_its_entry_is_listed_is_final() {
    for slow in [StorageOp::Get, StorageOp::Put] {
        for strategy in Strategy::ALL {
            let delete = async |cache: &NamespaceCache, id| assert!(delete(cache, id).await);
            let (world, stored) = meet_before_listing(slow, strategy, delete).await;
            assert_eq!(stored.key_version, None);
            let (cache, by_key) = (world.process().await, Selector::Key(key_ref(strategy), None));
            assert_eq!(read(&cache, &by_key).await, None, "{slow:?} {strategy}");
            assert_eq!(listed(&cache, &VersionsOf::Key(key_ref(strategy))).await, []);
        }
    }
}

#[tokio::test(start_paused = true)]
async fn a_delete_before_its_entry_is_listed_leaves_no_view() {
    for slow in [StorageOp::Get, StorageOp::Put] {
        for strategy in Strategy::ALL {
            let delete = async |cache: &NamespaceCache, id| assert!(delete(cache, id).await);
            let (world, _) = meet_before_listing(slow, strategy, delete).await;
            assert_eq!(world.keys("data/").await, [], "{slow:?} {strategy}");
        }
    }
}

#[tokio::test(start_paused = true)]
async fn a_store_gives_up_at_its_deadline() {
    let world = SharedStorage::new();
    let cache = world.process().await;
    store_text(&cache, "x").await;
    for _ in 0..1_000 {
        world.faults.once(StorageOp::Put, "refs/by-hash", Fault::Lost);
    }
    let stored = cache.store(&direct(text("x"))).await;
    assert!(is_unavailable(&stored));
    let took = cache_core::clock::Clock::now(&*world.clock).since(cache_testing::mock_clock::MockClock::START);
    assert!(took <= cache_core::cache::DEFAULT_TIMEOUT, "{took:?}");
    assert_eq!(world.keys("refs/by-hash/").await.len(), 1);
}
