//! The bodies of errors.

use serde::{Deserialize, Serialize};
use serde_json::Value;

/// An error.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
#[cfg_attr(feature = "openapi", derive(utoipa::ToSchema))]
pub struct ErrorAnswer {
    /// What is wrong, and what to do. Of a missing file of the storage the text that the clients know.
    pub message: String,
    /// The same in a form and with a text that the clients know. Of a missing file of the storage what to do.
    pub detail: Option<Detail>,
    /// The id of the request, of errors that are the service's fault.
    pub request_id: Option<String>,
    /// `FILE_NOT_FOUND` for a missing file of the storage.
    pub error_type: Option<String>,
    /// `file` for a missing file of the storage.
    pub resource: Option<String>,
    /// The missing file of the storage.
    pub path: Option<String>,
}

/// The forms of a `detail`.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
#[cfg_attr(feature = "openapi", derive(utoipa::ToSchema))]
#[serde(untagged)]
pub enum Detail {
    /// A text.
    Text(String),
    /// What is wrong with parameters or with the body.
    Items(Vec<Item>),
    /// A kind of error, and fields that depend on it.
    Fields(Fields),
}

/// One thing that is wrong.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
#[cfg_attr(feature = "openapi", derive(utoipa::ToSchema))]
pub struct Item {
    /// Such as `value_error`, `missing`, `enum`, `json_invalid`.
    pub r#type: String,
    /// Where: `query` or `path` or `body`, then names or positions.
    #[cfg_attr(feature = "openapi", schema(value_type = Vec<Value>))]
    pub loc: Vec<Value>,
    /// What is wrong, in the words that the clients know.
    pub msg: String,
    /// What was sent.
    pub input: Value,
    /// More about it.
    #[cfg_attr(feature = "openapi", schema(value_type = Option<Object>))]
    pub ctx: Option<Value>,
}

/// A kind of error with its fields.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
#[cfg_attr(feature = "openapi", derive(utoipa::ToSchema))]
pub struct Fields {
    /// `INVALID_INPUT` or `NOT_FOUND`.
    pub error_type: String,
    /// What is wrong, in the words that the clients know.
    pub message: String,
    /// The field that is refused.
    pub field_name: Option<String>,
    /// What it should be.
    pub expected_type: Option<String>,
    /// The id that was asked for.
    pub cache_id: Option<String>,
    /// The hash that was asked for.
    pub cache_hash: Option<String>,
    /// Where it was looked for.
    pub namespace: Option<String>,
    /// Milliseconds since 1970, UTC.
    pub timestamp: Option<u64>,
    /// The id of the request.
    pub request_id: Option<String>,
}

/// The API key is missing or wrong.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
#[cfg_attr(feature = "openapi", derive(utoipa::ToSchema))]
pub struct Denied {
    /// What is wrong, in the words that the clients know.
    pub message: String,
    /// What to do.
    pub detail: Option<String>,
    /// Always `error`.
    pub status: String,
    /// Always `null`.
    pub data: Option<String>,
    /// Always `null`.
    pub error: Option<String>,
}
