//! Redirects to the storage, for contents that are too large to pass through the service.
//!
//! Lambda allows responses of up to 6 MB, and binary ones travel in base64, which makes four bytes of three. So a
//! larger content is read from the storage by a presigned URL, in each representation whose body is the stored bytes:
//! for these representations the service only has to supply the URL. A local server redirects in the same way, and
//! passes the content through for `?redirect=never` and for all other representations.

use axum::response::{IntoResponse, Response};
use cache_core::cache::PART_BYTES;
use cache_core::content::GZIP;
use cache_core::entry::Entry;
use cache_core::storage::ResponseHeaders;
use cache_core::strategy::ContentKind;
use http::{HeaderName, HeaderValue, Method, StatusCode, header};

use crate::conditional::ConditionalHeaders;
use crate::extract::Params;
use crate::media_type::{BYTES, JSON, TEXT_UTF_8};
use crate::problem::Problem;
use crate::state::AppState;

/// The largest content that passes through Lambda, in bytes. In base64 it has 5.4 MB of the 6 MB (6,291,456); a text
/// whose JSON escapes would make it longer than that is also sent in base64.
pub const MAX_RESPONSE_BYTES: u64 = 4_000_000;

/// The largest content that is read before its bytes are counted as in flight: see [`crate::in_flight`].
pub const MAX_UNCOUNTED_READ_BYTES: u64 = 1 << 20;

/// How much of a content that is sent in parts is in memory at once, in bytes: the connection may have one part while the next one
/// is read. Up to this size, contents are read as a whole.
pub const MAX_STREAMED_BYTES: u64 = 2 * PART_BYTES;

/// The values of the query parameter `redirect`.
pub const REDIRECT_VALUES: [&str; 2] = ["auto", "never"];

/// A representation of a content (RFC 9110, 3.2).
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Representation {
    /// As text.
    String,
    /// As JSON.
    Json,
    /// As bytes.
    Binary,
}

/// How a content may be delivered to a caller.
#[derive(Debug, Clone, Copy)]
pub struct DeliveryOptions {
    /// Whether the process is a Lambda function, whose responses are limited.
    pub in_lambda: bool,
    /// Whether the storage presigns requests.
    pub presigns: bool,
    /// Whether the storage reads a part of a large content without what comes before it.
    pub reads_in_parts: bool,
    /// Whether the caller allows a redirect.
    pub redirect: bool,
    /// Whether the method is HEAD.
    pub head_only: bool,
    /// The largest content that is held in memory, in bytes.
    pub max_in_memory_bytes: u64,
}

impl DeliveryOptions {
    /// The options for a request with this method, before its query is read.
    pub fn for_method(state: &AppState, method: &Method) -> Self {
        Self {
            in_lambda: state.config.in_lambda,
            presigns: state.cache().presigns(),
            reads_in_parts: state.cache().reads_in_parts(),
            redirect: true,
            head_only: method == Method::HEAD,
            max_in_memory_bytes: state.config.max_in_memory_bytes(),
        }
    }

    /// The same, with the choice in the query.
    ///
    /// # Errors
    ///
    /// 400 when it is neither `auto` nor `never`.
    pub fn with_query(self, params: &Params) -> Result<Self, Problem> {
        let redirect = match params.query("redirect") {
            None | Some("auto") => true,
            Some("never") => false,
            Some(other) => return Err(Problem::not_one_of("query", "redirect", other, &REDIRECT_VALUES)),
        };
        Ok(Self { redirect, ..self })
    }

    /// Whether a large content may be redirected.
    pub fn may_redirect(self) -> bool {
        self.redirect && self.presigns
    }

    /// Whether a content that is sent as it is stored is sent in parts.
    pub fn may_stream(self, entry: &Entry) -> bool {
        !self.in_lambda
            && self.reads_in_parts
            && entry.content.blob.is_some()
            && entry.content.size > MAX_STREAMED_BYTES.min(self.max_in_memory_bytes)
    }

    /// The largest content that the first read returns, in bytes.
    pub fn initial_read_limit(self) -> u64 {
        match self.in_lambda || self.may_redirect() {
            true => MAX_RESPONSE_BYTES,
            false => MAX_UNCOUNTED_READ_BYTES.min(self.max_in_memory_bytes),
        }
    }

