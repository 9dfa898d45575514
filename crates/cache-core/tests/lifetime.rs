//! How long entries live: by the settings of their namespace and by their own time to live, and what answers when the newest
//! has expired.

#![allow(clippy::unwrap_used, reason = "a test may panic")]

mod shared_storage;

use std::time::Duration;

use cache_core::cache::{CacheConfig, ChildName, MAX_TTL, NamespaceCache, Selector, StoreRequest};
use cache_core::error::ErrorKind;
use cache_core::settings::{OnExpiry, Settings};
use cache_core::strategy::{ContentKind, Strategy};

use self::shared_storage::*;

const HOUR: Duration = Duration::from_secs(3600);
const MILLI: Duration = Duration::from_millis(1);

fn with_ttl(request: StoreRequest, ttl: Duration) -> StoreRequest {
    StoreRequest { ttl: Some(ttl), ..request }
}

fn expiring(ttl_hours: Option<u32>) -> Settings {
    Settings { ttl_hours, on_expiry: OnExpiry::Delete, ..Settings::default() }
}

/// Selects the newest by hash, and by key.
fn newest_of(content: &str) -> [Selector; 2] {
    [Selector::Hash(text(content).cache_hash().clone(), None), Selector::Key(key_ref(Strategy::Direct), None)]
}

/// Stores a content under the key.
async fn store_keyed(cache: &NamespaceCache, content: &str, ttl: Option<Duration>) -> u64 {
    let stored = store(cache, &StoreRequest { ttl, ..keyed(Strategy::Direct, text(content)) }).await;
    stored.entry.version
}

/// The version that answers by hash, and by key.
async fn answers(cache: &NamespaceCache, content: &str) -> [Option<u64>; 2] {
    let mut versions = [None, None];
    for (version, selector) in versions.iter_mut().zip(newest_of(content)) {
        *version = retrieve(cache, &selector).await.map(|found| found.entry.version);
    }
    versions
}

#[tokio::test]
async fn an_entry_is_a_miss_from_the_end_of_its_ttl_on() {
    let world = SharedStorage::new();
    let cache = world.process().await;
    let entry = store(&cache, &with_ttl(keyed(Strategy::Direct, text("x")), HOUR)).await.entry;
    assert_eq!(entry.expires_at, Some(entry.stored_at.plus(HOUR)));
    let [by_hash, by_key] = newest_of("x");
    let selectors = [Selector::Id(entry.cache_id), Selector::Hash(entry.cache_hash.clone(), Some(1)), by_hash, by_key];
    world.clock.advance(HOUR - MILLI);
    for selector in &selectors {
        assert_eq!(read(&cache, selector).await.as_deref(), Some("x"), "{selector:?}");
        assert!(cache.entry(selector).await.unwrap().is_some(), "{selector:?}");
    }
    world.clock.advance(MILLI);
    for selector in &selectors {
        assert_eq!(read(&cache, selector).await, None, "{selector:?}");
        assert_eq!(cache.entry(selector).await.unwrap(), None, "{selector:?}");
    }
    assert!(!cache.exists(entry.cache_id).await.unwrap());
    assert_eq!(update(&cache, entry.cache_id, "y").await, None);
    assert!(delete(&cache, entry.cache_id).await, "but it can be deleted");
}

#[tokio::test]
async fn a_child_expires_with_its_entry() {
    let world = SharedStorage::new();
    let cache = world.process().await;
    let id = store(&cache, &with_ttl(direct(text("x")), HOUR)).await.entry.cache_id;
    let name = ChildName { data_key: None, file_id: "f".parse().unwrap(), kind: ContentKind::String };
    cache.store_child(id, &name, "c".into()).await.unwrap().unwrap();
    world.clock.advance(HOUR);
    assert_eq!(cache.retrieve_child(id, &name).await.unwrap(), None);
    assert_eq!(cache.store_child(id, &name, "c".into()).await.unwrap(), None);
    assert_eq!(world.keys("data/children/").await, [], "what was written beside the look at the entry is taken back");
}

#[tokio::test]
async fn a_ttl_is_1_second_to_10_years() {
    let world = SharedStorage::new();
    let cache = world.process().await;
    for (ttl, is_valid) in
        [(Duration::from_millis(999), false), (Duration::from_secs(1), true), (MAX_TTL, true), (MAX_TTL + MILLI, false)]
    {
        let stored = cache.store(&with_ttl(direct(text("x")), ttl)).await;
        assert_eq!(stored.is_ok(), is_valid, "{ttl:?}");
        assert!(is_valid || has_kind(&stored, ErrorKind::Invalid), "{ttl:?}");
    }
}

#[tokio::test]
async fn by_default_nothing_expires() {
    let world = SharedStorage::new();
    let cache = world.process().await;
    let entry = store_text(&cache, "x").await;
    assert_eq!(entry.expires_at, None);
    cache.change_settings(&Settings { ttl_hours: Some(1), ..Settings::default() }).await.unwrap();
    assert_eq!(store_text(&cache, "x").await.expires_at, None, "a ttl is for information");
}

