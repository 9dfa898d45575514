//! The responses to storing, updating and deleting an entry.

use cache_api::entries::{Delete, Store, Update};
use cache_core::cache::{Deleted, Paths, Stored};
use cache_core::entry::{Entry, RevisionInfo};
use cache_core::ids::CacheId;

use super::wire::{name, paths};

/// The response to a store.
pub fn store(stored: Stored) -> Store {
    Store {
        cache_id: name(&stored.entry.cache_id),
        cache_hash: name(&stored.entry.cache_hash),
        namespace: name(&stored.entry.namespace),
        paths: paths(stored.paths),
        size: stored.entry.content.size,
        version: stored.entry.version,
        key_version: stored.key_version,
        sha256: name(&stored.entry.content.sha256),
        deduplicated: stored.deduplicated,
    }
}

/// The response for an entry that has this revision now.
pub fn update(entry: &Entry, revision: RevisionInfo) -> Update {
    Update {
        cache_id: name(&entry.cache_id),
        cache_hash: name(&entry.cache_hash),
        namespace: name(&entry.namespace),
        paths: Paths::of(entry).data,
        size: entry.content.size,
        timestamp: revision.updated_at.get(),
        updated_content: true,
        updated_hash: false,
        updated_metadata: false,
        updated_id_ref: false,
        revision: revision.number,
    }
}

/// The response to a delete. `None` if the entry did not exist.
pub fn delete(cache_id: CacheId, deleted: Option<Deleted>) -> Delete {
    match deleted {
        Some(Deleted { paths, .. }) => Delete::Success {
            cache_id: name(&cache_id),
            deleted_count: paths.len(),
            failed_count: 0,
            deleted_paths: paths,
            failed_paths: Vec::new(),
        },
        None => Delete::NotFound { message: format!("Cache ID {cache_id} not found") },
    }
}
