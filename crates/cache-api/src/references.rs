//! The objects of an entry, and the entries with a hash.

use std::collections::BTreeMap;

use serde::{Deserialize, Serialize};
use serde_json::Value;

use crate::entries::Paths;
use crate::kinds::{FileType, Strategy};
use crate::names::{CacheHash, CacheId, Namespace};

/// The objects of an entry.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[cfg_attr(feature = "openapi", derive(utoipa::ToSchema))]
pub struct References {
    /// All its objects.
    pub all_paths: Paths,
    /// The entry.
    pub cache_id: CacheId,
    /// The hash of its content.
    pub cache_hash: CacheHash,
    /// Its content and its children.
    pub file_paths: FilePaths,
    /// `json` or `binary`.
    pub file_type: FileType,
    /// Its namespace.
    pub namespace: Namespace,
    /// Its strategy.
    pub strategy: Strategy,
    /// When it was stored, in milliseconds since 1970 UTC.
    pub timestamp: u64,
}

/// The paths of its content and its children.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[cfg_attr(feature = "openapi", derive(utoipa::ToSchema))]
pub struct FilePaths {
    /// The objects that hold its content or point to it.
    pub content_files: Vec<String>,
    /// The folder of its children.
    pub data_folders: Vec<String>,
}

/// The objects of an entry, with the reference files of the entry and of its hash.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
#[cfg_attr(feature = "openapi", derive(utoipa::ToSchema))]
pub struct AllReferences {
    /// Its objects.
    pub by_id: References,
    /// Objects by their path.
    pub details: BTreeMap<String, Value>,
}

/// The newest versions under a hash, and how many there are in all.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[cfg_attr(feature = "openapi", derive(utoipa::ToSchema))]
pub struct HashReferences {
    /// The hash.
    pub cache_hash: CacheHash,
    /// The newest entries, oldest first.
    pub cache_ids: Vec<HashReference>,
    /// The newest entry.
    pub latest_id: CacheId,
    /// The number of versions.
    pub total_versions: u64,
}

/// One entry with the hash.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[cfg_attr(feature = "openapi", derive(utoipa::ToSchema))]
pub struct HashReference {
    /// The entry.
    pub cache_id: CacheId,
    /// When it was stored, in milliseconds since 1970 UTC.
    pub timestamp: u64,
}

/// The newest entry under a hash.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[cfg_attr(feature = "openapi", derive(utoipa::ToSchema))]
pub struct HashCacheId {
    /// Its namespace.
    pub namespace: Namespace,
    /// The hash.
    pub cache_hash: CacheHash,
    /// The entry.
    pub cache_id: CacheId,
}
