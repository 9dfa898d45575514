//! Versions of files: inode, modification time in nanoseconds, and size. No byte has to be read for them.
//!
//! A version must never come back for a key, so writers set the modification time themselves. The time that the kernel
//! would set is that of its last tick, some milliseconds ago: two writes within one tick get the same time, and because
//! the inode of a deleted file is reused at once, a file that is deleted and created again could look unchanged.

use std::fs::{File, FileTimes};
use std::io;
use std::time::{Duration, SystemTime, UNIX_EPOCH};

use cache_core::storage::Version;
use cache_core::time::UnixMillis;
use rustix::fs::{Stat, fstat};

use super::error::DiskError;

/// How much later than the state that it replaces a new state is, at least. Some file systems do not keep nanoseconds.
const MIN_STEP_NANOS: i128 = 1_000;

/// The modification time of a new state of an object, in nanoseconds since 1970.
pub(super) struct Stamp(i128);

impl Stamp {
    /// Now, or just after the state that is replaced if the clock was set back.
    pub(super) fn after(replaced: Option<&Stat>) -> Self {
        let since = SystemTime::now().duration_since(UNIX_EPOCH).unwrap_or_default();
        let now = i128::try_from(since.as_nanos()).unwrap_or(i128::MAX);
        Self(replaced.map_or(now, |file| now.max(modified_nanos(file) + MIN_STEP_NANOS)))
    }

    /// Sets the time of a file that is written but not yet in its place, and returns the version that it will have
    /// there.
    pub(super) fn apply(&self, file: &File) -> io::Result<Version> {
        let since = Duration::from_nanos(u64::try_from(self.0).unwrap_or_default());
        file.set_times(FileTimes::new().set_modified(UNIX_EPOCH + since))?;
        Ok(version_of(&fstat(file)?))
    }
}

/// The version of a file that is an object.
pub(super) fn version_of(file: &Stat) -> Version {
    Version::new(format!("{:x}-{:x}-{:x}", file.st_ino, modified_nanos(file), file.st_size))
}

/// When a file was last written.
pub(super) fn modified(file: &Stat) -> UnixMillis {
    UnixMillis::new(u64::try_from(modified_nanos(file) / 1_000_000).unwrap_or_default())
}

/// The size of a file in bytes.
pub(super) fn size(file: &Stat) -> u64 {
    u64::try_from(file.st_size).unwrap_or_default()
}

/// Checks that the file system keeps times as exactly as versions need.
pub(super) fn require_exact_times(file: &File) -> Result<(), DiskError> {
    let exact = Stamp(1_234_567_890_123_456_000);
    exact.apply(file)?;
    if modified_nanos(&fstat(file)?) == exact.0 { Ok(()) } else { Err(DiskError::CoarseTimes) }
}

fn modified_nanos(file: &Stat) -> i128 {
    i128::from(file.st_mtime) * 1_000_000_000 + i128::from(file.st_mtime_nsec)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_state_is_later_than_the_one_that_it_replaces() {
        let file = tempfile::tempfile().unwrap();
        file.set_modified(SystemTime::now() + Duration::from_secs(86_400)).unwrap();
        let before = fstat(&file).unwrap();
        let after = Stamp::after(Some(&before)).apply(&file).unwrap();
        assert_ne!(after, version_of(&before));
        assert_eq!(modified_nanos(&fstat(&file).unwrap()), modified_nanos(&before) + MIN_STEP_NANOS);
    }

    #[test]
    fn the_file_system_of_the_tests_keeps_exact_times() {
        require_exact_times(&tempfile::tempfile().unwrap()).unwrap();
    }
}
