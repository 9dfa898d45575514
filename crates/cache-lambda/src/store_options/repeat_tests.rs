//! Repeats with one `Idempotency-Key`, on every route that stores.

use std::sync::Arc;
use std::time::Duration;

use cache_core::storage::Storage;
use cache_storage::memory::Memory;
use cache_storage::operation::StorageOp;
use cache_storage::system::OsRng;
use cache_testing::fault_injection::{Fault, FaultInjectingStorage};
use cache_testing::manual_clock::ManualClock;
use futures::future::join_all;
use http::Method;
use serde_json::{Value, json};

use crate::app;
use crate::state::Service;
use crate::test_support::{App, Call, config};

const SHA256: &str = "2cf24dba5fb0a30e26e83b2ac5b9e29e1b161e5c1fa7425e73043362938b9824";

/// Several processes on one storage, with one clock.
struct World {
    clock: Arc<ManualClock>,
    storage: Arc<Memory>,
}

impl World {
    fn new() -> Self {
        let clock = Arc::new(ManualClock::default());
        Self { storage: Arc::new(Memory::new(clock.clone())), clock }
    }

    fn process(&self) -> App {
        self.process_over(self.storage.clone())
    }

    fn process_over(&self, storage: Arc<dyn Storage>) -> App {
        App::around(app::app(Service::new(storage, self.clock.clone(), Arc::new(OsRng), config())))
    }

    /// Entries to change, by their ids: a text, and an archive with the member `a`.
    async fn entries(&self) -> (String, String) {
        let app = self.process();
        let text = app.json(Call::post("/ns/key_based/store/string/a/b?file_id=f", "text")).await;
        let empty = app.json(Call::post("/ns/direct/zip/create/k/f", "")).await;
        let path = format!("/ns/zip/{}/file/add/from/string/a", field(&empty, "cache_id"));
        let archive = app.json(Call::post(&path, "a")).await;
        (field(&text, "cache_id"), field(&archive, "cache_id"))
    }
}

fn field(answer: &Value, name: &str) -> String {
    answer[name].as_str().unwrap_or_else(|| panic!("no {name} in {answer}")).to_owned()
}

fn with_key(call: Call, key: &str) -> Call {
    call.header("idempotency-key", key)
}

/// A request to each route that makes something new.
fn requests(text: &str, archive: &str) -> Vec<(Method, String, Value)> {
    let upload = json!({"data_type": "string", "sha256": SHA256, "size": 5});
    let edits = json!({"operations": [{"action": "add", "path": "c", "content": "x"}]});
    let post = |path: &str, body: Value| (Method::POST, path.replace("TEXT", text).replace("ARCHIVE", archive), body);
    vec![
        post("/ns/direct/store/string", json!("hello")),
        post("/ns/temporal/store/string/k?file_id=f", json!("hello")),
        post("/ns/direct/store/json", json!({"a": 1})),
        post("/ns/key_based/store/json/k?file_id=f&json_field_path=a", json!({"a": 1})),
        post("/ns/direct/store/binary", json!("hello")),
        post("/ns/temporal_latest/store/binary/k", json!("hello")),
        post("/ns/direct/zip/create/new/f", json!("")),
        post("/ns/zip/ARCHIVE/file/add/from/bytes/b", json!("b")),
        post("/ns/zip/ARCHIVE/file/add/from/string/b", json!("other")),
        (Method::DELETE, format!("/ns/zip/{archive}/file/delete/a"), json!(null)),
        post("/ns/zip/ARCHIVE/batch/operations", edits),
        post("/ns/rollback/key/key_based/a/b/f?version=1", json!(null)),
        post("/ns/update/TEXT/string", json!("new")),
        post("/ns/update/TEXT/json", json!({"new": true})),
        post("/ns/cache/TEXT/data/store/string", json!("child")),
        post("/ns/cache/TEXT/data/store/json", json!({"child": true})),
        post("/ns/cache/TEXT/data/store/binary", json!("child")),
        post("/ns/direct/upload", upload),
    ]
}

fn call((method, path, body): &(Method, String, Value)) -> Call {
    Call::post_json(path, body.to_string()).method(method.clone())
}

