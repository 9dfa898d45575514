use std::io::Write;

use flate2::Compression;
use flate2::write::GzEncoder;
use http::Method;

use crate::test_support::{App, Call, config};

/// The response to a store when the body limit is 1,000 bytes.
async fn check(call: Call, status: u16, expected: &str) {
    let mut config = config();
    config.max_body_bytes = 1000;
    let answer = App::with(config).send(call).await;
    assert_eq!(answer.status, status, "{}", answer.text());
    assert!(answer.text().contains(expected), "{}", answer.text());
}

fn post(kind: &str, content_type: Option<&str>, body: &'static [u8]) -> Call {
    let call = Call::post(&format!("/ns/direct/store/{kind}"), body);
    content_type.into_iter().fold(call, |call, content_type| call.header("content-type", content_type))
}

fn gzipped(content: &[u8]) -> Vec<u8> {
    let mut encoder = GzEncoder::new(Vec::new(), Compression::default());
    encoder.write_all(content).unwrap();
    encoder.finish().unwrap()
}

const HELLO: &str = "\"cache_hash\":\"2cf24dba5fb0a30e\"";

#[tokio::test]
async fn texts_and_bytes_are_taken_raw_unless_declared_as_json() {
    for kind in ["string", "binary"] {
        for content_type in [None, Some("text/plain"), Some("image/png"), Some("text/json")] {
            check(post(kind, content_type, b"hello"), 200, HELLO).await;
        }
        for content_type in ["application/json", "application/vnd.x+json", "Application/JSON; charset=utf-8"] {
            check(post(kind, Some(content_type), b"\"hell\\u006f\""), 200, HELLO).await;
        }
    }
}

#[tokio::test]
async fn documents_are_objects_declared_as_json_or_as_nothing() {
    check(post("json", None, b"{\"a\":1}"), 200, "f9d86028c6e0d64e").await;
    check(post("json", Some("application/json"), b"{}"), 200, "44136fa355b3678a").await;
    let refused = "\"type\":\"dict_type\",\"loc\":[\"body\"]";
    check(post("json", Some("text/plain"), b"{}"), 400, refused).await;
    for other in [&b"[1]"[..], b"\"text\"", b"12", b"null"] {
        check(post("json", None, other), 400, refused).await;
    }
    check(post("json", None, b"[1]"), 400, "\"input\":[1]").await;
}

#[tokio::test]
async fn other_json_than_a_string_is_no_text_and_no_bytes() {
    check(post("string", Some("application/json"), b"1"), 400, "\"type\":\"string_type\"").await;
    check(post("binary", Some("application/json"), b"{}"), 400, "\"type\":\"bytes_type\"").await;
}

#[tokio::test]
async fn no_body_is_missing() {
    for kind in ["string", "json", "binary"] {
        let missing = "[{\"type\":\"missing\",\"loc\":[\"body\"],\"msg\"";
        check(post(kind, Some("application/json"), b""), 400, missing).await;
        check(post(kind, None, b""), 400, "\"input\":null}]").await;
    }
}

#[tokio::test]
async fn an_empty_string_is_refused_as_input() {
    let json = Some("application/json");
    check(post("string", json, b"\"\""), 400, "\"field_name\":\"data\",\"expected_type\":\"non-empty_string\"").await;
    let empty = "\"field_name\":\"body\",\"expected_type\":\"non-empty_binary_data\"";
    check(post("binary", json, b"\"\""), 400, empty).await;
}

#[tokio::test]
async fn broken_json_is_refused_with_its_place() {
    let broken = "\"type\":\"json_invalid\",\"loc\":[\"body\",5]";
    check(post("json", None, b"{\"a\":}"), 400, broken).await;
    check(post("json", None, b"{\"a\":NaN}"), 400, "\"ctx\":{\"error\":\"NaN and Infinity are not JSON").await;
    check(post("json", None, b"{\"a\":1e400}"), 400, "too large for a 64-bit float").await;
    check(post("json", None, b"{\"a\":\"\\ud800\"}"), 400, "half of a surrogate pair").await;
}

#[tokio::test]
async fn bytes_that_are_no_text_are_refused_as_text() {
    check(post("string", None, b"\xff\xfe"), 400, "\"type\":\"string_unicode\"").await;
    check(post("json", None, b"{\"a\":\"\xff\"}"), 400, "\"message\":\"the body is not readable as JSON").await;
    let deep = [&b"{\"a\":"[..], &[b'['; 900]].concat();
    check(Call::post("/ns/direct/store/json", deep), 400, "nested deeper than 900").await;
}

#[tokio::test]
async fn nine_hundred_levels_are_stored_and_read() {
    let app = App::new();
    let deep = format!("{{\"a\":{}{}}}", "[".repeat(899), "]".repeat(899));
    let stored = app.json(Call::post("/ns/direct/store/json", deep.clone())).await;
    for form in ["", "/json", "/string", "/binary"] {
        let path = format!("/ns/retrieve/{}{form}", stored["cache_id"].as_str().unwrap());
        let answer = app.get(&path).await;
        assert_eq!(answer.status, 200, "{form}: {}", answer.text());
        assert!(answer.text().replace(": ", ":").contains(&deep), "{form}");
    }
}

#[tokio::test]
async fn a_body_above_the_limit_is_413() {
    let path = "/ns/direct/store/binary";
    check(Call::post(path, vec![b'x'; 1000]), 200, "").await;
    check(Call::post(path, vec![b'x'; 1001]), 413, "larger than the limit of 1000 bytes").await;
    check(Call::post(path, "x").header("content-length", "1001"), 413, "limit").await;
}

#[tokio::test]
async fn a_body_of_short_fields_above_64_kib_is_413() {
    let cases = [("/ns/settings", Method::PUT), ("/ns/direct/upload", Method::POST)];
    for (path, method) in cases {
        let body = |bytes: usize| format!("{{\"x\":{}}}", "0".to_owned() + &" ".repeat(bytes - 7));
        let call = |bytes| Call::post_json(path, body(bytes)).method(method.clone());
        let app = App::new();
        assert_ne!(app.send(call(1 << 16)).await.status, 413, "{path}");
        let refused = app.send(call((1 << 16) + 1)).await;
        assert_eq!(refused.status, 413, "{path}: {}", refused.text());
        assert!(refused.text().contains("limit of 65536 bytes"), "{path}: {}", refused.text());
    }
}

#[tokio::test]
async fn gzip_is_hashed_inflated_and_bombs_are_413() {
    let gzip = |bytes: Vec<u8>| Call::post("/ns/direct/store/binary", bytes).header("content-encoding", "gzip");
    check(gzip(gzipped(b"hello")), 200, HELLO).await;
    check(gzip(gzipped(&[0; 100_000])), 413, "limit").await;
    check(gzip(b"hello".to_vec()), 400, "no complete gzip stream").await;
    check(gzip(gzipped(b"hello")[..10].to_vec()), 400, "no complete gzip stream").await;
}

#[tokio::test]
async fn any_other_content_encoding_is_a_label() {
    for label in ["br", "GZIP", "identity"] {
        let call = Call::post("/ns/direct/store/binary", "hello").header("content-encoding", label);
        check(call, 200, HELLO).await;
    }
}
