//! Calls from pages of other origins: those that are configured may read answers, and must show the key as everybody else.
//!
//! A server without a key also refuses to act for any other page: a browser sends simple requests without asking first,
//! and everybody's browser can reach a loopback address.

use axum::extract::{Request, State};
use axum::middleware::Next;
use axum::response::{IntoResponse, Response};
use http::{HeaderMap, HeaderName, HeaderValue, Method, StatusCode, header};

use crate::config::auth::Auth;
use crate::problem::Problem;
use crate::state::AppState;

/// Which headers of an answer a page may read.
const EXPOSED: &str = "Content-Type, X-Requested-With, Origin, Accept, Authorization, Accept-Ranges, \
                       Content-Disposition, Content-Range, ETag, Retry-After, fast-api-request-id";
/// How long a browser may keep the answer to a preflight, in seconds.
const MAX_AGE_SECONDS: u32 = 86400;

/// Answers preflights, and marks all other answers as readable for the caller's origin.
pub async fn allow(State(state): State<AppState>, request: Request, next: Next) -> Response {
    let config = &state.config;
    let origin = request.headers().get(header::ORIGIN).cloned();
    let allowed = origin.as_ref().is_none_or(|origin| origin.to_str().is_ok_and(|origin| config.origins.allow(origin)));
    if request.method() == Method::OPTIONS {
        return preflight(&config.auth, origin, allowed);
    }
    if !allowed && config.auth == Auth::Disabled {
        return Problem::origin_not_allowed().into_response();
    }
    let mut response = next.run(request).await;
    let headers = response.headers_mut();
    // The answer depends on the origin even when there is none.
    headers.append(header::VARY, HeaderValue::from_static("Origin"));
    if let Some(origin) = origin.filter(|_| allowed) {
        headers.insert(header::ACCESS_CONTROL_ALLOW_ORIGIN, origin);
        headers.insert(header::ACCESS_CONTROL_ALLOW_CREDENTIALS, HeaderValue::from_static("true"));
        headers.insert(header::ACCESS_CONTROL_EXPOSE_HEADERS, HeaderValue::from_static(EXPOSED));
    }
    response
}

/// What a browser may send. It names no origin when that of the page is not allowed, so the browser goes no further.
fn preflight(auth: &Auth, origin: Option<HeaderValue>, allowed: bool) -> Response {
    let mut headers = HeaderMap::new();
    if allowed {
        let any = HeaderValue::from_static("*");
        headers.insert(header::ACCESS_CONTROL_ALLOW_ORIGIN, origin.unwrap_or(any));
    }
    let methods = HeaderValue::from_static("GET, HEAD, POST, PUT, DELETE, OPTIONS");
    headers.insert(header::ACCESS_CONTROL_ALLOW_METHODS, methods);
    headers.insert(header::ACCESS_CONTROL_ALLOW_HEADERS, allowed_headers(auth));
    headers.insert(header::ACCESS_CONTROL_MAX_AGE, MAX_AGE_SECONDS.into());
    headers.insert(header::VARY, HeaderValue::from_static("Origin"));
    (StatusCode::NO_CONTENT, headers).into_response()
}

fn allowed_headers(auth: &Auth) -> HeaderValue {
    let known = [header::CONTENT_TYPE, header::CONTENT_ENCODING];
    let key: Option<&HeaderName> = match auth {
        Auth::ApiKey { name, .. } => Some(name),
        Auth::Disabled | Auth::DenyAll { .. } => None,
    };
    let names: Vec<&str> = key.into_iter().chain(&known).map(HeaderName::as_str).collect();
    HeaderValue::from_str(&names.join(", ")).unwrap_or(HeaderValue::from_static("content-type"))
}

#[cfg(test)]
mod tests {
    use http::Method;

    use crate::config::auth::Auth;
    use crate::config::origins::AllowedOrigins;
    use crate::test_support::{App, Call, config};

    /// One header of the answer.
    async fn check(call: Call, header: &str, expected: Option<&str>) {
        let mut config = config();
        config.origins = AllowedOrigins::Any;
        config.auth = Auth::ApiKey {
            name: "X-Team-Key".parse().unwrap(),
            cookie: "X-Team-Key".to_owned(),
            value: "secret".to_owned(),
        };
        let answer = App::with(config).send(call).await;
        assert_eq!(answer.header(header), expected);
    }

    fn preflight() -> Call {
        Call::new(Method::OPTIONS, "/any/path").header("origin", "http://page.example")
    }

    #[tokio::test]
    async fn a_preflight_allows_the_configured_key_header() {
        let allowed = "x-team-key, content-type, content-encoding";
        check(preflight(), "access-control-allow-headers", Some(allowed)).await;
        check(preflight(), "access-control-allow-origin", Some("http://page.example")).await;
        check(preflight(), "vary", Some("Origin")).await;
        check(preflight(), "access-control-max-age", Some("86400")).await;
    }

    #[tokio::test]
    async fn a_page_of_an_origin_that_is_not_configured_reads_nothing() {
        let mut config = config();
        config.origins = AllowedOrigins::List(vec!["https://app.example".to_owned()]);
        config.auth = Auth::ApiKey { name: "x".parse().unwrap(), cookie: "x".to_owned(), value: "secret".to_owned() };
        let app = App::with(config);
        for call in
            [preflight(), Call::get("/info/health").header("x", "secret").header("origin", "http://page.example")]
        {
            assert_eq!(app.send(call).await.header("access-control-allow-origin"), None);
        }
    }

    #[tokio::test]
    async fn a_server_without_a_key_does_not_act_for_a_foreign_page() {
        let mut config = config();
        config.auth = Auth::Disabled;
        config.origins = AllowedOrigins::Loopback;
        let app = App::with(config);
        let store = |origin| {
            Call::post("/ns/direct/store/string", "x").header("content-type", "text/plain").header("origin", origin)
        };
        let refused = app.send(store("http://page.example")).await;
        assert_eq!(refused.status, 403);
        assert_eq!(app.send(store("http://localhost:3000")).await.status, 200);
    }

    #[tokio::test]
    async fn an_answer_is_readable_for_the_callers_origin() {
        let call = || Call::get("/info/health").header("x-team-key", "secret").header("origin", "http://page.example");
        check(call(), "access-control-allow-origin", Some("http://page.example")).await;
        check(call(), "vary", Some("Origin")).await;
        check(Call::get("/info/health"), "access-control-allow-origin", None).await;
    }
}
