//! What came of a batch.

use serde::Serialize;
use thiserror::Error;

use super::super::EditError;
use super::Action;
use crate::ids::InvalidName;

/// What came of a batch. The fields are those of the batch answer; the caller that stores the result adds its id, size and time.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize, utoipa::ToSchema)]
pub struct BatchOutcome {
    /// Whether no operation failed.
    pub success: bool,
    /// Operations that did their work. After a rollback: those before the one that failed.
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
    /// Why it was undone; empty when it was not.
    pub error_message: String,
    /// Whether the archive has other names or contents than before. If not, there is nothing to store.
    pub changed: bool,
}

/// What came of one operation.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, utoipa::ToSchema)]
pub struct OperationResult {
    /// The action as it was sent.
    pub action: Action,
    /// The member it was about; as it was sent when that is no name, or beside a pattern.
    pub path: String,
    /// Whether it did its work or was skipped.
    pub success: bool,
    /// Whether it was skipped because its condition was not met.
    pub skipped: bool,
    /// Why it failed; empty when it did not.
    pub error: String,
}

/// Why one operation failed.
#[derive(Debug, Clone, PartialEq, Eq, Error)]
pub(super) enum OperationError {
    #[error("content is required to {action} '{path}', and must not be empty")]
    NoContent { action: Action, path: String },
    #[error("new_path is required to rename '{path}'")]
    NoNewPath { path: String },
    #[error("no member matches the pattern")]
    NoMatch,
    #[error("the patterns of this batch take too long on this archive: use fewer or shorter ones")]
    TooMuchMatching,
    #[error("path {0}")]
    Path(#[source] InvalidName),
    #[error("new_path {0}")]
    NewPath(#[source] InvalidName),
    #[error(transparent)]
    Edit(#[from] EditError),
}

/// What a successful operation did.
#[derive(Debug)]
pub(super) enum Effect {
    Skipped,
    Added(String),
    Removed(Vec<String>),
    Modified(Vec<String>),
}

impl BatchOutcome {
    /// Enters what came of the next operation.
    pub(super) fn record(&mut self, action: Action, path: String, result: Result<Effect, OperationError>) {
        let skipped = matches!(result, Ok(Effect::Skipped));
        let error = match result {
            Err(err) => {
                self.operations_failed += 1;
                err.to_string()
            }
            Ok(effect) => {
                self.enter(effect);
                String::new()
            }
        };
        self.operation_results.push(OperationResult { action, path, success: error.is_empty(), skipped, error });
    }

    fn enter(&mut self, effect: Effect) {
        match effect {
            Effect::Skipped => {
                self.operations_skipped += 1;
                return;
            }
            Effect::Added(name) => self.files_added.push(name),
            Effect::Removed(names) => self.files_removed.extend(names),
            Effect::Modified(names) => self.files_modified.extend(names),
        }
        self.operations_applied += 1;
    }

    /// Turns the outcome into that of a batch whose last operation failed, so that all is as it was.
    pub(super) fn rolled_back(self) -> Self {
        let error = self.operation_results.last().map_or("", |last| last.error.as_str());
        let index = self.operation_results.len().saturating_sub(1);
        let error_message = format!("nothing was changed: operations[{index}] failed: {error}");
        Self {
            success: false,
            files_added: Vec::new(),
            files_removed: Vec::new(),
            files_modified: Vec::new(),
            rollback_performed: true,
            error_message,
            changed: false,
            ..self
        }
    }
}
