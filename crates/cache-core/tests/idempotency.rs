//! Repeats: requests with one `Idempotency-Key` are one entry, whenever and from wherever they come. And stores on the
//! condition that they are the first under their key.

#![allow(clippy::unwrap_used, reason = "a test may panic")]

mod shared_storage;

use std::time::Duration;

use cache_core::cache::{IdempotencyKey, NamespaceCache, StoreRequest, Stored};
use cache_core::error::{Error, ErrorKind};
use cache_core::strategy::Strategy;
use cache_storage::operation::StorageOp;
use cache_testing::fault_injection::{Fault, FaultRates};
use futures::future::join_all;

use self::shared_storage::*;

/// The stores that are repeated: small and large, without a key and under one.
fn requests() -> Vec<StoreRequest> {
    let mut requests = Vec::new();
    for content in [text("x"), binary(1, 70_000), binary(1, 1_100_000)] {
        requests.push(direct(content.clone()));
        requests.extend(Strategy::ALL.map(|strategy| keyed(strategy, content.clone())));
    }
    requests.into_iter().map(|request| repeatable(request, "k")).collect()
}

fn first_only(request: StoreRequest) -> StoreRequest {
    StoreRequest { if_none_match: true, ..request }
}

fn assert_same(one: &Stored, other: &Stored) {
    let names = |stored: &Stored| (stored.entry.cache_id, stored.entry.version, stored.key_version);
    assert_eq!(names(one), names(other));
}

async fn count(cache: &NamespaceCache) -> usize {
    cache.ids().await.unwrap().len()
}

#[tokio::test]
async fn a_repeat_returns_the_same_entry() {
    for request in requests() {
        let world = SharedStorage::new();
        let cache = world.process().await;
        let first = store(&cache, &request).await;
        assert_same(&first, &store(&cache, &request).await);
        assert_same(&first, &store(&world.process().await, &request).await);
        assert_same(&first, &store(&world.process_keeping(10_000_000).await, &request).await);
        assert_eq!(count(&cache).await, 1);
    }
}

#[tokio::test]
async fn a_repeat_leaves_no_second_copy_of_the_content() {
    let world = SharedStorage::new();
    let request = repeatable(direct(binary(1, 70_000)), "k");
    for _ in 0..3 {
        store(&world.process().await, &request).await;
        assert_eq!(world.keys("blobs/").await.len(), 1);
    }
}

#[tokio::test]
async fn a_repeat_within_the_hour_returns_the_same_entry() {
    let world = SharedStorage::new();
    let cache = world.process().await;
    let request = repeatable(keyed(Strategy::Direct, text("x")), "k");
    let first = store(&cache, &request).await;
    store_text(&cache, "x").await;
    world.clock.advance(Duration::from_secs(3600));
    assert_same(&first, &store(&cache, &request).await);
}

#[tokio::test]
async fn a_repeat_finds_its_entry_in_a_page() {
    let world = SharedStorage::new();
    let cache = world.small_process();
    let request = repeatable(direct(text("x")), "k");
    let first = store(&cache, &request).await;
    for _ in 0..100 {
        store_text(&cache, "x").await;
    }
    assert!(world.keys("pages/").await.len() > 1);
    assert_same(&first, &store(&cache, &request).await);
}

#[tokio::test(start_paused = true)]
async fn repeats_at_the_same_time_are_one_entry() {
    for (seed, request) in requests().into_iter().cycle().take(90).enumerate() {
        let world = SharedStorage::with_faults(FaultRates { slow: 0.5, ..FaultRates::default() }, seed as u64);
        let processes = [world.process().await, world.process().await, world.process().await];
        let stores = join_all(processes.iter().chain(&processes).map(|cache| store(cache, &request))).await;
        stores.iter().for_each(|stored| assert_same(&stores[0], stored));
        assert_eq!(count(&processes[0]).await, 1, "seed {seed}");
        assert_eq!(retrieve_bytes(&processes[0], &stores[0]).await, request.content.bytes(), "seed {seed}");
    }
}

async fn retrieve_bytes(cache: &NamespaceCache, stored: &Stored) -> bytes::Bytes {
    retrieve(cache, &cache_core::cache::Selector::Id(stored.entry.cache_id)).await.unwrap().bytes
}

