use std::sync::Arc;
use std::time::Duration;

use axum::body::Body;
use cache_core::storage::Storage;
use cache_storage::memory::Memory;
use cache_storage::operation::StorageOp;
use cache_storage::system::{OsRng, SystemClock};
use cache_testing::fault_injection::{Fault, FaultInjectingStorage};
use cache_testing::manual_clock::ManualClock;
use cache_testing::recording::RecordingStorage;
use http::{Method, Request};
use http_body_util::BodyExt;
use serde_json::json;
use tower::ServiceExt;

use crate::app;
use crate::state::Service;
use crate::test_support::{Answer, App, Call, KEY, keyed_config};

const PERMISSIONS: [&str; 5] = ["read", "create", "write", "delete", "manage"];

fn with(call: Call, key: &str) -> Call {
    call.header(KEY.0, key)
}

async fn key(app: &App, namespace: &str, permissions: &[&str]) -> String {
    let body = json!({"name": "k", "grants": [{"namespaces": [namespace], "permissions": permissions}]});
    let made = app.json(with(Call::post_json("/keys", body.to_string()), KEY.1)).await;
    made["key"].as_str().unwrap().to_owned()
}

/// An application over this storage, whose memory of keys is empty.
fn over(storage: Arc<dyn Storage>) -> App {
    App::around(app::app(Service::new(storage, Arc::new(SystemClock), Arc::new(OsRng), keyed_config())))
}

#[track_caller]
fn check(answer: &Answer, status: u16, contains: &str) {
    assert_eq!(answer.status.as_u16(), status, "{}", answer.text());
    assert!(answer.text().contains(contains), "{}", answer.text());
}

#[tokio::test]
async fn each_permission_allows_its_operations_and_the_others_are_403_that_names_it() {
    let app = App::with(keyed_config());
    let stored = app.json(with(Call::post("/ns/direct/store/string", "hello"), KEY.1)).await;
    let id = stored["cache_id"].as_str().unwrap();
    let calls = || {
        [
            ("read", Call::get(&format!("/ns/retrieve/{id}"))),
            ("read", Call::post_json("/ns/exists/batch", json!({"items": [{"cache_id": id}]}).to_string())),
            ("read", Call::get("/ns/settings")),
            ("create", Call::post("/ns/direct/store/string", "other")),
            ("write", Call::post(&format!("/ns/update/{id}/string"), "changed")),
            ("write", Call::post(&format!("/ns/cache/{id}/data/store/string/c"), "child")),
            ("delete", Call::new(Method::DELETE, &format!("/ns/cache/{id}/data/delete/all"))),
            ("manage", Call::get("/admin/storage/files/all/ns")),
            ("manage", Call::new(Method::PUT, "/ns/settings").body("{}").header("content-type", "application/json")),
        ]
    };
    for permission in PERMISSIONS {
        let key = key(&app, "ns", &[permission]).await;
        for (needed, call) in calls() {
            let is_allowed = needed == permission || (needed, permission) == ("create", "write");
            let answer = app.send(with(call, &key)).await;
            match is_allowed {
                true => assert_eq!(answer.status, 200, "{permission} for {needed}: {}", answer.text()),
                false => check(&answer, 403, &format!("no permission '{needed}' on namespace 'ns'")),
            }
        }
    }
}

