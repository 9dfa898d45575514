//! `/openapi.json` as the client sees it.

use std::collections::BTreeSet;

use mgraph_cache_client::operations::{CALLED, LEFT_OUT};
use mgraph_cache_client::testing::in_memory;

#[tokio::test]
async fn each_operation_is_called_or_left_out_with_a_reason() {
    let document = in_memory().unwrap().info().openapi().await.unwrap();
    let mut described = BTreeSet::new();
    for (path, operations) in document["paths"].as_object().unwrap() {
        described.extend(operations.as_object().unwrap().keys().map(|verb| format!("{} {path}", verb.to_uppercase())));
    }
    let called: Vec<String> = CALLED.iter().map(ToString::to_string).collect();
    let left_out: Vec<String> = LEFT_OUT.iter().map(|(method, path, _)| format!("{method} {path}")).collect();
    let known: BTreeSet<String> = called.iter().chain(&left_out).cloned().collect();
    assert_eq!(known.len(), called.len() + left_out.len(), "an operation is listed twice");
    let difference: Vec<&String> = described.symmetric_difference(&known).collect();
    assert!(difference.is_empty(), "in only one of /openapi.json and the client: {difference:#?}");
    assert!(LEFT_OUT.iter().all(|(_, _, why)| !why.is_empty()));
}

/// The health check of the Python client 0.3.0 compares them.
#[tokio::test]
async fn the_top_level_keys_of_the_description_are_these_four() {
    let document = in_memory().unwrap().info().openapi().await.unwrap();
    let mut keys: Vec<&String> = document.as_object().unwrap().keys().collect();
    keys.sort();
    assert_eq!(keys, ["components", "info", "openapi", "paths"]);
}
