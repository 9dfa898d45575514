//! The response of a [`Problem`]: its body, in the shapes that the table of [`super`] shows.

use axum::response::{IntoResponse, Response};
use http::{HeaderMap, HeaderValue, header};
use serde_json::{Value, json};

use super::{Detail, Problem};

/// The part of the request that the body of an error shows.
#[derive(Debug, Clone, Copy)]
pub struct ErrorContext<'a> {
    /// The id in the response header.
    pub request_id: &'a str,
    /// Milliseconds since 1970, UTC.
    pub now_ms: u64,
}

impl Problem {
    /// The response with its body. `headers` are those that it already has, such as `Allow`.
    pub fn render(&self, context: ErrorContext<'_>, headers: HeaderMap) -> Response {
        let body = self.json_body(context);
        let text = match *self.detail {
            Detail::Unauthorized | Detail::File { .. } => pretty(&body),
            Detail::Text(_)
            | Detail::Message
            | Detail::Items(_)
            | Detail::Input { .. }
            | Detail::NotFound { .. }
            | Detail::Fields { .. } => body.to_string(),
        };
        let mut response = (self.status, headers, text).into_response();
        let headers = response.headers_mut();
        headers.insert(header::CONTENT_TYPE, HeaderValue::from_static("application/json"));
        if let Some(seconds) = self.retry_after_seconds {
            headers.insert(header::RETRY_AFTER, seconds.into());
        }
        response
    }

    /// The body, for what is no response of the application.
    pub fn json_body(&self, context: ErrorContext<'_>) -> Value {
        let message = &self.message;
        let text = self.wording.as_deref().unwrap_or(message);
        let detail = match self.detail.as_ref() {
            // Here the clients know the text of `message` itself.
            Detail::Unauthorized => {
                return json!({"data": null, "error": null, "message": text, "status": "error", "detail": message});
            }
            Detail::File { path } => {
                return json!({
                    "error_type": "FILE_NOT_FOUND", "resource": "file", "message": text, "path": path, "detail": message,
                });
            }
            Detail::Fields { error_type, fields } => {
                let mut detail = json!({"error_type": error_type, "message": text});
                for (name, value) in fields {
                    detail[name] = value.clone();
                }
                detail
            }
            Detail::Text(text) => json!(text),
            Detail::Message => json!(text),
            Detail::Items(items) => items.clone(),
            Detail::Input { field, expected } => json!({
                "field_value": null, "constraints": null, "error_type": "INVALID_INPUT", "message": text,
                "timestamp": context.now_ms, "request_id": context.request_id,
                "field_name": field, "expected_type": expected,
            }),
            Detail::NotFound { namespace, hash, id } => json!({
                "resource_id": null, "cache_hash": hash, "cache_id": id, "namespace": namespace,
                "error_type": "NOT_FOUND", "message": text, "timestamp": context.now_ms,
                "request_id": context.request_id, "resource_type": "cache_entry",
            }),
        };
        let mut body = json!({"detail": detail, "message": message});
        if self.status.is_server_error() {
            body["request_id"] = json!(context.request_id);
        }
        body
    }
}

impl IntoResponse for Problem {
    /// A response without a body: [`crate::middleware`] renders it.
    fn into_response(self) -> Response {
        let mut response = self.status.into_response();
        response.extensions_mut().insert(self);
        response
    }
}

/// JSON with an indent of four, as the clients expect for these bodies.
fn pretty(body: &Value) -> String {
    let mut text = Vec::new();
    let formatter = serde_json::ser::PrettyFormatter::with_indent(b"    ");
    let mut serializer = serde_json::Serializer::with_formatter(&mut text, formatter);
    match serde::Serialize::serialize(body, &mut serializer) {
        Ok(()) => String::from_utf8_lossy(&text).into_owned(),
        Err(_) => body.to_string(),
    }
}
