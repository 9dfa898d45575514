//! Copies and parts: what a caller has already is not sent again, and of large content a part can be asked for
//! (RFC 9110, sections 13 and 14; RFC 9111 for how long a copy may be used).

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

/// How many hex digits of a SHA-256 make a tag.
const ETAG_DIGITS: usize = 32;

/// What a request says about the copy that its caller has, and about what it can take.
#[derive(Debug, Clone, Default)]
pub struct ConditionalHeaders {
    if_none_match: Vec<String>,
    range: Option<ByteRangeSpec>,
    /// The tag that the copy must have for a part of it to be of use.
    if_range: Option<String>,
    /// Whether the caller can inflate gzip.
    pub accepts_gzip: bool,
}

impl FromRequestParts<AppState> for ConditionalHeaders {
    type Rejection = Infallible;

    async fn from_request_parts(parts: &mut Parts, _: &AppState) -> Result<Self, Infallible> {
        Ok(Self::of(&parts.headers))
    }
}

/// The name of one state of one representation: equal tags mean equal bytes.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct ETag(String);

impl ETag {
    /// The tag of what follows from these parts. The version of the service is one of them, as it renders them.
    pub fn of(parts: &[&str]) -> Self {
        let text = [&[env!("CARGO_PKG_VERSION")], parts].concat().join("\0");
        let mut digits = Sha256Digest::of(text.as_bytes()).to_string();
        digits.truncate(ETAG_DIGITS);
        Self(format!("\"{digits}\""))
    }
}

/// How long a copy may be used without asking.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum CachePolicy {
    /// Not at all.
    Revalidate,
    /// For ever: what was asked for cannot change. It is for the caller alone, who showed a key.
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

/// Part of a content, in bytes.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum ByteRangeSpec {
    From(usize),
    /// The last byte included.
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

    /// Whether a part is wanted. Parts are of the content itself, not of its compressed form.
    pub fn has_range(&self) -> bool {
        self.range.is_some()
    }

    /// The answer, unless the caller has it already: then 304 without it.
    pub fn respond(
        &self,
        tag: &ETag,
        cache_policy: CachePolicy,
        make: impl FnOnce() -> Result<Response, Problem>,
    ) -> Result<Response, Problem> {
        // A weak tag will do here, whoever weakened it (RFC 9110, 13.1.2).
        let is_it = |has: &String| has == "*" || has.strip_prefix("W/").unwrap_or(has) == tag.0;
        let mut response =
            if self.if_none_match.iter().any(is_it) { StatusCode::NOT_MODIFIED.into_response() } else { make()? };
        if response.extensions().get::<Problem>().is_none() {
            let redirects = response.status().is_redirection() && response.status() != StatusCode::NOT_MODIFIED;
            let headers = response.headers_mut();
            if redirects {
                // It says itself how long it holds, and the tag is not of the bytes that it leads to.
                return Ok(response);
            }
            headers.insert(header::CACHE_CONTROL, cache_policy.cache_control());
            if let Ok(tag) = HeaderValue::from_str(&tag.0) {
                headers.insert(header::ETAG, tag);
            }
        }
        Ok(response)
    }

    /// All bytes, or the part of them that is wanted.
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
    /// The bytes of a content of this size; `None` when there are none.
    fn within(self, size: usize) -> Option<Range<usize>> {
        let range = match self {
            Self::From(first) => first..size,
            Self::Between(first, last) => first..last.saturating_add(1).min(size),
            Self::Suffix(count) => size.saturating_sub(count)..size,
        };
        (range.start < range.end).then_some(range)
    }
}

/// `bytes=0-499`, `bytes=500-` or `bytes=-500`. Anything else, several ranges included, asks for everything: a server may
/// answer so (RFC 9110, 14.2).
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
