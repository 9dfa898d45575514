//! The application as a Lambda function, behind a REST API, an HTTP API or a Function URL.
//!
//! `lambda_http` turns each event into a request. Its changes to paths, and to texts in responses, are undone here:
//!
//! - The path is that of the event. The library prepends the stage of a REST API, which is not part of any route, and
//!   resolves `..`, which the validation of names has to see.
//! - A text is sent unchanged. The library drops a byte order mark at its beginning.
//!
//! An event that is not a request comes from a schedule, or from a direct invocation, and starts a [`sweep`]. No event is a
//! function error, whatever is in it: what cannot be read is a 400. A sweep that fails is one, so that it is tried again.

mod event;
mod response;

use std::convert::Infallible;
use std::panic::AssertUnwindSafe;
use std::pin::Pin;
use std::sync::{Mutex, PoisonError};

use axum::Router;
use axum::body::Body;
use cache_core::ids::Namespace;
use cache_core::time::{Deadline, UnixMillis};
use futures::FutureExt;
use http::{Extensions, Request, Response};
use lambda_http::lambda_runtime::{self, LambdaEvent, Service};
use lambda_http::request::{LambdaRequest, RequestContext};
use lambda_http::{Adapter, Body as EventBody, Context, RequestExt};
use serde::{Deserialize, Serialize};
use serde_json::value::RawValue;
use serde_json::{Value, json};
use tower::ServiceExt;
use tower::util::BoxCloneService;
use uuid::Uuid;

use self::event::Event;
use crate::media_type::JSON;
use crate::middleware::REQUEST_ID;
use crate::problem::{ErrorContext, Problem};
use crate::state::AppState;
use crate::sweep::{NamespaceReport, SweepMode};
use crate::telemetry::request_tracker::Invocation;
use crate::{app, normalize_path, sweep};

/// How long before the invocation's end the response has to be sent, in milliseconds.
const MARGIN_MS: u64 = 500;
/// The stage of an HTTP API or Function URL that does not appear in paths.
const DEFAULT_STAGE: &str = "$default";

/// Serves invocations until the runtime ends the process: one after the other, or as many at once as
/// `AWS_LAMBDA_MAX_CONCURRENCY` says, which Lambda sets on managed instances.
///
/// # Errors
///
/// When Lambda's Runtime API fails. An invocation that fails is reported to it, and does not end this.
pub async fn run(state: AppState) -> Result<(), lambda_http::Error> {
    let app = app::app(state.clone());
    lambda_runtime::run_concurrent(lambda_http::service_fn(move |event| answer(state.clone(), app.clone(), event)))
        .await
}

/// The response to an event.
#[derive(Debug, Serialize)]
#[serde(untagged)]
enum InvocationResponse<R> {
    /// As the library writes it for the event's source.
    Response(R),
    /// A proxy response that every source understands.
    Refusal(Value),
    /// What a sweep has done.
    Reports(Vec<NamespaceReport>),
}

/// What the library makes of a response.
type LibraryResponse = <Adapter<'static, EventResponse, Handler> as Service<LambdaEvent<LambdaRequest>>>::Response;
/// What the library calls for a request.
type Handler = BoxCloneService<lambda_http::Request, EventResponse, Infallible>;

async fn answer(
    state: AppState,
    app: Router,
    LambdaEvent { payload, context }: LambdaEvent<Box<RawValue>>,
) -> Result<InvocationResponse<LibraryResponse>, lambda_http::Error> {
    let (request, taken) = match Event::read(&payload) {
        Event::Request(request, taken) => (*request, taken),
        Event::Other(text) => return scheduled(&state, &text, &context).await,
        Event::Unreadable(reason) => return Ok(refusal(&state, reason)),
    };
    let taken = Mutex::new(Some(taken));
    let (app, own) = (app.clone(), state.clone());
    let handler = lambda_http::service_fn(move |mut event: lambda_http::Request| {
        if let Some(taken) = taken.lock().unwrap_or_else(PoisonError::into_inner).take() {
            taken.give_back(&mut event);
        }
        let (app, now_ms) = (app.clone(), own.now_ms());
        async move {
            let deadline = deadline(event.lambda_context_ref(), now_ms);
            respond(app, event, deadline, now_ms).await
        }
    });
    let answered = AssertUnwindSafe(async move {
        let mut adapter = Adapter::from(handler);
        adapter.call(LambdaEvent::new(request, context)).await
    });
    Ok(match answered.catch_unwind().await {
        Ok(Ok(response)) => InvocationResponse::Response(response),
        // The library refuses by a panic what is no URL.
        Err(_) => refusal(&state, "the request cannot be read: its URL is too long, or not one"),
    })
}

/// A proxy response for an event of which no request can be made.
fn refusal<R>(state: &AppState, reason: &str) -> InvocationResponse<R> {
    tracing::warn!("an event was refused: {reason}");
    let context = ErrorContext { request_id: &Uuid::new_v4().to_string(), now_ms: state.now_ms() };
    let body = Problem::unreadable_body(reason).json_body(context);
    InvocationResponse::Refusal(json!({
        "statusCode": 400,
        "headers": {"content-type": JSON, REQUEST_ID.as_str(): context.request_id},
        "isBase64Encoded": false,
        "body": body.to_string(),
    }))
}

/// When the response has to be sent. A deadline in the past is ignored: `cargo lambda watch` sends one in 1970.
fn deadline(context: Option<&Context>, now_ms: u64) -> Option<Deadline> {
    let end = context?.deadline;
    (end > now_ms).then(|| Deadline::at(UnixMillis::new(end.saturating_sub(MARGIN_MS))))
}

/// The event of a schedule, as EventBridge sends it by default; or `{"sweep":["a namespace"]}`.
#[derive(Debug, Deserialize)]
struct Scheduled {
    #[serde(rename = "detail-type")]
    detail_type: Option<String>,
    sweep: Option<Vec<Namespace>>,
}

async fn scheduled<R>(
    state: &AppState,
    event: &str,
    context: &Context,
) -> Result<InvocationResponse<R>, lambda_http::Error> {
    let namespaces = match serde_json::from_str(event) {
        Ok(Scheduled { sweep: Some(namespaces), .. }) => namespaces,
        Ok(Scheduled { detail_type: Some(kind), .. }) if kind == "Scheduled Event" => Vec::new(),
        Ok(Scheduled { .. }) | Err(_) => {
            let reason = "the event is neither a request nor a schedule: see events/ for those that are answered";
            return Ok(refusal(state, reason));
        }
    };
    let deadline = deadline(Some(context), state.now_ms()).unwrap_or(Deadline::NEVER);
    Ok(InvocationResponse::Reports(sweep::run(state, namespaces, SweepMode::Remove, deadline).await?))
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
mod fuzz;
#[cfg(test)]
mod tests;
