//! The proxy response of the function: JSON, with the body as text or in base64.
//!
//! Lambda limits it to 6 MB and would turn a longer one into an error without a reason. So a body that is too large
//! both as text and in base64 becomes a 413 here, for every route.

use axum::body::Body;
use axum::response::Response;
use bytes::Bytes;
use http::{HeaderMap, HeaderName, header};
use http_body_util::BodyExt;
use lambda_http::Body as EventBody;

use crate::middleware::REQUEST_ID;
use crate::problem::{ErrorContext, Problem};

/// The longest encoded body, in bytes. Lambda allows 6,291,456 in all; the rest is for the headers.
pub const MAX_ENCODED_BYTES: usize = 6_000_000;
/// The longest body that fits in base64, in bytes.
const MAX_BINARY_BYTES: usize = MAX_ENCODED_BYTES / 4 * 3;
/// The longest JSON escape of one byte: `\u0000`.
const MAX_ESCAPE_BYTES: usize = 6;

/// What to do about a response that does not fit.
const ADVICE: &str = "of a list ask for a page with 'limit', of an archive for the whole instead of a member, and all else \
                      read from the bucket itself";

/// Makes the proxy response.
pub async fn into_event_response(response: Response, now_ms: u64) -> http::Response<EventBody> {
    let (mut parts, bytes) = received(response).await;
    let unwritable: Vec<_> =
        parts.headers.iter().filter(|(_, value)| value.to_str().is_err()).map(|(name, _)| name.clone()).collect();
    // The response is JSON: such a value would make the library give up the whole response.
    for name in unwritable {
        parts.headers.remove(name);
    }
    let size = bytes.len();
    if let Some(body) = encoded(&parts.headers, bytes) {
        return http::Response::from_parts(parts, body);
    }
    tracing::warn!(size, "the answer does not fit through Lambda, 413 is answered instead");
    let (parts, bytes) = received(too_large(parts.headers, size, now_ms)).await;
    let body = encoded(&parts.headers, bytes).unwrap_or(EventBody::Empty);
    http::Response::from_parts(parts, body)
}

async fn received(response: Response) -> (http::response::Parts, Bytes) {
    let (parts, body) = response.into_parts();
    (parts, collected(body).await)
}

async fn collected(body: Body) -> Bytes {
    match body.collect().await {
        Ok(collected) => collected.to_bytes(),
        Err(error) => {
            tracing::error!("the body of an answer broke off: {error}");
            Bytes::new()
        }
    }
}

/// The body as it is sent; `None` when it fits in neither form. A text whose escapes would make it too long is sent in
/// base64.
fn encoded(headers: &HeaderMap, bytes: Bytes) -> Option<EventBody> {
    if bytes.is_empty() {
        return Some(EventBody::Empty);
    }
    let text = is_text(headers).then(|| std::str::from_utf8(&bytes).ok()).flatten();
    match text.filter(|text| fits(text)) {
        Some(text) => Some(EventBody::Text(text.to_owned())),
        None => (bytes.len() <= MAX_BINARY_BYTES).then(|| EventBody::Binary(bytes.into())),
    }
}

/// Text is sent as it is, everything else in base64, which the library does.
fn is_text(headers: &HeaderMap) -> bool {
    let Some(Ok(kind)) = headers.get(header::CONTENT_TYPE).map(|value| value.to_str()) else { return false };
    !headers.contains_key(header::CONTENT_ENCODING)
        && (kind.starts_with("text/") || kind.starts_with("application/json"))
}

/// Whether a text fits as a JSON string. Short texts need no counting.
fn fits(text: &str) -> bool {
    text.len() <= MAX_ENCODED_BYTES / MAX_ESCAPE_BYTES || escaped_length(text) <= MAX_ENCODED_BYTES
}

/// How many bytes a text has between the quotes of a JSON string, as `serde_json` writes it.
fn escaped_length(text: &str) -> usize {
    let escaped = |byte: u8| match byte {
        b'"' | b'\\' | b'\n' | b'\r' | b'\t' | b'\x08' | b'\x0c' => 2,
        0..b' ' => MAX_ESCAPE_BYTES,
        _ => 1,
    };
    text.bytes().map(escaped).sum()
}

