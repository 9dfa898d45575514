//! The JSON of answers about namespaces and lists.

use cache_core::cache::{DatedEntry, NamePage, Stats};
use cache_core::ids::{CacheId, Namespace};
use cache_core::settings::{OnExpiry, Settings};
use cache_core::strategy::Strategy;
use serde::Serialize;
use utoipa::ToSchema;

/// A page of a list.
#[derive(Debug, Serialize, ToSchema)]
pub struct Page<T> {
    items: Vec<T>,
    /// `null` on the last page.
    next_cursor: Option<String>,
}

/// A list: bare, or a page of it when one was asked for.
#[derive(Debug, Serialize, ToSchema)]
#[serde(untagged)]
pub enum List<T> {
    /// All of it.
    Whole(Vec<T>),
    /// A part.
    Page(Page<T>),
}

impl<T> From<NamePage<T>> for Page<T> {
    fn from(NamePage { items, next_cursor }: NamePage<T>) -> Self {
        Self { items, next_cursor }
    }
}

/// How much a namespace holds.
#[derive(Debug, Serialize, ToSchema)]
pub struct NamespaceStats {
    namespace: Namespace,
    ttl_hours: u32,
    direct_files: u64,
    temporal_files: u64,
    temporal_latest_files: u64,
    temporal_versioned_files: u64,
    key_based_files: u64,
    refs_hash_files: u64,
    refs_id_files: u64,
    /// The sum of all the others.
    total_files: u64,
    #[serde(skip_serializing_if = "Option::is_none")]
    s3_bucket: Option<String>,
    #[serde(skip_serializing_if = "Option::is_none")]
    s3_prefix: Option<Namespace>,
}

impl NamespaceStats {
    /// Of a namespace whose entries live so long, in hours, and in this bucket if in any.
    pub fn new(namespace: Namespace, ttl_hours: u32, stats: &Stats, s3_bucket: Option<String>) -> Self {
        let of = |strategy: Strategy| stats.entries[strategy as usize];
        Self {
            ttl_hours,
            direct_files: of(Strategy::Direct),
            temporal_files: of(Strategy::Temporal),
            temporal_latest_files: of(Strategy::TemporalLatest),
            temporal_versioned_files: of(Strategy::TemporalVersioned),
            key_based_files: of(Strategy::KeyBased),
            refs_hash_files: stats.hashes,
            refs_id_files: stats.ids,
            total_files: stats.entries.iter().sum::<u64>() + stats.hashes + stats.ids,
            s3_prefix: s3_bucket.is_some().then(|| namespace.clone()),
            s3_bucket,
            namespace,
        }
    }
}

/// Entries in the order of time.
#[derive(Debug, Serialize, ToSchema)]
pub struct Entries {
    entries: Vec<EntryItem>,
    /// `null` on the last page.
    next_cursor: Option<String>,
}

/// One of them.
#[derive(Debug, Serialize, ToSchema)]
struct EntryItem {
    cache_id: CacheId,
    strategy: Strategy,
    timestamp: u64,
}

impl Entries {
    /// A page of entries.
    pub fn new(entries: Vec<DatedEntry>, next_cursor: Option<String>) -> Self {
        let item =
            |DatedEntry { cache_id, strategy, stored_at }| EntryItem { cache_id, strategy, timestamp: stored_at.get() };
        Self { entries: entries.into_iter().map(item).collect(), next_cursor }
    }
}

/// The settings of a namespace; `null` stands for the service's default.
#[derive(Debug, Serialize, ToSchema)]
pub struct NamespaceSettings {
    namespace: Namespace,
    ttl_hours: Option<u32>,
    on_expiry: OnExpiry,
    strategies: Option<Vec<Strategy>>,
}

impl NamespaceSettings {
    /// The settings of this namespace.
    pub fn new(namespace: Namespace, Settings { ttl_hours, on_expiry, strategies }: Settings) -> Self {
        Self { namespace, ttl_hours, on_expiry, strategies }
    }
}

/// Settings as they are sent. A field that is left out is unset.
#[derive(Serialize, ToSchema)]
#[serde(deny_unknown_fields)]
pub struct NewSettings {
    /// How long an entry lives, in hours; the service's default without it.
    #[schema(minimum = 1, maximum = 87600)]
    pub ttl_hours: Option<u32>,
    /// What happens to an entry that is older.
    #[schema(value_type = OnExpiry, required = false)]
    pub on_expiry: Option<OnExpiry>,
    /// The strategies that a store may use; all without it.
    #[schema(min_items = 1)]
    pub strategies: Option<Vec<Strategy>>,
}
