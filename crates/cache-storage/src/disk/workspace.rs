//! The store's own folder `.mgraph`, which is not the path of any key.
//!
//! | path | what |
//! |---|---|
//! | `.mgraph/locks/000` … `3ff` | locked while an object of this shard is changed; the shard follows from the key |
//! | `.mgraph/tmp/{owner}/` | files that a process is writing; they are renamed to their place when they are complete |
//! | `.mgraph/tmp/{owner}.lock` | locked as long as that process has the store open |
//! | `.mgraph/open.lock` | locked while a process opens the store |
//! | `.mgraph/reserve` | room for the deletes of a full disk |
//!
//! All locks are advisory locks on open files. The operating system releases them when a process ends, even if it is
//! killed, so a free lock has no owner.

use std::ffi::OsStr;
use std::fs::{self, File, TryLockError};
use std::io::{self, ErrorKind};
use std::ops::Deref;
use std::os::fd::{AsFd, BorrowedFd, OwnedFd};
use std::os::unix::fs::OpenOptionsExt;
use std::path::{Path, PathBuf};
use std::sync::atomic::{AtomicU64, Ordering};
use std::sync::{Arc, PoisonError, RwLock};

use cache_core::rng::Rng;
use cache_core::storage::ObjectKey;
use rustix::fs::{AtFlags, Mode, OFlags, openat, unlinkat};
use sha2::{Digest, Sha256};

use super::error::DiskError;
use super::root::{Root, create_folders};
use super::version::require_exact_times;
use crate::reserve::Reserve;
use crate::system::OsRng;

/// How many locks the keys share. Two writers of different keys wait for each other once in a thousand times.
pub(super) const SHARDS: usize = 1024;

/// For the owner only, because contents may be confidential.
const FILE_MODE: u32 = 0o600;

/// A process's part of `.mgraph`.
#[derive(Debug)]
pub(super) struct Workspace {
    folder: PathBuf,
    tmp: RwLock<Arc<TmpFolder>>,
    next_name: AtomicU64,
    pub(super) reserve: Reserve,
}

/// The folder of the files that this process is writing.
#[derive(Debug)]
struct TmpFolder {
    folder: OwnedFd,
    path: PathBuf,
    alive: PathBuf,
    /// Holds the lock that shows that this process has the store open.
    _alive: File,
}

/// A file that is being written. It is removed when it is dropped, unless it was renamed.
#[derive(Debug)]
pub(super) struct TmpFile {
    file: File,
    folder: Arc<TmpFolder>,
    name: String,
    is_renamed: bool,
}

impl Workspace {
    /// Makes this process's part, after removing what dead processes left behind. Waits for others that are opening.
    pub(super) fn open(root: &Root) -> Result<Self, DiskError> {
        let folder = root.path().join(".mgraph");
        let tmp = RwLock::new(Arc::new(TmpFolder::open(&folder)?));
        let reserve = Reserve::new(folder.join("reserve"));
        let workspace = Self { folder, tmp, next_name: AtomicU64::new(0), reserve };
        require_exact_times(&*workspace.create_file(root)?)?;
        workspace.reserve.fill();
        Ok(workspace)
    }

    /// An empty file.
    pub(super) fn create_file(&self, root: &Root) -> Result<TmpFile, DiskError> {
        let name = self.next_name.fetch_add(1, Ordering::Relaxed).to_string();
        let tmp = self.tmp.read().unwrap_or_else(PoisonError::into_inner).clone();
        match tmp.create_file(&name) {
            Err(err) if err.kind() == ErrorKind::NotFound => Ok(self.replace(&tmp, root)?.create_file(&name)?),
            created => Ok(created?),
        }
    }

    /// Recreates the folder if it was removed.
    fn replace(&self, removed: &Arc<TmpFolder>, root: &Root) -> Result<Arc<TmpFolder>, DiskError> {
        // It must not be recreated under another root.
        root.check()?;
        let mut tmp = self.tmp.write().unwrap_or_else(PoisonError::into_inner);
        if Arc::ptr_eq(&tmp, removed) {
            tracing::warn!(folder = %self.folder.display(), "the working folder was removed and is made again");
            *tmp = Arc::new(TmpFolder::open(&self.folder)?);
        }
        Ok(tmp.clone())
    }

    /// Keeps other processes from changing the objects of a shard as long as the file is held. Waits for them.
    pub(super) fn lock(&self, shard: usize, root: &Root) -> Result<File, DiskError> {
        let path = self.folder.join(format!("locks/{shard:03x}"));
        match lock(&path) {
            Err(err) if err.kind() == ErrorKind::NotFound => {
                root.check()?;
                create_folders(&self.folder.join("locks"))?;
                Ok(lock(&path)?)
            }
            locked => Ok(locked?),
        }
    }
}

impl TmpFolder {
    fn open(workspace: &Path) -> io::Result<Self> {
        let all = workspace.join("tmp");
        create_folders(&all)?;
        // Between the creation and the locking of its lock file a process looks dead, so they open one at a time.
        let _opening = lock(&workspace.join("open.lock"))?;
        remove_leftovers(&all)?;
        let path = all.join(format!("{:016x}", OsRng.next_u64()));
        let alive = path.with_extension("lock");
        let alive_lock = lock(&alive)?;
        create_folders(&path)?;
        let folder = OwnedFd::from(File::open(&path)?);
        Ok(Self { folder, path, alive, _alive: alive_lock })
    }

