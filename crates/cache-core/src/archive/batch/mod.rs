//! Several edits in one request.
//!
//! Each operation sees what the earlier ones did. An atomic batch is all or nothing: at the first failure it stops and
//! changes nothing. Any other batch goes on and keeps what worked. An operation whose condition is not met is
//! skipped: it is neither a failure nor counted as applied. A condition is about the member at the operation's path, also
//! when a pattern says what to remove.

mod outcome;
mod request;

use bytes::Bytes;

use super::glob::GlobPattern;
use super::{Archive, EditError, InvalidArchive, MemberName};
use outcome::{Effect, OperationError};
use request::Operation;

pub use outcome::{BatchOutcome, OperationResult};
pub use request::{Action, Batch, BatchRequest, InvalidBatch, MAX_OPERATIONS, OperationProblem, OperationRequest};

/// Steps that the patterns of one batch may take on an archive in the worst case, which is about a second.
const MAX_MATCHING_STEPS: u64 = 1_000_000_000;

impl Batch {
    /// Applies the batch to `archive`. A batch that is rolled back leaves it unchanged.
    pub fn apply(self, archive: &mut Archive) -> BatchOutcome {
        let mut run = Run { archive: archive.clone(), outcome: BatchOutcome::default(), matching_steps: 0 };
        for operation in self.operations {
            run.perform(operation);
            if self.atomic && run.outcome.operations_failed > 0 {
                return run.outcome.rolled_back();
            }
        }
        let mut outcome = run.outcome;
        outcome.success = outcome.operations_failed == 0;
        outcome.changed = run.archive != *archive;
        *archive = run.archive;
        outcome
    }

    /// The outcome for an entry that cannot be read as an archive: every operation fails, and an atomic batch is rolled back
    /// at the first one. A batch that [is empty](Batch::is_empty) has nothing to report: that it cannot be carried out is for
    /// the caller to say.
    pub fn fail_unreadable(self, reason: &InvalidArchive) -> BatchOutcome {
        let mut outcome = BatchOutcome::default();
        for Operation { action, path, .. } in self.operations {
            let error = match action {
                None | Some(Action::List | Action::Get) => OperationError::UnknownAction(action),
                Some(Action::Add | Action::Replace | Action::Remove | Action::Rename | Action::Move) => {
                    OperationError::Unreadable(reason.clone())
                }
            };
            outcome.record(action, path, Err(error));
            if self.atomic {
                return outcome.rolled_back();
            }
        }
        outcome
    }
}

/// A batch while it is carried out, on a copy of the archive (the contents are shared).
struct Run {
    archive: Archive,
    outcome: BatchOutcome,
    matching_steps: u64,
}

impl Run {
    fn perform(&mut self, operation: Operation) {
        let action = operation.action;
        let path = match &operation.pattern {
            Some(_) => operation.path.clone(),
            None => self.archive.member_name(&operation.path).map_or(operation.path.clone(), |name| name.to_string()),
        };
        let result = self.attempt(operation);
        self.outcome.record(action, path, result);
    }

    fn attempt(&mut self, operation: Operation) -> Result<Effect, OperationError> {
        let name = self.archive.member_name(&operation.path);
        // Beside a pattern the path may be anything. What is no name is not the name of a member.
        let exists = name.as_ref().is_ok_and(|name| self.archive.get(name).is_some());
        if !operation.condition.is_met(exists) {
            return Ok(Effect::Skipped);
        }
        if let Some(pattern) = &operation.pattern {
            return self.remove_matching(pattern);
        }
        match operation.action {
            Some(action @ (Action::Add | Action::Replace)) => {
                self.set(action, &name.map_err(OperationError::Path)?, operation.content)
            }
            Some(Action::Remove) => self.remove(&name.map_err(OperationError::Path)?),
            Some(Action::Rename | Action::Move) => {
                self.rename(&name.map_err(OperationError::Path)?, operation.new_path)
            }
            action @ (None | Some(Action::List | Action::Get)) => Err(OperationError::UnknownAction(action)),
        }
    }

    fn remove(&mut self, name: &MemberName) -> Result<Effect, OperationError> {
        let missing = |_| OperationError::NothingToRemove { path: name.to_string() };
        self.archive.remove(name).map_err(missing)?;
        Ok(Effect::Removed(vec![name.to_string()]))
    }

