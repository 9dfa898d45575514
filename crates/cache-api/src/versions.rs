//! The versions under a hash or a key.

use serde::{Deserialize, Serialize};

use crate::kinds::Strategy;
use crate::names::{CacheHash, CacheId, CacheKey, FileId};

/// Versions under a hash or a key, oldest first.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[cfg_attr(feature = "openapi", derive(utoipa::ToSchema))]
pub struct VersionList {
    /// The hash or key of the versions.
    #[serde(flatten)]
    pub of: Subject,
    /// The number of all versions.
    pub count: u64,
    /// A page of them.
    pub versions: Vec<VersionItem>,
    /// The newest entry.
    pub latest_id: CacheId,
}

/// The hash or key of a list of versions.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[cfg_attr(feature = "openapi", derive(utoipa::ToSchema))]
#[serde(untagged)]
pub enum Subject {
    /// Those under a hash.
    Hash {
        /// The hash.
        cache_hash: CacheHash,
    },
    /// Those under a key.
    Key {
        /// The strategy that they were stored with.
        strategy: Strategy,
        /// The key.
        cache_key: CacheKey,
        /// The name under the key.
        file_id: FileId,
    },
}

/// One version.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[cfg_attr(feature = "openapi", derive(utoipa::ToSchema))]
pub struct VersionItem {
    /// Its number, from 1.
    #[serde(flatten)]
    pub number: VersionNumber,
    /// The entry.
    pub cache_id: CacheId,
    /// When it was stored, in milliseconds since 1970 UTC.
    pub timestamp: u64,
    /// `null` if it is not known from the id.
    pub strategy: Option<Strategy>,
}

/// Its position among the versions under a hash, or under a key.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[cfg_attr(feature = "openapi", derive(utoipa::ToSchema))]
#[serde(rename_all = "snake_case")]
pub enum VersionNumber {
    /// Under a hash.
    Version(u64),
    /// Under a key.
    KeyVersion(u64),
}
