//! The budget of requests and round trips of each use case: more requests cost money, more round trips cost time.
//!
//! A cost is written as `2 PUT+GET (2)`: the requests by kind, and in parentheses the round trips. A PUT that is refused is a
//! request as well.

#![allow(clippy::unwrap_used, reason = "a test may panic")]

mod shared_storage;

use std::time::Duration;

use cache_core::cache::{
    CacheConfig, ChildName, NamespaceCache, Selector, StoreRequest, Upload, UploadLimits, UploadRequest, VersionsOf,
};
use cache_core::content::Content;
use cache_core::entry::Entry;
use cache_core::ids::CacheId;
use cache_core::layout::Layout;
use cache_core::storage::{PutMode, Storage};
use cache_core::strategy::{ContentKind, Strategy};

use self::shared_storage::*;

const KIB: usize = 1024;
/// Larger than what a manifest holds inline.
const LARGE: usize = 65 * KIB;
/// Larger than what is sent before it is looked up.
const HUGE: usize = 1025 * KIB;
/// Enough memory for every manifest.
const MEMORY: u64 = 10_000_000;

const TEMPORAL: [Strategy; 3] = [Strategy::Temporal, Strategy::TemporalLatest, Strategy::TemporalVersioned];

/// Stores, and compares what that costs.
async fn check_store(world: &SharedStorage, cache: &NamespaceCache, request: &StoreRequest, cost: &str) -> Entry {
    let (stored, actual) = world.cost_of(store(cache, request)).await;
    let StoreRequest { strategy, cache_key, .. } = request;
    assert_eq!(actual, cost, "{strategy}, key {cache_key:?}: {:#?}", world.storage.calls());
    stored.entry
}

/// Reads, and compares what that costs.
async fn check_read(world: &SharedStorage, cache: &NamespaceCache, selector: Selector, content: &Content, cost: &str) {
    let (found, actual) = world.cost_of(retrieve(cache, &selector)).await;
    assert_eq!(found.unwrap().bytes, content.bytes(), "{selector:?}");
    assert_eq!(actual, cost, "{selector:?}: {:#?}", world.storage.calls());
}

fn without_key(strategy: Strategy, content: &str) -> StoreRequest {
    StoreRequest::new(strategy, text(content))
}

#[tokio::test]
async fn a_new_small_content_is_one_put_beside_one_get() {
    let world = SharedStorage::new();
    let cache = world.process().await;
    check_store(&world, &cache, &direct(text("x")), "PUT+GET (1)").await;
    check_store(&world, &cache, &direct(text("x")), "2 PUT+GET (2)").await;
}

#[tokio::test]
async fn a_store_with_its_manifest_in_memory_is_one_put() {
    let world = SharedStorage::new();
    let cache = world.process_keeping(MEMORY).await;
    store_text(&cache, "x").await;
    check_store(&world, &cache, &direct(text("x")), "PUT (1)").await;
    check_store(&world, &cache, &direct(text("x")), "PUT (1)").await;
}

#[tokio::test]
async fn a_dated_view_is_written_beside_the_commit() {
    for strategy in TEMPORAL {
        let world = SharedStorage::new();
        let (cache, keeping) = (world.process().await, world.process_keeping(MEMORY).await);
        let request = without_key(strategy, "x");
        check_store(&world, &cache, &request, "2 PUT+GET (1)").await;
        check_store(&world, &cache, &request, "4 PUT+GET+DELETE (2)").await;
        store(&keeping, &request).await;
        check_store(&world, &keeping, &request, "2 PUT (1)").await;
    }
}

#[tokio::test]
async fn a_readable_copy_without_a_key_is_written_beside_too() {
    let world = SharedStorage::new();
    let cache = world.process().await;
    check_store(&world, &cache, &without_key(Strategy::KeyBased, "x"), "2 PUT+GET (1)").await;
}

#[tokio::test]
async fn key_based_with_key_and_file_id_takes_3_round_trips() {
    let world = SharedStorage::new();
    let cache = world.process().await;
    let request = |content| keyed(Strategy::KeyBased, text(content));
    check_store(&world, &cache, &request("1"), "3 PUT+3 GET+HEAD (3)").await;
    check_store(&world, &cache, &request("2"), "3 PUT+3 GET+HEAD (3)").await;
    check_store(&world, &cache, &request("2"), "4 PUT+3 GET+HEAD (4)").await;
}

