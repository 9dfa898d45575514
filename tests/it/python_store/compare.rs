//! Compares our answers with those of the Python service, but for what is different on purpose.

use std::collections::BTreeSet;

use futures::stream::{self, StreamExt};
use serde_json::{Map, Value};

use super::writing::{Answer, Body, Recorded};
use crate::support::{Client, Request};

/// How long a cache id is.
const ID_CHARS: usize = 36;
/// How many differences are shown.
const MAX_SHOWN: usize = 10;

/// Asks for everything that was recorded, and panics with what differs.
pub async fn check_all(client: &Client, recorded: &Recorded) {
    let answers = recorded.answers.iter().map(|expected| async move {
        let reply = client.send(Request::get(&expected.path)).await;
        (expected, Answer::of(&expected.path, &reply))
    });
    let answers: Vec<(&Answer, Answer)> = stream::iter(answers).buffered(8).collect().await;
    let lost = without_content(&recorded.answers);
    let mut different = Vec::new();
    for (expected, actual) in &answers {
        let id = id_in(&expected.path);
        // What belongs to an entry without a content is left of it, and not shown here.
        if expected.path.split('/').any(|segment| lost.contains(segment)) {
            continue;
        }
        // The newest entry of a hash may share its files, too.
        let is_shared = id.is_none_or(|id| recorded.shared.contains(id));
        let (expected_part, actual_part) = (comparable(expected, is_shared), comparable(actual, is_shared));
        if expected_part != actual_part {
            different.push(format!("{}\n  expected {expected_part:?}\n  but got  {actual_part:?}", expected.path));
        }
    }
    let shown = different.iter().take(MAX_SHOWN).cloned().collect::<Vec<_>>().join("\n");
    assert!(different.is_empty(), "{} of {} answers differ:\n{shown}", different.len(), answers.len());
}

/// The cache id in a path.
fn id_in(path: &str) -> Option<&str> {
    path.split('/').find(|segment| segment.len() == ID_CHARS)
}

/// Ids and hashes of entries that exist, but cannot be retrieved: a delete of another one took their content with it.
fn without_content(answers: &[Answer]) -> BTreeSet<String> {
    let missing = answers.iter().filter(|answer| answer.status == 404 && answer.path.contains("/retrieve/"));
    let name = |answer: &Answer| match answer.path.split_once("/retrieve/hash/") {
        Some((_, hash)) => hash.split('/').next().map(ToOwned::to_owned),
        None => id_in(&answer.path).map(ToOwned::to_owned),
    };
    missing.filter_map(name).collect()
}

/// Status and body of an answer, without what is different on purpose.
fn comparable(answer: &Answer, is_shared: bool) -> (u16, Option<Body>) {
    if answer.status != 200 {
        // The texts of errors are ours.
        return (answer.status, None);
    }
    let body = match &answer.body {
        Body::Json(body) if answer.path.ends_with("/data/list") => Body::Json(children(body)),
        Body::Json(body) => Body::Json(reduce(body, is_shared)),
        Body::Text(_) | Body::Base64(_) => answer.body.clone(),
    };
    (answer.status, Some(body))
}

/// The children of a list, each once: the Python service lists every copy.
fn children(body: &Value) -> Value {
    let name = |child: &Value| {
        let part = |name: &str| child[name].as_str().unwrap_or_default().to_owned();
        format!("{}/{}.{}: {}", part("data_key"), part("data_file_id"), part("extension"), child["file_size"])
    };
    let names: BTreeSet<String> = body["files"].as_array().into_iter().flatten().map(name).collect();
    names.into_iter().collect()
}

/// A document without sizes that the Python service does not know, and texts that are ours. Of entries that share their files, the
/// Python service shows in part what the first one was, in part the last one; here each is what it was itself.
fn reduce(body: &Value, is_shared: bool) -> Value {
    let Value::Object(fields) = body else { return body.clone() };
    let mut fields = fields.clone();
    let (is_retrieved, is_file) = (fields.contains_key("metadata"), fields.contains_key("content__hash"));
    if is_retrieved {
        ["size", "message"].iter().for_each(|name| _ = fields.remove(*name));
    }
    if is_retrieved || is_file || fields.contains_key("content_size") || fields.contains_key("file_key") {
        without_owner(&mut fields, is_shared);
    }
    for name in ["metadata", "data"] {
        let inner = fields.get_mut(name).and_then(Value::as_object_mut);
        inner
            .filter(|_| is_retrieved && name == "metadata" || is_file)
            .into_iter()
            .for_each(|inner| without_owner(inner, is_shared));
    }
    if let Some(details) = fields.get_mut("details").and_then(Value::as_object_mut) {
        details.values_mut().for_each(|detail| *detail = reduce(detail, is_shared));
    }
    Value::Object(fields)
}

/// Removes what says whose files they are, if several entries have them.
fn without_owner(fields: &mut Map<String, Value>, is_shared: bool) {
    fields.remove("content_size");
    for name in ["cache_id", "cache_hash", "stored_at", "file_key"].iter().filter(|_| is_shared) {
        fields.remove(*name);
    }
}
