//! The budget of storage calls and rounds of each use case. More calls cost money, more rounds cost time.

#![allow(clippy::unwrap_used, reason = "a test may panic")]

use std::sync::Arc;

use bytes::Bytes;
use cache_core::cache::{Cache, ChildName, Of, Retrieved, Selector, StoreRequest, Stored, UploadLimits, UploadRequest};
use cache_core::content::Content;
use cache_core::ids::{CacheId, Namespace};
use cache_core::layout::{KeyName, Layout};
use cache_core::storage::{PutMode, Storage};
use cache_core::strategy::{ContentKind, Strategy};
use cache_storage::counting::Counting;
use cache_storage::memory::Memory;
use cache_storage::system::System;

/// A cache that counts what it asks of its storage.
struct Counted {
    cache: Cache,
    storage: Arc<Counting>,
    namespace: Namespace,
}

impl Counted {
    /// A process that has no content in memory. The settings of the namespace are remembered, as they are for all but the
    /// first store within a minute.
    async fn new() -> Self {
        Self::with_blob_cache(0).await
    }

    async fn with_blob_cache(bytes: u64) -> Self {
        let storage = Arc::new(Counting::new(Arc::new(Memory::default())));
        let cache = Cache::new(storage.clone(), Arc::new(System)).with_blob_cache(bytes);
        let namespace = "demo".parse().unwrap();
        cache.settings(&namespace).await.unwrap();
        storage.reset();
        Self { cache, storage, namespace }
    }

    fn request(&self, strategy: Strategy, key: Option<&str>, file_id: Option<&str>, content: Content) -> StoreRequest {
        StoreRequest {
            namespace: self.namespace.clone(),
            strategy,
            cache_key: key.map(|key| key.parse().unwrap()),
            file_id: file_id.map(|file_id| file_id.parse().unwrap()),
            content,
        }
    }

    async fn store(&self, strategy: Strategy, keyed: bool, content: Content) -> Stored {
        let key = keyed.then_some("a/b");
        self.cache.store(&self.request(strategy, key, key.map(|_| "f"), content)).await.unwrap()
    }

    /// Calls and rounds since the last look.
    fn cost(&self) -> (usize, usize) {
        let cost = (self.storage.calls().len(), self.storage.rounds());
        self.storage.reset();
        cost
    }

    async fn retrieve(&self, selector: Selector) -> Bytes {
        self.cache.retrieve(&self.namespace, &selector).await.unwrap().unwrap().content
    }

    /// A hash whose plain blob name is burnt: everything under it was deleted.
    async fn burn(&self, content: &Content) {
        let stored = self.store(Strategy::Direct, false, content.clone()).await;
        self.cache.delete(&self.namespace, stored.record.cache_id).await.unwrap();
        self.storage.reset();
    }
}

fn text(text: &str) -> Content {
    Content::string(text.to_owned()).unwrap()
}

fn name(strategy: Strategy) -> KeyName {
    KeyName { strategy, cache_key: "a/b".parse().unwrap(), file_id: "f".parse().unwrap() }
}

#[tokio::test]
async fn a_store_of_new_or_known_content_takes_2_rounds() {
    let counted = Counted::new().await;
    for (strategy, calls) in [
        (Strategy::Direct, 4),
        (Strategy::Temporal, 5),
        (Strategy::TemporalLatest, 5),
        (Strategy::TemporalVersioned, 5),
        (Strategy::KeyBased, 5),
    ] {
        counted.store(strategy, false, text(strategy.name())).await;
        assert_eq!(counted.cost(), (calls, 2), "{strategy}, new content");
        counted.store(strategy, false, text(strategy.name())).await;
        assert_eq!(counted.cost(), (calls, 2), "{strategy}, known content");
    }
}