#[tokio::test]
async fn a_store_whose_reply_is_lost_is_one_entry() {
    for request in requests() {
        for key in ["refs/by-hash", "refs/by-key", "blobs/", "data/"] {
            let world = SharedStorage::new();
            let cache = world.process().await;
            world.faults.once(StorageOp::Put, key, Fault::ResponseLost);
            // Without its blob or its dated view nothing is stored: then the client repeats the request.
            let stored = match cache.store(&request).await {
                Ok(stored) => stored,
                Err(error) => {
                    assert_eq!(error.kind(), ErrorKind::Unavailable);
                    store(&cache, &request).await
                }
            };
            assert_eq!(cache.ids().await.unwrap(), [stored.entry.cache_id], "{key}");
            assert_eq!(retrieve_bytes(&cache, &stored).await, request.content.bytes(), "{key}");
        }
    }
}

#[tokio::test]
async fn a_store_whose_commit_reply_is_lost_is_not_made_twice() {
    for request in [direct(text("x")), direct(binary(1, 70_000)), keyed(Strategy::KeyBased, text("x"))] {
        let world = SharedStorage::new();
        let cache = world.process().await;
        world.faults.once(StorageOp::Put, "refs/by-hash", Fault::ResponseLost);
        let stored = store(&cache, &request).await;
        assert_eq!(cache.ids().await.unwrap(), [stored.entry.cache_id]);
        assert_eq!(retrieve_bytes(&cache, &stored).await, request.content.bytes());
    }
}

#[tokio::test]
async fn a_repeat_after_a_failure_finds_what_was_stored() {
    for request in requests() {
        let world = SharedStorage::new();
        let cache = world.process().await;
        world.faults.once(StorageOp::Put, "refs/by-hash", Fault::ResponseLost);
        for _ in 0..100 {
            world.faults.once(StorageOp::Get, "refs/by-hash", Fault::Lost);
        }
        let failed = cache.store(&request).await;
        assert!(is_unavailable(&failed), "{failed:?}");
        let healthy = world.healthy_process();
        let stored = store(&healthy, &request).await;
        assert_eq!(healthy.ids().await.unwrap(), [stored.entry.cache_id]);
    }
}

#[tokio::test]
async fn a_repeat_after_a_delete_stores_nothing() {
    for request in requests() {
        let world = SharedStorage::new();
        let (cache, other) = (world.process().await, world.process().await);
        let first = store(&cache, &request).await;
        assert!(delete(&cache, first.entry.cache_id).await);
        world.clock.advance(Duration::from_secs(3600));
        let again = store(&other, &request).await;
        assert_eq!((again.entry.cache_id, again.key_version), (first.entry.cache_id, None));
        assert_eq!(count(&cache).await, 0, "{:?}", request.strategy);
    }
}

#[tokio::test]
async fn whatever_makes_a_store_another_one_makes_another_entry() {
    let world = SharedStorage::new();
    let cache = world.process().await;
    let request = repeatable(keyed(Strategy::Direct, text("x")), "k");
    let others = [
        StoreRequest { content: text("y"), ..request.clone() },
        StoreRequest { strategy: Strategy::Temporal, ..request.clone() },
        StoreRequest { file_id: Some("g".parse().unwrap()), ..request.clone() },
        StoreRequest { cache_key: Some("c".parse().unwrap()), ..request.clone() },
        StoreRequest { ttl: Some(Duration::from_secs(60)), ..request.clone() },
        StoreRequest { idempotency_key: Some(IdempotencyKey::new("k", "other caller").unwrap()), ..request.clone() },
        repeatable(request.clone(), "l"),
    ];
    store(&cache, &request).await;
    for other in &others {
        let stored = store(&cache, other).await;
        assert_same(&stored, &store(&cache, other).await);
    }
    assert_eq!(count(&cache).await, 1 + others.len());
}

#[test]
fn an_idempotency_key_has_1_to_255_visible_characters() {
    let longest = "k".repeat(255);
    for (key, is_valid) in
        [("k", true), (&*longest, true), ("", false), (&*format!("{longest}k"), false), ("a b", false), ("é", false)]
    {
        assert_eq!(IdempotencyKey::new(key, "caller").is_ok(), is_valid, "{key}");
    }
}

fn is_refused(stored: &Result<Stored, Error>) -> bool {
    has_kind(stored, ErrorKind::Precondition)
}

