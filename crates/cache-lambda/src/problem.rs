//! Errors as HTTP: the only place that knows a status code or the shape of an error body.
//!
//! Every error body is JSON and has a top-level `message` that says what is wrong and what to do. It also has a
//! `detail` in one of the shapes that the clients know, with a text that they know where the Python service has one
//! (`wording.rs`):
//!
//! | name | status | `detail` |
//! |---|---|---|
//! | text | any | the text |
//! | items | 400 | `[{"type","loc","msg","input","ctx"?}]` |
//! | input | 400 | `{"error_type":"INVALID_INPUT","field_name","expected_type",…}` |
//! | miss | 404 | `{"error_type":"NOT_FOUND","cache_hash","cache_id","namespace",…}` |
//! | fields | 400, 404 | `{"error_type","message",…}` |
//!
//! Two bodies are pretty, and have the known text as `message` and what to do as `detail`: that of a missing file,
//! `{"error_type":"FILE_NOT_FOUND","resource":"file","message","path","detail"}`, and that of a 401,
//! `{"data":null,"error":null,"message","status":"error","detail"}`.
//!
//! A [`Problem`] travels through the response's extensions to [`crate::middleware`], which knows the request id and
//! renders it.

mod archive;
mod batch;
mod echo;
mod not_found;
mod render;
mod server;
mod wording;

use std::fmt::Display;

use cache_core::cache::Selector;
use cache_core::content::InvalidContent;
use cache_core::error::{Error, error_chain};
use cache_core::ids::{CacheHash, CacheId, Namespace};
use cache_core::json::{JsonError, JsonErrorKind};
use cache_core::representation::{JsonFormError, Unreadable};
use cache_core::strategy::{ContentKind, InvalidStrategy, Strategy};
use http::StatusCode;
use serde_json::{Value, json};

use echo::{short, short_loc, short_message, short_value};

pub use archive::ArchiveOp;
pub use render::ErrorContext;
pub use wording::ChildOp;

/// A text or bytes without content.
const EMPTY_STRING: &str = "String data cannot be empty";
const EMPTY_BINARY: &str = "Binary data cannot be empty";

/// The value of `Retry-After` when the storage does not respond, in seconds.
const RETRY_AFTER_SECONDS: u64 = 1;

/// An error response. Not a problem detail of RFC 9457: the body has FastAPI's `detail`, because the Python clients parse it.
#[derive(Debug, Clone)]
pub struct Problem {
    status: StatusCode,
    message: String,
    /// What `detail` says instead of the message, as the clients know it.
    wording: Option<String>,
    /// Boxed, because every fallible function of this crate returns a problem by value.
    detail: Box<Detail>,
    cause: Option<String>,
    /// `Retry-After`.
    retry_after_seconds: Option<u64>,
    /// Whether it refuses the caller, although the status is that of something that does not exist.
    is_refusal: bool,
}

/// The shape of the `detail`; the table in the module's docs shows them.
#[derive(Debug, Clone)]
enum Detail {
    Text(&'static str),
    Message,
    Items(Value),
    Input { field: &'static str, expected: &'static str },
    NotFound { namespace: String, hash: Option<String>, id: Option<String> },
    Fields { error_type: &'static str, fields: Vec<(&'static str, Value)> },
    File { path: String },
    Unauthorized,
}

impl Problem {
    fn new(status: StatusCode, detail: Detail, message: impl Into<String>) -> Self {
        let retry_after_seconds = (status == StatusCode::SERVICE_UNAVAILABLE).then_some(RETRY_AFTER_SECONDS);
        let message = short_message(&message.into());
        Self {
            status,
            message,
            wording: None,
            detail: Box::new(detail),
            cause: None,
            retry_after_seconds,
            is_refusal: false,
        }
    }

    /// The same, with a text in `detail` that the clients know.
    fn worded(self, text: impl Into<String>) -> Self {
        Self { wording: Some(text.into()), ..self }
    }

    fn item(item_type: &str, loc: Value, message: String, input: Value, ctx: Option<Value>) -> Self {
        let text = wording::of_item(item_type).unwrap_or(&message).to_owned();
        Self::item_worded(item_type, loc, message, &text, input, ctx)
    }

    fn item_worded(item_type: &str, loc: Value, message: String, text: &str, input: Value, ctx: Option<Value>) -> Self {
        let mut item =
            json!({"type": item_type, "loc": short_loc(loc), "msg": short_message(text), "input": short_value(input)});
        if let Some(ctx) = ctx {
            item["ctx"] = ctx;
        }
        Self::new(StatusCode::BAD_REQUEST, Detail::Items(json!([item])), message)
    }

