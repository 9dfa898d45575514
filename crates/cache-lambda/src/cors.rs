//! Calls from pages of other origins: any origin may call, and must show the key as everybody else.

use axum::extract::{Request, State};
use axum::middleware::Next;
use axum::response::{IntoResponse, Response};
use http::{HeaderMap, HeaderName, HeaderValue, Method, StatusCode, header};

use crate::app::AppState;
use crate::config::Access;

/// Which headers of an answer a page may read.
const EXPOSED: &str = "Content-Type, X-Requested-With, Origin, Accept, Authorization, Content-Disposition, ETag, \
                       Retry-After, fast-api-request-id";
/// How long a browser may keep the answer to a preflight, in seconds.
const MAX_AGE_SECONDS: u32 = 86400;

/// Answers preflights, and marks all other answers as readable for the caller's origin.
pub async fn allow(State(state): State<AppState>, request: Request, next: Next) -> Response {
    let origin = request.headers().get(header::ORIGIN).cloned();
    if request.method() == Method::OPTIONS {
        return preflight(&state.config.access, origin);
    }
    let mut response = next.run(request).await;
    let headers = response.headers_mut();
    // The answer depends on the origin even when there is none.
    headers.append(header::VARY, HeaderValue::from_static("Origin"));
    if let Some(origin) = origin {
        headers.insert(header::ACCESS_CONTROL_ALLOW_ORIGIN, origin);
        headers.insert(header::ACCESS_CONTROL_ALLOW_CREDENTIALS, HeaderValue::from_static("true"));
        headers.insert(header::ACCESS_CONTROL_EXPOSE_HEADERS, HeaderValue::from_static(EXPOSED));
    }
    response
}

fn preflight(access: &Access, origin: Option<HeaderValue>) -> Response {
    let mut headers = HeaderMap::new();
    let any = HeaderValue::from_static("*");
    headers.insert(header::ACCESS_CONTROL_ALLOW_ORIGIN, origin.unwrap_or(any));
    let methods = HeaderValue::from_static("GET, HEAD, POST, PUT, DELETE, OPTIONS");
    headers.insert(header::ACCESS_CONTROL_ALLOW_METHODS, methods);
    headers.insert(header::ACCESS_CONTROL_ALLOW_HEADERS, allowed_headers(access));
    headers.insert(header::ACCESS_CONTROL_MAX_AGE, MAX_AGE_SECONDS.into());
    headers.insert(header::VARY, HeaderValue::from_static("Origin"));
    (StatusCode::NO_CONTENT, headers).into_response()
}

fn allowed_headers(access: &Access) -> HeaderValue {
    let known = [header::CONTENT_TYPE, header::CONTENT_ENCODING];
    let key: Option<&HeaderName> = match access {
        Access::Key { name, .. } => Some(name),
        Access::Open | Access::Closed { .. } => None,
    };
    let names: Vec<&str> = key.into_iter().chain(&known).map(HeaderName::as_str).collect();
    HeaderValue::from_str(&names.join(", ")).unwrap_or(HeaderValue::from_static("content-type"))
}

#[cfg(test)]
mod tests {
    use http::Method;

    use crate::config::Access;
    use crate::testing::{App, Call, config};

    /// One header of the answer.
    async fn check(call: Call, header: &str, expected: Option<&str>) {
        let mut config = config();
        config.access = Access::Key {
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
    async fn an_answer_is_readable_for_the_callers_origin() {
        let call = || Call::get("/info/health").header("x-team-key", "secret").header("origin", "http://page.example");
        check(call(), "access-control-allow-origin", Some("http://page.example")).await;
        check(call(), "vary", Some("Origin")).await;
        check(Call::get("/info/health"), "access-control-allow-origin", None).await;
    }
}