#[tokio::test]
async fn a_store_under_a_key_takes_one_round_trip_more() {
    let cases = [
        (Strategy::Direct, "2 PUT+2 GET (2)", "3 PUT+2 GET (3)"),
        (Strategy::Temporal, "3 PUT+2 GET (2)", "5 PUT+2 GET+DELETE (3)"),
        (Strategy::TemporalVersioned, "3 PUT+2 GET (2)", "5 PUT+2 GET+DELETE (3)"),
        (Strategy::TemporalLatest, "4 PUT+3 GET+HEAD (3)", "6 PUT+3 GET+HEAD+DELETE (4)"),
    ];
    for (strategy, new, known) in cases {
        let world = SharedStorage::new();
        let cache = world.process().await;
        check_store(&world, &cache, &keyed(strategy, text("x")), new).await;
        check_store(&world, &cache, &keyed(strategy, text("x")), known).await;
    }
}

#[tokio::test]
async fn a_keyed_store_with_all_in_memory_takes_2_puts() {
    let world = SharedStorage::new();
    let cache = world.process_keeping(MEMORY).await;
    let request = keyed(Strategy::Direct, text("x"));
    store(&cache, &request).await;
    check_store(&world, &cache, &request, "2 PUT (2)").await;
}

#[tokio::test]
async fn a_large_content_is_sent_beside_the_read() {
    let world = SharedStorage::new();
    let cache = world.process().await;
    check_store(&world, &cache, &direct(binary(7, LARGE)), "2 PUT+GET (2)").await;
}

/// Requests without their round trips, of a second store of the same large content.
async fn cost_of_known(size: usize) -> (String, usize) {
    let world = SharedStorage::new();
    let cache = world.process().await;
    store(&cache, &direct(binary(7, size))).await;
    let (_, cost) = world.cost_of(store(&cache, &direct(binary(7, size)))).await;
    let (requests, _) = cost.split_once(" (").unwrap();
    (requests.to_owned(), world.storage.round_trips())
}

#[tokio::test]
async fn a_known_large_content_costs_a_head_and_a_delete_more() {
    assert_eq!(cost_of_known(LARGE).await.0, "2 PUT+GET+HEAD+DELETE");
    assert_eq!(cost_of_known(HUGE).await.0, "PUT+GET+HEAD");
}

#[tokio::test]
async fn a_known_blob_is_looked_at_beside_the_commit() {
    assert_eq!(cost_of_known(LARGE).await.1, 3);
    assert_eq!(cost_of_known(HUGE).await.1, 2);
}

#[tokio::test]
async fn a_content_above_1_mib_is_looked_up_first() {
    let world = SharedStorage::new();
    let cache = world.process().await;
    check_store(&world, &cache, &direct(binary(7, HUGE)), "2 PUT+GET (3)").await;
}

#[tokio::test]
async fn a_content_of_1_mib_is_not_looked_up_first() {
    let world = SharedStorage::new();
    let cache = world.process().await;
    check_store(&world, &cache, &direct(binary(7, 1024 * KIB)), "2 PUT+GET (2)").await;
}

#[tokio::test]
async fn a_content_of_64_kib_is_small() {
    let world = SharedStorage::new();
    let cache = world.process().await;
    check_store(&world, &cache, &direct(binary(7, 64 * KIB)), "PUT+GET (1)").await;
}

#[tokio::test]
async fn the_first_store_of_a_process_reads_the_settings_first() {
    let world = SharedStorage::new();
    let cache = world.new_process();
    check_store(&world, &cache, &direct(text("x")), "PUT+2 GET+LIST (2)").await;
    check_store(&world, &world.new_process(), &direct(text("x")), "PUT+2 GET+LIST (2)").await;
    check_store(&world, &world.new_process(), &direct(binary(7, LARGE)), "2 PUT+2 GET+LIST (2)").await;
    check_store(&world, &cache, &direct(text("y")), "PUT+GET (1)").await;
}

