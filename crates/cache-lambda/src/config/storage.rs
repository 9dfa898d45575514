//! Which storage the environment names, and opening it.

use std::sync::Arc;

use cache_core::error::error_chain;
use cache_core::storage::{ListRequest, Storage, StorageError};
use cache_storage::StorageConfig;
use cache_storage::s3::S3Config;

use super::Config;
use super::reader::EnvReader;
use super::settings::{BUCKET_NAME, LOCAL_DISK_PATH, SQLITE_PATH, STORAGE_MODE, ZIP_MAX_BYTES, ZIP_PATH};

/// Reads where entries live. A function warms up its connections to S3; a server can wait for the first request.
pub(super) fn read(reader: &mut EnvReader<'_>, in_lambda: bool) -> StorageConfig {
    let bucket = reader.text(&BUCKET_NAME);
    let automatic = if in_lambda || bucket.is_some() { "s3" } else { "local_disk" };
    match reader.text(&STORAGE_MODE).as_deref().unwrap_or(automatic) {
        "s3" => {
            let bucket = bucket.unwrap_or_else(|| no_bucket(reader));
            StorageConfig::S3(S3Config { warm_up: in_lambda, ..S3Config::new(bucket) })
        }
        "local_disk" => StorageConfig::LocalDisk { path: reader.parsed(&LOCAL_DISK_PATH) },
        "sqlite" => StorageConfig::Sqlite { path: reader.parsed(&SQLITE_PATH) },
        "zip" => StorageConfig::Zip { path: reader.parsed(&ZIP_PATH), max_bytes: reader.parsed(&ZIP_MAX_BYTES) },
        "memory" => StorageConfig::Memory,
        other => {
            reader.error(&STORAGE_MODE, format!("'{other}' is not available: use {}", STORAGE_MODE.expected));
            StorageConfig::Memory
        }
    }
}

fn no_bucket(reader: &mut EnvReader<'_>) -> String {
    reader.error(&BUCKET_NAME, format!("is not set, but the storage is S3: give {}", BUCKET_NAME.expected));
    String::new()
}

impl Config {
    /// Opens the storage. A server also checks that it responds; a function saves that call at a cold start.
    ///
    /// # Errors
    ///
    /// A line for the operator: which storage cannot be used, why, and what to do.
    pub async fn open_storage(&self) -> Result<Arc<dyn Storage>, String> {
        let unusable = |error: StorageError| unusable(&self.storage, &error);
        let storage = cache_storage::open(&self.storage).await.map_err(unusable)?;
        if !self.in_lambda {
            let first = ListRequest { limit: 1, ..ListRequest::default() };
            storage.list(&first).await.map_err(unusable)?;
        }
        Ok(storage)
    }
}

fn unusable(storage: &StorageConfig, error: &StorageError) -> String {
    let advice = match storage {
        StorageConfig::LocalDisk { .. } => {
            format!("; set {} to a folder that can be written to", LOCAL_DISK_PATH.name)
        }
        // Their errors say what to change.
        StorageConfig::S3(_) | StorageConfig::Sqlite { .. } | StorageConfig::Zip { .. } | StorageConfig::Memory => {
            String::new()
        }
    };
    format!("{} cannot be used: {}{advice}", storage.location(), error_chain(error))
}
