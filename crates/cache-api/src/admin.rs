//! The storage as files and folders.

use serde::{Deserialize, Serialize};

/// Where the files are.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[cfg_attr(feature = "openapi", derive(utoipa::ToSchema))]
pub struct BucketName {
    /// The bucket, or `NA`.
    #[serde(rename = "bucket-name")]
    pub bucket_name: String,
}

/// Whether a file is there.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[cfg_attr(feature = "openapi", derive(utoipa::ToSchema))]
pub struct FileExists {
    /// Whether it is there.
    pub exists: bool,
    /// As it was asked for.
    pub path: String,
}

/// All files in a folder and below.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[cfg_attr(feature = "openapi", derive(utoipa::ToSchema))]
pub struct AllFiles {
    /// When they were listed, in milliseconds since 1970 UTC.
    pub timestamp: u64,
    /// How many there are.
    pub file_count: usize,
    /// Their paths.
    pub files: Vec<String>,
}

/// The outcome of deleting a file.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[cfg_attr(feature = "openapi", derive(utoipa::ToSchema))]
pub struct FileDeleted {
    /// As it was asked for.
    pub path: String,
    /// Whether it was there.
    pub deleted: bool,
}
