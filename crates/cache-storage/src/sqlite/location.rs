//! Where the database is, and whether it is still there.

use std::fs::{self, File};
use std::io::ErrorKind;
use std::os::unix::fs::OpenOptionsExt;
use std::path::{Path, PathBuf};
use std::time::Duration;

use cache_core::rng::Rng;
use rusqlite::{Connection, OpenFlags};

use super::IN_MEMORY;
use super::error::SqliteError;
use crate::store_file::{FileIdentity, folder_of, free_bytes};
use crate::system::OsRng;

/// For the owner only, because contents may be confidential. SQLite gives the files beside it the same mode.
const FILE_MODE: u32 = 0o600;
/// How long SQLite itself waits for a lock. Who has a deadline tries again.
const BUSY_TIMEOUT: Duration = Duration::from_millis(100);

/// Where the database is.
#[derive(Debug, Clone)]
pub(super) enum Location {
    /// In this file.
    File { path: PathBuf, identity: FileIdentity },
    /// In the memory of this process, under this name.
    Memory(String),
}

impl Location {
    /// Creates the file and its folder unless they exist.
    pub(super) fn create(path: &Path) -> Result<Self, SqliteError> {
        if path.as_os_str() == IN_MEMORY {
            return Ok(Self::Memory(format!("file:/mgraph-{:016x}?vfs=memdb", OsRng.next_u64())));
        }
        fs::create_dir_all(folder_of(path))?;
        // An existing file is not opened here: closing it would release the locks that SQLite has on it, if this process
        // has it open already.
        match File::options().create_new(true).write(true).mode(FILE_MODE).open(path) {
            Err(err) if err.kind() == ErrorKind::AlreadyExists => {}
            created => drop(created?),
        }
        Ok(Self::File { path: path.to_owned(), identity: FileIdentity::of(&fs::metadata(path)?) })
    }

    /// Another connection.
    pub(super) fn connect(&self) -> Result<Connection, SqliteError> {
        // A connection stays with one thread at a time, so SQLite need not lock it.
        let flags = OpenFlags::SQLITE_OPEN_READ_WRITE | OpenFlags::SQLITE_OPEN_NO_MUTEX;
        let connection = match self {
            // Not a URI: a path may contain what a URI would interpret.
            Self::File { path, .. } => Connection::open_with_flags(path, flags)?,
            Self::Memory(uri) => {
                let flags = flags | OpenFlags::SQLITE_OPEN_URI | OpenFlags::SQLITE_OPEN_CREATE;
                Connection::open_with_flags(uri, flags)?
            }
        };
        connection.busy_timeout(BUSY_TIMEOUT)?;
        connection.pragma_update(None, "synchronous", "FULL")?;
        Ok(connection)
    }

    /// Checks that the path still leads to the file that was opened; SQLite does not look.
    pub(super) fn check(&self) -> Result<(), SqliteError> {
        match self {
            Self::Memory(_) => Ok(()),
            Self::File { path, identity } if identity.is_at(path) => Ok(()),
            Self::File { path, .. } => Err(SqliteError::Gone(path.clone())),
        }
    }

    /// How much room the disk has, in bytes. If nobody knows, it has enough.
    pub(super) fn available(&self) -> u64 {
        let Self::File { path, .. } = self else { return u64::MAX };
        free_bytes(rustix::fs::statvfs(path)).unwrap_or(u64::MAX)
    }
}
