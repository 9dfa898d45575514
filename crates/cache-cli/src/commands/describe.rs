//! Entries as JSON.

use cache_client::EntryInfo;
use serde_json::json;

use crate::failure::Failure;

/// An entry as JSON, with its reference first.
pub fn describe_entry(info: &EntryInfo) -> Result<serde_json::Value, Failure> {
    let mut shown = json!({"ref": info.entry.reference().to_string(), "kind": info.kind, "version": info.version, "sha256": info.sha256});
    if let (Some(all), serde_json::Value::Object(metadata)) = (shown.as_object_mut(), to_json(&info.metadata)?) {
        all.extend(metadata);
    }
    Ok(shown)
}

/// Anything as JSON.
pub fn to_json(value: &impl serde::Serialize) -> Result<serde_json::Value, Failure> {
    serde_json::to_value(value).map_err(|error| Failure::failed(error.to_string()))
}
