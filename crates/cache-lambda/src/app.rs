//! The application: every route, and the layers around them.

use std::sync::Arc;

use axum::Router;
use axum::middleware::{from_fn, from_fn_with_state};
use tower::ServiceExt;
use tower_http::catch_panic::CatchPanicLayer;

use crate::problem::Problem;
use crate::state::AppState;
use crate::{access, conditional, cors, http_validation, middleware, normalize_path, routes};

/// The whole HTTP interface.
pub fn app(state: AppState) -> Router {
    // The first one is the outermost. As one layer, since a router wraps each of its routes in every layer that it is given.
    let layers = (
        from_fn_with_state(Arc::clone(&state), middleware::request_scope),
        from_fn(http_validation::refuse_malformed),
        from_fn_with_state(Arc::clone(&state), cors::refuse_foreign_pages),
        cors::layer(&state.config),
        CatchPanicLayer::custom(middleware::panic_response),
        from_fn_with_state(Arc::clone(&state), access::authorize::authorize),
    );
    let routed = routes::routes()
        .router()
        .route_layer(from_fn(conditional::refuse_if_match_of_writes))
        .fallback(async || Problem::route_not_found())
        .method_not_allowed_fallback(async || Problem::method_not_allowed())
        .layer(layers)
        .with_state(state);
    // A router's own layers run after routing, so the path is normalized in front of the router.
    Router::new().fallback_service(routed.map_request(normalize_path::normalize))
}

#[cfg(test)]
mod tests {
    use http::Method;

    use crate::test_support::{App, Call};

    async fn check(method: Method, path: &str, status: u16, expected: &str) {
        let answer = App::new().send(Call::new(method, path)).await;
        assert_eq!(answer.status, status, "{}", answer.text());
        assert!(answer.text().contains(expected), "{}", answer.text());
        assert_eq!(answer.header("content-type"), Some("application/json"));
        assert!(answer.header("fast-api-request-id").is_some());
    }

    #[tokio::test]
    async fn an_unknown_path_is_404_in_json() {
        for path in ["/nope", "/ns/retrieve", "//info/health", "/info/../docs"] {
            check(Method::GET, path, 404, "{\"detail\":\"Not Found\",\"message\":\"no route matches").await;
        }
    }

    #[tokio::test]
    async fn a_trailing_slash_is_404() {
        check(Method::GET, "/info/health/", 404, "Not Found").await;
        check(Method::GET, "/ns/exists/hash/2cf24dba5fb0a30e/", 404, "Not Found").await;
    }

    #[tokio::test]
    async fn another_method_is_405_and_names_the_allowed_ones() {
        check(Method::PUT, "/info/health", 405, "{\"detail\":\"Method Not Allowed\",\"message\":").await;
        let answer = App::new().send(Call::new(Method::GET, "/ns/direct/store/string")).await;
        assert_eq!(answer.header("allow"), Some("POST"));
    }

    #[tokio::test]
    async fn head_is_served_wherever_get_is() {
        let answer = App::new().send(Call::new(Method::HEAD, "/info/health")).await;
        assert_eq!((answer.status.as_u16(), answer.text().as_str()), (200, ""));
    }

    #[tokio::test]
    async fn a_request_id_is_fresh_whatever_the_caller_sends() {
        let app = App::new();
        let call = || Call::get("/info/health").header("fast-api-request-id", "mine");
        let (first, second) = (app.send(call()).await, app.send(call()).await);
        let id = first.header("fast-api-request-id").unwrap();
        assert!(uuid::Uuid::try_parse(id).is_ok(), "{id}");
        assert_ne!(id, second.header("fast-api-request-id").unwrap());
    }
}
