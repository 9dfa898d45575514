//! Versions of files: inode, modification time in nanoseconds, and size. No byte has to be read for them.
//!
//! A version must never come back for a key, so writers set the modification time themselves. The time that the kernel would
//! set is that of its last tick, some milliseconds ago: two writes in one tick have the same time, and because the inode of
//! a deleted file is reused at once, a file that is deleted and created again could look unchanged.

use std::fs::{File, FileTimes, Metadata};
use std::io;
use std::os::unix::fs::MetadataExt;
use std::time::{Duration, SystemTime};

use cache_core::storage::Version;

/// The modification time of a new state of an object.
pub(super) struct Stamp(SystemTime);

impl Stamp {
    /// Now, but at least a nanosecond after the state that is replaced: clocks are set back, too.
    pub(super) fn after(replaced: Option<&Metadata>) -> Self {
        let next = replaced.and_then(|file| file.modified().ok()?.checked_add(Duration::from_nanos(1)));
        let now = SystemTime::now();
        Self(next.map_or(now, |next| next.max(now)))
    }

    /// Sets the time of a file that is written but not yet in its place, and returns the version that it will have there.
    pub(super) fn apply(self, file: &File) -> io::Result<Version> {
        file.set_times(FileTimes::new().set_modified(self.0))?;
        Ok(version_of(&file.metadata()?))
    }
}

/// The version of a file that is an object.
pub(super) fn version_of(file: &Metadata) -> Version {
    let nanoseconds = i128::from(file.mtime()) * 1_000_000_000 + i128::from(file.mtime_nsec());
    Version::new(format!("{:x}-{nanoseconds:x}-{:x}", file.ino(), file.size()))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_state_is_later_than_the_one_that_it_replaces() {
        let file = tempfile::tempfile().unwrap();
        let tomorrow = SystemTime::now() + Duration::from_secs(86_400);
        file.set_modified(tomorrow).unwrap();
        let before = version_of(&file.metadata().unwrap());
        let after = Stamp::after(Some(&file.metadata().unwrap())).apply(&file).unwrap();
        assert_ne!(after, before);
        assert_eq!(file.metadata().unwrap().modified().unwrap(), tomorrow + Duration::from_nanos(1));
    }
}
