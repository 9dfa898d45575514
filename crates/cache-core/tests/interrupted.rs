//! Reads between whose calls somebody else deletes what they were about to look at.

#![allow(clippy::unwrap_used, reason = "a test may panic")]

use std::ops::Range;
use std::sync::{Arc, Mutex};

use async_trait::async_trait;
use bytes::Bytes;
use cache_core::cache::{Cache, Selector, StoreRequest};
use cache_core::content::Content;
use cache_core::ids::{CacheId, Namespace};
use cache_core::layout::{KeyName, Layout};
use cache_core::storage::{
    ListPage, ListRequest, Object, ObjectHead, ObjectKey, PutMode, Storage, StorageError, Version,
};
use cache_core::strategy::Strategy;
use cache_storage::memory::Memory;
use cache_storage::system::System;

/// A storage over which an entry is deleted just before its record is read for the first time.
#[derive(Debug)]
struct Interrupted {
    inner: Arc<Memory>,
    doomed: Mutex<Option<CacheId>>,
}

impl Interrupted {
    async fn interrupt(&self, key: &ObjectKey) {
        let id = *self.doomed.lock().unwrap();
        let Some(id) = id.filter(|id| Layout::new(&namespace()).record(*id) == *key) else { return };
        *self.doomed.lock().unwrap() = None;
        cache(self.inner.clone()).delete(&namespace(), id).await.unwrap().unwrap();
    }
}

#[async_trait]
impl Storage for Interrupted {
    async fn get(&self, key: &ObjectKey, range: Option<Range<u64>>) -> Result<Option<Object>, StorageError> {
        self.interrupt(key).await;
        self.inner.get(key, range).await
    }

    async fn head(&self, key: &ObjectKey) -> Result<Option<ObjectHead>, StorageError> {
        self.inner.head(key).await
    }

    async fn put(&self, key: &ObjectKey, bytes: Bytes, mode: PutMode) -> Result<Version, StorageError> {
        self.inner.put(key, bytes, mode).await
    }

    async fn delete(&self, key: &ObjectKey) -> Result<(), StorageError> {
        self.inner.delete(key).await
    }

    async fn list(&self, request: &ListRequest) -> Result<ListPage, StorageError> {
        self.inner.list(request).await
    }
}

fn namespace() -> Namespace {
    "demo".parse().unwrap()
}

fn name() -> KeyName {
    KeyName { strategy: Strategy::Direct, cache_key: "k".parse().unwrap(), file_id: "f".parse().unwrap() }
}

fn cache(storage: Arc<dyn Storage>) -> Cache {
    Cache::new(storage, Arc::new(System))
}

/// Three entries with one content under one key, of which the newest is deleted, and the next one while this reads.
async fn check(selector: impl Fn(&Content) -> Selector) {
    let memory = Arc::new(Memory::default());
    let calm = cache(memory.clone());
    let content = Content::string("x".to_owned()).unwrap();
    let request = StoreRequest {
        namespace: namespace(),
        strategy: Strategy::Direct,
        cache_key: Some(name().cache_key),
        file_id: Some(name().file_id),
        content: content.clone(),
    };
    let mut ids = Vec::new();
    for _ in 0..3 {
        ids.push(calm.store(&request).await.unwrap().record.cache_id);
    }
    calm.delete(&namespace(), ids[2]).await.unwrap().unwrap();
    let doomed = Mutex::new(Some(ids[1]));
    let read = cache(Arc::new(Interrupted { inner: memory, doomed })).retrieve(&namespace(), &selector(&content)).await;
    assert_eq!(read.unwrap().map(|entry| entry.record.cache_id), Some(ids[0]));
}

#[tokio::test]
async fn a_read_by_hash_finds_the_next_entry_when_the_newest_goes() {
    check(|content| Selector::Hash(content.cache_hash().clone(), None)).await;
}

#[tokio::test]
async fn a_read_by_key_finds_the_next_entry_when_the_newest_goes() {
    check(|_| Selector::Key(name(), None)).await;
}
