//! Why a call to the disk failed.

use std::io::{self, ErrorKind};
use std::path::PathBuf;

use cache_core::storage::StorageError;
use rustix::io::Errno;
use thiserror::Error;

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
            Self::Io(_) if self.is_full() => StorageError::Full { key, source: self.into() },
            Self::Io(err) if is_lasting(err) => StorageError::Refused { key, source: self.into() },
            Self::Io(_) | Self::NotDurable(_) | Self::RootGone(_) | Self::ShuttingDown => {
                StorageError::Unavailable { key, source: self.into() }
            }
            Self::SymbolicLink(_) | Self::NotAFile | Self::CoarseTimes => {
                StorageError::Refused { key, source: self.into() }
            }
        }
    }

    /// Whether the disk is full, or a quota is exhausted, and nothing was written.
    pub(super) fn is_full(&self) -> bool {
        matches!(self, Self::Io(err) if matches!(err.kind(), ErrorKind::StorageFull | ErrorKind::QuotaExceeded))
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

/// Whether retries fail until permissions or the folder are changed.
fn is_lasting(err: &io::Error) -> bool {
    use ErrorKind::{
        AlreadyExists, CrossesDevices, InvalidFilename, IsADirectory, NotADirectory, PermissionDenied,
        ReadOnlyFilesystem, Unsupported,
    };
    matches!(
        err.kind(),
        AlreadyExists
            | CrossesDevices
            | InvalidFilename
            | IsADirectory
            | NotADirectory
            | PermissionDenied
            | ReadOnlyFilesystem
            | Unsupported
    )
}

#[cfg(test)]
mod tests {
    use super::*;

    fn failed_with(errno: Errno) -> StorageError {
        DiskError::from(errno).into_storage_error("a")
    }

    #[test]
    fn a_full_disk_or_an_exhausted_quota_is_full() {
        for errno in [Errno::NOSPC, Errno::DQUOT] {
            assert!(matches!(failed_with(errno), StorageError::Full { .. }), "{errno}");
        }
    }

    #[test]
    fn a_broken_or_stale_disk_is_unavailable() {
        for errno in [Errno::IO, Errno::STALE, Errno::MFILE] {
            assert!(matches!(failed_with(errno), StorageError::Unavailable { .. }), "{errno}");
        }
    }

    #[test]
    fn missing_permissions_and_links_are_refused() {
        for errno in [Errno::ACCESS, Errno::PERM, Errno::ROFS, Errno::XDEV, Errno::LOOP] {
            assert!(matches!(failed_with(errno), StorageError::Refused { .. }), "{errno}");
        }
    }
}