#[tokio::test]
async fn only_the_first_store_under_a_key_is_made() {
    let world = SharedStorage::new();
    let (cache, other) = (world.process().await, world.process().await);
    let first = store(&cache, &first_only(keyed(Strategy::Direct, text("x")))).await;
    assert_eq!(first.key_version, Some(1));
    for content in ["x", "y"] {
        assert!(is_refused(&other.store(&first_only(keyed(Strategy::Direct, text(content)))).await));
    }
    assert_eq!(cache.ids().await.unwrap(), [first.entry.cache_id]);
    store(&cache, &first_only(keyed(Strategy::Temporal, text("x")))).await;
    assert!(delete(&cache, first.entry.cache_id).await);
    let second = store(&other, &first_only(keyed(Strategy::Direct, text("y")))).await;
    assert_eq!(second.key_version, Some(2), "a deleted version is not in the way");
}

#[tokio::test]
async fn a_condition_without_a_key_and_file_id_is_invalid() {
    let world = SharedStorage::new();
    let request = first_only(direct(text("x")));
    assert!(has_kind(&world.process().await.store(&request).await, ErrorKind::Invalid));
}

#[tokio::test(start_paused = true)]
async fn of_racing_first_stores_one_is_made() {
    for seed in 0..100 {
        let world = SharedStorage::with_faults(FaultRates { slow: 0.5, ..FaultRates::default() }, seed);
        let processes = [world.process().await, world.process().await, world.process().await];
        let requests = ["x", "x", "y"].map(|content| first_only(keyed(Strategy::Direct, text(content))));
        let stores = join_all(processes.iter().zip(&requests).map(|(cache, request)| cache.store(request))).await;
        let made: Vec<_> = stores.iter().filter_map(|stored| stored.as_ref().ok()).collect();
        assert_eq!(made.len(), 1, "seed {seed}: {stores:?}");
        assert!(stores.iter().all(|stored| stored.is_ok() || is_refused(stored)), "seed {seed}");
        assert_eq!(
            processes[0].ids().await.unwrap(),
            [made[0].entry.cache_id],
            "seed {seed}: the others took theirs back"
        );
    }
}

#[tokio::test]
async fn a_repeat_of_the_first_store_returns_it_again() {
    let world = SharedStorage::new();
    let (cache, other) = (world.process().await, world.process().await);
    let request = repeatable(first_only(keyed(Strategy::Direct, text("x"))), "k");
    let first = store(&cache, &request).await;
    assert_same(&first, &store(&other, &request).await);
    assert_same(&first, &store(&cache, &request).await);
    assert!(is_refused(&other.store(&repeatable(request, "l")).await), "another request is refused");
}

#[tokio::test]
async fn a_repeat_of_a_refused_store_is_refused() {
    let world = SharedStorage::new();
    let (cache, other) = (world.process().await, world.process().await);
    let first = store(&cache, &keyed(Strategy::Direct, text("x"))).await;
    let request = repeatable(first_only(keyed(Strategy::Direct, text("y"))), "k");
    assert!(is_refused(&cache.store(&request).await));
    assert!(is_refused(&other.store(&request).await));
    assert!(delete(&cache, first.entry.cache_id).await);
    assert!(is_refused(&other.store(&request).await), "also when the key is free by now");
    assert_eq!(count(&cache).await, 0);
}

#[tokio::test(start_paused = true)]
async fn repeats_of_a_first_store_at_the_same_time_agree() {
    for seed in 0..100 {
        let world = SharedStorage::with_faults(FaultRates { slow: 0.5, ..FaultRates::default() }, seed);
        let processes = [world.process().await, world.process().await, world.process().await];
        let own = repeatable(first_only(keyed(Strategy::Direct, text("x"))), "k");
        let other = first_only(keyed(Strategy::Direct, text("y")));
        let requests = [&own, &own, &other];
        let stores = join_all(processes.iter().zip(requests).map(|(cache, request)| cache.store(request))).await;
        assert_eq!(stores[0].is_ok(), stores[1].is_ok(), "seed {seed}: {stores:?}");
        assert_ne!(stores[0].is_ok(), stores[2].is_ok(), "seed {seed}: {stores:?}");
        assert_eq!(count(&processes[0]).await, 1, "seed {seed}");
    }
}