    fn set(&mut self, action: Action, name: &MemberName, content: Option<String>) -> Result<Effect, OperationError> {
        let path = name.to_string();
        let Some(content) = content else { return Err(OperationError::NoContent { action, path }) };
        let replaced = self.archive.add(name, Bytes::from(content))?;
        // Clients know a replaced member as modified, whether it was there or not.
        let is_new = replaced.is_none() && action == Action::Add;
        Ok(if is_new { Effect::Added(path) } else { Effect::Modified(vec![path]) })
    }

    fn rename(&mut self, from: &MemberName, new_path: Option<String>) -> Result<Effect, OperationError> {
        let Some(new_path) = new_path else { return Err(OperationError::NoNewPath { path: from.to_string() }) };
        let to = self.archive.member_name(&new_path).map_err(OperationError::NewPath)?;
        self.archive.rename(from, &to).map_err(|error| match error {
            EditError::NotFound(path) => OperationError::NothingToRename { path },
            EditError::NameTaken(_) | EditError::IsFolder(_) | EditError::Limit(_) => error.into(),
        })?;
        Ok(Effect::Modified(vec![from.to_string(), to.to_string()]))
    }

    fn remove_matching(&mut self, pattern: &GlobPattern) -> Result<Effect, OperationError> {
        let names_bytes: u64 = self.archive.names().map(|name| name.len() as u64).sum();
        self.matching_steps += names_bytes * pattern.weight();
        if self.matching_steps > MAX_MATCHING_STEPS {
            return Err(OperationError::TooMuchMatching);
        }
        let matching: Vec<String> =
            self.archive.names().filter(|name| pattern.matches(name)).map(str::to_owned).collect();
        if matching.is_empty() {
            return Err(OperationError::NoMatch);
        }
        for name in &matching {
            self.archive.take(name);
        }
        Ok(Effect::Removed(matching))
    }
}

#[cfg(test)]
mod tests {
    use serde_json::{Value, json};

    use super::super::Limits;
    use super::*;

    /// Applies operations to an archive of `a.txt`, `b.txt`, `d/c.tmp` and `d/e.tmp`; the outcome as JSON, and the names then.
    fn apply(atomic: bool, operations: Value) -> (Value, Vec<String>) {
        let mut archive = Archive::empty(&Limits::default());
        for name in ["a.txt", "b.txt", "d/c.tmp", "d/e.tmp"] {
            archive.add(&name.parse().unwrap(), Bytes::from_static(b"old")).unwrap();
        }
        let request: BatchRequest =
            serde_json::from_value(json!({"atomic": atomic, "operations": operations})).unwrap();
        let outcome = Batch::try_from(request).unwrap().apply(&mut archive);
        (serde_json::to_value(outcome).unwrap(), archive.names().map(str::to_owned).collect())
    }

    /// Checks the fields that `expected` has, of the outcome of one operation that succeeds.
    fn check(operation: Value, expected: Value, names: &[&str]) {
        let (outcome, names_after) = apply(true, json!([operation]));
        assert_eq!(outcome["success"], json!(true), "{outcome}");
        for (field, value) in expected.as_object().unwrap() {
            assert_eq!(&outcome[field], value, "{field} of {outcome}");
        }
        assert_eq!(names_after, names);
    }

    #[test]
    fn each_action_reports_the_members_it_changed() {
        check(
            json!({"action": "add", "path": "u:n.txt", "content": "x"}),
            json!({"files_added": ["u_n.txt"], "operations_applied": 1, "changed": true,
                "operation_results": [{"action": "add", "path": "u_n.txt", "success": true, "skipped": false, "error": "", "message": ""}]}),
            &["a.txt", "b.txt", "d/c.tmp", "d/e.tmp", "u_n.txt"],
        );
        check(
            json!({"action": "add", "path": "a.txt", "content": "new"}),
            json!({"files_added": [], "files_modified": ["a.txt"]}),
            &["a.txt", "b.txt", "d/c.tmp", "d/e.tmp"],
        );
        check(
            json!({"action": "replace", "path": "z.txt", "content": "new"}),
            json!({"files_modified": ["z.txt"]}),
            &["a.txt", "b.txt", "d/c.tmp", "d/e.tmp", "z.txt"],
        );
        check(
            json!({"action": "remove", "path": "a.txt"}),
            json!({"files_removed": ["a.txt"]}),
            &["b.txt", "d/c.tmp", "d/e.tmp"],
        );
        check(
            json!({"action": "remove", "path": "x", "pattern": "*.tmp"}),
            json!({"files_removed": ["d/c.tmp", "d/e.tmp"]}),
            &["a.txt", "b.txt"],
        );
        check(
            json!({"action": "move", "path": "a.txt", "new_path": "r/a2.txt"}),
            json!({"files_modified": ["a.txt", "r/a2.txt"]}),
            &["b.txt", "d/c.tmp", "d/e.tmp", "r/a2.txt"],
        );
    }

