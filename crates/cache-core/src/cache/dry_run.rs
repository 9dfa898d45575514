//! A storage whose changes stay in memory, for operations that only tell what they would do.

use std::collections::HashMap;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};

use async_trait::async_trait;
use bytes::Bytes;

use crate::clock::Clock;
use crate::storage::{
    GetOptions, GetResult, ListPage, ListRequest, ListedObject, Object, ObjectHead, ObjectKey, PutMode, Storage,
    StorageError, Version,
};

/// Another storage, which is not changed, under what was put and deleted here. Objects that only are here are not listed.
///
/// What was changed takes memory: of a deleted object its key, of one that was put its bytes.
#[derive(Debug)]
pub(super) struct DryRun {
    inner: Arc<dyn Storage>,
    clock: Arc<dyn Clock>,
    changes: Mutex<Changes>,
}

#[derive(Debug, Default)]
struct Changes {
    /// `None` for an object that was deleted.
    objects: HashMap<String, Option<(Bytes, ObjectHead)>>,
    puts: u64,
}

impl DryRun {
    pub(super) fn new(inner: Arc<dyn Storage>, clock: Arc<dyn Clock>) -> Self {
        Self { inner, clock, changes: Mutex::default() }
    }

    fn changes(&self) -> MutexGuard<'_, Changes> {
        self.changes.lock().unwrap_or_else(PoisonError::into_inner)
    }

    fn changed(&self, key: &ObjectKey) -> Option<Option<(Bytes, ObjectHead)>> {
        self.changes().objects.get(key.as_str()).cloned()
    }
}

#[async_trait]
impl Storage for DryRun {
    async fn get(&self, key: &ObjectKey, options: &GetOptions) -> Result<Option<GetResult>, StorageError> {
        match self.changed(key) {
            None => self.inner.get(key, options).await,
            Some(None) => Ok(None),
            Some(Some((_, head))) if options.if_none_match.as_ref() == Some(&head.version) => {
                Ok(Some(GetResult::NotModified))
            }
            Some(Some((bytes, head))) => {
                let range = options.range.clone().unwrap_or(0..head.size);
                let [start, end] = [range.start, range.end].map(|at| at.min(head.size) as usize);
                let bytes = bytes.slice(start..end.max(start));
                Ok(Some(GetResult::Object(Object { bytes, size: head.size, version: head.version })))
            }
        }
    }

    async fn head(&self, key: &ObjectKey) -> Result<Option<ObjectHead>, StorageError> {
        match self.changed(key) {
            None => self.inner.head(key).await,
            Some(changed) => Ok(changed.map(|(_, head)| head)),
        }
    }

    async fn put(&self, key: &ObjectKey, bytes: Bytes, mode: PutMode) -> Result<Version, StorageError> {
        // Changes of one head share a write, so nobody else puts it in between.
        let is_met = match &mode {
            PutMode::Overwrite => true,
            PutMode::Create => self.head(key).await?.is_none(),
            PutMode::Update(version) => self.head(key).await?.is_some_and(|head| head.version == *version),
        };
        if !is_met {
            return Err(StorageError::Precondition { key: key.to_string() });
        }
        let mut changes = self.changes();
        changes.puts += 1;
        let version = Version::new(format!("dry-run-{}", changes.puts));
        let (size, modified) = (bytes.len() as u64, self.clock.now());
        let head = ObjectHead { size, version: version.clone(), sha256: None, modified };
        changes.objects.insert(key.to_string(), Some((bytes, head)));
        Ok(version)
    }

    async fn delete(&self, key: &ObjectKey) -> Result<(), StorageError> {
        self.changes().objects.insert(key.to_string(), None);
        Ok(())
    }

    async fn list(&self, request: &ListRequest) -> Result<ListPage, StorageError> {
        let mut page = self.inner.list(request).await?;
        let changes = self.changes();
        let as_changed = |object: ListedObject| match changes.objects.get(&object.key) {
            None => Some(object),
            Some(None) => None,
            Some(Some((_, ObjectHead { size, version, modified, .. }))) => {
                Some(ListedObject { size: *size, version: version.clone(), modified: *modified, ..object })
            }
        };
        page.objects = page.objects.into_iter().filter_map(as_changed).collect();
        Ok(page)
    }
}
