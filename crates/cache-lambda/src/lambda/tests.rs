use base64::Engine;
use base64::prelude::BASE64_STANDARD;
use serde_json::{Value, json};

use super::*;
use crate::test_support::{App, Call, KEY, keyed_config};

/// An event of an HTTP API or a Function URL.
fn v2(stage: &str, method: &str, path: &str, body: Value) -> Value {
    json!({
        "version": "2.0", "routeKey": "$default", "rawPath": path, "rawQueryString": "file_id=f&x=%2F",
        "headers": {"host": "id.example.com", "content-type": "text/plain", KEY.0: KEY.1},
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
        "headers": {"x-api-key": KEY.1, "Host": "id.example.com"}, "multiValueHeaders": {"Host": ["id.example.com"]},
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
    let (answered, body) = send(&App::with(keyed_config()), &event).await;
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

/// What an invocation with this event returns, in a store of one namespace.
async fn invoke(event: Value) -> Value {
    let state = App::state_with(keyed_config());
    let app = App::around(app::app(state.clone()));
    app.json(Call::post("/demo/direct/store/string", "x").header(KEY.0, KEY.1)).await;
    let event = LambdaEvent::new(serde_json::value::to_raw_value(&event).unwrap(), Context::default());
    serde_json::to_value(answer(state, app.router(), event).await.unwrap()).unwrap()
}

/// Checks that an event is refused.
async fn check_refused(event: Value, message: &str) {
    let answer = invoke(event).await;
    assert_eq!(answer["statusCode"], 400, "{answer}");
    assert!(answer["body"].as_str().unwrap().contains(message), "{answer}");
}

#[tokio::test]
async fn a_schedule_sweeps_all_namespaces() {
    let event = json!({
        "version": "0", "id": "1", "detail-type": "Scheduled Event", "source": "aws.events", "account": "1",
        "time": "2026-11-20T15:00:00Z", "region": "eu-west-1", "resources": [], "detail": {},
    });
    let nothing = r#"[{"namespace":"demo","expired_entries":0,"unreferenced_blobs":0,"stale_intents":0,"orphaned_children":0,"orphaned_aliases":0,"orphaned_pages":0,"orphaned_views":0,"orphaned_key_rows":0,"emptied_tombstones":0,"damaged":[],"complete":true}]"#;
    assert_eq!(invoke(event).await.to_string(), nothing);
}

#[tokio::test]
async fn an_event_may_name_the_namespaces_to_sweep() {
    let other = r#"[{"namespace":"other","expired_entries":0,"unreferenced_blobs":0,"stale_intents":0,"orphaned_children":0,"orphaned_aliases":0,"orphaned_pages":0,"orphaned_views":0,"orphaned_key_rows":0,"emptied_tombstones":0,"damaged":[],"complete":true}]"#;
    assert_eq!(invoke(json!({"sweep": ["other"]})).await.to_string(), other);
}

#[tokio::test]
async fn an_event_that_is_neither_request_nor_schedule_is_400() {
    check_refused(json!({"Records": []}), "neither a request nor a schedule").await;
    check_refused(json!({"sweep": [" "]}), "neither a request nor a schedule").await;
    check_refused(json!("hello"), "neither a request nor a schedule").await;
}

#[tokio::test]
async fn a_request_that_cannot_be_read_is_400() {
    let health = || v2("$default", "GET", "/info/health", Value::Null);
    let mut control = health();
    control["headers"]["user-agent"] = json!("a\u{7f}b");
    check_refused(control, "control characters in its headers").await;
    let mut body = health();
    (body["body"], body["isBase64Encoded"]) = (json!("==="), json!(true));
    check_refused(body, "not the base64").await;
    let mut path = health();
    path["rawPath"] = json!("info/health");
    check_refused(path, "does not begin with '/'").await;
}

#[tokio::test]
async fn an_odd_host_or_query_is_no_obstacle() {
    for query in ["a=b c", "a=\"<>#", "a=é", "%zz=%"] {
        let mut event = v2("$default", "GET", "/info/health", Value::Null);
        event["rawQueryString"] = json!(query);
        event["headers"]["host"] = json!("[::1");
        let answer = invoke(event).await;
        assert_eq!(answer["statusCode"], 200, "{query}: {answer}");
    }
    let mut event = v2("$default", "GET", "/ns/entries", Value::Null);
    event["rawQueryString"] = json!("strategy=temporal&from=a b");
    assert!(invoke(event).await["body"].as_str().unwrap().contains("\"input\":\"a b\""));
}

/// When an invocation that ends at 10 s has to be answered.
fn deadline_at(now_ms: u64) -> Option<Deadline> {
    let mut context = Context::default();
    context.deadline = 10_000;
    deadline(Some(&context), now_ms)
}

#[test]
fn the_invocation_says_when_to_be_done() {
    let expected = Deadline::at(UnixMillis::new(9_500));
    assert_eq!(deadline_at(1_000), Some(expected));
    assert_eq!(deadline_at(9_900), Some(expected));
    let event: lambda_http::Request =
        lambda_http::request::from_str(&v1("GET", "/info/health", Value::Null).to_string()).unwrap();
    let request = request(event, Some(expected));
    assert_eq!(request.extensions().get::<Deadline>(), Some(&expected));
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
    let app = App::with(keyed_config());
    let file = "ns/data/key-based/k/f.bin";
    app.json(Call::post("/ns/key_based/store/binary/k?file_id=f", vec![0xff; 4_500_001]).header(KEY.0, KEY.1)).await;
    let read = v2("$default", "GET", &format!("/admin/storage/file/content/{file}"), Value::Null);
    let (status, body) = send(&app, &read).await;
    assert_eq!(status, 413);
    assert!(matches!(&body, EventBody::Text(text) if text.contains("the content has 4500001 bytes")), "{body:?}");
}

#[tokio::test]
async fn bytes_go_both_ways_unchanged() {
    let app = App::with(keyed_config());
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
