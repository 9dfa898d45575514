//! The body of a batch: a JSON object whose fields are all optional and may be `null`. Unknown fields are ignored, so
//! the bodies of both generations of clients are understood.

use cache_core::archive::MemberName;
use cache_core::archive::batch::{Batch, BatchRequest, OperationRequest};
use serde_json::{Map, Value, json};

use crate::body::Payload;
use crate::problem::Problem;

/// Reads a batch from a body. If `strict`, a name that would have to be sanitized is refused.
pub fn read(payload: Payload, strict: bool) -> Result<Batch, Problem> {
    let document = payload.object("model_attributes_type")?;
    let body: Map<String, Value> =
        serde_json::from_slice(document.text()).map_err(|error| Problem::unreadable_body(error.to_string()))?;
    let request = BatchRequest { atomic: atomic(&body)?, operations: operations(&body, strict)? };
    Batch::try_from(request).map_err(|error| Problem::batch(&error, &Value::Object(body)))
}

fn atomic(body: &Map<String, Value>) -> Result<Option<bool>, Problem> {
    match body.get("atomic") {
        None | Some(Value::Null) => Ok(None),
        Some(Value::Bool(atomic)) => Ok(Some(*atomic)),
        Some(other) => Err(Problem::field("bool_parsing", &[json!("atomic")], "true or false", other)),
    }
}

fn operations(body: &Map<String, Value>, strict: bool) -> Result<Option<Vec<OperationRequest>>, Problem> {
    match body.get("operations") {
        None | Some(Value::Null) => Ok(None),
        Some(Value::Array(operations)) => operations
            .iter()
            .enumerate()
            .map(|(index, sent)| operation(index, sent, strict))
            .collect::<Result<_, _>>()
            .map(Some),
        Some(other) => Err(Problem::field("list_type", &[json!("operations")], "a list", other)),
    }
}

fn operation(index: usize, sent: &Value, strict: bool) -> Result<OperationRequest, Problem> {
    let place = [json!("operations"), json!(index)];
    let Value::Object(fields) = sent else {
        return Err(Problem::field("model_attributes_type", &place, "an object", sent));
    };
    let text = |name: &str| match fields.get(name) {
        None | Some(Value::Null) => Ok(None),
        Some(Value::String(text)) => Ok(Some(text.clone())),
        Some(other) => Err(Problem::field("string_type", &[&place[..], &[json!(name)]].concat(), "a string", other)),
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

fn needs_sanitizing(raw: &str) -> bool {
    raw.parse::<MemberName>().is_ok_and(|cleaned| cleaned.as_str() != raw)
}
