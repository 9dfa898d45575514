//! Objects as files in a folder, which any number of processes of one machine may share.
//!
//! A write goes to a file of its own first, is flushed to the disk, and then moves to its place in one step. So a process
//! that is killed, or a disk that is full, never leaves half an object under a key. When a call returns, the names in the
//! folder are flushed, too. How a key becomes a path stands in `names.rs`; the store's own folder is `workspace.rs`.
//!
//! What keeps conditional writes atomic:
//!
//! - [`PutMode::Create`] moves the file in a way that fails where one lies already; that needs no lock.
//! - Whatever changes or removes an object that is there holds the lock of the object's shard: a [`PutMode::Update`]
//!   compares and moves under it. Tasks of this process queue up without blocking a thread; between processes a file is
//!   locked.
//!
//! A [`Version`] is a digest of the content, so reading any part of an object reads all of it.
//!
//! The folder must lie on one POSIX file system with hard links or atomic renames, advisory locks, and names that keep case
//! and bytes as they are. Case-insensitive or normalising ones (the default on macOS and Windows) are not supported: there,
//! two keys can be one file.

use std::fmt;
use std::fs::{self, File, Metadata};
use std::io::{self, ErrorKind, Read, Seek, SeekFrom, Write};
use std::ops::Range;
use std::os::unix::fs::MetadataExt;
use std::path::{Path, PathBuf};
use std::sync::Arc;

use async_trait::async_trait;
use bytes::Bytes;
use cache_core::storage::{
    GetOptions, GetResult, ListPage, ListRequest, Object, ObjectHead, ObjectKey, PutMode, Storage, StorageError,
    Version,
};
use tempfile::{NamedTempFile, PersistError};
use tokio::sync::Mutex;
use tokio::task::spawn_blocking;

use crate::slice::clamp;
use crate::system::unix_millis;
use version::{Stamp, version_of};
use workspace::{SHARDS, Workspace, shard};

mod listing;
mod path_encoding;
mod version;
mod workspace;

/// How often a folder is made anew when deletes keep removing it, because it is empty, before the file gets there.
const MAX_ATTEMPTS: usize = 100;

/// Objects as files below a folder. Clones share it.
#[derive(Clone)]
pub struct Disk {
    store: Arc<Store>,
    /// Where the tasks of this process wait, one queue per shard.
    queues: Arc<[Arc<Mutex<()>>]>,
}

/// The part that blocks.
struct Store {
    root: PathBuf,
    workspace: Workspace,
}

/// Why a call did not succeed, sorted into the port's cases by [`Failure::about`].
enum Failure {
    /// The mode of the put was not met.
    Precondition,
    /// The file system refused a step before anything had changed.
    Before(io::Error),
    /// The change is visible, but may not outlast a power failure.
    After(io::Error),
    /// The process is shutting down.
    Interrupted,
}

impl Disk {
    /// Opens the store in this folder, which is made if it is not there, and removes what killed processes left
    /// unfinished. It blocks for a moment: call it when the program starts.
    ///
    /// # Errors
    ///
    /// [`StorageError::Refused`] when the folder cannot be made or written to.
    pub fn open(root: impl Into<PathBuf>) -> Result<Self, StorageError> {
        let root = root.into();
        let opened = fs::create_dir_all(&root).and_then(|()| Workspace::open(&root));
        let workspace = opened.map_err(|err| Failure::Before(err).about(&root.to_string_lossy()))?;
        let queues = (0..SHARDS).map(|_| Arc::default()).collect();
        Ok(Self { store: Arc::new(Store { root, workspace }), queues })
    }

    /// Runs a read on a thread that may block.
    async fn read<T, F>(&self, name: &str, read: F) -> Result<T, StorageError>
    where
        T: Send + 'static,
        F: FnOnce(&Store) -> io::Result<T> + Send + 'static,
    {
        let store = self.store.clone();
        let done = spawn_blocking(move || read(&store).map_err(Failure::Before)).await;
        done.unwrap_or(Err(Failure::Interrupted)).map_err(|failure| failure.about(name))
    }

