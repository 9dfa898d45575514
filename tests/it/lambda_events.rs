//! The binary as a Lambda function: the events in `events/` are answered as their senders expect.
//!
//! The test stands in for Lambda's Runtime API, from which the binary takes an event and to which it posts the answer.

mod runtime;

use std::fs;
use std::path::{Path, PathBuf};
use std::time::{Duration, Instant};

use serde_json::{Value, json};

use self::runtime::{Function, REQUEST_ID, contended_bucket, silent_bucket};

/// The name of the API key that the events show, and the key.
const KEY: [(&str, &str); 2] =
    [("FAST_API__AUTH__API_KEY__NAME", "x-api-key"), ("FAST_API__AUTH__API_KEY__VALUE", "sample-key")];

/// What a function has for an event unless a test says otherwise.
const AMPLE: Duration = Duration::from_secs(30);

/// How an event is answered. In `events/`, each sender has a folder with one file for each of these.
struct Expected {
    event: &'static str,
    status: u64,
    base64: bool,
    content_type: &'static str,
    /// A part of the body, as it is in the answer.
    body: &'static str,
}

const fn text(event: &'static str, status: u64, content_type: &'static str, body: &'static str) -> Expected {
    Expected { event, status, base64: false, content_type, body }
}

const EXPECTED: [Expected; 6] = [
    text("1-store-string.json", 200, "application/json", r#""key_version":1"#),
    text("2-store-binary.json", 200, "application/json", r#""size":8,"version":1"#),
    text("3-retrieve-json.json", 200, "application/json", r#"{"data":"Grüße","metadata":"#),
    Expected {
        event: "4-retrieve-binary.json",
        status: 200,
        base64: true,
        content_type: "application/octet-stream",
        body: "77u/AP/+QQo=",
    },
    text("5-not-found.json", 404, "application/json", "there is no entry with cache_hash 0123456789abcdef"),
    text("6-no-key.json", 401, "application/json", "API key is missing"),
];

#[tokio::test]
async fn the_events_of_a_rest_api_are_answered() {
    check("rest-api").await;
}

#[tokio::test]
async fn the_events_of_an_http_api_are_answered() {
    check("http-api").await;
}

#[tokio::test]
async fn the_events_of_a_function_url_are_answered() {
    check("function-url").await;
}

#[tokio::test]
async fn the_event_of_a_schedule_is_answered_with_a_report_for_each_namespace() {
    let mut function = Function::start(&[&KEY[..], &[("CACHE__SERVICE__STORAGE_MODE", "memory")]].concat()).await;
    let sweep = read(&folder("schedule").join("1-sweep.json"));
    assert_eq!(function.invoke(&sweep, AMPLE).await, json!([]));
    function.invoke(&read(&folder("http-api").join("1-store-string.json")), AMPLE).await;
    let report = json!({"namespace": "demo", "expired": 0, "graves": 0, "records": 0, "blobs": 0, "complete": true});
    assert_eq!(function.invoke(&sweep, AMPLE).await, json!([report]));
}

#[tokio::test]
async fn a_store_that_loses_every_race_gives_up_before_its_invocation_ends() {
    let bucket = contended_bucket().await;
    let mut function = Function::start(&[&KEY[..], &bucket.settings()].concat()).await;
    let event = read(&folder("rest-api").join("1-store-string.json"));
    let (began, limit) = (Instant::now(), Duration::from_secs(3));
    let answer = function.invoke(&event, limit).await;
    assert_eq!((&answer["statusCode"], header(&answer, "retry-after")), (&503.into(), "1"), "{answer}");
    assert!(began.elapsed() < limit, "answered after {:?}", began.elapsed());
    assert!(function.log().contains("could not be written in time"), "{}", function.log());
}

#[tokio::test]
async fn each_request_is_a_line_that_cloudwatch_reads_metrics_from() {
    let settings = [("CACHE__SERVICE__STORAGE_MODE", "memory"), ("AWS_LAMBDA_LOG_LEVEL", "ERROR")];
    let mut function = Function::start(&[&KEY[..], &settings].concat()).await;
    for event in ["1-store-string.json", "5-not-found.json", "6-no-key.json"] {
        function.invoke(&read(&folder("http-api").join(event)), AMPLE).await;
    }
    let log = function.log();
    let lines: Vec<Value> = log.lines().map(|line| serde_json::from_str(line).unwrap()).collect();
    let outcomes: Vec<_> = lines.iter().map(|line| line["outcome"].as_str().unwrap()).collect();
    assert_eq!(outcomes, ["ok", "miss", "client_error"], "{log}");
    for line in &lines {
        assert_eq!((&line["function"], &line["aws_request_id"]), (&"cache".into(), &REQUEST_ID.into()), "{line}");
        let directive = &line["_aws"]["CloudWatchMetrics"][0];
        assert_eq!(
            (&directive["Namespace"], &directive["Dimensions"][0]),
            (&"mgraph-cache".into(), &json!(["function", "group"]))
        );
        for metric in directive["Metrics"].as_array().unwrap() {
            assert!(line[metric["Name"].as_str().unwrap()].is_number(), "{metric} in {line}");
        }
    }
}

#[tokio::test]
async fn a_function_without_metrics_logs_the_same_fields() {
    let settings = [("CACHE__SERVICE__STORAGE_MODE", "memory"), ("CACHE__SERVICE__CLOUDWATCH_METRICS", "false")];
    let mut function = Function::start(&[&KEY[..], &settings].concat()).await;
    function.invoke(&read(&folder("http-api").join("1-store-string.json")), AMPLE).await;
    let log = function.log();
    let lines: Vec<Value> = log.lines().map(|line| serde_json::from_str(line).unwrap()).collect();
    let line = lines.iter().find(|line| line["message"] == "answered").unwrap_or_else(|| panic!("{log}"));
    assert_eq!(
        (&line["operation"], &line["outcome"]),
        (&"post_namespace_strategy_store_string_cache_key".into(), &"ok".into())
    );
    assert_eq!(line["aws_request_id"], REQUEST_ID, "{line}");
    assert!(!log.contains("_aws\""), "{log}");
}

#[tokio::test]
async fn storage_that_does_not_answer_is_503_before_the_invocation_ends() {
    let address = silent_bucket().await;
    let settings = [
        ("CACHE__SERVICE__BUCKET_NAME", "silent"),
        ("AWS_ENDPOINT_URL", &address),
        ("AWS_REGION", "eu-west-1"),
        ("AWS_ACCESS_KEY_ID", "test"),
        ("AWS_SECRET_ACCESS_KEY", "test"),
    ];
    let mut function = Function::start(&[&KEY[..], &settings].concat()).await;
    for event in ["1-store-string.json", "5-not-found.json"] {
        let (began, limit) = (Instant::now(), Duration::from_secs(2));
        let answer = function.invoke(&read(&folder("rest-api").join(event)), limit).await;
        assert_eq!((&answer["statusCode"], header(&answer, "retry-after")), (&503.into(), "1"), "{answer}");
        assert!(began.elapsed() < limit, "answered after {:?}", began.elapsed());
    }
    assert!(function.log().contains("silent until the request's time was up"), "{}", function.log());
}

/// Sends the events of a folder in order, and compares the answers. `CACHE_ID` stands for the entry that was stored last.
async fn check(sender: &str) {
    let mut function = Function::start(&[&KEY[..], &[("CACHE__SERVICE__STORAGE_MODE", "memory")]].concat()).await;
    let folder = folder(sender);
    assert_eq!(files(&folder), EXPECTED.map(|expected| expected.event));
    let mut cache_id = String::new();
    for expected in EXPECTED {
        let event = read(&folder.join(expected.event)).replace("CACHE_ID", &cache_id);
        let answer = function.invoke(&event, AMPLE).await;
        expected.check(&answer);
        let body = serde_json::from_str(answer["body"].as_str().unwrap()).unwrap_or(Value::Null);
        if let Some(id) = body["cache_id"].as_str() {
            id.clone_into(&mut cache_id);
        }
    }
}

impl Expected {
    fn check(&self, answer: &Value) {
        let event = self.event;
        assert_eq!(answer["statusCode"], self.status, "{event}: {answer}");
        assert_eq!(answer["isBase64Encoded"], self.base64, "{event}: {answer}");
        assert_eq!(header(answer, "content-type"), self.content_type, "{event}: {answer}");
        assert!(answer["body"].as_str().unwrap().contains(self.body), "{event}: {answer}");
    }
}

/// A header of an answer. Those to a REST API have lists of values, in a field of their own.
fn header<'a>(answer: &'a Value, name: &str) -> &'a str {
    let value = answer["headers"][name].as_str().or_else(|| answer["multiValueHeaders"][name][0].as_str());
    value.unwrap_or_else(|| panic!("no header {name} in {answer}"))
}

fn folder(sender: &str) -> PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR")).join("../events").join(sender)
}

fn files(folder: &Path) -> Vec<String> {
    let names = fs::read_dir(folder).unwrap().map(|entry| entry.unwrap().file_name().into_string().unwrap());
    let mut names: Vec<_> = names.collect();
    names.sort();
    names
}

fn read(path: &Path) -> String {
    fs::read_to_string(path).unwrap_or_else(|error| panic!("{}: {error}", path.display()))
}
