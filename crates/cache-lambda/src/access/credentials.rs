//! The key of a request: in the configured header, as `Authorization: Bearer`, or in a cookie.

use std::borrow::Cow;

use cache_access::api_key;
use cache_core::digest::Sha256Digest;
use http::{HeaderMap, HeaderValue, header};
use subtle::ConstantTimeEq;

use crate::config::auth::Auth;
use crate::cookies;
use crate::problem::Problem;

/// What to do when no key is configured.
const NO_KEY: &str = "the operator has to set FAST_API__AUTH__API_KEY__NAME and FAST_API__AUTH__API_KEY__VALUE";

/// What a request shows of its caller.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Credentials {
    /// No key is required.
    AuthDisabled,
    /// The key that the operator configured.
    Root,
    /// Something that may be a key with permissions: its digest.
    Key(Sha256Digest),
    /// Nothing.
    None,
}

/// What a request with these headers shows of its caller.
///
/// # Errors
///
/// 401 when it cannot be a key, or when the service has none.
pub fn of(auth: &Auth, headers: &HeaderMap) -> Result<Credentials, Problem> {
    let (name, cookie, value) = match auth {
        Auth::Disabled => return Ok(Credentials::AuthDisabled),
        Auth::DenyAll { reason } => return Err(Problem::unauthorized(reason, NO_KEY)),
        Auth::ApiKey { name, cookie, value } => (name, cookie, value),
    };
    let header = headers.get(name).map(HeaderValue::as_bytes).filter(|shown| !shown.is_empty());
    let header = header.or_else(|| bearer(headers)).map(Cow::Borrowed);
    let Some(shown) = header.or_else(|| cookies::find(headers, cookie).map(Cow::Owned)) else {
        return Ok(Credentials::None);
    };
    // In constant time.
    if bool::from(shown.ct_eq(value.as_bytes())) {
        return Ok(Credentials::Root);
    }
    api_key::digest_of(&shown).map(Credentials::Key).map_err(|_| refused(auth))
}

/// The token of RFC 6750. The name of the scheme may be written in any case.
fn bearer(headers: &HeaderMap) -> Option<&[u8]> {
    let value = headers.get(header::AUTHORIZATION)?.as_bytes();
    let (scheme, token) = value.split_at_checked("Bearer ".len())?;
    scheme.eq_ignore_ascii_case(b"Bearer ").then(|| token.trim_ascii()).filter(|token| !token.is_empty())
}

/// A request without a key.
pub fn missing(auth: &Auth) -> Problem {
    let advice = format!("API key is missing: send it in the header or cookie '{}'", name_of(auth));
    Problem::unauthorized("Client API key is missing, you need to set it on a header or cookie", advice)
}

/// A request with a key that is not accepted: unknown, expired and disabled ones look alike.
pub fn refused(auth: &Auth) -> Problem {
    let advice = format!("API key is wrong: check the value of '{}'", name_of(auth));
    Problem::unauthorized("Invalid API key value", advice)
}

fn name_of(auth: &Auth) -> &str {
    match auth {
        Auth::ApiKey { cookie, .. } => cookie,
        Auth::Disabled | Auth::DenyAll { .. } => "",
    }
}

#[cfg(test)]
mod tests {
    use http::{Method, StatusCode};

    use crate::config::auth::Auth;
    use crate::test_support::{App, Call, config};

    fn keyed() -> Auth {
        Auth::ApiKey { name: "x-api-key".parse().unwrap(), cookie: "X-Api-Key".to_owned(), value: "secret".to_owned() }
    }

    /// The status of a call with these headers.
    async fn check(auth: Auth, call: Call, status: u16, contains: &str) {
        let mut config = config();
        config.auth = auth;
        let answer = App::with(config).send(call).await;
        assert_eq!(answer.status, StatusCode::from_u16(status).unwrap(), "{}", answer.text());
        assert!(answer.text().contains(contains), "{}", answer.text());
    }

    fn health() -> Call {
        Call::get("/info/health")
    }

    #[tokio::test]
    async fn the_right_key_passes_in_a_header_or_a_cookie() {
        check(keyed(), health().header("x-api-key", "secret"), 200, "ok").await;
        check(keyed(), health().header("cookie", "a=b; X-Api-Key=secret"), 200, "ok").await;
        check(keyed(), health().header("cookie", "X-Api-Key=\"secret\""), 200, "ok").await;
        check(keyed(), health().header("authorization", "Bearer secret"), 200, "ok").await;
        check(keyed(), health().header("authorization", "bearer  secret"), 200, "ok").await;
        check(keyed(), health().header("authorization", "Basic secret"), 401, "missing").await;
        check(keyed(), health().header("x-api-key", "").header("cookie", "X-Api-Key=secret"), 200, "ok").await;
    }

    #[tokio::test]
    async fn a_missing_key_is_401_with_the_known_body() {
        let expected = "{\n    \"data\": null,\n    \"error\": null,\n    \"message\": \"Client API key is missing";
        check(keyed(), health(), 401, expected).await;
        check(keyed(), health().header("cookie", "x-api-key=secret"), 401, "missing").await;
        check(keyed(), Call::get("/info/health?x-api-key=secret"), 401, "missing").await;
    }

    #[tokio::test]
    async fn a_wrong_header_is_not_rescued_by_a_right_cookie() {
        let call = health().header("x-api-key", "secre").header("cookie", "X-Api-Key=secret");
        check(keyed(), call, 401, "wrong").await;
    }

    #[tokio::test]
    async fn unknown_paths_without_a_key_are_401() {
        check(keyed(), Call::get("/no/such/path/here"), 401, "missing").await;
        check(keyed(), Call::new(Method::DELETE, "/info/health"), 401, "missing").await;
    }

    #[tokio::test]
    async fn preflights_and_public_paths_need_no_key() {
        check(keyed(), Call::new(Method::OPTIONS, "/any/path"), 204, "").await;
        check(keyed(), Call::get("/openapi.json/"), 401, "missing").await;
        for path in ["/", "/docs", "/openapi.json", "/info/ready", "/config/status"] {
            let mut config = config();
            config.auth = keyed();
            assert_ne!(App::with(config).send(Call::get(path)).await.status, 401, "{path}");
        }
    }

    #[tokio::test]
    async fn a_function_without_a_key_denies_all() {
        let closed = Auth::DenyAll { reason: "Server does not have API key name setup" };
        check(closed, health(), 401, "Server does not have API key name setup").await;
    }
}
