//! What contents in memory must not change: who sees which entry, and that nothing but the stored bytes is ever an answer.

#![allow(clippy::unwrap_used, reason = "a test may panic")]

use std::sync::Arc;

use bytes::Bytes;
use cache_core::cache::{BlobCacheCounts, Cache, Retrieved, Selector, StoreRequest};
use cache_core::content::Content;
use cache_core::error::Error;
use cache_core::ids::Namespace;
use cache_core::record::Record;
use cache_core::storage::{ObjectKey, PutMode, Storage};
use cache_core::strategy::{ContentKind, Strategy};
use cache_storage::memory::Memory;
use cache_storage::system::System;

/// Two processes over one storage, which both keep contents in memory.
struct World {
    storage: Arc<Memory>,
    here: Cache,
    there: Cache,
    namespace: Namespace,
}

impl World {
    fn new() -> Self {
        let storage = Arc::new(Memory::default());
        let process = || Cache::new(storage.clone(), Arc::new(System)).with_blob_cache(1 << 20);
        Self { here: process(), there: process(), storage, namespace: "demo".parse().unwrap() }
    }

    async fn store(&self, content: &str) -> Record {
        let request = StoreRequest {
            namespace: self.namespace.clone(),
            strategy: Strategy::Direct,
            cache_key: None,
            file_id: None,
            content: Content::string(content.to_owned()).unwrap(),
        };
        self.here.store(&request).await.unwrap().record
    }

    async fn read(&self, cache: &Cache, selector: &Selector) -> Result<Option<Bytes>, Error> {
        Ok(cache.retrieve(&self.namespace, selector).await?.map(|entry| entry.content))
    }

    async fn overwrite(&self, key: &ObjectKey, bytes: impl Into<Bytes>) {
        self.storage.put(key, bytes.into(), PutMode::Overwrite).await.unwrap();
    }
}

fn selectors(record: &Record) -> [Selector; 3] {
    let hash = &record.cache_hash;
    [Selector::Id(record.cache_id), Selector::Hash(hash.clone(), None), Selector::Hash(hash.clone(), Some(1))]
}

#[tokio::test]
async fn an_entry_that_another_process_deleted_is_gone_at_once() {
    let world = World::new();
    let record = world.store("x").await;
    for selector in selectors(&record) {
        assert_eq!(world.read(&world.here, &selector).await.unwrap().unwrap(), "x");
    }
    world.there.delete(&world.namespace, record.cache_id).await.unwrap().unwrap();
    for selector in selectors(&record) {
        assert_eq!(world.read(&world.here, &selector).await.unwrap(), None, "{selector:?}");
    }
}

#[tokio::test]
async fn an_update_by_another_process_is_seen_at_once() {
    let world = World::new();
    let record = world.store("old").await;
    let updated = world.there.update(&world.namespace, record.cache_id, ContentKind::String, "new".into()).await;
    assert!(updated.unwrap().is_some());
    for selector in selectors(&record) {
        assert_eq!(world.read(&world.here, &selector).await.unwrap().unwrap(), "new", "{selector:?}");
    }
    let by_id = Selector::Id(record.cache_id);
    let original = world.here.retrieve_revision(&world.namespace, &by_id, 0, u64::MAX).await.unwrap();
    assert!(matches!(original, Some(Retrieved::Whole(entry)) if entry.content == "old"));
}

#[tokio::test]
async fn what_is_in_memory_is_not_used_for_a_record_of_other_bytes() {
    let world = World::new();
    let mut record = world.store("old").await;
    // As if the name had been used again, which the protocol does not do.
    world.overwrite(&record.blob(), "new").await;
    record.sha256 = Content::string("new".to_owned()).unwrap().sha256();
    let key = cache_core::layout::Layout::new(&world.namespace).record(record.cache_id);
    world.overwrite(&key, record.to_bytes()).await;
    for process in [&world.here, &world.there] {
        let read = world.read(process, &Selector::Id(record.cache_id)).await.unwrap();
        assert_eq!(read.unwrap(), "new");
    }
}

#[tokio::test]
async fn damaged_bytes_are_never_kept_nor_served() {
    let world = World::new();
    let record = world.store("sound").await;
    world.overwrite(&record.blob(), "other").await;
    for selector in selectors(&record) {
        let read = world.read(&world.there, &selector).await;
        assert!(matches!(read, Err(Error::Corrupt { .. })), "{selector:?}: {read:?}");
    }
    assert_eq!(world.there.blob_cache().bytes, 0);
    assert_eq!(world.read(&world.here, &Selector::Id(record.cache_id)).await.unwrap().unwrap(), "sound");
}

#[tokio::test]
async fn a_read_keeps_the_content_and_counts() {
    let world = World::new();
    let by_id = Selector::Id(world.store("x").await.cache_id);
    assert_eq!(world.there.blob_cache(), BlobCacheCounts::default());
    for (hits, misses) in [(0, 1), (1, 1), (2, 1)] {
        world.read(&world.there, &by_id).await.unwrap().unwrap();
        let counts = world.there.blob_cache();
        assert_eq!((counts.hits, counts.misses), (hits, misses));
        assert!(counts.bytes > 0);
    }
}