#[tokio::test]
async fn to_a_key_without_permissions_a_namespace_that_exists_looks_like_one_that_does_not() {
    let app = App::with(keyed_config());
    app.json(with(Call::post("/theirs/key_based/store/string/k?file_id=f", "hello"), KEY.1)).await;
    let key = key(&app, "ours", &PERMISSIONS).await;
    let answer = async |namespace: &str, make: &dyn Fn(&str) -> Call| {
        let answer = app.send(with(make(namespace), &key)).await;
        (answer.status.as_u16(), answer.text().replace(namespace, "NS"))
    };
    let hash = "2cf24dba5fb0a30e";
    let calls: [&dyn Fn(&str) -> Call; 9] = [
        &|ns| Call::get(&format!("/{ns}/retrieve/hash/{hash}/string")),
        &|ns| Call::get(&format!("/{ns}/retrieve/key/key_based/k/f")),
        &|ns| Call::get(&format!("/{ns}/file-ids")),
        &|ns| Call::get(&format!("/{ns}/stats")),
        &|ns| Call::post(&format!("/{ns}/direct/store/string"), "x"),
        &|ns| Call::post_json(&format!("/{ns}/exists/batch"), json!({"items": [{"cache_hash": hash}]}).to_string()),
        &|ns| Call::get(&format!("/admin/storage/files/all/{ns}")),
        &|ns| Call::get(&format!("/admin/storage/file/exists/{ns}/namespace.json")),
        &|ns| Call::new(Method::DELETE, &format!("/admin/storage/{ns}/x")),
    ];
    for call in calls {
        let (theirs, absent) = (answer("theirs", call).await, answer("absent", call).await);
        assert_eq!(theirs.0, 404, "{}", theirs.1);
        let without_ids = |text: &str| text.split("\"request_id\"").next().unwrap().to_owned();
        assert_eq!(without_ids(&theirs.1), without_ids(&absent.1));
    }
    check(&app.send(with(Call::get("/namespaces/list"), &key)).await, 200, "[]");
    check(&app.send(with(Call::get("/admin/storage/folders/"), &key)).await, 200, "[]");
    check(&app.send(with(Call::get("/admin/storage/files/all/"), &key)).await, 200, "\"file_count\":0");
    check(&app.send(with(Call::get("/admin/storage/files/all/?limit=1"), &key)).await, 400, "name a folder");
    check(&app.send(with(Call::get("/metrics"), &key)).await, 403, "'read' on all namespaces");
}

#[tokio::test]
async fn no_spelling_of_a_path_leads_a_key_out_of_its_namespaces() {
    let app = App::with(keyed_config());
    for namespace in ["ours", "ours2", "a_b"] {
        app.json(with(Call::post(&format!("/{namespace}/direct/store/string"), "hello"), KEY.1)).await;
    }
    let key = key(&app, "ours", &PERMISSIONS).await;
    for path in [
        "/ours2/file-ids",
        "/ours%32/file-ids",
        "/a%20b/file-ids",
        "/OURS/file-ids",
        "/admin/storage/files/all/ours2",
        "/admin/storage/files/all/ours%2F..%2Fours2",
        "/admin/storage/files/all/ours/../ours2",
        "/admin/storage/file/bytes/.mgraph-cache/keys/x.json",
        "/admin/storage/files/all/.mgraph-cache",
        "/admin/storage/folders?path=ours2",
        "/admin/storage/files/parent-path?path=ours2",
    ] {
        let answer = app.send(with(Call::get(path), &key)).await;
        assert!([400, 404].contains(&answer.status.as_u16()), "{path} is {}: {}", answer.status, answer.text());
        assert!(!answer.text().contains("by-hash"), "{path}: {}", answer.text());
    }
    check(&app.send(with(Call::get("/%6Furs/file-ids"), &key)).await, 200, "[\"");
    check(&app.send(with(Call::get("/%20ours/file-ids"), &key)).await, 200, "[\"");
}

#[tokio::test]
async fn who_may_only_create_replaces_nothing() {
    let app = App::with(keyed_config());
    let key = key(&app, "ns", &["create"]).await;
    let store = |path: &str, content: &'static str| with(Call::post(&format!("/ns/{path}"), content), &key);
    check(&app.send(store("direct/store/string", "x")).await, 200, "cache_id");
    check(&app.send(store("temporal/store/string/k", "x")).await, 200, "cache_id");
    let versioned = "key_based/store/string/k?file_id=f";
    check(&app.send(store(versioned, "first")).await, 200, "cache_id");
    let second = app.send(store(versioned, "second")).await;
    check(&second, 403, "no permission 'write' on namespace 'ns'");
    let condition = app.send(store(versioned, "second").header("if-none-match", "*")).await;
    check(&condition, 412, "live version");
    let field = "direct/store/json/k?json_field_path=a";
    let answer = app.send(store(field, "{\"a\":1}").header("content-type", "application/json")).await;
    check(&answer, 403, "'write'");
    check(&app.send(store("key_based/zip/create/k/f", "")).await, 403, "'write'");
    let upload = json!({"data_type": "string", "sha256": "0".repeat(64), "size": 5, "cache_key": "k", "file_id": "f"});
    let begin = Call::post_json("/ns/key_based/upload", upload.to_string());
    check(&app.send(with(begin, &key)).await, 403, "'write'");
    let read = app.send(with(Call::get("/ns/retrieve/key/key_based/k/f"), KEY.1)).await;
    check(&read, 200, "first");
}

