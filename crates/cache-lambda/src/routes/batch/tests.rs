use std::sync::Arc;
use std::time::Duration;

use cache_core::storage::{GetOptions, PutMode, Storage};
use cache_storage::memory::Memory;
use cache_storage::operation::StorageOp;
use cache_storage::system::OsRng;
use cache_testing::fault_injection::{Fault, FaultInjectingStorage};
use cache_testing::manual_clock::ManualClock;
use serde_json::{Value, json};

use super::results::MAX_FAILED_BYTES;
use crate::app;
use crate::redirect::MAX_RESPONSE_BYTES;
use crate::state::Service;
use crate::test_support::{Answer, App, Call, config, gzipped};

const NOBODY: &str = "00000000-0000-0000-0000-00000000dead";
const RETRIEVE: &str = "/ns/retrieve/batch";
const EXISTS: &str = "/ns/exists/batch";

async fn send(app: &App, path: &str, body: &Value) -> Answer {
    app.send(Call::post_json(path, body.to_string())).await
}

/// The results for these items.
async fn read(app: &App, path: &str, items: Value) -> Vec<Value> {
    let answer = send(app, path, &json!({"items": items})).await;
    assert_eq!(answer.status, 200, "{}", answer.text());
    assert!(answer.body.len() as u64 <= MAX_RESPONSE_BYTES, "{}", answer.body.len());
    answer.json()["results"].as_array().unwrap().clone()
}

async fn statuses(app: &App, path: &str, items: Value) -> Vec<u64> {
    read(app, path, items).await.iter().map(|result| result["status"].as_u64().unwrap()).collect()
}

/// Stores a content and returns its id.
async fn stored(app: &App, call: Call) -> String {
    app.json(call).await["cache_id"].as_str().unwrap().to_owned()
}

async fn stored_text(app: &App, text: impl Into<String>) -> String {
    stored(app, Call::post("/ns/direct/store/string", text.into())).await
}

fn by_id(id: &str) -> Value {
    json!({"cache_id": id})
}

#[tokio::test]
async fn results_come_in_order_each_with_its_own_status() {
    let app = App::new();
    let id = stored_text(&app, "hello").await;
    let key = "/ns/key_based/store/json/a/b?file_id=f";
    for document in ["{\"v\": 1.50}", "{\"v\": 2}"] {
        app.json(Call::post_json(key, document)).await;
    }
    let key = json!({"strategy": "key_based", "cache_key": "a/b", "file_id": "f"});
    let mut first = key.clone();
    first["version"] = json!(1.0);
    let hash = "2cf24dba5fb0a30e";
    let items = json!([key, by_id(NOBODY), by_id(&id), first, {"cache_hash": hash}, {"cache_hash": hash, "version": 2},
        by_id(&format!("{hash}-v1"))]);
    let results = read(&app, RETRIEVE, items.clone()).await;
    let shown: Vec<_> = results.iter().map(|result| (&result["status"], &result["data"])).collect();
    let (ok, missing, none) = (&json!(200), &json!(404), &json!(null));
    let hello = &json!("hello");
    assert_eq!(
        shown,
        [
            (ok, &json!({"v": 2})),
            (missing, none),
            (ok, hello),
            (ok, &json!({"v": 1.5})),
            (ok, hello),
            (missing, none),
            (ok, hello)
        ]
    );
    let exists = read(&app, EXISTS, items).await;
    let shown: Vec<_> = exists.iter().map(|result| result["exists"].as_bool().unwrap()).collect();
    assert_eq!(shown, [true, false, true, true, true, false, true]);
    assert_eq!(exists[1]["error"]["message"], format!("there is no entry with cache_id {NOBODY} in namespace ns"));
    assert_eq!(results[1], json!({"status": 404, "error": exists[1]["error"]}));
}

