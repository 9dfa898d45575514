//! An entry's content and metadata.

use serde::{Deserialize, Serialize};
use serde_json::value::RawValue;

use crate::kinds::{FileType, Strategy};
use crate::names::{CacheHash, CacheId, Namespace};

/// The metadata of an entry.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[cfg_attr(feature = "openapi", derive(utoipa::ToSchema))]
pub struct Metadata {
    /// The entry.
    pub cache_id: CacheId,
    /// The hash of its content.
    pub cache_hash: CacheHash,
    /// Empty without a key.
    pub cache_key: String,
    /// The cache id without a file id.
    pub file_id: String,
    /// Its namespace.
    pub namespace: Namespace,
    /// Its strategy.
    pub strategy: Strategy,
    /// When it was stored, in milliseconds since 1970 UTC.
    pub stored_at: u64,
    /// When it becomes a miss, in milliseconds since 1970 UTC; absent when it does not expire.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub expires_at: Option<u64>,
    /// `json` or `binary`.
    pub file_type: FileType,
    /// The `Content-Encoding` that it was sent with.
    pub content_encoding: Option<String>,
    /// Stored bytes.
    pub content_size: u64,
}

/// A content within the response.
#[derive(Debug, Serialize, Deserialize)]
#[cfg_attr(feature = "openapi", derive(utoipa::ToSchema))]
pub struct Retrieved<'a> {
    /// The content as it was stored.
    #[serde(borrow)]
    #[cfg_attr(feature = "openapi", schema(value_type = Value))]
    pub data: &'a RawValue,
    /// Its metadata.
    pub metadata: Metadata,
    /// `json` or `string`.
    pub data_type: String,
}

/// A content that has to be read as binary.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[cfg_attr(feature = "openapi", derive(utoipa::ToSchema))]
pub struct BinaryReference {
    /// An instruction for the caller.
    pub message: String,
    /// `binary`.
    pub data_type: String,
    /// Size of the content in bytes.
    pub size: usize,
    /// The hash of the content.
    pub cache_hash: CacheHash,
    /// The entry.
    pub cache_id: CacheId,
    /// Its namespace.
    pub namespace: Namespace,
    /// The URL, relative to the host.
    pub binary_url: String,
    /// What accompanies the content.
    pub metadata: Metadata,
}

/// Bytes where JSON was asked for.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[cfg_attr(feature = "openapi", derive(utoipa::ToSchema))]
pub struct Base64 {
    /// `binary`.
    pub data_type: String,
    /// `base64`.
    pub encoding: String,
    /// The bytes in base64.
    pub data: String,
}

/// How an entry is kept.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[cfg_attr(feature = "openapi", derive(utoipa::ToSchema), schema(as = StorageConfig))]
pub struct EntryConfig {
    /// The cache id without a file id.
    pub file_id: String,
    /// The key, or empty.
    pub file_key: String,
    /// The folders of its files.
    pub file_paths: Vec<String>,
    /// What its type means.
    pub file_type: FileTypeDetails,
    /// Always `first`.
    pub exists_strategy: String,
}

/// The properties of a file type.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[cfg_attr(feature = "openapi", derive(utoipa::ToSchema))]
pub struct FileTypeDetails {
    /// The type.
    pub name: FileType,
    /// The media type of its files.
    pub content_type: String,
    /// The extension of its files, without the dot.
    pub file_extension: String,
    /// `utf-8`, or none for bytes.
    pub encoding: Option<String>,
    /// The type again.
    pub serialization: FileType,
}

/// The stored metadata of an entry.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[cfg_attr(feature = "openapi", derive(utoipa::ToSchema))]
pub struct FileMetadata {
    /// The first 10 hex digits of its SHA-256.
    #[serde(rename = "content__hash")]
    pub content_hash: String,
    /// Stored bytes.
    #[serde(rename = "content__size")]
    pub content_size: u64,
    /// Always `null`.
    pub chain_hash: Option<String>,
    /// Always `null`.
    pub previous_version_path: Option<String>,
    /// Always empty.
    pub tags: Vec<String>,
    /// When it was stored, in milliseconds since 1970 UTC.
    pub timestamp: u64,
    /// The parameters of the store.
    pub data: FileMetadataData,
}

/// The parameters of the store.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[cfg_attr(feature = "openapi", derive(utoipa::ToSchema))]
pub struct FileMetadataData {
    /// The hash of the content.
    pub cache_hash: CacheHash,
    /// Empty without a key.
    pub cache_key: String,
    /// The entry.
    pub cache_id: CacheId,
    /// The `Content-Encoding` that it was sent with.
    pub content_encoding: Option<String>,
    /// When it becomes a miss, in milliseconds since 1970 UTC; absent when it does not expire.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub expires_at: Option<u64>,
    /// The cache id without a file id.
    pub file_id: String,
    /// `json` or `binary`.
    pub file_type: FileType,
    /// The field whose value was hashed.
    pub json_field_path: Option<String>,
    /// Its namespace.
    pub namespace: Namespace,
    /// When it was stored, in milliseconds since 1970 UTC.
    pub stored_at: u64,
    /// Its strategy.
    pub strategy: Strategy,
}
