//! Storing, updating, looking for and deleting entries.

use serde::{Deserialize, Serialize};

use crate::names::{CacheHash, CacheId, Namespace, Sha256Digest};

/// What a store made.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[cfg_attr(feature = "openapi", derive(utoipa::ToSchema))]
pub struct Store {
    /// The new entry.
    pub cache_id: CacheId,
    /// The hash of its content.
    pub cache_hash: CacheHash,
    /// Where it lives.
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

/// Whether an entry is there. The one of id and hash that was not asked for is `null`.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[cfg_attr(feature = "openapi", derive(utoipa::ToSchema))]
pub struct Exists {
    /// Whether it is there.
    pub exists: bool,
    /// The id that was asked for.
    pub cache_id: Option<CacheId>,
    /// The hash that was asked for.
    pub cache_hash: Option<CacheHash>,
    /// Where it was looked for.
    pub namespace: Namespace,
}

/// What an update made.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[cfg_attr(feature = "openapi", derive(utoipa::ToSchema))]
pub struct Update {
    /// The entry.
    pub cache_id: CacheId,
    /// Its hash, which an update does not change.
    pub cache_hash: CacheHash,
    /// Where it lives.
    pub namespace: Namespace,
    /// The objects that hold the content, or lead to it.
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
    /// The number under which the new content stays readable.
    pub revision: u64,
}

/// What became of a delete.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[cfg_attr(feature = "openapi", derive(utoipa::ToSchema))]
#[serde(tag = "status", rename_all = "snake_case")]
pub enum Delete {
    /// The entry is gone.
    Success {
        /// The entry.
        cache_id: CacheId,
        /// How many objects went with it.
        deleted_count: usize,
        /// Always 0: a delete that fails is an error, and can be repeated.
        failed_count: usize,
        /// Those objects.
        deleted_paths: Vec<String>,
        /// Always empty.
        failed_paths: Vec<String>,
    },
    /// There was none.
    NotFound {
        /// Which.
        message: String,
    },
}