    /// Runs a write of this key on a thread that may block. Once it has begun it runs to its end, even when nobody waits
    /// for it any more.
    async fn write<T, F>(&self, key: &ObjectKey, needs_lock: bool, write: F) -> Result<T, StorageError>
    where
        T: Send + 'static,
        F: FnOnce(&Store, &Path) -> Result<T, Failure> + Send + 'static,
    {
        let shard = shard(key);
        let turn = if needs_lock { Some(self.queues[shard].clone().lock_owned().await) } else { None };
        let store = self.store.clone();
        let path = store.path(key);
        let work = move || {
            let turn = turn;
            let _between_processes = turn.as_ref().map(|_| store.workspace.lock(shard)).transpose()?;
            write(&store, &path)
        };
        spawn_blocking(work).await.unwrap_or(Err(Failure::Interrupted)).map_err(|failure| failure.about(key.as_str()))
    }
}

#[async_trait]
impl Storage for Disk {
    async fn get(&self, key: &ObjectKey, options: &GetOptions) -> Result<Option<GetResult>, StorageError> {
        let (path, options) = (self.store.path(key), options.clone());
        self.read(key.as_str(), move |_| get(&path, &options)).await
    }

    async fn head(&self, key: &ObjectKey) -> Result<Option<ObjectHead>, StorageError> {
        let path = self.store.path(key);
        self.read(key.as_str(), move |_| head(&path)).await
    }

    async fn put(&self, key: &ObjectKey, bytes: Bytes, mode: PutMode) -> Result<Version, StorageError> {
        let needs_lock = mode != PutMode::Create;
        self.write(key, needs_lock, move |store, path| store.put(path, &bytes, &mode)).await
    }

    async fn delete(&self, key: &ObjectKey) -> Result<(), StorageError> {
        self.write(key, true, Store::delete).await
    }

    async fn list(&self, request: &ListRequest) -> Result<ListPage, StorageError> {
        let own = request.clone();
        self.read(&request.prefix, move |store| listing::list(&store.root, &own)).await
    }
}

impl Store {
    fn path(&self, key: &ObjectKey) -> PathBuf {
        self.root.join(path_encoding::path(key.as_str()))
    }

    fn put(&self, path: &Path, bytes: &[u8], mode: &PutMode) -> Result<Version, Failure> {
        let replaced = match mode {
            // The rename decides. But most that come second fail here, before a file is written in vain.
            PutMode::Create if path.try_exists()? => return Err(Failure::Precondition),
            PutMode::Create => None,
            PutMode::Overwrite | PutMode::Update(_) => metadata(path)?,
        };
        if let PutMode::Update(version) = mode
            && replaced.as_ref().map(version_of).as_ref() != Some(version)
        {
            return Err(Failure::Precondition);
        }
        let mut file = self.workspace.new_file()?;
        file.write_all(bytes)?;
        let version = Stamp::after(replaced.as_ref()).apply(file.as_file())?;
        file.as_file().sync_all()?;
        let made = self.move_to(path, file, *mode == PutMode::Create)?;
        self.sync_names(path, &made).map_err(Failure::After)?;
        Ok(version)
    }

    /// Moves a file to its place in one step, and returns the folders that had to be made for it.
    fn move_to(&self, path: &Path, mut file: NamedTempFile, create: bool) -> Result<Vec<PathBuf>, Failure> {
        let mut made = Vec::new();
        for _ in 0..MAX_ATTEMPTS {
            let moved = if create { file.persist_noclobber(path) } else { file.persist(path) };
            file = match moved {
                Ok(_) => return Ok(made),
                Err(PersistError { error, file }) if error.kind() == ErrorKind::NotFound => file,
                Err(PersistError { error, .. }) if error.kind() == ErrorKind::AlreadyExists => {
                    return Err(Failure::Precondition);
                }
                Err(PersistError { error, .. }) => return Err(error.into()),
            };
            self.make_folder_of(path, &mut made)?;
        }
        Err(io::Error::other("its folder kept being removed").into())
    }

    /// Makes the folder that this path lies in. A delete may remove it again at any time.
    fn make_folder_of(&self, path: &Path, made: &mut Vec<PathBuf>) -> io::Result<()> {
        let Some(folder) = path.parent().filter(|folder| *folder != self.root) else {
            return Err(io::Error::new(ErrorKind::NotFound, "the store's folder has been removed"));
        };
        let mut making = fs::create_dir(folder);
        if making.as_ref().is_err_and(|err| err.kind() == ErrorKind::NotFound) {
            self.make_folder_of(folder, made)?;
            making = fs::create_dir(folder);
        }
        match making {
            Ok(()) => made.push(folder.to_owned()),
            Err(err) if matches!(err.kind(), ErrorKind::AlreadyExists | ErrorKind::NotFound) => {}
            Err(err) => return Err(err),
        }
        Ok(())
    }

