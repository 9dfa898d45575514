//! The body of a batch: a JSON object whose fields are all optional and may be `null`. Unknown fields are ignored, so
//! the bodies of both generations of clients are understood.

use cache_core::archive::MemberName;
use cache_core::archive::batch::{
    Batch, BatchRequest, InvalidBatch, MAX_OPERATIONS, OperationProblem, OperationRequest,
};
use cache_core::json::{JsonKind, JsonValue};
use serde_json::{Value, json};

use crate::body::{Payload, given, shown_json};
use crate::problem::Problem;

/// Reads a batch from a body. If `strict`, a name that needs sanitizing is refused.
///
/// # Errors
///
/// 400 when the body is no JSON object, `atomic` is neither true nor false, there are more than [`MAX_OPERATIONS`], or one of them
/// lacks a field, or has one of another type, an unknown action or condition, or a name or pattern that cannot be used.
pub fn read(payload: Payload, strict: bool) -> Result<Batch, Problem> {
    let document = payload.object("model_attributes_type")?;
    let body = document.root();
    let request = BatchRequest { atomic: atomic(body)?, operations: operations(body, strict)? };
    Batch::try_from(request).map_err(|error| Problem::batch(&error, cause(body, &error)))
}

fn atomic(body: JsonValue<'_>) -> Result<Option<bool>, Problem> {
    match given(body, "atomic") {
        None => Ok(None),
        Some(value) if value.kind() == JsonKind::Bool => Ok(Some(value.text() == "true")),
        Some(other) => Err(Problem::field("bool_parsing", &[json!("atomic")], "true or false", &shown_json(other))),
    }
}

/// The operations. How many there are is checked before memory is taken for them.
fn operations(body: JsonValue<'_>, strict: bool) -> Result<Option<Vec<OperationRequest>>, Problem> {
    let Some(list) = given(body, "operations") else { return Ok(None) };
    if list.kind() != JsonKind::Array {
        return Err(Problem::field("list_type", &[json!("operations")], "a list", &shown_json(list)));
    }
    let count = list.items().count();
    if count > MAX_OPERATIONS {
        return Err(Problem::batch(&InvalidBatch::TooManyOperations(count), Value::Null));
    }
    list.items().enumerate().map(|(index, sent)| operation(index, sent, strict)).collect::<Result<_, _>>().map(Some)
}

fn operation(index: usize, sent: JsonValue<'_>, strict: bool) -> Result<OperationRequest, Problem> {
    let place = [json!("operations"), json!(index)];
    if sent.kind() != JsonKind::Object {
        return Err(Problem::field("model_attributes_type", &place, "an object", &shown_json(sent)));
    }
    let text = |name: &str| {
        let Some(value) = given(sent, name) else { return Ok(None) };
        value.as_string().map(|text| Some(text.into_owned())).ok_or_else(|| {
            Problem::field("string_type", &[&place[..], &[json!(name)]].concat(), "a string", &shown_json(value))
        })
    };
    let name = |field: &str| match text(field)? {
        Some(raw) if strict && needs_sanitizing(&raw) => {
            let expected = "a name of letters, digits and '_-./ ' alone";
            Err(Problem::field("value_error", &[&place[..], &[json!(field)]].concat(), expected, &json!(raw)))
        }
        name => Ok(name),
    };
    Ok(OperationRequest {
        action: text("action")?,
        path: name("path")?,
        content: text("content")?,
        new_path: name("new_path")?,
        condition: text("condition")?,
        pattern: text("pattern")?,
    })
}

/// The part of a body that an error is about: a field, or the operation that lacks it.
fn cause(body: JsonValue<'_>, error: &InvalidBatch) -> Value {
    let InvalidBatch::Operation { index, field, problem } = error else { return Value::Null };
    let operation = body.member("operations").and_then(|list| list.items().nth(*index));
    let cause = match problem {
        OperationProblem::Missing => operation,
        OperationProblem::UnknownAction
        | OperationProblem::UnknownCondition
        | OperationProblem::Name(_)
        | OperationProblem::Pattern(_) => operation.and_then(|operation| operation.member(field)),
    };
    cause.map_or(Value::Null, shown_json)
}

fn needs_sanitizing(raw: &str) -> bool {
    raw.parse::<MemberName>().is_ok_and(|sanitized| sanitized.as_str() != raw)
}