    fn create_file(self: &Arc<Self>, name: &str) -> io::Result<TmpFile> {
        let flags = OFlags::WRONLY | OFlags::CREATE | OFlags::EXCL | OFlags::CLOEXEC;
        let file = File::from(openat(&self.folder, name, flags, Mode::from_bits_retain(FILE_MODE as _))?);
        Ok(TmpFile { file, folder: self.clone(), name: name.to_owned(), is_renamed: false })
    }
}

impl Drop for TmpFolder {
    fn drop(&mut self) {
        // What cannot be removed here is removed by the next process that opens the store.
        drop(fs::remove_dir_all(&self.path));
        drop(fs::remove_file(&self.alive));
    }
}

impl TmpFile {
    /// The folder that the file is in, and its name there.
    pub(super) fn location(&self) -> (BorrowedFd<'_>, &str) {
        (self.folder.folder.as_fd(), &self.name)
    }

    /// Records that the file was renamed out of the folder.
    pub(super) fn set_renamed(&mut self) {
        self.is_renamed = true;
    }
}

impl Deref for TmpFile {
    type Target = File;

    fn deref(&self) -> &File {
        &self.file
    }
}

impl Drop for TmpFile {
    fn drop(&mut self) {
        if !self.is_renamed {
            // What cannot be removed here goes with the folder.
            _ = unlinkat(&self.folder.folder, &self.name, AtFlags::empty());
        }
    }
}

/// The shard of a key, the same in every process.
pub(super) fn shard(key: &ObjectKey) -> usize {
    let digest = Sha256::digest(key.as_str());
    usize::from(u16::from_be_bytes([digest[0], digest[1]])) % SHARDS
}

fn lock(path: &Path) -> io::Result<File> {
    let file = File::options().create(true).truncate(false).write(true).mode(FILE_MODE).open(path)?;
    file.lock()?;
    Ok(file)
}

fn remove_leftovers(all: &Path) -> io::Result<()> {
    for entry in fs::read_dir(all)? {
        let path = entry?.path();
        if path.extension() == Some(OsStr::new("lock")) && is_abandoned(&path)? {
            let unfinished = path.with_extension("");
            tracing::info!(folder = %unfinished.display(), "removing the unfinished writes of an ended process");
            unless_missing(fs::remove_dir_all(unfinished))?;
            unless_missing(fs::remove_file(path))?;
        }
    }
    Ok(())
}

fn is_abandoned(alive: &Path) -> io::Result<bool> {
    let file = match File::options().write(true).open(alive) {
        // A process that is closing the store has just removed it.
        Err(err) if err.kind() == ErrorKind::NotFound => return Ok(false),
        opened => opened?,
    };
    match file.try_lock() {
        Ok(()) => Ok(true),
        Err(TryLockError::WouldBlock) => Ok(false),
        Err(TryLockError::Error(err)) => Err(err),
    }
}

fn unless_missing(result: io::Result<()>) -> io::Result<()> {
    result.or_else(|err| if err.kind() == ErrorKind::NotFound { Ok(()) } else { Err(err) })
}

#[cfg(test)]
mod tests {
    use super::*;

    fn unfinished(root: &Root) -> usize {
        let folders = fs::read_dir(root.path().join(".mgraph/tmp")).unwrap().map(|entry| entry.unwrap().path());
        folders.filter(|path| path.is_dir()).map(|folder| fs::read_dir(folder).unwrap().count()).sum()
    }

    fn root() -> (tempfile::TempDir, Root) {
        let folder = tempfile::tempdir().unwrap();
        let root = Root::open(folder.path().to_owned()).unwrap();
        (folder, root)
    }

    #[test]
    fn the_files_of_a_dead_process_are_removed_at_open() {
        let (_folder, root) = root();
        let dead = root.path().join(".mgraph/tmp/00000000deadbeef");
        fs::create_dir_all(&dead).unwrap();
        fs::write(dead.join("half"), "ha").unwrap();
        fs::write(dead.with_extension("lock"), "").unwrap();
        let _workspace = Workspace::open(&root).unwrap();
        assert!(!dead.exists() && !dead.with_extension("lock").exists());
    }

    #[test]
    fn the_files_of_a_living_process_stay() {
        let (_folder, root) = root();
        let living = Workspace::open(&root).unwrap();
        let file = living.create_file(&root).unwrap();
        let _other = Workspace::open(&root).unwrap();
        assert_eq!(unfinished(&root), 1);
        drop(file);
        assert_eq!(unfinished(&root), 0);
    }

    #[test]
    fn closing_leaves_nothing_behind() {
        let (_folder, root) = root();
        drop(Workspace::open(&root).unwrap());
        assert_eq!(fs::read_dir(root.path().join(".mgraph/tmp")).unwrap().count(), 0);
    }
}