    /// Flushes the name of a file, and those of the folders that were made for it.
    fn sync_names(&self, path: &Path, made: &[PathBuf]) -> io::Result<()> {
        let new_names = made.iter().map(PathBuf::as_path).chain([path]);
        new_names.filter_map(Path::parent).try_for_each(sync_folder)
    }

    fn delete(&self, path: &Path) -> Result<(), Failure> {
        match fs::remove_file(path) {
            Err(err) if is_missing(&err) => return Ok(()),
            removed => removed?,
        }
        let mut folder = path.parent().unwrap_or(&self.root);
        // Only an empty folder can be removed. A writer whose folder is gone makes it again.
        while folder != self.root && fs::remove_dir(folder).is_ok() {
            folder = folder.parent().unwrap_or(&self.root);
        }
        sync_folder(folder).map_err(Failure::After)
    }
}

fn get(path: &Path, options: &GetOptions) -> io::Result<Option<GetResult>> {
    let Some(mut file) = open(path)? else { return Ok(None) };
    let metadata = file.metadata()?;
    let version = version_of(&metadata);
    if options.if_none_match.as_ref() == Some(&version) {
        return Ok(Some(GetResult::NotModified));
    }
    let size = metadata.len();
    let range = clamp(options.range.as_ref().unwrap_or(&(0..size)), size);
    let bytes = read_range(&mut file, range)?;
    Ok(Some(GetResult::Object(Object { bytes, size, version })))
}

fn read_range(file: &mut File, range: Range<u64>) -> io::Result<Bytes> {
    if range.start > 0 {
        file.seek(SeekFrom::Start(range.start))?;
    }
    // A file that is an object never changes, so all bytes that its metadata promise are there.
    let mut bytes = vec![0; usize::try_from(range.end - range.start).map_err(io::Error::other)?];
    file.read_exact(&mut bytes)?;
    Ok(bytes.into())
}

fn head(path: &Path) -> io::Result<Option<ObjectHead>> {
    let Some(metadata) = metadata(path)? else { return Ok(None) };
    let modified = unix_millis(metadata.modified()?);
    Ok(Some(ObjectHead { size: metadata.size(), version: version_of(&metadata), sha256: None, modified }))
}

fn open(path: &Path) -> io::Result<Option<File>> {
    unless_missing(File::open(path))
}

fn metadata(path: &Path) -> io::Result<Option<Metadata>> {
    unless_missing(fs::metadata(path))
}

fn unless_missing<T>(result: io::Result<T>) -> io::Result<Option<T>> {
    match result {
        Err(err) if is_missing(&err) => Ok(None),
        result => result.map(Some),
    }
}

fn sync_folder(folder: &Path) -> io::Result<()> {
    match File::open(folder) {
        // Removed since, and everything in it with it.
        Err(err) if is_missing(&err) => Ok(()),
        opened => opened?.sync_all(),
    }
}

fn is_missing(err: &io::Error) -> bool {
    matches!(err.kind(), ErrorKind::NotFound | ErrorKind::NotADirectory)
}

impl From<io::Error> for Failure {
    fn from(err: io::Error) -> Self {
        Self::Before(err)
    }
}

impl Failure {
    /// The port's error for this failure, of a call for this key or prefix.
    fn about(self, key: &str) -> StorageError {
        let key = key.to_owned();
        match self {
            Self::Precondition => StorageError::Precondition { key },
            Self::Before(err) if is_full(&err) => StorageError::Full { key, source: err.into() },
            Self::Before(err) if is_lasting(&err) => StorageError::Refused { key, source: err.into() },
            Self::Before(err) | Self::After(err) => StorageError::Unavailable { key, source: err.into() },
            Self::Interrupted => StorageError::Unavailable { key, source: "the process is shutting down".into() },
        }
    }
}

fn is_full(err: &io::Error) -> bool {
    matches!(err.kind(), ErrorKind::StorageFull | ErrorKind::QuotaExceeded)
}

