//! Objects in memory: what another process has changed is seen at once all the same.

#![allow(clippy::unwrap_used, reason = "a test may panic")]

mod shared_storage;

use std::time::Duration;

use cache_core::cache::Selector;
use cache_core::strategy::Strategy;
use cache_storage::operation::StorageOp;
use cache_testing::fault_injection::Fault;

use self::shared_storage::*;

const MEMORY: u64 = 10_000_000;

/// Selects by hash and by key.
fn newest() -> [Selector; 2] {
    [Selector::Hash(text("x").cache_hash().clone(), None), Selector::Key(key_ref(Strategy::Direct), None)]
}

#[tokio::test]
async fn an_entry_that_another_process_deleted_is_gone_at_once() {
    for content in ["x".to_owned(), "x".repeat(70_000)] {
        let world = SharedStorage::new();
        let (cache, other) = (world.process_keeping(MEMORY).await, world.process().await);
        let id = store(&cache, &keyed(Strategy::Direct, text(&content))).await.entry.cache_id;
        assert_eq!(read_id(&cache, id).await, Some(content));
        assert!(delete(&other, id).await);
        assert_eq!(read_id(&cache, id).await, None);
        for selector in newest() {
            assert_eq!(read(&cache, &selector).await, None);
        }
    }
}

#[tokio::test]
async fn an_update_by_another_process_is_seen_at_once() {
    let world = SharedStorage::new();
    let (cache, other) = (world.process_keeping(MEMORY).await, world.process_keeping(MEMORY).await);
    let id = store(&cache, &keyed(Strategy::Direct, text("x"))).await.entry.cache_id;
    for content in ["y".to_owned(), "z".repeat(70_000), "z".to_owned()] {
        update(&other, id, &content).await.unwrap();
        for selector in newest() {
            assert_eq!(read(&cache, &selector).await.as_ref(), Some(&content), "{selector:?}");
        }
        assert_eq!(read_id(&cache, id).await, Some(content));
    }
}

#[tokio::test]
async fn a_store_from_memory_that_is_out_of_date_is_not_lost() {
    for request in [direct(text("x")), keyed(Strategy::Direct, text("x")), keyed(Strategy::KeyBased, binary(1, 70_000))]
    {
        let world = SharedStorage::new();
        let (cache, other) = (world.process_keeping(MEMORY).await, world.process_keeping(MEMORY).await);
        let mut versions = Vec::new();
        for number in 0..6 {
            versions.push(store([&cache, &other][number % 2], &request).await.entry.version);
        }
        assert_eq!(versions, [1, 2, 3, 4, 5, 6]);
        assert_eq!(world.keys("blobs/").await.len(), usize::from(request.strategy == Strategy::KeyBased));
    }
}

#[tokio::test]
async fn a_store_does_not_reference_a_blob_that_another_process_freed() {
    let world = SharedStorage::new();
    let (cache, other) = (world.process_keeping(MEMORY).await, world.process().await);
    let request = direct(binary(1, 70_000));
    let old = store(&cache, &request).await.entry.cache_id;
    assert!(delete(&other, old).await);
    let id = store(&cache, &request).await.entry.cache_id;
    assert_eq!(retrieve(&other, &Selector::Id(id)).await.unwrap().bytes, request.content.bytes());
}

#[tokio::test(start_paused = true)]
async fn a_manifest_stays_in_memory_when_a_read_beside_its_creation_ends_later() {
    let world = SharedStorage::new();
    let cache = world.process_keeping(MEMORY).await;
    world.faults.once(StorageOp::Put, "refs/by-hash", Fault::Slow(Duration::from_millis(5)));
    world.faults.once(StorageOp::Get, "refs/by-hash", Fault::SlowResponse(Duration::from_millis(10)));
    store(&cache, &direct(text("x"))).await;
    let (_, cost) = world.cost_of(cache.store(&direct(text("x")))).await;
    assert_eq!(cost, "PUT (1)");
}
