//! What an entry consists of, and which entries a hash leads to.

use std::collections::BTreeMap;

use cache_api::references::{AllReferences, FilePaths, HashReference, HashReferences, References};
use cache_core::cache::{Details, Paths};
use cache_core::ids::CacheHash;
use cache_core::index::{Index, Listed};
use cache_core::layout::Layout;
use cache_core::record::Record;

use super::wire::{file_type, name, paths, strategy};

/// What an entry consists of.
pub fn references(record: &Record) -> References {
    let all_paths = Paths::of(record);
    let children = Layout::new(&record.namespace).children(record.cache_id, None);
    References {
        file_paths: FilePaths {
            content_files: all_paths.data.clone(),
            data_folders: vec![children.trim_end_matches('/').to_owned()],
        },
        all_paths: paths(all_paths),
        cache_id: name(&record.cache_id),
        cache_hash: name(&record.cache_hash),
        file_type: file_type(record.kind),
        namespace: name(&record.namespace),
        strategy: strategy(record.strategy),
        timestamp: record.stored_at,
    }
}

/// What an entry consists of, with the record and the hash index as they are stored.
///
/// # Errors
///
/// A record or an index that cannot be written as JSON.
pub fn all_references(found: Details) -> Result<AllReferences, serde_json::Error> {
    let Details { record, hash_index } = found;
    let layout = Layout::new(&record.namespace);
    let mut details = BTreeMap::new();
    if let Some(index) = hash_index {
        details.insert(layout.hash_index(&record.cache_hash).to_string(), serde_json::to_value(index)?);
    }
    details.insert(layout.record(record.cache_id).to_string(), serde_json::to_value(&record)?);
    Ok(AllReferences { by_id: references(&record), details })
}

/// The versions under a hash; `None` for an index that lists nothing.
pub fn hash_references(cache_hash: &CacheHash, index: &Index) -> Option<HashReferences> {
    let reference = |listed: &Listed| HashReference { cache_id: name(&listed.cache_id), timestamp: listed.timestamp };
    Some(HashReferences {
        cache_hash: name(cache_hash),
        cache_ids: index.versions.iter().map(reference).collect(),
        latest_id: name(&index.newest()?.cache_id),
        total_versions: index.live,
    })
}
