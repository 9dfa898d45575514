//! Updates that race or lose a reply, and ids that are given instead of made.

#![allow(clippy::unwrap_used, reason = "a test may panic")]

use std::sync::Arc;
use std::time::Duration;

use bytes::Bytes;
use cache_core::cache::{Cache, ListFiles, Retrieved, Selector, StoreRequest};
use cache_core::content::Content;
use cache_core::error::Error;
use cache_core::ids::{CacheId, Namespace};
use cache_core::record::Record;
use cache_core::storage::Storage;
use cache_core::strategy::{ContentKind, Strategy};
use cache_storage::faulty::{Chances, Fault, Faulty, Verb};
use cache_storage::memory::Memory;
use cache_storage::system::System;

struct World {
    cache: Cache,
    storage: Arc<Memory>,
    faulty: Arc<Faulty>,
    namespace: Namespace,
}

impl World {
    fn new() -> Self {
        Self::at_random(Chances::default(), 0)
    }

    fn at_random(chances: Chances, seed: u64) -> Self {
        let storage = Arc::new(Memory::default());
        let faulty = Arc::new(Faulty::at_random(storage.clone(), chances, seed));
        let cache = Cache::new(faulty.clone(), Arc::new(System));
        Self { cache, storage, faulty, namespace: "demo".parse().unwrap() }
    }

    /// A text under a key, with a readable copy.
    async fn store(&self, file_id: Option<&str>) -> Record {
        let request = StoreRequest {
            namespace: self.namespace.clone(),
            strategy: Strategy::KeyBased,
            cache_key: Some("a/b".parse().unwrap()),
            file_id: file_id.map(|file_id| file_id.parse().unwrap()),
            content: text("original"),
        };
        self.cache.store(&request).await.unwrap().record
    }

    async fn update(&self, id: CacheId, content: &str) -> Option<Record> {
        let content = Bytes::from(content.to_owned());
        self.cache.update(&self.namespace, id, ContentKind::String, content).await.unwrap()
    }

    async fn read(&self, id: CacheId) -> Bytes {
        self.cache.retrieve(&self.namespace, &Selector::Id(id)).await.unwrap().unwrap().content
    }

    async fn revision(&self, id: CacheId, number: u64) -> Option<Bytes> {
        let by_id = Selector::Id(id);
        let found = self.cache.retrieve_revision(&self.namespace, &by_id, number, u64::MAX).await.unwrap();
        found.map(|found| match found {
            Retrieved::Whole(entry) => entry.content,
            Retrieved::TooLarge(record) => panic!("{record:?}"),
        })
    }

    async fn object(&self, path: &str) -> Option<Bytes> {
        self.storage.get(&path.parse().unwrap(), None).await.unwrap().map(|object| object.bytes)
    }

    /// What there is, but for what stands for something deleted.
    async fn files(&self) -> Vec<String> {
        let all = ListFiles { folder: "", recursive: true, limit: None, cursor: None, raw: false };
        self.cache.files(&all).await.unwrap().items
    }
}

fn text(text: &str) -> Content {
    Content::string(text.to_owned()).unwrap()
}

#[tokio::test]
async fn racing_updates_leave_the_newest_one_in_every_copy() {
    for (seed, file_id) in (0..20).zip([Some("f"), None].into_iter().cycle()) {
        let world = World::at_random(Chances { slow: 0.5, ..Chances::default() }, seed);
        let record = world.store(file_id).await;
        let id = record.cache_id;
        let updates = (0..5).map(|n| {
            let world = &world;
            async move { world.update(id, &format!("update {n}")).await.unwrap() }
        });
        let mut numbers: Vec<u64> = futures::future::join_all(updates)
            .await
            .iter()
            .map(|record| record.revision.as_ref().unwrap().number)
            .collect();
        numbers.sort();
        numbers.dedup();
        assert_eq!(numbers.len(), 5, "seed {seed}");
        let name = file_id.map_or_else(|| id.to_string(), ToOwned::to_owned);
        let copy = world.object(&format!("demo/data/key-based/a/b/{name}.txt")).await;
        assert_eq!(copy, Some(world.read(id).await), "seed {seed}");
        let by_hash = Selector::Hash(record.cache_hash.clone(), None);
        let by_hash = world.cache.retrieve(&world.namespace, &by_hash).await.unwrap().unwrap();
        assert_eq!(by_hash.content, world.read(id).await, "seed {seed}");
        for number in 1..=numbers[4] {
            assert_eq!(world.revision(id, number).await.is_some(), numbers.contains(&number), "seed {seed}, {number}");
        }
    }
}

/// Long enough that whatever begins meanwhile has come to its end.
const LATE: Duration = Duration::from_millis(300);

#[tokio::test]
async fn a_copy_that_is_written_late_does_not_hide_a_newer_update() {
    for file_id in [Some("f"), None] {
        let world = World::new();
        let id = world.store(file_id).await.cache_id;
        world.faulty.once(Verb::Put, "data/key-based", Fault::Slow(LATE));
        let newer = async {
            tokio::time::sleep(LATE / 3).await;
            world.update(id, "newer").await
        };
        futures::future::join(world.update(id, "older"), newer).await;
        let name = file_id.map_or_else(|| id.to_string(), ToOwned::to_owned);
        assert_eq!(world.object(&format!("demo/data/key-based/a/b/{name}.txt")).await.unwrap(), "newer");
    }
}

