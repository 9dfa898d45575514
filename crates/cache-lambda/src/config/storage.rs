//! Where entries live.

use std::fmt;
use std::path::{Path, PathBuf};

use super::reader::EnvReader;
use super::settings::{BUCKET_NAME, LOCAL_DISK_PATH, STORAGE_MODE};

/// Where entries live.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum StorageConfig {
    /// In a bucket.
    S3 {
        /// Its name.
        bucket: String,
    },
    /// In a folder.
    LocalDisk {
        /// The folder; it is created when it does not exist.
        path: PathBuf,
    },
    /// In this process, and gone with it.
    Memory,
}

impl StorageConfig {
    /// The name of the mode, as the configuration and `/server/storage/info` spell it.
    pub const fn mode(&self) -> &'static str {
        match self {
            Self::S3 { .. } => "s3",
            Self::LocalDisk { .. } => "local_disk",
            Self::Memory => "memory",
        }
    }

    /// The S3 bucket, if there is one.
    pub fn bucket(&self) -> Option<&str> {
        match self {
            Self::S3 { bucket } => Some(bucket),
            Self::LocalDisk { .. } | Self::Memory => None,
        }
    }

    /// The folder or file, if there is one.
    pub fn path(&self) -> Option<&Path> {
        match self {
            Self::LocalDisk { path } => Some(path),
            Self::S3 { .. } | Self::Memory => None,
        }
    }

    /// Where that is, for people: "the S3 bucket b".
    pub fn location(&self) -> impl fmt::Display {
        match self {
            Self::S3 { bucket } => format!("the S3 bucket {bucket}"),
            Self::LocalDisk { path } => format!("the folder {}", path.display()),
            Self::Memory => "memory (gone when the server stops)".to_owned(),
        }
    }

    pub(super) fn read(reader: &mut EnvReader<'_>, in_lambda: bool) -> Self {
        let bucket = reader.text(&BUCKET_NAME);
        let automatic = if in_lambda || bucket.is_some() { "s3" } else { "local_disk" };
        match reader.text(&STORAGE_MODE).as_deref().unwrap_or(automatic) {
            "s3" => Self::S3 { bucket: bucket.unwrap_or_else(|| no_bucket(reader)) },
            "local_disk" => Self::LocalDisk { path: reader.parsed(&LOCAL_DISK_PATH) },
            "memory" => Self::Memory,
            other => {
                reader.error(&STORAGE_MODE, format!("'{other}' is not available: use {}", STORAGE_MODE.expected));
                Self::Memory
            }
        }
    }
}

fn no_bucket(reader: &mut EnvReader<'_>) -> String {
    reader.error(&BUCKET_NAME, format!("is not set, but the storage is S3: give {}", BUCKET_NAME.expected));
    String::new()
}
