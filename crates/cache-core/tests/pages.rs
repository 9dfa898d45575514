//! Manifests and key indexes with so many versions that most lie in pages.

#![allow(clippy::unwrap_used, reason = "a test may panic")]

mod shared_storage;

use std::time::Duration;

use cache_core::cache::{CacheConfig, NamespaceCache, Selector, VersionsOf};
use cache_core::ids::CacheId;
use cache_core::strategy::Strategy;

use self::shared_storage::*;

/// A process that keeps the heads in memory, so that thousands of stores do not take long.
fn process(world: &SharedStorage) -> NamespaceCache {
    let config = CacheConfig { object_cache_bytes: 1_000_000, limits: SMALL_LIMITS, ..CacheConfig::default() };
    world.process_with(config)
}

/// Stores so many versions, each a millisecond after the one before, and returns their ids.
async fn fill(world: &SharedStorage, cache: &NamespaceCache, keyed_too: bool, versions: usize) -> Vec<CacheId> {
    let request = if keyed_too { keyed(Strategy::Direct, text("x")) } else { direct(text("x")) };
    let mut ids = Vec::with_capacity(versions);
    for _ in 0..versions {
        world.clock.advance(Duration::from_millis(1));
        ids.push(store(cache, &request).await.entry.cache_id);
    }
    ids
}

fn by_hash(version: Option<u64>) -> Selector {
    Selector::Hash(text("x").cache_hash().clone(), version)
}

fn by_key(version: Option<u64>) -> Selector {
    Selector::Key(key_ref(Strategy::Direct), version)
}

async fn found_id(cache: &NamespaceCache, selector: &Selector) -> Option<CacheId> {
    retrieve(cache, selector).await.map(|found| found.entry.cache_id)
}

/// Deletes an entry. Not more than a thousand are deleted within five minutes, which is as many as are remembered.
async fn delete_later(world: &SharedStorage, cache: &NamespaceCache, id: CacheId) {
    world.clock.advance(Duration::from_secs(1));
    assert!(delete(cache, id).await);
}

async fn check_nothing_is_left(world: &SharedStorage, cache: &NamespaceCache) {
    assert_eq!((world.keys("pages/").await, world.keys("blobs/").await), (vec![], vec![]));
    assert_eq!((found_id(cache, &by_hash(None)).await, found_id(cache, &by_key(None)).await), (None, None));
    assert_eq!(cache.stats().await.unwrap().ids, 0);
}

#[tokio::test]
async fn ten_thousand_versions_are_found_and_freed() {
    let world = SharedStorage::new();
    let cache = process(&world);
    let mut ids = fill(&world, &cache, false, 10_000).await;
    assert_eq!(cache.stats().await.unwrap().ids, 10_000);
    for (at, id) in ids.iter().enumerate().step_by(97) {
        assert_eq!(found_id(&cache, &by_hash(Some(at as u64 + 1))).await, Some(*id));
        assert_eq!(found_id(&cache, &Selector::Id(*id)).await, Some(*id));
    }
    assert_eq!(found_id(&cache, &by_hash(None)).await, ids.last().copied());
    let ((), cost) = world.cost_of(async { assert!(found_id(&cache, &by_hash(Some(1))).await.is_some()) }).await;
    let gets: usize = cost.split(' ').next().unwrap().parse().unwrap();
    assert!(gets < 10, "{cost}: the head, and the pages on the way");

    fastrand::Rng::with_seed(7).shuffle(&mut ids);
    for id in &ids {
        delete_later(&world, &cache, *id).await;
    }
    check_nothing_is_left(&world, &cache).await;
    assert_eq!(store_text(&cache, "x").await.version, 10_001, "no version comes back");
}

#[tokio::test]
async fn each_of_many_versions_under_a_key_is_found() {
    let world = SharedStorage::new();
    let cache = process(&world);
    let ids = fill(&world, &cache, true, 1_500).await;
    assert!(world.keys("pages/by-key/").await.len() > 10);
    for (at, id) in ids.iter().enumerate().step_by(13) {
        assert_eq!(found_id(&cache, &by_key(Some(at as u64 + 1))).await, Some(*id));
    }
    assert_eq!(found_id(&cache, &by_key(None)).await, ids.last().copied());
    assert_eq!(found_id(&cache, &by_key(Some(1_501))).await, None);
}