#[tokio::test]
async fn the_first_store_of_a_minute_reads_the_settings_beside() {
    let storage = Arc::new(Counting::new(Arc::new(Memory::default())));
    let cache = Cache::new(storage.clone(), Arc::new(System));
    let counted = Counted { cache, storage, namespace: "demo".parse().unwrap() };
    counted.store(Strategy::Direct, false, text("x")).await;
    assert_eq!(counted.cost(), (5, 2));
}

#[tokio::test]
async fn a_store_under_a_key_takes_up_to_5_calls_and_2_rounds_more() {
    for (strategy, cost) in [
        (Strategy::Direct, (6, 3)),
        (Strategy::Temporal, (7, 3)),
        (Strategy::TemporalVersioned, (7, 3)),
        (Strategy::TemporalLatest, (10, 4)),
        (Strategy::KeyBased, (9, 4)),
    ] {
        let counted = Counted::new().await;
        counted.store(strategy, true, text("1")).await;
        assert_eq!(counted.cost(), cost, "{strategy}, first version");
        counted.store(strategy, true, text("2")).await;
        assert_eq!(counted.cost(), cost, "{strategy}, second version");
    }
}

#[tokio::test]
async fn a_store_of_deleted_content_takes_up_to_4_calls_and_1_round_more() {
    let counted = Counted::new().await;
    counted.burn(&text("x")).await;
    counted.store(Strategy::Direct, false, text("x")).await;
    assert_eq!(counted.cost(), (8, 3));
    counted.store(Strategy::Direct, false, text("x")).await;
    assert_eq!(counted.cost(), (7, 3), "under a token that is known by now");
}

#[tokio::test]
async fn a_store_beside_a_leftover_of_a_crash_takes_up_to_4_calls_and_2_rounds_more() {
    let counted = Counted::new().await;
    let content = text("x");
    let blob = Layout::new(&counted.namespace).blob(content.cache_hash(), cache_core::ids::BlobToken::PLAIN);
    counted.storage.put(&blob, "x".into(), PutMode::Create).await.unwrap();
    counted.storage.reset();
    counted.store(Strategy::Direct, false, content).await;
    assert_eq!(counted.cost(), (5, 3), "it has the same bytes");

    let content = text("y");
    let blob = Layout::new(&counted.namespace).blob(content.cache_hash(), cache_core::ids::BlobToken::PLAIN);
    counted.storage.put(&blob, "z".into(), PutMode::Create).await.unwrap();
    counted.storage.reset();
    counted.store(Strategy::Direct, false, content).await;
    assert_eq!(counted.cost(), (8, 4), "it has other bytes");
}

#[tokio::test]
async fn a_large_content_is_looked_up_before_it_is_sent() {
    let counted = Counted::new().await;
    let large = || Content::binary(Bytes::from(vec![7; 2 << 20])).unwrap();
    counted.store(Strategy::Direct, false, large()).await;
    assert_eq!(counted.cost(), (4, 3));
    counted.store(Strategy::Direct, false, large()).await;
    assert_eq!(counted.cost(), (3, 3), "without its blob");
}

#[tokio::test]
async fn a_retrieve_by_id_or_hash_takes_2_calls_in_1_round() {
    let counted = Counted::new().await;
    let record = counted.store(Strategy::Direct, false, text("x")).await.record;
    counted.cost();
    assert_eq!(counted.retrieve(Selector::Id(record.cache_id)).await, "x");
    assert_eq!(counted.cost(), (2, 1), "by id");
    assert_eq!(counted.retrieve(Selector::Hash(record.cache_hash.clone(), None)).await, "x");
    assert_eq!(counted.cost(), (2, 1), "by hash");
    assert_eq!(counted.retrieve(Selector::Hash(record.cache_hash, Some(1))).await, "x");
    assert_eq!(counted.cost(), (2, 2), "by hash and version, the newest");
}

