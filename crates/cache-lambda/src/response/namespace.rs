//! The responses to requests about namespaces and lists.

use std::fmt::Display;

use cache_api::lists::Page;
use cache_api::namespaces::{Entries, EntryItem, NamespaceSettings, NamespaceStats};
use cache_core::cache::{DatedEntry, NamePage, Stats};
use cache_core::ids::Namespace;
use cache_core::settings::Settings;
use cache_core::strategy::Strategy;

use super::wire::{name, on_expiry, strategy};

/// A page of names.
pub fn page<T: From<String>>(NamePage { items, next_cursor }: NamePage<impl Display>) -> Page<T> {
    Page { items: names(&items), next_cursor }
}

/// Names as text.
pub fn names<T: From<String>>(items: &[impl Display]) -> Vec<T> {
    items.iter().map(name).collect()
}

/// How much a namespace holds whose entries live `ttl_hours`, and in this bucket if in any.
pub fn namespace_stats(
    namespace: &Namespace,
    ttl_hours: u32,
    stats: &Stats,
    s3_bucket: Option<String>,
) -> NamespaceStats {
    let of = |strategy: Strategy| stats.entries[strategy as usize];
    NamespaceStats {
        namespace: name(namespace),
        ttl_hours,
        direct_files: of(Strategy::Direct),
        temporal_files: of(Strategy::Temporal),
        temporal_latest_files: of(Strategy::TemporalLatest),
        temporal_versioned_files: of(Strategy::TemporalVersioned),
        key_based_files: of(Strategy::KeyBased),
        refs_hash_files: stats.hashes,
        refs_id_files: stats.ids,
        total_files: stats.entries.iter().sum::<u64>() + stats.hashes + stats.ids,
        content_bytes: stats.bytes,
        s3_prefix: s3_bucket.is_some().then(|| name(namespace)),
        s3_bucket,
    }
}

/// A page of entries in the order of time.
pub fn entries(entries: &[DatedEntry], next_cursor: Option<String>) -> Entries {
    let item = |entry: &DatedEntry| EntryItem {
        cache_id: name(&entry.cache_id),
        strategy: strategy(entry.strategy),
        timestamp: entry.stored_at.get(),
    };
    Entries { entries: entries.iter().map(item).collect(), next_cursor }
}

/// The settings of a namespace.
pub fn namespace_settings(namespace: &Namespace, settings: Settings) -> NamespaceSettings {
    let Settings { ttl_hours, on_expiry: after, strategies, public_read, max_entries, max_bytes } = settings;
    NamespaceSettings {
        namespace: name(namespace),
        ttl_hours,
        on_expiry: on_expiry(after),
        strategies: strategies.map(|allowed| allowed.into_iter().map(strategy).collect()),
        public_read,
        max_entries,
        max_bytes,
    }
}
