//! Conditional requests and range requests (RFC 9110, sections 13 and 14), and `Cache-Control` (RFC 9111).
//!
//! Not with the crate `headers` 0.4: it drops a suffix range that is longer than the content, where RFC 9110, 14.1.2 sends all, and
//! accepts a date in `If-Range`. What is left to take from it are lists of tags: 40 lines here, for `sha1` and `digest` in second versions.

use std::convert::Infallible;
use std::ops::Range;
use std::time::{Duration, SystemTime, UNIX_EPOCH};

use axum::extract::{FromRequestParts, Request};
use axum::middleware::Next;
use axum::response::{IntoResponse, Response};
use bytes::Bytes;
use cache_core::digest::Sha256Digest;
use cache_core::time::UnixMillis;
use http::request::Parts;
use http::{HeaderMap, HeaderName, HeaderValue, Method, StatusCode, header};
use httpdate::{fmt_http_date, parse_http_date};

use crate::problem::Problem;
use crate::state::AppState;

/// Refuses writes with `If-Match`: nothing can be read under their paths, so no tag matches (RFC 9110, 13.1.1).
pub async fn refuse_if_match_of_writes(request: Request, next: Next) -> Response {
    let conditional = request.headers().contains_key(header::IF_MATCH);
    match conditional && !request.method().is_safe() {
        true => Problem::if_match_of_a_write().into_response(),
        false => next.run(request).await,
    }
}

/// How many hex digits of a SHA-256 an ETag has.
const ETAG_DIGITS: usize = 32;

/// The headers of a request that decide whether and how a content is sent.
#[derive(Debug, Clone, Default)]
pub struct ConditionalHeaders {
    if_match: Option<TagList>,
    if_none_match: Option<TagList>,
    if_modified_since: Option<SystemTime>,
    if_unmodified_since: Option<SystemTime>,
    range: Option<ByteRangeSpec>,
    /// The ETag that the range applies to; a different content is sent as a whole. A date never matches: two changes may
    /// have the same one.
    if_range: Option<String>,
    /// Whether the caller accepts gzip.
    pub accepts_gzip: bool,
}

/// What tells one state of a representation from another one.
#[derive(Debug, Clone)]
pub struct Validators {
    /// Its ETag.
    pub etag: ETag,
    /// When it was changed for the last time. `None` when that may go back: a key leads to an older entry once the newest
    /// one is deleted. Conditions on dates are then ignored (RFC 9110, 13.1.3 and 13.1.4).
    pub modified: Option<UnixMillis>,
}

/// The value of `If-Match` or `If-None-Match`.
#[derive(Debug, Clone, PartialEq, Eq)]
enum TagList {
    /// `*`: whatever there is.
    Any,
    /// The tags as sent, with quotes and `W/`. What is not a tag is left out, so it matches nothing.
    Tags(Vec<String>),
}

/// The outcome of the conditions of a request.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Verdict {
    /// Send the content.
    Send,
    /// The caller has it.
    NotModified,
    /// It is not what the caller expects.
    PreconditionFailed,
}

impl FromRequestParts<AppState> for ConditionalHeaders {
    type Rejection = Infallible;

    async fn from_request_parts(parts: &mut Parts, _: &AppState) -> Result<Self, Infallible> {
        let conditions = Self::of(&parts.headers);
        // Ranges are defined for GET alone (RFC 9110, 14.2).
        let range = conditions.range.filter(|_| parts.method == Method::GET);
        Ok(Self { range, ..conditions })
    }
}

/// How two tags are compared (RFC 9110, 8.8.3.2).
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Comparison {
    Strong,
    /// A tag is also equal to its weak form.
    Weak,
}

impl TagList {
    /// The list in all headers of this name; `None` when there is none.
    fn in_headers(headers: &HeaderMap, name: &HeaderName) -> Option<Self> {
        let mut lists = headers.get_all(name).iter().peekable();
        lists.peek()?;
        let lists: Vec<_> = lists.map(|list| list.to_str().unwrap_or_default().trim()).collect();
        if lists == ["*"] {
            return Some(Self::Any);
        }
        Some(Self::Tags(lists.into_iter().flat_map(tags).collect()))
    }

