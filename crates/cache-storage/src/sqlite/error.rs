//! Why a call to the database failed.

use std::io;
use std::path::PathBuf;

use cache_core::storage::StorageError;
use rusqlite::ffi::{SQLITE_IOERR_SHMSIZE, SQLITE_IOERR_TRUNCATE, SQLITE_IOERR_WRITE};
use rusqlite::{Error, ErrorCode};
use thiserror::Error;

use crate::io_failure::IoFailure;

/// A failed call, before it is sorted into the port's cases.
#[derive(Debug, Error)]
pub(super) enum SqliteError {
    /// SQLite reports an error.
    #[error(transparent)]
    Sqlite(Error),
    /// The disk is full, which SQLite reported as an error of input or output.
    #[error("the disk is full")]
    Full(#[source] Error),
    /// The disk has some room, which is left to deletes.
    #[error("the disk has {available} bytes of room, and the write needs {needed}, for some are kept for deletes")]
    LittleRoom { available: u64, needed: u64 },
    /// SQLite found the file inconsistent.
    #[error(
        "the database is damaged: {0}. Restore a copy, or save what can be read with `sqlite3 FILE .recover` into a new file"
    )]
    Damaged(String),
    /// There is something else in the file.
    #[error("the file is not a SQLite database, or its beginning is damaged: name another file, or restore a copy")]
    NotADatabase,
    /// The file cannot be created or looked at.
    #[error(transparent)]
    Io(io::Error),
    /// The path leads elsewhere than at open, or nowhere.
    #[error("'{}' is not the file that was opened: it was removed, moved or replaced", .0.display())]
    Gone(PathBuf),
    /// The file belongs to another program.
    #[error(
        "the file is a SQLite database of another program (application_id {application_id}, tables {tables}): name another file"
    )]
    Foreign { application_id: i32, tables: String },
    /// A later version of this program wrote the file.
    #[error("the file has format {found}, and this version knows formats up to {known}: use a newer version")]
    Newer { found: i32, known: i32 },
    /// The file system does not support what WAL mode needs.
    #[error(
        "the file cannot be used in WAL mode (SQLite chose '{0}'): put it on a local file system that can be written to"
    )]
    NoWal(String),
    /// More than a row can hold.
    #[error("an object of {0} bytes is too large for SQLite, which takes {max}: use local_disk or s3", max = super::MAX_OBJECT_BYTES)]
    TooLarge(usize),
    /// The runtime ended before the call.
    #[error("the process is shutting down")]
    ShuttingDown,
}

impl SqliteError {
    /// The port's error for a call for this key or prefix.
    pub(super) fn into_storage_error(self, key: &str) -> StorageError {
        let key = key.to_owned();
        let source = self.into_source();
        match &source {
            Self::Full(_) | Self::LittleRoom { .. } => StorageError::Full { key, source: source.into() },
            Self::Sqlite(err) => match err.sqlite_error_code() {
                Some(ErrorCode::DiskFull) => StorageError::Full { key, source: source.into() },
                Some(ErrorCode::PermissionDenied | ErrorCode::ReadOnly | ErrorCode::TooBig) => {
                    StorageError::Refused { key, source: source.into() }
                }
                _ => StorageError::Unavailable { key, source: source.into() },
            },
            Self::Io(err) => match IoFailure::of(err) {
                IoFailure::Full => StorageError::Full { key, source: source.into() },
                IoFailure::Refused => StorageError::Refused { key, source: source.into() },
                IoFailure::Unavailable => StorageError::Unavailable { key, source: source.into() },
            },
            Self::Gone(_) | Self::ShuttingDown => StorageError::Unavailable { key, source: source.into() },
            Self::Damaged(_)
            | Self::NotADatabase
            | Self::Foreign { .. }
            | Self::Newer { .. }
            | Self::NoWal(_)
            | Self::TooLarge(_) => StorageError::Refused { key, source: source.into() },
        }
    }

    /// Says what to do about a damaged file.
    fn into_source(self) -> Self {
        match self.code() {
            Some(ErrorCode::DatabaseCorrupt) => Self::Damaged(self.to_string()),
            Some(ErrorCode::NotADatabase) => Self::NotADatabase,
            _ => self,
        }
    }

    fn code(&self) -> Option<ErrorCode> {
        if let Self::Sqlite(err) = self { err.sqlite_error_code() } else { None }
    }

    /// Whether another process has the database for itself at the moment.
    pub(super) fn is_busy(&self) -> bool {
        matches!(self.code(), Some(ErrorCode::DatabaseBusy | ErrorCode::DatabaseLocked))
    }

    /// Whether the disk is full, and nothing was written.
    pub(super) fn is_full(&self) -> bool {
        matches!(self, Self::Full(_) | Self::LittleRoom { .. }) || self.code() == Some(ErrorCode::DiskFull)
    }

    /// Whether nothing was written, so that the writes of a failed commit can be tried one by one.
    pub(super) fn wrote_nothing(&self) -> bool {
        self.is_full() || self.code() == Some(ErrorCode::TooBig)
    }

    /// Tells a full disk from a broken one: SQLite reports both as an I/O error where it enlarges its shared memory.
    pub(super) fn or_full(self, has_room: impl FnOnce() -> bool) -> Self {
        match self {
            Self::Sqlite(err) if is_growth(&err) && !has_room() => Self::Full(err),
            other => other,
        }
    }
}

/// Whether a file could not be enlarged.
fn is_growth(err: &Error) -> bool {
    let code = err.sqlite_error().map(|err| err.extended_code);
    matches!(code, Some(SQLITE_IOERR_SHMSIZE | SQLITE_IOERR_WRITE | SQLITE_IOERR_TRUNCATE))
}

impl From<Error> for SqliteError {
    fn from(err: Error) -> Self {
        Self::Sqlite(err)
    }
}

impl From<io::Error> for SqliteError {
    fn from(err: io::Error) -> Self {
        Self::Io(err)
    }
}
