//! The application as a Lambda function, behind a REST API, an HTTP API or a Function URL.
//!
//! `lambda_http` turns each event into a request; what it does to paths, and to texts in answers, is undone here:
//!
//! - The path is taken as the event has it. The library would put a REST API's stage in front of it, which no route knows,
//!   and resolve `..`, which has to reach the check of names.
//! - A text goes out as it is. The library would drop a byte order mark at its beginning.
//!
//! An event that is no request comes from a schedule, or from somebody who may invoke the function, and asks for a
//! [`sweep`].

mod response;

use std::convert::Infallible;
use std::pin::Pin;

use axum::Router;
use axum::body::Body;
use cache_core::ids::Namespace;
use http::{Extensions, Request, Response};
use lambda_http::request::RequestContext;
use lambda_http::{Body as EventBody, RequestExt};
use serde::Deserialize;
use tower::ServiceExt;

use crate::app;
use crate::request_cache::Deadline;
use crate::state::AppState;
use crate::telemetry::request_tracker::Invocation;
use crate::{normalize_path, sweep};

/// How long before the invocation's end an answer has to be on its way, in milliseconds.
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
            let now_ms = state.surroundings.now_ms();
            let deadline = deadline_ms(&event, now_ms).map(Deadline);
            Ok(respond(app, event, deadline, now_ms).await?)
        }
    }
}