#[tokio::test]
async fn an_idempotent_repeat_takes_one_round_trip() {
    let world = SharedStorage::new();
    let request = repeatable(direct(text("x")), "k");
    check_store(&world, &world.process().await, &request, "PUT+GET (1)").await;
    check_store(&world, &world.process().await, &request, "PUT+GET (1)").await;
    let keeping = world.process_keeping(MEMORY).await;
    store(&keeping, &request).await;
    check_store(&world, &keeping, &request, "GET (1)").await;
}

fn upload_request(content: &Content) -> UploadRequest {
    UploadRequest {
        strategy: Strategy::Direct,
        cache_key: None,
        file_id: None,
        kind: ContentKind::Binary,
        sha256: content.sha256(),
        size: content.bytes().len() as u64,
    }
}

#[tokio::test]
async fn an_upload_takes_one_put_and_its_completion_2_round_trips() {
    let world = SharedStorage::new();
    let (cache, content) = (world.process().await, binary(7, LARGE));
    let (request, limits) = (upload_request(&content), UploadLimits { content: u64::MAX, copy: u64::MAX });
    let (upload, cost) = world.cost_of(cache.begin_upload(&request, limits, None)).await;
    assert_eq!(cost, "(0)", "begin");
    let Upload { upload_id: id, expires_at, .. } = upload.unwrap();
    let (received, cost) = world.cost_of(cache.receive_upload(id, &request, expires_at, content.bytes().clone())).await;
    assert_eq!((received.unwrap(), &*cost), (true, "PUT (1)"), "receive");
    let (completed, cost) = world.cost_of(cache.complete_upload(id, &request, limits)).await;
    assert_eq!(cost, "PUT+GET+HEAD (2)", "complete");
    let (again, cost) = world.cost_of(cache.complete_upload(id, &request, limits)).await;
    assert_eq!(cost, "GET+HEAD (1)", "again");
    assert_eq!(completed.unwrap().entry, again.unwrap().entry);
}

#[tokio::test]
async fn a_small_entry_is_read_by_one_get() {
    let world = SharedStorage::new();
    let (cache, content) = (world.process().await, text("x"));
    let entry = store(&cache, &keyed(Strategy::Direct, content.clone())).await.entry;
    let key = key_ref(Strategy::Direct);
    for selector in [
        Selector::Id(entry.cache_id),
        Selector::Hash(entry.cache_hash.clone(), None),
        Selector::Hash(entry.cache_hash.clone(), Some(1)),
        Selector::Key(key.clone(), None),
        Selector::Key(key, Some(1)),
    ] {
        check_read(&world, &cache, selector.clone(), &content, "GET (1)").await;
        let (found, cost) = world.cost_of(cache.entry(&selector)).await;
        assert_eq!((found.unwrap().as_ref(), &*cost), (Some(&entry), "GET (1)"), "{selector:?}");
    }
}

#[tokio::test]
async fn an_older_version_under_a_key_takes_2_gets() {
    let world = SharedStorage::new();
    let cache = world.process().await;
    for content in ["1", "2"] {
        store(&cache, &keyed(Strategy::Direct, text(content))).await;
    }
    let older = Selector::Key(key_ref(Strategy::Direct), Some(1));
    check_read(&world, &cache, older, &text("1"), "2 GET (2)").await;
}

#[tokio::test]
async fn a_large_entry_is_read_by_2_gets() {
    let world = SharedStorage::new();
    let (cache, content) = (world.process().await, binary(7, LARGE));
    let entry = store(&cache, &keyed(Strategy::Direct, content.clone())).await.entry;
    check_read(&world, &cache, Selector::Id(entry.cache_id), &content, "2 GET (1)").await;
    check_read(&world, &cache, Selector::Hash(entry.cache_hash, None), &content, "2 GET (2)").await;
    check_read(&world, &cache, Selector::Key(key_ref(Strategy::Direct), None), &content, "2 GET (2)").await;
}

#[tokio::test]
async fn an_updated_entry_is_read_by_key_with_2_gets() {
    let world = SharedStorage::new();
    let cache = world.process().await;
    let entry = store(&cache, &keyed(Strategy::Direct, text("x"))).await.entry;
    update(&cache, entry.cache_id, "y").await.unwrap();
    check_read(&world, &cache, Selector::Id(entry.cache_id), &text("y"), "GET (1)").await;
    check_read(&world, &cache, Selector::Key(key_ref(Strategy::Direct), None), &text("y"), "2 GET (2)").await;
}

