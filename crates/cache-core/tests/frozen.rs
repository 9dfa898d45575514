//! Processes that were frozen in the middle of an operation, as a function is between invocations. What such an operation
//! wrote before may have been swept, so it gives up.

#![allow(clippy::unwrap_used, reason = "a test may panic")]

mod shared_storage;

use std::time::Duration;

use cache_core::cache::{IdempotencyKey, StoreRequest, UploadLimits, VersionsOf};
use cache_core::manifest::Manifest;
use cache_core::strategy::Strategy;
use cache_storage::operation::StorageOp;
use cache_testing::fault_injection::Fault;
use futures::future::{join, join_all};
use tokio::time::timeout;

use self::shared_storage::*;

#[tokio::test(start_paused = true)]
async fn a_process_that_was_frozen_gives_up() {
    for request in [direct(text("x")), direct(binary(1, 70_000)), keyed(Strategy::Direct, text("x"))] {
        let world = SharedStorage::new();
        let cache = world.new_process();
        world.faults.once(StorageOp::Get, "refs/by-hash", Fault::Slow(Duration::from_secs(1)));
        let frozen = async {
            tokio::time::sleep(Duration::from_millis(500)).await;
            world.clock.advance(Duration::from_secs(61));
        };
        let (stored, ()) = join(cache.store(&request), frozen).await;
        assert!(is_unavailable(&stored), "{stored:?}");
        assert_eq!(world.keys("refs/").await, []);
    }
}

#[tokio::test(start_paused = true)]
async fn a_follower_that_was_frozen_gives_up() {
    let world = SharedStorage::new();
    let cache = world.process_keeping(10_000_000).await;
    let request = direct(text("x"));
    store(&cache, &request).await;
    // The first leads for itself. The second then leads for the third, and is frozen while it reads again.
    world.faults.once(StorageOp::Put, "refs/by-hash", Fault::Slow(Duration::from_secs(1)));
    world.faults.once(StorageOp::Put, "refs/by-hash", Fault::Lost);
    world.faults.once(StorageOp::Get, "refs/by-hash", Fault::Slow(Duration::from_secs(1)));
    let after_the_freeze = async {
        tokio::time::sleep(Duration::from_millis(1_500)).await;
        world.clock.advance(Duration::from_secs(61));
        cache.store(&request).await
    };
    let frozen = join_all((0..3).map(|_| cache.store(&request)));
    let (stores, fresh) = join(frozen, after_the_freeze).await;
    assert!(stores[0].is_ok() && is_unavailable(&stores[1]) && is_unavailable(&stores[2]), "{stores:?}");
    assert_eq!(fresh.unwrap().entry.version, 3);
}

#[tokio::test(start_paused = true)]
async fn a_process_that_was_frozen_leaves_no_intent() {
    let world = SharedStorage::new();
    let (cache, faster) = (world.process().await, world.healthy_process());
    let request = direct(binary(1, 70_000));
    for _ in 0..2 {
        world.faults.once(StorageOp::Put, "refs/by-hash", Fault::Slow(Duration::from_secs(1)));
    }
    // It loses two races, and is frozen during the second one.
    let races = async {
        tokio::time::sleep(Duration::from_millis(500)).await;
        store(&faster, &request).await;
        tokio::time::sleep(Duration::from_secs(1)).await;
        store(&faster, &request).await;
        world.clock.advance(Duration::from_secs(61));
    };
    let (stored, ()) = join(cache.store(&request), races).await;
    assert!(is_unavailable(&stored), "{stored:?}");
    assert_eq!(world.keys("intents/").await, []);
}

#[tokio::test(start_paused = true)]
async fn a_page_that_may_have_been_swept_is_not_referenced() {
    let world = SharedStorage::new();
    let cache = world.small_process();
    world.faults.once(StorageOp::Put, "pages/", Fault::Slow(Duration::from_secs(1)));
    let freeze = async {
        tokio::time::sleep(Duration::from_millis(500)).await;
        world.clock.advance(Duration::from_secs(25 * 3600));
    };
    let stores = async {
        // All succeed until the one that is frozen while it writes the first page.
        while cache.store(&direct(text("x"))).await.is_ok() {}
    };
    join(stores, freeze).await;
    assert_eq!(world.keys("pages/").await.len(), 1);
    let head = world.get(&manifest_key(text("x").cache_hash())).await.unwrap();
    assert!(Manifest::parse(&head, false).unwrap().log().pages().is_empty());
}

#[tokio::test(start_paused = true)]
async fn an_intent_that_was_left_behind_is_not_committed() {
    let world = SharedStorage::new();
    let faster = world.healthy_process();
    // A store that loses two races leaves an intent, and looks which others there are.
    let lose_two_races = async |request: &StoreRequest| {
        for _ in 0..2 {
            world.faults.once(StorageOp::Put, "refs/by-hash", Fault::Slow(Duration::from_secs(1)));
        }
        let cache = world.process().await;
        let races = async {
            tokio::time::sleep(Duration::from_millis(500)).await;
            store(&faster, request).await;
            tokio::time::sleep(Duration::from_secs(1)).await;
            store(&faster, request).await;
        };
        join(timeout(Duration::from_secs(5), cache.store(request)), races).await.0
    };
    let request = direct(binary(1, 70_000));
    world.faults.once(StorageOp::List, "intents/", Fault::Stuck);
    assert!(lose_two_races(&request).await.is_err(), "its process is gone");
    let left_behind = world.keys("intents/").await;
    assert_eq!(left_behind.len(), 1);
    world.clock.advance(Duration::from_secs(121));
    let stored = lose_two_races(&request).await.unwrap().unwrap();
    assert_eq!(stored.entry.version, 5, "the four of the faster process come before it");
    let versions = faster.versions(&VersionsOf::Hash(stored.entry.cache_hash), None, usize::MAX).await.unwrap();
    assert_eq!(versions.unwrap().count, 5, "{left_behind:?}");
    assert_eq!(world.keys("intents/").await, []);
}

#[tokio::test(start_paused = true)]
async fn an_announcement_that_was_frozen_gives_up() {
    let limits = UploadLimits { content: 1_000_000, copy: 200_000 };
    let content = binary(1, 70_000);
    let request = upload_request(content.bytes());
    let key = IdempotencyKey::new("k", "caller").unwrap();
    let mut frozen = 0;
    // In one of 12 hours it looks whether the content was sent before a window of time ended, and is frozen then.
    for half_hour in 0..24 {
        let world = SharedStorage::new();
        world.clock.advance(half_hour * Duration::from_secs(1800));
        let cache = world.process().await;
        world.faults.once(StorageOp::Head, "blobs/", Fault::Slow(Duration::from_secs(1)));
        let freeze = async {
            tokio::time::sleep(Duration::from_millis(500)).await;
            world.clock.advance(Duration::from_secs(25 * 3600));
        };
        let (announced, ()) = join(cache.begin_upload(&request, limits, Some(&key)), freeze).await;
        frozen += u32::from(is_unavailable(&announced));
    }
    assert!((1..=3).contains(&frozen), "{frozen}");
}
