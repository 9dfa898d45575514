//! Follows one request up to its access log entry.

use std::io::Write;
use std::sync::Arc;
use std::time::{Duration, Instant};

use axum::extract::{MatchedPath, Request};
use cache_core::ids::Namespace;
use cache_storage::instrumented::RequestMetrics;
use http::StatusCode;
use percent_encoding::percent_decode_str;
use tracing::{Span, error_span};
use uuid::Uuid;

use super::access_log::{AccessLogEntry, dashed};
use super::emf;
use super::operation::OperationLabels;
use super::outcome::Outcome;
use crate::access::caller::CallerName;
use crate::problem::Problem;
use crate::state::{AppState, Service};

/// The logged status of a request whose caller hung up before the response, as in nginx.
const CLIENT_CLOSED_REQUEST: u16 = 499;

/// The id of the Lambda invocation. It is in the extensions of the request.
#[derive(Debug, Clone)]
pub struct Invocation(pub String);

/// A request in flight. Dropping it writes the access log entry and adds to the metrics, so a request whose caller
/// hangs up is recorded as well.
pub struct RequestTracker {
    state: AppState,
    operation: &'static OperationLabels,
    metrics: Arc<RequestMetrics>,
    started: Instant,
    span: Span,
    entry: AccessLogEntry,
    caller: CallerName,
    was_refused: bool,
}

impl RequestTracker {
    /// A request was received.
    pub fn start(state: &AppState, operation: &'static OperationLabels, request: &Request) -> Self {
        state.metrics.request_started();
        let route = request.extensions().get::<MatchedPath>().map(MatchedPath::as_str);
        let entry = AccessLogEntry {
            request_id: Uuid::new_v4().to_string(),
            aws_request_id: request.extensions().get().map(|Invocation(id)| id.clone()),
            operation: &operation.id,
            group: &operation.group,
            namespace: namespace(route, request.uri().path()).map(|name| name.to_string()),
            key: String::new(),
            outcome: Outcome::ClientError,
            status: CLIENT_CLOSED_REQUEST,
            storage_calls: 0,
            storage_round_trips: 0,
            duration_ms: 0.0,
        };
        // At the highest level, so that the id is in every line at any log level.
        let span = error_span!("request", request_id = %entry.request_id, aws_request_id = entry.aws_request_id);
        Self {
            state: Arc::clone(state),
            operation,
            metrics: state.metrics.for_request(),
            started: Instant::now(),
            span,
            entry,
            caller: CallerName::default(),
            was_refused: false,
        }
    }

    /// The span of all log lines about the request.
    pub fn span(&self) -> Span {
        self.span.clone()
    }

    /// The id of the request.
    pub fn request_id(&self) -> &str {
        &self.entry.request_id
    }

    /// Counts the storage calls of the request.
    pub fn metrics(&self) -> Arc<RequestMetrics> {
        Arc::clone(&self.metrics)
    }

    /// Where the name of the caller is to be left.
    pub fn caller(&self) -> CallerName {
        self.caller.clone()
    }

    /// The response will be this error.
    pub fn note(&mut self, problem: &Problem) {
        self.was_refused = problem.is_refusal();
    }

    /// The request has a response.
    pub fn finish(mut self, status: StatusCode) {
        self.entry.status = status.as_u16();
        self.entry.outcome = if self.was_refused { Outcome::ClientError } else { Outcome::of(self.operation, status) };
    }
}

impl Drop for RequestTracker {
    fn drop(&mut self) {
        let took = self.started.elapsed();
        let Self { entry, state, .. } = self;
        entry.key = self.caller.get().to_owned();
        state.metrics.request_finished(self.operation, entry, took);
        entry.storage_calls = self.metrics.counters().calls();
        entry.storage_round_trips = self.metrics.counters().round_trips();
        entry.duration_ms = milliseconds(took);
        let _entered = self.span.enter();
        write(entry, state);
    }
}

/// The namespace in a path.
fn namespace(route: Option<&str>, path: &str) -> Option<Namespace> {
    route.filter(|route| route.starts_with("/{namespace}/"))?;
    percent_decode_str(path.split('/').nth(1)?).decode_utf8_lossy().parse().ok()
}

/// Exact to the microsecond.
fn milliseconds(duration: Duration) -> f64 {
    duration.as_micros() as f64 / 1e3
}

/// In Lambda the entry also has the metrics, and is written at every log level.
fn write(entry: &AccessLogEntry, state: &Service) {
    if let Some(function) = &state.config.cloudwatch {
        let mut embedded = emf::line(entry, function, state.now_ms());
        embedded.push('\n');
        // In one write, since requests may be concurrent. A failure cannot be reported anywhere.
        let _ = std::io::stdout().lock().write_all(embedded.as_bytes());
        return;
    }
    tracing::info!(
        operation = entry.operation,
        group = entry.group,
        namespace = dashed(entry.namespace.as_deref()),
        key = entry.key,
        outcome = entry.outcome.name(),
        status = entry.status,
        storage_calls = entry.storage_calls,
        storage_round_trips = entry.storage_round_trips,
        duration_ms = entry.duration_ms,
        "request completed"
    );
}
