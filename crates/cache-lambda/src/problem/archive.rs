//! Errors about archives. Their status depends on the operation, as the clients expect:
//!
//! | operation | no entry | an entry that is not an archive | no path of a member |
//! |---|---|---|---|
//! | [`Store`](ArchiveOp::Store) | | 400 | |
//! | [`Retrieve`](ArchiveOp::Retrieve) | 404 | 400 | |
//! | [`Inspect`](ArchiveOp::Inspect) | 404 | 404 | 404 |
//! | [`Edit`](ArchiveOp::Edit) | 400 | 400 | 400 |
//!
//! A batch that fails is a 200, and so not here.

use cache_core::archive::InvalidArchive;
use cache_core::archive::batch::{InvalidBatch, OperationProblem};
use cache_core::cache::{ArchiveError, Selector};
use cache_core::ids::Namespace;
use http::StatusCode;
use serde_json::{Value, json};

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
    /// Make a new archive from it.
    Edit,
}

impl ArchiveOp {
    /// The status when the entry or member does not exist.
    fn absent(self) -> StatusCode {
        match self {
            Self::Retrieve | Self::Inspect => StatusCode::NOT_FOUND,
            Self::Store | Self::Edit => StatusCode::BAD_REQUEST,
        }
    }

    /// The status when the entry is not an archive.
    fn unfit(self) -> StatusCode {
        match self {
            Self::Inspect => StatusCode::NOT_FOUND,
            Self::Store | Self::Retrieve | Self::Edit => StatusCode::BAD_REQUEST,
        }
    }
}

impl Problem {
    /// No such entry.
    pub fn archive_not_found(op: ArchiveOp, namespace: &Namespace, selector: &Selector) -> Self {
        Self::new(op.absent(), Detail::Message, absence(namespace, selector))
    }

    /// A path that ends where the path of a member should begin.
    pub fn missing_file_path(op: ArchiveOp) -> Self {
        let message = "file_path required: name a member after the last '/', such as docs/readme.txt";
        Self::new(op.absent(), Detail::Message, message)
    }

    /// An archive that cannot be used.
    pub fn archive(op: ArchiveOp, error: ArchiveError) -> Self {
        let message = error.to_string();
        let status = match error {
            ArchiveError::NotBinary(_) | ArchiveError::Unsound(InvalidArchive::NotAZip) => op.unfit(),
            ArchiveError::Unsound(_) | ArchiveError::Refused(_) => StatusCode::BAD_REQUEST,
            ArchiveError::Limit(_) => StatusCode::PAYLOAD_TOO_LARGE,
            ArchiveError::NoMember(_) => StatusCode::NOT_FOUND,
            ArchiveError::Path { path, reason } => return Self::parameter("file_path", &path, reason),
            ArchiveError::Cache(error) => return error.into(),
        };
        Self::new(status, Detail::Message, message)
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
                let (kind, ctx) = match problem {
                    OperationProblem::Missing => ("missing", None),
                    OperationProblem::UnknownAction | OperationProblem::UnknownCondition => {
                        let said = problem.to_string();
                        let expected = said.strip_prefix("must be ").unwrap_or(&said);
                        ("enum", Some(json!({"expected": expected})))
                    }
                    OperationProblem::Name(_) | OperationProblem::Pattern(_) => ("value_error", None),
                };
                Self::item(kind, json!(["body", "operations", index, field]), message, input, ctx)
            }
        }
    }

    /// A field of a body that has another type than it should. `kind` is the type of the item, such as `list_type`.
    pub fn field(kind: &str, place: &[Value], expected: &str, input: &Value) -> Self {
        let name = place.iter().fold(String::new(), |name, step| match step {
            Value::String(field) if name.is_empty() => field.clone(),
            Value::String(field) => format!("{name}.{field}"),
            index => format!("{name}[{index}]"),
        });
        let loc = [&[json!("body")], place].concat();
        Self::item(kind, json!(loc), format!("{name} should be {expected}"), input.clone(), None)
    }
}