#[tokio::test]
async fn a_result_shows_what_a_retrieve_alone_shows() {
    let app = App::new();
    let id = stored_text(&app, "hello").await;
    let mut alone = app.json(Call::get(&format!("/ns/retrieve/{id}"))).await;
    alone["status"] = json!(200);
    alone["version"] = json!(1);
    alone["sha256"] = json!("2cf24dba5fb0a30e26e83b2ac5b9e29e1b161e5c1fa7425e73043362938b9824");
    assert_eq!(read(&app, RETRIEVE, json!([by_id(&id)])).await, [alone.clone()]);
    let fields = alone.as_object_mut().unwrap();
    fields.retain(|name, _| name != "data");
    fields.insert("exists".to_owned(), json!(true));
    assert_eq!(read(&app, EXISTS, json!([by_id(&id)])).await, [alone]);
}

#[tokio::test]
async fn bytes_are_shown_in_base64_without_their_gzip_encoding() {
    let app = App::new();
    let gzip =
        |content: &[u8]| Call::post("/ns/direct/store/binary", gzipped(content)).header("content-encoding", "gzip");
    let ids = [
        stored(&app, Call::post("/ns/direct/store/binary", &b"\x00\xff"[..])).await,
        stored(&app, gzip(b"\x00\xff")).await,
        stored(&app, gzip(b"{ \"a\": 1 }")).await,
    ];
    let results = read(&app, RETRIEVE, json!(ids.each_ref().map(|id| by_id(id)))).await;
    let shown: Vec<_> = results.iter().map(|it| [&it["data_type"], &it["encoding"], &it["data"]]).collect();
    let bytes = [&json!("binary"), &json!("base64"), &json!("AP8=")];
    assert_eq!(shown, [bytes, bytes, [&json!("json"), &json!(null), &json!({"a": 1})]]);
}

#[tokio::test]
async fn numbers_and_the_order_of_keys_are_kept() {
    let app = App::new();
    let id = stored(&app, Call::post_json("/ns/direct/store/json", "{ \"b\": 1.50, \"a\": 2 }")).await;
    let answer = send(&app, RETRIEVE, &json!({"items": [by_id(&id)]})).await;
    assert!(
        answer.text().starts_with("{\"results\":[{\"status\":200,\"data\":{\"b\":1.50,\"a\":2},"),
        "{}",
        answer.text()
    );
    assert_eq!(answer.header("content-type"), Some("application/json"));
}

#[tokio::test]
async fn a_batch_of_nothing_has_no_results() {
    for path in [RETRIEVE, EXISTS] {
        assert_eq!(send(&App::new(), path, &json!({"items": []})).await.text(), "{\"results\":[]}");
    }
}

#[tokio::test]
async fn a_batch_has_1000_items_and_no_more() {
    let app = App::new();
    let id = stored_text(&app, "hello").await;
    for path in [RETRIEVE, EXISTS] {
        assert_eq!(statuses(&app, path, json!(vec![by_id(&id); 1000])).await, [200; 1000]);
        let answer = send(&app, path, &json!({"items": vec![by_id(&id); 1001]})).await;
        assert_eq!(answer.status, 400);
        assert!(answer.text().contains("items has 1001 items, and the limit is 1000: send"), "{}", answer.text());
    }
}

/// That a body is refused, and that the error says where it is wrong and what to do.
async fn check_refused(body: Value, loc: Value, message: &str) {
    for path in [RETRIEVE, EXISTS] {
        let answer = send(&App::new(), path, &body).await;
        assert_eq!(answer.status, 400, "{body}");
        let said = answer.json();
        assert_eq!(said["detail"][0]["loc"], loc, "{said}");
        assert!(said["message"].as_str().unwrap().starts_with(message), "{said}");
    }
}