#[tokio::test]
async fn versions_are_listed_page_by_page() {
    let world = SharedStorage::new();
    let cache = process(&world);
    let ids = fill(&world, &cache, true, 500).await;
    for of in [VersionsOf::Hash(text("x").cache_hash().clone()), VersionsOf::Key(key_ref(Strategy::Direct))] {
        let (mut before, mut listed) = (None, Vec::new());
        while let Some(page) = cache.versions(&of, before, 70).await.unwrap().filter(|page| !page.versions.is_empty()) {
            assert_eq!((page.count, page.latest.cache_id), (500, *ids.last().unwrap()));
            before = Some(page.versions[0].version);
            listed.splice(0..0, page.versions.iter().map(|version| version.cache_id));
        }
        assert_eq!(listed, ids, "{of:?}");
    }
}

#[tokio::test]
async fn an_entry_in_a_page_can_be_deleted() {
    let world = SharedStorage::new();
    let cache = process(&world);
    let ids = fill(&world, &cache, true, 300).await;
    let deleted = [0, 1, 7, 150, 151, 152, 298, 299];
    for at in deleted {
        delete_later(&world, &cache, ids[at]).await;
    }
    for (at, id) in ids.iter().enumerate() {
        let expected = Some(*id).filter(|_| !deleted.contains(&at));
        let version = Some(at as u64 + 1);
        for selector in [Selector::Id(*id), by_hash(version), by_key(version)] {
            assert_eq!(found_id(&cache, &selector).await, expected, "{selector:?}");
        }
    }
    assert_eq!(found_id(&cache, &by_hash(None)).await, Some(ids[297]));
    assert_eq!(found_id(&cache, &by_key(None)).await, Some(ids[297]));
    assert_eq!(cache.stats().await.unwrap().ids, 292);
}

#[tokio::test]
async fn an_entry_in_a_page_can_be_updated() {
    let world = SharedStorage::new();
    let cache = process(&world);
    let ids = fill(&world, &cache, true, 300).await;
    for (at, content) in [(0, "y".to_owned()), (1, "z".repeat(100)), (150, "y".to_owned()), (1, "last".to_owned())] {
        let updated = update(&cache, ids[at], &content).await.unwrap();
        assert_eq!(updated.cache_id, ids[at]);
        for selector in [Selector::Id(ids[at]), by_hash(Some(at as u64 + 1)), by_key(Some(at as u64 + 1))] {
            assert_eq!(read(&cache, &selector).await.as_ref(), Some(&content), "{selector:?}");
        }
    }
    assert_eq!(read_id(&cache, ids[2]).await.as_deref(), Some("x"), "its neighbour is as it was");
    for id in ids {
        delete_later(&world, &cache, id).await;
    }
    check_nothing_is_left(&world, &cache).await;
}

#[tokio::test]
async fn older_versions_answer_when_all_newer_ones_are_deleted() {
    let world = SharedStorage::new();
    let cache = process(&world);
    let mut ids = fill(&world, &cache, true, 200).await;
    while let Some(newest) = ids.pop() {
        assert_eq!(found_id(&cache, &by_hash(None)).await, Some(newest));
        assert_eq!(found_id(&cache, &by_key(None)).await, Some(newest));
        delete_later(&world, &cache, newest).await;
    }
    check_nothing_is_left(&world, &cache).await;
}

#[tokio::test]
async fn contents_in_pages_are_freed_with_their_entries() {
    let world = SharedStorage::new();
    let cache = process(&world);
    // Different contents under one hash: their hash is that of one field.
    let mut ids = Vec::new();
    for number in 0..300 {
        world.clock.advance(Duration::from_millis(1));
        let padding = "-".repeat([0, 100][number % 2]);
        let document = format!(r#"{{"same":"x","number":{},"padding":"{padding}"}}"#, number / 3);
        let document = cache_core::json::Document::parse(&document.into()).unwrap();
        let content = cache_core::content::Content::json_by_field(document, "same".parse().unwrap()).unwrap();
        ids.push((store(&cache, &direct(content.clone())).await.entry.cache_id, content));
    }
    assert!(!world.keys("pages/").await.is_empty() && !world.keys("blobs/").await.is_empty());
    fastrand::Rng::with_seed(7).shuffle(&mut ids);
    while let Some((id, _)) = ids.pop() {
        delete_later(&world, &cache, id).await;
        if ids.len().is_multiple_of(50) {
            for (id, content) in &ids {
                assert_eq!(retrieve(&cache, &Selector::Id(*id)).await.unwrap().bytes, content.bytes());
            }
        }
    }
    assert_eq!((world.keys("pages/").await, world.keys("blobs/").await), (vec![], vec![]));
}
