use std::task::Poll;

use serde_json::{Value, json};

use crate::test_support::{App, Call, gzipped};

const NOBODY: &str = "00000000-0000-0000-0000-00000000dead";

/// Checks a read below `/ns/retrieve/` after one store; `ID` and `HASH` stand for those of the entry.
async fn check(store: Call, read: &str, status: u16, expected: &str) {
    let app = App::new();
    let stored = app.json(store).await;
    let path = read.replace("ID", text(&stored["cache_id"])).replace("HASH", text(&stored["cache_hash"]));
    let answer = app.get(&format!("/ns/retrieve/{path}")).await;
    assert_eq!(answer.status, status, "{path}: {}", answer.text());
    assert!(answer.text().contains(expected), "{path}: {}", answer.text());
}

fn text(value: &Value) -> &str {
    value.as_str().unwrap()
}

fn string() -> Call {
    Call::post("/ns/direct/store/string", "plain é")
}

fn document() -> Call {
    Call::post_json("/ns/key_based/store/json/users/u1?file_id=profile", "{ \"b\": 1.50, \"a\": 2 }")
}

fn binary() -> Call {
    Call::post("/ns/direct/store/binary", &b"\x00\xff"[..])
}

fn gzip(content: &[u8]) -> Call {
    Call::post("/ns/direct/store/binary", gzipped(content)).header("content-encoding", "gzip")
}

#[tokio::test]
async fn a_text_is_read_by_id_and_by_hash_in_every_form() {
    check(string(), "ID", 200, "{\"data\":\"plain é\",\"metadata\":{\"cache_id\":").await;
    check(string(), "hash/HASH", 200, "\"data_type\":\"string\"").await;
    for by in ["ID", "hash/HASH", "HASH-v1"] {
        check(string(), &format!("{by}/string"), 200, "plain é").await;
        check(string(), &format!("{by}/binary"), 200, "plain é").await;
        check(string(), &format!("{by}/json"), 415, "the content is a string, not JSON").await;
    }
}

#[tokio::test]
async fn a_document_keeps_its_numbers_and_the_order_of_its_keys() {
    check(document(), "ID", 200, "{\"data\":{\"b\":1.50,\"a\":2},").await;
    check(document(), "ID/json", 200, "{\"b\":1.50,\"a\":2}").await;
    check(document(), "ID/string", 200, "{\"b\": 1.5, \"a\": 2}").await;
}

#[tokio::test]
async fn bytes_are_named_with_their_size_and_url() {
    check(binary(), "ID", 200, "\"data_type\":\"binary\",\"size\":2,").await;
    check(binary(), "hash/HASH", 200, "\"binary_url\":\"/ns/retrieve/hash/06eb7d6a69ee19e5/binary\"").await;
    check(binary(), "ID/string", 200, "AP8=").await;
    check(binary(), "ID/json", 200, "{\"data_type\":\"binary\",\"encoding\":\"base64\",\"data\":\"AP8=\"}").await;
}

#[tokio::test]
async fn gzip_content_is_read_as_it_was_before_compression() {
    check(gzip(b"{ \"a\": 1 }"), "ID/binary", 200, "{ \"a\": 1 }").await;
    check(gzip(b"{ \"a\": 1 }"), "ID", 200, "{\"data\":{\"a\":1},").await;
    check(gzip(b"not json"), "hash/HASH/string", 200, "not json").await;
    check(gzip(b"not json"), "ID", 200, "\"content_encoding\":\"gzip\"").await;
}

#[tokio::test]
async fn config_metadata_and_references_have_their_known_shapes() {
    check(document(), "ID/config", 200, "\"file_paths\":[\"ns/data/key-based/users/u1\"").await;
    check(document(), "ID/config", 200, "\"file_type\":{\"name\":\"json\",\"content_type\":\"application/json; ").await;
    check(document(), "ID/metadata", 200, "\"json_field_path\":\"\"").await;
    check(string(), "ID/metadata", 200, "\"json_field_path\":null").await;
    check(document(), "ID/refs", 200, "\"content_files\":[\"ns/data/key-based/users/u1/profile.json\"").await;
    check(document(), "ID/refs/all", 200, "\"details\":{\"ns/refs/by-hash/").await;
    check(document(), "hash/HASH/metadata", 200, "\"cache_key\":\"users/u1\",\"file_id\":\"profile\"").await;
    check(string(), "hash/HASH/refs-hash", 200, "\"total_versions\":1").await;
    check(string(), "hash/HASH/cache-id", 200, "{\"namespace\":\"ns\",\"cache_hash\":").await;
}

