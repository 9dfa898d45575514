//! Which storage a process uses.
//!
//! To add a backend: a module with its [`Storage`], a variant of [`StorageConfig`], and the arms of the matches below.

use std::path::{Path, PathBuf};
use std::sync::Arc;

use cache_core::storage::{Storage, StorageError};
use tokio::task::spawn_blocking;

use crate::disk::Disk;
use crate::memory::Memory;
use crate::s3::{S3, S3Config};

/// Where objects are kept.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum StorageConfig {
    /// In a bucket of S3.
    S3(S3Config),
    /// In a folder of this machine.
    LocalDisk {
        /// The folder, which is created if it does not exist.
        path: PathBuf,
    },
    /// In this process, and gone with it.
    Memory,
}

impl StorageConfig {
    /// The name of the backend in settings and reports.
    pub const fn mode(&self) -> &'static str {
        match self {
            Self::S3(_) => "s3",
            Self::LocalDisk { .. } => "local_disk",
            Self::Memory => "memory",
        }
    }

    /// Where the objects are, for people: "the S3 bucket b".
    pub fn location(&self) -> String {
        match self {
            Self::S3(S3Config { bucket, endpoint_url: Some(url), .. }) => format!("the S3 bucket {bucket} at {url}"),
            Self::S3(S3Config { bucket, endpoint_url: None, .. }) => format!("the S3 bucket {bucket}"),
            Self::LocalDisk { path } => format!("the folder {}", path.display()),
            Self::Memory => "memory (gone when the process ends)".to_owned(),
        }
    }

    /// The name of the bucket, if there is one.
    pub fn bucket(&self) -> Option<&str> {
        match self {
            Self::S3(config) => Some(&config.bucket),
            Self::LocalDisk { .. } | Self::Memory => None,
        }
    }

    /// The folder, if there is one.
    pub fn path(&self) -> Option<&Path> {
        match self {
            Self::LocalDisk { path } => Some(path),
            Self::S3(_) | Self::Memory => None,
        }
    }
}

/// Opens a storage. AWS is not called. Another server that speaks S3's protocol is probed for its conditional writes
/// ([`S3::probe`]), unless [`S3Config::warm_up`] asks for a quick start.
///
/// # Errors
///
/// [`StorageError::Refused`] if the storage cannot be used as it is configured: no credentials, a folder without
/// permission, a server without conditional writes. [`StorageError::Unavailable`] if that server does not respond.
pub async fn open(config: &StorageConfig) -> Result<Arc<dyn Storage>, StorageError> {
    match config {
        StorageConfig::S3(config) => Ok(Arc::new(open_s3(config).await?)),
        StorageConfig::LocalDisk { path } => Ok(Arc::new(open_disk(path.clone()).await?)),
        StorageConfig::Memory => Ok(Arc::new(Memory::default())),
    }
}

async fn open_s3(config: &S3Config) -> Result<S3, StorageError> {
    let s3 = S3::open(config.clone()).await?;
    if config.warm_up {
        let warm = s3.clone();
        tokio::spawn(async move { warm.warm_up().await });
    }
    if s3.is_aws() || config.warm_up { Ok(s3) } else { s3.probe().await }
}

async fn open_disk(path: PathBuf) -> Result<Disk, StorageError> {
    let key = path.display().to_string();
    let opened = spawn_blocking(move || Disk::open(path)).await;
    opened.unwrap_or_else(|err| Err(StorageError::Unavailable { key, source: err.into() }))
}

#[cfg(test)]
mod tests {
    use cache_core::storage::PutMode;

    use super::*;

    fn configs(folder: &Path) -> [StorageConfig; 3] {
        let at = S3Config { endpoint_url: Some("http://127.0.0.1:9000".to_owned()), ..S3Config::new("b") };
        [StorageConfig::S3(at), StorageConfig::LocalDisk { path: folder.join("store") }, StorageConfig::Memory]
    }

    #[test]
    fn a_storage_says_what_and_where_it_is() {
        let [s3, disk, memory] = configs(Path::new("/f"));
        assert_eq!([s3.mode(), disk.mode(), memory.mode()], ["s3", "local_disk", "memory"]);
        assert_eq!([s3.bucket(), disk.bucket(), memory.bucket()], [Some("b"), None, None]);
        assert_eq!(s3.location(), "the S3 bucket b at http://127.0.0.1:9000");
        assert_eq!(disk.location(), "the folder /f/store");
        assert_eq!(disk.path(), Some(Path::new("/f/store")));
    }

    #[tokio::test]
    async fn local_storages_are_opened() {
        let folder = tempfile::tempdir().unwrap();
        let [_, local @ ..] = configs(folder.path());
        for config in local {
            let storage = open(&config).await.unwrap();
            storage.put(&"a".parse().unwrap(), "x".into(), PutMode::Create).await.unwrap();
        }
    }

    #[tokio::test]
    async fn a_folder_that_cannot_be_used_is_refused() {
        let file = tempfile::NamedTempFile::new().unwrap();
        let config = StorageConfig::LocalDisk { path: file.path().to_owned() };
        assert!(matches!(open(&config).await, Err(StorageError::Refused { .. })));
    }
}