#[tokio::test]
async fn a_retrieve_of_a_content_in_memory_takes_1_call() {
    let counted = Counted::with_blob_cache(1 << 20).await;
    let record = counted.store(Strategy::Direct, true, text("x")).await.record;
    let key = Selector::Key(name(Strategy::Direct), None);
    for selector in [Selector::Id(record.cache_id), Selector::Hash(record.cache_hash.clone(), None), key] {
        counted.cost();
        assert_eq!(counted.retrieve(selector.clone()).await, "x");
        assert_eq!(counted.cost(), (1, 1), "{selector:?}");
    }
    counted.cache.update(&counted.namespace, record.cache_id, ContentKind::String, "y".into()).await.unwrap();
    counted.cost();
    assert_eq!(counted.retrieve(Selector::Id(record.cache_id)).await, "y");
    assert_eq!(counted.cost(), (1, 1), "updated");
}

#[tokio::test]
async fn a_retrieve_of_an_older_version_or_another_blob_takes_up_to_3_calls() {
    let counted = Counted::new().await;
    let hash = counted.store(Strategy::Direct, false, text("x")).await.record.cache_hash;
    counted.store(Strategy::Direct, false, text("x")).await;
    counted.cost();
    counted.retrieve(Selector::Hash(hash, Some(1))).await;
    assert_eq!(counted.cost(), (3, 2), "an older version");
    counted.burn(&text("y")).await;
    let record = counted.store(Strategy::Direct, false, text("y")).await.record;
    counted.cost();
    counted.retrieve(Selector::Id(record.cache_id)).await;
    assert_eq!(counted.cost(), (2, 1), "another blob by id");
    counted.retrieve(Selector::Hash(record.cache_hash, None)).await;
    assert_eq!(counted.cost(), (3, 2), "another blob by hash");
}

#[tokio::test]
async fn a_retrieve_by_key_takes_2_calls_in_2_rounds() {
    let counted = Counted::new().await;
    counted.store(Strategy::Direct, true, text("x")).await;
    counted.cost();
    counted.retrieve(Selector::Key(name(Strategy::Direct), None)).await;
    assert_eq!(counted.cost(), (2, 2));
}

#[tokio::test]
async fn a_retrieve_of_an_updated_or_foreign_entry_takes_up_to_3_calls_in_2_rounds() {
    let counted = Counted::new().await;
    let record = counted.store(Strategy::Direct, false, text("x")).await.record;
    counted.cache.update(&counted.namespace, record.cache_id, ContentKind::String, "y".into()).await.unwrap();
    counted.cost();
    assert_eq!(counted.retrieve(Selector::Id(record.cache_id)).await, "y");
    assert_eq!(counted.cost(), (3, 2), "updated");

    let foreign = CacheId::from_u128(1);
    let mut record = counted.store(Strategy::Direct, false, text("z")).await.record;
    record.cache_id = foreign;
    let key = Layout::new(&counted.namespace).record(foreign);
    counted.storage.put(&key, record.to_bytes().into(), PutMode::Create).await.unwrap();
    counted.cost();
    assert_eq!(counted.retrieve(Selector::Id(foreign)).await, "z");
    assert_eq!(counted.cost(), (2, 2), "foreign");
}

#[tokio::test]
async fn metadata_and_exists_take_1_call_and_details_2_in_1_round() {
    let counted = Counted::new().await;
    let record = counted.store(Strategy::Direct, false, text("x")).await.record;
    let (namespace, id) = (&counted.namespace, record.cache_id);
    counted.cost();
    counted.cache.record(namespace, &Selector::Id(id)).await.unwrap().unwrap();
    assert_eq!(counted.cost(), (1, 1), "metadata");
    assert!(counted.cache.exists(namespace, id).await.unwrap());
    assert_eq!(counted.cost(), (1, 1), "exists");
    assert!(counted.cache.exists_hash(namespace, &record.cache_hash).await.unwrap());
    assert_eq!(counted.cost(), (1, 1), "exists by hash");
    counted.cache.details(namespace, &Selector::Id(id)).await.unwrap().unwrap();
    assert_eq!(counted.cost(), (2, 1), "details");
    counted.cache.versions(namespace, &Of::Hash(record.cache_hash), None, 10).await.unwrap().unwrap();
    assert_eq!(counted.cost(), (1, 1), "versions");
}

