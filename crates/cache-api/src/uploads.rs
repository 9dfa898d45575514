//! Uploads: a large content is announced, sent to the URL in the response, and completed.

use std::collections::BTreeMap;

use serde::{Deserialize, Serialize};

use crate::names::{CacheHash, CacheId, CacheKey, FileId, Namespace, Sha256Digest};

/// The kinds of content that can be uploaded.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[cfg_attr(feature = "openapi", derive(utoipa::ToSchema))]
#[serde(rename_all = "snake_case")]
pub enum UploadType {
    /// A text in UTF-8.
    String,
    /// Bytes.
    Binary,
}

/// An upload as it is announced.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[cfg_attr(feature = "openapi", derive(utoipa::ToSchema))]
#[serde(deny_unknown_fields)]
pub struct NewUpload {
    /// The kind of content.
    pub data_type: UploadType,
    /// SHA-256 of the content.
    pub sha256: Sha256Digest,
    /// Bytes of the content.
    #[cfg_attr(feature = "openapi", schema(minimum = 1, maximum = 5368709120_u64))]
    pub size: u64,
    /// The key to store it under.
    #[cfg_attr(feature = "openapi", schema(required = false))]
    pub cache_key: Option<CacheKey>,
    /// The name under the key, which makes versions.
    #[cfg_attr(feature = "openapi", schema(required = false))]
    pub file_id: Option<FileId>,
}

/// An upload whose content was sent: the same fields as before, and the id.
// They are repeated, because serde cannot flatten a struct into one that denies unknown fields.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[cfg_attr(feature = "openapi", derive(utoipa::ToSchema))]
#[serde(deny_unknown_fields)]
pub struct SentUpload {
    /// The id in the response to the announcement.
    pub upload_id: CacheId,
    /// The kind of content.
    pub data_type: UploadType,
    /// SHA-256 of the content.
    pub sha256: Sha256Digest,
    /// Bytes of the content.
    #[cfg_attr(feature = "openapi", schema(minimum = 1, maximum = 5368709120_u64))]
    pub size: u64,
    /// The key to store it under.
    #[cfg_attr(feature = "openapi", schema(required = false))]
    pub cache_key: Option<CacheKey>,
    /// The name under the key, which makes versions.
    #[cfg_attr(feature = "openapi", schema(required = false))]
    pub file_id: Option<FileId>,
}

/// An upload that was started, with the URL for its content.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[cfg_attr(feature = "openapi", derive(utoipa::ToSchema))]
pub struct UploadStarted {
    /// The id for completing the upload.
    pub upload_id: CacheId,
    /// The hash of the entry.
    pub cache_hash: CacheHash,
    /// The namespace of the entry.
    pub namespace: Namespace,
    /// `PUT`
    pub method: String,
    /// Needs no API key: any client that has the URL can send this content, once.
    pub url: String,
    /// Headers that have to be sent unchanged.
    pub headers: BTreeMap<String, String>,
    /// When the URL expires, in milliseconds since 1970 UTC.
    pub expires_at: u64,
}

/// The server has the content.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[cfg_attr(feature = "openapi", derive(utoipa::ToSchema))]
pub struct UploadReceived {
    /// The id of the upload, which can be completed now.
    pub upload_id: CacheId,
    /// Bytes that were received.
    pub size: u64,
}