#[tokio::test]
async fn a_key_that_is_not_in_memory_costs_a_read_one_more_get_and_no_round_trip() {
    let storage = Arc::new(RecordingStorage::new(Arc::new(Memory::default())));
    let maker = over(storage.clone());
    maker.json(with(Call::post("/ns/direct/store/string", "hello"), KEY.1)).await;
    let key = key(&maker, "ns", &["read"]).await;
    let read = || Call::get("/ns/retrieve/hash/2cf24dba5fb0a30e/string");
    let cost = async |app: &App, key: &str| {
        storage.reset();
        check(&app.send(with(read(), key)).await, 200, "hello");
        let own = storage.calls().into_iter().filter(|call| !call.key.contains("/usage/")).count();
        (own, storage.round_trips())
    };
    let root = cost(&over(storage.clone()), KEY.1).await;
    let app = over(storage.clone());
    let cold = cost(&app, &key).await;
    assert_eq!((cold.0, cold.1), (root.0 + 1, root.1), "the usage is written down beside it");
    let warm = cost(&app, &key).await;
    assert_eq!(warm, cost(&app, KEY.1).await);
}

#[tokio::test]
async fn a_storage_failure_is_503_and_neither_allows_nor_denies() {
    let storage = Arc::new(FaultInjectingStorage::new(Arc::new(Memory::default())));
    let maker = over(storage.clone());
    let key = key(&maker, "ns", &["read", "write"]).await;
    for call in [Call::get("/ns/file-ids"), Call::post("/ns/direct/store/string", "x")] {
        let app = over(storage.clone());
        storage.once(StorageOp::Get, ".mgraph-cache/keys", Fault::Lost);
        check(&app.send(with(call, &key)).await, 503, "retry later");
    }
}

#[tokio::test]
async fn everybody_reads_a_namespace_with_public_read_and_nobody_writes_it() {
    let app = App::with(keyed_config());
    let stored = app.json(with(Call::post("/open/direct/store/string", "hello"), KEY.1)).await;
    let read = || Call::get(&format!("/open/retrieve/{}", stored["cache_id"].as_str().unwrap()));
    check(&app.send(read()).await, 401, "missing");
    let settings = Call::new(Method::PUT, "/open/settings").body("{\"public_read\":true}");
    app.json(with(settings.header("content-type", "application/json"), KEY.1)).await;
    check(&app.send(read()).await, 200, "hello");
    check(&app.send(Call::post("/open/direct/store/string", "x")).await, 401, "missing");
    check(&app.send(Call::get("/admin/storage/files/all/open")).await, 401, "missing");
    check(&app.send(Call::get("/other/file-ids")).await, 401, "missing");
    check(&app.send(with(read(), "wrong")).await, 401, "wrong");
}

#[tokio::test]
async fn a_key_never_gives_less_than_no_key() {
    let storage: Arc<Memory> = Arc::default();
    let app = over(storage.clone());
    let stored = app.json(with(Call::post("/open/direct/store/string", "hello"), KEY.1)).await;
    let settings = Call::new(Method::PUT, "/open/settings").body("{\"public_read\":true}");
    app.json(with(settings.header("content-type", "application/json"), KEY.1)).await;
    let (elsewhere, creator) = (key(&app, "ours", &PERMISSIONS).await, key(&app, "open", &["create"]).await);
    for key in [&elsewhere, &creator] {
        let cold = over(storage.clone());
        for _ in 0..2 {
            let read = Call::get(&format!("/open/retrieve/{}", stored["cache_id"].as_str().unwrap()));
            check(&cold.send(with(read, key)).await, 200, "hello");
        }
    }
    check(&app.send(with(Call::post("/open/direct/store/string", "x"), &elsewhere)).await, 404, "no namespace 'open'");
    check(&app.send(with(Call::get("/admin/storage/files/all/open"), &creator)).await, 403, "'manage'");
}

