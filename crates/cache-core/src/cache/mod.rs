//! The use cases. Each is one method of [`Cache`], in a file of its own; this file holds what they share.
//!
//! Reading order: `store` (the protocol in one place), `swap` (the one loop that changes an index), `retrieve`, `delete`.

mod admin;
mod adopt;
mod blobs;
mod children;
mod clear;
mod delete;
mod exists;
mod listing;
mod namespace;
mod pages;
mod retrieve;
mod rollback;
mod settings;
mod store;
mod swap;
mod sweep;
mod update;
mod upload;
mod versions;
mod views;
mod zip;

use std::sync::Arc;
use std::time::Duration;

use bytes::Bytes;

pub use self::admin::{File, FileDeleted, ListFiles};
pub use self::blobs::BlobCacheCounts;
pub use self::children::{Child, ChildName};
pub use self::delete::Deleted;
pub use self::namespace::{DatedEntry, EntriesRequest, NamePage, Stats};
pub use self::retrieve::{Details, Entry, Retrieved, Selector};
pub use self::store::{StoreRequest, Stored};
pub use self::sweep::{OLD_MS, Swept};
pub use self::upload::{LARGEST_TEXT_BYTES, Upload, UploadLimits, UploadRequest};
pub use self::versions::{Of, Versions};
pub use self::views::Paths;
pub use self::zip::{ArchiveEntry, ArchiveError, ArchivePlace, Archives, Edited, StoredArchive};

use self::blobs::BlobCache;
use crate::error::Error;
use crate::index::Index;
use crate::record::{Record, RecordState};
use crate::storage::{ObjectKey, PutMode, Storage, StorageError, Version};
use crate::surroundings::Surroundings;

/// How long one operation keeps trying when nobody said otherwise.
pub const DEFAULT_PATIENCE: Duration = Duration::from_secs(25);

/// The time to live of a namespace that sets none, in hours.
pub const DEFAULT_TTL_HOURS: u32 = 24;

/// The cache: all use cases over one storage. Cheap to clone; clones share what is in flight.
#[derive(Debug, Clone)]
pub struct Cache {
    storage: Arc<dyn Storage>,
    surroundings: Arc<dyn Surroundings>,
    lanes: Arc<swap::Lanes>,
    remembered_settings: Arc<settings::RememberedSettings>,
    blobs: Arc<BlobCache>,
    default_ttl_hours: u32,
    largest_in_memory: u64,
    deadline_ms: Option<u64>,
}

impl Cache {
    /// A cache over a storage. It keeps no contents in memory.
    pub fn new(storage: Arc<dyn Storage>, surroundings: Arc<dyn Surroundings>) -> Self {
        Self {
            storage,
            surroundings,
            lanes: Arc::default(),
            remembered_settings: Arc::default(),
            blobs: Arc::default(),
            default_ttl_hours: DEFAULT_TTL_HOURS,
            largest_in_memory: u64::MAX,
            deadline_ms: None,
        }
    }

    /// The same cache with another time to live for namespaces that set none, in hours.
    #[must_use]
    pub fn with_default_ttl_hours(self, default_ttl_hours: u32) -> Self {
        Self { default_ttl_hours, ..self }
    }

    /// The same cache, which keeps contents in memory, up to so many bytes, and so saves reading them again. With 0 it keeps
    /// none.
    #[must_use]
    pub fn with_blob_cache(self, capacity: u64) -> Self {
        Self { blobs: Arc::new(BlobCache::new(capacity)), ..self }
    }

    /// The same cache, which reads no content into memory that has more bytes than this. Uploads may be larger.
    #[must_use]
    pub fn with_largest_in_memory(self, largest_in_memory: u64) -> Self {
        Self { largest_in_memory, ..self }
    }

    /// How the contents in memory have fared since the process started.
    pub fn blob_cache(&self) -> BlobCacheCounts {
        self.blobs.counts()
    }

    /// The same cache, whose operations stop trying at this time (milliseconds since 1970, UTC).
    #[must_use]
    pub fn until(&self, deadline_ms: u64) -> Self {
        Self { deadline_ms: Some(deadline_ms), ..self.clone() }
    }

    /// The same cache over another view of its storage, such as one that counts. It shares with this cache what is in flight,
    /// so both have to lead to the same objects.
    #[must_use]
    pub fn through(&self, storage: Arc<dyn Storage>) -> Self {
        Self { storage, ..self.clone() }
    }

    /// The same cache with its deadline set, counted from now when there was none.
    fn begin(&self) -> Self {
        let patience = u64::try_from(DEFAULT_PATIENCE.as_millis()).unwrap_or(u64::MAX);
        self.until(self.deadline_ms.unwrap_or_else(|| self.surroundings.now_ms() + patience))
    }

    async fn read(&self, key: &ObjectKey) -> Result<Option<Bytes>, Error> {
        Ok(self.storage.get(key, None).await?.map(|object| object.bytes))
    }

    /// The record under a key, or `None` when there is none or a grave.
    async fn read_record(&self, key: &ObjectKey) -> Result<Option<Record>, Error> {
        Ok(self.load_record(key).await?.map(|(record, _)| record))
    }

    /// As [`Cache::read_record`], with the state to replace.
    async fn load_record(&self, key: &ObjectKey) -> Result<Option<(Record, Version)>, Error> {
        let Some(object) = self.storage.get(key, None).await? else { return Ok(None) };
        match RecordState::parse(&object.bytes).map_err(|error| Error::corrupt(key, error))? {
            RecordState::Live(record) => Ok(Some((*record, object.version))),
            RecordState::Grave => Ok(None),
        }
    }

    async fn load_index(&self, key: &ObjectKey) -> Result<LoadedIndex, Error> {
        let Some(object) = self.storage.get(key, None).await? else { return Ok(LoadedIndex::default()) };
        let index = serde_json::from_slice(&object.bytes).map_err(|error| Error::corrupt(key, error))?;
        Ok(LoadedIndex { index: Some(index), state: Some(object.version) })
    }

    async fn overwrite(&self, key: &ObjectKey, bytes: impl Into<Bytes>) -> Result<Version, Error> {
        Ok(self.storage.put(key, bytes.into(), PutMode::Overwrite).await?)
    }

    /// Writes what must not be there yet; `false` when it is. An earlier attempt of the same call may be what is there.
    async fn create(&self, key: &ObjectKey, bytes: impl Into<Bytes>) -> Result<bool, Error> {
        match self.storage.put(key, bytes.into(), PutMode::Create).await {
            Ok(_) => Ok(true),
            Err(StorageError::Conflict { .. }) => Ok(false),
            Err(error) => Err(error.into()),
        }
    }

    async fn remove(&self, key: &ObjectKey) -> Result<(), Error> {
        Ok(self.storage.delete(key).await?)
    }
}

/// An index as it was read, with the state to replace. Both are `None` when there was no object.
#[derive(Debug, Clone, Default)]
struct LoadedIndex {
    index: Option<Index>,
    state: Option<Version>,
}

impl LoadedIndex {
    /// The number that the next version gets.
    fn next(&self) -> u64 {
        self.index.as_ref().map_or(1, |index| index.next)
    }
}
