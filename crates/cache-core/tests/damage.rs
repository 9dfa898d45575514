//! What is missing or damaged in the storage is an error, never a miss and never another content. And what the storage cannot
//! say now is no miss either.

#![allow(clippy::unwrap_used, reason = "a test may panic")]

mod shared_storage;

use bytes::Bytes;
use cache_core::cache::{ChildName, NamespaceCache, Selector, VersionsOf};
use cache_core::entry::Entry;
use cache_core::ids::CacheId;
use cache_core::layout::Layout;
use cache_core::storage::ObjectKey;
use cache_core::strategy::{ContentKind, Strategy};
use cache_storage::operation::StorageOp;
use cache_testing::fault_injection::Fault;

use self::shared_storage::*;

const LARGE: usize = 70_000;

/// Selects an entry by id, hash and key.
fn selectors(entry: &Entry) -> [Selector; 3] {
    let key = key_ref(Strategy::Direct);
    [Selector::Id(entry.cache_id), Selector::Hash(entry.cache_hash.clone(), None), Selector::Key(key, None)]
}

async fn check_corrupt(cache: &NamespaceCache, entry: &Entry) {
    for selector in selectors(entry) {
        let found = cache.retrieve(&selector).await;
        assert!(is_corrupt(&found), "{selector:?}: {found:?}");
    }
}

async fn check_reads(cache: &NamespaceCache, entry: &Entry, content: &[u8]) {
    for selector in selectors(entry) {
        assert_eq!(retrieve(cache, &selector).await.unwrap().bytes, content, "{selector:?}");
    }
}

/// The object with its last byte changed.
async fn damage_end(world: &SharedStorage, key: &ObjectKey) {
    let mut bytes = world.get(key).await.unwrap().to_vec();
    *bytes.last_mut().unwrap() ^= 1;
    world.put(key, bytes).await;
}

fn key_index() -> ObjectKey {
    Layout::new(&namespace()).key_index(&key_ref(Strategy::Direct))
}

#[tokio::test]
async fn a_missing_blob_is_corrupt_until_its_content_is_stored() {
    let world = SharedStorage::new();
    for cache in [world.process().await, world.process_keeping(10_000_000).await] {
        let request = keyed(Strategy::Direct, binary(1, LARGE));
        let entry = store(&cache, &request).await.entry;
        let reader = world.process().await;
        world.remove(&blob_key(&entry)).await;
        check_corrupt(&reader, &entry).await;
        let again = store(&cache, &request).await.entry;
        for entry in [&entry, &again] {
            let found = retrieve(&reader, &Selector::Id(entry.cache_id)).await.unwrap();
            assert_eq!(found.bytes, request.content.bytes());
        }
        check_reads(&reader, &again, request.content.bytes()).await;
        assert!(delete(&cache, entry.cache_id).await && delete(&cache, again.cache_id).await);
        assert_eq!(world.keys("blobs/").await, []);
    }
}

#[tokio::test]
async fn a_damaged_blob_is_corrupt_until_its_content_is_stored() {
    let world = SharedStorage::new();
    let cache = world.process().await;
    for size in [LARGE, 1_100_000] {
        let request = keyed(Strategy::Direct, binary(1, size));
        let entry = store(&cache, &request).await.entry;
        for damaged in [vec![2; size], vec![1; size - 1], vec![]] {
            world.put(&blob_key(&entry), damaged).await;
            check_corrupt(&cache, &entry).await;
        }
        let again = store(&cache, &request).await.entry;
        check_reads(&cache, &again, request.content.bytes()).await;
        assert_eq!(retrieve(&cache, &Selector::Id(entry.cache_id)).await.unwrap().bytes, request.content.bytes());
    }
}

#[tokio::test]
async fn damaged_bytes_are_never_kept() {
    let world = SharedStorage::new();
    let (writer, reader) = (world.process().await, world.process_keeping(10_000_000).await);
    let content = binary(1, LARGE);
    let entry = store(&writer, &keyed(Strategy::Direct, content.clone())).await.entry;
    world.put(&blob_key(&entry), vec![2; LARGE]).await;
    check_corrupt(&reader, &entry).await;
    world.put(&blob_key(&entry), content.bytes().clone()).await;
    check_reads(&reader, &entry, content.bytes()).await;
}

