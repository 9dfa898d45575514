use std::convert::Infallible;
use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::time::Duration;

use axum::body::Body;
use bytes::Bytes;
use cache_core::cache::{Cache, UploadLimits, UploadRequest};
use cache_core::error::ErrorKind;
use cache_core::strategy::{ContentKind, Strategy};
use cache_storage::disk::Disk;
use cache_storage::system::OsRng;
use cache_testing::mock_clock::MockClock;
use futures::stream;
use http::{Method, Request, header};
use serde_json::{Value, json};
use tower::ServiceExt;

use crate::config::auth::Auth;
use crate::test_support::{Answer, App, Call, config};

const HELLO: &str = "2cf24dba5fb0a30e26e83b2ac5b9e29e1b161e5c1fa7425e73043362938b9824";

fn announced(more: Value) -> Value {
    let mut fields = json!({"data_type": "string", "sha256": HELLO, "size": 5});
    fields.as_object_mut().unwrap().extend(more.as_object().unwrap().clone());
    fields
}

/// Posts to the upload routes of `ns`.
async fn post(app: &App, path: &str, body: &Value) -> Answer {
    let call = Call::post_json(&format!("/ns/{path}"), body.to_string());
    app.send(call.header("host", "cache.localhost:8080").header("x-forwarded-proto", "https")).await
}

async fn put(app: &App, url: &str, body: &'static str) -> Answer {
    let path = url.strip_prefix("https://cache.localhost:8080").unwrap();
    app.send(Call::post(path, body).method(Method::PUT)).await
}

#[tokio::test]
async fn what_is_announced_sent_and_completed_is_an_entry() {
    let app = App::new();
    let more = json!({"cache_key": "a/b", "file_id": "f"});
    let mut sent = announced(more.clone());
    sent["size"] = json!(5.0);
    let begun = post(&app, "key_based/upload", &sent).await.json();
    assert_eq!((&begun["method"], &begun["headers"]), (&json!("PUT"), &json!({})));
    assert_eq!(begun["cache_hash"], "2cf24dba5fb0a30e");
    let received = put(&app, begun["url"].as_str().unwrap(), "hello").await.json();
    assert_eq!(received, json!({"upload_id": begun["upload_id"], "size": 5}));
    let mut body = announced(more);
    body["upload_id"] = begun["upload_id"].clone();
    let completed = post(&app, "key_based/upload/complete", &body).await.json();
    assert_eq!(completed["paths"]["data"][0], "ns/data/key-based/a/b/f.txt");
    assert_eq!((&completed["cache_hash"], &completed["key_version"]), (&begun["cache_hash"], &json!(1)));
    assert_eq!(post(&app, "key_based/upload/complete", &body).await.json(), completed);
    assert_eq!(app.get("/ns/retrieve/key/key_based/a/b/f?as=string").await.text(), "hello");
}

#[tokio::test]
async fn a_url_permits_one_content_once() {
    let app = App::new();
    let begun = post(&app, "direct/upload", &announced(json!({}))).await.json();
    let url = begun["url"].as_str().unwrap();
    for (body, status, words) in [
        ("jello", 400, "[\"body\",\"sha256\"]"),
        ("hello!", 400, "[\"body\",\"size\"]"),
        ("hello", 200, ""),
        ("hello", 412, "sent to this URL before"),
    ] {
        let answer = put(&app, url, body).await;
        assert_eq!(answer.status, status, "{}", answer.text());
        assert!(answer.text().contains(words), "{}", answer.text());
    }
}

