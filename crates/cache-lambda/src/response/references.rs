//! The objects of an entry, and the entries with a hash.

use cache_api::references::{AllReferences, FilePaths, HashReference, HashReferences, References};
use cache_core::cache::{ListedVersion, Paths, Versions};
use cache_core::entry::Entry;
use cache_core::ids::CacheHash;
use cache_core::layout::Layout;

use super::wire::{file_type, name, paths, strategy};

/// The objects of an entry.
pub fn references(entry: &Entry) -> References {
    let all_paths = Paths::of(entry);
    let children = Layout::new(&entry.namespace).children(entry.cache_id, None);
    References {
        file_paths: FilePaths {
            content_files: all_paths.data.clone(),
            data_folders: vec![children.trim_end_matches('/').to_owned()],
        },
        all_paths: paths(all_paths),
        cache_id: name(&entry.cache_id),
        cache_hash: name(&entry.cache_hash),
        file_type: file_type(entry.content.kind),
        namespace: name(&entry.namespace),
        strategy: strategy(entry.strategy),
        timestamp: entry.stored_at.get(),
    }
}

/// The objects of an entry, with the reference files of the entry and of its hash.
///
/// # Errors
///
/// When a reference file cannot be written as JSON.
pub fn all_references(entry: &Entry, versions: Option<&Versions>) -> Result<AllReferences, serde_json::Error> {
    let paths = Paths::of(entry);
    let by_hash = versions.map(|versions| hash_references(&entry.cache_hash, versions));
    let hashes = paths.by_hash.into_iter().zip(by_hash).map(|(path, file)| Ok((path, serde_json::to_value(file)?)));
    let by_id = serde_json::to_value(references(entry))?;
    let ids = paths.by_id.into_iter().map(|path| Ok((path, by_id.clone())));
    let details = hashes.chain(ids).collect::<Result<_, serde_json::Error>>()?;
    Ok(AllReferences { by_id: references(entry), details })
}

/// The newest versions under a hash, and how many there are in all.
pub fn hash_references(cache_hash: &CacheHash, versions: &Versions) -> HashReferences {
    let reference =
        |listed: &ListedVersion| HashReference { cache_id: name(&listed.cache_id), timestamp: listed.stored_at.get() };
    HashReferences {
        cache_hash: name(cache_hash),
        cache_ids: versions.versions.iter().map(reference).collect(),
        latest_id: name(&versions.latest),
        total_versions: versions.count,
    }
}
