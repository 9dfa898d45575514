//! Archives as entries, over memory: what an edit writes, and what it leaves alone.

#![allow(clippy::unwrap_used, reason = "a test may panic")]

use std::sync::Arc;

use cache_core::archive::batch::{Batch, BatchRequest};
use cache_core::archive::{Archive, Limits};
use cache_core::cache::{ArchiveError, ArchivePlace, Archives, Cache, Of, Selector};
use cache_core::ids::{CacheId, Namespace};
use cache_core::strategy::Strategy;
use cache_storage::memory::Memory;
use cache_storage::system::System;

/// A cache with an archive of `a` and `b`, stored by the strategy key_based under a key.
struct World {
    cache: Cache,
    namespace: Namespace,
    original: CacheId,
}

impl World {
    async fn new() -> Self {
        let cache = Cache::new(Arc::new(Memory::default()), Arc::new(System));
        let namespace: Namespace = "ns".parse().unwrap();
        let mut archive = Archive::empty(&Limits::default());
        for name in ["a", "b"] {
            archive.add(&name.parse().unwrap(), "old".into()).unwrap();
        }
        let place = ArchivePlace {
            namespace: namespace.clone(),
            strategy: Strategy::KeyBased,
            cache_key: Some("k".parse().unwrap()),
            file_id: Some("f".parse().unwrap()),
        };
        let bytes = archive.to_bytes().unwrap();
        let stored = cache.archives(Limits::default()).store(place, bytes).await.unwrap().stored;
        Self { cache, namespace, original: stored.record.cache_id }
    }

    fn archives(&self) -> Archives {
        self.cache.archives(Limits::default())
    }

    fn selector(&self) -> Selector {
        Selector::Id(self.original)
    }

    /// That an entry's archive has these members.
    async fn check(&self, id: CacheId, names: &[&str]) {
        let entry = self.archives().find(&self.namespace, &Selector::Id(id)).await.unwrap().unwrap();
        assert_eq!(entry.directory.names().collect::<Vec<_>>(), names);
    }
}

#[tokio::test]
async fn a_rename_makes_a_new_entry_and_leaves_the_original_alone() {
    let world = World::new().await;
    let archives = world.archives();
    let renamed = archives.rename(&world.namespace, &world.selector(), "a", "d/c").await.unwrap().unwrap();
    assert_eq!((renamed.original, renamed.done.as_str()), (world.original, "d/c"));
    world.check(renamed.cache_id, &["b", "d/c"]).await;
    world.check(world.original, &["a", "b"]).await;
    let record = world.cache.record(&world.namespace, &Selector::Id(renamed.cache_id)).await.unwrap().unwrap();
    assert_eq!((record.strategy, record.cache_key, record.file_id), (Strategy::KeyBased, None, None));
}

#[tokio::test]
async fn a_rename_onto_an_existing_name_is_refused() {
    let world = World::new().await;
    let refused = world.archives().rename(&world.namespace, &world.selector(), "a", "b").await;
    assert!(matches!(refused, Err(ArchiveError::Refused(_))), "{refused:?}");
}

#[tokio::test]
async fn a_batch_that_is_rolled_back_stores_nothing() {
    let world = World::new().await;
    let request: BatchRequest = serde_json::from_value(serde_json::json!({"operations": [
        {"action": "add", "path": "c", "content": "x"},
        {"action": "remove", "path": "nope"},
    ]}))
    .unwrap();
    let batch = Batch::try_from(request).unwrap();
    let edited = world.archives().apply(&world.namespace, &world.selector(), batch).await.unwrap().unwrap();
    assert!(edited.done.rollback_performed);
    assert_eq!((edited.cache_id, edited.members), (world.original, 2));
    let record = world.cache.record(&world.namespace, &world.selector()).await.unwrap().unwrap();
    let versions = world.cache.versions(&world.namespace, &Of::Hash(record.cache_hash), None, 10).await.unwrap();
    assert_eq!(versions.unwrap().count, 1);
}

#[tokio::test]
async fn what_is_not_there_is_none_and_a_missing_member_is_not() {
    let world = World::new().await;
    let nobody = Selector::Id("00000000-0000-0000-0000-00000000dead".parse().unwrap());
    assert!(world.archives().remove(&world.namespace, &nobody, "a").await.unwrap().is_none());
    let missing = world.archives().member(&world.namespace, &world.selector(), "nope").await;
    assert!(matches!(missing, Err(ArchiveError::NoMember(_))), "{missing:?}");
}
