//! Values of core as they go over the wire.

use std::fmt::Display;

use cache_api::{entries, kinds, namespaces};
use cache_core::cache;
use cache_core::settings;
use cache_core::strategy::{ContentKind, Strategy};

/// A name as text.
pub fn name<T: From<String>>(name: &impl Display) -> T {
    T::from(name.to_string())
}

/// A strategy.
pub fn strategy(strategy: Strategy) -> kinds::Strategy {
    match strategy {
        Strategy::Direct => kinds::Strategy::Direct,
        Strategy::Temporal => kinds::Strategy::Temporal,
        Strategy::TemporalLatest => kinds::Strategy::TemporalLatest,
        Strategy::TemporalVersioned => kinds::Strategy::TemporalVersioned,
        Strategy::KeyBased => kinds::Strategy::KeyBased,
    }
}

/// A kind of content.
pub fn content_kind(kind: ContentKind) -> kinds::ContentKind {
    match kind {
        ContentKind::Json => kinds::ContentKind::Json,
        ContentKind::String => kinds::ContentKind::String,
        ContentKind::Binary => kinds::ContentKind::Binary,
        ContentKind::Zip => kinds::ContentKind::Zip,
    }
}

/// The type that clients know a kind of content by.
pub fn file_type(kind: ContentKind) -> kinds::FileType {
    match kind {
        ContentKind::Json | ContentKind::String => kinds::FileType::Json,
        ContentKind::Binary | ContentKind::Zip => kinds::FileType::Binary,
    }
}

/// What happens to an entry at the end of its time to live.
pub fn on_expiry(on_expiry: settings::OnExpiry) -> namespaces::OnExpiry {
    match on_expiry {
        settings::OnExpiry::Keep => namespaces::OnExpiry::Keep,
        settings::OnExpiry::Delete => namespaces::OnExpiry::Delete,
    }
}

/// The objects of an entry.
pub fn paths(cache::Paths { data, by_hash, by_id }: cache::Paths) -> entries::Paths {
    entries::Paths { data, by_hash, by_id }
}
