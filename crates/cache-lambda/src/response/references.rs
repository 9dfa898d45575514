//! What an entry consists of, and which entries a hash leads to.

use std::collections::BTreeMap;

use cache_core::cache::{ListedVersion, Paths, Versions};
use cache_core::entry::Entry;
use cache_core::ids::{CacheHash, CacheId, Namespace};
use cache_core::layout::Layout;
use cache_core::strategy::Strategy;
use serde::Serialize;
use serde_json::Value;
use utoipa::ToSchema;

use super::content::FileType;

/// What an entry consists of.
#[derive(Debug, Serialize, ToSchema)]
pub struct References {
    all_paths: Paths,
    cache_id: CacheId,
    cache_hash: CacheHash,
    file_paths: FilePaths,
    file_type: FileType,
    namespace: Namespace,
    strategy: Strategy,
    timestamp: u64,
}

/// Where its content and its children are.
#[derive(Debug, Serialize, ToSchema)]
struct FilePaths {
    content_files: Vec<String>,
    data_folders: Vec<String>,
}

impl From<&Entry> for References {
    fn from(record: &Entry) -> Self {
        let paths = Paths::of(record);
        let children = Layout::new(&record.namespace).children(record.cache_id, None);
        Self {
            file_paths: FilePaths {
                content_files: paths.data.clone(),
                data_folders: vec![children.trim_end_matches('/').to_owned()],
            },
            all_paths: paths,
            cache_id: record.cache_id,
            cache_hash: record.cache_hash.clone(),
            file_type: record.content.kind.into(),
            namespace: record.namespace.clone(),
            strategy: record.strategy,
            timestamp: record.stored_at.get(),
        }
    }
}

/// What an entry consists of, with the reference files of the entry and of its hash.
#[derive(Debug, Serialize, ToSchema)]
pub struct AllReferences {
    by_id: References,
    /// Objects by their path.
    details: BTreeMap<String, Value>,
}

impl AllReferences {
    /// What an entry consists of, with the versions under its hash.
    ///
    /// # Errors
    ///
    /// When a reference cannot be written as JSON.
    pub fn new(entry: &Entry, versions: Option<&Versions>) -> Result<Self, serde_json::Error> {
        let paths = Paths::of(entry);
        let by_hash = versions.map(|versions| HashReferences::of(entry.cache_hash.clone(), versions));
        let hashes =
            paths.by_hash.iter().cloned().zip(by_hash).map(|(path, file)| Ok((path, serde_json::to_value(file)?)));
        let file = serde_json::to_value(References::from(entry))?;
        let ids = paths.by_id.iter().cloned().map(|path| Ok((path, file.clone())));
        Ok(Self { by_id: entry.into(), details: hashes.chain(ids).collect::<Result<_, serde_json::Error>>()? })
    }
}

/// The newest versions under a hash, and how many there are in all.
#[derive(Debug, Serialize, ToSchema)]
pub struct HashReferences {
    cache_hash: CacheHash,
    cache_ids: Vec<HashReference>,
    latest_id: CacheId,
    total_versions: u64,
}

/// One of them.
#[derive(Debug, Serialize, ToSchema)]
struct HashReference {
    cache_id: CacheId,
    timestamp: u64,
}

impl HashReferences {
    /// The versions under a hash.
    pub fn of(cache_hash: CacheHash, versions: &Versions) -> Self {
        let reference =
            |listed: &ListedVersion| HashReference { cache_id: listed.cache_id, timestamp: listed.stored_at.get() };
        Self {
            cache_hash,
            cache_ids: versions.versions.iter().map(reference).collect(),
            latest_id: versions.latest,
            total_versions: versions.count,
        }
    }
}

/// The newest entry under a hash.
#[derive(Debug, Serialize, ToSchema)]
pub struct HashCacheId {
    /// Where it lives.
    pub namespace: Namespace,
    /// The hash.
    pub cache_hash: CacheHash,
    /// The entry.
    pub cache_id: CacheId,
}
