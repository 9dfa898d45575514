//! The responses to requests about archives.

use cache_api::archives::{self, ArchiveBatch, ArchiveOperation, ArchiveStore};
use cache_core::archive::MemberName;
use cache_core::archive::batch::{Action, BatchOutcome, OperationResult};
use cache_core::cache::{ArchiveEntry, Edited, StoredArchive};
use cache_core::ids::CacheId;

use super::entry::store;
use super::wire::name;

/// An archive was stored.
pub fn archive_store(StoredArchive { stored, members }: StoredArchive) -> ArchiveStore {
    ArchiveStore {
        stored_at: stored.entry.stored_at.get(),
        store: store(stored),
        file_count: members,
        error_type: None,
        error_message: None,
        success: true,
    }
}

/// The list of members.
pub fn member_list(entry: &ArchiveEntry) -> ArchiveOperation {
    let file_list: Vec<String> = entry.directory.names().map(str::to_owned).collect();
    let message = format!("Found {} files in zip", file_list.len());
    ArchiveOperation { file_list, ..operation("list", entry.entry.cache_id, message) }
}

/// A member was added or replaced.
pub fn member_added(edited: &Edited<MemberName>) -> ArchiveOperation {
    edit("add", "Added", "to", edited)
}

/// A member was removed.
pub fn member_removed(edited: &Edited<MemberName>) -> ArchiveOperation {
    edit("remove", "Removed", "from", edited)
}

/// An edit that changes nothing stores nothing, so the id that the text names is the old one.
fn edit(kind: &str, done: &str, preposition: &str, edited: &Edited<MemberName>) -> ArchiveOperation {
    let Edited { original, cache_id, done: member, .. } = edited;
    let message = as_the_clients_know(&format!("{done} '{member}' {preposition} zip (new cache_id: {cache_id})"));
    ArchiveOperation {
        original_cache_id: Some(name(original)),
        files_affected: vec![member.to_string()],
        ..operation(kind, *cache_id, message)
    }
}

/// The text as the Python service shows it: with `_` for most characters, such as the dashes of an id.
fn as_the_clients_know(text: &str) -> String {
    text.chars().map(|c| if c.is_ascii_alphanumeric() || ":.'\"() ".contains(c) { c } else { '_' }).collect()
}

fn operation(kind: &str, cache_id: CacheId, message: String) -> ArchiveOperation {
    ArchiveOperation {
        success: true,
        operation: kind.to_owned(),
        cache_id: name(&cache_id),
        original_cache_id: None,
        message,
        file_list: Vec::new(),
        file_content: String::new(),
        file_size: 0,
        files_affected: Vec::new(),
        error_details: String::new(),
    }
}

/// A batch was applied, or rolled back.
pub fn batch(edited: Edited<BatchOutcome>, completed_at: u64) -> ArchiveBatch {
    let Edited { original, cache_id, members, size, done: outcome } = edited;
    let (members, size) = if outcome.rollback_performed { (0, 0) } else { (members, size) };
    ArchiveBatch {
        cache_id: name(&cache_id),
        original_cache_id: name(&original),
        new_file_count: members,
        new_size: size,
        completed_at,
        outcome: batch_outcome(outcome),
    }
}

/// A batch could not be applied, or its result could not be stored. `message` says what to change.
pub fn failed_batch(cache_id: CacheId, error_message: String, message: String, completed_at: u64) -> ArchiveBatch {
    ArchiveBatch {
        cache_id: name(&cache_id),
        original_cache_id: name(&cache_id),
        new_file_count: 0,
        new_size: 0,
        completed_at,
        outcome: archives::BatchOutcome { error_message, message, ..archives::BatchOutcome::default() },
    }
}

fn batch_outcome(outcome: BatchOutcome) -> archives::BatchOutcome {
    archives::BatchOutcome {
        success: outcome.success,
        operations_applied: outcome.operations_applied,
        operations_failed: outcome.operations_failed,
        operations_skipped: outcome.operations_skipped,
        operation_results: outcome.operation_results.into_iter().map(operation_result).collect(),
        files_added: outcome.files_added,
        files_removed: outcome.files_removed,
        files_modified: outcome.files_modified,
        rollback_performed: outcome.rollback_performed,
        error_message: outcome.error_message,
        message: outcome.message,
        changed: outcome.changed,
    }
}

fn operation_result(result: OperationResult) -> archives::OperationResult {
    let OperationResult { action, path, success, skipped, error, message } = result;
    archives::OperationResult { action: action.map(wire_action), path, success, skipped, error, message }
}

fn wire_action(action: Action) -> archives::Action {
    match action {
        Action::Add => archives::Action::Add,
        Action::Replace => archives::Action::Replace,
        Action::Remove => archives::Action::Remove,
        Action::Rename => archives::Action::Rename,
        Action::Move => archives::Action::Move,
        Action::List => archives::Action::List,
        Action::Get => archives::Action::Get,
    }
}
