//! What happens to every request and answer: an id, a meter, a rendered error, and one line in the log.

use std::any::Any;
use std::io::Write;
use std::panic::AssertUnwindSafe;
use std::sync::Arc;
use std::time::{Duration, Instant};

use axum::extract::{MatchedPath, Request, State};
use axum::middleware::Next;
use axum::response::{IntoResponse, Response};
use cache_core::ids::Namespace;
use cache_storage::metered::Meter;
use futures::FutureExt;
use http::{HeaderName, HeaderValue, StatusCode};
use percent_encoding::percent_decode_str;
use serde::Serialize;
use tracing::{Instrument, Span, info_span};
use uuid::Uuid;

use crate::app::{AppState, Service};
use crate::problem::{Occasion, Problem};
use crate::watching::operations::{self, Operation};
use crate::watching::{Outcome, emf};

/// The header with the id of the request; what a caller sends under it is ignored.
pub const REQUEST_ID: HeaderName = HeaderName::from_static("fast-api-request-id");

/// The status that the log shows when the caller hung up before the answer. Nobody gets to see it; nginx calls it so, too.
const HUNG_UP: u16 = 499;

/// The id that Lambda gave to the invocation in which a request comes. It is in the extensions of such a request.
#[derive(Debug, Clone)]
pub struct Invocation(pub String);

/// Gives the request an id, renders the error if it has one, and writes the line for the log.
pub async fn answer(State(state): State<AppState>, mut request: Request, next: Next) -> Response {
    let watch = Watch::begin(&state, &request);
    let span = watch.span();
    request.extensions_mut().insert(Arc::clone(&watch.meter));
    let mut response = next.run(request).instrument(span.clone()).await;
    let _entered = span.enter();
    if let Some(problem) = response.extensions_mut().remove::<Problem>() {
        response = render(&state, &problem, &watch.line.request_id, response);
    }
    if let Ok(value) = HeaderValue::from_str(&watch.line.request_id) {
        response.headers_mut().insert(REQUEST_ID, value);
    }
    watch.answered(response.status());
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
#[derive(Debug, Serialize)]
pub struct Line {
    /// The id in the answer's header.
    pub request_id: String,
    /// The id of the invocation, under Lambda.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub aws_request_id: Option<String>,
    /// What was asked for.
    pub operation: &'static str,
    /// The group that the operation belongs to.
    pub group: &'static str,
    /// The namespace in the path, `-` if there is none.
    pub namespace: String,
    /// What came of it.
    #[serde(serialize_with = "by_name")]
    pub outcome: Outcome,
    /// The status of the answer; 499 if the caller hung up before.
    pub status: u16,
    /// How many calls to the storage it took.
    pub storage_calls: u64,
    /// How many of them had to wait for others: see [`cache_storage::metered`].
    pub storage_rounds: u64,
    /// From the arrival of its head to the answer, in milliseconds.
    pub duration_ms: f64,
}

fn by_name<S: serde::Serializer>(outcome: &Outcome, serializer: S) -> Result<S::Ok, S::Error> {
    serializer.serialize_str(outcome.name())
}

/// A request on its way. Its end is written to the log and added to the metrics, also when its caller hangs up.
struct Watch {
    state: AppState,
    operation: &'static Operation,
    meter: Arc<Meter>,
    started: Instant,
    span: Span,
    line: Line,
}

impl Watch {
    fn begin(state: &AppState, request: &Request) -> Self {
        state.metrics.begin();
        let route = request.extensions().get::<MatchedPath>().map(MatchedPath::as_str);
        let operation = operations::find(request.method(), route);
        let line = Line {
            request_id: Uuid::new_v4().to_string(),
            aws_request_id: request.extensions().get().map(|Invocation(id)| id.clone()),
            operation: &operation.id,
            group: &operation.group,
            namespace: namespace(route, request.uri().path()).map_or("-".to_owned(), |name| name.to_string()),
            outcome: Outcome::ClientError,
            status: HUNG_UP,
            storage_calls: 0,
            storage_rounds: 0,
            duration_ms: 0.0,
        };
        let span = info_span!("request", request_id = line.request_id, aws_request_id = line.aws_request_id);
        Self { state: Arc::clone(state), operation, meter: state.metrics.meter(), started: Instant::now(), span, line }
    }

    fn span(&self) -> Span {
        self.span.clone()
    }

    /// Ends the watch with an answer.
    fn answered(mut self, status: StatusCode) {
        self.line.status = status.as_u16();
        self.line.outcome = Outcome::of(self.operation, status);
    }
}

impl Drop for Watch {
    fn drop(&mut self) {
        let took = self.started.elapsed();
        let Self { line, state, .. } = self;
        state.metrics.end(self.operation, line.outcome, took);
        line.storage_calls = self.meter.tally().calls();
        line.storage_rounds = self.meter.tally().rounds();
        line.duration_ms = milliseconds(took);
        let _entered = self.span.enter();
        line.write(state);
    }
}

/// The namespace that a path is about.
fn namespace(route: Option<&str>, path: &str) -> Option<Namespace> {
    route.filter(|route| route.starts_with("/{namespace}/"))?;
    percent_decode_str(path.split('/').nth(1)?).decode_utf8_lossy().parse().ok()
}

/// Exact to the microsecond.
fn milliseconds(duration: Duration) -> f64 {
    duration.as_micros() as f64 / 1e3
}

impl Line {
    /// Under Lambda the line carries the metrics as well, whatever the level of the log is.
    fn write(&self, state: &Service) {
        if let Some(function) = &state.config.cloudwatch {
            let mut line = emf::line(self, function, state.surroundings.now_ms());
            line.push('\n');
            // In one piece, as several requests may share the process. There is no other place to tell of a failure.
            let _ = std::io::stdout().lock().write_all(line.as_bytes());
            return;
        }
        tracing::info!(
            operation = self.operation,
            group = self.group,
            namespace = self.namespace,
            outcome = self.outcome.name(),
            status = self.status,
            storage_calls = self.storage_calls,
            storage_rounds = self.storage_rounds,
            duration_ms = self.duration_ms,
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
