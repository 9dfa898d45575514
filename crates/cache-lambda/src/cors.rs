//! Calls from pages of other origins (CORS): pages of the configured origins may read responses, and need the key as
//! every caller does.
//!
//! A server without a key also refuses to act for any other page: a browser sends simple requests without a preflight,
//! and every browser on the machine can reach a loopback address.

use std::time::Duration;

use axum::extract::{Request, State};
use axum::middleware::Next;
use axum::response::{IntoResponse, Response};
use http::{HeaderName, HeaderValue, Method, StatusCode, header};
use tower_http::cors::{AllowCredentials, AllowOrigin, CorsLayer};

use crate::config::Config;
use crate::config::auth::Auth;
use crate::config::origins::{AllowedOrigins, is_loopback};
use crate::middleware::REQUEST_ID;
use crate::problem::Problem;
use crate::state::AppState;
use crate::store_options::IDEMPOTENCY_KEY;

/// Which headers of a response a page may read.
const EXPOSED: [HeaderName; 11] = [
    header::CONTENT_TYPE,
    HeaderName::from_static("x-requested-with"),
    header::ORIGIN,
    header::ACCEPT,
    header::AUTHORIZATION,
    header::ACCEPT_RANGES,
    header::CONTENT_DISPOSITION,
    header::CONTENT_RANGE,
    header::ETAG,
    header::RETRY_AFTER,
    REQUEST_ID,
];
/// Which headers a page may send in addition to that of the key.
static ALLOWED: [HeaderName; 8] = [
    header::CONTENT_TYPE,
    header::CONTENT_ENCODING,
    header::IF_MATCH,
    header::IF_NONE_MATCH,
    header::IF_MODIFIED_SINCE,
    header::IF_UNMODIFIED_SINCE,
    header::IF_RANGE,
    IDEMPOTENCY_KEY,
];
/// The pages that may be linked to.
const LINKED: [&str; 4] = ["/", "/docs", "/console", "/console/"];
/// How long a browser may keep the response to a preflight.
const MAX_AGE: Duration = Duration::from_secs(86400);

/// Answers preflights, and marks responses as readable for the pages of allowed origins.
pub fn layer(config: &Config) -> CorsLayer {
    let key: Option<&HeaderName> = match &config.auth {
        Auth::ApiKey { name, .. } => Some(name),
        Auth::Disabled | Auth::DenyAll { .. } => None,
    };
    let allowed_headers = key.into_iter().chain(&ALLOWED).cloned();
    let (for_origin, for_credentials) = (config.origins.clone(), config.origins.clone());
    CorsLayer::new()
        .allow_origin(AllowOrigin::predicate(move |origin, _| is_allowed(&for_origin, origin)))
        .allow_credentials(AllowCredentials::predicate(move |origin, request| {
            request.method != Method::OPTIONS && is_allowed(&for_credentials, origin)
        }))
        .allow_methods([
            Method::GET,
            Method::HEAD,
            Method::POST,
            Method::PUT,
            Method::PATCH,
            Method::DELETE,
            Method::OPTIONS,
        ])
        .allow_headers(allowed_headers.collect::<Vec<_>>())
        .expose_headers(EXPOSED)
        .max_age(MAX_AGE)
        .vary([header::ORIGIN])
}

/// Refuses requests of foreign pages to a server without a key. Preflights are 204, as the clients know it.
pub async fn refuse_foreign_pages(State(state): State<AppState>, request: Request, next: Next) -> Response {
    let is_preflight = request.method() == Method::OPTIONS;
    if state.config.auth == Auth::Disabled
        && let Some(problem) = foreign(&state.config.origins, &request)
        && !is_preflight
    {
        return problem.into_response();
    }
    let mut response = next.run(request).await;
    if is_preflight {
        *response.status_mut() = StatusCode::NO_CONTENT;
    }
    response
}

