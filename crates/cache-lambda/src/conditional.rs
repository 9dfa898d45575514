//! Conditional requests and range requests (RFC 9110, sections 13 and 14), and `Cache-Control` (RFC 9111).

use std::convert::Infallible;
use std::ops::Range;

use axum::extract::FromRequestParts;
use axum::response::{IntoResponse, Response};
use bytes::Bytes;
use cache_core::digest::Sha256Digest;
use http::request::Parts;
use http::{HeaderMap, HeaderName, HeaderValue, StatusCode, header};

use crate::problem::Problem;
use crate::state::AppState;

/// How many hex digits of a SHA-256 an ETag has.
const ETAG_DIGITS: usize = 32;

/// The headers of a request that decide whether and how a content is sent.
#[derive(Debug, Clone, Default)]
pub struct ConditionalHeaders {
    if_none_match: Vec<String>,
    range: Option<ByteRangeSpec>,
    /// The ETag that the range applies to; a different content is sent as a whole.
    if_range: Option<String>,
    /// Whether the caller accepts gzip.
    pub accepts_gzip: bool,
}

impl FromRequestParts<AppState> for ConditionalHeaders {
    type Rejection = Infallible;

    async fn from_request_parts(parts: &mut Parts, _: &AppState) -> Result<Self, Infallible> {
        Ok(Self::of(&parts.headers))
    }
}

/// A strong ETag: equal tags mean equal bytes.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct ETag(String);

impl ETag {
    /// The ETag of a representation that is determined by these parts and by the version of the service.
    pub fn of(parts: &[&str]) -> Self {
        let text = [&[env!("CARGO_PKG_VERSION")], parts].concat().join("\0");
        let mut digits = Sha256Digest::of(text.as_bytes()).to_string();
        digits.truncate(ETAG_DIGITS);
        Self(format!("\"{digits}\""))
    }
}

/// How long a cached response may be used without revalidation.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum CachePolicy {
    /// It has to be revalidated each time.
    Revalidate,
    /// Indefinitely: the content cannot change. Only in private caches, since the caller sent a key.
    Immutable,
}

impl CachePolicy {
    const fn cache_control(self) -> HeaderValue {
        HeaderValue::from_static(match self {
            Self::Revalidate => "no-cache",
            Self::Immutable => "private, max-age=31536000, immutable",
        })
    }
}

/// A range of a content, in bytes.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum ByteRangeSpec {
    From(usize),
    /// Including the last byte.
    Between(usize, usize),
    Suffix(usize),
}

impl ConditionalHeaders {
    fn of(headers: &HeaderMap) -> Self {
        let text = |name: HeaderName| headers.get(name).and_then(|value| value.to_str().ok());
        let if_none_match = headers.get_all(header::IF_NONE_MATCH).iter().filter_map(|value| value.to_str().ok());
        Self {
            if_none_match: if_none_match.flat_map(|list| list.split(',')).map(|tag| tag.trim().to_owned()).collect(),
            range: text(header::RANGE).and_then(parse_range),
            if_range: text(header::IF_RANGE).map(|tag| tag.trim().to_owned()),
            accepts_gzip: text(header::ACCEPT_ENCODING).is_some_and(allows_gzip),
        }
    }

    /// Whether a range is requested. A range selects from the content itself, not from its gzip encoding.
    pub fn has_range(&self) -> bool {
        self.range.is_some()
    }

    /// The response, or 304 if the caller has it already.
    pub fn respond(
        &self,
        tag: &ETag,
        cache_policy: CachePolicy,
        make: impl FnOnce() -> Result<Response, Problem>,
    ) -> Result<Response, Problem> {
        // If-None-Match uses the weak comparison (RFC 9110, 13.1.2).
        let is_it = |has: &String| has == "*" || has.strip_prefix("W/").unwrap_or(has) == tag.0;
        let mut response =
            if self.if_none_match.iter().any(is_it) { StatusCode::NOT_MODIFIED.into_response() } else { make()? };
        if response.extensions().get::<Problem>().is_none() {
            let redirects = response.status().is_redirection() && response.status() != StatusCode::NOT_MODIFIED;
            let headers = response.headers_mut();
            if redirects {
                // A redirect has its own Cache-Control, and the ETag would not be that of the target.
                return Ok(response);
            }
            headers.insert(header::CACHE_CONTROL, cache_policy.cache_control());
            if let Ok(tag) = HeaderValue::from_str(&tag.0) {
                headers.insert(header::ETAG, tag);
            }
        }
        Ok(response)
    }

    /// The content, or the requested range of it.
    pub fn respond_with_range(&self, tag: &ETag, bytes: Bytes) -> Response {
        let size = bytes.len();
        let current = self.if_range.as_ref().is_none_or(|has| *has == tag.0);
        let whole = [(header::ACCEPT_RANGES, HeaderValue::from_static("bytes"))];
        let Some(wanted) = self.range.filter(|_| current) else { return (whole, bytes).into_response() };
        let Some(range) = wanted.within(size) else { return Problem::range_not_satisfiable(size).into_response() };
        let shown = format!("bytes {}-{}/{size}", range.start, range.end - 1);
        (StatusCode::PARTIAL_CONTENT, whole, [(header::CONTENT_RANGE, shown)], bytes.slice(range)).into_response()
    }
}

impl ByteRangeSpec {
    /// The range within a content of this size; `None` when it is empty.
    fn within(self, size: usize) -> Option<Range<usize>> {
        let range = match self {
            Self::From(first) => first..size,
            Self::Between(first, last) => first..last.saturating_add(1).min(size),
            Self::Suffix(count) => size.saturating_sub(count)..size,
        };
        (range.start < range.end).then_some(range)
    }
}

/// `bytes=0-499`, `bytes=500-` or `bytes=-500`. Anything else, such as several ranges, is ignored, as a server
/// may do (RFC 9110, 14.2).
fn parse_range(text: &str) -> Option<ByteRangeSpec> {
    let (first, last) = text.trim().strip_prefix("bytes=")?.trim().split_once('-')?;
    let number = |text: &str| text.parse().ok().filter(|_: &usize| !text.starts_with('+'));
    match (first, last) {
        ("", last) => number(last).map(ByteRangeSpec::Suffix),
        (first, "") => number(first).map(ByteRangeSpec::From),
        (first, last) => {
            let (first, last) = (number(first)?, number(last)?);
            (first <= last).then_some(ByteRangeSpec::Between(first, last))
        }
    }
}

fn allows_gzip(accepted: &str) -> bool {
    accepted.split(',').any(|item| {
        let mut parts = item.split(';').map(str::trim);
        let name = parts.next().unwrap_or_default();
        let refused = |weight: &str| weight.parse::<f32>().is_ok_and(|weight| weight == 0.0);
        name.eq_ignore_ascii_case("gzip") && !parts.filter_map(|part| part.strip_prefix("q=")).any(refused)
    })
}

#[cfg(test)]
mod tests;
