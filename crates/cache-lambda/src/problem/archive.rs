//! Errors about archives. Their status depends on the operation, as the clients expect:
//!
//! | operation | no entry | an entry that is not an archive | no path of a member |
//! |---|---|---|---|
//! | [`Store`](ArchiveOp::Store) | | 400 | |
//! | [`Retrieve`](ArchiveOp::Retrieve) | 404 | 400 | |
//! | [`Inspect`](ArchiveOp::Inspect) | 404 | 404 | 404 |
//! | [`Add`](ArchiveOp::Add), [`Remove`](ArchiveOp::Remove) | 400 | 400 | 400 |
//!
//! A batch that fails is a 200, and so not here.

use cache_core::archive::InvalidArchive;
use cache_core::archive::batch::{InvalidBatch, OperationProblem};
use cache_core::cache::{ArchiveError, Selector};
use cache_core::ids::Namespace;
use http::StatusCode;
use serde_json::{Value, json};

use super::echo::short;
use super::{Detail, Problem, absence};

/// An operation on an archive.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum ArchiveOp {
    /// Store an archive.
    Store,
    /// Send the whole archive.
    Retrieve,
    /// List members, or read one.
    Inspect,
    /// Make a new archive from it, with another member.
    Add,
    /// Make a new archive from it, without a member.
    Remove,
}

impl ArchiveOp {
    /// The status when the entry or member does not exist.
    fn absent(self) -> StatusCode {
        match self {
            Self::Retrieve | Self::Inspect => StatusCode::NOT_FOUND,
            Self::Store | Self::Add | Self::Remove => StatusCode::BAD_REQUEST,
        }
    }

    /// The status when the entry is not an archive.
    fn unfit(self) -> StatusCode {
        match self {
            Self::Inspect => StatusCode::NOT_FOUND,
            Self::Store | Self::Retrieve | Self::Add | Self::Remove => StatusCode::BAD_REQUEST,
        }
    }
}

impl Problem {
    /// No such entry.
    pub fn archive_not_found(op: ArchiveOp, namespace: &Namespace, selector: &Selector) -> Self {
        let text = if op == ArchiveOp::Retrieve { "Zip file not found" } else { "Zip file not found in cache" };
        Self::new(op.absent(), Detail::Message, absence(namespace, selector)).worded(text)
    }

    /// A path that ends where the path of a member should begin.
    pub fn missing_file_path(op: ArchiveOp) -> Self {
        let message = "file_path required: name a member after the last '/', such as docs/readme.txt";
        let text = match op {
            ArchiveOp::Inspect => "file_path required for get operation",
            ArchiveOp::Remove => "file_path required for remove operation",
            ArchiveOp::Store | ArchiveOp::Retrieve | ArchiveOp::Add => "file_path required",
        };
        Self::new(op.absent(), Detail::Message, message).worded(text)
    }

    /// An archive that cannot be used.
    pub fn archive(op: ArchiveOp, error: ArchiveError) -> Self {
        let message = short(&error.to_string());
        let text = archive_wording(op, &error);
        let status = match error {
            ArchiveError::NotBinary(_) | ArchiveError::Unsound(InvalidArchive::NotAZip) => op.unfit(),
            ArchiveError::Unsound(_) | ArchiveError::Refused(_) => StatusCode::BAD_REQUEST,
            ArchiveError::Limit(_) => StatusCode::PAYLOAD_TOO_LARGE,
            ArchiveError::NoMember(_) => StatusCode::NOT_FOUND,
            ArchiveError::Path { path, reason } => return Self::parameter("file_path", &path, reason),
            ArchiveError::Cache(error) => return error.into(),
        };
        let problem = Self::new(status, Detail::Message, message);
        match text {
            Some(text) => problem.worded(text),
            None => problem,
        }
    }

    /// A batch that is refused before anything is tried. `input` is the part of the body
    /// that it is about.
    pub fn batch(error: &InvalidBatch, input: Value) -> Self {
        let message = error.to_string();
        match error {
            InvalidBatch::TooManyOperations(_) => {
                Self::item("too_long", json!(["body", "operations"]), message, input, None)
            }
            InvalidBatch::Operation { index, field, problem } => {
                let loc = json!(["body", "operations", index, field]);
                match problem {
                    OperationProblem::Missing => Self::item("missing", loc, message, input, None),
                    OperationProblem::UnknownAction | OperationProblem::UnknownCondition => {
                        let said = problem.to_string();
                        let expected = said.strip_prefix("must be ").unwrap_or(&said);
                        let text = format!("Input should be {expected}");
                        Self::item_worded("enum", loc, message, &text, input, Some(json!({"expected": expected})))
                    }
                    OperationProblem::Name(_) | OperationProblem::Pattern(_) => {
                        Self::item("value_error", loc, message, input, None)
                    }
                }
            }
        }
    }

    /// A field of a body that has another type than it should. `item_type` is the `type` of the item, such as `list_type`.
    pub fn field(item_type: &str, loc: &[Value], expected: &str, input: &Value) -> Self {
        let name = loc.iter().fold(String::new(), |name, step| match step {
            Value::String(field) if name.is_empty() => field.clone(),
            Value::String(field) => format!("{name}.{field}"),
            index => format!("{name}[{index}]"),
        });
        let loc = [&[json!("body")], loc].concat();
        Self::item(item_type, json!(loc), format!("{name} should be {expected}"), input.clone(), None)
    }
}

/// How the Python service words an archive's error; `None` where it has none like it.
fn archive_wording(op: ArchiveOp, error: &ArchiveError) -> Option<String> {
    match error {
        ArchiveError::Unsound(InvalidArchive::NotAZip) if op == ArchiveOp::Store => {
            Some("Invalid zip file: File is not a zip file".to_owned())
        }
        ArchiveError::NotBinary(_) if op == ArchiveOp::Retrieve => Some("Cached item is not a binary file".to_owned()),
        ArchiveError::NotBinary(_) | ArchiveError::Unsound(InvalidArchive::NotAZip) => {
            Some("File is not a zip file".to_owned())
        }
        ArchiveError::NoMember(path) => Some(format!("File '{}' not found in zip", short(path))),
        ArchiveError::Unsound(_)
        | ArchiveError::Refused(_)
        | ArchiveError::Limit(_)
        | ArchiveError::Path { .. }
        | ArchiveError::Cache(_) => None,
    }
}