/// Whether trying again is in vain until somebody has changed permissions or the folder. A full disk is not such a case.
fn is_lasting(err: &io::Error) -> bool {
    use ErrorKind::{
        AlreadyExists, InvalidFilename, IsADirectory, NotADirectory, PermissionDenied, ReadOnlyFilesystem, Unsupported,
    };
    matches!(
        err.kind(),
        AlreadyExists
            | InvalidFilename
            | IsADirectory
            | NotADirectory
            | PermissionDenied
            | ReadOnlyFilesystem
            | Unsupported
    )
}

impl fmt::Debug for Disk {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Disk").field("root", &self.store.root).finish_non_exhaustive()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    /// The error for a failure with this code of the operating system (Linux).
    fn failed_with(code: i32) -> StorageError {
        Failure::Before(io::Error::from_raw_os_error(code)).about("a")
    }

    #[test]
    fn a_full_disk_is_full() {
        let (enospc, edquot, eio) = (28, 122, 5);
        for code in [enospc, edquot] {
            assert!(matches!(failed_with(code), StorageError::Full { .. }), "{code}");
        }
        assert!(matches!(failed_with(eio), StorageError::Unavailable { .. }));
    }

    #[test]
    fn missing_permissions_are_refused() {
        let (eacces, eperm, erofs) = (13, 1, 30);
        for code in [eacces, eperm, erofs] {
            assert!(matches!(failed_with(code), StorageError::Refused { .. }), "{code}");
        }
    }

    #[tokio::test]
    async fn a_key_is_a_readable_file() {
        let root = tempfile::tempdir().unwrap();
        let disk = Disk::open(root.path()).unwrap();
        let key = "demo/data/key-based/reports/2025/sales/daily.json";
        disk.put(&key.parse().unwrap(), "{}".into(), PutMode::Overwrite).await.unwrap();
        assert_eq!(fs::read_to_string(root.path().join(key)).unwrap(), "{}");
    }

    #[tokio::test]
    async fn deleting_the_last_object_of_a_folder_removes_the_folder() {
        let root = tempfile::tempdir().unwrap();
        let disk = Disk::open(root.path()).unwrap();
        let (one, other) = ("a/b/c/1.json".parse().unwrap(), "a/2.json".parse().unwrap());
        for key in [&one, &other] {
            disk.put(key, "{}".into(), PutMode::Create).await.unwrap();
        }
        disk.delete(&one).await.unwrap();
        assert!(root.path().join("a").exists() && !root.path().join("a/b").exists());
    }

    #[tokio::test]
    async fn two_disks_on_one_folder_lose_no_update() {
        let root = tempfile::tempdir().unwrap();
        let (one, other) = (Disk::open(root.path()).unwrap(), Disk::open(root.path()).unwrap());
        let key = "counter".parse().unwrap();
        let first = one.put(&key, "0".into(), PutMode::Create).await.unwrap();
        let races = (1..=32).map(|n| {
            let disk = if n % 2 == 0 { &one } else { &other };
            disk.put(&key, n.to_string().into(), PutMode::Update(first.clone()))
        });
        let results = futures::future::join_all(races).await;
        assert_eq!(results.iter().filter(|result| result.is_ok()).count(), 1);
    }

    #[tokio::test(flavor = "multi_thread")]
    async fn a_folder_that_deletes_keep_removing_does_not_stop_a_writer() {
        let root = tempfile::tempdir().unwrap();
        let disk = Disk::open(root.path()).unwrap();
        let come_and_go = async |n: usize| {
            let key = format!("a/b/c/{n}").parse().unwrap();
            for _ in 0..100 {
                disk.put(&key, "x".into(), PutMode::Create).await.unwrap();
                disk.delete(&key).await.unwrap();
            }
        };
        futures::future::join_all((0..4).map(come_and_go)).await;
        assert!(!root.path().join("a").exists());
    }

    #[tokio::test]
    async fn a_root_that_is_a_file_is_refused() {
        let file = NamedTempFile::new().unwrap();
        assert!(matches!(Disk::open(file.path()), Err(StorageError::Refused { .. })));
    }
}

#[cfg(test)]
crate::conformance!(let folder = tempfile::tempdir().unwrap(); Disk::open(folder.path()).unwrap());