    #[test]
    fn an_unmet_condition_skips_and_changes_nothing() {
        for operation in [
            json!({"action": "add", "path": "a.txt", "content": "x", "condition": "if_not_exists"}),
            json!({"action": "replace", "path": "q.txt", "content": "x", "condition": "if_exists"}),
            json!({"action": "remove", "path": "q.txt", "condition": "if_exists"}),
            json!({"action": "remove", "pattern": "*.tmp", "condition": "if_exists"}),
            json!({"action": "remove", "pattern": "*.tmp", "path": "d/c", "condition": "if_exists"}),
            json!({"action": "remove", "pattern": "*.tmp", "path": "../d", "condition": "if_exists"}),
            json!({"action": "remove", "pattern": "*.tmp", "path": "a.txt", "condition": "if_not_exists"}),
            json!({"action": "get", "path": "q.txt", "condition": "if_exists"}),
        ] {
            let expected = json!({"operations_applied": 0, "operations_skipped": 1, "operations_failed": 0, "changed": false,
                "files_added": [], "files_removed": [], "files_modified": []});
            check(operation, expected, &["a.txt", "b.txt", "d/c.tmp", "d/e.tmp"]);
        }
    }

    #[test]
    fn a_condition_beside_a_pattern_is_about_the_path() {
        for operation in [
            json!({"action": "remove", "pattern": "*.tmp", "path": "a.txt", "condition": "if_exists"}),
            json!({"action": "remove", "pattern": "*.tmp", "path": "zzz", "condition": "if_not_exists"}),
            json!({"action": "remove", "pattern": "*.tmp", "condition": "if_not_exists"}),
        ] {
            check(operation, json!({"files_removed": ["d/c.tmp", "d/e.tmp"]}), &["a.txt", "b.txt"]);
        }
    }

    #[test]
    fn an_unknown_or_missing_action_fails_alone() {
        for (unknown, action, error) in [
            (json!({"action": "list", "path": "a.txt"}), json!("list"), "Unknown action: list"),
            (json!({"action": "get"}), json!("get"), "Unknown action: get"),
            (json!({"path": "a.txt", "content": "x"}), Value::Null, "Unknown action: None"),
        ] {
            let remove = json!({"action": "remove", "path": "a.txt"});
            let (outcome, names) = apply(false, json!([unknown, remove]));
            assert_eq!(outcome["operation_results"][0]["action"], action);
            assert_eq!(outcome["operation_results"][0]["error"], json!(error));
            assert_eq!((&outcome["operations_failed"], &outcome["operations_applied"]), (&json!(1), &json!(1)));
            assert_eq!(names, ["b.txt", "d/c.tmp", "d/e.tmp"]);
            let (outcome, _) = apply(true, json!([unknown, remove]));
            assert_eq!(outcome["error_message"], json!(format!("Atomic batch failed: {error}")));
        }
    }

    #[test]
    fn a_batch_on_something_else_fails_and_is_rolled_back() {
        let fail = |atomic: bool| {
            let operations = json!([{"action": "remove", "path": "a"}, {"path": "b"}]);
            let request: BatchRequest =
                serde_json::from_value(json!({"atomic": atomic, "operations": operations})).unwrap();
            Batch::try_from(request).unwrap().fail_unreadable(&InvalidArchive::NotAZip)
        };
        let atomic = fail(true);
        assert_eq!((atomic.success, atomic.rollback_performed, atomic.operations_failed), (false, true, 1));
        assert_eq!(atomic.operation_results.len(), 1);
        assert_eq!(atomic.operation_results[0].error, "File is not a zip file");
        assert_eq!(atomic.error_message, "Atomic batch failed: File is not a zip file");
        let other = fail(false);
        assert_eq!((other.success, other.rollback_performed, other.operations_failed), (false, false, 2));
        assert_eq!(other.operation_results[1].error, "Unknown action: None");
    }

