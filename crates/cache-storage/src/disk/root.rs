//! The folder of the store, and the way to the files and folders in it.
//!
//! Symbolic links below the root are refused, in reads, writes and listings alike. Followed, they could lead out of the
//! folder, make a listing endless, or give an object two keys with different locks.

use std::fs::{DirBuilder, File};
use std::io;
use std::os::fd::{AsFd, OwnedFd};
use std::os::unix::fs::DirBuilderExt;
use std::path::{Path, PathBuf};

use rustix::fs::{AtFlags, FileType, Mode, OFlags, Stat, mkdirat, openat, stat, statat, unlinkat};
use rustix::io::Errno;

use super::error::DiskError;

/// For the owner only, because contents may be confidential.
const FOLDER_MODE: u32 = 0o700;

/// How often a folder is created again because deletes keep removing it, empty, before the file gets there.
pub(super) const MAX_ATTEMPTS: usize = 100;

/// The root folder, held open.
#[derive(Debug)]
pub(super) struct Root {
    path: PathBuf,
    folder: OwnedFd,
    identity: (u64, u64),
}

impl Root {
    /// Opens the folder, which is created if it does not exist.
    pub(super) fn open(path: PathBuf) -> Result<Self, DiskError> {
        create_folders(&path)?;
        let folder = rustix::fs::open(&path, OFlags::RDONLY | OFlags::DIRECTORY | OFlags::CLOEXEC, Mode::empty())?;
        let identity = identity(&rustix::fs::fstat(&folder)?);
        Ok(Self { path, folder, identity })
    }

    pub(super) fn path(&self) -> &Path {
        &self.path
    }

    /// Checks that the path of the root still leads to the folder that was opened.
    ///
    /// A volume that was unmounted, or a folder that was moved away, would otherwise look like an empty store: every
    /// read a miss, every listing empty. It is one system call, for each miss, listing and write.
    pub(super) fn check(&self) -> Result<(), DiskError> {
        match stat(&self.path) {
            Ok(found) if identity(&found) == self.identity => Ok(()),
            Ok(_) | Err(Errno::NOENT | Errno::NOTDIR) => Err(DiskError::RootGone(self.path.clone())),
            Err(errno) => Err(errno.into()),
        }
    }

    /// Opens a file for reading.
    pub(super) fn open_file(&self, path: &Path) -> rustix::io::Result<File> {
        // Without NONBLOCK, opening a named pipe in its place would wait for a writer.
        open_beneath(&self.folder, path, OFlags::RDONLY | OFlags::NONBLOCK | OFlags::CLOEXEC).map(File::from)
    }

    /// Opens a file for reading if that needs no disk access, and fails with any error otherwise.
    #[cfg(target_os = "linux")]
    pub(super) fn open_cached_file(&self, path: &Path) -> rustix::io::Result<File> {
        use rustix::fs::{ResolveFlags, openat2};

        let flags = OFlags::RDONLY | OFlags::NONBLOCK | OFlags::CLOEXEC;
        openat2(&self.folder, path, flags, Mode::empty(), beneath() | ResolveFlags::CACHED).map(File::from)
    }

    /// Opens a folder.
    pub(super) fn open_folder(&self, path: &Path) -> rustix::io::Result<OwnedFd> {
        let path = if path.as_os_str().is_empty() { Path::new(".") } else { path };
        open_beneath(&self.folder, path, OFlags::RDONLY | OFlags::DIRECTORY | OFlags::CLOEXEC)
    }

    /// Opens a folder, which is created with its parents if it does not exist. A delete may remove it again at any
    /// time.
    pub(super) fn create_folder(&self, path: &Path) -> io::Result<OwnedFd> {
        for _ in 0..MAX_ATTEMPTS {
            match self.open_folder(path) {
                Err(Errno::NOENT) => self.make_folder(path)?,
                opened => return Ok(opened?),
            }
        }
        Err(io::Error::other("the folder kept being removed"))
    }

    fn make_folder(&self, path: &Path) -> rustix::io::Result<()> {
        let make = || mkdirat(&self.folder, path, Mode::from_bits_retain(FOLDER_MODE as _));
        let mut made = make();
        if made == Err(Errno::NOENT)
            && let Some(parent) = path.parent().filter(|parent| !parent.as_os_str().is_empty())
        {
            self.make_folder(parent)?;
            made = make();
        }
        match made {
            Err(Errno::EXIST | Errno::NOENT) => Ok(()),
            made => made,
        }
    }

    /// Removes this folder and its ancestors while they are empty, and returns the first one that remains.
    pub(super) fn remove_empty_folders<'p>(&self, folder: &'p Path) -> &'p Path {
        let mut folder = folder;
        while !folder.as_os_str().is_empty() && unlinkat(&self.folder, folder, AtFlags::REMOVEDIR).is_ok() {
            folder = folder.parent().unwrap_or(Path::new(""));
        }
        folder
    }
}

/// Creates a folder with its parents, for the owner only.
pub(super) fn create_folders(path: &Path) -> io::Result<()> {
    DirBuilder::new().recursive(true).mode(FOLDER_MODE).create(path)
}

/// The state of a file in a folder; `None` if there is nothing.
pub(super) fn file_in(folder: impl AsFd, name: &Path) -> Result<Option<Stat>, DiskError> {
    match statat(folder, name, AtFlags::SYMLINK_NOFOLLOW) {
        Err(errno) if is_missing(errno) => Ok(None),
        found => require_file(found?).map(Some),
    }
}

