//! Normalizes paths before routing, so that `%2F` is the same as `/`, as the clients expect.

use axum::body::Body;
use http::Request;
use http::uri::{PathAndQuery, Uri};
use percent_encoding::{AsciiSet, CONTROLS, NON_ALPHANUMERIC, percent_decode_str, utf8_percent_encode};

/// Characters that are encoded again: all but the slash and the unreserved ones (RFC 3986).
const ENCODED: &AsciiSet = &NON_ALPHANUMERIC.remove(b'/').remove(b'-').remove(b'_').remove(b'.').remove(b'~');

/// What cannot stand in a query.
const ENCODED_IN_QUERY: &AsciiSet = &CONTROLS.add(b' ').add(b'"').add(b'#').add(b'<').add(b'>');

/// The same request with its path in one canonical encoding. Bytes that are not UTF-8 become U+FFFD.
pub fn normalize(mut request: Request<Body>) -> Request<Body> {
    if request.uri().path().contains('%')
        && let Some(uri) = canonical(request.uri())
    {
        *request.uri_mut() = uri;
    }
    request
}

/// Any text as a URL path: encoded characters stay, and those that need encoding are encoded.
pub fn encode(path: &str) -> String {
    utf8_percent_encode(&percent_decode_str(path).decode_utf8_lossy(), ENCODED).to_string()
}

/// Any text as the query of a URL: what is encoded stays as it is.
pub fn encode_query(query: &str) -> String {
    utf8_percent_encode(query, ENCODED_IN_QUERY).to_string()
}

fn canonical(uri: &Uri) -> Option<Uri> {
    let path = encode(uri.path());
    let path_and_query = match uri.query() {
        Some(query) => format!("{path}?{query}"),
        None => path,
    };
    let mut parts = uri.clone().into_parts();
    parts.path_and_query = Some(path_and_query.parse::<PathAndQuery>().ok()?);
    Uri::from_parts(parts).ok()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[track_caller]
    fn check(sent: &str, routed: &str) {
        let request = Request::builder().uri(sent).body(Body::empty()).unwrap();
        assert_eq!(normalize(request).uri().to_string(), routed);
    }

    #[test]
    fn an_encoded_slash_is_a_slash() {
        check("/ns/a%2Fb%2fc?q=%2F", "/ns/a/b/c?q=%2F");
    }

    #[test]
    fn everything_else_stays_encoded() {
        check("/ns/a%20b%25%3F%C3%A9", "/ns/a%20b%25%3F%C3%A9");
        check("/ns/plain", "/ns/plain");
    }

    #[test]
    fn bytes_that_are_not_utf8_become_one_character() {
        check("/ns/%FF", "/ns/%EF%BF%BD");
    }
}
