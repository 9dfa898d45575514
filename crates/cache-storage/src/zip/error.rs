//! Why a call to the archive failed.

use std::io;
use std::path::PathBuf;
use std::sync::Arc;

use cache_core::storage::StorageError;
use thiserror::Error;

use crate::io_failure::IoFailure;

/// A failed call, before it is sorted into the port's cases.
#[derive(Debug, Error)]
pub(super) enum ZipError {
    /// The mode of the put is not met.
    #[error("the object is not in the required state")]
    Precondition,
    /// The archive would be larger than it may be.
    #[error(
        "the archive may have {max_bytes} bytes, and the write needs {needed}, some of them for later deletes: delete entries, or raise CACHE__SERVICE__ZIP_MAX_BYTES"
    )]
    LimitReached { max_bytes: u64, needed: u64 },
    /// The disk has no room for another archive beside this one.
    #[error(
        "the disk has {room} bytes for the archive, and the write needs {needed}: an archive is written beside the present one"
    )]
    LittleRoom { room: u64, needed: u64 },
    /// The limit is beyond what the format takes.
    #[error("the limit of {0} bytes is too high: a ZIP archive may have {max}", max = super::MAX_BYTES)]
    LimitTooHigh(u64),
    /// An object has 4 GiB or more.
    #[error("an object of {0} bytes is too large for a ZIP archive, which may have {max}", max = super::MAX_BYTES)]
    TooLarge(usize),
    /// The file system refused a step before anything had changed.
    #[error(transparent)]
    Io(io::Error),
    /// The change is visible, but not flushed to the disk.
    #[error("the change is visible, but may not survive a power failure")]
    NotDurable(#[source] io::Error),
    /// The path leads elsewhere than after the last write, or nowhere.
    #[error("'{}' is not the archive that was opened: it was removed, moved or replaced", .0.display())]
    Gone(PathBuf),
    /// Another process has it open.
    #[error(
        "the archive is in use by {0}, and only one process at a time can have it open: stop that one, or use local_disk or sqlite"
    )]
    InUse(String),
    /// There is no list of members.
    #[error("the file is not a ZIP archive, or its end is cut off: {0}. Restore a copy, or name another file")]
    NotAnArchive(String),
    /// Another program wrote it.
    #[error("the archive is not a store of this server (its comment says nothing of one): name another file")]
    Foreign,
    /// A later version of this program wrote it.
    #[error("the archive has format {found}, and this version knows format {known}: use a newer version")]
    Newer { found: u32, known: u32 },
    /// Another program added members.
    #[error("member '{0}' was not written by this server: remove it (zip -d ARCHIVE MEMBER)")]
    ForeignMember(String),
    /// Members whose bytes are not what was written.
    #[error("damaged members: {0}. Restore a copy, or remove them (zip -d ARCHIVE MEMBER)")]
    Damaged(String),
    /// What failed a rewrite, for each of the writes in it.
    #[error(transparent)]
    Shared(Arc<ZipError>),
    /// The runtime ended before the call.
    #[error("the process is shutting down")]
    ShuttingDown,
}

impl ZipError {
    /// The port's error for a call for this key or prefix.
    pub(super) fn into_storage_error(self, key: &str) -> StorageError {
        let key = key.to_owned();
        match self.case() {
            Case::Precondition => StorageError::Precondition { key },
            Case::Full => StorageError::Full { key, source: self.into() },
            Case::Unavailable => StorageError::Unavailable { key, source: self.into() },
            Case::Refused => StorageError::Refused { key, source: self.into() },
        }
    }

    fn case(&self) -> Case {
        match self {
            Self::Precondition => Case::Precondition,
            Self::LimitReached { .. } | Self::LittleRoom { .. } => Case::Full,
            Self::Io(err) => match IoFailure::of(err) {
                IoFailure::Full => Case::Full,
                IoFailure::Refused => Case::Refused,
                IoFailure::Unavailable => Case::Unavailable,
            },
            Self::NotDurable(_) | Self::Gone(_) | Self::ShuttingDown => Case::Unavailable,
            Self::LimitTooHigh(_)
            | Self::TooLarge(_)
            | Self::InUse(_)
            | Self::NotAnArchive(_)
            | Self::Foreign
            | Self::Newer { .. }
            | Self::ForeignMember(_)
            | Self::Damaged(_) => Case::Refused,
            Self::Shared(err) => err.case(),
        }
    }

    /// Whether there is no room, and nothing was written.
    pub(super) fn is_full(&self) -> bool {
        self.case() == Case::Full
    }
}

/// The port's cases.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Case {
    Precondition,
    Full,
    Unavailable,
    Refused,
}

impl From<io::Error> for ZipError {
    fn from(err: io::Error) -> Self {
        Self::Io(err)
    }
}