/// Why a request to a server without a key comes from a foreign page, if it does.
///
/// Browsers name the page in `Origin`, but not with the GET requests of a page that seems to be of the same origin: one
/// whose name was made to lead to this machine (DNS rebinding). That name is in `Host`. Nor with the GET of an image or
/// a link: those have `Sec-Fetch-Site`.
fn foreign(origins: &AllowedOrigins, request: &Request) -> Option<Problem> {
    let headers = request.headers();
    if let Some(host) = headers.get(header::HOST)
        && !host.to_str().is_ok_and(is_loopback)
    {
        return Some(Problem::host_not_allowed());
    }
    let origin = headers.get(header::ORIGIN);
    let is_cross_site = headers.get("sec-fetch-site").is_some_and(|site| site == "cross-site");
    let is_link = headers.get("sec-fetch-mode").is_some_and(|mode| mode == "navigate");
    match origin {
        Some(origin) => (!is_allowed(origins, origin)).then(Problem::origin_not_allowed),
        // Somebody may follow a link to a page that shows no data by itself.
        None if is_link && LINKED.contains(&request.uri().path()) => None,
        None => is_cross_site.then(Problem::origin_not_allowed),
    }
}

fn is_allowed(origins: &AllowedOrigins, origin: &HeaderValue) -> bool {
    origin.to_str().is_ok_and(|origin| origins.allow(origin))
}

#[cfg(test)]
mod tests {
    use http::Method;

    use crate::config::auth::Auth;
    use crate::config::origins::AllowedOrigins;
    use crate::test_support::{App, Call, config};

    /// One header of the response.
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
        let allowed = "x-team-key,content-type,content-encoding,if-match,if-none-match,if-modified-since,if-unmodified-since,\
                       if-range,idempotency-key";
        check(preflight(), "access-control-allow-headers", Some(allowed)).await;
        check(preflight(), "access-control-allow-origin", Some("http://page.example")).await;
        check(preflight(), "vary", Some("origin")).await;
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

    /// The status of a GET with these headers to a server without a key.
    async fn open(path: &str, headers: &[(&'static str, &str)]) -> u16 {
        let mut config = config();
        config.auth = Auth::Disabled;
        config.origins = AllowedOrigins::Loopback;
        let call = headers.iter().fold(Call::get(path), |call, (name, value)| call.header(name, value));
        App::with(config).send(call).await.status.as_u16()
    }

    #[tokio::test]
    async fn a_name_that_was_made_to_lead_here_reads_nothing() {
        for host in ["evil.example:10017", "evil.example", "127.0.0.1.evil.example", "10.0.0.1:10017", "[::2]:80", ""] {
            assert_eq!(open("/ns/file-ids", &[("host", host)]).await, 403, "{host}");
        }
        for host in ["localhost:10017", "LOCALHOST", "127.0.0.1:10017", "127.8.8.8", "[::1]:10017", "cache.localhost:1"]
        {
            assert_eq!(open("/ns/file-ids", &[("host", host)]).await, 200, "{host}");
        }
    }

    #[tokio::test]
    async fn an_image_of_a_foreign_page_does_nothing() {
        let cross_site = ("sec-fetch-site", "cross-site");
        assert_eq!(open("/ns/file-ids", &[cross_site]).await, 403);
        assert_eq!(open("/ns/file-ids", &[cross_site, ("sec-fetch-mode", "navigate")]).await, 403);
        assert_eq!(open("/docs", &[cross_site, ("sec-fetch-mode", "navigate")]).await, 200);
        assert_eq!(open("/ns/file-ids", &[("sec-fetch-site", "same-origin")]).await, 200);
        assert_eq!(open("/ns/file-ids", &[cross_site, ("origin", "http://localhost:3000")]).await, 200);
    }

    #[tokio::test]
    async fn an_answer_is_readable_for_the_callers_origin() {
        let call = || Call::get("/info/health").header("x-team-key", "secret").header("origin", "http://page.example");
        check(call(), "access-control-allow-origin", Some("http://page.example")).await;
        check(call(), "vary", Some("origin")).await;
        check(Call::get("/info/health"), "access-control-allow-origin", None).await;
    }
}
