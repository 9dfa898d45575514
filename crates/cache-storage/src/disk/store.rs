//! The calls, as they run on a thread that may block.

use std::fs::File;
use std::io::{self, Write};
use std::os::fd::OwnedFd;
use std::os::unix::fs::FileExt;
use std::path::Path;

use cache_core::storage::{GetOptions, GetResult, Object, ObjectHead, PutMode, Version};
use rustix::fs::{AtFlags, RenameFlags, Stat, fstat, linkat, renameat, renameat_with, unlinkat};
use rustix::io::Errno;

use super::error::DiskError;
use super::root::{MAX_ATTEMPTS, Root, file_in, is_missing, require_file};
use super::version::{Stamp, modified, size, version_of};
use super::workspace::{TmpFile, Workspace};
use crate::reserve::MAX_RESERVED_GROWTH;
use crate::slice::clamp;

/// The folder, and this process's working folder in it.
#[derive(Debug)]
pub(super) struct Store {
    pub(super) root: Root,
    pub(super) workspace: Workspace,
}

impl Store {
    pub(super) fn get(&self, path: &Path, options: &GetOptions) -> Result<Option<GetResult>, DiskError> {
        let Some((file, found)) = self.open(path)? else { return Ok(None) };
        let version = version_of(&found);
        if options.if_none_match.as_ref() == Some(&version) {
            return Ok(Some(GetResult::NotModified));
        }
        let size = size(&found);
        let range = options.range.as_ref().map_or(0..size, |range| clamp(range, size));
        // A file that is an object never changes, so all bytes that its size promises are there.
        let mut bytes = vec![0; usize::try_from(range.end - range.start).map_err(io::Error::other)?];
        file.read_exact_at(&mut bytes, range.start)?;
        Ok(Some(GetResult::Object(Object { bytes: bytes.into(), size, version })))
    }

    pub(super) fn head(&self, path: &Path) -> Result<Option<ObjectHead>, DiskError> {
        Ok(self.open(path)?.map(|(_, found)| head_of(&found)))
    }

    pub(super) fn put(&self, path: &Path, bytes: &[u8], mode: &PutMode) -> Result<Version, DiskError> {
        self.put_file(path, mode, || {
            let file = self.workspace.create_file(&self.root)?;
            (&*file).write_all(bytes)?;
            Ok(file)
        })
    }

    /// Puts what one path has at another one as well; `None` if there is nothing. The kernel copies, where it can without
    /// reading.
    pub(super) fn copy(&self, from: &Path, to: &Path, mode: &PutMode) -> Result<Option<Version>, DiskError> {
        let Some((mut source, _)) = self.open(from)? else { return Ok(None) };
        let copy = || {
            let file = self.workspace.create_file(&self.root)?;
            io::copy(&mut source, &mut &*file)?;
            Ok(file)
        };
        self.put_file(to, mode, copy).map(Some)
    }

    /// Puts a file in its place that `make` writes, unless `mode` does not allow it.
    pub(super) fn put_file(
        &self,
        path: &Path,
        mode: &PutMode,
        make: impl FnOnce() -> Result<TmpFile, DiskError>,
    ) -> Result<Version, DiskError> {
        self.root.check()?;
        let (folder_path, name) = split(path);
        let folder = match mode {
            // Without the folder there is no object to update.
            PutMode::Update(_) => self.open_folder(folder_path)?.ok_or(DiskError::Precondition)?,
            // Folders come before the file: flushing the file then flushes them with it, on a file system with a
            // journal.
            PutMode::Overwrite | PutMode::Create => self.root.create_folder(folder_path)?,
        };
        // A create could leave this to the rename. But many creates are refused, and this costs them microseconds
        // instead of the milliseconds of a flushed file.
        let replaced = file_in(&folder, name)?;
        let allowed = match mode {
            PutMode::Overwrite => true,
            PutMode::Create => replaced.is_none(),
            PutMode::Update(version) => replaced.as_ref().map(version_of).as_ref() == Some(version),
        };
        if !allowed {
            return Err(DiskError::Precondition);
        }
        let written = make().and_then(|file| flush(file, replaced.as_ref()));
        let (file, version) = written.inspect_err(|_| _ = self.root.remove_empty_folders(folder_path))?;
        let folder = self.publish(file, folder, path, *mode == PutMode::Create)?;
        sync_folder(folder)?;
        Ok(version)
    }