#[tokio::test]
async fn a_url_that_is_forged_or_has_expired_is_403() {
    let app = App::new();
    let begun = post(&app, "direct/upload", &announced(json!({}))).await.json();
    let url = begun["url"].as_str().unwrap();
    let (start, signature) = url.split_once("&signature=").unwrap();
    let forged = format!("{}{}", &signature[..63], if signature.ends_with('0') { '1' } else { '0' });
    let changed = url.replace("/ns/", "/other/");
    for odd in [start, &format!("{start}&signature={forged}"), &url.replace("size=5", "size=6"), &changed] {
        let answer = put(&app, odd, "hello").await;
        assert_eq!(answer.status, 403, "{odd}");
        assert!(answer.text().contains("begin a new upload"), "{}", answer.text());
    }
    assert_eq!(put(&App::new(), url, "hello").await.status, 403, "another process");
}

/// Sends a body without an end. Returns the response, and the number of bytes that were received.
async fn put_endless(app: &App, url: &str, length: Option<u64>) -> (u16, usize) {
    const PART: &[u8] = b"1234";
    let taken = Arc::new(AtomicUsize::new(0));
    let counted = Arc::clone(&taken);
    let parts = stream::repeat_with(move || {
        let before = counted.fetch_add(PART.len(), Ordering::Relaxed);
        assert!(before < 1000, "more is taken than was announced");
        Ok::<_, Infallible>(Bytes::from_static(PART))
    });
    let path = url.strip_prefix("https://cache.localhost:8080").unwrap();
    let mut request = Request::put(path);
    if let Some(length) = length {
        request = request.header(header::CONTENT_LENGTH, length);
    }
    let request = request.body(Body::from_stream(parts)).unwrap();
    let answer = app.router().oneshot(request).await.unwrap();
    (answer.status().as_u16(), taken.load(Ordering::Relaxed))
}

#[tokio::test]
async fn nothing_is_taken_at_a_url_that_permits_nothing() {
    let app = App::new();
    let begun = post(&app, "direct/upload", &announced(json!({}))).await.json();
    let url = begun["url"].as_str().unwrap();
    assert_eq!(put_endless(&app, &url.replace("size=5", "size=6"), None).await, (403, 0));
}

#[tokio::test]
async fn no_more_is_taken_than_was_announced() {
    let app = App::new();
    let begun = post(&app, "direct/upload", &announced(json!({}))).await.json();
    let url = begun["url"].as_str().unwrap();
    assert_eq!(put_endless(&app, url, Some(6)).await, (400, 0));
    assert_eq!(put_endless(&app, url, None).await, (400, 8));
    assert_eq!(put(&app, url, "hello").await.status, 200, "the URL is still good");
}

#[tokio::test]
async fn the_url_needs_no_key_and_the_routes_do() {
    let mut config = config();
    let (name, value) = ("x-api-key".parse().unwrap(), "secret".to_owned());
    config.auth = Auth::ApiKey { name, cookie: "x-api-key".to_owned(), value };
    let app = App::with(config);
    assert_eq!(post(&app, "direct/upload", &announced(json!({}))).await.status, 401);
    assert_eq!(post(&app, "direct/upload/complete", &announced(json!({}))).await.status, 401);
    let call = Call::post_json("/ns/direct/upload", announced(json!({})).to_string());
    let begun = app.json(call.header("x-api-key", "secret").header("host", "cache.localhost:8080")).await;
    let path = begun["url"].as_str().unwrap().strip_prefix("http://cache.localhost:8080").unwrap();
    assert_eq!(app.send(Call::post(path, "hello").method(Method::PUT)).await.status, 200);
}

