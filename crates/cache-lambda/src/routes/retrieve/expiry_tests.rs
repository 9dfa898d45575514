//! When an entry expires: where that is shown, and that it is a miss from then on.

use std::sync::Arc;
use std::time::Duration;

use cache_storage::memory::Memory;
use cache_storage::system::OsRng;
use cache_testing::manual_clock::ManualClock;
use http::Method;
use serde_json::{Value, json};

use crate::app;
use crate::state::Service;
use crate::test_support::{App, Call, config};

fn app_with_clock() -> (App, Arc<ManualClock>) {
    let clock = Arc::new(ManualClock::default());
    let storage = Arc::new(Memory::new(clock.clone()));
    (App::around(app::app(Service::new(storage, clock.clone(), Arc::new(OsRng), config()))), clock)
}

/// Stores a document and returns its id.
async fn store(app: &App, query: &str) -> String {
    let path = format!("/ns/key_based/store/json/a/b?file_id=f{query}");
    let stored = app.json(Call::post_json(&path, "{\"v\":1}")).await;
    stored["cache_id"].as_str().unwrap().to_owned()
}

/// The metadata wherever it is shown: what the store said, and when the entry was stored and expires.
async fn metadata(app: &App, id: &str) -> Vec<Value> {
    let shown = async |path: &str| app.json(Call::get(&format!("/ns/retrieve/{path}"))).await;
    vec![
        shown(&format!("{id}/metadata")).await["data"].take(),
        shown(id).await["metadata"].take(),
        shown("hash/9ab2253fc38981f5").await["metadata"].take(),
        shown("hash/9ab2253fc38981f5/metadata").await,
        shown("key/key_based/a/b/f?as=metadata").await,
    ]
}

#[tokio::test]
async fn the_metadata_shows_when_an_entry_expires() {
    let (app, _) = app_with_clock();
    let id = store(&app, "&ttl_seconds=60").await;
    for shown in metadata(&app, &id).await {
        let stored_at = shown["stored_at"].as_u64().unwrap();
        assert_eq!(shown["expires_at"], stored_at + 60_000, "{shown}");
    }
}

#[tokio::test]
async fn the_sooner_end_is_shown() {
    let (app, _) = app_with_clock();
    let settings = json!({"ttl_hours": 1, "on_expiry": "delete"}).to_string();
    app.json(Call::post_json("/ns/settings", settings).method(Method::PUT)).await;
    for (query, seconds) in [("", 3600), ("&ttl_seconds=60", 60), ("&ttl_seconds=9999", 3600)] {
        let id = store(&app, query).await;
        let shown = metadata(&app, &id).await.swap_remove(0);
        assert_eq!(shown["expires_at"], shown["stored_at"].as_u64().unwrap() + seconds * 1000, "{query}");
    }
}

#[tokio::test]
async fn an_entry_that_does_not_expire_shows_nothing() {
    let (app, _) = app_with_clock();
    let id = store(&app, "").await;
    for shown in metadata(&app, &id).await {
        assert_eq!(shown.get("expires_at"), None, "{shown}");
    }
}

#[tokio::test]
async fn an_entry_is_a_miss_as_soon_as_it_has_expired() {
    let (app, clock) = app_with_clock();
    let id = store(&app, "&ttl_seconds=60").await;
    let paths: Vec<String> = ["", "/string", "/json", "/binary", "/config", "/metadata", "/refs", "/refs/all"]
        .map(|form| format!("/ns/retrieve/{id}{form}"))
        .into_iter()
        .chain(
            ["", "/string", "/json", "/binary", "/metadata", "/cache-id"]
                .map(|form| format!("/ns/retrieve/hash/9ab2253fc38981f5{form}")),
        )
        .chain(["json", "metadata"].map(|form| format!("/ns/retrieve/key/key_based/a/b/f?as={form}")))
        .collect();
    let exists = async || app.json(Call::get(&format!("/ns/exists/id/{id}"))).await["exists"].take();
    clock.advance(Duration::from_millis(59_999));
    for path in &paths {
        assert_eq!(app.get(path).await.status, 200, "{path}");
    }
    assert_eq!(exists().await, true);
    clock.advance(Duration::from_millis(1));
    for path in &paths {
        assert_eq!(app.get(path).await.status, 404, "{path}");
    }
    assert_eq!(exists().await, false);
}