    #[test]
    fn an_atomic_batch_stops_at_the_first_failure_and_changes_nothing() {
        let (outcome, names) = apply(
            true,
            json!([
                {"action": "add", "path": "m.txt", "content": "x"},
                {"action": "remove", "path": "nope"},
                {"action": "remove", "path": "a.txt"},
            ]),
        );
        assert_eq!(names, ["a.txt", "b.txt", "d/c.tmp", "d/e.tmp"]);
        assert_eq!(
            outcome,
            json!({"success": false, "operations_applied": 1, "operations_failed": 1, "operations_skipped": 0,
                "operation_results": [
                    {"action": "add", "path": "m.txt", "success": true, "skipped": false, "error": "", "message": ""},
                    {"action": "remove", "path": "nope", "success": false, "skipped": false,
                        "error": "Operation failed", "message": "there is no member 'nope' in the archive"},
                ],
                "files_added": [], "files_removed": [], "files_modified": [], "rollback_performed": true, "changed": false,
                "error_message": "Atomic batch failed",
                "message": "nothing was changed: operations[1] failed: there is no member 'nope' in the archive"})
        );
    }

    #[test]
    fn any_other_batch_keeps_what_worked() {
        let (outcome, names) = apply(
            false,
            json!([
                {"action": "remove", "path": "nope"},
                {"action": "add", "path": "m.txt", "content": "x"},
                {"action": "rename", "path": "m.txt", "new_path": "n.txt"},
            ]),
        );
        assert_eq!(names, ["a.txt", "b.txt", "d/c.tmp", "d/e.tmp", "n.txt"]);
        assert_eq!(outcome["success"], json!(false));
        assert_eq!(outcome["rollback_performed"], json!(false));
        assert_eq!(outcome["error_message"], json!(""));
        assert_eq!(outcome["operations_applied"], json!(2));
        assert_eq!(outcome["changed"], json!(true));
    }

    #[test]
    fn a_failed_operation_says_why() {
        for (operation, error, message) in [
            (
                json!({"action": "add", "path": "n", "content": ""}),
                "Content required for add operation on n",
                "content is required to add 'n', and must not be empty",
            ),
            (
                json!({"action": "rename", "path": "a.txt"}),
                "new_path required for rename operation",
                "new_path is required to rename 'a.txt'",
            ),
            (
                json!({"action": "rename", "path": "n", "new_path": "m"}),
                "\"There is no item named 'n' in the archive\"",
                "there is no member 'n' in the archive",
            ),
            (
                json!({"action": "rename", "path": "a.txt", "new_path": "b.txt"}),
                "there is a member 'b.txt' in the archive already: remove it first, or choose another name",
                "there is a member 'b.txt' in the archive already: remove it first, or choose another name",
            ),
            (json!({"action": "remove", "path": "n"}), "Operation failed", "there is no member 'n' in the archive"),
            (json!({"action": "remove", "pattern": "*.zzz"}), "Operation failed", "no member matches the pattern"),
            (
                json!({"action": "remove", "pattern": "*.zzz", "path": "a.txt", "condition": "if_exists"}),
                "Operation failed",
                "no member matches the pattern",
            ),
            (
                json!({"action": "get", "path": "a.txt"}),
                "Unknown action: get",
                "a batch has no action 'get': it must be 'add', 'replace', 'remove', 'rename' or 'move'",
            ),
        ] {
            let (outcome, _) = apply(false, json!([operation]));
            assert_eq!(outcome["operation_results"][0]["error"], json!(error));
            assert_eq!(outcome["operation_results"][0]["message"], json!(message));
            assert_eq!(outcome["changed"], json!(false));
        }
    }

    #[test]
    fn a_batch_that_ends_where_it_began_has_changed_nothing() {
        let (outcome, _) = apply(
            true,
            json!([
                {"action": "replace", "path": "a.txt", "content": "old"},
                {"action": "add", "path": "n", "content": "x"},
                {"action": "remove", "path": "n"},
            ]),
        );
        assert_eq!(outcome["operations_applied"], json!(3));
        assert_eq!(outcome["changed"], json!(false));
        assert_eq!(apply(true, json!([])).0["success"], json!(true));
    }

    #[test]
    fn patterns_that_take_too_long_are_stopped() {
        let mut archive = Archive::empty(&Limits::default());
        for index in 0..5_000 {
            archive.put(&format!("{index}{}", "a".repeat(1_000)), Bytes::new()).unwrap();
        }
        let remove = OperationRequest {
            action: Some("remove".to_owned()),
            pattern: Some(format!("*{}b", "a".repeat(250))),
            ..OperationRequest::default()
        };
        let request = BatchRequest { atomic: None, operations: Some(vec![remove]) };
        let outcome = Batch::try_from(request).unwrap().apply(&mut archive);
        assert!(outcome.operation_results[0].error.starts_with("the patterns of this batch take too long"));
    }
}
