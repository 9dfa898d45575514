//! Entries of the Python service that were stored under a key: they are read by it, and the versions before those of ours.

#![allow(clippy::unwrap_used, reason = "a test may panic")]

mod python_entries;
mod shared_storage;

use std::collections::BTreeSet;

use bytes::Bytes;
use cache_core::cache::{NamespaceCache, SWEEP_MIN_AGE, Selector, StoreRequest, VersionsOf};
use cache_core::error::ErrorKind;
use cache_core::ids::CacheId;
use cache_core::layout::KeyRef;
use cache_core::strategy::Strategy;
use futures::future::join_all;

use self::python_entries::*;
use self::shared_storage::*;

/// The versions under a key, with the ids.
async fn key_versions(cache: &NamespaceCache, key: &KeyRef) -> Vec<(u64, CacheId)> {
    let found = cache.versions(&VersionsOf::Key(key.clone()), None, 1000).await.unwrap();
    let found = found.map(|found| {
        assert_eq!((found.count as usize, Some(&found.latest)), (found.versions.len(), found.versions.last()));
        found.versions.iter().map(|listed| (listed.version, listed.cache_id)).collect()
    });
    found.unwrap_or_default()
}

/// An entry under the key `my/key` and file id `file`, and that key.
fn under_key(strategy: Strategy) -> (Stored<'static>, KeyRef) {
    let stored = Stored { strategy, key: "my/key", file_id: Some("file"), ..PLAIN };
    let (cache_key, file_id) = ("my/key".parse().unwrap(), "file".parse().unwrap());
    (stored, KeyRef { strategy, cache_key, file_id })
}

