//! What storing, updating, looking for and deleting an entry is answered with.

use cache_core::cache::{Deleted, Paths, Stored};
use cache_core::digest::Sha256Digest;
use cache_core::entry::{Entry, RevisionInfo};
use cache_core::ids::{CacheHash, CacheId, Namespace};
use serde::Serialize;
use utoipa::ToSchema;

/// What a store made.
#[derive(Debug, Serialize, ToSchema)]
pub struct Store {
    cache_id: CacheId,
    cache_hash: CacheHash,
    namespace: Namespace,
    paths: Paths,
    /// Stored bytes.
    size: u64,
    version: u64,
    #[serde(skip_serializing_if = "Option::is_none")]
    key_version: Option<u64>,
    sha256: Sha256Digest,
    deduplicated: bool,
}

impl From<Stored> for Store {
    fn from(stored: Stored) -> Self {
        Self {
            cache_id: stored.entry.cache_id,
            cache_hash: stored.entry.cache_hash,
            namespace: stored.entry.namespace,
            paths: stored.paths,
            size: stored.entry.content.size,
            version: stored.entry.version,
            key_version: stored.key_version,
            sha256: stored.entry.content.sha256,
            deduplicated: stored.deduplicated,
        }
    }
}

/// Whether an entry is there. The one of id and hash that was not asked for is `null`.
#[derive(Debug, Serialize, ToSchema)]
pub struct Exists {
    /// Whether it is there.
    pub exists: bool,
    /// The id that was asked for.
    pub cache_id: Option<CacheId>,
    /// The hash that was asked for.
    pub cache_hash: Option<CacheHash>,
    /// Where it was looked for.
    pub namespace: Namespace,
}

/// What an update made.
#[derive(Debug, Serialize, ToSchema)]
pub struct Update {
    cache_id: CacheId,
    cache_hash: CacheHash,
    namespace: Namespace,
    /// The objects that hold the content, or lead to it.
    paths: Vec<String>,
    /// Stored bytes.
    size: u64,
    timestamp: u64,
    updated_content: bool,
    updated_hash: bool,
    updated_metadata: bool,
    updated_id_ref: bool,
    /// The number under which the new content stays readable.
    revision: u64,
}

impl Update {
    /// The response for an entry that has this revision now.
    pub fn new(record: &Entry, revision: RevisionInfo) -> Self {
        Self {
            cache_id: record.cache_id,
            cache_hash: record.cache_hash.clone(),
            namespace: record.namespace.clone(),
            paths: Paths::of(record).data,
            size: record.content.size,
            timestamp: revision.updated_at.get(),
            updated_content: true,
            updated_hash: false,
            updated_metadata: false,
            updated_id_ref: false,
            revision: revision.number,
        }
    }
}

/// What became of a delete.
#[derive(Debug, Serialize, ToSchema)]
#[serde(tag = "status", rename_all = "snake_case")]
pub enum Delete {
    /// The entry is gone.
    Success {
        /// The entry.
        cache_id: CacheId,
        /// How many objects went with it.
        deleted_count: usize,
        /// Always 0: a delete that fails is an error, and can be repeated.
        failed_count: usize,
        /// Those objects.
        deleted_paths: Vec<String>,
        /// Always empty.
        failed_paths: Vec<String>,
    },
    /// There was none.
    NotFound {
        /// Which.
        message: String,
    },
}

impl Delete {
    /// The answer for an entry that may have been there.
    pub fn of(cache_id: CacheId, deleted: Option<Deleted>) -> Self {
        match deleted {
            Some(Deleted { paths, .. }) => Self::Success {
                cache_id,
                deleted_count: paths.len(),
                failed_count: 0,
                deleted_paths: paths,
                failed_paths: Vec::new(),
            },
            None => Self::NotFound { message: format!("there is no entry with cache_id {cache_id}") },
        }
    }
}
