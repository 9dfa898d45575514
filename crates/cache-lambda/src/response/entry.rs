//! What storing, updating and deleting an entry is answered with.

use cache_api::entries::{Delete, Store, Update};
use cache_core::cache::{Deleted, Paths, Stored};
use cache_core::ids::CacheId;
use cache_core::record::{Record, Revision};

use super::wire::{name, paths};

/// The response to a store.
pub fn store(stored: Stored) -> Store {
    Store {
        cache_id: name(&stored.record.cache_id),
        cache_hash: name(&stored.record.cache_hash),
        namespace: name(&stored.record.namespace),
        paths: paths(stored.paths),
        size: stored.record.size,
        version: stored.version,
        key_version: stored.key_version,
        sha256: name(&stored.record.sha256),
        deduplicated: stored.deduplicated,
    }
}

/// The response for an entry that has this revision now.
pub fn update(record: &Record, revision: &Revision) -> Update {
    let views = Paths::of(record).data.into_iter().filter(|path| *path != record.blob().to_string());
    Update {
        cache_id: name(&record.cache_id),
        cache_hash: name(&record.cache_hash),
        namespace: name(&record.namespace),
        paths: views.chain([record.current().key.to_string()]).collect(),
        size: revision.size,
        timestamp: revision.updated_at,
        updated_content: true,
        updated_hash: false,
        updated_metadata: false,
        updated_id_ref: false,
        revision: revision.number,
    }
}

/// The response for an entry that may have been there.
pub fn delete(cache_id: CacheId, deleted: Option<Deleted>) -> Delete {
    match deleted {
        Some(Deleted { paths, .. }) => Delete::Success {
            cache_id: name(&cache_id),
            deleted_count: paths.len(),
            failed_count: 0,
            deleted_paths: paths,
            failed_paths: Vec::new(),
        },
        None => Delete::NotFound { message: format!("there is no entry with cache_id {cache_id}") },
    }
}
