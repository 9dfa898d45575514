//! The binary as a Lambda function: the events in `events/` are answered as their event sources expect.
//!
//! `events/requests.json` lists requests of most route groups and their answers; the other folders have the event that
//! each source makes of them. The test stands in for Lambda's Runtime API, from which the binary takes an event and to
//! which it posts the answer. `tools/replay_events.py` sends the same events to the binary that is deployed.

mod event_sources;
mod runtime;

use std::env;
use std::fs;
use std::io::Read;
use std::path::{Path, PathBuf};
use std::time::{Duration, Instant};

use base64::prelude::{BASE64_STANDARD, Engine};
use cache_testing::event_mutations::{Mutations, events_in};
use flate2::read::GzDecoder;
use serde_json::{Value, json};

use self::event_sources::{Answer, EventSource, Sample};
use self::runtime::{Function, REQUEST_ID, contended_bucket, patient_bucket, silent_bucket};

/// The name of the API key that the events show, and the key.
const KEY: [(&str, &str); 2] =
    [("FAST_API__AUTH__API_KEY__NAME", "x-api-key"), ("FAST_API__AUTH__API_KEY__VALUE", "sample-key")];

/// A function that answers all the events.
const SETTINGS: [(&str, &str); 4] =
    [KEY[0], KEY[1], ("CACHE__SERVICE__STORAGE_MODE", "memory"), ("CACHE__SERVICE__TEST_ROUTES", "true")];

/// How many mutated events of each front door the binary gets unless `EVENT_MUTATIONS` says otherwise. The application alone
/// gets more of them in tests of its own; this is for what lies between it and the Runtime API.
const MUTATIONS: u64 = 500;

/// The time limit of an event unless a test sets another one.
const AMPLE: Duration = Duration::from_secs(30);

#[test]
fn the_event_files_follow_from_the_requests() {
    for source in [EventSource::RestApi, EventSource::HttpApi, EventSource::FunctionUrl] {
        let folder = folder(source.folder());
        if env::var_os("WRITE_EVENTS").is_some() {
            write(source, &folder);
        }
        let expected: Vec<_> = samples().iter().map(file).collect();
        assert_eq!(files(&folder), expected, "{folder:?}: run `make events`");
        for sample in samples() {
            let path = folder.join(file(&sample));
            assert_eq!(read(&path), source.event(&sample), "{path:?}: run `make events`");
        }
    }
}

/// Writes the event files of a source into an empty folder.
fn write(source: EventSource, folder: &Path) {
    let _ = fs::remove_dir_all(folder);
    fs::create_dir_all(folder).unwrap();
    for sample in samples() {
        fs::write(folder.join(file(&sample)), source.event(&sample)).unwrap();
    }
}

#[tokio::test]
async fn the_events_of_a_rest_api_are_answered() {
    check(EventSource::RestApi).await;
}

#[tokio::test]
async fn the_events_of_an_http_api_are_answered() {
    check(EventSource::HttpApi).await;
}

#[tokio::test]
async fn the_events_of_a_function_url_are_answered() {
    check(EventSource::FunctionUrl).await;
}

#[tokio::test]
async fn a_schedule_event_returns_a_report_for_each_namespace() {
    let mut function = Function::start(&SETTINGS).await;
    let sweep = read(&folder("schedule").join("1-sweep.json"));
    assert_eq!(function.invoke(&sweep, AMPLE).await, json!([]));
    function.invoke(&read(&folder("http-api").join("07-store-string.json")), AMPLE).await;
    let report = json!({"namespace": "demo", "expired_entries": 0, "unreferenced_blobs": 0, "stale_intents": 0, "orphaned_children": 0, "orphaned_aliases": 0, "orphaned_pages": 0, "orphaned_views": 0, "orphaned_key_rows": 0, "emptied_tombstones": 0, "damaged": [], "complete": true});
    assert_eq!(function.invoke(&sweep, AMPLE).await, json!([report]));
}

