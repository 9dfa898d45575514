//! The outcome of a batch.

use serde::Serialize;
use thiserror::Error;

use super::super::{EditError, InvalidArchive};
use super::{Action, OperationProblem};
use crate::ids::InvalidName;

/// The outcome of a batch. The fields are those of the batch response; the caller that stores the result adds its id, size and time.
///
/// Error texts are those of the Python service, since clients may compare them. The `message` fields are ours and say what
/// to change.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize)]
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
    /// Why it was undone, or could not be carried out; else empty.
    pub error_message: String,
    /// What to change so that it is carried out; empty when it was.
    pub message: String,
    /// Whether the archive has other names or contents than before. If not, there is nothing to store.
    pub changed: bool,
}

/// The outcome of one operation.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
pub struct OperationResult {
    /// The action as it was sent; `None` when there was none.
    pub action: Option<Action>,
    /// The member it was about; as it was sent when that is no name, or beside a pattern.
    pub path: String,
    /// Whether it did its work or was skipped.
    pub success: bool,
    /// Whether it was skipped because its condition was not met.
    pub skipped: bool,
    /// Why it failed; empty when it did not.
    pub error: String,
    /// What to change so that it succeeds; empty when it did.
    pub message: String,
}

/// Why one operation failed, in the words of the Python service where it fails as well.
#[derive(Debug, Clone, PartialEq, Eq, Error)]
pub(super) enum OperationError {
    #[error("Unknown action: {}", .0.map_or("None", Action::name))]
    UnknownAction(Option<Action>),
    #[error("Content required for {action} operation on {path}")]
    NoContent { action: Action, path: String },
    #[error("new_path required for rename operation")]
    NoNewPath { path: String },
    #[error("{OPERATION_FAILED}")]
    NothingToRemove { path: String },
    #[error("\"There is no item named '{path}' in the archive\"")]
    NothingToRename { path: String },
    #[error("{OPERATION_FAILED}")]
    NoMatch,
    #[error("the patterns of this batch take too long on this archive: use fewer or shorter ones")]
    TooMuchMatching,
    #[error("{}", unreadable(.0))]
    Unreadable(#[source] InvalidArchive),
    #[error("path {0}")]
    Path(#[source] InvalidName),
    #[error("new_path {0}")]
    NewPath(#[source] InvalidName),
    #[error(transparent)]
    Edit(#[from] EditError),
}

/// What the Python service says when an operation fails without a reason.
const OPERATION_FAILED: &str = "Operation failed";

fn unreadable(reason: &InvalidArchive) -> String {
    match reason {
        InvalidArchive::NotAZip => "File is not a zip file".to_owned(),
        InvalidArchive::BrokenDirectory
        | InvalidArchive::Damaged { .. }
        | InvalidArchive::Overlap { .. }
        | InvalidArchive::Encrypted { .. }
        | InvalidArchive::UnknownMethod { .. }
        | InvalidArchive::UnsafeName { .. }
        | InvalidArchive::TooManyMembers { .. }
        | InvalidArchive::TooLarge { .. }
        | InvalidArchive::TooCompressed { .. } => reason.to_string(),
    }
}

impl OperationError {
    /// What to change.
    fn message(&self) -> String {
        match self {
            Self::UnknownAction(None) => format!("action is required: it {}", OperationProblem::UnknownAction),
            Self::UnknownAction(Some(action)) => {
                format!("a batch has no action '{action}': it {}", OperationProblem::UnknownAction)
            }
            Self::NoContent { action, path } => {
                format!("content is required to {action} '{path}', and must not be empty")
            }
            Self::NoNewPath { path } => format!("new_path is required to rename '{path}'"),
            Self::NothingToRemove { path } | Self::NothingToRename { path } => {
                EditError::NotFound(path.clone()).to_string()
            }
            Self::NoMatch => "no member matches the pattern".to_owned(),
            Self::Unreadable(reason) => reason.to_string(),
            Self::TooMuchMatching | Self::Path(_) | Self::NewPath(_) | Self::Edit(_) => self.to_string(),
        }
    }
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
    /// Records the outcome of the next operation.
    pub(super) fn record(&mut self, action: Option<Action>, path: String, result: Result<Effect, OperationError>) {
        let skipped = matches!(result, Ok(Effect::Skipped));
        let (error, message) = match result {
            Err(err) => {
                self.operations_failed += 1;
                (err.to_string(), err.message())
            }
            Ok(effect) => {
                self.apply_effect(effect);
                (String::new(), String::new())
            }
        };
        let success = error.is_empty();
        self.operation_results.push(OperationResult { action, path, success, skipped, error, message });
    }

    fn apply_effect(&mut self, effect: Effect) {
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

    /// Turns the outcome into that of a batch whose last operation failed, so that nothing has changed.
    pub(super) fn rolled_back(self) -> Self {
        let index = self.operation_results.len().saturating_sub(1);
        let (error, message) =
            self.operation_results.last().map_or(("", ""), |last| (last.error.as_str(), last.message.as_str()));
        let error_message = match error {
            OPERATION_FAILED => "Atomic batch failed".to_owned(),
            error => format!("Atomic batch failed: {error}"),
        };
        let message = format!("nothing was changed: operations[{index}] failed: {message}");
        Self {
            success: false,
            files_added: Vec::new(),
            files_removed: Vec::new(),
            files_modified: Vec::new(),
            rollback_performed: true,
            error_message,
            message,
            changed: false,
            ..self
        }
    }
}