#[tokio::test]
async fn a_missing_entry_is_404_in_the_long_or_the_short_form() {
    let long = format!("{{\"detail\":{{\"resource_id\":null,\"cache_hash\":null,\"cache_id\":\"{NOBODY}\"");
    for form in ["", "/config", "/metadata", "/refs", "/refs/all"] {
        check(string(), &format!("{NOBODY}{form}"), 404, &long).await;
    }
    for form in ["/string", "/json", "/binary"] {
        check(
            string(),
            &format!("{NOBODY}{form}"),
            404,
            "{\"detail\":\"Cache entry not found\",\"message\":\"there is no entry with",
        )
        .await;
    }
    check(string(), "hash/0123456789abcdef", 404, "\"cache_hash\":\"0123456789abcdef\",\"cache_id\":null").await;
    for form in ["string", "json", "binary", "metadata", "refs-hash", "cache-id"] {
        check(
            string(),
            &format!("hash/0123456789abcdef/{form}"),
            404,
            "{\"detail\":\"Cache entry not found\",\"message\":\"there is no entry",
        )
        .await;
    }
}

#[tokio::test]
async fn a_version_is_named_by_query_or_in_place_of_the_id() {
    check(string(), "hash/HASH/string?version=1", 200, "plain").await;
    check(string(), "hash/HASH/string?version=2", 404, "no version 2").await;
    check(string(), "HASH-v2", 404, "\"error_type\":\"NOT_FOUND\"").await;
    check(string(), "hash/HASH?version=0", 400, "\"type\":\"int_parsing\"").await;
}

#[tokio::test]
async fn names_that_are_neither_id_nor_hash_are_400() {
    let loc = "\"type\":\"value_error\",\"loc\":[\"query\",\"cache_id\"]";
    for odd in ["nope", "HASH-v0", "HASH-vx", "2cf24dba5fb08a30b800000c8427f952"] {
        check(string(), odd, 400, loc).await;
    }
    check(string(), "hash/ABC/string", 400, "\"loc\":[\"query\",\"cache_hash\"]").await;
}

#[tokio::test]
async fn a_key_gives_its_newest_or_a_named_version() {
    let app = App::new();
    for content in ["one", "two"] {
        app.json(Call::post("/ns/temporal/store/string/a/b?file_id=f", content)).await;
    }
    let read = async |query: &str| app.get(&format!("/ns/retrieve/key/temporal/a/b/f{query}")).await;
    assert_eq!(read("?as=string").await.text(), "two");
    assert_eq!(read("?as=binary&version=1").await.text(), "one");
    assert_eq!(read("").await.json()["data"], "two");
    assert_eq!(read("?as=metadata").await.json()["cache_key"], "a/b");
    assert_eq!(read("?as=json").await.status, 415);
    assert_eq!(read("?as=html").await.status, 400);
    assert_eq!(read("?version=3").await.json()["detail"]["cache_hash"], json!(null));
}

/// Whether a request is answered without waiting for another thread. The runtime has one blocking thread, which is busy until
/// the request has been polled once: what needs that thread cannot be done before.
async fn is_answered_at_once(app: &App, path: &str) -> bool {
    let (release, released) = std::sync::mpsc::channel::<()>();
    let busy = tokio::task::spawn_blocking(move || released.recv());
    let mut request = Box::pin(app.get(path));
    let first_poll = futures::poll!(&mut request);
    drop(release);
    let (at_once, answer) = match first_poll {
        Poll::Ready(answer) => (true, answer),
        Poll::Pending => (false, request.await),
    };
    assert!(busy.await.unwrap().is_err());
    assert_eq!(answer.status, 200, "{path}: {}", answer.text());
    at_once
}

#[test]
fn a_large_content_is_rendered_on_another_thread() {
    let runtime = tokio::runtime::Builder::new_current_thread().enable_all().max_blocking_threads(1).build().unwrap();
    let large = format!("{{\"a\":\"{}\"}}", "x".repeat(1 << 20));
    runtime.block_on(async {
        let app = App::new();
        for (body, at_once) in [("{\"a\":1}".to_owned(), true), (large, false)] {
            let id = app.json(Call::post_json("/ns/direct/store/json", body)).await["cache_id"].take();
            for form in ["", "/string", "/json", "/binary"] {
                let path = format!("/ns/retrieve/{}{form}", id.as_str().unwrap());
                assert_eq!(is_answered_at_once(&app, &path).await, at_once, "{path}");
            }
        }
    });
}
