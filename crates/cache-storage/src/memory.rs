//! Objects in a map: the reference implementation of the port.

use std::collections::BTreeMap;
use std::fmt;
use std::ops::{Bound, Range};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};

use async_trait::async_trait;
use bytes::Bytes;
use cache_core::storage::{
    ListPage, ListRequest, ListedObject, Object, ObjectHead, ObjectKey, PutMode, Storage, StorageError, Version,
};
use cache_core::surroundings::Surroundings;

use crate::paging::Paging;
use crate::part::part;
use crate::system::System;

/// Objects in memory, gone with the process. A [`Version`] is the number of the write.
pub struct Memory {
    surroundings: Arc<dyn Surroundings>,
    shelf: Mutex<Shelf>,
}

#[derive(Default)]
struct Shelf {
    objects: BTreeMap<String, Stored>,
    writes: u64,
}

struct Stored {
    bytes: Bytes,
    version: Version,
    modified_ms: u64,
}

impl Memory {
    /// An empty store, whose objects are dated by the clock of these surroundings.
    pub fn new(surroundings: Arc<dyn Surroundings>) -> Self {
        Self { surroundings, shelf: Mutex::default() }
    }

    fn shelf(&self) -> MutexGuard<'_, Shelf> {
        // A panic while the lock was held cannot leave a half-made change: each change is one insertion or removal.
        self.shelf.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

impl Default for Memory {
    fn default() -> Self {
        Self::new(Arc::new(System))
    }
}

impl fmt::Debug for Memory {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Memory").field("objects", &self.shelf().objects.len()).finish()
    }
}

#[async_trait]
impl Storage for Memory {
    async fn get(&self, key: &ObjectKey, range: Option<Range<u64>>) -> Result<Option<Object>, StorageError> {
        let shelf = self.shelf();
        Ok(shelf.objects.get(key.as_str()).map(|stored| part(stored.bytes.clone(), stored.version.clone(), range)))
    }

    async fn head(&self, key: &ObjectKey) -> Result<Option<ObjectHead>, StorageError> {
        let shelf = self.shelf();
        Ok(shelf.objects.get(key.as_str()).map(|stored| ObjectHead {
            size: stored.bytes.len() as u64,
            version: stored.version.clone(),
            sha256: None,
            modified_ms: stored.modified_ms,
        }))
    }

    async fn put(&self, key: &ObjectKey, bytes: Bytes, mode: PutMode) -> Result<Version, StorageError> {
        // What arrives may be a small part of a large buffer, which would stay as long as the object.
        let bytes = Bytes::copy_from_slice(&bytes);
        let mut shelf = self.shelf();
        let current = shelf.objects.get(key.as_str()).map(|stored| &stored.version);
        let allowed = match &mode {
            PutMode::Overwrite => true,
            PutMode::Create => current.is_none(),
            PutMode::Replace(version) => current == Some(version),
        };
        if !allowed {
            return Err(StorageError::Conflict { key: key.to_string() });
        }
        shelf.writes += 1;
        let version = Version(shelf.writes.to_string());
        let stored = Stored { bytes, version: version.clone(), modified_ms: self.surroundings.now_ms() };
        shelf.objects.insert(key.to_string(), stored);
        Ok(version)
    }

    async fn delete(&self, key: &ObjectKey) -> Result<(), StorageError> {
        self.shelf().objects.remove(key.as_str());
        Ok(())
    }

    async fn list(&self, request: &ListRequest) -> Result<ListPage, StorageError> {
        Ok(self.shelf().list(request))
    }
}

impl Shelf {
    fn list(&self, request: &ListRequest) -> ListPage {
        let mut paging = Paging::new(request);
        let mut from = Bound::Included(request.prefix.clone());
        if let Some(after) = request.start_after.as_ref().filter(|after| **after >= request.prefix) {
            from = Bound::Excluded(after.clone());
        }
        while let Some((key, stored)) = self.objects.range((from, Bound::Unbounded)).next() {
            if !key.starts_with(&request.prefix) {
                break;
            }
            from = Bound::Excluded(key.clone());
            if !paging.covers(key) {
                continue;
            }
            let full = match paging.group(key) {
                Some(group) => {
                    from = Bound::Included(behind(group));
                    paging.folder(group)
                }
                None => paging.object(stored.listed(key)),
            };
            if full.is_break() {
                break;
            }
        }
        paging.into_page()
    }
}

impl Stored {
    fn listed(&self, key: &str) -> ListedObject {
        ListedObject { key: key.to_owned(), size: self.bytes.len() as u64, modified_ms: self.modified_ms }
    }
}

/// The first text behind all that start with this group: `0` is the character after `/`.
fn behind(group: &str) -> String {
    format!("{}0", group.trim_end_matches('/'))
}

#[cfg(test)]
crate::conformance!(Memory::default());

#[cfg(test)]
mod tests {
    use super::*;

    #[tokio::test]
    async fn an_object_does_not_hold_the_buffer_it_came_in() {
        let (memory, buffer) = (Memory::default(), Bytes::from(vec![b'x'; 4096]));
        memory.put(&"ns/a".parse().unwrap(), buffer.slice(..1), PutMode::Create).await.unwrap();
        assert!(buffer.is_unique());
    }
}
