//! ZIP archives: storing, reading and editing them.

use serde::{Deserialize, Serialize};

use crate::entries::Store;
use crate::names::CacheId;

/// An archive that was stored.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[cfg_attr(feature = "openapi", derive(utoipa::ToSchema))]
pub struct ArchiveStore {
    /// The entry.
    #[serde(flatten)]
    pub store: Store,
    /// Members, folders included.
    pub file_count: usize,
    /// Milliseconds since 1970, UTC.
    pub stored_at: u64,
    /// Always `null`: a store that fails is an error.
    pub error_type: Option<String>,
    /// Always `null`.
    pub error_message: Option<String>,
    /// Always true.
    pub success: bool,
}

/// One operation on an archive that succeeded.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[cfg_attr(feature = "openapi", derive(utoipa::ToSchema))]
pub struct ArchiveOperation {
    /// Always true: an operation that fails is an error.
    pub success: bool,
    /// `list`, `add` or `remove`.
    pub operation: String,
    /// The entry that holds the result. After an edit that changed nothing it is the original one.
    pub cache_id: CacheId,
    /// The entry that was edited.
    pub original_cache_id: Option<CacheId>,
    /// A summary for people.
    pub message: String,
    /// All members; only of `list`.
    pub file_list: Vec<String>,
    /// Always empty: contents have a separate route.
    pub file_content: String,
    /// Always 0.
    pub file_size: u64,
    /// Members that were edited.
    pub files_affected: Vec<String>,
    /// Always empty: an operation that fails is an error.
    pub error_details: String,
}

/// A batch as it is sent. Every field is optional, unknown ones are ignored (`cache_id`, `namespace` and `strategy` are
/// sent by older clients), and an empty text is the same as none, except for `action` and `condition`.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize, Deserialize)]
#[cfg_attr(feature = "openapi", derive(utoipa::ToSchema))]
#[serde(default)]
pub struct BatchRequest {
    /// Whether one failure undoes everything. It does by default.
    pub atomic: Option<bool>,
    /// What to do, in this order.
    pub operations: Option<Vec<OperationRequest>>,
}

/// One operation as it is sent.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize, Deserialize)]
#[cfg_attr(feature = "openapi", derive(utoipa::ToSchema))]
#[serde(default)]
pub struct OperationRequest {
    /// `add`, `replace`, `remove`, `rename` or `move`, which is the same as `rename`. An operation with `list` or
    /// `get`, or without an action, fails when it is its turn.
    #[cfg_attr(feature = "openapi", schema(value_type = Action))]
    pub action: Option<String>,
    /// The member it is about. Required, but for a `remove` with a pattern.
    pub path: Option<String>,
    /// The text of an added or replaced member.
    pub content: Option<String>,
    /// The new name of a renamed member.
    pub new_path: Option<String>,
    /// `always` (the default), `if_exists` or `if_not_exists`. It is about the member at `path`, even with a pattern.
    #[cfg_attr(feature = "openapi", schema(pattern = "^(always|if_exists|if_not_exists)?$"))]
    pub condition: Option<String>,
    /// Which members to `remove`, as a shell pattern. Only the condition then looks at the path.
    pub pattern: Option<String>,
}

/// The action of an operation.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[cfg_attr(feature = "openapi", derive(utoipa::ToSchema))]
#[serde(rename_all = "lowercase")]
pub enum Action {
    /// Sets a member's content.
    Add,
    /// Sets a member's content.
    Replace,
    /// Removes one member, or all that match a pattern.
    Remove,
    /// Gives a member another name.
    Rename,
    /// Gives a member another name.
    Move,
    /// Accepted in a request, but not carried out by a batch: the operation fails.
    List,
    /// Accepted in a request, but not carried out by a batch: the operation fails.
    Get,
}

/// The response to a batch.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[cfg_attr(feature = "openapi", derive(utoipa::ToSchema))]
pub struct ArchiveBatch {
    /// The entry that holds the result; the original one when nothing was stored.
    pub cache_id: CacheId,
    /// The entry that was edited.
    pub original_cache_id: CacheId,
    /// Members of the result, folders included; 0 when the batch was not carried out.
    pub new_file_count: usize,
    /// Bytes of the result; 0 when the batch was not carried out.
    pub new_size: u64,
    /// Milliseconds since 1970, UTC.
    pub completed_at: u64,
    /// The outcome of its operations.
    #[serde(flatten)]
    pub outcome: BatchOutcome,
}

/// The outcome of a batch.
///
/// Error texts are those of the Python service, since clients may compare them. The `message` fields say what to
/// change.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize, Deserialize)]
#[cfg_attr(feature = "openapi", derive(utoipa::ToSchema))]
pub struct BatchOutcome {
    /// Whether no operation failed.
    pub success: bool,
    /// Operations that were applied. After a rollback: those before the one that failed.
    pub operations_applied: usize,
    /// Operations that failed.
    pub operations_failed: usize,
    /// Operations whose condition was not met.
    pub operations_skipped: usize,
    /// One for each operation that was tried, in order.
    pub operation_results: Vec<OperationResult>,
    /// Members that `add` created.
    pub files_added: Vec<String>,
    /// Members that `remove` removed.
    pub files_removed: Vec<String>,
    /// Members that an `add` or `replace` set, and the old and new names of renamed ones.
    pub files_modified: Vec<String>,
    /// Whether a failure undid the whole batch.
    pub rollback_performed: bool,
    /// Why it was undone, or could not be carried out; else empty.
    pub error_message: String,
    /// What to change so that it is carried out; empty when it was.
    pub message: String,
    /// Whether the archive has other names or contents than before. If not, there is nothing to store.
    pub changed: bool,
}

/// The outcome of one operation.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[cfg_attr(feature = "openapi", derive(utoipa::ToSchema))]
pub struct OperationResult {
    /// The action as it was sent; `null` when there was none.
    pub action: Option<Action>,
    /// The name of the member; as it was sent if it is not a valid name, or with a pattern.
    pub path: String,
    /// Whether it was applied or skipped.
    pub success: bool,
    /// Whether it was skipped because its condition was not met.
    pub skipped: bool,
    /// Why it failed; empty when it did not.
    pub error: String,
    /// What to change so that it succeeds; empty when it did.
    pub message: String,
}
