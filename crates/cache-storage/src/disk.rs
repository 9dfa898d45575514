//! Objects as files in a folder, which any number of processes of one machine may share.
//!
//! A write goes to a temporary file, is flushed to the disk, and is renamed to its place in one step. So a process that
//! is killed, or a disk that is full, never leaves half an object under a key. When a call returns, its name in the
//! folder is flushed as well. `path_encoding` maps keys to paths; `workspace` is the store's own folder.
//!
//! What makes conditional writes atomic:
//!
//! - [`PutMode::Create`] renames the file in a way that fails if the name exists; that needs no lock.
//! - Every call that changes or removes an existing object holds the lock of the object's shard: a [`PutMode::Update`]
//!   compares and renames under it. Tasks of this process queue up without blocking a thread; between processes a file
//!   is locked.
//!
//! A [`Version`] is inode, modification time and size, so no call reads more bytes than it returns; `version` explains
//! why it never repeats. A cached file is read on the runtime's own thread, everything else in the blocking pool, with
//! one hop.
//!
//! What a flush covers: a write flushes its file, then the folder that the file is renamed to, once. The folders that
//! had to be created for it are flushed by the same two calls, because every file system with a journal (ext4, XFS,
//! Btrfs, ZFS) writes a new folder's name before or with what is in it.
//!
//! The root is held open. If it is removed, moved or unmounted meanwhile, objects that can still be read are read, and
//! every other call is [`StorageError::Unavailable`]: never a miss, an empty listing, or a write into an unreachable
//! folder. A removed working folder is recreated. Symbolic links below the root are refused. New files and folders are
//! for their owner only.
//!
//! The folder must lie on one POSIX file system with hard links or atomic renames, advisory locks, modification times
//! of microseconds, and names that keep case and bytes as they are. Case-insensitive or normalising ones (the default
//! on macOS and Windows) are not supported: there, two keys can be one file.

use std::fmt;
use std::path::PathBuf;
use std::sync::Arc;

use async_trait::async_trait;
use bytes::Bytes;
use cache_core::storage::{
    GetOptions, GetResult, ListPage, ListRequest, ObjectHead, ObjectKey, PutMode, Storage, StorageError, Version,
    WriteParts,
};
use tokio::sync::{Mutex, OwnedMutexGuard};
use tokio::task::spawn_blocking;

use error::DiskError;
use root::Root;
use store::Store;
use workspace::{SHARDS, Workspace, shard};

mod cached;
mod error;
mod listing;
mod path_encoding;
mod root;
mod store;
mod version;
mod workspace;
mod writer;

/// Objects as files below a folder. Clones share it.
#[derive(Clone)]
pub struct Disk {
    store: Arc<Store>,
    /// Where the tasks of this process wait, one queue per shard.
    queues: Arc<[Arc<Mutex<()>>]>,
}

impl Disk {
    /// Opens the store in this folder, which is created if it does not exist, and removes what killed processes left
    /// unfinished. It blocks for a moment: call it when the program starts.
    ///
    /// # Errors
    ///
    /// [`StorageError::Refused`] if the folder cannot be created or written to, or if its file system keeps only coarse
    /// modification times.
    pub fn open(root: impl Into<PathBuf>) -> Result<Self, StorageError> {
        let root = root.into();
        let name = root.to_string_lossy().into_owned();
        let open = || {
            let root = Root::open(root)?;
            Ok(Store { workspace: Workspace::open(&root)?, root })
        };
        let store = Arc::new(open().map_err(|err: DiskError| err.into_storage_error(&name))?);
        Ok(Self { store, queues: (0..SHARDS).map(|_| Arc::default()).collect() })
    }

    /// Runs a call on a thread that may block. Once it has begun it runs to its end, even if the caller drops its
    /// future.
    async fn run<T, F>(&self, key: &str, call: F) -> Result<T, StorageError>
    where
        T: Send + 'static,
        F: FnOnce(&Store) -> Result<T, DiskError> + Send + 'static,
    {
        let store = self.store.clone();
        let result = spawn_blocking(move || call(&store)).await;
        result.unwrap_or(Err(DiskError::ShuttingDown)).map_err(|err| err.into_storage_error(key))
    }

    /// The right to change the objects of a key's shard, as far as this process is concerned.
    async fn lock_shard(&self, key: &ObjectKey) -> ShardLock {
        let shard = shard(key);
        ShardLock { shard, _guard: self.queues[shard].clone().lock_owned().await }
    }
}

/// Held while an object of a shard is changed.
struct ShardLock {
    shard: usize,
    _guard: OwnedMutexGuard<()>,
}