    fn any_is(&self, etag: &ETag, comparison: Comparison) -> bool {
        match (self, comparison) {
            (Self::Any, _) => true,
            (Self::Tags(tags), Comparison::Strong) => tags.contains(&etag.0),
            (Self::Tags(tags), Comparison::Weak) => {
                tags.iter().any(|tag| tag.strip_prefix("W/").unwrap_or(tag) == etag.0)
            }
        }
    }
}

/// The entity tags of a list. A comma may be part of a tag.
fn tags(list: &str) -> Vec<String> {
    let mut tags = Vec::new();
    let mut rest = list;
    while let Some(start) = rest.find('"') {
        let Some(length) = rest[start + 1..].find('"') else { break };
        let end = start + length + 2;
        let weak = rest[..start].ends_with("W/");
        tags.push(format!("{}{}", if weak { "W/" } else { "" }, &rest[start..end]));
        rest = &rest[end..];
    }
    tags
}

/// HTTP dates have no fractions.
fn whole_seconds(time: UnixMillis) -> SystemTime {
    UNIX_EPOCH + Duration::from_secs(time.get() / 1000)
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
    /// Indefinitely, and in any cache: what needs no key.
    PublicImmutable,
}

impl CachePolicy {
    const fn cache_control(self) -> HeaderValue {
        HeaderValue::from_static(match self {
            Self::Revalidate => "no-cache",
            Self::Immutable => "private, max-age=31536000, immutable",
            Self::PublicImmutable => "public, max-age=31536000, immutable",
        })
    }
}

/// A range of a content, in bytes.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum ByteRangeSpec {
    From(u64),
    /// Including the last byte.
    Between(u64, u64),
    Suffix(u64),
}

impl ConditionalHeaders {
    fn of(headers: &HeaderMap) -> Self {
        let text = |name: HeaderName| headers.get(name).and_then(|value| value.to_str().ok());
        let date = |name: HeaderName| text(name).and_then(|date| parse_http_date(date.trim()).ok());
        Self {
            if_match: TagList::in_headers(headers, &header::IF_MATCH),
            if_none_match: TagList::in_headers(headers, &header::IF_NONE_MATCH),
            if_modified_since: date(header::IF_MODIFIED_SINCE),
            if_unmodified_since: date(header::IF_UNMODIFIED_SINCE),
            range: text(header::RANGE).and_then(parse_range),
            if_range: text(header::IF_RANGE).map(|tag| tag.trim().to_owned()),
            accepts_gzip: text(header::ACCEPT_ENCODING).is_some_and(allows_gzip),
        }
    }

    /// Whether a range is requested. A range selects from the content itself, not from its gzip encoding.
    pub fn has_range(&self) -> bool {
        self.range.is_some()
    }

    /// The response, or 304 if the caller has it already, or 412 if it is not what the caller expects.
    ///
    /// # Errors
    ///
    /// 412 when the content is not what the caller expects; else those of `make`.
    pub fn respond(
        &self,
        validators: &Validators,
        cache_policy: CachePolicy,
        make: impl FnOnce() -> Result<Response, Problem>,
    ) -> Result<Response, Problem> {
        let mut response = match self.verdict(validators) {
            Verdict::Send => make()?,
            Verdict::NotModified => StatusCode::NOT_MODIFIED.into_response(),
            Verdict::PreconditionFailed => return Err(Problem::changed_meanwhile()),
        };
        if response.extensions().get::<Problem>().is_none() {
            let redirects = response.status().is_redirection() && response.status() != StatusCode::NOT_MODIFIED;
            let headers = response.headers_mut();
            if redirects {
                // A redirect has its own Cache-Control, and the ETag would not be that of the target.
                return Ok(response);
            }
            headers.insert(header::CACHE_CONTROL, cache_policy.cache_control());
            if let Ok(tag) = HeaderValue::from_str(&validators.etag.0) {
                headers.insert(header::ETAG, tag);
            }
            if let Some(Ok(date)) =
                validators.modified.map(|at| HeaderValue::from_str(&fmt_http_date(whole_seconds(at))))
            {
                headers.insert(header::LAST_MODIFIED, date);
            }
        }
        Ok(response)
    }

