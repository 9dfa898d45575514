//! Updates: one entry gets new contents, and everything that shows it shows the newest one in the end.

#![allow(clippy::unwrap_used, reason = "a test may panic")]

mod shared_storage;

use std::time::Duration;

use cache_core::cache::{IdempotencyKey, NamespaceCache, RetrievedOrTooLarge, Selector, StoreRequest, UpdateRequest};
use cache_core::content::Content;
use cache_core::error::ErrorKind;
use cache_core::ids::CacheId;
use cache_core::strategy::{ContentKind, Strategy};
use cache_storage::operation::StorageOp;
use cache_testing::fault_injection::{Fault, FaultRates};
use futures::future::{join, join_all};

use self::shared_storage::*;

/// The content of a revision as text.
async fn revision(cache: &NamespaceCache, id: CacheId, number: u64) -> Option<String> {
    match cache.retrieve_revision(&Selector::Id(id), number, u64::MAX).await.unwrap()? {
        RetrievedOrTooLarge::Retrieved(found) => Some(String::from_utf8(found.bytes.to_vec()).unwrap()),
        RetrievedOrTooLarge::TooLarge(entry) => panic!("{} is not too large", entry.cache_id),
    }
}

/// The contents of all readable copies.
async fn copies(world: &SharedStorage) -> Vec<String> {
    let mut copies = Vec::new();
    for key in world.keys("data/key-based/").await {
        copies.push(String::from_utf8(world.get(&key).await.unwrap().to_vec()).unwrap());
    }
    copies
}

#[tokio::test]
async fn an_update_keeps_id_hash_and_version() {
    let world = SharedStorage::new();
    let cache = world.process().await;
    let before = store(&cache, &keyed(Strategy::Direct, text("x"))).await.entry;
    let after = update(&cache, before.cache_id, "y").await.unwrap();
    let names = |entry: &cache_core::entry::Entry| (entry.cache_id, entry.cache_hash.clone(), entry.version);
    assert_eq!(names(&after), names(&before));
    assert_eq!(after.revision.unwrap().number, 1);
    let hash = before.cache_hash;
    for selector in
        [Selector::Id(after.cache_id), Selector::Hash(hash, None), Selector::Key(key_ref(Strategy::Direct), None)]
    {
        let found = retrieve(&cache, &selector).await.unwrap();
        assert_eq!((&found.bytes[..], &found.entry), (&b"y"[..], &after), "{selector:?}");
    }
}

#[tokio::test]
async fn an_update_of_what_is_not_there_is_none() {
    let world = SharedStorage::new();
    let cache = world.process().await;
    let entry = store_text(&cache, "x").await;
    assert!(delete(&cache, entry.cache_id).await);
    assert_eq!(update(&cache, entry.cache_id, "y").await, None);
    assert_eq!(update(&cache, CacheId::from_u128(7), "y").await, None);
}

#[tokio::test]
async fn every_earlier_revision_can_be_read() {
    let world = SharedStorage::new();
    let cache = world.small_process();
    // Small ones, which are inline, and large ones, which are blobs.
    let content = |number: usize| format!("{number}-").repeat([1, 100][number % 2]);
    let id = store_text(&cache, &content(0)).await.cache_id;
    for number in 1..40 {
        assert_eq!(update(&cache, id, &content(number)).await.unwrap().revision.unwrap().number, number as u64);
    }
    assert!(!world.keys("pages/").await.is_empty(), "most have moved into pages");
    for number in 0..40 {
        assert_eq!(revision(&cache, id, number as u64).await, Some(content(number)), "{number}");
    }
    assert_eq!(revision(&cache, id, 40).await, None);
    assert_eq!(read_id(&cache, id).await, Some(content(39)));
}

#[tokio::test]
async fn a_delete_frees_all_revisions() {
    let world = SharedStorage::new();
    let cache = world.small_process();
    let id = store_text(&cache, "x").await.cache_id;
    for number in 0..20 {
        update(&cache, id, &format!("{number}-").repeat(100)).await.unwrap();
    }
    assert!(delete(&cache, id).await);
    assert_eq!((world.keys("blobs/").await, world.keys("pages/").await), (vec![], vec![]));
}

