//! The JSON of answers about archives.

use cache_core::archive::MemberName;
use cache_core::archive::batch::BatchOutcome;
use cache_core::cache::{ArchiveEntry, Edited, StoredArchive};
use cache_core::ids::CacheId;
use serde::Serialize;
use utoipa::ToSchema;

use super::entry::Store;

/// An archive that was stored.
#[derive(Debug, Serialize, ToSchema)]
pub struct ArchiveStore {
    #[serde(flatten)]
    store: Store,
    /// Members, folders included.
    file_count: usize,
    /// Milliseconds since 1970, UTC.
    stored_at: u64,
    /// Always `null`: a store that fails is an error.
    error_type: Option<&'static str>,
    /// Always `null`.
    error_message: Option<&'static str>,
    /// Always true.
    success: bool,
}

impl From<StoredArchive> for ArchiveStore {
    fn from(StoredArchive { stored, members }: StoredArchive) -> Self {
        let stored_at = stored.entry.stored_at.get();
        let store = stored.into();
        Self { store, file_count: members, stored_at, error_type: None, error_message: None, success: true }
    }
}

/// One operation on an archive that succeeded.
#[derive(Debug, Serialize, ToSchema)]
pub struct ArchiveOperation {
    success: bool,
    operation: &'static str,
    /// The entry that holds the result. After an edit that changed nothing it is the original one.
    cache_id: CacheId,
    /// The entry that was edited.
    original_cache_id: Option<CacheId>,
    message: String,
    /// All members; only of `list`.
    file_list: Vec<String>,
    /// Always empty: contents have a route of their own.
    file_content: &'static str,
    /// Always 0.
    file_size: u64,
    /// Members that were edited.
    files_affected: Vec<String>,
    /// Always empty: an operation that fails is an error.
    error_details: &'static str,
}

impl ArchiveOperation {
    fn new(operation: &'static str, cache_id: CacheId, message: String) -> Self {
        Self {
            success: true,
            operation,
            cache_id,
            original_cache_id: None,
            message,
            file_list: Vec::new(),
            file_content: "",
            file_size: 0,
            files_affected: Vec::new(),
            error_details: "",
        }
    }

    /// The list of members.
    pub fn list(entry: &ArchiveEntry) -> Self {
        let file_list: Vec<String> = entry.directory.names().map(str::to_owned).collect();
        let message = format!("the archive has {} members", file_list.len());
        Self { file_list, ..Self::new("list", entry.entry.cache_id, message) }
    }

    /// A member got a content.
    pub fn add(edited: &Edited<MemberName>) -> Self {
        Self::edit("add", "set", edited)
    }

    /// A member went.
    pub fn remove(edited: &Edited<MemberName>) -> Self {
        Self::edit("remove", "removed", edited)
    }

    fn edit(operation: &'static str, done: &str, edited: &Edited<MemberName>) -> Self {
        let Edited { original, cache_id, done: name, .. } = edited;
        let message = if cache_id == original {
            format!("'{name}' is so already: nothing was stored")
        } else {
            format!("'{name}' was {done}: the archive is a new entry with cache_id {cache_id}")
        };
        Self {
            original_cache_id: Some(*original),
            files_affected: vec![name.to_string()],
            ..Self::new(operation, *cache_id, message)
        }
    }
}

/// What became of a batch.
#[derive(Debug, Serialize, ToSchema)]
pub struct ArchiveBatch {
    /// The entry that holds the result; the original one when nothing was stored.
    cache_id: CacheId,
    original_cache_id: CacheId,
    /// Members of the result, folders included; 0 when the batch was not carried out.
    new_file_count: usize,
    /// Bytes of the result; 0 when the batch was not carried out.
    new_size: u64,
    /// Milliseconds since 1970, UTC.
    completed_at: u64,
    #[serde(flatten)]
    outcome: BatchOutcome,
}

impl ArchiveBatch {
    /// The answer for a batch that was tried on an archive.
    pub fn of(edited: Edited<BatchOutcome>, completed_at: u64) -> Self {
        let Edited { original, cache_id, members, size, done: outcome } = edited;
        let (members, size) = if outcome.rollback_performed { (0, 0) } else { (members, size) };
        Self { cache_id, original_cache_id: original, new_file_count: members, new_size: size, completed_at, outcome }
    }

    /// The answer for a batch that could not be tried, or whose result could not be stored. `message` says what to change.
    pub fn failed(cache_id: CacheId, error_message: String, message: String, completed_at: u64) -> Self {
        Self {
            cache_id,
            original_cache_id: cache_id,
            new_file_count: 0,
            new_size: 0,
            completed_at,
            outcome: BatchOutcome { error_message, message, ..BatchOutcome::default() },
        }
    }
}
