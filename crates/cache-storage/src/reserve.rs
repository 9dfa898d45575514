//! A file that is removed when the disk is full, so that objects can still be deleted.
//!
//! A delete may have to write before anything gets smaller: the new state of an index, or just the name of a lock file.
//! On a full disk that would fail, and the disk could not be emptied. The reserve is room for such writes. It is filled
//! again when they are done.

use std::fs;
use std::io::{self, Write};
use std::path::PathBuf;
use std::sync::atomic::{AtomicBool, Ordering};

use tempfile::NamedTempFile;

/// Several times the size of the largest index.
const RESERVE_BYTES: usize = 1 << 20;

/// How much an update may grow an object and still use the reserve of a full disk. A delete adds at most a line to an
/// index; a store adds an entry, and must not use up the space that deletes need.
pub(crate) const MAX_RESERVED_GROWTH: u64 = 1_024;

/// The file, or the intention to make it.
#[derive(Debug)]
pub(crate) struct Reserve {
    path: PathBuf,
    is_missing: AtomicBool,
}

impl Reserve {
    pub(crate) fn new(path: PathBuf) -> Self {
        Self { path, is_missing: AtomicBool::new(true) }
    }

    /// Makes the file, unless it is there or the disk has no room for it.
    pub(crate) fn fill(&self) {
        if !self.is_missing.swap(false, Ordering::Relaxed) {
            return;
        }
        if let Err(err) = self.try_fill() {
            self.is_missing.store(true, Ordering::Relaxed);
            tracing::debug!(%err, "no room for the reserve of the disk");
        }
    }

    /// Removes the file. Returns whether that freed space.
    pub(crate) fn release(&self) -> bool {
        let released = fs::remove_file(&self.path).is_ok();
        self.is_missing.store(true, Ordering::Relaxed);
        if released {
            tracing::warn!("the disk is full: using its reserve for a write that does not grow");
        }
        released
    }

    fn try_fill(&self) -> io::Result<()> {
        if fs::metadata(&self.path).is_ok_and(|file| file.len() == RESERVE_BYTES as u64) {
            return Ok(());
        }
        // Random bytes: a file system that compresses would keep a file of zeros without any room.
        let mut bytes = vec![0; RESERVE_BYTES];
        getrandom::fill(&mut bytes).map_err(io::Error::other)?;
        let mut file = NamedTempFile::new_in(self.path.parent().unwrap_or(&self.path))?;
        file.write_all(&bytes)?;
        file.as_file().sync_data()?;
        file.persist(&self.path)?;
        Ok(())
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_released_reserve_is_filled_again() {
        let folder = tempfile::tempdir().unwrap();
        let reserve = Reserve::new(folder.path().join("reserve"));
        assert!(!reserve.release(), "there is none yet");
        reserve.fill();
        assert_eq!(fs::metadata(&reserve.path).unwrap().len(), RESERVE_BYTES as u64);
        assert!(reserve.release() && !reserve.path.exists());
        reserve.fill();
        assert!(reserve.release());
    }
}