fn too_large(headers: HeaderMap, size: usize, now_ms: u64) -> Response {
    let request_id = headers.get(REQUEST_ID).and_then(|id| id.to_str().ok()).unwrap_or_default().to_owned();
    let context = ErrorContext { request_id: &request_id, now_ms };
    let problem = Problem::response_too_large(size as u64, MAX_BINARY_BYTES as u64, ADVICE);
    let kept = headers.iter().filter(|(name, _)| is_about_the_request(name));
    problem.render(context, kept.map(|(name, value)| (name.clone(), value.clone())).collect())
}

/// Whether a header does not depend on the body, so that the 413 keeps it.
fn is_about_the_request(name: &HeaderName) -> bool {
    *name == REQUEST_ID || *name == header::VARY || name.as_str().starts_with("access-control-")
}

#[cfg(test)]
mod tests {
    use axum::response::IntoResponse;
    use http::StatusCode;
    use proptest::prelude::*;

    use super::*;
    use crate::redirect::MAX_RESPONSE_BYTES;

    const TEXT: &str = "text/plain; charset=utf-8";
    const BYTES: &str = "application/octet-stream";

    async fn sent(content_type: &'static str, body: &[u8]) -> http::Response<EventBody> {
        let headers = [(header::CONTENT_TYPE, content_type), (header::ETAG, "\"x\""), (REQUEST_ID, "r1")];
        let headers: HeaderMap = headers.map(|(name, value)| (name, value.parse().unwrap())).into_iter().collect();
        into_event_response((headers, body.to_vec()).into_response(), 0).await
    }

    /// Checks that a body is sent unchanged, as text or in base64.
    async fn check_sent(content_type: &'static str, body: Vec<u8>, as_text: bool) {
        let answer = sent(content_type, &body).await;
        assert_eq!(answer.status(), StatusCode::OK, "{content_type}");
        assert_eq!(answer.headers()[header::ETAG], "\"x\"");
        assert_eq!(matches!(answer.body(), EventBody::Text(_)), as_text, "{content_type}");
        assert!(answer.body().as_ref() == body, "{content_type}");
        assert!(serde_json::to_vec(answer.body()).unwrap().len() <= MAX_ENCODED_BYTES + 2, "{content_type}");
    }

    async fn check_refused(content_type: &'static str, body: Vec<u8>) {
        let answer = sent(content_type, &body).await;
        assert_eq!(answer.status(), StatusCode::PAYLOAD_TOO_LARGE, "{content_type}");
        assert_eq!(answer.headers()[header::CONTENT_TYPE], "application/json");
        assert_eq!(answer.headers()[REQUEST_ID], "r1");
        assert!(!answer.headers().contains_key(header::ETAG), "that of the content");
        let EventBody::Text(text) = answer.body() else { panic!("{answer:?}") };
        let message = format!("\"message\":\"the content has {} bytes, and up to 4500000 can be", body.len());
        assert!(text.contains(&message) && text.contains("'limit'"), "{text}");
    }

    #[tokio::test]
    async fn a_text_with_many_escapes_is_sent_in_base64() {
        check_sent(TEXT, vec![b'a'; 6_000_000], true).await;
        check_sent(TEXT, vec![b'\n'; 3_000_000], true).await;
        check_sent(TEXT, vec![b'\n'; 3_000_001], false).await;
        check_sent("application/json", vec![1; 1_000_000], true).await;
        check_sent("application/json", vec![1; 1_000_001], false).await;
    }

    #[tokio::test]
    async fn what_fits_in_no_form_is_413_and_says_what_to_do() {
        check_sent(BYTES, vec![0xff; 4_500_000], false).await;
        check_refused(BYTES, vec![0xff; 4_500_001]).await;
        check_refused(TEXT, vec![b'"'; 4_500_001]).await;
        check_refused(TEXT, vec![b'a'; 6_000_001]).await;
    }

    #[tokio::test]
    async fn the_largest_content_that_passes_through_always_fits() {
        for (content_type, byte) in [(TEXT, 0), (TEXT, b'"'), (BYTES, 0xff)] {
            check_sent(content_type, vec![byte; MAX_RESPONSE_BYTES as usize], false).await;
        }
    }

    proptest! {
        #[test]
        fn a_text_is_as_long_as_it_is_written(text in "[\\x00-\\x7f]{0,20}.{0,20}") {
            prop_assert_eq!(escaped_length(&text) + 2, serde_json::to_string(&text).unwrap().len());
        }
    }
}