    /// The conditions in the order of RFC 9110, 13.2.2.
    fn verdict(&self, Validators { etag, modified }: &Validators) -> Verdict {
        let modified = modified.map(whole_seconds);
        let expected = match (&self.if_match, self.if_unmodified_since, modified) {
            (Some(tags), ..) => tags.any_is(etag, Comparison::Strong),
            (None, Some(date), Some(modified)) => modified <= date,
            (None, _, _) => true,
        };
        let known = match (&self.if_none_match, self.if_modified_since, modified) {
            (Some(tags), ..) => tags.any_is(etag, Comparison::Weak),
            (None, Some(date), Some(modified)) => modified <= date,
            (None, _, _) => false,
        };
        match (expected, known) {
            (false, _) => Verdict::PreconditionFailed,
            (true, true) => Verdict::NotModified,
            (true, false) => Verdict::Send,
        }
    }

    /// The content, or the requested range of it.
    pub fn respond_with_range(&self, tag: &ETag, bytes: Bytes) -> Response {
        match self.selected(tag, bytes.len() as u64) {
            Selected::Whole => (accept_ranges(), bytes).into_response(),
            Selected::Part(part) => {
                let headers = content_range(&part, bytes.len() as u64);
                // It is within the bytes.
                let range = part.start as usize..part.end as usize;
                (StatusCode::PARTIAL_CONTENT, accept_ranges(), headers, bytes.slice(range)).into_response()
            }
            Selected::Nothing(response) => response,
        }
    }

    /// The response to which the content is still to be added, and the part of it that was requested; `None` for the whole
    /// content, and for the response 416, to which nothing is added.
    pub fn select_range(&self, response: Response, tag: &ETag, size: u64) -> (Response, Option<Range<u64>>) {
        match self.selected(tag, size) {
            Selected::Whole => ((accept_ranges(), response).into_response(), None),
            Selected::Part(part) => {
                let length = [(header::CONTENT_LENGTH, HeaderValue::from(part.end - part.start))];
                let headers = (accept_ranges(), content_range(&part, size), length);
                ((StatusCode::PARTIAL_CONTENT, headers, response).into_response(), Some(part))
            }
            Selected::Nothing(response) => (response, None),
        }
    }

    /// What a request selects of a content of this size.
    fn selected(&self, tag: &ETag, size: u64) -> Selected {
        let is_current = self.if_range.as_ref().is_none_or(|has| *has == tag.0);
        match self.range.filter(|_| is_current) {
            None => Selected::Whole,
            Some(wanted) => match wanted.within(size) {
                Some(part) => Selected::Part(part),
                None => Selected::Nothing(Problem::range_not_satisfiable(size)),
            },
        }
    }
}

/// What the range of a request selects of a content.
enum Selected {
    Whole,
    Part(Range<u64>),
    /// The content has no such bytes: 416.
    Nothing(Response),
}

fn accept_ranges() -> [(HeaderName, HeaderValue); 1] {
    [(header::ACCEPT_RANGES, HeaderValue::from_static("bytes"))]
}

fn content_range(part: &Range<u64>, size: u64) -> [(HeaderName, String); 1] {
    [(header::CONTENT_RANGE, format!("bytes {}-{}/{size}", part.start, part.end - 1))]
}

impl ByteRangeSpec {
    /// The range within a content of this size; `None` when it is empty.
    fn within(self, size: u64) -> Option<Range<u64>> {
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
    let number = |text: &str| text.parse().ok().filter(|_: &u64| !text.starts_with('+'));
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