#[tokio::test]
async fn an_item_that_names_no_entry_is_400_and_says_which() {
    let key = |more: Value| {
        let mut item = json!({"strategy": "direct", "cache_key": "k", "file_id": "f"});
        item.as_object_mut().unwrap().extend(more.as_object().unwrap().clone());
        item
    };
    for (item, field, message) in [
        (json!("id"), None, "items[1] should be an object that names an entry by cache_id, cache_hash, or"),
        (json!({}), None, "items[1] names no entry: it needs cache_id, cache_hash, or strategy with"),
        (json!({"cache_id": null}), None, "items[1] names no entry"),
        (json!({"cache_id": NOBODY, "cache_hash": "0123456789"}), None, "items[1] names an entry by cache_id and by"),
        (json!({"cache_id": "nope"}), Some("cache_id"), "items[1].cache_id "),
        (json!({"cache_id": 7}), Some("cache_id"), "items[1].cache_id should be a string"),
        (json!({"cache_id": NOBODY, "version": 1}), Some("version"), "items[1].version does not go with cache_id: its"),
        (
            json!({"cache_id": NOBODY, "revision": null}),
            Some("revision"),
            "items[1].revision does not go with cache_id",
        ),
        (json!({"cache_hash": "XYZ"}), Some("cache_hash"), "items[1].cache_hash "),
        (
            json!({"cache_hash": "0123456789", "version": 0}),
            Some("version"),
            "items[1].version should be a whole number",
        ),
        (
            json!({"cache_hash": "0123456789", "version": 1.5}),
            Some("version"),
            "items[1].version should be a whole number",
        ),
        (
            json!({"cache_hash": "0123456789", "version": "1"}),
            Some("version"),
            "items[1].version should be a whole number",
        ),
        (json!({"cache_hash": "0123456789", "file_id": "f"}), Some("file_id"), "items[1].file_id does not go with"),
        (key(json!({"strategy": null})), Some("strategy"), "items[1].strategy is required"),
        (key(json!({"strategy": "weekly"})), Some("strategy"), "items[1].strategy should be one of direct, temporal,"),
        (key(json!({"file_id": null})), Some("file_id"), "items[1].file_id is required"),
        (key(json!({"cache_key": "a/../b"})), Some("cache_key"), "items[1].cache_key must not have"),
    ] {
        let loc = field.map_or(json!(["body", "items", 1]), |field| json!(["body", "items", 1, field]));
        check_refused(json!({"items": [by_id(NOBODY), item]}), loc, message).await;
    }
}

#[tokio::test]
async fn a_body_without_a_list_of_items_is_400() {
    check_refused(json!({}), json!(["body", "items"]), "items is required").await;
    check_refused(json!({"items": {}}), json!(["body", "items"]), "items should be a list").await;
    check_refused(json!({"items": [], "limit": 1}), json!(["body", "limit"]), "limit is not known here").await;
    check_refused(json!([]), json!(["body"]), "the body should be a JSON object").await;
}

#[tokio::test]
async fn names_are_sanitized_or_refused_as_everywhere() {
    let item = json!([{"strategy": "direct", "cache_key": "a:b", "file_id": "f"}]);
    let (lenient, strict) = (App::new(), App::with(crate::config::Config { strict_names: true, ..config() }));
    lenient.json(Call::post("/ns/direct/store/string/a_b?file_id=f", "x")).await;
    assert_eq!(statuses(&lenient, RETRIEVE, item.clone()).await, [200]);
    let answer = send(&strict, RETRIEVE, &json!({"items": item})).await;
    assert_eq!(answer.status, 400);
    assert!(answer.text().contains("items[0].cache_key has characters that are not allowed"), "{}", answer.text());
}

#[tokio::test]
async fn a_body_above_a_mebibyte_is_413() {
    let answer = App::new().send(Call::post_json(RETRIEVE, vec![b' '; 1024 * 1024 + 1])).await;
    assert_eq!(answer.status, 413);
    assert!(answer.text().contains("the limit of 1048576 bytes"), "{}", answer.text());
}

