//! Indexes that have outgrown their head.

#![allow(clippy::unwrap_used, reason = "a test may panic")]

use std::collections::BTreeMap;
use std::sync::Arc;

use cache_core::cache::{Cache, Of, Selector, StoreRequest};
use cache_core::content::Content;
use cache_core::ids::{CacheId, Namespace};
use cache_core::index::INLINE;
use cache_core::layout::KeyName;
use cache_core::strategy::Strategy;
use cache_storage::counting::Counting;
use cache_storage::memory::Memory;
use cache_storage::system::System;

struct World {
    cache: Cache,
    storage: Arc<Counting>,
    namespace: Namespace,
    /// What is stored: version and id.
    versions: BTreeMap<u64, CacheId>,
}

impl World {
    fn new() -> Self {
        let storage = Arc::new(Counting::new(Arc::new(Memory::default())));
        let cache = Cache::new(storage.clone(), Arc::new(System));
        Self { cache, storage, namespace: "demo".parse().unwrap(), versions: BTreeMap::new() }
    }

    fn request(&self) -> StoreRequest {
        StoreRequest {
            namespace: self.namespace.clone(),
            strategy: Strategy::Direct,
            cache_key: Some("a/b".parse().unwrap()),
            file_id: Some("f".parse().unwrap()),
            content: Content::string("x".to_owned()).unwrap(),
        }
    }

    async fn store(&mut self, times: usize) {
        for _ in 0..times {
            let stored = self.cache.store(&self.request()).await.unwrap();
            assert_eq!(Some(stored.version), stored.key_version);
            assert_eq!(self.versions.insert(stored.version, stored.record.cache_id), None, "a version came twice");
        }
    }

    async fn delete(&mut self, version: u64) {
        let id = self.versions.remove(&version).unwrap();
        self.cache.delete(&self.namespace, id).await.unwrap().unwrap();
    }

    fn all_of(&self) -> [Of; 2] {
        let key =
            KeyName { strategy: Strategy::Direct, cache_key: "a/b".parse().unwrap(), file_id: "f".parse().unwrap() };
        [Of::Hash(self.request().content.cache_hash().clone()), Of::Key(key)]
    }

    /// Both indexes list exactly what is stored, and each version is found by its number.
    async fn check(&self) {
        for of in self.all_of() {
            let listed = self.cache.versions(&self.namespace, &of, None, usize::MAX).await.unwrap();
            let listed = listed.map(|listed| {
                assert_eq!(listed.count, self.versions.len() as u64);
                assert_eq!(Some(&listed.latest), self.versions.values().next_back());
                listed.versions.iter().map(|listed| (listed.version, listed.cache_id)).collect::<BTreeMap<_, _>>()
            });
            assert_eq!(listed.unwrap_or_default(), self.versions);
        }
        let hash = self.request().content.cache_hash().clone();
        for version in 1..=self.versions.keys().next_back().copied().unwrap_or(0) {
            let found = self.cache.record(&self.namespace, &Selector::Hash(hash.clone(), Some(version))).await.unwrap();
            assert_eq!(found.map(|record| record.cache_id), self.versions.get(&version).copied(), "version {version}");
        }
    }
}

#[tokio::test]
async fn every_version_is_found_when_most_have_rolled_into_pages() {
    let mut world = World::new();
    world.store(3 * INLINE + 10).await;
    world.check().await;
}

#[tokio::test]
async fn a_version_in_a_page_can_be_deleted() {
    let mut world = World::new();
    world.store(2 * INLINE + 10).await;
    for version in [1, 2, 3, 100, 256, 257, 511, 513, 520] {
        world.delete(version).await;
    }
    world.check().await;
    world.store(5).await;
    world.check().await;
}

#[tokio::test]
async fn older_versions_come_back_when_all_newer_ones_are_deleted() {
    let mut world = World::new();
    world.store(2 * INLINE + 5).await;
    for version in (100..=2 * INLINE as u64 + 5).rev() {
        world.delete(version).await;
    }
    world.check().await;
    world.store(INLINE).await;
    world.check().await;
}

#[tokio::test]
async fn deleting_the_last_version_keeps_the_counter() {
    let mut world = World::new();
    world.store(INLINE + 2).await;
    for version in 1..=INLINE as u64 + 2 {
        world.delete(version).await;
    }
    world.check().await;
    world.store(1).await;
    assert_eq!(world.versions.keys().next(), Some(&(INLINE as u64 + 3)));
    world.check().await;
}

#[tokio::test]
async fn a_page_of_versions_ends_before_the_number_that_is_asked_for() {
    let mut world = World::new();
    world.store(2 * INLINE + 10).await;
    let of = &world.all_of()[0];
    let listed = world.cache.versions(&world.namespace, of, Some(260), 10).await.unwrap().unwrap();
    assert_eq!(listed.versions.iter().map(|listed| listed.version).collect::<Vec<_>>(), (250..260).collect::<Vec<_>>());
}

#[tokio::test]
async fn a_store_costs_the_same_however_many_versions_there_are() {
    let mut world = World::new();
    world.store(3 * INLINE + 1).await;
    world.storage.reset();
    world.store(1).await;
    assert_eq!((world.storage.calls().len(), world.storage.rounds()), (6, 3));
}
