//! The one file that a store is in: its folder, whether it is still in its place, and how much room there is beside it.

use std::fs::{self, Metadata};
use std::os::unix::fs::MetadataExt;
use std::path::Path;

use rustix::fs::StatVfs;

/// Which file it is, whatever its name: device and inode.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) struct FileIdentity {
    device: u64,
    inode: u64,
}

impl FileIdentity {
    pub(crate) fn of(file: &Metadata) -> Self {
        Self { device: file.dev(), inode: file.ino() }
    }

    /// Whether the path leads to this file. One that was removed can still be written to, but nobody would find it again.
    pub(crate) fn is_at(self, path: &Path) -> bool {
        fs::metadata(path).is_ok_and(|found| Self::of(&found) == self)
    }
}

/// The folder that a file is in.
pub(crate) fn folder_of(file: &Path) -> &Path {
    file.parent().filter(|folder| !folder.as_os_str().is_empty()).unwrap_or(Path::new("."))
}

/// How much room a disk has, in bytes; `None` if the system does not say.
pub(crate) fn free_bytes(disk: rustix::io::Result<StatVfs>) -> Option<u64> {
    disk.ok().map(|disk| disk.f_bavail.saturating_mul(disk.f_frsize))
}