/// Refuses everything but a regular file.
pub(super) fn require_file(found: Stat) -> Result<Stat, DiskError> {
    match FileType::from_raw_mode(found.st_mode) {
        FileType::RegularFile => Ok(found),
        FileType::Symlink => Err(Errno::LOOP.into()),
        _ => Err(DiskError::NotAFile),
    }
}

pub(super) fn is_missing(errno: Errno) -> bool {
    matches!(errno, Errno::NOENT | Errno::NOTDIR)
}

#[cfg(target_os = "linux")]
fn beneath() -> rustix::fs::ResolveFlags {
    rustix::fs::ResolveFlags::BENEATH | rustix::fs::ResolveFlags::NO_SYMLINKS
}

fn open_beneath(root: &OwnedFd, path: &Path, flags: OFlags) -> rustix::io::Result<OwnedFd> {
    #[cfg(target_os = "linux")]
    {
        let opened = rustix::fs::openat2(root, path, flags, Mode::empty(), beneath());
        // Kernels before 5.6 do not have it, and the filters of some containers do not know it.
        if !matches!(opened, Err(Errno::NOSYS | Errno::PERM)) {
            return opened;
        }
    }
    open_step_by_step(root, path, flags)
}

/// Opens each folder on the way, for systems without `openat2`.
fn open_step_by_step(root: &OwnedFd, path: &Path, flags: OFlags) -> rustix::io::Result<OwnedFd> {
    let folder_flags = OFlags::RDONLY | OFlags::DIRECTORY | OFlags::CLOEXEC | OFlags::NOFOLLOW;
    let parent = path.parent().filter(|parent| !parent.as_os_str().is_empty());
    let mut folder: Option<OwnedFd> = None;
    for name in parent.into_iter().flatten() {
        folder = Some(open_no_link(folder.as_ref().unwrap_or(root), Path::new(name), folder_flags)?);
    }
    let name = path.file_name().map_or(path, Path::new);
    open_no_link(folder.as_ref().unwrap_or(root), name, flags | OFlags::NOFOLLOW)
}

fn open_no_link(folder: &OwnedFd, name: &Path, flags: OFlags) -> rustix::io::Result<OwnedFd> {
    let opened = openat(folder, name, flags, Mode::empty());
    // Where a folder is asked for, a link is not a folder. That would be a miss; a link is refused.
    let is_link = || {
        statat(folder, name, AtFlags::SYMLINK_NOFOLLOW)
            .is_ok_and(|found| FileType::from_raw_mode(found.st_mode) == FileType::Symlink)
    };
    match opened {
        Err(Errno::NOTDIR) if is_link() => Err(Errno::LOOP),
        opened => opened,
    }
}

/// Device and inode. Their types differ between systems.
#[allow(clippy::unnecessary_cast, reason = "not on every system")]
fn identity(found: &Stat) -> (u64, u64) {
    (found.st_dev as u64, found.st_ino as u64)
}

#[cfg(test)]
mod tests {
    use std::fs;
    use std::os::unix::fs::{PermissionsExt, symlink};

    use super::*;

    type Opening = fn(&OwnedFd, &Path, OFlags) -> rustix::io::Result<OwnedFd>;

    fn root() -> (tempfile::TempDir, Root) {
        let folder = tempfile::tempdir().unwrap();
        let root = Root::open(folder.path().join("store")).unwrap();
        (folder, root)
    }

    #[test]
    fn links_are_refused_with_and_without_openat2() {
        let (_folder, root) = root();
        fs::create_dir_all(root.path().join("a/b")).unwrap();
        fs::write(root.path().join("a/b/file"), "").unwrap();
        symlink("a", root.path().join("link")).unwrap();
        symlink("file", root.path().join("a/b/link")).unwrap();
        for open in [open_beneath as Opening, open_step_by_step] {
            let open = |path: &str, flags| open(&root.folder, Path::new(path), flags).map(drop);
            assert_eq!(open("a/b/file", OFlags::RDONLY), Ok(()));
            assert_eq!(open("a/b", OFlags::DIRECTORY), Ok(()));
            assert_eq!(open(".", OFlags::DIRECTORY), Ok(()));
            for path in ["link/b/file", "a/b/link"] {
                assert_eq!(open(path, OFlags::RDONLY), Err(Errno::LOOP), "{path}");
            }
            assert_eq!(open("link", OFlags::DIRECTORY), Err(Errno::LOOP));
            assert_eq!(open("a/missing", OFlags::RDONLY), Err(Errno::NOENT));
        }
    }

    #[test]
    fn new_folders_are_for_the_owner_only() {
        let (_folder, root) = root();
        root.create_folder(Path::new("a/b")).unwrap();
        for path in ["", "a", "a/b"] {
            let mode = fs::metadata(root.path().join(path)).unwrap().permissions().mode();
            assert_eq!(mode & 0o777, 0o700, "{path}");
        }
    }

    #[test]
    fn a_root_that_is_another_folder_is_noticed() {
        let (folder, root) = root();
        root.check().unwrap();
        fs::rename(root.path(), folder.path().join("away")).unwrap();
        assert!(matches!(root.check(), Err(DiskError::RootGone(_))));
        fs::create_dir(root.path()).unwrap();
        assert!(matches!(root.check(), Err(DiskError::RootGone(_))));
        fs::remove_dir(root.path()).unwrap();
        fs::rename(folder.path().join("away"), root.path()).unwrap();
        root.check().unwrap();
    }
}
