//! Authentication: the API key in a header, or in a cookie when the header is absent or empty.

use axum::extract::{Request, State};
use axum::middleware::Next;
use axum::response::{IntoResponse, Response};
use http::{HeaderMap, Method};
use subtle::ConstantTimeEq;

use crate::config::auth::Auth;
use crate::cookies;
use crate::problem::Problem;
use crate::routes::console;
use crate::state::AppState;

/// The paths that need no key. `/config/status` is not served; clients expect a 404 for it even without a key.
const PUBLIC: [&str; 12] = [
    "/",
    "/console",
    "/console/",
    "/auth/set-cookie-form",
    "/auth/set-auth-cookie",
    "/docs",
    "/docs/start.js",
    "/docs/swagger-ui.css",
    "/docs/swagger-ui-bundle.js",
    "/openapi.json",
    "/info/ready",
    "/config/status",
];

/// What to do when no key is configured.
const NO_KEY: &str = "the operator has to set FAST_API__AUTH__API_KEY__NAME and FAST_API__AUTH__API_KEY__VALUE";

/// Rejects requests without the key.
pub async fn require_key(State(state): State<AppState>, request: Request, next: Next) -> Response {
    if PUBLIC.contains(&request.uri().path()) || is_console_file(&request) || is_upload(&request) {
        return next.run(request).await;
    }
    match may_call(&state.config.auth, request.headers()) {
        Ok(()) => next.run(request).await,
        Err(problem) => problem.into_response(),
    }
}

/// Whether a request reads a file of the console. No other route begins like that, also not of a namespace `console`.
fn is_console_file(request: &Request) -> bool {
    request.method().is_safe() && request.uri().path().starts_with(console::FILES)
}

/// Whether a request goes to a presigned upload URL, whose signature the handler verifies.
fn is_upload(request: &Request) -> bool {
    let mut segments = request.uri().path().split('/');
    request.method() == Method::PUT && segments.clone().count() == 5 && segments.nth(3) == Some("upload")
}

/// Whether a request with these headers may call.
pub fn may_call(auth: &Auth, headers: &HeaderMap) -> Result<(), Problem> {
    let (name, cookie, value) = match auth {
        Auth::Disabled => return Ok(()),
        Auth::DenyAll { reason } => return Err(Problem::unauthorized(reason, NO_KEY)),
        Auth::ApiKey { name, cookie, value } => (name, cookie, value),
    };
    let header = headers.get(name).map(|shown| shown.as_bytes().to_vec()).filter(|shown| !shown.is_empty());
    match header.or_else(|| cookies::find(headers, cookie)) {
        None => {
            let advice = format!("API key is missing: send it in the header or cookie '{cookie}'");
            Err(Problem::unauthorized("Client API key is missing, you need to set it on a header or cookie", advice))
        }
        // In constant time.
        Some(shown) if bool::from(shown.ct_eq(value.as_bytes())) => Ok(()),
        Some(_) => {
            let advice = format!("API key is wrong: check the value of '{cookie}'");
            Err(Problem::unauthorized("Invalid API key value", advice))
        }
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
        for path in super::PUBLIC {
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
