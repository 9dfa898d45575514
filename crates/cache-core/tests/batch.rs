//! Batch reads: each item has its own result.

#![allow(clippy::unwrap_used, reason = "a test may panic")]

mod shared_storage;

use std::time::Duration;

use cache_core::cache::{MAX_BATCH_ITEMS, RetrievedOrTooLarge, Selector, StoreRequest};
use cache_core::error::ErrorKind;
use cache_core::ids::CacheId;
use cache_core::strategy::Strategy;
use cache_storage::operation::StorageOp;
use cache_testing::fault_injection::Fault;

use self::shared_storage::*;

fn nobody() -> Selector {
    Selector::Id(CacheId::from_u128(7))
}

#[tokio::test]
async fn items_come_in_the_order_of_their_selectors() {
    let world = SharedStorage::new();
    let cache = world.process().await;
    let mut entries = Vec::new();
    for number in 0..100 {
        entries.push(store_text(&cache, &format!("{number}")).await);
    }
    entries.reverse();
    let mut selectors: Vec<Selector> = entries.iter().map(|entry| Selector::Id(entry.cache_id)).collect();
    selectors.insert(50, nobody());
    let found = cache.retrieve_batch(&selectors, u64::MAX).await.unwrap();
    let without_content = cache.entry_batch(&selectors).await.unwrap();
    let mut expected: Vec<_> = entries.into_iter().map(Some).collect();
    expected.insert(50, None);
    let found: Vec<_> = found.into_iter().map(|item| item.unwrap().map(|found| found.entry().clone())).collect();
    let without_content: Vec<_> = without_content.into_iter().map(Result::unwrap).collect();
    assert_eq!((found, without_content), (expected.clone(), expected));
}

#[tokio::test]
async fn a_batch_takes_ids_hashes_and_keys() {
    let world = SharedStorage::new();
    let cache = world.process().await;
    let entry = store(&cache, &keyed(Strategy::Direct, text("x"))).await.entry;
    let hash = entry.cache_hash.clone();
    let selectors = [
        Selector::Id(entry.cache_id),
        Selector::Id(entry.cache_id),
        Selector::Hash(hash.clone(), None),
        Selector::Hash(hash.clone(), Some(1)),
        Selector::Hash(hash, Some(2)),
        Selector::Key(key_ref(Strategy::Direct), None),
        Selector::Key(key_ref(Strategy::Temporal), None),
    ];
    let items = cache.entry_batch(&selectors).await.unwrap();
    let found: Vec<bool> = items.into_iter().map(|item| item.unwrap().is_some()).collect();
    assert_eq!(found, [true, true, true, true, false, true, false]);
}

#[tokio::test]
async fn one_item_that_fails_does_not_fail_the_others() {
    let world = SharedStorage::new();
    let cache = world.process().await;
    let large = store(&cache, &direct(binary(1, 70_000))).await.entry;
    let small = store_text(&cache, "x").await;
    let lost = store_text(&cache, "y").await;
    let expired = StoreRequest { ttl: Some(Duration::from_secs(1)), ..direct(text("z")) };
    let expired = store(&cache, &expired).await.entry;
    world.clock.advance(Duration::from_secs(1));
    world.remove(&blob_key(&large)).await;
    world.faults.once(StorageOp::Get, manifest_key(&lost.cache_hash).as_str(), Fault::Lost);
    let selectors = [&large, &small, &lost, &expired].map(|entry| Selector::Id(entry.cache_id));
    let items = cache.retrieve_batch(&selectors, u64::MAX).await.unwrap();
    assert!(is_corrupt(&items[0]) && is_unavailable(&items[2]), "{items:?}");
    assert!(matches!(&items[1], Ok(Some(found)) if *found.entry() == small), "{items:?}");
    assert!(matches!(&items[3], Ok(None)), "{items:?}");
}

#[tokio::test]
async fn an_item_that_is_too_large_is_told_without_its_content() {
    let world = SharedStorage::new();
    let cache = world.process().await;
    for (content, max) in [(text("1234"), 4), (binary(1, 70_000), 70_000)] {
        let entry = store(&cache, &direct(content)).await.entry;
        let selectors = [Selector::Id(entry.cache_id)];
        let whole = cache.retrieve_batch(&selectors, max).await.unwrap().remove(0).unwrap().unwrap();
        assert!(matches!(whole, RetrievedOrTooLarge::Retrieved(_)));
        let too_large = cache.retrieve_batch(&selectors, max - 1).await.unwrap().remove(0).unwrap().unwrap();
        assert_eq!(too_large, RetrievedOrTooLarge::TooLarge(entry));
    }
}

#[tokio::test]
async fn a_batch_has_at_most_1000_items() {
    let world = SharedStorage::new();
    let cache = world.process().await;
    let selectors = vec![nobody(); MAX_BATCH_ITEMS + 1];
    assert!(has_kind(&cache.retrieve_batch(&selectors, 1).await, ErrorKind::Invalid));
    assert!(has_kind(&cache.entry_batch(&selectors).await, ErrorKind::Invalid));
    assert_eq!(cache.entry_batch(&selectors[1..]).await.unwrap().len(), MAX_BATCH_ITEMS);
    assert_eq!(cache.entry_batch(&[]).await.unwrap().len(), 0);
}
