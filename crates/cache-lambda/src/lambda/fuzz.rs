//! Mutated events of every front door: whatever is in an event, it is answered, and never a function error.
//!
//! `make fuzz-events` runs more of them.

use std::fs;
use std::path::Path;

use serde_json::value::to_raw_value;
use serde_json::{Map, Value, json};

use super::*;
use crate::test_support::{App, keyed_config};

/// How many events a test mutates unless `EVENT_MUTATIONS` says otherwise.
const MUTATIONS: usize = 3_000;

/// Strings that something on the way may not expect.
const ODD: [&str; 26] = [
    "",
    " ",
    "a=b c",
    "a=%zz&b",
    "?",
    "\u{0}",
    "\u{7f}",
    "a\r\nb: c",
    "\t",
    "é",
    "\u{feff}",
    "日本",
    "🦀",
    "/",
    "//",
    "..",
    "/../..",
    "a b%",
    "[::1",
    "a:99999999",
    "https://x:y@z",
    "=",
    "; ;=;",
    "====",
    "*",
    "\"",
];

/// The events of this front door.
fn corpus(folder: &str) -> Vec<Value> {
    let folder = Path::new(env!("CARGO_MANIFEST_DIR")).join("../../events").join(folder);
    let mut files: Vec<_> = fs::read_dir(&folder).unwrap().map(|file| file.unwrap().path()).collect();
    files.sort();
    assert!(!files.is_empty(), "{folder:?}");
    files.iter().map(|file| serde_json::from_slice(&fs::read(file).unwrap()).unwrap()).collect()
}

/// Changes one place of an event.
fn mutate(value: &mut Value, rng: &mut fastrand::Rng) {
    let goes_deeper = rng.u8(..4) > 0;
    match value {
        Value::Object(fields) if goes_deeper && !fields.is_empty() => {
            let field = rng.choice(fields.keys().cloned().collect::<Vec<_>>()).unwrap();
            match rng.u8(..10) {
                0 => drop(fields.remove(&field)),
                1 => {
                    let value = fields.remove(&field).unwrap();
                    fields.insert(odd(rng), value);
                }
                2 => drop(fields.insert(field_name(rng), json!(odd(rng)))),
                _ => mutate(&mut fields[&field], rng),
            }
        }
        Value::Array(items) if goes_deeper && !items.is_empty() => {
            let place = rng.usize(..items.len());
            match rng.u8(..6) {
                0 => drop(items.remove(place)),
                1 => items.push(items[place].clone()),
                _ => mutate(&mut items[place], rng),
            }
        }
        Value::String(text) if rng.bool() => {
            let place = text.char_indices().map(|(at, _)| at).nth(rng.usize(..text.len() + 1)).unwrap_or(text.len());
            match rng.bool() {
                true => text.insert_str(place, &odd(rng)),
                false => text.truncate(place),
            }
        }
        other => {
            *other = match rng.u8(..9) {
                0 => Value::Null,
                1 => json!(rng.bool()),
                2 => json!(rng.i64(..)),
                3 => json!([odd(rng)]),
                4 => json!({odd(rng): odd(rng)}),
                5 => Value::Object(Map::new()),
                _ => json!(odd(rng)),
            }
        }
    }
}

fn odd(rng: &mut fastrand::Rng) -> String {
    match rng.u8(..12) {
        0 => "x".repeat(rng.usize(..20_000)),
        1 => std::iter::repeat_with(|| rng.char('\u{0}'..'\u{300}')).take(5).collect(),
        _ => ODD[rng.usize(..ODD.len())].to_owned(),
    }
}

fn field_name(rng: &mut fastrand::Rng) -> String {
    let names =
        ["cookie", "Cookie", "host", "content-type", "x-api-key", "origin", "range", "if-match", "x-forwarded-proto"];
    (*rng.choice(names).unwrap()).to_owned()
}

async fn check(folder: &str) {
    let mut config = keyed_config();
    config.in_lambda = true;
    let state = App::state_with(config);
    let app = app::app(state.clone());
    let events = corpus(folder);
    let count = std::env::var("EVENT_MUTATIONS").ok().map_or(MUTATIONS, |count| count.parse().unwrap());
    let mut refused = 0;
    for seed in 0..count as u64 {
        let mut rng = fastrand::Rng::with_seed(seed);
        let mut event = events[rng.usize(..events.len())].clone();
        for _ in 0..rng.u8(1..4) {
            mutate(&mut event, &mut rng);
        }
        let shown = || format!("{folder}, seed {seed}: {event}");
        let event_text = to_raw_value(&event).unwrap();
        let mut context = Context::default();
        context.deadline = state.now_ms() + 30_000;
        let reply = answer(state.clone(), app.clone(), LambdaEvent::new(event_text, context)).await;
        let reply = reply.unwrap_or_else(|error| panic!("{error}: {}", shown()));
        let reply = serde_json::to_value(&reply).unwrap_or_else(|error| panic!("{error}: {}", shown()));
        if reply.is_array() {
            // The report of a sweep: the event has become one that asks for it.
            continue;
        }
        let status = reply["statusCode"].as_u64().unwrap_or_else(|| panic!("no status: {reply}, {}", shown()));
        assert!((200..500).contains(&status) || status == 501, "{reply}: {}", shown());
        if status >= 400 {
            refused += 1;
            let body = reply["body"].as_str().unwrap_or_default();
            let is_head = event["httpMethod"] == "HEAD" || event["requestContext"]["http"]["method"] == "HEAD";
            let message = serde_json::from_str::<Value>(body).is_ok_and(|body| body["message"].is_string());
            assert!(message || is_head, "{reply}: {}", shown());
        }
    }
    assert!(refused * 20 > count, "only {refused} of {count} were refused: the mutations change nothing");
}

#[tokio::test]
async fn mutated_events_of_a_rest_api_are_answered() {
    check("rest-api").await;
}

#[tokio::test]
async fn mutated_events_of_an_http_api_are_answered() {
    check("http-api").await;
}

#[tokio::test]
async fn mutated_events_of_a_function_url_are_answered() {
    check("function-url").await;
}

#[tokio::test]
async fn mutated_schedules_are_answered() {
    check("schedule").await;
}