    /// A parameter that does not parse. Its `loc` is `query` even for path parameters, as the clients expect.
    pub fn parameter(name: &str, raw: &str, reason: impl Display) -> Self {
        let message = format!("{name} {}", short(&reason.to_string()));
        let text = wording::of_parameter(name, raw).unwrap_or_else(|| message.clone());
        Self::item_worded("value_error", json!(["query", name]), message, &text, json!(raw), None)
    }

    /// A query parameter of the wrong type. `item_type` is the `type` of the item, such as `bool_parsing`.
    pub fn query(item_type: &str, name: &str, raw: &str, reason: impl Display) -> Self {
        Self::item(
            item_type,
            json!(["query", name]),
            format!("{name} {}", short(&reason.to_string())),
            json!(raw),
            None,
        )
    }

    /// A header that is not understood.
    pub fn header(name: &str, raw: &str, reason: impl Display) -> Self {
        Self::item(
            "value_error",
            json!(["header", name]),
            format!("{name} {}", short(&reason.to_string())),
            json!(raw),
            None,
        )
    }

    /// A query parameter that has to be there.
    pub fn missing_query(name: &str) -> Self {
        let message = format!("{name} is required: add '?{name}=…' to the URL");
        Self::item("missing", json!(["query", name]), message, Value::Null, None)
    }

    /// A parameter that is not one of the allowed words. `place` is `path` or `query`.
    pub fn not_one_of(place: &str, name: &str, raw: &str, words: &[&str]) -> Self {
        let quoted: Vec<String> = words.iter().map(|word| format!("'{word}'")).collect();
        let expected = match quoted.split_last() {
            Some((last, rest)) if !rest.is_empty() => format!("{} or {last}", rest.join(", ")),
            _ => quoted.join(""),
        };
        let message = format!("{name} should be {expected}");
        let text = format!("Input should be {expected}");
        Self::item_worded("enum", json!([place, name]), message, &text, json!(raw), Some(json!({"expected": expected})))
    }

    /// An unknown strategy.
    pub fn strategy(error: &InvalidStrategy) -> Self {
        Self::not_one_of("path", "strategy", &error.0, &Strategy::ALL.map(Strategy::name))
    }

    /// A body of the wrong type. `item_type` is the `type` of the item, such as `dict_type`.
    pub fn body(item_type: &str, message: &str, input: Value) -> Self {
        Self::item(item_type, json!(["body"]), message.to_owned(), input, None)
    }

    /// No body at all.
    pub fn missing_body() -> Self {
        Self::body("missing", "the body is missing: send the content as the body", Value::Null)
    }

    /// A body that is not JSON.
    pub fn json(error: &JsonError) -> Self {
        let message = format!("the body is {error}");
        match error.kind {
            // The framework that the clients know never saw such bodies as JSON documents.
            JsonErrorKind::InvalidUtf8 | JsonErrorKind::WideEncoding | JsonErrorKind::TooDeep => {
                Self::unreadable_body(message).worded("There was an error parsing the body")
            }
            kind => {
                let ours = kind.to_string();
                let ctx = json!({"error": wording::of_json_error(kind).unwrap_or(&ours)});
                Self::item("json_invalid", json!(["body", error.offset]), message, json!({}), Some(ctx))
            }
        }
    }

    /// A body that could not be received or decoded.
    pub fn unreadable_body(message: impl Into<String>) -> Self {
        Self::new(StatusCode::BAD_REQUEST, Detail::Message, message)
    }

    /// A body above the limit, before or after inflating.
    pub fn body_too_large(limit: u64) -> Self {
        let message = format!("the body is larger than the limit of {limit} bytes: send less, or in parts");
        Self::new(StatusCode::PAYLOAD_TOO_LARGE, Detail::Message, message)
    }

    /// A part of the request that parses, but cannot be used.
    pub fn input(field: &'static str, expected: &'static str, message: impl Into<String>) -> Self {
        Self::new(StatusCode::BAD_REQUEST, Detail::Input { field, expected }, message)
    }

    /// A store under a key without the key.
    pub fn missing_cache_key() -> Self {
        Self::input("cache_key", "valid_file_path", "cache_key required: name one after the last '/', such as users/u1")
            .worded("Cache key is required for this endpoint")
    }

    /// The entry does not exist; with a structured `detail`.
    pub fn entry_not_found(namespace: &Namespace, selector: &Selector) -> Self {
        let (id, hash): (Option<CacheId>, Option<&CacheHash>) = match selector {
            Selector::Id(id) => (Some(*id), None),
            Selector::Hash(hash, _) => (None, Some(hash)),
            Selector::Key(..) => (None, None),
        };
        let detail = Detail::NotFound {
            namespace: namespace.to_string(),
            hash: hash.map(ToString::to_string),
            id: id.map(|id| id.to_string()),
        };
        Self::new(StatusCode::NOT_FOUND, detail, absence(namespace, selector))
            .worded("The requested cache entry was not found")
    }

