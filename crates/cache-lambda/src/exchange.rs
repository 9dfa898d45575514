//! What happens to every request and answer: an id, a deadline, a rendered error, and one line in the log.

use std::any::Any;
use std::panic::AssertUnwindSafe;
use std::time::Instant;

use axum::extract::{MatchedPath, Request, State};
use axum::middleware::Next;
use axum::response::{IntoResponse, Response};
use futures::FutureExt;
use http::{HeaderName, HeaderValue};
use tracing::{Instrument, info_span};
use uuid::Uuid;

use crate::app::{AppState, Service};
use crate::problem::{Occasion, Problem};

/// The header with the id of the request; what a caller sends under it is ignored.
pub const REQUEST_ID: HeaderName = HeaderName::from_static("fast-api-request-id");

/// Gives the request an id, renders the error if it has one, and writes the line for the log.
pub async fn answer(State(state): State<AppState>, request: Request, next: Next) -> Response {
    let request_id = Uuid::new_v4().to_string();
    let asked = Asked::of(&request);
    let started = Instant::now();
    let span = info_span!("request", %request_id);
    let mut response = next.run(request).instrument(span.clone()).await;
    let _entered = span.enter();
    if let Some(problem) = response.extensions_mut().remove::<Problem>() {
        response = render(&state, &problem, &request_id, response);
    }
    if let Ok(value) = HeaderValue::from_str(&request_id) {
        response.headers_mut().insert(REQUEST_ID, value);
    }
    asked.log(&response, started);
    response
}

fn render(state: &Service, problem: &Problem, request_id: &str, bare: Response) -> Response {
    if let Some(cause) = problem.cause() {
        tracing::error!("{cause}");
    }
    let occasion = Occasion { request_id, now_ms: state.surroundings.now_ms() };
    problem.render(occasion, bare.into_parts().0.headers)
}

/// What the log says about a request: never a key, a payload or a secret.
struct Asked {
    method: String,
    route: String,
    namespace: String,
}

impl Asked {
    fn of(request: &Request) -> Self {
        let route = request.extensions().get::<MatchedPath>().map_or("-", MatchedPath::as_str).to_owned();
        let first = request.uri().path().split('/').nth(1).unwrap_or_default();
        let namespace = if route.starts_with("/{namespace}/") { first } else { "-" };
        Self { method: request.method().to_string(), namespace: namespace.to_owned(), route }
    }

    fn log(&self, response: &Response, started: Instant) {
        tracing::info!(
            method = self.method,
            route = self.route,
            namespace = self.namespace,
            status = response.status().as_u16(),
            ms = started.elapsed().as_millis() as u64,
            "answered"
        );
    }
}

/// Turns a panic into an answer, so that one bad request ends neither the connection nor the process.
pub async fn catch_panics(request: Request, next: Next) -> Response {
    match AssertUnwindSafe(next.run(request)).catch_unwind().await {
        Ok(response) => response,
        Err(panic) => Problem::internal(format!("panicked: {}", said(panic.as_ref()))).into_response(),
    }
}

fn said(panic: &(dyn Any + Send)) -> &str {
    let text = panic.downcast_ref::<&str>().copied();
    text.or_else(|| panic.downcast_ref::<String>().map(String::as_str)).unwrap_or("without a message")
}

#[cfg(test)]
mod tests {
    use std::sync::Arc;

    use axum::Router;
    use axum::middleware::{from_fn, from_fn_with_state};
    use axum::routing::get;
    use cache_core::storage::{PutMode, Storage};
    use cache_storage::faulty::{Fault, Faulty, Verb};
    use cache_storage::memory::Memory;
    use cache_storage::system::System;
    use http::StatusCode;

    use super::*;
    use crate::app::Service;
    use crate::testing::{App, Call, config};

    /// What a handler's trouble looks like from outside.
    async fn check(handler: fn() -> Response, status: u16, expected: &str) {
        let state = Service::new(Arc::new(Memory::default()), Arc::new(System), config());
        let router = Router::new()
            .route("/", get(async move || handler()))
            .layer(from_fn(catch_panics))
            .layer(from_fn_with_state(state, answer));
        let answer = App::around(router).send(Call::get("/")).await;
        assert_eq!(answer.status, StatusCode::from_u16(status).unwrap(), "{}", answer.text());
        assert!(answer.text().contains(expected), "{}", answer.text());
        assert!(!answer.text().contains("secret"), "{}", answer.text());
        assert!(answer.text().contains(answer.header("fast-api-request-id").unwrap()));
    }

    #[tokio::test]
    async fn a_panic_is_500_with_the_request_id_and_no_internals() {
        check(|| panic!("secret"), 500, "\"message\":\"the service failed to answer").await;
        check(|| Problem::internal("secret").into_response(), 500, "\"request_id\":\"").await;
    }

    #[tokio::test]
    async fn damaged_content_is_500_and_never_served() {
        let storage = Arc::new(Memory::default());
        let app = App::over(storage.clone(), config());
        app.json(Call::post("/ns/direct/store/string", "hello")).await;
        let blob = "ns/blobs/2c/f2/2cf24dba5fb0a30e".parse().unwrap();
        storage.put(&blob, "hallo".into(), PutMode::Overwrite).await.unwrap();
        let answer = app.get("/ns/retrieve/hash/2cf24dba5fb0a30e/string").await;
        assert_eq!(answer.status, StatusCode::INTERNAL_SERVER_ERROR);
        assert!(!answer.text().contains("blobs"), "{}", answer.text());
    }

    #[tokio::test]
    async fn a_storage_that_does_not_answer_is_503_with_retry_after() {
        check(|| Problem::unavailable("secret").into_response(), 503, "try again in a moment").await;
        let storage = Arc::new(Faulty::new(Arc::new(Memory::default())));
        storage.once(Verb::Get, "refs/by-hash", Fault::Lost);
        let answer = App::over(storage, config()).get("/ns/exists/hash/2cf24dba5fb0a30e").await;
        assert_eq!((answer.status.as_u16(), answer.header("retry-after")), (503, Some("1")));
        assert!(!answer.text().contains("refs/by-hash"), "{}", answer.text());
    }
}