#[tokio::test]
async fn an_old_version_in_a_page_takes_2_gets() {
    let world = SharedStorage::new();
    let cache = world.small_process();
    let oldest = store_text(&cache, "x").await;
    while world.keys("pages/").await.is_empty() {
        store_text(&cache, "x").await;
    }
    check_read(&world, &cache, Selector::Id(oldest.cache_id), &text("x"), "2 GET (2)").await;
    check_read(&world, &cache, Selector::Hash(oldest.cache_hash, Some(1)), &text("x"), "2 GET (2)").await;
}

#[tokio::test]
async fn an_entry_is_read_through_its_alias_by_2_gets() {
    let world = SharedStorage::new();
    let (cache, id) = (world.process().await, CacheId::from_u128(7));
    cache.store_with_id(id, text("x")).await.unwrap().unwrap();
    check_read(&world, &cache, Selector::Id(id), &text("x"), "2 GET (2)").await;
}

#[tokio::test]
async fn what_is_unchanged_in_memory_is_not_transferred() {
    let world = SharedStorage::new();
    let cache = world.process_keeping(MEMORY).await;
    let (small, large) = (text("x"), binary(7, LARGE));
    let by_key = Selector::Key(key_ref(Strategy::Direct), None);
    for content in [small, large] {
        let id = store(&cache, &keyed(Strategy::Direct, content.clone())).await.entry.cache_id;
        retrieve(&cache, &by_key).await.unwrap();
        for selector in [Selector::Id(id), Selector::Hash(content.cache_hash().clone(), None), by_key.clone()] {
            let read_before = world.read_bytes();
            check_read(&world, &cache, selector, &content, "GET (1)").await;
            assert_eq!(world.read_bytes(), read_before);
        }
    }
}

#[tokio::test]
async fn whether_an_entry_exists_takes_one_get_of_its_head() {
    let world = SharedStorage::new();
    let (cache, content) = (world.process().await, binary(7, 64 * KIB));
    let entry = store(&cache, &direct(content)).await.entry;
    let read_before = world.read_bytes();
    let (exists, cost) = world.cost_of(cache.exists(entry.cache_id)).await;
    assert_eq!((exists.unwrap(), &*cost), (true, "GET (1)"));
    let (exists, cost) = world.cost_of(cache.exists_hash(&entry.cache_hash)).await;
    assert_eq!((exists.unwrap(), &*cost), (true, "GET (1)"));
    assert!(world.read_bytes() - read_before <= 2 * 40 * KIB as u64);
}

#[tokio::test]
async fn a_miss_takes_one_get() {
    let world = SharedStorage::new();
    let cache = world.process().await;
    let entry = store(&cache, &keyed(Strategy::Direct, text("x"))).await.entry;
    assert!(delete(&cache, entry.cache_id).await);
    let key = key_ref(Strategy::Direct);
    for selector in [Selector::Id(entry.cache_id), Selector::Hash(entry.cache_hash, None), Selector::Key(key, None)] {
        let (found, cost) = world.cost_of(retrieve(&cache, &selector)).await;
        assert_eq!((found, &*cost), (None, "GET (1)"), "{selector:?}");
    }
}

#[tokio::test]
async fn an_update_takes_2_round_trips() {
    let world = SharedStorage::new();
    let cache = world.process().await;
    let id = store_text(&cache, "x").await.cache_id;
    for (content, cost) in [("y".to_owned(), "PUT+GET (2)"), ("z".repeat(LARGE), "2 PUT+GET (2)")] {
        let (updated, actual) = world.cost_of(update(&cache, id, &content)).await;
        assert_eq!((updated.is_some(), &*actual), (true, cost));
    }
}

#[tokio::test]
async fn an_update_of_a_keyed_entry_takes_4_round_trips() {
    let world = SharedStorage::new();
    let cache = world.process().await;
    let id = store(&cache, &keyed(Strategy::Direct, text("x"))).await.entry.cache_id;
    let (_, cost) = world.cost_of(update(&cache, id, "y")).await;
    assert_eq!(cost, "2 PUT+2 GET (4)");
    // Within the same millisecond, the key index would say already what this update has to note there.
    world.clock.advance(Duration::from_millis(1));
    let (_, cost) = world.cost_of(update(&cache, id, &"z".repeat(LARGE))).await;
    assert_eq!(cost, "3 PUT+2 GET (4)", "large");
}

