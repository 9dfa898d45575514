//! What a failed call to the file system means, whichever backend made it.

use std::io::{self, ErrorKind};

/// The cases of the port that an I/O error can be.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum IoFailure {
    /// The disk is full, a quota is exhausted, or the file may not grow further.
    Full,
    /// Retries fail until permissions or what is under the path are changed.
    Refused,
    /// The outcome is unknown, or another try may succeed.
    Unavailable,
}

impl IoFailure {
    pub(crate) fn of(err: &io::Error) -> Self {
        match err.kind() {
            ErrorKind::StorageFull | ErrorKind::QuotaExceeded | ErrorKind::FileTooLarge => Self::Full,
            ErrorKind::AlreadyExists
            | ErrorKind::CrossesDevices
            | ErrorKind::InvalidFilename
            | ErrorKind::IsADirectory
            | ErrorKind::NotADirectory
            | ErrorKind::PermissionDenied
            | ErrorKind::ReadOnlyFilesystem
            | ErrorKind::Unsupported => Self::Refused,
            // What is missing may have been removed a moment ago; the backends find out if their store is gone.
            _ => Self::Unavailable,
        }
    }
}

#[cfg(test)]
mod tests {
    use rustix::io::Errno;

    use super::*;

    #[test]
    fn every_errno_is_the_same_case_for_all_backends() {
        use IoFailure::{Full, Refused, Unavailable};
        for (case, errnos) in [
            (Full, &[Errno::NOSPC, Errno::DQUOT, Errno::FBIG][..]),
            (Refused, &[Errno::ACCESS, Errno::PERM, Errno::ROFS, Errno::XDEV, Errno::NOTDIR, Errno::NOTSUP]),
            (Unavailable, &[Errno::IO, Errno::STALE, Errno::MFILE, Errno::NOENT, Errno::INTR]),
        ] {
            for errno in errnos {
                assert_eq!(IoFailure::of(&io::Error::from(*errno)), case, "{errno}");
            }
        }
    }
}
