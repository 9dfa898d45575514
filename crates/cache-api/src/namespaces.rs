//! Namespaces: what each holds, and its settings.

use serde::{Deserialize, Serialize};

use crate::kinds::Strategy;
use crate::names::{CacheId, Namespace};

/// How much a namespace holds.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[cfg_attr(feature = "openapi", derive(utoipa::ToSchema))]
pub struct NamespaceStats {
    /// The namespace.
    pub namespace: Namespace,
    /// The time to live of its entries, in hours.
    pub ttl_hours: u32,
    /// Entries of this strategy.
    pub direct_files: u64,
    /// Entries of this strategy.
    pub temporal_files: u64,
    /// Entries of this strategy.
    pub temporal_latest_files: u64,
    /// Entries of this strategy.
    pub temporal_versioned_files: u64,
    /// Entries of this strategy.
    pub key_based_files: u64,
    /// Hashes.
    pub refs_hash_files: u64,
    /// Ids.
    pub refs_id_files: u64,
    /// The sum of all the others.
    pub total_files: u64,
    /// Bytes of contents; what several entries of one hash share counts once.
    #[serde(default)]
    pub content_bytes: u64,
    /// The bucket, if there is one.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub s3_bucket: Option<String>,
    /// The folder in the bucket.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub s3_prefix: Option<Namespace>,
}

/// Entries in the order of time.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[cfg_attr(feature = "openapi", derive(utoipa::ToSchema))]
pub struct Entries {
    /// A page of them.
    pub entries: Vec<EntryItem>,
    /// `null` on the last page.
    pub next_cursor: Option<String>,
}

/// One of them.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[cfg_attr(feature = "openapi", derive(utoipa::ToSchema))]
pub struct EntryItem {
    /// The entry.
    pub cache_id: CacheId,
    /// How it can be found.
    pub strategy: Strategy,
    /// When it was stored, in milliseconds since 1970 UTC.
    pub timestamp: u64,
}

/// What happens to an entry at the end of its time to live.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default, Serialize, Deserialize)]
#[cfg_attr(feature = "openapi", derive(utoipa::ToSchema))]
#[serde(rename_all = "snake_case")]
pub enum OnExpiry {
    /// Nothing: the time to live is for information.
    #[default]
    Keep,
    /// It is not found any more from that moment on, and the sweep removes it.
    Delete,
}

/// The settings of a namespace; `null` stands for the service's default.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[cfg_attr(feature = "openapi", derive(utoipa::ToSchema))]
pub struct NamespaceSettings {
    /// The namespace.
    pub namespace: Namespace,
    /// How long an entry lives, in hours.
    pub ttl_hours: Option<u32>,
    /// What happens to an entry that is older.
    pub on_expiry: OnExpiry,
    /// The strategies that a store may use.
    pub strategies: Option<Vec<Strategy>>,
    /// Whether everybody may read the namespace, also without an API key.
    #[serde(default)]
    pub public_read: bool,
    /// How many entries the namespace may have.
    #[serde(default)]
    pub max_entries: Option<u64>,
    /// How many bytes its contents may have.
    #[serde(default)]
    pub max_bytes: Option<u64>,
}

/// Settings as they are sent. A field that is left out is unset.
#[derive(Debug, Clone, PartialEq, Eq, Default, Serialize, Deserialize)]
#[cfg_attr(feature = "openapi", derive(utoipa::ToSchema))]
#[serde(deny_unknown_fields)]
pub struct NewSettings {
    /// How long an entry lives, in hours; the service's default without it.
    #[cfg_attr(feature = "openapi", schema(minimum = 1, maximum = 87600))]
    pub ttl_hours: Option<u32>,
    /// What happens to an entry that is older.
    #[serde(skip_serializing_if = "Option::is_none")]
    #[cfg_attr(feature = "openapi", schema(value_type = OnExpiry, required = false))]
    pub on_expiry: Option<OnExpiry>,
    /// The strategies that a store may use; all without it.
    #[cfg_attr(feature = "openapi", schema(min_items = 1))]
    pub strategies: Option<Vec<Strategy>>,
    /// Whether everybody may read the namespace, also without an API key; `false` without it.
    #[serde(default, skip_serializing_if = "std::ops::Not::not")]
    #[cfg_attr(feature = "openapi", schema(required = false))]
    pub public_read: bool,
    /// How many entries the namespace may have; any number without it.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    #[cfg_attr(feature = "openapi", schema(minimum = 0, maximum = 9007199254740991_u64))]
    pub max_entries: Option<u64>,
    /// How many bytes its contents may have; any number without it.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    #[cfg_attr(feature = "openapi", schema(minimum = 0, maximum = 9007199254740991_u64))]
    pub max_bytes: Option<u64>,
}
