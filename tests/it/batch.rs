//! Batch reads from end to end: each result says what a request for its entry alone says.

use base64::Engine;
use base64::prelude::BASE64_STANDARD;
use cache_testing::faulty_proxy::Network;
use serde_json::{Value, json};

use crate::support::{Client, Mode, Request, Server, say};

const NOBODY: &str = "00000000-0000-0000-0000-00000000dead";

async fn batch(client: &Client, verb: &str, items: &[Value]) -> Vec<Value> {
    let body = json!({"items": items}).to_string();
    let reply = client.send(Request::post(&format!("/many/{verb}/batch")).json(body)).await;
    assert_eq!(reply.status, 200, "{}", reply.text());
    let results = reply.json()["results"].as_array().unwrap().clone();
    assert_eq!(results.len(), items.len());
    results
}

fn statuses(results: &[Value]) -> Vec<u64> {
    results.iter().map(|result| result["status"].as_u64().unwrap()).collect()
}

/// Stores entries of all kinds and sizes, half of them under a key; returns them with an id that is not stored.
async fn items(client: &Client) -> Vec<Value> {
    let mut items = vec![json!({"cache_id": NOBODY})];
    for number in 0..50 {
        // Above 64 KiB a content lies in an object of its own.
        let text = format!("{number} ").repeat(if number % 10 == 0 { 30_000 } else { 3 });
        let request = Request::post(&format!("/many/key_based/store/string/k/{number}?file_id=f")).text(&text);
        items.push(json!({"cache_id": client.send(request).await.field("cache_id")}));
        items.push(json!({"strategy": "key_based", "cache_key": format!("k/{number}"), "file_id": "f"}));
        let document = Request::post("/many/direct/store/json").json(format!("{{\"n\":{number}.50}}"));
        items.push(json!({"cache_hash": client.send(document).await.field("cache_hash")}));
        let binary = Request::post("/many/temporal/store/binary").binary(vec![number, 0xff]);
        items.push(json!({"cache_id": client.send(binary).await.field("cache_id")}));
    }
    items
}

/// The path below which an entry is read alone.
fn path(item: &Value) -> String {
    let text = |name: &str| item[name].as_str().unwrap().to_owned();
    match (item.get("cache_id"), item.get("cache_hash")) {
        (Some(_), _) => format!("/many/retrieve/{}", text("cache_id")),
        (_, Some(_)) => format!("/many/retrieve/hash/{}", text("cache_hash")),
        _ => format!("/many/retrieve/key/{}/{}/{}", text("strategy"), text("cache_key"), text("file_id")),
    }
}

async fn check_as_alone(client: &Client, item: &Value, result: &Value) {
    let alone = client.send(Request::get(&path(item))).await;
    assert_eq!(result["status"], alone.status.as_u16(), "{item}: {result}");
    let alone = alone.json();
    if result["status"] != 200 {
        return assert_eq!(result["error"]["message"], alone["message"], "{item}");
    }
    assert_eq!((&result["metadata"], &result["data_type"]), (&alone["metadata"], &alone["data_type"]), "{item}");
    if result["data_type"] == "binary" {
        let bytes = client.send(Request::get(alone["binary_url"].as_str().unwrap())).await.body;
        assert_eq!(result["data"], BASE64_STANDARD.encode(bytes), "{item}");
    } else {
        assert_eq!(result["data"], alone["data"], "{item}");
    }
}

async fn check(mode: &Mode) {
    let (writer, reader) = (Server::start(mode).await, Server::start(mode).await);
    let items = items(&writer.client()).await;
    // Where the storage is shared, by a process that has nothing in memory.
    let client = if matches!(mode, Mode::S3 { .. }) { reader.client() } else { writer.client() };
    let (retrieved, exists) = (batch(&client, "retrieve", &items).await, batch(&client, "exists", &items).await);
    assert_eq!(statuses(&retrieved), statuses(&exists));
    for ((item, result), exists) in items.iter().zip(&retrieved).zip(&exists) {
        check_as_alone(&client, item, result).await;
        assert_eq!(exists["exists"], result["status"] == 200, "{item}");
        for field in ["metadata", "sha256", "data_type"] {
            assert_eq!(exists[field], result[field], "{item}");
        }
    }
}

#[tokio::test]
async fn a_batch_says_of_each_entry_what_a_request_for_it_says_in_memory() {
    check(&Mode::Memory).await;
}

#[tokio::test]
async fn a_batch_says_of_each_entry_what_a_request_for_it_says_elsewhere() {
    for mode in [Mode::sqlite(), Mode::zip()].into_iter().flatten() {
        check(&mode).await;
    }
}

#[tokio::test]
async fn a_batch_says_of_each_entry_what_a_request_for_it_says_on_s3() {
    let Some(mode) = Mode::s3("batches").await else { return say("not run: no S3 look-alike is set up") };
    check(&mode).await;
}

#[tokio::test]
async fn an_s3_that_fails_is_503_for_each_item_and_never_a_miss() {
    let Some((mode, proxy)) = Mode::s3_behind_proxy("batches-busy", 1).await else { return };
    let (server, writer) = (Server::start(&mode).await, Server::start(&mode).await);
    let items = items(&writer.client()).await;
    proxy.set(Network { refused: 1.0, ..Network::default() });
    for verb in ["retrieve", "exists"] {
        let results = batch(&server.client(), verb, &items).await;
        assert!(results.iter().all(|result| result["status"] == 503 && result.get("exists").is_none()), "{results:?}");
    }
    proxy.set(Network::default());
    let statuses = statuses(&batch(&server.client(), "exists", &items).await);
    assert_eq!((statuses[0], &statuses[1..]), (404, &[200; 200][..]));
}