#[tokio::test]
async fn an_expired_entry_is_a_miss_at_once() {
    let clock = Arc::new(ManualClock::default());
    let storage = Arc::new(Memory::new(clock.clone()));
    let app = App::around(app::app(Service::new(storage, clock.clone(), Arc::new(OsRng), config())));
    let id = stored(&app, Call::post("/ns/direct/store/string?ttl_seconds=60", "hello")).await;
    let lasting = stored_text(&app, "lasting").await;
    let items = json!([by_id(&id), by_id(&lasting)]);
    clock.advance(Duration::from_millis(59_999));
    let results = read(&app, RETRIEVE, items.clone()).await;
    let metadata = &results[0]["metadata"];
    let life = metadata["expires_at"].as_u64().unwrap() - metadata["stored_at"].as_u64().unwrap();
    assert_eq!((&results[0]["status"], life), (&json!(200), 60_000));
    clock.advance(Duration::from_millis(1));
    for path in [RETRIEVE, EXISTS] {
        assert_eq!(statuses(&app, path, items.clone()).await, [404, 200]);
    }
}

#[tokio::test]
async fn a_storage_that_fails_for_one_item_is_503_for_that_item_alone() {
    let storage = Arc::new(FaultInjectingStorage::new(Arc::new(Memory::default())));
    let app = App::over(storage.clone(), config());
    let mut items = Vec::new();
    for text in ["a", "hello", "b"] {
        items.push(by_id(&stored_text(&app, text).await));
    }
    for path in [RETRIEVE, EXISTS] {
        storage.once(StorageOp::Get, "2cf24dba5fb0a30e", Fault::Lost);
        let results = read(&app, path, json!(items)).await;
        assert_eq!(results.iter().map(|result| &result["status"]).collect::<Vec<_>>(), [200, 503, 200]);
        assert_eq!(
            results[1],
            json!({"status": 503, "error": {"message": "storage is temporarily unavailable; retry later"}})
        );
    }
}

#[tokio::test]
async fn a_damaged_entry_is_500_without_internals() {
    let storage = Arc::new(Memory::default());
    let app = App::over(storage.clone(), config());
    let ids = [stored_text(&app, "hello").await, stored_text(&app, "b").await];
    let key = "ns/refs/by-hash/2c/f2/2cf24dba5fb0a30e".parse().unwrap();
    assert!(storage.get(&key, &GetOptions::default()).await.unwrap().is_some());
    storage.put(&key, "nonsense".into(), PutMode::Overwrite).await.unwrap();
    let results = read(&app, RETRIEVE, json!(ids.each_ref().map(|id| by_id(id)))).await;
    assert_eq!(results.iter().map(|result| &result["status"]).collect::<Vec<_>>(), [500, 200]);
    assert!(!results[0].to_string().contains("by-hash"), "{}", results[0]);
}

#[tokio::test]
async fn a_content_that_does_not_fit_is_413_and_leads_to_it_alone() {
    let app = App::new();
    let (large, small) = ("x".repeat(3_000_000), "y".repeat(600_000));
    let ids = [stored_text(&app, large).await, stored_text(&app, small).await];
    let items = json!([by_id(&ids[1]), by_id(&ids[0]), by_id(&ids[0]), by_id(NOBODY), by_id(&ids[1])]);
    let results = read(&app, RETRIEVE, items.clone()).await;
    assert_eq!(results.iter().map(|it| it["status"].as_u64().unwrap()).collect::<Vec<_>>(), [200, 200, 413, 404, 413]);
    let message = results[2]["error"]["message"].as_str().unwrap();
    let path = message.rsplit_once("GET ").unwrap().1;
    assert!(message.starts_with("the content has 3000000 bytes and does not fit into this answer"), "{message}");
    assert_eq!(app.get(path).await.body.len(), 3_000_000, "{path}");
    assert_eq!(statuses(&app, EXISTS, items).await, [200, 200, 200, 404, 200], "no content, no limit");
}

#[tokio::test]
async fn a_content_above_4_000_000_bytes_fits_in_no_batch() {
    let app = App::new();
    let id = stored_text(&app, "x".repeat(4_000_000)).await;
    assert_eq!(statuses(&app, RETRIEVE, json!([by_id(&id)])).await, [413], "it and its metadata");
}

