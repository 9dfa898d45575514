//! What a batch asks for: as it is sent, and checked.

use std::fmt;
use std::str::FromStr;

use serde::{Deserialize, Serialize};
use thiserror::Error;

use super::super::MemberName;
use super::super::glob::{GlobPattern, InvalidPattern};
use crate::ids::InvalidName;

/// Most operations in one batch.
pub const MAX_OPERATIONS: usize = 10_000;

/// A batch as it is sent. Every field is optional, unknown ones are ignored (`cache_id`, `namespace` and `strategy` are sent by
/// older clients), and an empty text is the same as none, but for `action` and `condition`.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(default)]
pub struct BatchRequest {
    /// Whether one failure undoes everything. It does by default.
    pub atomic: Option<bool>,
    /// What to do, in this order.
    pub operations: Option<Vec<OperationRequest>>,
}

/// One operation as it is sent.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(default)]
pub struct OperationRequest {
    /// `add`, `replace`, `remove`, `rename` or `move`, which is the same as `rename`. An operation with `list` or `get`, or
    /// without an action, fails when it is its turn.
    pub action: Option<String>,
    /// The member it is about. Required, but for a `remove` with a pattern.
    pub path: Option<String>,
    /// The text of an added or replaced member.
    pub content: Option<String>,
    /// The new name of a renamed member.
    pub new_path: Option<String>,
    /// `always` (the default), `if_exists` or `if_not_exists`. It is about the member at `path`, also beside a pattern.
    pub condition: Option<String>,
    /// Which members to `remove`, as a shell pattern. Only the condition then looks at the path.
    pub pattern: Option<String>,
}

/// A batch that can be tried on an archive.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Batch {
    pub(super) atomic: bool,
    pub(super) operations: Vec<Operation>,
}

/// A checked operation. Action, content and new name may still be missing: that fails when it is its turn, as in the Python
/// service.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) struct Operation {
    pub(super) action: Option<Action>,
    pub(super) condition: Condition,
    /// As sent: which member it is depends on the members that are there. Empty only beside a pattern, or when the action
    /// is not one that a batch carries out.
    pub(super) path: String,
    pub(super) content: Option<String>,
    pub(super) new_path: Option<String>,
    /// Only of a `remove`.
    pub(super) pattern: Option<GlobPattern>,
}

/// The action of an operation.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize)]
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
    /// Known to the Python service's validation, but not to its batches: the operation fails.
    List,
    /// Known to the Python service's validation, but not to its batches: the operation fails.
    Get,
}

impl Action {
    const ALL: [Self; 7] = [Self::Add, Self::Replace, Self::Remove, Self::Rename, Self::Move, Self::List, Self::Get];

    pub(super) const fn name(self) -> &'static str {
        match self {
            Self::Add => "add",
            Self::Replace => "replace",
            Self::Remove => "remove",
            Self::Rename => "rename",
            Self::Move => "move",
            Self::List => "list",
            Self::Get => "get",
        }
    }
}

impl fmt::Display for Action {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(self.name())
    }
}

impl FromStr for Action {
    type Err = OperationProblem;

    fn from_str(text: &str) -> Result<Self, OperationProblem> {
        Self::ALL.into_iter().find(|action| action.name() == text).ok_or(OperationProblem::UnknownAction)
    }
}

/// When an operation is carried out, by what is there when it is its turn.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Condition {
    Always,
    IfExists,
    IfNotExists,
}

impl Condition {
    pub(super) fn is_met(self, exists: bool) -> bool {
        match self {
            Self::Always => true,
            Self::IfExists => exists,
            Self::IfNotExists => !exists,
        }
    }
}

impl FromStr for Condition {
    type Err = OperationProblem;

    fn from_str(text: &str) -> Result<Self, OperationProblem> {
        match text {
            "always" => Ok(Self::Always),
            "if_exists" => Ok(Self::IfExists),
            "if_not_exists" => Ok(Self::IfNotExists),
            _ => Err(OperationProblem::UnknownCondition),
        }
    }
}

/// Why a batch is refused before anything is tried.
#[derive(Debug, Clone, PartialEq, Eq, Error)]
pub enum InvalidBatch {
    /// Too many operations.
    #[error("operations: there are {0}, the limit is {MAX_OPERATIONS}: send several batches")]
    TooManyOperations(usize),
    /// One field of one operation.
    #[error("operations[{index}].{field} {problem}")]
    Operation {
        /// Which operation, from 0.
        index: usize,
        /// Which of its fields.
        field: &'static str,
        /// What is wrong with it.
        problem: OperationProblem,
    },
}

