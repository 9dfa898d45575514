//! Errors about what belongs to an entry, and about files.

use axum::response::{IntoResponse, Response};
use cache_core::ids::{CacheId, Namespace};
use http::{HeaderValue, StatusCode, header};
use serde_json::{Value, json};

use super::echo::short;
use super::wording::{self, ChildOp};
use super::{Detail, EMPTY_BINARY, EMPTY_STRING, Problem};

impl Problem {
    /// An input that cannot be used, with fewer fields than [`Problem::input`], as clients of updates expect.
    pub fn short_input(field: &'static str, message: impl Into<String>) -> Self {
        Self::fields(StatusCode::BAD_REQUEST, "INVALID_INPUT", message, vec![("field_name", json!(field))])
    }

    /// An update without content. `field` is `data` for a text, else `body`.
    pub fn empty_update(field: &'static str) -> Self {
        let text = if field == "data" { EMPTY_STRING } else { EMPTY_BINARY };
        Self::short_input(field, "the content must not be empty: delete the entry or file instead").worded(text)
    }

    /// An update of an entry that does not exist.
    pub fn updated_entry_not_found(namespace: &Namespace, id: CacheId) -> Self {
        let message = format!("there is no entry with cache_id {id} in namespace {namespace}: store it first");
        Self::not_found(message, vec![("cache_id", json!(id))]).worded(format!("Failed to update cache entry {id}"))
    }

    /// The parent entry of child data does not exist.
    pub fn parent_not_found(op: ChildOp, namespace: &Namespace, id: CacheId) -> Self {
        let message = format!("there is no entry with cache_id {id} in namespace {namespace} to hold child data");
        let place = if op == ChildOp::Store { format!(" in namespace '{namespace}'") } else { String::new() };
        Self::not_found(message, vec![("cache_id", json!(id))]).worded(format!("Cache entry '{id}'{place} not found"))
    }

    /// A path that ends where the name of a child should stand.
    pub fn blank_data_file_id() -> Self {
        Self::short_input("data_file_id", "data_file_id must not be blank: name a child after the last '/'")
    }

    /// A read of a child without a name, which is none.
    pub fn unnamed_child(id: CacheId) -> Self {
        Self::child_not_found(ChildOp::Read, id, "", None)
    }

    /// The child or its entry does not exist. `data_type` is shown when it was a parameter.
    pub fn child_not_found(op: ChildOp, id: CacheId, file_id: &str, data_type: Option<&str>) -> Self {
        let message = format!("entry {id} has no child data {file_id} of this type under this data_key");
        let mut fields = vec![("cache_id", json!(id)), ("data_file_id", json!(file_id))];
        fields.extend(data_type.map(|data_type| ("data_type", json!(data_type))));
        Self::not_found(message, fields).worded(wording::of_missing_child(op, id, file_id))
    }

    /// No file under a path of the storage.
    pub fn file_not_found(path: &str) -> Self {
        let message = "there is no file under this path in the storage: /admin/storage/files/all lists them";
        Self::new(StatusCode::NOT_FOUND, Detail::File { path: short(path) }, message)
            .worded("The requested file does not exist in storage")
    }

    /// A file that is not JSON where JSON was asked for.
    pub fn file_not_json(path: &str) -> Self {
        let message = format!("{} is not JSON: read it with /admin/storage/file/content/", short(path));
        Self::new(StatusCode::BAD_REQUEST, Detail::Message, message)
    }

    /// A file that must not be deleted by its path.
    pub fn file_in_use(path: &str, reason: &str) -> Self {
        let message = format!("{} stays: {reason}; '?force=true' deletes the file alone", short(path));
        Self::new(StatusCode::CONFLICT, Detail::Message, message)
    }

    /// A range that starts after the end. `size` is that of the whole content.
    pub fn range_not_satisfiable(size: u64) -> Response {
        let message = format!("the content has {size} bytes, and the range begins after them");
        let problem = Self::new(StatusCode::RANGE_NOT_SATISFIABLE, Detail::Message, message);
        let range = HeaderValue::from_str(&format!("bytes */{size}")).ok();
        (range.map(|range| [(header::CONTENT_RANGE, range)]), problem).into_response()
    }

    /// A content that is too large for a response in the requested representation.
    pub fn response_too_large(size: u64, limit: u64, advice: &str) -> Self {
        let message = format!("the content has {size} bytes, and up to {limit} can be answered in this form: {advice}");
        Self::new(StatusCode::PAYLOAD_TOO_LARGE, Detail::Message, message)
    }

    /// An upload URL that is invalid or has expired.
    pub fn forbidden(message: &str) -> Self {
        Self::new(StatusCode::FORBIDDEN, Detail::Message, message)
    }

    /// An upload under an id that has its content already.
    pub fn already_uploaded() -> Self {
        let message = "a content was sent to this URL before: complete the upload, or begin a new one";
        Self::new(StatusCode::PRECONDITION_FAILED, Detail::Message, message)
    }

    /// A condition of the request that does not hold.
    pub fn precondition_failed(message: impl Into<String>) -> Self {
        Self::new(StatusCode::PRECONDITION_FAILED, Detail::Message, message)
    }

    /// A storage without room. `cause` is for the log.
    pub fn storage_full(cause: impl Into<String>) -> Self {
        let message = "the storage is full, and nothing was stored: delete entries, or give it more room";
        Self { cause: Some(cause.into()), ..Self::new(StatusCode::INSUFFICIENT_STORAGE, Detail::Message, message) }
    }

    /// A field of a JSON body that has the wrong type. `item_type` is the `type` of the item, such as `string_type`.
    pub fn body_field(item_type: &str, field: &str, message: &str, input: Value) -> Self {
        Self::item(item_type, json!(["body", field]), format!("{} {}", short(field), short(message)), input, None)
    }

    fn not_found(message: impl Into<String>, fields: Vec<(&'static str, Value)>) -> Self {
        Self::fields(StatusCode::NOT_FOUND, "NOT_FOUND", message, fields)
    }

    pub(super) fn fields(
        status: StatusCode,
        error_type: &'static str,
        message: impl Into<String>,
        fields: Vec<(&'static str, Value)>,
    ) -> Self {
        Self::new(status, Detail::Fields { error_type, fields }, message)
    }
}