#[tokio::test]
async fn to_refuse_a_key_costs_as_much_whether_a_namespace_exists() {
    let storage = Arc::new(RecordingStorage::new(Arc::new(Memory::default())));
    let app = over(storage.clone());
    app.json(with(Call::post("/theirs/direct/store/string", "hello"), KEY.1)).await;
    let key = key(&app, "ours", &PERMISSIONS).await;
    check(&app.send(with(Call::get("/ours/file-ids"), &key)).await, 200, "[]");
    let cost = async |namespace: &str| {
        storage.reset();
        let read = Call::get(&format!("/{namespace}/retrieve/hash/2cf24dba5fb0a30e"));
        check(&app.send(with(read, &key)).await, 404, "for this API key");
        (storage.calls().len(), storage.round_trips())
    };
    let (theirs, absent) = (cost("theirs").await, cost("absent").await);
    assert_eq!(theirs, absent);
    assert_eq!((cost("theirs").await, cost("absent").await), ((0, 0), (0, 0)));
}

/// A store whose body comes in so many chunks of 1,000 bytes, without a length.
async fn chunked(app: &App, key: &str, chunks: usize) -> Answer {
    let chunk = || Ok::<_, std::convert::Infallible>(vec![b'x'; 1000]);
    let body = Body::from_stream(futures::stream::iter((0..chunks).map(move |_| chunk())));
    let request = Request::post("/ns/direct/store/string").header(KEY.0, key).body(body).unwrap();
    let (parts, body) = app.router().oneshot(request).await.unwrap().into_parts();
    let body = body.collect().await.unwrap().to_bytes();
    Answer { status: parts.status, headers: parts.headers, body }
}

#[tokio::test]
async fn bytes_count_as_they_arrive_also_without_a_length() {
    let app = App::with(keyed_config());
    let limited = async |limits: serde_json::Value| {
        let grants = json!([{"namespaces": ["ns"], "permissions": ["write"]}]);
        let made = json!({"name": "k", "grants": grants, "limits": limits}).to_string();
        app.json(with(Call::post_json("/keys", made), KEY.1)).await["key"].as_str().unwrap().to_owned()
    };
    let key = limited(json!({"bytes_per_day": 10_000})).await;
    check(&chunked(&app, &key, 5).await, 200, "cache_id");
    let refused = chunked(&app, &key, 6).await;
    check(&refused, 429, "10000 bytes in a day");
    assert!(refused.header("retry-after").is_some());
    check(&app.send(with(Call::post("/ns/direct/store/string", "x"), &key)).await, 429, "10000 bytes");
    let reported = limited(json!({"bytes_per_day": 10_000, "report_only": true})).await;
    check(&chunked(&app, &reported, 20).await, 200, "cache_id");
}

#[tokio::test]
async fn an_instance_that_only_reads_refuses_every_change() {
    let mut config = keyed_config();
    let storage: Arc<Memory> = Arc::default();
    let writer = App::over(storage.clone(), config.clone());
    writer.json(with(Call::post("/ns/direct/store/string", "hello"), KEY.1)).await;
    config.read_only = true;
    let app = App::over(storage, config);
    for call in [
        Call::post("/ns/direct/store/string", "x"),
        Call::new(Method::DELETE, "/ns/delete/2cf24dba-5fb0-8a30-8000-000000000000"),
        Call::new(Method::DELETE, "/admin/storage/ns/x"),
        Call::post_json("/keys", "{}"),
        Call::get("/server/create/test-fixtures"),
        Call::new(Method::PUT, "/ns/direct/upload/2cf24dba-5fb0-8a30-8000-000000000000"),
    ] {
        check(&app.send(with(call, KEY.1)).await, 403, "this server only reads");
    }
    check(&app.send(with(Call::get("/ns/retrieve/hash/2cf24dba5fb0a30e/string"), KEY.1)).await, 200, "hello");
    let batch = Call::post_json("/ns/exists/batch", "{\"items\":[{\"cache_hash\":\"2cf24dba5fb0a30e\"}]}");
    check(&app.send(with(batch, KEY.1)).await, 200, "true");
    assert_eq!(app.json(with(Call::get("/auth/whoami"), KEY.1)).await["read_only"], true);
}