    /// The largest content that is read as a whole, in bytes.
    pub fn max_bytes(self) -> u64 {
        if self.in_lambda { MAX_RESPONSE_BYTES } else { self.max_in_memory_bytes }
    }

    /// The content is too large; the message says what to do.
    pub fn too_large(self, entry: &Entry) -> Problem {
        let path = stored_representation(entry);
        let advice = match (self.presigns, self.redirect) {
            (true, true) => format!("read it as it is stored, with GET {path}, which redirects to the storage"),
            (true, false) => format!("leave out 'redirect=never', and read it as it is stored, with GET {path}"),
            (false, _) if self.may_stream(entry) => format!("read it as it is stored, with GET {path}"),
            (false, _) if self.in_lambda => "this storage cannot be read directly: use S3".to_owned(),
            (false, _) => "raise CACHE__SERVICE__MAX_BODY_BYTES".to_owned(),
        };
        Problem::response_too_large(entry.content.size, self.max_bytes(), &advice)
    }
}

/// The headers of the response if the representation is the stored bytes and this caller accepts them.
pub fn as_stored(entry: &Entry, form: Representation, conditions: &ConditionalHeaders) -> Option<ResponseHeaders> {
    let plain = |content_type| Some(ResponseHeaders { content_type, ..ResponseHeaders::default() });
    match (form, entry.content.kind) {
        (Representation::String, ContentKind::String) => plain(TEXT_UTF_8),
        (Representation::Json, ContentKind::Json) => plain(JSON),
        (Representation::Binary, ContentKind::String | ContentKind::Zip) => plain(BYTES),
        (Representation::Binary, ContentKind::Binary) if entry.content.content_encoding.as_deref() == Some(GZIP) => {
            let packed =
                ResponseHeaders { content_encoding: Some(GZIP), content_type: BYTES, content_disposition: None };
            (conditions.accepts_gzip && !conditions.has_range()).then_some(packed)
        }
        (Representation::Binary, ContentKind::Binary) => plain(BYTES),
        (Representation::String, ContentKind::Json | ContentKind::Binary | ContentKind::Zip)
        | (Representation::Json, ContentKind::String | ContentKind::Binary | ContentKind::Zip)
        | (Representation::Binary, ContentKind::Json) => None,
    }
}

/// A redirect to a presigned URL. It expires after some minutes, so the response must not be cached.
///
/// # Errors
///
/// 500 when the URL cannot be a header.
pub fn redirect(url: &str) -> Result<Response, Problem> {
    let url = HeaderValue::from_str(url).map_err(|error| Problem::internal(format!("a signed URL: {error}")))?;
    let no_store = HeaderValue::from_static("no-store");
    Ok((StatusCode::TEMPORARY_REDIRECT, [(header::LOCATION, url), (header::CACHE_CONTROL, no_store)]).into_response())
}

/// The response to HEAD, without reading the content. A presigned URL is for GET, so HEAD is not redirected.
pub fn head(entry: &Entry, answer: &ResponseHeaders) -> Response {
    let mut headers: Vec<(HeaderName, HeaderValue)> = vec![
        (header::CONTENT_TYPE, HeaderValue::from_static(answer.content_type)),
        (header::CONTENT_LENGTH, entry.content.size.into()),
    ];
    headers.extend(answer.content_encoding.map(|it| (header::CONTENT_ENCODING, HeaderValue::from_static(it))));
    let mut response = StatusCode::OK.into_response();
    response.headers_mut().extend(headers);
    response
}

/// The path of the representation whose body is the stored bytes.
pub fn stored_representation(entry: &Entry) -> String {
    let (form, how) = match entry.content.kind {
        ContentKind::String => ("string", ""),
        ContentKind::Json => ("json", ""),
        ContentKind::Binary if entry.content.content_encoding.as_deref() == Some(GZIP) => {
            ("binary", " and 'Accept-Encoding: gzip'")
        }
        ContentKind::Binary | ContentKind::Zip => ("binary", ""),
    };
    format!("/{}/retrieve/{}/{form}{how}", entry.namespace, entry.cache_id)
}

#[cfg(test)]
mod tests;
