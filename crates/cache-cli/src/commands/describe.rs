//! Entries as JSON.

use cache_client::Found;
use serde_json::json;

use crate::failure::Failure;

/// An entry as JSON, with its reference first.
pub fn describe_found(found: &Found) -> Result<serde_json::Value, Failure> {
    let mut shown = json!({"ref": found.entry.reference().to_string(), "kind": found.kind, "version": found.version, "sha256": found.sha256});
    if let (Some(all), serde_json::Value::Object(metadata)) = (shown.as_object_mut(), to_json(&found.metadata)?) {
        all.extend(metadata);
    }
    Ok(shown)
}

/// Anything as JSON.
pub fn to_json(value: &impl serde::Serialize) -> Result<serde_json::Value, Failure> {
    serde_json::to_value(value).map_err(|error| Failure::failed(error.to_string()))
}