#[tokio::test]
async fn what_grows_within_json_has_to_fit_as_it_is_written() {
    let app = App::new();
    let text = stored_text(&app, "\"".repeat(1_990_000)).await;
    let bytes = stored(&app, Call::post("/ns/direct/store/binary", vec![0xff; 3_100_000])).await;
    assert_eq!(statuses(&app, RETRIEVE, json!([by_id(&text), by_id(&bytes)])).await, [200, 413]);
    assert_eq!(statuses(&app, RETRIEVE, json!([by_id(&bytes)])).await, [413]);
}

#[tokio::test]
async fn contents_above_their_share_are_read_all_the_same() {
    let app = App::new();
    let large = stored_text(&app, "x".repeat(1_000_000)).await;
    let small = stored_text(&app, "small").await;
    let mut items = vec![by_id(&small); 999];
    items.insert(500, by_id(&large));
    let results = read(&app, RETRIEVE, json!(items)).await;
    assert!(results.iter().all(|result| result["status"] == 200));
    assert_eq!(results[500]["data"].as_str().unwrap().len(), 1_000_000);
}

#[tokio::test]
async fn gzip_bytes_that_inflate_beyond_the_answer_are_413() {
    let app = App::new();
    let gzip = async |size: usize| {
        let call = Call::post("/ns/direct/store/binary", gzipped(&vec![0; size]));
        stored(&app, call.header("content-encoding", "gzip")).await
    };
    let (bomb, small) = (gzip(20_000_000).await, gzip(1_000).await);
    assert_eq!(statuses(&app, RETRIEVE, json!([by_id(&bomb), by_id(&small)])).await, [413, 200]);
    let mut items = vec![by_id(&bomb); 10];
    items.push(by_id(&small));
    assert_eq!(statuses(&app, RETRIEVE, json!(items)).await, [413; 11], "inflating takes time");
}

#[tokio::test]
async fn the_longest_result_without_a_content_fits_its_place() {
    let (namespace, key, file_id) = ("n".repeat(128), "k".repeat(1000), "f".repeat(128));
    let item = json!({"strategy": "temporal_versioned", "cache_key": key, "file_id": file_id, "version": u64::MAX});
    let body = json!({"items": vec![item; 800]});
    for verb in ["retrieve", "exists"] {
        let answer = send(&App::new(), &format!("/{namespace}/{verb}/batch"), &body).await;
        assert_eq!(answer.status, 200, "{}", answer.text());
        assert!(answer.body.len() < 800 * MAX_FAILED_BYTES, "{}", answer.body.len());
    }
}

#[tokio::test]
async fn only_post_is_served() {
    for path in [RETRIEVE, EXISTS] {
        assert_eq!(App::new().get(path).await.header("allow"), Some("POST"));
    }
}

#[tokio::test]
async fn room_is_kept_for_every_item_that_follows() {
    let app = App::new();
    let large = stored_text(&app, "x".repeat(3_900_000)).await;
    let mut items = vec![by_id(NOBODY); 999];
    items.insert(0, by_id(&large));
    let statuses = statuses(&app, RETRIEVE, json!(items)).await;
    assert_eq!((statuses[0], &statuses[1..]), (413, &[404; 999][..]));
}

/// The results of a batch are described as one of several types. `make fuzz-api` checks answers against them.
#[test]
fn no_result_fits_two_descriptions() {
    let document = serde_json::to_value(crate::openapi::document(
        &crate::config::auth::Auth::Disabled,
        crate::routes::routes().operations(),
    ))
    .unwrap();
    let schema = |name: &str| document["components"]["schemas"][name].clone();
    assert_eq!(schema("ItemFailed")["additionalProperties"], false, "or a miss would fit it as well");
    for (name, pattern) in [("RetrievedData", "^(json|string)$"), ("RetrievedBinary", "^binary$")] {
        assert!(schema(name).to_string().contains(&json!(pattern).to_string()), "{}", schema(name));
    }
}
