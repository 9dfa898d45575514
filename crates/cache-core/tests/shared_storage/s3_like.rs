//! Objects in memory as S3 has them: HEAD knows their SHA-256, and equal bytes have one ETag.

use std::sync::atomic::{AtomicU64, Ordering};

use async_trait::async_trait;
use bytes::Bytes;
use cache_core::digest::Sha256Digest;
use cache_core::storage::{
    GetOptions, GetResult, ListPage, ListRequest, Object, ObjectHead, ObjectKey, PutMode, Storage, StorageError,
    Version,
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

    async fn object(&self, key: &ObjectKey) -> Result<Option<Object>, StorageError> {
        Ok(self.memory.get(key, &GetOptions::default()).await?.and_then(GetResult::into_object))
    }
}

/// As of an object whose ETag is the MD5 of its bytes: it says nothing of when they were written.
fn etag(bytes: &Bytes) -> Version {
    Version::new(Sha256Digest::of(bytes).to_string())
}

#[async_trait]
impl Storage for S3Like {
    async fn get(&self, key: &ObjectKey, options: &GetOptions) -> Result<Option<GetResult>, StorageError> {
        let Some(whole) = self.object(key).await? else { return Ok(None) };
        let version = etag(&whole.bytes);
        if options.if_none_match.as_ref() == Some(&version) {
            return Ok(Some(GetResult::NotModified));
        }
        let range = GetOptions { range: options.range.clone(), ..GetOptions::default() };
        let part = self.memory.get(key, &range).await?.and_then(GetResult::into_object);
        let Some(part) = part.filter(|part| part.version == whole.version) else { return Ok(None) };
        self.read_bytes.fetch_add(part.bytes.len() as u64, Ordering::Relaxed);
        Ok(Some(GetResult::Object(Object { version, ..part })))
    }

    async fn head(&self, key: &ObjectKey) -> Result<Option<ObjectHead>, StorageError> {
        let (Some(head), Some(object)) = (self.memory.head(key).await?, self.object(key).await?) else {
            return Ok(None);
        };
        let sha256 = Some(Sha256Digest::of(&object.bytes));
        Ok(Some(ObjectHead { version: etag(&object.bytes), sha256, ..head }))
    }

    async fn put(&self, key: &ObjectKey, bytes: Bytes, mode: PutMode) -> Result<Version, StorageError> {
        let version = etag(&bytes);
        let mode = match mode {
            PutMode::Overwrite | PutMode::Create => mode,
            PutMode::Update(expected) => match self.object(key).await? {
                Some(object) if etag(&object.bytes) == expected => PutMode::Update(object.version),
                Some(_) | None => return Err(StorageError::Precondition { key: key.to_string() }),
            },
        };
        self.memory.put(key, bytes, mode).await?;
        Ok(version)
    }

    async fn copy(&self, from: &ObjectKey, to: &ObjectKey, mode: PutMode) -> Result<Option<Version>, StorageError> {
        match self.object(from).await? {
            Some(source) => self.put(to, source.bytes, mode).await.map(Some),
            None => Ok(None),
        }
    }

    async fn delete(&self, key: &ObjectKey) -> Result<(), StorageError> {
        self.memory.delete(key).await
    }

    async fn list(&self, request: &ListRequest) -> Result<ListPage, StorageError> {
        let mut page = self.memory.list(request).await?;
        for listed in &mut page.objects {
            if let Ok(key) = listed.key.parse::<ObjectKey>()
                && let Some(object) = self.object(&key).await?
            {
                listed.version = etag(&object.bytes);
            }
        }
        Ok(page)
    }
}
