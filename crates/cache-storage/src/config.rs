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
#[cfg(feature = "sqlite")]
use crate::sqlite::Sqlite;
#[cfg(feature = "zip")]
use crate::zip::{Zip, ZipConfig};

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
    /// In a SQLite file of this machine. Only with the feature `sqlite`.
    Sqlite {
        /// The file, which is created if it does not exist; `:memory:` for a database that is gone with the process.
        path: PathBuf,
    },
    /// In a ZIP archive of this machine. Only with the feature `zip`.
    Zip {
        /// The archive, which is created if it does not exist.
        path: PathBuf,
        /// How large it may grow, in bytes.
        max_bytes: u64,
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
            Self::Sqlite { .. } => "sqlite",
            Self::Zip { .. } => "zip",
            Self::Memory => "memory",
        }
    }

    /// Where the objects are, for people: "the S3 bucket b".
    pub fn location(&self) -> String {
        match self {
            Self::S3(S3Config { bucket, endpoint_url: Some(url), .. }) => format!("the S3 bucket {bucket} at {url}"),
            Self::S3(S3Config { bucket, endpoint_url: None, .. }) => format!("the S3 bucket {bucket}"),
            Self::LocalDisk { path } => format!("the folder {}", path.display()),
            Self::Sqlite { path } => format!("the SQLite file {}", path.display()),
            Self::Zip { path, .. } => format!("the ZIP archive {}", path.display()),
            Self::Memory => "memory (gone when the process ends)".to_owned(),
        }
    }

    /// The name of the bucket, if there is one.
    pub fn bucket(&self) -> Option<&str> {
        match self {
            Self::S3(config) => Some(&config.bucket),
            Self::LocalDisk { .. } | Self::Sqlite { .. } | Self::Zip { .. } | Self::Memory => None,
        }
    }

    /// The folder or file, if there is one.
    pub fn path(&self) -> Option<&Path> {
        match self {
            Self::LocalDisk { path } | Self::Sqlite { path } | Self::Zip { path, .. } => Some(path),
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
/// permission, a server without conditional writes, a backend that this program was built without. [`StorageError::Unavailable`] if that server does not respond.
pub async fn open(config: &StorageConfig) -> Result<Arc<dyn Storage>, StorageError> {
    match config {
        StorageConfig::S3(config) => Ok(Arc::new(open_s3(config).await?)),
        StorageConfig::LocalDisk { path } => {
            let own = path.clone();
            open_blocking(path, move || Disk::open(own)).await
        }
        #[cfg(feature = "sqlite")]
        StorageConfig::Sqlite { path } => {
            let own = path.clone();
            open_blocking(path, move || Sqlite::open(own)).await
        }
        #[cfg(feature = "zip")]
        StorageConfig::Zip { path, max_bytes } => {
            let own = ZipConfig { path: path.clone(), max_bytes: *max_bytes };
            open_blocking(path, move || Zip::open(&own)).await
        }
        #[cfg(not(feature = "sqlite"))]
        StorageConfig::Sqlite { path } => Err(left_out(path, "sqlite")),
        #[cfg(not(feature = "zip"))]
        StorageConfig::Zip { path, .. } => Err(left_out(path, "zip")),
        StorageConfig::Memory => Ok(Arc::new(Memory::default())),
    }
}

#[cfg(not(all(feature = "sqlite", feature = "zip")))]
fn left_out(path: &Path, feature: &str) -> StorageError {
    let reason = format!("this program was built without the backend: build it with `--features {feature}`");
    StorageError::Refused { key: path.display().to_string(), source: reason.into() }
}

async fn open_s3(config: &S3Config) -> Result<S3, StorageError> {
    let s3 = S3::open(config.clone()).await?;
    if config.warm_up {
        let warm = s3.clone();
        tokio::spawn(async move { warm.warm_up().await });
    }
    if s3.is_aws() || config.warm_up { Ok(s3) } else { s3.probe().await }
}

/// Opens a storage of this machine on a thread that may block.
async fn open_blocking<S: Storage>(
    path: &Path,
    open: impl FnOnce() -> Result<S, StorageError> + Send + 'static,
) -> Result<Arc<dyn Storage>, StorageError> {
    match spawn_blocking(open).await {
        Ok(opened) => Ok(Arc::new(opened?)),
        Err(err) => Err(StorageError::Unavailable { key: path.display().to_string(), source: err.into() }),
    }
}

#[cfg(test)]
mod tests {
    use cache_core::storage::PutMode;

    use super::*;

    fn configs(folder: &Path) -> [StorageConfig; 5] {
        let at = S3Config { endpoint_url: Some("http://127.0.0.1:9000".to_owned()), ..S3Config::new("b") };
        [
            StorageConfig::S3(at),
            StorageConfig::LocalDisk { path: folder.join("store") },
            StorageConfig::Memory,
            StorageConfig::Sqlite { path: folder.join("file") },
            StorageConfig::Zip { path: folder.join("archive"), max_bytes: 1 << 20 },
        ]
    }

    #[test]
    fn a_storage_says_what_and_where_it_is() {
        let configs = configs(Path::new("/f"));
        let modes = configs.each_ref().map(StorageConfig::mode);
        assert_eq!(modes, ["s3", "local_disk", "memory", "sqlite", "zip"]);
        let [s3, disk, memory, sqlite, zip] = configs;
        assert_eq!([s3.bucket(), disk.bucket(), memory.bucket()], [Some("b"), None, None]);
        assert_eq!(sqlite.location(), "the SQLite file /f/file");
        assert_eq!(zip.location(), "the ZIP archive /f/archive");
        assert_eq!(s3.location(), "the S3 bucket b at http://127.0.0.1:9000");
        assert_eq!(disk.location(), "the folder /f/store");
        assert_eq!(disk.path(), Some(Path::new("/f/store")));
    }

    fn is_built_in(mode: &str) -> bool {
        match mode {
            "sqlite" => cfg!(feature = "sqlite"),
            "zip" => cfg!(feature = "zip"),
            _ => true,
        }
    }

    #[tokio::test]
    async fn local_storages_are_opened() {
        let folder = tempfile::tempdir().unwrap();
        let [_, local @ ..] = configs(folder.path());
        for config in local {
            let storage = match open(&config).await {
                Err(StorageError::Refused { source, .. }) if !is_built_in(config.mode()) => {
                    assert!(source.to_string().contains(&format!("--features {}", config.mode())), "{source}");
                    continue;
                }
                opened => opened.unwrap(),
            };
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