    /// The entry does not exist; with a text as `detail`.
    pub fn entry_not_found_short(namespace: &Namespace, selector: &Selector) -> Self {
        Self::new(StatusCode::NOT_FOUND, Detail::Message, absence(namespace, selector)).worded("Cache entry not found")
    }

    /// A content that has no JSON representation.
    pub fn json_form(error: JsonFormError) -> Self {
        match error {
            JsonFormError::NotJson { preview, .. } => {
                let shown = preview.map(|preview| format!(": {preview}")).unwrap_or_default();
                let message = "the content is a string, not JSON; read it with /string";
                Self::new(StatusCode::UNSUPPORTED_MEDIA_TYPE, Detail::Message, message)
                    .worded(format!("Data is string, not JSON{shown}"))
            }
            JsonFormError::Unreadable(error) => error.into(),
        }
    }

    /// No route matches the path.
    pub fn route_not_found() -> Self {
        let message = "no route matches this path; check the spelling and remove a trailing '/'";
        Self::new(StatusCode::NOT_FOUND, Detail::Text("Not Found"), message)
    }

    /// The route does not have this method.
    pub fn method_not_allowed() -> Self {
        let message = "method not allowed; see the Allow header";
        Self::new(StatusCode::METHOD_NOT_ALLOWED, Detail::Text("Method Not Allowed"), message)
    }

    /// The storage is unavailable or contended; a retry may succeed. `cause` is only logged.
    pub fn unavailable(cause: impl Into<String>) -> Self {
        let message = "storage is temporarily unavailable; retry later";
        let problem = Self::new(StatusCode::SERVICE_UNAVAILABLE, Detail::Message, message);
        Self { cause: Some(cause.into()), ..problem }
    }

    /// An internal error. `cause` is only logged.
    pub fn internal(cause: impl Into<String>) -> Self {
        let message = "internal error; report the request_id to the operator";
        let problem = Self::new(StatusCode::INTERNAL_SERVER_ERROR, Detail::Message, message);
        Self { cause: Some(cause.into()), ..problem }
    }

    /// Whether the caller was refused with the status of something that does not exist: no miss, for logs and metrics.
    pub fn is_refusal(&self) -> bool {
        self.is_refusal
    }

    /// The cause, for the log only.
    pub fn cause(&self) -> Option<&str> {
        self.cause.as_deref()
    }
}

fn absence(namespace: &Namespace, selector: &Selector) -> String {
    let version = |version: &Option<u64>| version.map_or("entry".to_owned(), |n| format!("version {n}"));
    let wanted = match selector {
        Selector::Id(id) => format!("entry with cache_id {id}"),
        Selector::Hash(hash, n) => format!("{} with cache_hash {hash}", version(n)),
        Selector::Key(name, n) => {
            format!("{} under {}", version(n), short(&format!("{}/{}/{}", name.strategy, name.cache_key, name.file_id)))
        }
    };
    format!("there is no {wanted} in namespace {namespace}")
}

impl From<Error> for Problem {
    fn from(error: Error) -> Self {
        match error {
            Error::Invalid { field: "body", message } => Self::short_input("body", message),
            Error::Invalid { field, message } => {
                Self::item("value_error", json!(["query", field]), format!("{field} {message}"), Value::Null, None)
            }
            Error::TooLarge { size, limit } => {
                Self::response_too_large(size, limit, "read it in the form that it was stored in, by its id")
            }
            Error::PreconditionFailed(message) => Self::precondition_failed(message),
            Error::Unavailable { .. } => Self::unavailable(error_chain(&error)),
            Error::QuotaExceeded(message) => Self::quota_exceeded(message),
            Error::Full { .. } => Self::storage_full(error_chain(&error)),
            Error::Refused { .. } | Error::Corrupt { .. } => Self::internal(error_chain(&error)),
        }
    }
}

impl From<InvalidContent> for Problem {
    fn from(error: InvalidContent) -> Self {
        let message = error.to_string();
        match error {
            InvalidContent::Empty { kind: ContentKind::String } => {
                Self::input("data", "non-empty_string", message).worded(EMPTY_STRING)
            }
            InvalidContent::Empty { kind: ContentKind::Json } => Self::input("data", "non-empty_json", message),
            InvalidContent::Empty { kind: ContentKind::Binary | ContentKind::Zip } => {
                Self::input("body", "non-empty_binary_data", message).worded(EMPTY_BINARY)
            }
            InvalidContent::Gzip(_) => Self::input("body", "gzip_stream", message),
            InvalidContent::TooLarge { limit } => Self::body_too_large(limit),
            InvalidContent::Field(_) => {
                let message = format!("json_field_path must name a field of the body that has a value: {message}");
                Self::input("json_field_path", "path_of_a_field", message)
            }
        }
    }
}

impl From<Unreadable> for Problem {
    fn from(error: Unreadable) -> Self {
        Self::internal(error.to_string())
    }
}
