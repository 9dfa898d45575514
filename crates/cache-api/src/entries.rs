//! Storing, updating, looking for and deleting entries.

use serde::{Deserialize, Serialize};

use crate::names::{CacheHash, CacheId, Namespace, Sha256Digest};

/// A stored entry.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[cfg_attr(feature = "openapi", derive(utoipa::ToSchema))]
pub struct Store {
    /// The new entry.
    pub cache_id: CacheId,
    /// The hash of its content.
    pub cache_hash: CacheHash,
    /// Its namespace.
    pub namespace: Namespace,
    /// The objects that it consists of.
    pub paths: Paths,
    /// Stored bytes.
    pub size: u64,
    /// Its position among the versions under its hash, from 1.
    pub version: u64,
    /// Its position among the versions under its key and file id, from 1.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub key_version: Option<u64>,
    /// SHA-256 of the content.
    pub sha256: Sha256Digest,
    /// Whether the content was stored already.
    pub deduplicated: bool,
}

/// Where an entry can be read by path.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[cfg_attr(feature = "openapi", derive(utoipa::ToSchema))]
pub struct Paths {
    /// Its content, or a pointer to it.
    pub data: Vec<String>,
    /// The reference file of its hash.
    pub by_hash: Vec<String>,
    /// Its reference file.
    pub by_id: Vec<String>,
}

/// Whether an entry exists. Of id and hash, the one that the request does not name is `null`.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[cfg_attr(feature = "openapi", derive(utoipa::ToSchema))]
pub struct Exists {
    /// Whether it exists.
    pub exists: bool,
    /// The requested id.
    pub cache_id: Option<CacheId>,
    /// The requested hash.
    pub cache_hash: Option<CacheHash>,
    /// The requested namespace.
    pub namespace: Namespace,
}

/// An updated entry.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[cfg_attr(feature = "openapi", derive(utoipa::ToSchema))]
pub struct Update {
    /// The entry.
    pub cache_id: CacheId,
    /// Its hash, which an update does not change.
    pub cache_hash: CacheHash,
    /// Its namespace.
    pub namespace: Namespace,
    /// The objects that hold the content or point to it.
    pub paths: Vec<String>,
    /// Stored bytes.
    pub size: u64,
    /// When it was updated, in milliseconds since 1970 UTC.
    pub timestamp: u64,
    /// Always true.
    pub updated_content: bool,
    /// Always false.
    pub updated_hash: bool,
    /// Always false.
    pub updated_metadata: bool,
    /// Always false.
    pub updated_id_ref: bool,
    /// The number of the revision, by which the new content stays readable.
    pub revision: u64,
}

/// The outcome of a delete.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[cfg_attr(feature = "openapi", derive(utoipa::ToSchema))]
#[serde(tag = "status", rename_all = "snake_case")]
pub enum Delete {
    /// The entry is deleted.
    Success {
        /// The entry.
        cache_id: CacheId,
        /// The number of objects that were deleted with it.
        deleted_count: usize,
        /// Always 0: a delete that fails is an error, and can be repeated.
        failed_count: usize,
        /// The paths of those objects.
        deleted_paths: Vec<String>,
        /// Always empty.
        failed_paths: Vec<String>,
    },
    /// There was no such entry.
    NotFound {
        /// Names the entry.
        message: String,
    },
}
