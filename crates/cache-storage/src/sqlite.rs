//! Objects in one SQLite file, which any number of processes of one machine may share.
//!
//! | table | holds |
//! |---|---|
//! | `objects` | one small row for each key, in key order: version, size, time. Listings read nothing else |
//! | `contents` | the bytes, under their version |
//!
//! A [`Version`] is the row id of the content. SQLite never gives one twice (`AUTOINCREMENT`), whatever is deleted, so a
//! version names one state of one key, forever.
//!
//! The file is in WAL mode with `synchronous=FULL`: a write is acknowledged when it is flushed to the disk, and readers
//! never wait for writers. One thread of the process writes; what arrives while it flushes is committed together next
//! (`write_queue`). Between processes SQLite's lock decides who writes (`BEGIN IMMEDIATE`). A process that does not get it waits
//! as long as somebody waits for the write, so a request ends at its deadline. Reads run in the blocking pool, on up to
//! [`MAX_READERS`] connections.
//!
//! A file of the Python service is taken as it is: what is in its table becomes objects, and stays there until it is replaced or
//! deleted (`python_table`). Any other file that is not ours is refused, and left as it is. So is a damaged one: opening it checks its structure for up to
//! two seconds. If the file is removed or replaced under a running process, every call is [`StorageError::Unavailable`].
//!
//! Stores leave the last 8 MiB of a disk free, so that a full disk can be emptied: a delete needs room in the log. If others
//! use that up, deletes are [`StorageError::Full`] as well. Room that deletes free stays in the file, for later stores.
//!
//! Beside the file lie `-wal` and `-shm` while it is open, and after a crash until the next open: they are parts of the
//! database and must be moved with it. The file must be on a local file system, not a network share. An object has up to
//! [`MAX_OBJECT_BYTES`].

use std::fmt;
use std::path::{Path, PathBuf};
use std::sync::{Arc, Mutex, PoisonError};
use std::time::Duration;

use async_trait::async_trait;
use bytes::Bytes;
use cache_core::storage::{
    GetOptions, GetResult, ListPage, ListRequest, ObjectHead, ObjectKey, PutMode, Storage, StorageError, Version,
};
use rusqlite::Connection;
use tokio::sync::Semaphore;
use tokio::task::spawn_blocking;

use crate::write_queue::WriteQueue;
use error::SqliteError;
use location::Location;
use writer::Writer;

mod error;
mod location;
mod python_table;
mod reader;
mod schema;
mod writer;

/// How many calls read at the same time.
pub const MAX_READERS: usize = 8;
/// The largest object, in bytes: SQLite's own limit, less what a row needs.
pub const MAX_OBJECT_BYTES: usize = 999_000_000;
/// The path of a database that is gone with its process.
pub const IN_MEMORY: &str = ":memory:";

/// How long a read waits before it tries again, while another process has the database for itself.
const BUSY_PAUSE: Duration = Duration::from_millis(20);

/// Objects in a SQLite file. Clones share it.
#[derive(Clone)]
pub struct Sqlite {
    readers: Arc<Readers>,
    queue: Arc<WriteQueue<Bytes>>,
}

/// Connections that read.
struct Readers {
    location: Location,
    idle: Mutex<Vec<Connection>>,
    permits: Arc<Semaphore>,
}

impl Sqlite {
    /// Opens the file, which is created if it does not exist; [`IN_MEMORY`] is a database of this process. It blocks for
    /// a moment: call it when the program starts.
    ///
    /// # Errors
    ///
    /// [`StorageError::Refused`] if the file cannot be opened, is damaged, or is not ours. [`StorageError::Full`] if there
    /// is no room for it. [`StorageError::Unavailable`] if another process keeps it locked.
    pub fn open(path: impl Into<PathBuf>) -> Result<Self, StorageError> {
        let path = path.into();
        let name = path.to_string_lossy().into_owned();
        Self::try_open(&path).map_err(|err| err.into_storage_error(&name))
    }

    fn try_open(path: &Path) -> Result<Self, SqliteError> {
        let location = Location::create(path)?;
        let mut connection = location.connect()?;
        schema::prepare(&mut connection, &location)?;
        let writer = Writer::new(connection, location.clone());
        let queue = Arc::new(WriteQueue::start("sqlite-writer", writer).map_err(SqliteError::Io)?);
        let readers = Readers { location, idle: Mutex::default(), permits: Arc::new(Semaphore::new(MAX_READERS)) };
        Ok(Self { readers: Arc::new(readers), queue })
    }

    /// Runs a read on a thread that may block, and again as long as another process has the database for itself.
    async fn read<T, F>(&self, key: &str, read: F) -> Result<T, StorageError>
    where
        T: Send + 'static,
        F: Fn(&Connection) -> Result<T, SqliteError> + Clone + Send + 'static,
    {
        loop {
            let Ok(permit) = self.readers.permits.clone().acquire_owned().await else {
                return Err(SqliteError::ShuttingDown.into_storage_error(key));
            };
            let (readers, read) = (self.readers.clone(), read.clone());
            let result = spawn_blocking(move || {
                let _permit = permit;
                readers.run(read)
            });
            match result.await.unwrap_or(Err(SqliteError::ShuttingDown)) {
                Err(err) if err.is_busy() => tokio::time::sleep(BUSY_PAUSE).await,
                result => return result.map_err(|err| err.into_storage_error(key)),
            }
        }
    }
}

impl Readers {
    fn run<T>(&self, read: impl Fn(&Connection) -> Result<T, SqliteError>) -> Result<T, SqliteError> {
        self.location.check()?;
        let idle = || self.idle.lock().unwrap_or_else(PoisonError::into_inner);
        let reused = idle().pop();
        let connection = reused.map_or_else(|| self.location.connect(), Ok)?;
        let result = read(&connection)?;
        // After an error the connection is closed: the next call starts afresh.
        idle().push(connection);
        Ok(result)
    }
}

#[async_trait]
impl Storage for Sqlite {
    async fn get(&self, key: &ObjectKey, options: &GetOptions) -> Result<Option<GetResult>, StorageError> {
        let (own, options) = (key.clone(), options.clone());
        self.read(key.as_str(), move |connection| reader::get(connection, own.as_str(), &options)).await
    }

    async fn head(&self, key: &ObjectKey) -> Result<Option<ObjectHead>, StorageError> {
        let own = key.clone();
        self.read(key.as_str(), move |connection| reader::head(connection, own.as_str())).await
    }

    async fn put(&self, key: &ObjectKey, bytes: Bytes, mode: PutMode) -> Result<Version, StorageError> {
        let size = bytes.len();
        if size > MAX_OBJECT_BYTES {
            return Err(SqliteError::TooLarge(size).into_storage_error(key.as_str()));
        }
        self.queue.put(key, bytes, size, mode).await
    }

    async fn delete(&self, key: &ObjectKey) -> Result<(), StorageError> {
        self.queue.delete(key).await
    }

    async fn list(&self, request: &ListRequest) -> Result<ListPage, StorageError> {
        let own = request.clone();
        self.read(&request.prefix, move |connection| reader::list(connection, &own)).await
    }
}

impl fmt::Debug for Sqlite {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Sqlite").field("location", &self.readers.location).finish_non_exhaustive()
    }
}

#[cfg(test)]
mod tests;

#[cfg(test)]
mod in_file {
    use super::*;

    crate::conformance!(let folder = tempfile::tempdir().unwrap(); Sqlite::open(folder.path().join("cache.sqlite")).unwrap());
}

#[cfg(test)]
mod in_memory {
    use super::*;

    crate::conformance!(Sqlite::open(IN_MEMORY).unwrap());
}