#[tokio::test]
async fn a_store_that_loses_every_race_is_503_before_its_deadline() {
    let bucket = contended_bucket().await;
    let mut function = Function::start(&[&KEY[..], &bucket.settings()].concat()).await;
    let event = read(&folder("rest-api").join("07-store-string.json"));
    let (began, limit) = (Instant::now(), Duration::from_secs(3));
    let answer = function.invoke(&event, limit).await;
    assert_eq!((&answer["statusCode"], header(&answer, "retry-after")), (&503.into(), "1"), "{answer}");
    assert!(began.elapsed() < limit, "answered after {:?}", began.elapsed());
    assert!(function.log().contains("could not be written before the deadline"), "{}", function.log());
}

#[tokio::test]
async fn with_room_for_four_events_four_are_under_way_at_once() {
    let bucket = patient_bucket(4).await;
    let settings = [&KEY[..], &bucket.settings(), &[("AWS_LAMBDA_MAX_CONCURRENCY", "4")]].concat();
    let mut function = Function::start(&settings).await;
    let event = read(&folder("http-api").join("20-not-found.json"));
    let paths = [1, 2, 3, 4].map(|number| format!("/demo/exists/hash/000000000000000{number}"));
    let events = paths.each_ref().map(|path| event.replace("/demo/retrieve/hash/0123456789abcdef", path));
    let answers = function.invoke_all(events.each_ref().map(String::as_str), AMPLE).await;
    for (path, answer) in paths.iter().zip(answers) {
        let body: Value = serde_json::from_str(answer["body"].as_str().unwrap()).unwrap();
        assert_eq!((&answer["statusCode"], &body["exists"]), (&200.into(), &false.into()), "{answer}");
        assert!(path.ends_with(body["cache_hash"].as_str().unwrap()), "{path}: {answer}");
    }
}