#[tokio::test]
async fn racing_updates_are_one_revision_each() {
    let request = |content: &str| StoreRequest::new(Strategy::KeyBased, text(content));
    for request in [request("x"), keyed(Strategy::KeyBased, text("x"))] {
        let world = SharedStorage::new();
        let processes = [world.process().await, world.process().await];
        let id = store(&processes[0], &request).await.entry.cache_id;
        let updates = (0..6).map(|number| update(&processes[number % 2], id, ["a", "b", "c", "d", "e", "f"][number]));
        let mut numbers: Vec<u64> =
            join_all(updates).await.into_iter().map(|entry| entry.unwrap().revision.unwrap().number).collect();
        numbers.sort_unstable();
        assert_eq!(numbers, [1, 2, 3, 4, 5, 6]);
        let newest = read_id(&processes[0], id).await.unwrap();
        assert_eq!(revision(&processes[1], id, 6).await.as_ref(), Some(&newest));
        assert_eq!(copies(&world).await, [newest], "every copy shows it");
    }
}

#[tokio::test(start_paused = true)]
async fn a_copy_that_is_written_late_does_not_hide_a_newer_update() {
    for request in [StoreRequest::new(Strategy::KeyBased, text("x")), keyed(Strategy::KeyBased, text("x"))] {
        let world = SharedStorage::new();
        let (slow, fast) = (world.process().await, world.process().await);
        let id = store(&slow, &request).await.entry.cache_id;
        world.faults.once(StorageOp::Put, "data/key-based", Fault::Slow(Duration::from_secs(1)));
        let later = async {
            tokio::time::sleep(Duration::from_millis(500)).await;
            update(&fast, id, "newer").await
        };
        join(update(&slow, id, "older"), later).await;
        assert_eq!(read_id(&slow, id).await.as_deref(), Some("newer"));
        assert_eq!(copies(&world).await, ["newer"]);
    }
}

#[tokio::test(start_paused = true)]
async fn a_copy_that_is_written_late_does_not_outlive_its_entry() {
    for request in [StoreRequest::new(Strategy::KeyBased, text("x")), keyed(Strategy::KeyBased, text("x"))] {
        let world = SharedStorage::new();
        let (slow, fast) = (world.process().await, world.process().await);
        let id = store(&slow, &request).await.entry.cache_id;
        world.faults.once(StorageOp::Put, "data/key-based", Fault::Slow(Duration::from_secs(1)));
        let later = async {
            tokio::time::sleep(Duration::from_millis(500)).await;
            delete(&fast, id).await
        };
        let (_, deleted) = join(update(&slow, id, "late"), later).await;
        assert!(deleted);
        assert_eq!(copies(&world).await, [""; 0]);
    }
}

#[tokio::test(start_paused = true)]
async fn an_update_replaces_the_copy_of_another_one_beside_it() {
    let world = SharedStorage::new();
    let (slow, fast) = (world.process().await, world.process().await);
    let id = store(&slow, &keyed(Strategy::KeyBased, text("x"))).await.entry.cache_id;
    // The slow one commits last, and looks at the copy before the other one writes that.
    world.faults.once(StorageOp::Head, "data/key-based", Fault::Slow(Duration::from_secs(1)));
    let earlier = async {
        tokio::time::sleep(Duration::from_millis(500)).await;
        update(&fast, id, "older").await
    };
    join(update(&slow, id, "newer"), earlier).await;
    assert_eq!(read_id(&slow, id).await.as_deref(), Some("newer"));
    assert_eq!(copies(&world).await, ["newer"]);
}

#[tokio::test(start_paused = true)]
async fn a_copy_that_an_update_writes_late_does_not_hide_a_newer_version() {
    let world = SharedStorage::new();
    let (slow, fast) = (world.process().await, world.process().await);
    let id = store(&slow, &keyed(Strategy::KeyBased, text("x"))).await.entry.cache_id;
    // The newer version writes the copy before the update looks at it, and is listed after the update has read the index.
    world.faults.once(StorageOp::Put, "refs/by-key", Fault::Slow(Duration::from_millis(500)));
    let request = keyed(Strategy::KeyBased, text("newer"));
    let newer = store(&fast, &request);
    let older = async {
        tokio::time::sleep(Duration::from_millis(250)).await;
        world.faults.once(StorageOp::Put, "data/key-based", Fault::Slow(Duration::from_secs(1)));
        update(&slow, id, "older").await
    };
    join(newer, older).await;
    assert_eq!(read(&slow, &Selector::Key(key_ref(Strategy::KeyBased), None)).await.as_deref(), Some("newer"));
    assert_eq!(copies(&world).await, ["newer"]);
}