#[tokio::test]
async fn a_copy_that_is_written_late_does_not_outlive_its_entry() {
    for file_id in [Some("f"), None] {
        let world = World::new();
        let id = world.store(file_id).await.cache_id;
        world.faulty.once(Verb::Put, "data/key-based", Fault::Slow(LATE));
        let delete = async {
            tokio::time::sleep(LATE / 3).await;
            world.cache.delete(&world.namespace, id).await.unwrap()
        };
        let (_, deleted) = futures::future::join(world.update(id, "new"), delete).await;
        assert!(deleted.is_some());
        assert_eq!(world.files().await, Vec::<String>::new(), "{file_id:?}");
    }
}

#[tokio::test]
async fn an_update_whose_reply_is_lost_is_one_revision() {
    for fault in [Fault::ReplyLost, Fault::Lost] {
        let world = World::new();
        let id = world.store(Some("f")).await.cache_id;
        world.faulty.once(Verb::Put, "refs/by-id", fault);
        let updated = world.update(id, "new").await.unwrap();
        assert_eq!(updated.revision.unwrap().number, 1, "{fault:?}");
        assert_eq!(world.read(id).await, "new");
        assert_eq!(world.revision(id, 0).await.unwrap(), "original");
        assert_eq!(world.revision(id, 2).await, None);
    }
}

#[tokio::test]
async fn a_revision_without_its_content_is_corrupt_and_no_miss() {
    let world = World::new();
    let record = world.store(Some("f")).await;
    let id = record.cache_id;
    let blobs = [record.blob(), world.update(id, "one").await.unwrap().current().key.clone()];
    world.update(id, "two").await.unwrap();
    for (number, blob) in (0..).zip(blobs) {
        assert!(world.revision(id, number).await.is_some());
        world.storage.delete(&blob).await.unwrap();
        let by_id = Selector::Id(id);
        let read = world.cache.retrieve_revision(&world.namespace, &by_id, number, u64::MAX).await;
        assert!(matches!(read, Err(Error::Corrupt { .. })), "{number}: {read:?}");
    }
    assert_eq!(world.revision(id, 3).await, None);
    assert_eq!(world.read(id).await, "two");
}

#[tokio::test]
async fn a_revision_whose_entry_is_deleted_meanwhile_is_a_miss() {
    for number in 0..2 {
        let world = World::new();
        let id = world.store(Some("f")).await.cache_id;
        world.update(id, "one").await.unwrap();
        let content = if number == 0 { "blobs/" } else { "revisions/" };
        // What describes the revision is read in time, and its content too late.
        world.faulty.once(Verb::Get, "/1.json", Fault::Slow(Duration::ZERO));
        world.faulty.once(Verb::Get, content, Fault::Slow(LATE));
        let delete = async {
            tokio::time::sleep(LATE / 3).await;
            world.cache.delete(&world.namespace, id).await.unwrap()
        };
        let (read, deleted) = futures::future::join(world.revision(id, number), delete).await;
        assert!(deleted.is_some());
        assert_eq!(read, None, "{number}");
    }
}

#[tokio::test]
async fn an_update_that_races_a_delete_leaves_nothing_behind() {
    for (seed, file_id) in (0..20).zip([Some("f"), None].into_iter().cycle()) {
        let world = World::at_random(Chances { slow: 0.5, ..Chances::default() }, seed);
        let id = world.store(file_id).await.cache_id;
        let (_, deleted) =
            futures::future::join(world.update(id, "new"), world.cache.delete(&world.namespace, id)).await;
        assert!(deleted.unwrap().is_some());
        assert_eq!(world.files().await, Vec::<String>::new(), "seed {seed}");
    }
}

#[tokio::test]
async fn a_given_id_is_listed_once_and_found_as_any_other() {
    let world = World::new();
    let id = CacheId::from_u128(1);
    let record = world.cache.store_under_id(&world.namespace, id, text("x")).await.unwrap().unwrap();
    assert_eq!(world.read(id).await, "x");
    let index = world.cache.hash_index(&world.namespace, &record.cache_hash).await.unwrap().unwrap();
    assert_eq!((index.live, index.newest().unwrap().cache_id), (1, id));
    assert_eq!(world.cache.ids(&world.namespace).await.unwrap(), [id]);
    assert_eq!(world.cache.stats(&world.namespace).await.unwrap().entries[0], 1);
}

#[tokio::test]
async fn a_given_id_that_is_taken_is_refused_and_a_deleted_one_can_be_given_again() {
    let world = World::new();
    let id = CacheId::from_u128(1);
    for content in ["one", "two"] {
        assert!(world.cache.store_under_id(&world.namespace, id, text(content)).await.unwrap().is_some());
        assert_eq!(world.cache.store_under_id(&world.namespace, id, text("other")).await.unwrap(), None);
        assert_eq!(world.read(id).await, content);
        assert_eq!(world.cache.clear(&world.namespace).await.unwrap(), 2, "the record and the content");
        assert_eq!(world.files().await, Vec::<String>::new());
    }
}
