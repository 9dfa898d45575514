//! Mutated events of every front door: whatever is in an event, it is answered, and never a function error.
//!
//! `make fuzz-events` runs more of them.

use std::path::Path;

use cache_testing::event_mutations::{Mutations, events_in};
use serde_json::Value;
use serde_json::value::to_raw_value;

use super::*;
use crate::test_support::{App, keyed_config};

/// How many events a test mutates unless `EVENT_MUTATIONS` says otherwise.
const MUTATIONS: u64 = 3_000;

async fn check(folder: &str) {
    let mut config = keyed_config();
    config.in_lambda = true;
    let state = App::state_with(config);
    let app = app::app(state.clone());
    let events = events_in(&Path::new(env!("CARGO_MANIFEST_DIR")).join("../../events").join(folder));
    let mutations = Mutations::of(events, MUTATIONS);
    let (count, mut refused) = (mutations.len(), 0);
    for (seed, event) in mutations.enumerate() {
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
