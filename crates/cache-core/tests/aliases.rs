//! Entries under given ids, which an alias leads to.

#![allow(clippy::unwrap_used, reason = "a test may panic")]

mod shared_storage;

use std::time::Duration;

use cache_core::cache::Selector;
use cache_core::ids::CacheId;
use cache_core::layout::Layout;
use cache_storage::operation::StorageOp;
use cache_testing::fault_injection::Fault;
use futures::future::join;

use self::shared_storage::*;

#[tokio::test]
async fn a_given_id_is_found_as_any_other() {
    let world = SharedStorage::new();
    let (cache, id) = (world.process().await, CacheId::from_u128(7));
    let entry = cache.store_with_id(id, text("x")).await.unwrap().unwrap();
    assert_eq!(entry.cache_id, id);
    assert_eq!(read_id(&cache, id).await.as_deref(), Some("x"));
    assert_eq!(read(&cache, &Selector::Hash(entry.cache_hash, None)).await.as_deref(), Some("x"));
    assert_eq!(update(&cache, id, "y").await.unwrap().cache_id, id);
    assert_eq!(cache.ids().await.unwrap(), [id]);
}

#[tokio::test]
async fn a_given_id_that_is_taken_is_refused() {
    let world = SharedStorage::new();
    let (cache, other, id) = (world.process().await, world.process().await, CacheId::from_u128(7));
    let (first, second) = join(cache.store_with_id(id, text("x")), other.store_with_id(id, text("y"))).await;
    let stored = [first.unwrap(), second.unwrap()];
    assert_eq!(stored.iter().flatten().count(), 1, "{stored:?}");
    let content = if stored[0].is_some() { "x" } else { "y" };
    assert_eq!(read_id(&cache, id).await.as_deref(), Some(content));
    assert_eq!(cache.stats().await.unwrap().ids, 1, "the other one was taken back");
}

#[tokio::test]
async fn a_given_id_can_be_given_again_after_a_delete() {
    let world = SharedStorage::new();
    let (cache, id) = (world.process().await, CacheId::from_u128(7));
    for content in ["x", "y", "x"] {
        cache.store_with_id(id, text(content)).await.unwrap().unwrap();
        assert_eq!(read_id(&cache, id).await.as_deref(), Some(content));
        assert!(delete(&cache, id).await);
        assert_eq!(read_id(&cache, id).await, None);
        let alias = Layout::new(&namespace()).alias(id);
        assert_eq!(world.get(&alias).await.unwrap(), "{}", "a tombstone");
    }
}

#[tokio::test(start_paused = true)]
async fn an_id_that_is_given_again_outlives_the_delete_before() {
    let world = SharedStorage::new();
    let (cache, other, id) = (world.process().await, world.healthy_process(), CacheId::from_u128(7));
    cache.store_with_id(id, text("x")).await.unwrap().unwrap();
    // The delete has seen that the entry of the alias is gone. Whatever it does to the alias comes a second later.
    for operation in [StorageOp::Put, StorageOp::Delete] {
        world.faults.once(operation, "refs/by-id", Fault::Slow(Duration::from_secs(1)));
    }
    let again = async {
        tokio::time::sleep(Duration::from_millis(500)).await;
        other.store_with_id(id, text("y")).await.unwrap()
    };
    let (deleted, entry) = join(delete(&cache, id), again).await;
    assert!(deleted && entry.is_some());
    assert_eq!(read_id(&other, id).await.as_deref(), Some("y"));
}
