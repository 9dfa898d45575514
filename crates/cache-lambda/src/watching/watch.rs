//! The way of one request through the service, up to its line in the log.

use std::io::Write;
use std::sync::Arc;
use std::time::{Duration, Instant};

use axum::extract::{MatchedPath, Request};
use cache_core::ids::Namespace;
use cache_storage::metered::Meter;
use http::StatusCode;
use percent_encoding::percent_decode_str;
use serde::Serialize;
use tracing::{Span, error_span};
use uuid::Uuid;

use super::emf;
use super::operations::{self, Operation};
use super::outcome::Outcome;
use crate::app::{AppState, Service};

/// The status that the log shows when the caller hung up before the answer. Nobody gets to see it; nginx calls it so, too.
const HUNG_UP: u16 = 499;

/// The id that Lambda gave to the invocation in which a request comes. It is in the extensions of such a request.
#[derive(Debug, Clone)]
pub struct Invocation(pub String);

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
pub struct Watch {
    state: AppState,
    operation: &'static Operation,
    meter: Arc<Meter>,
    started: Instant,
    span: Span,
    line: Line,
}

impl Watch {
    /// A request has come.
    pub fn begin(state: &AppState, request: &Request) -> Self {
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
        // Of the highest level, so that the id is in every line, however little is logged.
        let span = error_span!("request", request_id = %line.request_id, aws_request_id = line.aws_request_id);
        Self { state: Arc::clone(state), operation, meter: state.metrics.meter(), started: Instant::now(), span, line }
    }

    /// What all lines of the log about the request stand in.
    pub fn span(&self) -> Span {
        self.span.clone()
    }

    /// The id that the request got.
    pub fn request_id(&self) -> &str {
        &self.line.request_id
    }

    /// What counts the request's calls to the storage.
    pub fn meter(&self) -> Arc<Meter> {
        Arc::clone(&self.meter)
    }

    /// Ends the watch with an answer.
    pub fn answered(mut self, status: StatusCode) {
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
