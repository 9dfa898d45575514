//! Objects in a map: the reference implementation of the port.

use std::collections::BTreeMap;
use std::convert::Infallible;
use std::fmt;
use std::ops::Bound;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};

use async_trait::async_trait;
use bytes::Bytes;
use cache_core::clock::Clock;
use cache_core::storage::{
    GetOptions, GetResult, ListPage, ListRequest, ListedObject, ObjectHead, ObjectKey, PutMode, Storage, StorageError,
    Version,
};
use cache_core::time::UnixMillis;

use crate::list_page::list_index;
use crate::slice::slice_object;
use crate::system::SystemClock;

/// Objects in memory, which are gone when the process ends. A [`Version`] is the number of the write.
pub struct Memory {
    clock: Arc<dyn Clock>,
    state: Mutex<State>,
}

#[derive(Default)]
struct State {
    objects: BTreeMap<String, Stored>,
    writes: u64,
}

struct Stored {
    bytes: Bytes,
    version: Version,
    modified: UnixMillis,
}

impl Memory {
    /// An empty storage. The clock supplies the modification times.
    pub fn new(clock: Arc<dyn Clock>) -> Self {
        Self { clock, state: Mutex::default() }
    }

    fn state(&self) -> MutexGuard<'_, State> {
        // A panic while the lock was held cannot leave a partial change: each change is one insertion or removal.
        self.state.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

impl Default for Memory {
    fn default() -> Self {
        Self::new(Arc::new(SystemClock))
    }
}

impl fmt::Debug for Memory {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Memory").field("objects", &self.state().objects.len()).finish()
    }
}

#[async_trait]
impl Storage for Memory {
    async fn get(&self, key: &ObjectKey, options: &GetOptions) -> Result<Option<GetResult>, StorageError> {
        Ok(self.state().objects.get(key.as_str()).map(|stored| stored.get(options)))
    }

    async fn head(&self, key: &ObjectKey) -> Result<Option<ObjectHead>, StorageError> {
        Ok(self.state().objects.get(key.as_str()).map(Stored::head))
    }

    async fn put(&self, key: &ObjectKey, bytes: Bytes, mode: PutMode) -> Result<Version, StorageError> {
        // The bytes may be a small part of a large buffer, which would stay in memory as long as the object.
        let bytes = Bytes::copy_from_slice(&bytes);
        let mut state = self.state();
        let current = state.objects.get(key.as_str()).map(|stored| &stored.version);
        let allowed = match &mode {
            PutMode::Overwrite => true,
            PutMode::Create => current.is_none(),
            PutMode::Update(version) => current == Some(version),
        };
        if !allowed {
            return Err(StorageError::Precondition { key: key.to_string() });
        }
        state.writes += 1;
        let version = Version::new(state.writes.to_string());
        let stored = Stored { bytes, version: version.clone(), modified: self.clock.now() };
        state.objects.insert(key.to_string(), stored);
        Ok(version)
    }

    async fn delete(&self, key: &ObjectKey) -> Result<(), StorageError> {
        self.state().objects.remove(key.as_str());
        Ok(())
    }

    async fn list(&self, request: &ListRequest) -> Result<ListPage, StorageError> {
        Ok(self.state().list(request))
    }

    fn seeks(&self) -> bool {
        true
    }
}

impl State {
    fn list(&self, request: &ListRequest) -> ListPage {
        let listed = list_index(request, |from, visit| {
            for (key, stored) in self.objects.range::<str, _>((Bound::Included(from), Bound::Unbounded)) {
                if visit(stored.listed(key)).is_break() {
                    break;
                }
            }
            Ok::<_, Infallible>(())
        });
        let Ok(page) = listed;
        page
    }
}

impl Stored {
    fn get(&self, options: &GetOptions) -> GetResult {
        if options.if_none_match.as_ref() == Some(&self.version) {
            return GetResult::NotModified;
        }
        GetResult::Object(slice_object(self.bytes.clone(), self.version.clone(), options.range.as_ref()))
    }

    fn head(&self) -> ObjectHead {
        let (size, version) = (self.bytes.len() as u64, self.version.clone());
        ObjectHead { size, version, sha256: None, modified: self.modified }
    }

    fn listed(&self, key: &str) -> ListedObject {
        let (size, version) = (self.bytes.len() as u64, self.version.clone());
        ListedObject { key: key.to_owned(), size, version, modified: self.modified }
    }
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