#[tokio::test]
async fn metrics_and_log_name_a_key_by_its_id() {
    let app = App::with(keyed_config());
    let key = key(&app, "ns", &["read"]).await;
    app.send(with(Call::get("/ns/file-ids"), &key)).await;
    app.send(with(Call::get("/other/file-ids"), &key)).await;
    app.send(Call::get("/ns/file-ids")).await;
    let id = app.json(with(Call::get("/auth/whoami"), &key)).await["id"].as_str().unwrap().to_owned();
    let page = app.send(with(Call::get("/metrics"), KEY.1)).await.text();
    for sample in [
        format!("mgraph_cache_key_requests_total{{key=\"{id}\",outcome=\"ok\"}} 2"),
        format!("mgraph_cache_key_requests_total{{key=\"{id}\",outcome=\"client_error\"}} 1"),
        "mgraph_cache_key_requests_total{key=\"-\",outcome=\"client_error\"} 1".to_owned(),
        "mgraph_cache_key_requests_total{key=\"root\",outcome=\"ok\"} 1".to_owned(),
    ] {
        assert!(page.contains(&sample), "{sample} is not in {page}");
    }
    assert!(!page.contains("mgc_"));
}

/// What 16 clients got, each second of 70: by each client's last success and its failures.
#[tokio::test]
async fn a_revoked_key_has_its_last_success_within_a_minute_in_every_process() {
    let clock = Arc::new(ManualClock::default());
    let storage: Arc<Memory> = Arc::default();
    let process = || {
        let state = Service::new(storage.clone(), clock.clone(), Arc::new(OsRng), keyed_config());
        App::around(app::app(state))
    };
    let (one, other) = (process(), process());
    let key = key(&one, "ns", &["read"]).await;
    let id = one.json(with(Call::get("/auth/whoami"), &key)).await["id"].as_str().unwrap().to_owned();
    let read = async || other.send(with(Call::get("/ns/file-ids"), &key)).await.status.as_u16();
    assert_eq!(read().await, 200);
    clock.advance(Duration::from_secs(1));
    let path = format!("/keys/{id}");
    let disable = Call::post_json(&path, "{\"disabled\":true}").method(Method::PATCH);
    one.json(with(disable, KEY.1)).await;
    let mut last_success = None;
    for second in 0..70 {
        for status in futures::future::join_all((0..16).map(|_| read())).await {
            match status {
                200 => last_success = Some(second),
                status => assert_eq!(status, 401),
            }
        }
        clock.advance(Duration::from_secs(1));
    }
    assert!(last_success.is_some_and(|second| second < 60), "{last_success:?}");
}

#[tokio::test]
async fn a_rotation_fails_no_request_of_clients_that_change_their_key_in_time() {
    let clock = Arc::new(ManualClock::default());
    let storage: Arc<Memory> = Arc::default();
    let process =
        || App::around(app::app(Service::new(storage.clone(), clock.clone(), Arc::new(OsRng), keyed_config())));
    let (one, other) = (process(), process());
    let old = key(&one, "ns", &["read"]).await;
    let id = one.json(with(Call::get("/auth/whoami"), &old)).await["id"].as_str().unwrap().to_owned();
    let rotate = Call::post_json(&format!("/keys/{id}/rotate"), "{\"overlap_seconds\":120}");
    let new = one.json(with(rotate, KEY.1)).await["key"].as_str().unwrap().to_owned();
    for second in 0..300 {
        let key = if second < 100 { &old } else { &new };
        for app in [&one, &other] {
            assert_eq!(app.send(with(Call::get("/ns/file-ids"), key)).await.status, 200, "second {second}");
        }
        clock.advance(Duration::from_secs(1));
    }
    assert_eq!(other.send(with(Call::get("/ns/file-ids"), &old)).await.status, 401);
}