#[tokio::test]
async fn a_child_is_stored_in_2_rounds_and_retrieved_in_1() {
    let counted = Counted::new().await;
    let id = counted.store(Strategy::Direct, false, text("x")).await.record.cache_id;
    let child = ChildName { data_key: None, file_id: "f".parse().unwrap(), kind: ContentKind::String };
    counted.cost();
    counted.cache.store_child(&counted.namespace, id, &child, "y".into()).await.unwrap().unwrap();
    assert_eq!(counted.cost(), (2, 2), "store");
    counted.cache.retrieve_child(&counted.namespace, id, &child).await.unwrap().unwrap();
    assert_eq!(counted.cost(), (2, 1), "retrieve");
}

#[tokio::test]
async fn a_delete_takes_up_to_8_calls_in_5_rounds_and_with_a_key_13_in_6() {
    for (strategy, keyed, most) in [
        (Strategy::Direct, false, (8, 5)),
        (Strategy::Temporal, false, (8, 5)),
        (Strategy::KeyBased, false, (8, 5)),
        (Strategy::Direct, true, (12, 6)),
        (Strategy::TemporalLatest, true, (13, 6)),
        (Strategy::KeyBased, true, (13, 6)),
    ] {
        let counted = Counted::new().await;
        counted.store(strategy, keyed, text("1")).await;
        let id = counted.store(strategy, keyed, text("2")).await.record.cache_id;
        counted.cost();
        counted.cache.delete(&counted.namespace, id).await.unwrap().unwrap();
        let (calls, rounds) = counted.cost();
        assert!(calls <= most.0 && rounds <= most.1, "{strategy}, keyed {keyed}: {calls} calls in {rounds} rounds");
    }
}

#[tokio::test]
async fn an_upload_begins_without_a_call_and_completes_in_up_to_8_calls_and_6_rounds() {
    let counted = Counted::new().await;
    let limits = UploadLimits { content: 1000, copy: 1000 };
    let request = UploadRequest {
        namespace: counted.namespace.clone(),
        strategy: Strategy::Direct,
        cache_key: None,
        file_id: None,
        kind: ContentKind::Binary,
        sha256: text("x").sha256(),
        size: 1,
    };
    let id = counted.cache.begin_upload(&request, limits).await.unwrap().upload_id;
    assert_eq!(counted.cost(), (0, 0), "begin");
    assert!(counted.cache.receive_upload(id, &request, "x".into()).await.unwrap());
    assert_eq!(counted.cost(), (1, 1), "receive");
    // Memory knows no digests, so the content is read; S3 does, and saves that round.
    counted.cache.complete_upload(id, &request, limits).await.unwrap();
    assert_eq!(counted.cost(), (8, 6), "complete");
    counted.cache.complete_upload(id, &request, limits).await.unwrap();
    assert_eq!(counted.cost(), (5, 2), "again");
}

#[tokio::test]
async fn a_content_too_large_to_take_costs_no_more_than_another_one() {
    let counted = Counted::new().await;
    let record = counted.store(Strategy::Direct, true, text("a longer text")).await.record;
    let key = Selector::Key(name(Strategy::Direct), None);
    for (selector, cost) in [
        (Selector::Id(record.cache_id), (2, 1)),
        (Selector::Hash(record.cache_hash.clone(), None), (2, 1)),
        (key, (2, 2)),
    ] {
        counted.cost();
        let found = counted.cache.retrieve_within(&counted.namespace, &selector, 5).await.unwrap();
        assert!(matches!(found, Some(Retrieved::TooLarge(_))), "{selector:?}");
        assert_eq!(counted.cost(), cost, "{selector:?}");
    }
}
