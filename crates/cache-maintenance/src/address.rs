//! A store as a text, as the command line names it.
//!
//! | address | store |
//! |---|---|
//! | `disk:FOLDER` | a folder |
//! | `sqlite:FILE` | a SQLite file |
//! | `zip:FILE` | a ZIP archive |
//! | `s3:BUCKET`, `s3:BUCKET/PREFIX` | a bucket, or what is in it below a prefix. The environment says how to reach it |
//! | `memory:` | the memory of this process |

use std::fmt;
use std::str::FromStr;
use std::sync::Arc;

use cache_core::storage::{ObjectKey, Storage, StorageError};
use cache_storage::StorageConfig;
use cache_storage::s3::S3Config;
use thiserror::Error;

use crate::prefixed::Prefixed;

/// How large an archive may grow that the command line names, in bytes: as large as the format allows.
const MAX_ARCHIVE_BYTES: u64 = u32::MAX as u64;

/// A store.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct StoreAddress {
    text: String,
    config: StorageConfig,
    prefix: Option<ObjectKey>,
}

/// A text that names no store.
#[derive(Debug, Clone, PartialEq, Eq, Error)]
#[error("'{0}' names no store: give disk:FOLDER, sqlite:FILE, zip:FILE, s3:BUCKET or s3:BUCKET/PREFIX")]
pub struct InvalidAddress(String);

impl FromStr for StoreAddress {
    type Err = InvalidAddress;

    fn from_str(text: &str) -> Result<Self, InvalidAddress> {
        let invalid = || InvalidAddress(text.to_owned());
        let (scheme, place) = text.split_once(':').ok_or_else(invalid)?;
        if place.is_empty() != (scheme == "memory") {
            return Err(invalid());
        }
        let mut prefix = None;
        let config = match scheme {
            "disk" => StorageConfig::LocalDisk { path: place.into() },
            "sqlite" => StorageConfig::Sqlite { path: place.into() },
            "zip" => StorageConfig::Zip { path: place.into(), max_bytes: MAX_ARCHIVE_BYTES },
            "s3" => {
                let (bucket, below) = place.split_once('/').unwrap_or((place, ""));
                let below = below.trim_end_matches('/');
                if !below.is_empty() {
                    prefix = Some(below.parse().map_err(|_| invalid())?);
                }
                StorageConfig::S3(S3Config::new(bucket))
            }
            "memory" => StorageConfig::Memory,
            _ => return Err(invalid()),
        };
        Ok(Self { text: text.to_owned(), config, prefix })
    }
}

impl StoreAddress {
    /// Opens the store, which must be there: a mistyped path would be an empty store with nothing wrong in it.
    ///
    /// # Errors
    ///
    /// As [`cache_storage::open`]; `Refused` also when there is no such folder or file.
    pub async fn open_existing(&self) -> Result<Arc<dyn Storage>, StorageError> {
        // A bucket is never created.
        if self.config.path().is_some_and(|path| !path.exists()) {
            return Err(StorageError::Refused { key: self.text.clone(), source: "there is no such store".into() });
        }
        self.open().await
    }

    /// Opens the store, which is created if it is a folder or file that is not there.
    ///
    /// # Errors
    ///
    /// As [`cache_storage::open`].
    pub async fn open(&self) -> Result<Arc<dyn Storage>, StorageError> {
        let storage = cache_storage::open(&self.config).await?;
        Ok(match &self.prefix {
            Some(prefix) => Arc::new(Prefixed::new(storage, prefix)),
            None => storage,
        })
    }
}

impl fmt::Display for StoreAddress {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.text)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_kind_of_store_has_an_address() {
        let config = |text: &str| text.parse::<StoreAddress>().unwrap().config;
        assert_eq!(config("disk:./a"), StorageConfig::LocalDisk { path: "./a".into() });
        assert_eq!(config("sqlite:/a:b"), StorageConfig::Sqlite { path: "/a:b".into() });
        assert_eq!(config("s3:b"), StorageConfig::S3(S3Config::new("b")));
        assert_eq!(config("memory:"), StorageConfig::Memory);
        let below: StoreAddress = "s3:b/team/a/".parse().unwrap();
        assert_eq!((below.config, below.prefix.unwrap().as_str()), (StorageConfig::S3(S3Config::new("b")), "team/a"));
    }

    #[test]
    fn what_names_no_store_is_refused_with_advice() {
        for text in ["", "disk", "disk:", "./a", "ftp:a", "memory:x", "s3:b/../c"] {
            let refused = text.parse::<StoreAddress>().unwrap_err();
            assert!(refused.to_string().contains("give disk:FOLDER"), "{text}");
        }
    }
}
