//! Why a call to the disk failed.

use std::io;
use std::path::PathBuf;

use cache_core::storage::StorageError;
use rustix::io::Errno;
use thiserror::Error;

use crate::io_failure::IoFailure;

/// A failed call, before it is sorted into the port's cases.
#[derive(Debug, Error)]
pub(super) enum DiskError {
    /// The mode of the put is not met.
    #[error("the object is not in the required state")]
    Precondition,
    /// The file system refused a step before anything had changed.
    #[error(transparent)]
    Io(io::Error),
    /// The change is visible, but not flushed to the disk.
    #[error("the change is visible, but may not survive a power failure")]
    NotDurable(#[source] io::Error),
    /// The path of the root leads elsewhere than at open, or nowhere.
    #[error("'{}' is not the folder that was opened: it was removed, moved, replaced or unmounted", .0.display())]
    RootGone(PathBuf),
    /// A symbolic link is on the way to the object, or in its place.
    #[error("symbolic links below the storage folder are not followed: replace the link by a folder")]
    SymbolicLink(#[source] io::Error),
    /// A folder or a special file is in the place of the object.
    #[error("what is in the place of the object is not a file")]
    NotAFile,
    /// The file system does not support the attributes that a version is made of.
    #[error("the file system keeps modification times of less than microseconds: use another one")]
    CoarseTimes,
    /// The runtime ended before the call.
    #[error("the process is shutting down")]
    ShuttingDown,
}

impl DiskError {
    /// The port's error for a call for this key or prefix.
    pub(super) fn into_storage_error(self, key: &str) -> StorageError {
        let key = key.to_owned();
        match &self {
            Self::Precondition => StorageError::Precondition { key },
            Self::Io(err) => match IoFailure::of(err) {
                IoFailure::Full => StorageError::Full { key, source: self.into() },
                IoFailure::Refused => StorageError::Refused { key, source: self.into() },
                IoFailure::Unavailable => StorageError::Unavailable { key, source: self.into() },
            },
            Self::NotDurable(_) | Self::RootGone(_) | Self::ShuttingDown => {
                StorageError::Unavailable { key, source: self.into() }
            }
            Self::SymbolicLink(_) | Self::NotAFile | Self::CoarseTimes => {
                StorageError::Refused { key, source: self.into() }
            }
        }
    }

    /// Whether the disk is full, or a quota is exhausted, and nothing was written.
    pub(super) fn is_full(&self) -> bool {
        matches!(self, Self::Io(err) if IoFailure::of(err) == IoFailure::Full)
    }
}

impl From<io::Error> for DiskError {
    fn from(err: io::Error) -> Self {
        if err.raw_os_error() == Some(Errno::LOOP.raw_os_error()) { Self::SymbolicLink(err) } else { Self::Io(err) }
    }
}

impl From<Errno> for DiskError {
    fn from(errno: Errno) -> Self {
        io::Error::from(errno).into()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn failed_with(errno: Errno) -> StorageError {
        DiskError::from(errno).into_storage_error("a")
    }

    #[test]
    fn a_full_disk_is_full_a_broken_one_unavailable_and_a_link_refused() {
        assert!(matches!(failed_with(Errno::NOSPC), StorageError::Full { .. }));
        assert!(matches!(failed_with(Errno::IO), StorageError::Unavailable { .. }));
        assert!(matches!(failed_with(Errno::LOOP), StorageError::Refused { .. }));
    }
}
