//! Only one process at a time has the archive open.

use std::fs::{File, TryLockError};
use std::io::{Read, Write};
use std::os::unix::fs::OpenOptionsExt;
use std::path::{Path, PathBuf};

use super::error::ZipError;

/// An advisory lock on a file beside the archive. The operating system releases it when the process ends, even if it is
/// killed. The file stays: to remove it would let a third process lock another one of this name.
#[derive(Debug)]
pub(super) struct Lock(#[expect(dead_code, reason = "held until it is dropped")] File);

impl Lock {
    /// Locks the archive at this path.
    ///
    /// # Errors
    ///
    /// [`ZipError::InUse`] names the process that has it.
    pub(super) fn acquire(archive: &Path) -> Result<Self, ZipError> {
        let path = beside(archive, ".lock");
        let mut file = File::options().create(true).truncate(false).read(true).write(true).mode(0o600).open(path)?;
        match file.try_lock() {
            Ok(()) => {
                file.set_len(0)?;
                write!(file, "{}", std::process::id())?;
                Ok(Self(file))
            }
            Err(TryLockError::WouldBlock) => {
                let mut holder = String::new();
                file.read_to_string(&mut holder)?;
                let holder = holder.trim();
                let is_known = !holder.is_empty() && holder.bytes().all(|byte| byte.is_ascii_digit());
                Err(ZipError::InUse(if is_known { format!("process {holder}") } else { "another process".to_owned() }))
            }
            Err(TryLockError::Error(err)) => Err(err.into()),
        }
    }
}

/// The file beside the archive with this ending.
pub(super) fn beside(archive: &Path, ending: &str) -> PathBuf {
    let mut name = archive.as_os_str().to_owned();
    name.push(ending);
    name.into()
}