/// When the answer has to be on its way, in milliseconds since 1970 UTC. A moment that is over says nothing: `cargo lambda
/// watch` gives one in 1970.
fn deadline_ms(event: &lambda_http::Request, now_ms: u64) -> Option<u64> {
    let end = event.lambda_context_ref()?.deadline;
    (end > now_ms).then(|| end.saturating_sub(MARGIN_MS))
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
    let deadline = deadline_ms(event, state.surroundings.now_ms()).unwrap_or(u64::MAX);
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
    // What the library put there is about the event; the routes need none of it.
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

/// The path below the stage. In the events of an HTTP API the path begins with the stage, in those of a REST API it does not.
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

/// An answer whose body is not looked at again.
struct EventResponse(Response<EventBody>);

impl lambda_http::IntoResponse for EventResponse {
    fn into_response(self) -> Pin<Box<dyn Future<Output = Response<EventBody>> + Send>> {
        Box::pin(std::future::ready(self.0))
    }
}

#[cfg(test)]
mod tests {
    use std::sync::Arc;

    use base64::Engine;
    use base64::prelude::BASE64_STANDARD;
    use cache_storage::memory::Memory;
    use cache_storage::system::System;
    use serde_json::{Value, json};

    use super::*;
    use crate::state::Service;
    use crate::test_support::{App, Call, config};

    /// An event of an HTTP API or a Function URL.
    fn v2(stage: &str, method: &str, path: &str, body: Value) -> Value {
        json!({
            "version": "2.0", "routeKey": "$default", "rawPath": path, "rawQueryString": "file_id=f&x=%2F",
            "headers": {"host": "id.example.com", "content-type": "text/plain"},
            "requestContext": {
                "accountId": "1", "apiId": "id", "domainName": "id.example.com", "domainPrefix": "id",
                "http": {"method": method, "path": path, "protocol": "HTTP/1.1", "sourceIp": "1.2.3.4", "userAgent": "a"},
                "requestId": "r", "routeKey": "$default", "stage": stage,
                "time": "12/Mar/2020:19:03:58 +0000", "timeEpoch": 1583348638390u64,
            },
            "body": body, "isBase64Encoded": body.is_string(),
        })
    }

    /// An event of a REST API.
    fn v1(method: &str, path: &str, body: Value) -> Value {
        json!({
            "resource": "/{proxy+}", "path": path, "httpMethod": method,
            "headers": {"Host": "id.example.com"}, "multiValueHeaders": {"Host": ["id.example.com"]},
            "queryStringParameters": {"file_id": "f"}, "multiValueQueryStringParameters": {"file_id": ["f"]},
            "pathParameters": {"proxy": path.trim_start_matches('/')}, "stageVariables": null,
            "requestContext": {
                "accountId": "1", "resourceId": "x", "stage": "prod", "requestId": "r", "resourcePath": "/{proxy+}",
                "httpMethod": method, "apiId": "id", "path": format!("/prod{path}"), "identity": {},
                "requestTimeEpoch": 1583348638390u64,
            },
            "body": body, "isBase64Encoded": false,
        })
    }

    async fn send(app: &App, event: &Value) -> (u16, EventBody) {
        let event = lambda_http::request::from_str(&event.to_string()).unwrap();
        let Ok(EventResponse(response)) = respond(app.router(), event, None, 0).await;
        let (parts, body) = response.into_parts();
        (parts.status.as_u16(), body)
    }

    async fn check(event: Value, status: u16, expected: &str) {
        let (answered, body) = send(&App::new(), &event).await;
        let EventBody::Text(text) = body else { panic!("{body:?}") };
        assert_eq!(answered, status, "{text}");
        assert!(text.contains(expected), "{text}");
    }

    #[tokio::test]
    async fn a_stage_in_the_path_is_not_routed() {
        check(v2("$default", "GET", "/info/health", Value::Null), 200, "ok").await;
        check(v2("prod", "GET", "/prod/info/health", Value::Null), 200, "ok").await;
        check(v1("GET", "/info/health", Value::Null), 200, "ok").await;
    }

    #[tokio::test]
    async fn a_namespace_may_be_called_as_the_stage() {
        let path = "/prod/key_based/store/string/a/b";
        check(v1("POST", path, json!("hello")), 200, "prod/data/key-based/a/b/f.txt").await;
        let body = json!(BASE64_STANDARD.encode("hello"));
        check(v2("prod", "POST", &format!("/prod{path}"), body), 200, "prod/data/key-based/a/b/f.txt").await;
    }

    async fn invoke(event: Value) -> Result<String, String> {
        let state = Service::new(Arc::new(Memory::default()), Arc::new(System), config());
        let app = App::around(app::app(state.clone()));
        app.json(Call::post("/demo/direct/store/string", "x")).await;
        let event = lambda_http::request::from_str(&event.to_string()).unwrap();
        match invocation(state, app.router(), event).await {
            Ok(EventResponse(response)) => match response.into_body() {
                EventBody::Text(text) => Ok(text),
                body => panic!("{body:?}"),
            },
            Err(error) => Err(error.to_string()),
        }
    }

    #[tokio::test]
    async fn a_schedule_sweeps_all_namespaces() {
        let event = json!({
            "version": "0", "id": "1", "detail-type": "Scheduled Event", "source": "aws.events", "account": "1",
            "time": "2026-11-20T15:00:00Z", "region": "eu-west-1", "resources": [], "detail": {},
        });
        let nothing = r#"[{"namespace":"demo","expired":0,"tombstones":0,"unlisted_records":0,"unreferenced_blobs":0,"orphaned_children":0,"complete":true}]"#;
        assert_eq!(invoke(event).await.unwrap(), nothing);
    }

    #[tokio::test]
    async fn an_event_may_name_the_namespaces_to_sweep() {
        let other = r#"[{"namespace":"other","expired":0,"tombstones":0,"unlisted_records":0,"unreferenced_blobs":0,"orphaned_children":0,"complete":true}]"#;
        assert_eq!(invoke(json!({"sweep": ["other"]})).await.unwrap(), other);
    }

    #[tokio::test]
    async fn an_event_that_is_neither_request_nor_schedule_fails() {
        assert!(invoke(json!({"Records": []})).await.unwrap_err().contains("neither a request nor a schedule"));
    }

    /// When an invocation that ends at 10 s has to be answered.
    fn deadline_at(now_ms: u64) -> Option<u64> {
        let event = v1("GET", "/info/health", Value::Null);
        let event: lambda_http::Request = lambda_http::request::from_str(&event.to_string()).unwrap();
        let mut context = lambda_http::Context::default();
        context.deadline = 10_000;
        deadline_ms(&event.with_lambda_context(context), now_ms)
    }

    #[test]
    fn the_invocation_says_when_to_be_done() {
        assert_eq!(deadline_at(1_000), Some(9_500));
        assert_eq!(deadline_at(9_900), Some(9_500));
        let event: lambda_http::Request =
            lambda_http::request::from_str(&v1("GET", "/info/health", Value::Null).to_string()).unwrap();
        let request = request(event, Some(Deadline(9_500)));
        assert_eq!(request.extensions().get::<Deadline>().unwrap().0, 9_500);
    }

    #[test]
    fn an_end_that_is_over_is_no_deadline() {
        assert_eq!(deadline_at(10_000), None);
    }

    #[tokio::test]
    async fn dots_in_a_path_reach_the_check_of_names() {
        let path = "/ns/key_based/store/string/a/../b";
        check(v1("POST", path, json!("hello")), 400, "'.' or '..' segments").await;
        check(v2("$default", "POST", path, json!("aGk=")), 400, "'.' or '..' segments").await;
    }

    #[tokio::test]
    async fn odd_characters_are_taken_encoded_or_not() {
        for path in ["/ns/key_based/store/string/a b%", "/ns/key_based/store/string/a%20b%25"] {
            check(v1("POST", path, json!("hello")), 200, "ns/data/key-based/a b_/f.txt").await;
        }
    }

    #[tokio::test]
    async fn a_file_that_does_not_fit_is_413() {
        let app = App::new();
        let file = "ns/data/key-based/k/f.bin";
        app.json(Call::post("/ns/key_based/store/binary/k?file_id=f", vec![0xff; 4_500_001])).await;
        let read = v2("$default", "GET", &format!("/admin/storage/file/content/{file}"), Value::Null);
        let (status, body) = send(&app, &read).await;
        assert_eq!(status, 413);
        assert!(matches!(&body, EventBody::Text(text) if text.contains("the content has 4500001 bytes")), "{body:?}");
    }

    #[tokio::test]
    async fn bytes_go_both_ways_unchanged() {
        let app = App::new();
        let bytes = [0xef, 0xbb, 0xbf, b'a', 0xff];
        let body = json!(BASE64_STANDARD.encode(bytes));
        send(&app, &v2("$default", "POST", "/ns/key_based/store/binary/k", body)).await;
        let read = v2("$default", "GET", "/ns/retrieve/key/key_based/k/f/", Value::Null);
        assert_eq!(send(&app, &read).await.0, 400);
        let mut read = v2("$default", "GET", "/ns/retrieve/key/key_based/k/f", Value::Null);
        read["rawQueryString"] = json!("as=binary");
        let (status, body) = send(&app, &read).await;
        assert_eq!((status, body), (200, EventBody::Binary(bytes.to_vec())));
    }
}