#[tokio::test(start_paused = true)]
async fn a_late_copy_does_not_hide_a_revision_with_the_bytes_before() {
    let world = SharedStorage::new();
    let (slow, fast) = (world.process().await, world.process().await);
    let id = store(&slow, &keyed(Strategy::KeyBased, text("x"))).await.entry.cache_id;
    world.faults.once(StorageOp::Put, "data/key-based", Fault::Slow(Duration::from_secs(1)));
    let later = async {
        tokio::time::sleep(Duration::from_millis(500)).await;
        // Its ETag is that of the copy that the slow one is about to replace.
        update(&fast, id, "x").await
    };
    join(update(&slow, id, "y"), later).await;
    assert_eq!(read_id(&slow, id).await.as_deref(), Some("x"));
    assert_eq!(copies(&world).await, ["x"]);
}

#[tokio::test(start_paused = true)]
async fn a_lost_race_takes_no_copy_of_the_winner() {
    let world = SharedStorage::new();
    let (slow, fast) = (world.process().await, world.process().await);
    // A large content, whose next entry has one id for all who expect it.
    let request = StoreRequest::new(Strategy::KeyBased, text(&"x".repeat(70_000)));
    store(&slow, &request).await;
    world.faults.once(StorageOp::Put, "refs/by-hash", Fault::Slow(Duration::from_secs(1)));
    let later = async {
        tokio::time::sleep(Duration::from_millis(500)).await;
        store(&fast, &request).await
    };
    let (loser, winner) = join(store(&slow, &request), later).await;
    for id in [loser.entry.cache_id, winner.entry.cache_id] {
        let copies = world.keys("data/key-based/").await;
        assert!(copies.iter().any(|copy| copy.as_str().contains(&id.to_string())), "{id} is not among {copies:?}");
    }
}

#[tokio::test]
async fn a_repeated_store_leaves_the_copy_of_an_update() {
    for request in [StoreRequest::new(Strategy::KeyBased, text("x")), keyed(Strategy::KeyBased, text("x"))] {
        let world = SharedStorage::new();
        let request = repeatable(request, "k");
        let id = store(&world.process().await, &request).await.entry.cache_id;
        update(&world.process().await, id, "newer").await.unwrap();
        // One process has nothing in memory, the other one the manifest.
        let cache = world.process().await;
        for _ in 0..2 {
            assert_eq!(store(&cache, &request).await.entry.cache_id, id);
            assert_eq!(copies(&world).await, ["newer"], "{request:?}");
        }
    }
}

#[tokio::test]
async fn a_copy_of_an_earlier_kind_goes() {
    for request in [StoreRequest::new(Strategy::KeyBased, text("1")), keyed(Strategy::KeyBased, text("1"))] {
        let world = SharedStorage::new();
        let cache = world.process().await;
        let id = store(&cache, &request).await.entry.cache_id;
        for (kind, extension) in [(ContentKind::Json, ".json"), (ContentKind::String, ".txt")] {
            cache.update(&UpdateRequest { kind, ..update_request(id, "2") }).await.unwrap().unwrap();
            let keys = world.keys("data/key-based/").await;
            let [copy] = &keys[..] else { panic!("{keys:?}") };
            assert!(copy.as_str().ends_with(extension), "{copy} is of kind {kind:?}");
        }
        assert!(delete(&cache, id).await);
        assert_eq!(copies(&world).await, [""; 0]);
    }
}

#[tokio::test]
async fn an_update_whose_reply_is_lost_is_one_revision() {
    let world = SharedStorage::new();
    let cache = world.process().await;
    for large in ["y".to_owned(), "y".repeat(70_000)] {
        let id = store_text(&cache, "x").await.cache_id;
        world.faults.once(StorageOp::Put, "refs/by-hash", Fault::ResponseLost);
        let updated = update(&cache, id, &large).await.unwrap();
        assert_eq!(updated.revision.unwrap().number, 1);
        assert_eq!(read_id(&cache, id).await, Some(large));
        assert_eq!(revision(&cache, id, 2).await, None);
    }
}

#[tokio::test]
async fn a_repeated_update_is_one_revision() {
    let world = SharedStorage::new();
    let (cache, other) = (world.process().await, world.process().await);
    let id = store_text(&cache, "x").await.cache_id;
    let idempotency_key = Some(IdempotencyKey::new("k", "caller").unwrap());
    let request = UpdateRequest { idempotency_key, ..update_request(id, "y") };
    let first = cache.update(&request).await.unwrap();
    assert_eq!(other.update(&request).await.unwrap(), first);
    assert_eq!(update(&other, id, "z").await.unwrap().revision.unwrap().number, 2, "another request");
}