#[tokio::test]
async fn a_body_that_is_wrong_says_in_which_field() {
    let app = App::new();
    for (wrong, field, words) in [
        (json!({"sha256": "abc"}), "sha256", "64 lowercase hex digits"),
        (json!({"sha256": null}), "sha256", "is required"),
        (json!({"size": -1}), "size", "is not understood"),
        (json!({"size": 5.5}), "size", "a whole number"),
        (json!({"size": 0}), "size", "at least 1"),
        (json!({"cache_key": ""}), "cache_key", "must not be empty"),
        (json!({"cache_key": "a/../b"}), "cache_key", "segments"),
        (json!({"file_id": 7}), "file_id", "is not understood"),
        (json!({"size": 1_u64 << 40}), "size", "the limit is 67108864 bytes"),
        (json!({"data_type": "json"}), "data_type", "does not follow from the SHA-256"),
        (json!({"data_type": "text"}), "data_type", "is not understood"),
        (json!({"ttl": 1}), "ttl", "is not known here: the fields are data_type"),
    ] {
        let answer = post(&app, "direct/upload", &announced(wrong)).await;
        assert_eq!(answer.status, 400, "{}", answer.text());
        let said = answer.text();
        assert!(said.contains(&format!("[\"body\",\"{field}\"]")) && said.contains(words), "{said}");
    }
    let answer = post(&app, "direct/upload/complete", &announced(json!({}))).await;
    assert!(answer.text().contains("upload_id is required"), "{}", answer.text());
    assert_eq!(post(&app, "weekly/upload", &announced(json!({}))).await.status, 400);
}

/// A folder takes an upload in parts, other storages as a whole.
#[tokio::test]
async fn an_upload_to_a_folder_is_checked_as_any_other() {
    let folder = tempfile::tempdir().unwrap();
    let app = App::over(Arc::new(Disk::open(folder.path()).unwrap()), config());
    let begun = post(&app, "key_based/upload", &announced(json!({"cache_key": "a", "file_id": "f"}))).await.json();
    let url = begun["url"].as_str().unwrap();
    for (body, status, words) in [
        ("jello", 400, "[\"body\",\"sha256\"]"),
        ("hell", 400, "[\"body\",\"size\"]"),
        ("hello!", 400, "[\"body\",\"size\"]"),
        ("", 400, "body"),
        ("hello", 200, ""),
        ("hello", 412, "sent to this URL before"),
    ] {
        let answer = put(&app, url, body).await;
        assert_eq!(answer.status, status, "{}", answer.text());
        assert!(answer.text().contains(words), "{}", answer.text());
    }
    let more = json!({"cache_key": "a", "file_id": "f", "upload_id": begun["upload_id"]});
    let completed = post(&app, "key_based/upload/complete", &announced(more)).await.json();
    assert_eq!(
        app.get(&format!("/ns/retrieve/{}/string", completed["cache_id"].as_str().unwrap())).await.text(),
        "hello"
    );
    assert_eq!(std::fs::read(folder.path().join("ns/data/key-based/a/f.txt")).unwrap(), b"hello");
}

/// As one that arrives as a whole.
#[tokio::test]
async fn a_content_in_parts_that_ends_long_after_its_url_expired_is_refused() {
    let (folder, clock) = (tempfile::tempdir().unwrap(), Arc::new(MockClock::default()));
    let disk = Arc::new(Disk::open(folder.path()).unwrap());
    let cache = Cache::new(disk, clock.clone(), Arc::new(OsRng)).namespace(&"ns".parse().unwrap());
    let request = UploadRequest {
        strategy: Strategy::Direct,
        cache_key: None,
        file_id: None,
        kind: ContentKind::String,
        sha256: HELLO.parse().unwrap(),
        size: 5,
    };
    let begin = async || {
        let upload = cache.begin_upload(&request, UploadLimits { content: 5, copy: 5 }, None).await.unwrap();
        let receiving = cache.receive_in_parts(upload.upload_id, &request, upload.expires_at).await.unwrap();
        let mut receiving = receiving.unwrap();
        receiving.append(Bytes::from_static(b"hello")).await.unwrap();
        receiving
    };
    let (slow, late) = (begin().await, begin().await);
    clock.advance(Duration::from_secs(2 * 3600 - 1));
    assert!(slow.finish().await.unwrap(), "it began in time");
    clock.advance(Duration::from_secs(1));
    assert_eq!(late.finish().await.unwrap_err().kind(), ErrorKind::Invalid);
}
