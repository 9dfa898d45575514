//! The store's own folder `.mgraph`, which no key leads to: locks, and files that are still being written.
//!
//! | path | what |
//! |---|---|
//! | `.mgraph/locks/000` … `3ff` | locked while an object of this shard is changed; the shard follows from the key |
//! | `.mgraph/writing/{owner}/` | files that a process is writing; they move to their place when they are whole |
//! | `.mgraph/writing/{owner}.lock` | locked as long as that process has the store open |
//! | `.mgraph/open.lock` | locked while a process opens the store |
//!
//! All locks are advisory locks on open files. The operating system releases them when a process ends in whatever way, so
//! a lock that can be had means that its owner is gone.

use std::ffi::OsStr;
use std::fs::{self, File, Permissions, TryLockError};
use std::io;
use std::os::unix::fs::PermissionsExt;
use std::path::{Path, PathBuf};

use cache_core::rng::Rng;
use cache_core::storage::ObjectKey;
use sha2::{Digest, Sha256};
use tempfile::NamedTempFile;

use crate::system::OsRng;

/// How many locks the keys share. Two writers of different keys wait for each other once in a thousand times.
pub(super) const SHARDS: usize = 1024;

/// A process's part of `.mgraph`.
#[derive(Debug)]
pub(super) struct Workspace {
    locks: PathBuf,
    writing: PathBuf,
    alive: PathBuf,
    /// Holds the lock that says that this process still has the store open.
    _alive: File,
}

impl Workspace {
    /// Makes this process's part, after removing what dead processes left behind. Waits for others that are opening.
    pub(super) fn open(root: &Path) -> io::Result<Self> {
        let own = root.join(".mgraph");
        let (locks, all_writing) = (own.join("locks"), own.join("writing"));
        fs::create_dir_all(&locks)?;
        fs::create_dir_all(&all_writing)?;
        // Between making the file that says "alive" and locking it, a process looks dead: one at a time, then.
        let _opening = lock(&own.join("open.lock"))?;
        remove_leftovers(&all_writing)?;
        let writing = all_writing.join(format!("{:016x}", OsRng.next_u64()));
        let alive = writing.with_extension("lock");
        let alive_lock = lock(&alive)?;
        fs::create_dir(&writing)?;
        Ok(Self { locks, writing, alive, _alive: alive_lock })
    }

    /// An empty file, removed again unless it is moved to its place.
    pub(super) fn new_file(&self) -> io::Result<NamedTempFile> {
        // What the process's umask leaves of this, as for any file that a program creates.
        tempfile::Builder::new().permissions(Permissions::from_mode(0o666)).tempfile_in(&self.writing)
    }

    /// Keeps other processes from changing the objects of a shard, as long as the file is held. Waits for them.
    pub(super) fn lock(&self, shard: usize) -> io::Result<File> {
        lock(&self.locks.join(format!("{shard:03x}")))
    }
}

impl Drop for Workspace {
    fn drop(&mut self) {
        // Whatever cannot be removed here is removed by the next process that opens the store.
        let _ = fs::remove_dir_all(&self.writing);
        let _ = fs::remove_file(&self.alive);
    }
}

/// The shard of a key, the same in every process.
pub(super) fn shard(key: &ObjectKey) -> usize {
    let digest = Sha256::digest(key.as_str());
    usize::from(u16::from_be_bytes([digest[0], digest[1]])) % SHARDS
}

fn lock(path: &Path) -> io::Result<File> {
    let file = File::options().create(true).truncate(false).write(true).open(path)?;
    file.lock()?;
    Ok(file)
}

fn remove_leftovers(all_writing: &Path) -> io::Result<()> {
    for entry in fs::read_dir(all_writing)? {
        let path = entry?.path();
        if path.extension() == Some(OsStr::new("lock")) && is_abandoned(&path)? {
            let unfinished = path.with_extension("");
            tracing::info!(folder = %unfinished.display(), "removing the unfinished writes of a process that has ended");
            unless_missing(fs::remove_dir_all(unfinished))?;
            unless_missing(fs::remove_file(path))?;
        }
    }
    Ok(())
}

fn is_abandoned(alive: &Path) -> io::Result<bool> {
    let file = match File::options().write(true).open(alive) {
        // A process that is closing the store removed it just now.
        Err(err) if err.kind() == io::ErrorKind::NotFound => return Ok(false),
        opened => opened?,
    };
    match file.try_lock() {
        Ok(()) => Ok(true),
        Err(TryLockError::WouldBlock) => Ok(false),
        Err(TryLockError::Error(err)) => Err(err),
    }
}

fn unless_missing(result: io::Result<()>) -> io::Result<()> {
    result.or_else(|err| if err.kind() == io::ErrorKind::NotFound { Ok(()) } else { Err(err) })
}

#[cfg(test)]
mod tests {
    use super::*;

    fn unfinished(root: &Path) -> usize {
        let folders = fs::read_dir(root.join(".mgraph/writing")).unwrap().map(|entry| entry.unwrap().path());
        folders.filter(|path| path.is_dir()).map(|folder| fs::read_dir(folder).unwrap().count()).sum()
    }

    #[test]
    fn the_files_of_a_dead_process_are_removed_at_open() {
        let root = tempfile::tempdir().unwrap();
        let dead = root.path().join(".mgraph/writing/00000000deadbeef");
        fs::create_dir_all(&dead).unwrap();
        fs::write(dead.join("half"), "ha").unwrap();
        fs::write(dead.with_extension("lock"), "").unwrap();
        let _workspace = Workspace::open(root.path()).unwrap();
        assert!(!dead.exists() && !dead.with_extension("lock").exists());
    }

    #[test]
    fn the_files_of_a_living_process_stay() {
        let root = tempfile::tempdir().unwrap();
        let living = Workspace::open(root.path()).unwrap();
        let _file = living.new_file().unwrap();
        let _other = Workspace::open(root.path()).unwrap();
        assert_eq!(unfinished(root.path()), 1);
    }

    #[test]
    fn closing_leaves_nothing_behind() {
        let root = tempfile::tempdir().unwrap();
        drop(Workspace::open(root.path()).unwrap());
        assert_eq!(fs::read_dir(root.path().join(".mgraph/writing")).unwrap().count(), 0);
    }
}
