//! Settings of a namespace: who sees them when, and what they forbid.

#![allow(clippy::unwrap_used, reason = "a test may panic")]

mod shared_storage;

use std::time::Duration;

use cache_core::cache::StoreRequest;
use cache_core::error::ErrorKind;
use cache_core::settings::{MAX_TTL_HOURS, OnExpiry, Settings};
use cache_core::strategy::Strategy;
use cache_storage::operation::StorageOp;
use cache_testing::fault_injection::Fault;
use futures::future::join;

use self::shared_storage::*;

fn only(strategy: Strategy) -> Settings {
    Settings { strategies: Some(vec![strategy]), ..Settings::default() }
}

#[tokio::test]
async fn a_namespace_without_settings_has_the_default_ones() {
    assert_eq!(SharedStorage::new().new_process().settings().await.unwrap(), Settings::default());
}

#[tokio::test]
async fn settings_are_read_back() {
    let world = SharedStorage::new();
    let cache = world.new_process();
    let expiring = Settings { ttl_hours: Some(MAX_TTL_HOURS), on_expiry: OnExpiry::Delete, ..Settings::default() };
    for settings in [only(Strategy::Direct), expiring, Settings::default()] {
        cache.change_settings(&settings).await.unwrap();
        assert_eq!(cache.settings().await.unwrap(), settings);
        assert_eq!(world.new_process().settings().await.unwrap(), settings);
    }
}

#[tokio::test]
async fn settings_out_of_range_are_invalid() {
    let cache = SharedStorage::new().new_process();
    for settings in [
        Settings { ttl_hours: Some(0), ..Settings::default() },
        Settings { ttl_hours: Some(MAX_TTL_HOURS + 1), ..Settings::default() },
        Settings { strategies: Some(Vec::new()), ..Settings::default() },
    ] {
        assert!(has_kind(&cache.change_settings(&settings).await, ErrorKind::Invalid), "{settings:?}");
    }
    assert_eq!(cache.settings().await.unwrap(), Settings::default());
}

#[tokio::test]
async fn a_strategy_that_is_not_allowed_stores_nothing() {
    let world = SharedStorage::new();
    world.new_process().change_settings(&only(Strategy::Direct)).await.unwrap();
    for content in [text("x"), binary(1, 70_000), binary(1, 1_100_000)] {
        for cache in [world.new_process(), world.process().await] {
            let refused = cache.store(&StoreRequest::new(Strategy::Temporal, content.clone())).await;
            assert!(has_kind(&refused, ErrorKind::Invalid));
            for folder in ["refs/", "blobs/", "data/"] {
                assert_eq!(world.keys(folder).await, [], "{folder}");
            }
        }
    }
    store_text(&world.new_process(), "x").await;
}

#[tokio::test]
async fn another_process_sees_a_change_after_two_minutes() {
    let world = SharedStorage::new();
    let (cache, other) = (world.process().await, world.process().await);
    store_text(&other, "x").await;
    cache.change_settings(&only(Strategy::Temporal)).await.unwrap();
    assert!(has_kind(&cache.store(&direct(text("x"))).await, ErrorKind::Invalid), "its own process at once");
    world.clock.advance(Duration::from_secs(119));
    store_text(&other, "x").await;
    assert!(
        has_kind(&other.store(&direct(text("x"))).await, ErrorKind::Invalid),
        "it has read them beside the last store"
    );
    let idle = world.process().await;
    cache.change_settings(&Settings::default()).await.unwrap();
    world.clock.advance(Duration::from_secs(120));
    store_text(&idle, "x").await;
}

#[tokio::test]
async fn no_store_of_a_busy_process_waits_for_the_settings() {
    let world = SharedStorage::new();
    let cache = world.process().await;
    for minute in 0..5 {
        let (_, cost) = world.cost_of(store_text(&cache, &format!("{minute}"))).await;
        assert_eq!(cost, if minute == 0 { "PUT+GET (1)" } else { "PUT+2 GET (1)" });
        world.clock.advance(Duration::from_secs(60));
    }
}

#[tokio::test]
async fn settings_that_cannot_be_refreshed_go_on_for_a_while() {
    let world = SharedStorage::new();
    let cache = world.process().await;
    cache.change_settings(&only(Strategy::Direct)).await.unwrap();
    world.clock.advance(Duration::from_secs(90));
    world.faults.once(StorageOp::Get, "namespace.json", Fault::Lost);
    store_text(&cache, "x").await;
    world.clock.advance(Duration::from_secs(30));
    world.faults.once(StorageOp::Get, "namespace.json", Fault::Lost);
    assert!(is_unavailable(&cache.store(&direct(text("x"))).await), "nothing is stored without settings");
    store_text(&cache, "x").await;
}

#[tokio::test]
async fn of_racing_changes_the_last_one_stands() {
    let world = SharedStorage::new();
    let (cache, other) = (world.process().await, world.process().await);
    let (one, two) = (only(Strategy::Direct), only(Strategy::Temporal));
    let (first, second) = join(cache.change_settings(&one), other.change_settings(&two)).await;
    first.unwrap();
    second.unwrap();
    let now = world.new_process().settings().await.unwrap();
    assert!(now == one || now == two);
}

#[tokio::test]
async fn clearing_a_namespace_leaves_its_settings() {
    let world = SharedStorage::new();
    let cache = world.process().await;
    cache.change_settings(&only(Strategy::Direct)).await.unwrap();
    store_text(&cache, "x").await;
    cache.clear().await.unwrap();
    assert_eq!(cache.stats().await.unwrap().ids, 0);
    assert_eq!(world.new_process().settings().await.unwrap(), only(Strategy::Direct));
}