#[tokio::test]
async fn the_settings_say_how_long_entries_live() {
    let world = SharedStorage::new();
    let config = CacheConfig { default_ttl_hours: 5, ..CacheConfig::default() };
    let cache = world.process_with(config);
    for (ttl_hours, hours) in [(Some(2), 2), (None, 5)] {
        cache.change_settings(&expiring(ttl_hours)).await.unwrap();
        let entry = store_text(&cache, "x").await;
        assert_eq!(entry.expires_at, Some(entry.stored_at.plus(hours * HOUR)));
    }
}

#[tokio::test]
async fn the_sooner_end_counts() {
    let world = SharedStorage::new();
    let cache = world.process().await;
    cache.change_settings(&expiring(Some(2))).await.unwrap();
    for (ttl, life) in [(HOUR, HOUR), (3 * HOUR, 2 * HOUR)] {
        let entry = store(&cache, &with_ttl(direct(text("x")), ttl)).await.entry;
        assert_eq!(entry.expires_at, Some(entry.stored_at.plus(life)));
    }
}

#[tokio::test]
async fn a_process_that_does_not_know_the_settings_obeys_them() {
    let world = SharedStorage::new();
    world.process().await.change_settings(&expiring(Some(2))).await.unwrap();
    for request in [direct(text("x")), direct(binary(1, 70_000)), keyed(Strategy::KeyBased, text("x"))] {
        assert!(store(&world.new_process(), &request).await.entry.expires_at.is_some());
    }
}

#[tokio::test]
async fn a_change_of_the_settings_does_not_change_entries() {
    let world = SharedStorage::new();
    let cache = world.process().await;
    let id = store_text(&cache, "x").await.cache_id;
    cache.change_settings(&expiring(Some(1))).await.unwrap();
    world.clock.advance(2 * HOUR);
    assert_eq!(read_id(&cache, id).await.as_deref(), Some("x"));
}

#[tokio::test]
async fn the_newest_that_has_not_expired_answers() {
    let world = SharedStorage::new();
    for cache in [world.process().await, world.process_keeping(10_000_000).await] {
        let content = format!("{}", world.keys("refs/").await.len());
        store_keyed(&cache, &content, None).await;
        store_keyed(&cache, &content, Some(3 * HOUR)).await;
        store_keyed(&cache, &content, Some(HOUR)).await;
        store_keyed(&cache, &content, Some(2 * HOUR)).await;
        for expected in [4, 4, 2, 1] {
            assert_eq!(answers(&cache, &content).await, [Some(expected); 2]);
            world.clock.advance(HOUR);
        }
    }
}

#[tokio::test]
async fn an_older_version_in_a_page_answers() {
    let world = SharedStorage::new();
    let cache = world.small_process();
    store_keyed(&cache, "x", Some(3 * HOUR)).await;
    while world.keys("pages/by-key").await.is_empty() {
        world.clock.advance(MILLI);
        store_keyed(&cache, "x", Some(HOUR)).await;
    }
    assert!(!world.keys("pages/by-hash").await.is_empty());
    world.clock.advance(HOUR);
    assert_eq!(answers(&cache, "x").await, [Some(1); 2]);
    world.clock.advance(2 * HOUR);
    assert_eq!(answers(&cache, "x").await, [None; 2]);
}

#[tokio::test]
async fn a_lasting_version_behind_many_pages_answers() {
    let world = SharedStorage::new();
    let cache = world.small_process();
    store_keyed(&cache, "x", None).await;
    for _ in 0..500 {
        world.clock.advance(MILLI);
        store_keyed(&cache, "x", Some(HOUR)).await;
    }
    assert!(world.keys("pages/by-hash").await.len() > 10);
    world.clock.advance(HOUR);
    let ((), cost) = world.cost_of(async { assert_eq!(answers(&cache, "x").await, [Some(1); 2]) }).await;
    let gets: usize = cost.split(' ').next().unwrap().parse().unwrap();
    assert!(gets < 30, "{cost}: a few pages, and then only those on the way to it");
}

#[tokio::test]
async fn an_expired_version_is_not_in_the_way_of_a_first_store() {
    let world = SharedStorage::new();
    let cache = world.process().await;
    store_keyed(&cache, "x", Some(HOUR)).await;
    let first = StoreRequest { if_none_match: true, ..keyed(Strategy::Direct, text("y")) };
    assert!(has_kind(&cache.store(&first).await, ErrorKind::Precondition));
    world.clock.advance(HOUR);
    assert_eq!(store(&cache, &first).await.key_version, Some(2));
}

#[tokio::test]
async fn an_update_does_not_make_an_entry_live_longer() {
    let world = SharedStorage::new();
    let cache = world.process().await;
    let entry = store(&cache, &with_ttl(direct(text("x")), HOUR)).await.entry;
    world.clock.advance(HOUR / 2);
    assert_eq!(update(&cache, entry.cache_id, "y").await.unwrap().expires_at, entry.expires_at);
}
