//! Which storage the environment names.

use cache_storage::StorageConfig;
use cache_storage::s3::S3Config;

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