/// What an answer says was made.
fn made(answer: &Value) -> Vec<&Value> {
    let names = ["cache_id", "version", "key_version", "revision", "file_id", "upload_id"];
    names.iter().map(|name| &answer[name]).collect()
}

#[tokio::test]
async fn a_repeat_on_any_route_makes_nothing_new() {
    let world = World::new();
    let (text, archive) = world.entries().await;
    for request in requests(&text, &archive) {
        let repeat = async |key| world.process().json(with_key(call(&request), key)).await;
        let (first, again, other) = (repeat("k").await, repeat("k").await, repeat("l").await);
        assert_eq!(made(&again), made(&first), "{request:?}");
        assert_ne!(made(&other), made(&first), "another request: {request:?}");
    }
}

#[tokio::test]
async fn a_malformed_key_is_400_on_any_route() {
    let world = World::new();
    let (text, archive) = world.entries().await;
    let app = world.process();
    let complete = (Method::POST, "/ns/direct/upload/complete".to_owned(), json!({}));
    for request in requests(&text, &archive).into_iter().chain([complete]) {
        for key in ["", "a b", "é", &"k".repeat(256)] {
            let answer = app.send(with_key(call(&request), key)).await;
            assert_eq!(answer.status, 400, "{request:?}");
            assert!(answer.text().contains("Idempotency-Key must have 1 to 255"), "{}", answer.text());
        }
    }
    let read = Call::get(&format!("/ns/zip/{archive}/files/list"));
    assert_eq!(app.send(with_key(read, "")).await.status, 200, "a read ignores it");
}

#[tokio::test]
async fn a_repeat_within_the_hour_is_the_same_entry() {
    let world = World::new();
    let store = async || world.process().json(with_key(Call::post("/ns/direct/store/string", "hello"), "k")).await;
    let first = store().await;
    world.clock.advance(Duration::from_secs(3600));
    assert_eq!(made(&store().await), made(&first));
}

#[tokio::test]
async fn a_key_is_for_one_content_in_one_namespace() {
    let app = World::new().process();
    let mut ids = Vec::new();
    for (namespace, content) in [("ns", "hello"), ("ns", "bye"), ("other", "hello")] {
        let store = Call::post(&format!("/{namespace}/direct/store/string"), content);
        ids.push(field(&app.json(with_key(store, "k")).await, "cache_id"));
    }
    let all = async |namespace: &str| app.json(Call::get(&format!("/{namespace}/file-ids"))).await;
    assert_eq!(all("ns").await.as_array().unwrap().len(), 2);
    assert_eq!(all("other").await, json!([ids[2]]));
}

#[tokio::test]
async fn repeats_at_the_same_time_are_one_entry() {
    let world = World::new();
    let processes = [world.process(), world.process()];
    let store = || with_key(Call::post("/ns/key_based/store/string/a/b?file_id=f", "hello"), "k");
    let stored = join_all((0..16).map(|n| processes[n % 2].json(store()))).await;
    stored.iter().for_each(|answer| assert_eq!(made(answer), made(&stored[0])));
    assert_eq!(processes[0].json(Call::get("/ns/file-ids")).await.as_array().unwrap().len(), 1);
}

#[tokio::test]
async fn a_repeat_after_a_lost_reply_is_what_was_stored() {
    let world = World::new();
    let faults = Arc::new(FaultInjectingStorage::new(world.storage.clone()));
    let store = || with_key(Call::post("/ns/direct/store/string", "hello"), "k");
    let app = world.process_over(faults.clone());
    app.json(Call::get("/ns/settings")).await;
    faults.once(StorageOp::Put, "refs/by-hash", Fault::ResponseLost);
    for _ in 0..100 {
        faults.once(StorageOp::Get, "refs/by-hash", Fault::Lost);
    }
    assert_eq!(app.send(store()).await.status, 503, "it was stored, and nobody knows");
    let repeated = world.process().json(store()).await;
    assert_eq!(repeated["version"], 1);
    assert_eq!(world.process().json(Call::get("/ns/file-ids")).await, json!([repeated["cache_id"]]));
}
