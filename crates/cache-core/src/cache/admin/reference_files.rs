//! The reference files of the Python service, as that writes them: JSON with an indent of two.

use bytes::Bytes;
use serde::Serialize;

use crate::entry::Entry;
use crate::ids::{CacheHash, CacheId, Namespace};
use crate::strategy::{ContentKind, Strategy};
use crate::time::UnixMillis;

use super::super::{ListedVersion, NamespaceCache, Paths, Versions};

/// The reference file of an entry.
#[derive(Serialize)]
struct IdReference<'a> {
    all_paths: &'a Paths,
    cache_id: CacheId,
    cache_hash: &'a CacheHash,
    file_paths: FilePaths<'a>,
    file_type: &'static str,
    namespace: &'a Namespace,
    strategy: Strategy,
    timestamp: UnixMillis,
}

#[derive(Serialize)]
struct FilePaths<'a> {
    content_files: &'a [String],
    data_folders: [&'a str; 1],
}

/// The reference file of a hash.
#[derive(Serialize)]
struct HashReference<'a> {
    cache_hash: &'a CacheHash,
    cache_ids: Vec<ListedId>,
    latest_id: CacheId,
    total_versions: u64,
}

#[derive(Serialize)]
struct ListedId {
    cache_id: CacheId,
    timestamp: UnixMillis,
}

impl NamespaceCache {
    /// The reference file of an entry.
    pub(super) fn id_reference(&self, entry: &Entry) -> Bytes {
        let paths = Paths::of(entry);
        let children = self.layout().children(entry.cache_id, None);
        to_json(&IdReference {
            all_paths: &paths,
            cache_id: entry.cache_id,
            cache_hash: &entry.cache_hash,
            file_paths: FilePaths { content_files: &paths.data, data_folders: [children.trim_end_matches('/')] },
            file_type: file_type(entry.content.kind),
            namespace: self.name(),
            strategy: entry.strategy,
            timestamp: entry.stored_at,
        })
    }
}

/// The reference file of a hash with these versions.
pub(super) fn hash_reference(cache_hash: &CacheHash, versions: &Versions) -> Bytes {
    let listed = |version: &ListedVersion| ListedId { cache_id: version.cache_id, timestamp: version.stored_at };
    to_json(&HashReference {
        cache_hash,
        cache_ids: versions.versions.iter().map(listed).collect(),
        latest_id: versions.latest.cache_id,
        total_versions: versions.count,
    })
}

fn file_type(kind: ContentKind) -> &'static str {
    match kind {
        ContentKind::Json | ContentKind::String => "json",
        ContentKind::Binary | ContentKind::Zip => "binary",
    }
}

fn to_json(file: &impl Serialize) -> Bytes {
    serde_json::to_vec_pretty(file).expect("plain structs always serialize").into()
}