    /// Removes an object, and the folders that it leaves empty. Writers recreate them.
    pub(super) fn delete(&self, path: &Path) -> Result<(), DiskError> {
        self.root.check()?;
        let (folder_path, name) = split(path);
        let Some(folder) = self.open_folder(folder_path)? else { return Ok(()) };
        if file_in(&folder, name)?.is_none() {
            return Ok(());
        }
        match unlinkat(&folder, name, AtFlags::empty()) {
            Err(errno) if is_missing(errno) => return Ok(()),
            removed => removed?,
        }
        let remaining = self.root.remove_empty_folders(folder_path);
        if remaining == folder_path {
            return sync_folder(folder);
        }
        // If it no longer exists, another process removed it and flushes the folder above.
        self.open_folder(remaining)?.map_or(Ok(()), sync_folder)
    }

    /// Whether a put may use the reserve of a full disk.
    pub(super) fn is_reserved_for(&self, path: &Path, bytes: usize, mode: &PutMode) -> bool {
        let (folder, name) = split(path);
        let replaced = || file_in(self.open_folder(folder).ok()??, name).ok()?;
        match mode {
            PutMode::Create | PutMode::Overwrite => false,
            PutMode::Update(_) => replaced().is_some_and(|file| bytes as u64 <= size(&file) + MAX_RESERVED_GROWTH),
        }
    }

    /// The file of an object, and its state.
    fn open(&self, path: &Path) -> Result<Option<(File, Stat)>, DiskError> {
        match self.root.open_file(path) {
            Err(errno) if is_missing(errno) => self.root.check().map(|()| None),
            opened => {
                let file = opened?;
                let found = require_file(fstat(&file)?)?;
                Ok(Some((file, found)))
            }
        }
    }

    fn open_folder(&self, path: &Path) -> Result<Option<OwnedFd>, DiskError> {
        match self.root.open_folder(path) {
            Err(errno) if is_missing(errno) => Ok(None),
            opened => Ok(Some(opened?)),
        }
    }

    /// Moves a file to its place in one step, and returns the folder that it is in.
    fn publish(&self, mut file: TmpFile, mut folder: OwnedFd, path: &Path, create: bool) -> Result<OwnedFd, DiskError> {
        let (folder_path, name) = split(path);
        for _ in 0..MAX_ATTEMPTS {
            match rename(&file, &folder, name, create) {
                Ok(()) => {
                    file.set_renamed();
                    return Ok(folder);
                }
                Err(Errno::EXIST) if create => return Err(DiskError::Precondition),
                // A delete has removed the folder, which was empty.
                Err(Errno::NOENT) => folder = self.root.create_folder(folder_path)?,
                Err(errno) => return Err(errno.into()),
            }
        }
        Err(io::Error::other("the folder kept being removed").into())
    }
}

/// The head of an object, from the attributes of its file.
pub(super) fn head_of(found: &Stat) -> ObjectHead {
    ObjectHead { size: size(found), version: version_of(found), sha256: None, modified: modified(found) }
}

/// Flushes a file that is not yet in its place, and returns the version that it will have there.
fn flush(file: TmpFile, replaced: Option<&Stat>) -> Result<(TmpFile, Version), DiskError> {
    let version = Stamp::after(replaced).apply(&file)?;
    file.sync_all()?;
    Ok((file, version))
}

fn rename(file: &TmpFile, folder: &OwnedFd, name: &Path, create: bool) -> rustix::io::Result<()> {
    let (tmp, tmp_name) = file.location();
    if !create {
        return renameat(tmp, tmp_name, folder, name);
    }
    match renameat_with(tmp, tmp_name, folder, name, RenameFlags::NOREPLACE) {
        // Not every file system can do that; all that are supported have one of the two.
        Err(Errno::INVAL | Errno::NOSYS | Errno::NOTSUP) => {
            linkat(tmp, tmp_name, folder, name, AtFlags::empty())?;
            // A leftover second name is harmless, and it is removed with the folder.
            _ = unlinkat(tmp, tmp_name, AtFlags::empty());
            Ok(())
        }
        renamed => renamed,
    }
}

/// The folder and the name of a path.
fn split(path: &Path) -> (&Path, &Path) {
    (path.parent().unwrap_or(Path::new("")), path.file_name().map_or(path, Path::new))
}

/// Flushes the names in a folder.
fn sync_folder(folder: OwnedFd) -> Result<(), DiskError> {
    File::from(folder).sync_all().map_err(DiskError::NotDurable)
}