#[tokio::test]
async fn each_request_is_a_line_that_cloudwatch_reads_metrics_from() {
    let settings = [("CACHE__SERVICE__STORAGE_MODE", "memory"), ("AWS_LAMBDA_LOG_LEVEL", "ERROR")];
    let mut function = Function::start(&[&KEY[..], &settings].concat()).await;
    for event in ["07-store-string.json", "20-not-found.json", "04-no-key.json"] {
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
    function.invoke(&read(&folder("http-api").join("07-store-string.json")), AMPLE).await;
    let log = function.log();
    let lines: Vec<Value> = log.lines().map(|line| serde_json::from_str(line).unwrap()).collect();
    let line = lines.iter().find(|line| line["message"] == "request completed").unwrap_or_else(|| panic!("{log}"));
    assert_eq!(
        (&line["operation"], &line["outcome"]),
        (&"post_namespace_strategy_store_string_cache_key".into(), &"ok".into())
    );
    assert_eq!(line["aws_request_id"], REQUEST_ID, "{line}");
    assert!(!log.contains("_aws\""), "{log}");
}

#[tokio::test]
async fn an_unanswered_call_is_503_before_the_invocation_ends() {
    let bucket = silent_bucket().await;
    let mut function = Function::start(&[&KEY[..], &bucket.settings()].concat()).await;
    for event in ["07-store-string.json", "20-not-found.json"] {
        let (began, limit) = (Instant::now(), Duration::from_secs(2));
        let answer = function.invoke(&read(&folder("rest-api").join(event)), limit).await;
        assert_eq!((&answer["statusCode"], header(&answer, "retry-after")), (&503.into(), "1"), "{answer}");
        assert!(began.elapsed() < limit, "answered after {:?}", began.elapsed());
    }
    assert!(function.log().contains("no response before the request deadline"), "{}", function.log());
}

#[tokio::test]
async fn no_mutated_event_ends_in_a_function_error() {
    for folder_name in ["rest-api", "http-api", "function-url", "schedule"] {
        let mut function = Function::start(&SETTINGS).await;
        let events = events_in(&folder(folder_name));
        let mut refused = 0;
        for (seed, event) in Mutations::of(events, MUTATIONS).enumerate() {
            let answer = function.invoke(&event.to_string(), AMPLE).await;
            // Others are reports of a sweep.
            if let Some(status) = answer["statusCode"].as_u64() {
                assert!((200..500).contains(&status) || status == 501, "{folder_name}, seed {seed}: {answer}, {event}");
                refused += u64::from(status >= 400);
            }
        }
        assert!(refused > 0, "{folder_name}: the mutations change nothing");
        assert!(function.is_alive(), "{folder_name}: {}", function.log());
    }
}

/// Sends the events of a source in order, and compares the answers.
async fn check(source: EventSource) {
    let mut function = Function::start(&SETTINGS).await;
    let mut seen = Seen::default();
    for sample in samples() {
        let event = seen.fill_in(&read(&folder(source.folder()).join(file(&sample))));
        let answer = function.invoke(&event, AMPLE).await;
        sample.answer.check(&sample.name, &answer);
        seen.note(&answer);
    }
}

/// What earlier answers had, which later requests name.
#[derive(Default)]
struct Seen {
    /// `CACHE_ID`: the entry that was stored last.
    cache_id: String,
    /// `CONSOLE_BUILD`: the folder of the console's files.
    console_build: String,
    /// `LAST_ETAG`: the last ETag.
    etag: String,
}

impl Seen {
    fn fill_in(&self, event: &str) -> String {
        let etag = self.etag.replace('"', "\\\"");
        event
            .replace("CACHE_ID", &self.cache_id)
            .replace("CONSOLE_BUILD", &self.console_build)
            .replace("LAST_ETAG", &etag)
    }

    fn note(&mut self, answer: &Value) {
        let body = answer["body"].as_str().unwrap_or_default();
        let json = serde_json::from_str(body).unwrap_or(Value::Null);
        if let Some(id) = json["cache_id"].as_str() {
            id.clone_into(&mut self.cache_id);
        }
        let before = body.split_once("/app.js").map(|(before, _)| before);
        if let Some((_, build)) = before.and_then(|before| before.rsplit_once("assets/")) {
            build.clone_into(&mut self.console_build);
        }
        if let Some(etag) = find_header(answer, "etag") {
            etag.clone_into(&mut self.etag);
        }
    }
}

impl Answer {
    fn check(&self, name: &str, answer: &Value) {
        assert_eq!(answer["statusCode"], self.status, "{name}: {answer}");
        assert_eq!(find_header(answer, "content-type"), self.content_type.as_deref(), "{name}: {answer}");
        for (header_name, part) in &self.headers {
            assert!(header(answer, header_name).contains(part), "{name}: {header_name} in {answer}");
        }
        let is_binary = self.base64.is_some() || self.gzip_contains.is_some();
        assert_eq!(answer["isBase64Encoded"], is_binary, "{name}: {answer}");
        let body = answer["body"].as_str().unwrap_or_default();
        match (&self.contains, &self.base64, &self.gzip_contains) {
            (Some(part), None, None) => assert!(body.contains(part), "{name}: {answer}"),
            (None, Some(whole), None) => assert_eq!(body, whole, "{name}: {answer}"),
            (None, None, Some(part)) => assert!(inflated(body).contains(part), "{name}: {answer}"),
            (None, None, None) => assert_eq!(body, "", "{name}: {answer}"),
            _ => panic!("{name}: an answer has one sort of body"),
        }
    }
}

/// What `events/requests.json` lists.
fn samples() -> Vec<Sample> {
    serde_json::from_str(&read(&folder("requests.json"))).unwrap()
}

fn file(sample: &Sample) -> String {
    format!("{}.json", sample.name)
}

fn inflated(base64: &str) -> String {
    let mut text = String::new();
    GzDecoder::new(&BASE64_STANDARD.decode(base64).unwrap()[..]).read_to_string(&mut text).unwrap();
    text
}

/// A header of an answer.
fn header<'a>(answer: &'a Value, name: &str) -> &'a str {
    find_header(answer, name).unwrap_or_else(|| panic!("no header {name} in {answer}"))
}

/// A header of an answer, if it is there. Those to a REST API have lists of values, in a field of their own.
fn find_header<'a>(answer: &'a Value, name: &str) -> Option<&'a str> {
    answer["headers"][name].as_str().or_else(|| answer["multiValueHeaders"][name][0].as_str())
}

/// What is called so in `events/`.
fn folder(name: &str) -> PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR")).join("../events").join(name)
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