#[tokio::test]
async fn a_store_under_the_key_of_an_entry_leaves_its_content() {
    let world = SharedStorage::new();
    let stored = Stored { strategy: Strategy::KeyBased, key: "my/key", file_id: Some("f"), ..PLAIN };
    let stored = Stored { content: br#"{"a": 1}"#, ..stored };
    stored.write(&world).await;
    let cache = world.new_process();
    let document = cache_core::json::Document::parse(&Bytes::from(r#"{"a": 2}"#)).unwrap();
    let mut request = StoreRequest::new(Strategy::KeyBased, cache_core::content::Content::json(document));
    request.cache_key = Some("my/key".parse().unwrap());
    request.file_id = Some("f".parse().unwrap());
    let ours = store(&cache, &request).await.entry;
    assert_eq!(read_id(&cache, id(1)).await.as_deref(), Some(r#"{"a":1}"#));
    assert_eq!(read(&cache, &Selector::Key(ours.key_ref().unwrap(), None)).await.as_deref(), Some(r#"{"a":2}"#));
    assert!(delete(&cache, ours.cache_id).await);
    assert_eq!(read_id(&cache, id(1)).await.as_deref(), Some(r#"{"a":1}"#));
}

#[tokio::test]
async fn an_entry_is_found_by_its_key_where_its_path_follows_from_that() {
    for strategy in Strategy::ALL {
        let world = SharedStorage::new();
        let (stored, key) = under_key(strategy);
        stored.write(&world).await;
        let cache = world.new_process();
        let expected = (strategy != Strategy::Temporal).then_some("hello");
        assert_eq!(read(&cache, &Selector::Key(key.clone(), None)).await.as_deref(), expected, "{strategy}");
        assert_eq!(read(&cache, &Selector::Key(key.clone(), Some(1))).await.as_deref(), expected, "{strategy}");
        assert_eq!(read(&cache, &Selector::Key(key.clone(), Some(2))).await, None);
        let listed: Vec<_> = expected.map(|_| (1, id(1))).into_iter().collect();
        assert_eq!(key_versions(&cache, &key).await, listed, "{strategy}");
        // All but the key-based ones share the file of that file id.
        let other = KeyRef { cache_key: "other".parse().unwrap(), ..key };
        assert_eq!(read(&cache, &Selector::Key(other.clone(), None)).await, None, "{strategy}");
        assert_eq!(key_versions(&cache, &other).await, []);
    }
}

#[tokio::test]
async fn stores_under_the_key_of_an_entry_are_the_versions_after_it() {
    for strategy in [Strategy::Direct, Strategy::TemporalLatest, Strategy::TemporalVersioned, Strategy::KeyBased] {
        let world = SharedStorage::new();
        let (stored, key) = under_key(strategy);
        stored.write(&world).await;
        let processes = [world.new_process(), world.new_process()];
        let requests: Vec<_> = (0..8).map(|n| store_request_under(&key, &format!("ours {n}"))).collect();
        let stores = requests.iter().enumerate().map(|(n, request)| store(&processes[n % 2], request));
        let stored: BTreeSet<CacheId> = join_all(stores).await.iter().map(|stored| stored.entry.cache_id).collect();
        let cache = world.new_process();
        let listed = key_versions(&cache, &key).await;
        assert_eq!(listed.iter().map(|(version, _)| *version).collect::<Vec<_>>(), (1..=9).collect::<Vec<_>>());
        let ours: BTreeSet<CacheId> = listed[1..].iter().map(|(_, id)| *id).collect();
        assert_eq!((listed[0].1, ours), (id(1), stored));
        let newest = cache.entry(&Selector::Key(key.clone(), None)).await.unwrap().unwrap();
        assert_eq!(newest.cache_id, listed[8].1);
        assert_eq!(read(&cache, &Selector::Key(key.clone(), Some(1))).await.as_deref(), Some("hello"));
        assert_eq!(cache.rollback(&key, 1, None).await.unwrap().unwrap().key_version, Some(10));
        assert_eq!(read(&cache, &Selector::Key(key, None)).await.as_deref(), Some("hello"));
    }
}

#[tokio::test]
async fn a_store_that_is_to_be_the_first_under_a_key_is_not_beside_an_entry() {
    let world = SharedStorage::new();
    let (stored, key) = under_key(Strategy::KeyBased);
    stored.write(&world).await;
    let cache = world.new_process();
    let request = StoreRequest { if_none_match: true, ..store_request_under(&key, "ours") };
    assert!(has_kind(&cache.store(&request).await, ErrorKind::Precondition));
    assert_eq!(cache.ids().await.unwrap(), [id(1)]);
    assert!(delete(&cache, id(1)).await);
    assert_eq!(store(&cache, &request).await.key_version, Some(2), "a number is not given twice");
}

#[tokio::test]
async fn an_entry_that_was_updated_or_deleted_is_so_under_its_key() {
    for ours_is_newer in [false, true] {
        let world = SharedStorage::new();
        let (stored, key) = under_key(Strategy::KeyBased);
        stored.write(&world).await;
        let cache = world.new_process();
        let newest = Selector::Key(key.clone(), None);
        update(&cache, id(1), "changed").await.unwrap();
        assert_eq!(read(&cache, &newest).await.as_deref(), Some("changed"));
        if ours_is_newer {
            store(&cache, &store_request_under(&key, "ours")).await;
        }
        assert_eq!(read(&cache, &Selector::Key(key.clone(), Some(1))).await.as_deref(), Some("changed"));
        assert!(delete(&cache, id(1)).await);
        let left = if ours_is_newer { Some("ours") } else { None };
        assert_eq!(read(&world.new_process(), &newest).await.as_deref(), left);
        assert_eq!(read(&cache, &Selector::Key(key.clone(), Some(1))).await, None);
        assert_eq!(
            store(&cache, &store_request_under(&key, "next")).await.key_version.unwrap(),
            2 + u64::from(ours_is_newer)
        );
    }
}

#[tokio::test]
async fn a_delete_makes_the_entry_before_it_the_newest_under_its_key() {
    let world = SharedStorage::new();
    let (stored, key) = under_key(Strategy::KeyBased);
    stored.write(&world).await;
    let cache = world.new_process();
    let ours = store(&cache, &store_request_under(&key, "ours")).await.entry;
    let mut kept = keys(&world).await;
    assert!(delete(&cache, ours.cache_id).await);
    assert_eq!(read(&cache, &Selector::Key(key.clone(), None)).await.as_deref(), Some("hello"));
    assert!(!keys(&world).await.iter().any(|path| path.ends_with("/file.txt")), "no copy of ours shows what is gone");
    kept.retain(|path| path.ends_with(".json") || path.contains(".json."));
    assert!(keys(&world).await.is_superset(&kept), "its files stay");
    store(&cache, &store_request_under(&key, "ours again")).await;
    assert!(delete(&cache, id(1)).await);
    assert_eq!(read(&cache, &Selector::Key(key, None)).await.as_deref(), Some("ours again"));
    world.clock.advance(2 * SWEEP_MIN_AGE);
    assert_eq!(cache.sweep().await.unwrap().damaged, Vec::<String>::new());
}

#[tokio::test]
async fn files_that_a_newer_entry_was_stored_into_stay_with_it() {
    let world = SharedStorage::new();
    let first = Stored { strategy: Strategy::KeyBased, key: "k", file_id: Some("f"), ..PLAIN };
    first.write(&world).await;
    let second = Stored { number: 2, hash: "486ea46224d1bb4f", content: br#""second""#, ..first };
    second.write(&world).await;
    let cache = world.new_process();
    assert_eq!(read_id(&cache, id(1)).await.as_deref(), Some("second"), "as the Python service answers");
    assert!(delete(&cache, id(1)).await);
    assert_eq!(read_id(&cache, id(2)).await.as_deref(), Some("second"));
    assert!(delete(&cache, id(2)).await);
    assert_eq!(keys(&world).await.iter().filter(|key| key.contains("/data/")).count(), 0);
}
