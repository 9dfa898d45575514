//! Middleware for every request: assigns a request id, counts storage calls, renders errors and writes the access log.

use std::any::Any;

use axum::extract::{MatchedPath, Request, State};
use axum::middleware::Next;
use axum::response::{IntoResponse, Response};
use http::{HeaderName, HeaderValue, header};
use tracing::Instrument;

use crate::problem::{ErrorContext, Problem};
use crate::routes::routes;
use crate::state::{AppState, Service};
use crate::telemetry::operation::UNMATCHED;
use crate::telemetry::request_tracker::RequestTracker;

/// The response header with the request id. The id in a request is ignored.
pub const REQUEST_ID: HeaderName = HeaderName::from_static("fast-api-request-id");

/// Assigns a request id, renders the error if there is one, and writes the access log entry.
pub async fn request_scope(State(state): State<AppState>, mut request: Request, next: Next) -> Response {
    let route = request.extensions().get::<MatchedPath>().map(MatchedPath::as_str);
    let mut tracker =
        RequestTracker::start(&state, routes().labels(request.method(), route).unwrap_or(&UNMATCHED), &request);
    let span = tracker.span();
    let permit = state.in_flight.permit();
    request.extensions_mut().insert(tracker.metrics());
    request.extensions_mut().insert(tracker.caller());
    request.extensions_mut().insert(permit.clone());
    let response = next.run(request).instrument(span.clone()).await;
    let mut response = permit.keep_with(response).await.unwrap_or_else(IntoResponse::into_response);
    let _entered = span.enter();
    if let Some(problem) = response.extensions_mut().remove::<Problem>() {
        tracker.note(&problem);
        response = render(&state, &problem, tracker.request_id(), response);
    }
    if let Ok(value) = HeaderValue::from_str(tracker.request_id()) {
        response.headers_mut().insert(REQUEST_ID, value);
    }
    // What a caller stored as text must not be run as a script.
    response.headers_mut().insert(header::X_CONTENT_TYPE_OPTIONS, HeaderValue::from_static("nosniff"));
    tracker.finish(response.status());
    response
}

fn render(state: &Service, problem: &Problem, request_id: &str, bare: Response) -> Response {
    if let Some(cause) = problem.cause() {
        tracing::error!("{cause}");
    }
    let context = ErrorContext { request_id, now_ms: state.now_ms() };
    problem.render(context, bare.into_parts().0.headers)
}

/// The response to a request whose handler panicked, so that it ends neither the connection nor the process. The
/// panic's message may show a content, so it is dropped; [`crate::telemetry::logging`] logs where it happened.
pub fn panic_response(_: Box<dyn Any + Send>) -> Response {
    Problem::internal("a panic ended the request").into_response()
}

#[cfg(test)]
mod tests {
    use std::sync::Arc;

    use axum::Router;
    use axum::middleware::from_fn_with_state;
    use axum::routing::get;
    use cache_core::storage::{GetOptions, PutMode, Storage};
    use cache_storage::memory::Memory;
    use cache_storage::operation::StorageOp;
    use cache_storage::system::{OsRng, SystemClock};
    use cache_testing::fault_injection::{Fault, FaultInjectingStorage};
    use http::StatusCode;
    use tower::ServiceExt;
    use tower_http::catch_panic::CatchPanicLayer;

    use super::*;
    use crate::state::Service;
    use crate::test_support::{App, Call, config};

    /// Checks the response that a caller gets for an error of a handler.
    async fn check(handler: fn() -> Response, status: u16, expected: &str) {
        let state = Service::new(Arc::new(Memory::default()), Arc::new(SystemClock), Arc::new(OsRng), config());
        let router = Router::new()
            .route("/", get(async move || handler()))
            .layer(CatchPanicLayer::custom(panic_response))
            .layer(from_fn_with_state(state, request_scope));
        let answer = App::around(router).send(Call::get("/")).await;
        assert_eq!(answer.status, StatusCode::from_u16(status).unwrap(), "{}", answer.text());
        assert!(answer.text().contains(expected), "{}", answer.text());
        assert!(!answer.text().contains("secret"), "{}", answer.text());
        assert!(answer.text().contains(answer.header("fast-api-request-id").unwrap()));
    }

    #[tokio::test]
    async fn a_panic_is_500_with_the_request_id_and_no_internals() {
        check(|| panic!("secret"), 500, "\"message\":\"internal error").await;
        check(|| Problem::internal("secret").into_response(), 500, "\"request_id\":\"").await;
    }

    #[tokio::test]
    async fn a_panic_message_is_not_logged() {
        let panics = get(async || -> Response { panic!("secret") });
        let router: Router = Router::new().route("/", panics).layer(CatchPanicLayer::custom(panic_response));
        let response = router.oneshot(Call::get("/").request()).await.unwrap();
        let problem = response.extensions().get::<Problem>().unwrap();
        assert_eq!(problem.cause(), Some("a panic ended the request"));
    }

    #[tokio::test]
    async fn damaged_content_is_500_and_never_served() {
        let storage = Arc::new(Memory::default());
        let mut config = config();
        config.object_cache_bytes = 0;
        let app = App::over(storage.clone(), config);
        app.json(Call::post("/ns/direct/store/string", "hello")).await;
        let manifest = "ns/refs/by-hash/2c/f2/2cf24dba5fb0a30e".parse().unwrap();
        let object = storage.get(&manifest, &GetOptions::default()).await.unwrap().unwrap().into_object().unwrap();
        let mut damaged = object.bytes.to_vec();
        let start = damaged.windows(5).rposition(|bytes| bytes == b"hello").expect("it holds the content");
        damaged[start + 1] = b'a';
        storage.put(&manifest, damaged.into(), PutMode::Overwrite).await.unwrap();
        let answer = app.get("/ns/retrieve/hash/2cf24dba5fb0a30e/string").await;
        assert_eq!(answer.status, StatusCode::INTERNAL_SERVER_ERROR);
        assert!(!answer.text().contains("by-hash"), "{}", answer.text());
    }

    #[tokio::test]
    async fn a_storage_that_does_not_answer_is_503_with_retry_after() {
        check(|| Problem::unavailable("secret").into_response(), 503, "retry later").await;
        let storage = Arc::new(FaultInjectingStorage::new(Arc::new(Memory::default())));
        storage.once(StorageOp::Get, "refs/by-hash", Fault::Lost);
        let answer = App::over(storage, config()).get("/ns/exists/hash/2cf24dba5fb0a30e").await;
        assert_eq!((answer.status.as_u16(), answer.header("retry-after")), (503, Some("1")));
        assert!(!answer.text().contains("refs/by-hash"), "{}", answer.text());
    }
}
