//! Objects in memory whose HEAD knows their SHA-256, as S3 does.

use std::sync::atomic::{AtomicU64, Ordering};

use async_trait::async_trait;
use bytes::Bytes;
use cache_core::digest::Sha256Digest;
use cache_core::storage::{
    GetOptions, GetResult, ListPage, ListRequest, ObjectHead, ObjectKey, PutMode, Storage, StorageError, Version,
};
use cache_storage::memory::Memory;

#[derive(Debug)]
pub struct S3Like {
    memory: Memory,
    read_bytes: AtomicU64,
}

impl S3Like {
    pub fn new(memory: Memory) -> Self {
        Self { memory, read_bytes: AtomicU64::new(0) }
    }

    /// How many bytes of objects were read.
    pub fn read_bytes(&self) -> u64 {
        self.read_bytes.load(Ordering::Relaxed)
    }
}

#[async_trait]
impl Storage for S3Like {
    async fn get(&self, key: &ObjectKey, options: &GetOptions) -> Result<Option<GetResult>, StorageError> {
        let found = self.memory.get(key, options).await?;
        if let Some(GetResult::Object(object)) = &found {
            self.read_bytes.fetch_add(object.bytes.len() as u64, Ordering::Relaxed);
        }
        Ok(found)
    }

    async fn head(&self, key: &ObjectKey) -> Result<Option<ObjectHead>, StorageError> {
        let Some(head) = self.memory.head(key).await? else { return Ok(None) };
        let found = self.memory.get(key, &GetOptions::default()).await?;
        let sha256 = found.and_then(GetResult::into_object).map(|object| Sha256Digest::of(&object.bytes));
        Ok(Some(ObjectHead { sha256, ..head }))
    }

    async fn put(&self, key: &ObjectKey, bytes: Bytes, mode: PutMode) -> Result<Version, StorageError> {
        self.memory.put(key, bytes, mode).await
    }

    async fn delete(&self, key: &ObjectKey) -> Result<(), StorageError> {
        self.memory.delete(key).await
    }

    async fn list(&self, request: &ListRequest) -> Result<ListPage, StorageError> {
        self.memory.list(request).await
    }
}
