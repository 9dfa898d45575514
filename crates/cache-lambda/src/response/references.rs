//! The objects of an entry, and the entries with a hash.

use cache_api::references::{AllReferences, FilePaths, HashReference, HashReferences, References};
use cache_core::cache::{ListedVersion, Paths, Versions};
use cache_core::entry::Entry;
use cache_core::ids::CacheHash;
use cache_core::layout::Layout;
use cache_core::python_files::{CONFIG_SUFFIX, METADATA_SUFFIX};
use serde_json::{Value, to_value};

use super::content::{content_files, entry_config, file_metadata};
use super::wire::{file_type, name, paths, strategy};

/// The objects of an entry.
pub fn references(entry: &Entry) -> References {
    let data_folders = match &entry.python_files {
        Some(files) => files.reference.file_paths.data_folders.clone(),
        None => {
            let children = Layout::new(&entry.namespace).children(entry.cache_id, None);
            vec![children.trim_end_matches('/').to_owned()]
        }
    };
    References {
        file_paths: FilePaths { content_files: content_files(entry), data_folders },
        all_paths: paths(Paths::of(entry)),
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
    let hashes = paths.by_hash.into_iter().zip(by_hash).map(|(path, file)| Ok((path, to_value(file)?)));
    let by_id = to_value(references(entry))?;
    let ids = paths.by_id.into_iter().map(|path| Ok((path, by_id.clone())));
    let beside = beside_contents(entry, &paths.data)?;
    let details = hashes.chain(ids).chain(beside.into_iter().map(Ok)).collect::<Result<_, serde_json::Error>>()?;
    Ok(AllReferences { by_id: references(entry), details })
}

/// What accompanies the contents of an entry of the Python service.
fn beside_contents(entry: &Entry, paths: &[String]) -> Result<Vec<(String, Value)>, serde_json::Error> {
    if entry.python_files.is_none() {
        return Ok(Vec::new());
    }
    let (config, metadata) = (to_value(entry_config(entry))?, to_value(file_metadata(entry))?);
    let beside = |path: &String| match path {
        path if path.ends_with(CONFIG_SUFFIX) => Some((path.clone(), config.clone())),
        path if path.ends_with(METADATA_SUFFIX) => Some((path.clone(), metadata.clone())),
        _ => None,
    };
    Ok(paths.iter().filter_map(beside).collect())
}

/// The newest versions under a hash, and how many there are in all.
pub fn hash_references(cache_hash: &CacheHash, versions: &Versions) -> HashReferences {
    let reference =
        |listed: &ListedVersion| HashReference { cache_id: name(&listed.cache_id), timestamp: listed.stored_at.get() };
    HashReferences {
        cache_hash: name(cache_hash),
        cache_ids: versions.versions.iter().map(reference).collect(),
        latest_id: name(&versions.latest.cache_id),
        total_versions: versions.count,
    }
}
