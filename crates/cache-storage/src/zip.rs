//! Objects in one ZIP archive, which any ZIP program can read at any moment.
//!
//! The archive is the store: each object is a member with the key as its name. A change writes the whole archive anew beside
//! the old one, flushes it, and renames it over the old one in one step. Members that stay are copied as they are packed,
//! in as few runs as possible, by the kernel where it can (`copy_file_range`). What arrives meanwhile shares the next
//! rewrite (`write_queue`), and every write is acknowledged when it is durable.
//!
//! So a write costs as much as copying the archive, and needs that much free space for a moment (stores leave room for that): this is for stores of up
//! to some hundred megabytes which are read more than they are written, or carried around. The index is in memory; contents
//! are read from the archive when they are asked for, and compared with their checksum: the system keeps the file's pages in
//! memory already, and the server keeps contents.
//!
//! One process at a time can have it open. The lock is held on a file beside it, which names that process. The archive
//! never grows beyond [`ZipConfig::max_bytes`]: a write that does not fit is [`StorageError::Full`]. Updates that grow an
//! object by a line at most may use a sixteenth of that (at most 1 MiB) that other writes leave free, because a delete has
//! to note what it did.
//!
//! Opening reads every member, and names those that are damaged. An archive without our comment, or with members of
//! somebody else, is refused and left as it is.
//!
//! A [`Version`] is the number of the write. The archive's comment keeps the next one, so that none comes twice.

use std::fmt;
use std::io::ErrorKind;
use std::path::PathBuf;
use std::sync::{Arc, PoisonError, RwLock};

use async_trait::async_trait;
use bytes::Bytes;
use cache_core::storage::{
    GetOptions, GetResult, ListPage, ListRequest, ObjectHead, ObjectKey, PutMode, Storage, StorageError, Version,
};
use tokio::task::spawn_blocking;

use crate::store_file::folder_of;
use crate::write_queue::WriteQueue;
use archive::Archive;
use error::ZipError;
use lock::Lock;
use packed::Packed;
use writer::Writer;

mod archive;
mod error;
mod format;
mod lock;
mod open;
mod packed;
mod writer;

/// The largest archive that there can be, in bytes.
pub const MAX_BYTES: u64 = u32::MAX as u64;

/// Which archive, and how large it may be.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct ZipConfig {
    /// The archive, which is created if it does not exist.
    pub path: PathBuf,
    /// How large it may grow, in bytes; at most [`MAX_BYTES`].
    pub max_bytes: u64,
}

/// Objects in a ZIP archive. Clones share it.
#[derive(Clone)]
pub struct Zip {
    current: Current,
    queue: Arc<WriteQueue<Packed>>,
}

/// The state of the archive after the last rewrite. The lock is held while the file and the index change together.
type Current = Arc<RwLock<Arc<Archive>>>;

impl Zip {
    /// Opens the archive, which is created if it does not exist, and checks every member. It blocks until that is done:
    /// call it when the program starts.
    ///
    /// # Errors
    ///
    /// [`StorageError::Refused`] if the archive is damaged, is not ours, is in use by another process, or cannot be written
    /// to. [`StorageError::Full`] if there is no room for it.
    pub fn open(config: &ZipConfig) -> Result<Self, StorageError> {
        Self::try_open(config).map_err(|err| err.into_storage_error(&config.path.to_string_lossy()))
    }

    fn try_open(config: &ZipConfig) -> Result<Self, ZipError> {
        if config.max_bytes > MAX_BYTES {
            return Err(ZipError::LimitTooHigh(config.max_bytes));
        }
        std::fs::create_dir_all(folder_of(&config.path))?;
        let lock = Lock::acquire(&config.path)?;
        let archive = match open::open(&config.path) {
            Err(ZipError::Io(err)) if err.kind() == ErrorKind::NotFound => writer::create(&config.path)?,
            opened => opened?,
        };
        let current = Arc::new(RwLock::new(Arc::new(archive)));
        let writer = Writer::new(config, current.clone(), lock);
        let queue = Arc::new(WriteQueue::start("zip-writer", writer)?);
        Ok(Self { current, queue })
    }

    /// The state of the archive.
    fn archive(&self) -> Arc<Archive> {
        self.current.read().unwrap_or_else(PoisonError::into_inner).clone()
    }

    /// The state of the archive, if its path still leads to it. Asked for before a miss or a listing is reported.
    fn checked(&self, key: &str) -> Result<Arc<Archive>, StorageError> {
        // Under the lock: between the rename and the new index, the file would seem to be another one.
        let current = self.current.read().unwrap_or_else(PoisonError::into_inner);
        current.check().map_err(|err| err.into_storage_error(key))?;
        Ok(current.clone())
    }
}

#[async_trait]
impl Storage for Zip {
    async fn get(&self, key: &ObjectKey, options: &GetOptions) -> Result<Option<GetResult>, StorageError> {
        let archive = self.archive();
        let Some(&member) = archive.member(key) else {
            return self.checked(key.as_str()).map(|_| None);
        };
        if options.if_none_match.as_ref() == Some(&member.version()) {
            return Ok(Some(GetResult::NotModified));
        }
        if let Some(cached) = archive.read_cached(key, &member, options.range.as_ref()) {
            return cached
                .map(|object| Some(GetResult::Object(object)))
                .map_err(|err| err.into_storage_error(key.as_str()));
        }
        let (own, range) = (key.clone(), options.range.clone());
        let read = spawn_blocking(move || archive.read(&own, &member, range.as_ref())).await;
        let object = read.unwrap_or(Err(ZipError::ShuttingDown)).map_err(|err| err.into_storage_error(key.as_str()))?;
        Ok(Some(GetResult::Object(object)))
    }

    async fn head(&self, key: &ObjectKey) -> Result<Option<ObjectHead>, StorageError> {
        match self.archive().member(key) {
            Some(member) => Ok(Some(member.head())),
            None => self.checked(key.as_str()).map(|_| None),
        }
    }

    async fn put(&self, key: &ObjectKey, bytes: Bytes, mode: PutMode) -> Result<Version, StorageError> {
        // Several callers pack side by side; only the writing is one after the other.
        let packed = spawn_blocking(move || Packed::of(bytes)).await;
        let packed =
            packed.unwrap_or(Err(ZipError::ShuttingDown)).map_err(|err| err.into_storage_error(key.as_str()))?;
        let bytes = packed.bytes.len();
        self.queue.put(key, packed, bytes, mode).await
    }

    async fn delete(&self, key: &ObjectKey) -> Result<(), StorageError> {
        self.queue.delete(key).await
    }

    async fn list(&self, request: &ListRequest) -> Result<ListPage, StorageError> {
        Ok(self.checked(&request.prefix)?.list(request))
    }
}

impl fmt::Debug for Zip {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Zip").field("archive", &self.archive()).finish_non_exhaustive()
    }
}

#[cfg(test)]
mod tests;

#[cfg(test)]
crate::conformance!(
    let folder = tempfile::tempdir().unwrap();
    Zip::open(&ZipConfig { path: folder.path().join("cache.zip"), max_bytes: 1 << 30 }).unwrap()
);
