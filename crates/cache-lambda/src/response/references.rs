//! What an entry consists of, and which entries a hash leads to.

use std::collections::BTreeMap;

use cache_core::cache::{Details, Paths};
use cache_core::ids::{CacheHash, CacheId, Namespace};
use cache_core::index::{Index, Listed};
use cache_core::layout::Layout;
use cache_core::record::Record;
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

impl From<&Record> for References {
    fn from(record: &Record) -> Self {
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
            file_type: record.kind.into(),
            namespace: record.namespace.clone(),
            strategy: record.strategy,
            timestamp: record.stored_at,
        }
    }
}

/// What an entry consists of, with the record and the hash index as they are stored.
#[derive(Debug, Serialize, ToSchema)]
pub struct AllReferences {
    by_id: References,
    /// Objects by their path.
    details: BTreeMap<String, Value>,
}

impl TryFrom<Details> for AllReferences {
    type Error = serde_json::Error;

    fn try_from(found: Details) -> Result<Self, serde_json::Error> {
        let Details { record, hash_index } = found;
        let layout = Layout::new(&record.namespace);
        let mut details = BTreeMap::new();
        if let Some(index) = hash_index {
            details.insert(layout.hash_index(&record.cache_hash).to_string(), serde_json::to_value(index)?);
        }
        details.insert(layout.record(record.cache_id).to_string(), serde_json::to_value(&record)?);
        Ok(Self { by_id: (&record).into(), details })
    }
}

/// The versions under a hash: the newest that its index lists by itself, and how many there are in all.
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
    /// `None` for an index that lists nothing.
    pub fn of(cache_hash: CacheHash, index: &Index) -> Option<Self> {
        let reference = |listed: &Listed| HashReference { cache_id: listed.cache_id, timestamp: listed.timestamp };
        Some(Self {
            cache_hash,
            cache_ids: index.versions.iter().map(reference).collect(),
            latest_id: index.newest()?.cache_id,
            total_versions: index.live,
        })
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
