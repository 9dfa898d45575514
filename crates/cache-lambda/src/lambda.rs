//! The application as a Lambda function, behind a REST API, an HTTP API or a Function URL.
//!
//! `lambda_http` turns each event into a request. Its changes to paths, and to texts in responses, are undone here:
//!
//! - The path is that of the event. The library prepends the stage of a REST API, which is not part of any route, and
//!   resolves `..`, which the validation of names has to see.
//! - A text is sent unchanged. The library drops a byte order mark at its beginning.
//!
//! An event that is not a request comes from a schedule, or from a direct invocation, and starts a [`sweep`].

mod response;

use std::convert::Infallible;
use std::pin::Pin;

use axum::Router;
use axum::body::Body;
use cache_core::ids::Namespace;
use cache_core::time::{Deadline, UnixMillis};
use http::{Extensions, Request, Response};
use lambda_http::request::RequestContext;
use lambda_http::{Body as EventBody, RequestExt};
use serde::Deserialize;
use tower::ServiceExt;

use crate::app;
use crate::state::AppState;
use crate::telemetry::request_tracker::Invocation;
use crate::{normalize_path, sweep};

/// How long before the invocation's end the response has to be sent, in milliseconds.
const MARGIN_MS: u64 = 500;
/// The stage of an HTTP API or Function URL that does not appear in paths.
const DEFAULT_STAGE: &str = "$default";

/// Serves invocations until the runtime ends the process: one after the other, or as many at once as
/// `AWS_LAMBDA_MAX_CONCURRENCY` says, which Lambda sets on managed instances.
pub async fn run(state: AppState) -> Result<(), lambda_http::Error> {
    let app = app::app(state.clone());
    lambda_http::run_concurrent(lambda_http::service_fn(move |event| invocation(state.clone(), app.clone(), event)))
        .await
}

async fn invocation(
    state: AppState,
    app: Router,
    event: lambda_http::Request,
) -> Result<EventResponse, lambda_http::Error> {
    match event.request_context_ref() {
        Some(RequestContext::PassThrough) => scheduled(&state, &event).await,
        _ => {
            let now_ms = state.now_ms();
            let deadline = deadline(&event, now_ms);
            Ok(respond(app, event, deadline, now_ms).await?)
        }
    }
}

/// When the response has to be sent. A deadline in the past is ignored: `cargo lambda watch` sends one in 1970.
fn deadline(event: &lambda_http::Request, now_ms: u64) -> Option<Deadline> {
    let end = event.lambda_context_ref()?.deadline;
    (end > now_ms).then(|| Deadline::at(UnixMillis::new(end.saturating_sub(MARGIN_MS))))
}

/// The event of a schedule, as EventBridge sends it by default; or `{"sweep":["a namespace"]}`.
#[derive(Debug, Deserialize)]
struct Scheduled {
    #[serde(rename = "detail-type")]
    detail_type: Option<String>,
    sweep: Option<Vec<Namespace>>,
}

async fn scheduled(state: &AppState, event: &lambda_http::Request) -> Result<EventResponse, lambda_http::Error> {
    let scheduled: Scheduled = serde_json::from_slice(event.body().as_ref())?;
    let namespaces = match scheduled {
        Scheduled { sweep: Some(namespaces), .. } => namespaces,
        Scheduled { detail_type: Some(kind), .. } if kind == "Scheduled Event" => Vec::new(),
        _ => {
            return Err("the event is neither a request nor a schedule: see events/ for those that are answered".into());
        }
    };
    let deadline = deadline(event, state.now_ms()).unwrap_or(Deadline::NEVER);
    let reports = sweep::run(state, namespaces, deadline).await?;
    Ok(EventResponse(Response::new(EventBody::Text(serde_json::to_string(&reports)?))))
}

async fn respond(
    app: Router,
    event: lambda_http::Request,
    deadline: Option<Deadline>,
    now_ms: u64,
) -> Result<EventResponse, Infallible> {
    let response = app.oneshot(request(event, deadline)).await?;
    Ok(EventResponse(response::into_event_response(response, now_ms).await))
}

/// The event as the request that the caller made.
fn request(event: lambda_http::Request, deadline: Option<Deadline>) -> Request<Body> {
    let invocation = event.lambda_context_ref().map(|context| Invocation(context.request_id.clone()));
    let path = normalize_path::encode(path(&event));
    let target = match event.uri().query() {
        Some(query) => format!("{path}?{query}"),
        None => path,
    };
    let (mut parts, body) = event.into_parts();
    if let Ok(uri) = target.parse() {
        parts.uri = uri;
    }
    // The library puts data about the event there, which the routes do not need.
    parts.extensions = Extensions::new();
    if let Some(deadline) = deadline {
        parts.extensions.insert(deadline);
    }
    if let Some(invocation) = invocation {
        parts.extensions.insert(invocation);
    }
    let body = match body {
        EventBody::Text(text) => Body::from(text),
        EventBody::Binary(bytes) => Body::from(bytes),
        _ => Body::empty(),
    };
    Request::from_parts(parts, body)
}

/// The path below the stage. In the events of an HTTP API the path begins with the stage, in those of a REST API it
/// does not.
fn path(event: &lambda_http::Request) -> &str {
    let raw = event.raw_http_path();
    let below = match event.request_context_ref() {
        Some(RequestContext::ApiGatewayV2(context)) => context
            .stage
            .as_deref()
            .filter(|stage| *stage != DEFAULT_STAGE)
            .and_then(|stage| raw.strip_prefix('/')?.strip_prefix(stage))
            .filter(|below| below.is_empty() || below.starts_with('/')),
        _ => None,
    };
    match below.unwrap_or(raw) {
        "" => "/",
        path => path,
    }
}

/// A response whose body is passed on unchanged.
struct EventResponse(Response<EventBody>);

impl lambda_http::IntoResponse for EventResponse {
    fn into_response(self) -> Pin<Box<dyn Future<Output = Response<EventBody>> + Send>> {
        Box::pin(std::future::ready(self.0))
    }
}

#[cfg(test)]
mod tests;
