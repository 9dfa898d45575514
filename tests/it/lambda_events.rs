//! The binary as a Lambda function: the events in `events/` are answered as their senders expect.
//!
//! The test stands in for Lambda's Runtime API, from which the binary takes an event and to which it posts the answer.

mod runtime;

use std::fs;
use std::path::{Path, PathBuf};
use std::time::{Duration, Instant};

use serde_json::{Value, json};

use self::runtime::{Function, contended_bucket, patient_bucket};

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
async fn with_room_for_four_events_four_are_under_way_at_once() {
    let bucket = patient_bucket(4).await;
    let settings = [&KEY[..], &bucket.settings(), &[("AWS_LAMBDA_MAX_CONCURRENCY", "4")]].concat();
    let mut function = Function::start(&settings).await;
    let event = read(&folder("http-api").join("5-not-found.json"));
    let paths = [1, 2, 3, 4].map(|number| format!("/demo/exists/hash/000000000000000{number}"));
    let events = paths.each_ref().map(|path| event.replace("/demo/retrieve/hash/0123456789abcdef", path));
    let answers = function.invoke_all(events.each_ref().map(String::as_str), AMPLE).await;
    for (path, answer) in paths.iter().zip(answers) {
        let body: Value = serde_json::from_str(answer["body"].as_str().unwrap()).unwrap();
        assert_eq!((&answer["statusCode"], &body["exists"]), (&200.into(), &false.into()), "{answer}");
        assert!(path.ends_with(body["cache_hash"].as_str().unwrap()), "{path}: {answer}");
    }
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