#[tokio::test]
async fn a_revision_without_its_content_is_corrupt_and_no_miss() {
    let world = SharedStorage::new();
    let cache = world.process().await;
    let id = store_text(&cache, "x").await.cache_id;
    let updated = update(&cache, id, &"y".repeat(70_000)).await.unwrap();
    update(&cache, id, "z").await.unwrap();
    world.remove(&blob_key(&updated)).await;
    assert!(is_corrupt(&cache.retrieve_revision(&Selector::Id(id), 1, u64::MAX).await));
    assert_eq!(revision(&cache, id, 0).await.as_deref(), Some("x"));
    assert_eq!(read_id(&cache, id).await.as_deref(), Some("z"));
}

#[tokio::test]
async fn a_content_is_replaced_by_one_of_a_fitting_kind() {
    use ContentKind::{Binary, Json, String, Zip};
    let fits = |old: ContentKind, new: ContentKind| match old {
        Json | String => matches!(new, Json | String),
        Binary => matches!(new, Json | String | Binary),
        Zip => new == Zip,
    };
    let world = SharedStorage::new();
    let cache = world.process().await;
    for old in ContentKind::ALL {
        for new in ContentKind::ALL {
            let content = Content::zip(b"1".to_vec().into(), text("1").cache_hash().clone());
            let id = match old {
                Zip => store(&cache, &direct(content)).await.entry.cache_id,
                Binary => store(&cache, &direct(binary(b'1', 1))).await.entry.cache_id,
                String => store_text(&cache, "1").await.cache_id,
                Json => store(&cache, &direct(json("1"))).await.entry.cache_id,
            };
            let updated = cache.update(&UpdateRequest { kind: new, ..update_request(id, "2") }).await;
            match fits(old, new) {
                true => assert_eq!(updated.unwrap().unwrap().content.kind, new),
                false => assert!(has_kind(&updated, ErrorKind::Invalid), "{old:?} by {new:?}"),
            }
        }
    }
}

fn json(document: &'static str) -> Content {
    Content::json(cache_core::json::Document::parse(&document.into()).unwrap())
}

#[tokio::test]
async fn an_update_shares_a_content_that_is_there() {
    let world = SharedStorage::new();
    let cache = world.process().await;
    let large = "y".repeat(70_000);
    let [first, second] = [store_text(&cache, "x").await, store_text(&cache, "x").await];
    let updated = update(&cache, first.cache_id, &large).await.unwrap();
    assert_eq!(update(&cache, second.cache_id, &large).await.unwrap().content.blob, updated.content.blob);
    assert_eq!(world.keys("blobs/").await.len(), 1);
    assert!(delete(&cache, first.cache_id).await);
    assert_eq!(read_id(&cache, second.cache_id).await, Some(large));
    assert!(delete(&cache, second.cache_id).await);
    assert_eq!(world.keys("blobs/").await, []);
}

/// Runs an update and a delete at the same time, with delays by the seed.
async fn race_update_and_delete(seed: u64, strategy: Strategy, content: &str) {
    let world = SharedStorage::with_faults(FaultRates { slow: 0.7, ..FaultRates::default() }, seed);
    let (cache, other) = (world.small_process(), world.small_process());
    let id = store(&cache, &keyed(strategy, text("x"))).await.entry.cache_id;
    let (updated, deleted) = join(cache.update(&update_request(id, content.to_owned())), delete(&other, id)).await;
    updated.unwrap();
    assert!(deleted);
    assert_eq!(read_id(&cache, id).await, None, "seed {seed}");
    assert_eq!(read(&cache, &Selector::Key(key_ref(strategy), None)).await, None, "seed {seed}");
    for folder in ["blobs/", "pages/", "data/", "intents/"] {
        assert_eq!(world.keys(folder).await, [], "seed {seed}");
    }
}

#[tokio::test(start_paused = true)]
async fn an_update_that_races_a_delete_leaves_nothing_behind() {
    for seed in 0..200 {
        let strategy = [Strategy::Direct, Strategy::KeyBased, Strategy::TemporalLatest][(seed % 3) as usize];
        let large = seed % 2 == 0;
        race_update_and_delete(
            seed,
            strategy,
            if large { "a content that becomes a blob, because it is more than 64 bytes" } else { "y" },
        )
        .await;
    }
}