#[tokio::test]
async fn what_is_in_memory_is_served_also_when_the_blob_is_damaged() {
    let world = SharedStorage::new();
    let cache = world.process_keeping(10_000_000).await;
    let content = binary(1, LARGE);
    let entry = store(&cache, &keyed(Strategy::Direct, content.clone())).await.entry;
    world.put(&blob_key(&entry), vec![2; LARGE]).await;
    check_reads(&cache, &entry, content.bytes()).await;
}

#[tokio::test]
async fn a_damaged_inline_content_is_corrupt() {
    let world = SharedStorage::new();
    let cache = world.process().await;
    let entry = store(&cache, &keyed(Strategy::Direct, text("x"))).await.entry;
    damage_end(&world, &manifest_key(&entry.cache_hash)).await;
    damage_end(&world, &key_index()).await;
    check_corrupt(&cache, &entry).await;
    assert_eq!(cache.entry(&Selector::Id(entry.cache_id)).await.unwrap().as_ref(), Some(&entry), "the rest is there");
}

#[tokio::test]
async fn a_manifest_that_cannot_be_read_is_corrupt_and_stays() {
    let world = SharedStorage::new();
    let cache = world.process().await;
    let entry = store(&cache, &keyed(Strategy::Direct, text("x"))).await.entry;
    let key = manifest_key(&entry.cache_hash);
    let bytes = world.get(&key).await.unwrap();
    let other_format = String::from_utf8(bytes.to_vec()).unwrap().replacen("\"format\":2", "\"format\":3", 1);
    for damaged in [
        Bytes::new(),
        "{}\n".into(),
        bytes.slice(..bytes.len() / 2),
        bytes.slice(..bytes.len() - 1),
        other_format.into(),
    ] {
        world.put(&key, damaged.clone()).await;
        let hash = entry.cache_hash.clone();
        assert!(is_corrupt(&cache.retrieve(&Selector::Id(entry.cache_id)).await), "{damaged:?}");
        assert!(is_corrupt(&cache.retrieve(&Selector::Hash(hash.clone(), None)).await), "{damaged:?}");
        assert!(is_corrupt(&cache.store(&direct(text("x"))).await), "{damaged:?}");
        assert!(is_corrupt(&cache.delete(entry.cache_id).await), "{damaged:?}");
        assert!(is_corrupt(&cache.update(&update_request(entry.cache_id, "y")).await), "{damaged:?}");
        assert_eq!(world.get(&key).await, Some(damaged), "nobody writes over it");
    }
}

#[tokio::test]
async fn a_key_index_that_cannot_be_read_is_corrupt_and_stays() {
    let world = SharedStorage::new();
    let cache = world.process().await;
    let entry = store(&cache, &keyed(Strategy::Direct, text("x"))).await.entry;
    for damaged in ["", "{}\n", "no json"] {
        world.put(&key_index(), damaged).await;
        let key = key_ref(Strategy::Direct);
        assert!(is_corrupt(&cache.retrieve(&Selector::Key(key.clone(), None)).await));
        assert!(is_corrupt(&cache.versions(&VersionsOf::Key(key), None, 10).await));
        assert!(is_corrupt(&cache.store(&keyed(Strategy::Direct, text("x"))).await));
        assert!(is_corrupt(&cache.delete(entry.cache_id).await));
        assert_eq!(world.get(&key_index()).await.unwrap(), damaged);
    }
    assert_eq!(read_id(&cache, entry.cache_id).await.as_deref(), Some("x"), "by id it is not needed");
}