#[tokio::test]
async fn an_update_writes_the_view_of_its_key_in_6_round_trips() {
    let world = SharedStorage::new();
    let id = store(&world.process().await, &keyed(Strategy::KeyBased, text("x"))).await.entry.cache_id;
    let other = world.process().await;
    for content in ["y", "longer than the one before"] {
        world.clock.advance(Duration::from_millis(1));
        let (_, cost) = world.cost_of(update(&other, id, content)).await;
        assert_eq!(cost, "3 PUT+4 GET+HEAD (6)");
        assert_eq!(
            world.calls_by_round_trip(),
            [
                "GET refs/by-hash",
                "GET refs/by-key, HEAD data/key-based",
                "PUT refs/by-key",
                "PUT refs/by-hash",
                "PUT data/key-based",
                "GET refs/by-key, GET refs/by-hash",
            ]
        );
    }
}

#[tokio::test]
async fn a_delete_takes_2_round_trips() {
    let world = SharedStorage::new();
    let cache = world.process().await;
    let small = store_text(&cache, "x").await;
    let (_, cost) = world.cost_of(delete(&cache, small.cache_id)).await;
    assert_eq!(cost, "PUT+GET+LIST (2)");
    let large = store(&cache, &direct(binary(7, LARGE))).await.entry;
    let (_, cost) = world.cost_of(delete(&cache, large.cache_id)).await;
    assert_eq!(cost, "PUT+GET+LIST+DELETE (3)", "with its blob");
    let dated = store(&cache, &without_key(Strategy::Temporal, "y")).await.entry;
    let (_, cost) = world.cost_of(delete(&cache, dated.cache_id)).await;
    assert_eq!(cost, "PUT+GET+LIST+DELETE (3)", "with its dated view");
}

#[tokio::test]
async fn a_delete_of_a_keyed_entry_takes_4_round_trips() {
    let world = SharedStorage::new();
    let cache = world.process().await;
    let id = store(&cache, &keyed(Strategy::Direct, text("x"))).await.entry.cache_id;
    let (_, cost) = world.cost_of(delete(&cache, id)).await;
    assert_eq!(cost, "2 PUT+2 GET+LIST (4)");
}

#[tokio::test]
async fn the_view_of_a_key_is_removed_beside_the_commit_of_a_delete() {
    let world = SharedStorage::new();
    let cache = world.process().await;
    let id = store(&cache, &keyed(Strategy::KeyBased, text("x"))).await.entry.cache_id;
    let (_, cost) = world.cost_of(delete(&cache, id)).await;
    assert_eq!(cost, "2 PUT+3 GET+HEAD+LIST+DELETE (6)");
}

#[tokio::test]
async fn the_view_of_a_key_returns_to_the_version_before_within_7_round_trips() {
    let world = SharedStorage::new();
    let cache = world.process().await;
    store(&cache, &keyed(Strategy::KeyBased, text("before"))).await;
    let id = store(&cache, &keyed(Strategy::KeyBased, text("x"))).await.entry.cache_id;
    let (_, cost) = world.cost_of(delete(&cache, id)).await;
    assert_eq!(cost, "3 PUT+4 GET+2 HEAD+LIST (7)");
}

#[tokio::test]
async fn children_are_deleted_with_their_entry_side_by_side() {
    let world = SharedStorage::new();
    let cache = world.process().await;
    let id = store_text(&cache, "x").await.cache_id;
    for file_id in ["1", "2", "3"] {
        cache.store_child(id, &child(file_id), "c".into()).await.unwrap().unwrap();
    }
    let (_, cost) = world.cost_of(delete(&cache, id)).await;
    assert_eq!(cost, "PUT+GET+LIST+3 DELETE (3)");
}

fn child(file_id: &str) -> ChildName {
    ChildName { data_key: None, file_id: file_id.parse().unwrap(), kind: ContentKind::String }
}

