//! Copies and parts: what a caller has already is not sent again, and of large content a part can be asked for
//! (RFC 9110, sections 13 and 14; RFC 9111 for how long a copy may be used).

use std::convert::Infallible;
use std::ops::Range;

use axum::extract::FromRequestParts;
use axum::response::{IntoResponse, Response};
use bytes::Bytes;
use cache_core::content::Digest;
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
        let mut digits = Digest::of(text.as_bytes()).to_string();
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
mod tests {
    use proptest::prelude::*;

    use super::*;
    use crate::test_support::{Answer, App, Call, gzipped};

    /// An application with one entry, and where its content is read as binary.
    async fn stored(content: impl Into<Bytes>, encoding: &str) -> (App, String) {
        let app = App::new();
        let call = Call::post("/ns/direct/store/binary", content).header("content-encoding", encoding);
        let id = app.json(call).await["cache_id"].as_str().unwrap().to_owned();
        (app, format!("/ns/retrieve/{id}"))
    }

    /// The answer to a read of `0123456789` with these headers.
    async fn read(headers: &[(&'static str, &str)]) -> Answer {
        let (app, path) = stored("0123456789", "").await;
        let tag = app.get(&format!("{path}/binary")).await.header("etag").unwrap().to_owned();
        let call = Call::get(&format!("{path}/binary"));
        let call = headers.iter().fold(call, |call, (name, value)| call.header(name, &value.replace("TAG", &tag)));
        app.send(call).await
    }

    async fn check(headers: &[(&'static str, &str)], status: u16, body: &str) {
        let answer = read(headers).await;
        assert_eq!((answer.status.as_u16(), answer.text().as_str()), (status, body), "{headers:?}");
    }

    #[tokio::test]
    async fn a_copy_that_is_current_is_not_sent_again() {
        for current in ["TAG", "W/TAG", "\"other\", TAG", "*"] {
            check(&[("if-none-match", current)], 304, "").await;
        }
        for other in ["\"other\"", "x", ""] {
            check(&[("if-none-match", other)], 200, "0123456789").await;
        }
        check(&[("if-none-match", "TAG"), ("range", "bytes=0-1")], 304, "").await;
        let answer = read(&[("if-none-match", "TAG")]).await;
        assert!(answer.header("etag").is_some());
        assert_eq!(answer.header("cache-control"), Some("no-cache"));
    }

    #[tokio::test]
    async fn one_range_is_served_as_a_part() {
        for (range, part) in [
            ("bytes=0-0", "0"),
            ("bytes=8-", "89"),
            ("bytes=-3", "789"),
            ("bytes=-99", "0123456789"),
            ("bytes=5-99", "56789"),
        ] {
            check(&[("range", range)], 206, part).await;
        }
        let answer = read(&[("range", "bytes=2-4")]).await;
        assert_eq!(answer.header("content-range"), Some("bytes 2-4/10"));
        assert_eq!(answer.header("accept-ranges"), Some("bytes"));
        assert_eq!(answer.header("content-type"), Some("application/octet-stream"));
    }

    #[tokio::test]
    async fn a_range_that_is_not_understood_is_ignored() {
        for range in ["bytes=0-1,3-4", "bytes=4-2", "bytes=x-", "items=0-1", "bytes", "bytes=-", "bytes=+1-2"] {
            check(&[("range", range)], 200, "0123456789").await;
        }
    }

    #[tokio::test]
    async fn a_range_beyond_the_end_is_416_with_the_size() {
        for range in ["bytes=10-", "bytes=10-20", "bytes=-0"] {
            let answer = read(&[("range", range)]).await;
            assert_eq!((answer.status.as_u16(), answer.header("content-range")), (416, Some("bytes */10")), "{range}");
            assert!(answer.text().contains("the content has 10 bytes"), "{}", answer.text());
            assert_eq!((answer.header("etag"), answer.header("content-type")), (None, Some("application/json")));
        }
    }

    #[tokio::test]
    async fn a_part_of_an_outdated_copy_is_the_whole() {
        check(&[("range", "bytes=0-1"), ("if-range", "TAG")], 206, "01").await;
        check(&[("range", "bytes=0-1"), ("if-range", "\"other\"")], 200, "0123456789").await;
    }

    #[tokio::test]
    async fn gzip_is_sent_as_stored_to_whoever_takes_it() {
        let (app, path) = stored(gzipped(b"hello"), "gzip").await;
        let read = async |accepted: &str| {
            app.send(Call::get(&format!("{path}/binary")).header("accept-encoding", accepted)).await
        };
        for accepted in ["gzip", "br, GZIP;q=0.5", "deflate,gzip"] {
            let answer = read(accepted).await;
            assert_eq!((&answer.body[..], answer.header("content-encoding")), (&gzipped(b"hello")[..], Some("gzip")));
        }
        for accepted in ["", "identity", "gzip;q=0", "gzip; q=0.0", "gzipped"] {
            let answer = read(accepted).await;
            assert_eq!((answer.text().as_str(), answer.header("content-encoding")), ("hello", None), "{accepted}");
        }
        let (packed, plain) = (read("gzip").await, read("").await);
        assert_ne!(packed.header("etag"), plain.header("etag"));
        for answer in [packed, plain] {
            assert!(answer.headers.get_all("vary").iter().any(|vary| vary == "accept-encoding"));
        }
        let part = Call::get(&format!("{path}/binary")).header("accept-encoding", "gzip").header("range", "bytes=0-1");
        assert_eq!(app.send(part).await.text(), "he");
    }

    #[tokio::test]
    async fn every_form_and_every_revision_has_a_tag_of_its_own() {
        let (app, path) = stored("one", "").await;
        let tag = async |path: String| app.get(&path).await.header("etag").unwrap().to_owned();
        let mut tags = Vec::new();
        for form in ["", "/string", "/json", "/binary"] {
            tags.push(tag(format!("{path}{form}")).await);
        }
        let id = path.rsplit('/').next().unwrap();
        app.json(Call::post(&format!("/ns/update/{id}/binary"), "two")).await;
        for form in ["", "/string", "/json", "/binary"] {
            tags.push(tag(format!("{path}{form}")).await);
        }
        let before = tags.len();
        tags.sort();
        tags.dedup();
        assert_eq!(tags.len(), before);
    }

    #[tokio::test]
    async fn only_a_revision_by_number_is_immutable() {
        let (app, path) = stored("one", "").await;
        let cache_policy = async |path: &str| app.get(path).await.header("cache-control").unwrap().to_owned();
        assert!(cache_policy(&format!("{path}/binary?revision=0")).await.contains("immutable"));
        let hash = "7692c3ad3540bb80";
        for read in [path.as_str(), &format!("{path}/string"), &format!("/ns/retrieve/hash/{hash}/binary")] {
            assert_eq!(cache_policy(read).await, "no-cache");
        }
    }

    proptest! {
        #[test]
        fn a_range_is_within_the_content(header in "bytes=[0-9]{0,4}-[0-9]{0,4}", size in 0..2000usize) {
            if let Some(range) = parse_range(&header).and_then(|wanted| wanted.within(size)) {
                prop_assert!(range.start < range.end && range.end <= size);
            }
        }
    }
}