#[tokio::test]
async fn a_page_that_is_missing_or_damaged_is_corrupt() {
    for damage in [None, Some("{}\n")] {
        let world = SharedStorage::new();
        let cache = world.small_process();
        let oldest = store_text(&cache, "x").await;
        while world.keys("pages/").await.is_empty() {
            store_text(&cache, "x").await;
        }
        let page = world.keys("pages/").await.remove(0);
        match damage {
            Some(damaged) => world.put(&page, damaged).await,
            None => world.remove(&page).await,
        }
        let hash = oldest.cache_hash;
        assert!(is_corrupt(&cache.retrieve(&Selector::Id(oldest.cache_id)).await));
        assert!(is_corrupt(&cache.entry(&Selector::Hash(hash.clone(), Some(1))).await));
        assert!(is_corrupt(&cache.versions(&VersionsOf::Hash(hash.clone()), None, 1_000).await));
        assert!(is_corrupt(&cache.delete(oldest.cache_id).await));
        assert_eq!(read(&cache, &Selector::Hash(hash, None)).await.as_deref(), Some("x"), "the newest is in the head");
        store_text(&cache, "x").await;
    }
}

#[tokio::test]
async fn a_damaged_alias_is_corrupt() {
    let world = SharedStorage::new();
    let (cache, id) = (world.process().await, CacheId::from_u128(7));
    cache.store_with_id(id, text("x")).await.unwrap().unwrap();
    world.put(&Layout::new(&namespace()).alias(id), "no json").await;
    assert!(is_corrupt(&cache.retrieve(&Selector::Id(id)).await));
    assert!(is_corrupt(&cache.store_with_id(id, text("y")).await));
}

#[tokio::test]
async fn damaged_settings_are_corrupt() {
    let world = SharedStorage::new();
    world.put(&Layout::new(&namespace()).settings(), r#"{"unknown":1}"#).await;
    let cache = world.new_process();
    assert!(is_corrupt(&cache.settings().await));
    assert!(is_corrupt(&cache.store(&direct(text("x"))).await));
    assert_eq!(world.keys("refs/").await, [], "nothing was stored");
}

/// Lets the n-th GET of a read fail, for every n, until it takes fewer GETs.
async fn check_never_a_miss(world: &SharedStorage, name: &str, read: impl AsyncFn() -> (bool, bool)) {
    for failing in 0.. {
        for _ in 0..failing {
            world.faults.once(StorageOp::Get, "", Fault::Slow(std::time::Duration::ZERO));
        }
        world.faults.once(StorageOp::Get, "", Fault::Lost);
        let (is_found, is_unavailable) = read().await;
        if is_found {
            // It never came to the GET that was to fail: use it up.
            while is_unavailable_now(world).await {}
            assert!(failing > 0, "{name} made no GET");
            return;
        }
        assert!(is_unavailable, "{name}: GET {failing} failed");
    }
}

/// Makes a GET, and says whether it failed.
async fn is_unavailable_now(world: &SharedStorage) -> bool {
    use cache_core::storage::{GetOptions, Storage};
    world.storage.get(&"no/object".parse().unwrap(), &GetOptions::default()).await.is_err()
}

#[tokio::test(start_paused = true)]
async fn a_storage_failure_is_never_a_miss() {
    let world = SharedStorage::new();
    let cache = world.process().await;
    let child = ChildName { data_key: None, file_id: "f".parse().unwrap(), kind: ContentKind::String };
    for content in [text("x"), binary(1, LARGE)] {
        let entry = store(&cache, &keyed(Strategy::Direct, content)).await.entry;
        cache.store_child(entry.cache_id, &child, "c".into()).await.unwrap().unwrap();
        for selector in selectors(&entry) {
            let name = format!("{selector:?}");
            check_never_a_miss(&world, &name, async || outcome(cache.retrieve(&selector).await)).await;
            check_never_a_miss(&world, &name, async || outcome(cache.entry(&selector).await)).await;
        }
        let child = async || outcome(cache.retrieve_child(entry.cache_id, &child).await);
        check_never_a_miss(&world, "child", child).await;
        let of = VersionsOf::Hash(entry.cache_hash.clone());
        check_never_a_miss(&world, "versions", async || outcome(cache.versions(&of, None, 10).await)).await;
    }
}

/// Whether something was found, and whether the storage was not available.
fn outcome<T>(result: Result<Option<T>, cache_core::error::Error>) -> (bool, bool) {
    (matches!(result, Ok(Some(_))), is_unavailable(&result))
}