#[tokio::test]
async fn a_child_takes_one_round_trip() {
    let world = SharedStorage::new();
    let cache = world.process().await;
    let id = store_text(&cache, "x").await.cache_id;
    let (stored, cost) = world.cost_of(cache.store_child(id, &child("f"), "c".into())).await;
    assert_eq!((stored.unwrap().is_some(), &*cost), (true, "PUT+GET (1)"));
    let (found, cost) = world.cost_of(cache.retrieve_child(id, &child("f"))).await;
    assert_eq!((found.unwrap().as_deref(), &*cost), (Some(&b"c"[..]), "2 GET (1)"));
}

#[tokio::test]
async fn a_batch_of_10_takes_one_round_trip() {
    let world = SharedStorage::new();
    let cache = world.process().await;
    let mut selectors = Vec::new();
    for number in 0..10 {
        selectors.push(Selector::Id(store_text(&cache, &format!("{number}")).await.cache_id));
    }
    let (found, cost) = world.cost_of(cache.retrieve_batch(&selectors, u64::MAX)).await;
    assert_eq!((found.unwrap().len(), &*cost), (10, "10 GET (1)"));
    let (found, cost) = world.cost_of(cache.entry_batch(&selectors)).await;
    assert_eq!((found.unwrap().len(), &*cost), (10, "10 GET (1)"));
}

#[tokio::test]
async fn a_listing_with_a_fresh_catalog_reads_no_manifest() {
    let world = SharedStorage::new();
    let cache = world.process().await;
    for number in 0..1_100 {
        store_text(&cache, &format!("{number}")).await;
    }
    assert_eq!(cache.ids().await.unwrap().len(), 1_100);
    // Two pages of manifests, one of aliases, and one of the catalog's shards.
    let (ids, cost) = world.cost_of(cache.ids()).await;
    assert_eq!((ids.unwrap().len(), &*cost), (1_100, "GET+4 LIST (3)"));
    let (hashes, cost) = world.cost_of(cache.hashes()).await;
    assert_eq!((hashes.unwrap().len(), &*cost), (1_100, "GET+3 LIST (3)"));
    let (stats, cost) = world.cost_of(cache.stats()).await;
    assert_eq!((stats.unwrap().ids, &*cost), (1_100, "GET+3 LIST (3)"));
}

#[tokio::test]
async fn versions_in_the_head_take_one_get() {
    let world = SharedStorage::new();
    let cache = world.process().await;
    for _ in 0..3 {
        store(&cache, &keyed(Strategy::Direct, text("x"))).await;
    }
    let hash = text("x").cache_hash().clone();
    for of in [VersionsOf::Hash(hash), VersionsOf::Key(key_ref(Strategy::Direct))] {
        let (versions, cost) = world.cost_of(cache.versions(&of, None, 100)).await;
        assert_eq!((versions.unwrap().unwrap().count, &*cost), (3, "GET (1)"), "{of:?}");
    }
}

#[tokio::test]
async fn a_store_costs_the_same_however_many_versions_there_are() {
    let world = SharedStorage::new();
    let config = CacheConfig { limits: SMALL_LIMITS, ..CacheConfig::default() };
    let cache = world.process_with(config);
    let (mut calls, stores) = (0, 500);
    for _ in 0..stores {
        world.storage.reset();
        store_text(&cache, "x").await;
        calls += world.storage.calls().len();
    }
    // PUT+GET and PUT, and now and then a page and a head that is smaller by it.
    assert!(calls < stores * 4, "{calls} calls of {stores} stores");
    let last = world.cost_of(store_text(&cache, "x")).await.1;
    assert!(["2 PUT+GET (2)", "4 PUT+GET (4)"].contains(&&*last), "{last}");
}

#[tokio::test]
async fn a_blob_that_was_left_behind_costs_nothing() {
    let world = SharedStorage::new();
    let (cache, content) = (world.process().await, binary(7, LARGE));
    let leftover = Layout::new(&namespace()).blob(content.cache_hash(), cache_core::ids::BlobToken::from_random(1));
    world.storage.put(&leftover, content.bytes().clone(), PutMode::Create).await.unwrap();
    check_store(&world, &cache, &direct(content), "2 PUT+GET (2)").await;
}