#[async_trait]
impl Storage for Disk {
    async fn get(&self, key: &ObjectKey, options: &GetOptions) -> Result<Option<GetResult>, StorageError> {
        let path = path_encoding::path(key.as_str());
        if let Some(cached) = cached::get(&self.store.root, &path, options) {
            return Ok(Some(cached));
        }
        let (options, plain) = (options.clone(), path_encoding::plain_path(key.as_str()));
        let get = move |store: &Store| match (store.get(&path, &options)?, plain) {
            (None, Some(plain)) => store.get(&plain, &options),
            (found, _) => Ok(found),
        };
        self.run(key.as_str(), get).await
    }

    async fn head(&self, key: &ObjectKey) -> Result<Option<ObjectHead>, StorageError> {
        let path = path_encoding::path(key.as_str());
        if let Some(cached) = cached::head(&self.store.root, &path) {
            return Ok(Some(cached));
        }
        let plain = path_encoding::plain_path(key.as_str());
        let head = move |store: &Store| match (store.head(&path)?, plain) {
            (None, Some(plain)) => store.head(&plain),
            (found, _) => Ok(found),
        };
        self.run(key.as_str(), head).await
    }

    async fn put(&self, key: &ObjectKey, bytes: Bytes, mode: PutMode) -> Result<Version, StorageError> {
        let path = path_encoding::path(key.as_str());
        if mode == PutMode::Create {
            return self.run(key.as_str(), move |store| store.put(&path, &bytes, &mode)).await;
        }
        let lock = self.lock_shard(key).await;
        let put = move |store: &Store| {
            let put = || store.put(&path, &bytes, &mode);
            store.change(lock, put, || store.is_reserved_for(&path, bytes.len(), &mode))
        };
        self.run(key.as_str(), put).await
    }

    async fn copy(&self, from: &ObjectKey, to: &ObjectKey, mode: PutMode) -> Result<Option<Version>, StorageError> {
        let (source, plain) = (path_encoding::path(from.as_str()), path_encoding::plain_path(from.as_str()));
        let target = path_encoding::path(to.as_str());
        let lock = self.lock_shard(to).await;
        let copy = move |store: &Store| {
            let copy = || match (store.copy(&source, &target, &mode)?, &plain) {
                (None, Some(plain)) => store.copy(plain, &target, &mode),
                (copied, _) => Ok(copied),
            };
            store.change(lock, copy, || false)
        };
        self.run(to.as_str(), copy).await
    }

    async fn delete(&self, key: &ObjectKey) -> Result<(), StorageError> {
        let path = path_encoding::path(key.as_str());
        let lock = self.lock_shard(key).await;
        let plain = path_encoding::plain_path(key.as_str());
        let delete = move |store: &Store| {
            let delete =
                || store.delete(&path).and_then(|()| plain.as_ref().map_or(Ok(()), |plain| store.delete(plain)));
            store.change(lock, delete, || true)?;
            // After it was removed, the first deletes free space for it.
            store.workspace.reserve.fill();
            Ok(())
        };
        self.run(key.as_str(), delete).await
    }

    async fn list(&self, request: &ListRequest) -> Result<ListPage, StorageError> {
        let own = request.clone();
        self.run(&request.prefix, move |store| listing::list(&store.root, &own)).await
    }

    fn seeks(&self) -> bool {
        true
    }

    fn parts(&self) -> Option<&dyn WriteParts> {
        Some(self)
    }
}

impl Store {
    /// Changes an object under the lock of its shard. If the disk is full, the change is tried again with the reserve,
    /// if it may have that.
    fn change<T>(
        &self,
        lock: ShardLock,
        change: impl Fn() -> Result<T, DiskError>,
        may_use_reserve: impl Fn() -> bool,
    ) -> Result<T, DiskError> {
        let locked = || {
            let _between_processes = self.workspace.lock(lock.shard, &self.root)?;
            change()
        };
        let changed = locked();
        let is_full = changed.as_ref().is_err_and(DiskError::is_full);
        if !is_full || !may_use_reserve() || !self.workspace.reserve.release() {
            return changed;
        }
        let changed = locked();
        self.workspace.reserve.fill();
        changed
    }
}

impl fmt::Debug for Disk {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Disk").field("root", &self.store.root.path()).finish_non_exhaustive()
    }
}

#[cfg(test)]
mod tests;

#[cfg(test)]
crate::conformance!(let folder = tempfile::tempdir().unwrap(); Disk::open(folder.path()).unwrap());