/// What is wrong with a field of an operation.
#[derive(Debug, Clone, PartialEq, Eq, Error)]
pub enum OperationProblem {
    /// Not there, or empty.
    #[error("is required")]
    Missing,
    /// Not an [`Action`].
    #[error("must be 'add', 'replace', 'remove', 'rename' or 'move'")]
    UnknownAction,
    /// Not a condition.
    #[error("must be 'always', 'if_exists' or 'if_not_exists'")]
    UnknownCondition,
    /// Not a name that a member may get.
    #[error(transparent)]
    Name(#[from] InvalidName),
    /// Not a pattern.
    #[error(transparent)]
    Pattern(#[from] InvalidPattern),
}

impl Batch {
    /// Whether there is no operation.
    pub fn is_empty(&self) -> bool {
        self.operations.is_empty()
    }
}

impl TryFrom<BatchRequest> for Batch {
    type Error = InvalidBatch;

    fn try_from(request: BatchRequest) -> Result<Self, InvalidBatch> {
        let operations = request.operations.unwrap_or_default();
        if operations.len() > MAX_OPERATIONS {
            return Err(InvalidBatch::TooManyOperations(operations.len()));
        }
        let check = |(index, operation)| {
            Operation::try_from(operation).map_err(|(field, problem)| InvalidBatch::Operation { index, field, problem })
        };
        let operations = operations.into_iter().enumerate().map(check).collect::<Result<_, _>>()?;
        Ok(Self { atomic: request.atomic.unwrap_or(true), operations })
    }
}

impl TryFrom<OperationRequest> for Operation {
    type Error = (&'static str, OperationProblem);

    fn try_from(request: OperationRequest) -> Result<Self, Self::Error> {
        let action = request.action.as_deref().map(str::parse).transpose().map_err(|problem| ("action", problem))?;
        let condition = request.condition.as_deref().map_or(Ok(Condition::Always), str::parse);
        let condition = condition.map_err(|problem| ("condition", problem))?;
        let pattern = non_blank(request.pattern).filter(|_| action == Some(Action::Remove));
        let pattern =
            pattern.map(|text| text.parse()).transpose().map_err(|err: InvalidPattern| ("pattern", err.into()))?;
        let needs_path = pattern.is_none() && !matches!(action, None | Some(Action::List | Action::Get));
        let path = non_blank(request.path);
        if path.is_none() && needs_path {
            return Err(("path", OperationProblem::Missing));
        }
        let path = path.unwrap_or_default();
        let new_path = non_blank(request.new_path).filter(|_| matches!(action, Some(Action::Rename | Action::Move)));
        if matches!(action, Some(Action::Add | Action::Replace)) {
            check_new_name(&path).map_err(|problem| ("path", problem))?;
        }
        if let Some(new_path) = &new_path {
            check_new_name(new_path).map_err(|problem| ("new_path", problem))?;
        }
        Ok(Self {
            action,
            condition,
            path,
            content: request.content.filter(|text| !text.is_empty()),
            new_path,
            pattern,
        })
    }
}

/// A text that is there and not blank.
fn non_blank(text: Option<String>) -> Option<String> {
    text.filter(|text| !text.trim().is_empty())
}

/// Checks a name that the operation may create, so that one that escapes is refused before anything is tried.
fn check_new_name(raw: &str) -> Result<(), OperationProblem> {
    raw.parse::<MemberName>()?;
    Ok(())
}

#[cfg(test)]
mod tests {
    use serde_json::{Value, json};

    use super::*;

    fn parse(request: Value) -> Result<Batch, InvalidBatch> {
        serde_json::from_value::<BatchRequest>(request).unwrap().try_into()
    }

    #[test]
    fn a_batch_is_atomic_and_unconditional_unless_it_says_otherwise() {
        let batch = parse(json!({"extra": 1, "operations": [{"action": "remove", "path": "a"}]})).unwrap();
        assert!(batch.atomic);
        assert_eq!(batch.operations[0].condition, Condition::Always);
        assert_eq!(parse(json!({"atomic": null})).unwrap().operations, []);
    }

    #[test]
    fn the_shape_of_older_clients_is_understood() {
        let operation = json!({"action": "add", "path": "n.txt", "content": "new", "new_path": "", "pattern": ""});
        let batch =
            parse(json!({"atomic": false, "cache_id": "x", "strategy": "direct", "operations": [operation]})).unwrap();
        assert!(!batch.atomic);
        assert_eq!(batch.operations[0].new_path, None);
        assert_eq!(batch.operations[0].pattern, None);
    }

    #[test]
    fn a_mistake_is_named_with_its_operation_and_field() {
        check(
            json!({"action": "copy", "path": "a"}),
            "operations[1].action must be 'add', 'replace', 'remove', 'rename' or 'move'",
        );
        check(json!({"action": "", "path": "a"}), "operations[1].action must be 'add'");
        check(json!({"action": "add", "content": "x"}), "operations[1].path is required");
        check(json!({"action": "remove", "path": " "}), "operations[1].path is required");
        check(json!({"action": "add", "path": "!!", "content": "x"}), "operations[1].path has no usable character");
        check(
            json!({"action": "add", "path": "../a", "content": "x"}),
            "operations[1].path must not have blank, '.' or '..'",
        );
        check(json!({"action": "move", "path": "a", "new_path": "/b"}), "operations[1].new_path must not have");
        check(json!({"action": "add", "path": "a", "condition": "bad"}), "operations[1].condition must be 'always'");
        check(json!({"action": "remove", "pattern": "x".repeat(257)}), "operations[1].pattern is longer than 256");
    }

    fn check(operation: Value, message: &str) {
        let sound = json!({"action": "remove", "path": "a"});
        let err = parse(json!({"operations": [sound, operation]})).unwrap_err().to_string();
        assert!(err.starts_with(message), "{err}");
    }

    #[test]
    fn too_many_operations_are_refused() {
        let operations = vec![json!({"action": "remove", "path": "a"}); MAX_OPERATIONS + 1];
        assert_eq!(parse(json!({"operations": operations})), Err(InvalidBatch::TooManyOperations(MAX_OPERATIONS + 1)));
    }
}
