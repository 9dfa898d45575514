//! Wrong input gets a 4xx that names the field and says what to do, and nothing is stored then. No input gets a 5xx, leaves
//! the namespace that it names, or takes memory that does not come back.

mod archives;
mod floods;
mod memory;
pub mod raw;
mod traversal;
mod uploads;

use std::collections::BTreeMap;
use std::io::Write as _;
use std::path::PathBuf;

use flate2::Compression;
use flate2::write::GzEncoder;

use crate::support::tree::files;
use crate::support::{Mode, Request, Server};

/// The body limit of these servers, in bytes.
const BODY_LIMIT: usize = 1 << 20;

/// A server on disk that holds one entry, and what its folder looked like then.
struct Target {
    server: Server,
    before: BTreeMap<PathBuf, u64>,
}

impl Target {
    async fn start() -> Self {
        let limit = BODY_LIMIT.to_string();
        let server = Server::start_with(&Mode::Disk, &[("CACHE__SERVICE__MAX_BODY_BYTES", &limit)]).await;
        let seeded = server.client().send(Request::post("/h/direct/store/string").text("already there")).await;
        assert_eq!(seeded.status, 200, "{}", seeded.text());
        let before = files(&server.disk());
        assert!(!before.is_empty());
        Self { server, before }
    }

    /// The request is refused with this status, by a message that has these words, and leaves nothing behind.
    async fn refuses(&self, request: Request, status: u16, words: &[&str]) {
        let what = format!("{request:?}").chars().take(200).collect::<String>();
        let reply = self.server.client().send(request).await;
        assert_eq!(reply.status, status, "{what}: {}", reply.text());
        assert_eq!(reply.media_type(), "application/json", "{what}");
        assert!(!reply.json()["detail"].is_null(), "{what}: {}", reply.text());
        let message = reply.field("message");
        let missing: Vec<_> = words.iter().filter(|word| !message.contains(**word)).collect();
        assert!(missing.is_empty(), "{what}: {missing:?} are not in '{message}'");
        assert_eq!(files(&self.server.disk()), self.before, "{what}: something was stored");
    }

    async fn refuses_json(&self, body: impl Into<Vec<u8>>, words: &[&str]) {
        self.refuses(Request::post("/h/direct/store/json").json(body.into()), 400, words).await;
    }

    async fn refuses_key(&self, key: &str) {
        for kind in ["string", "binary"] {
            let request = Request::post(&format!("/h/key_based/store/{kind}/{key}?file_id=f")).binary("x");
            self.refuses(request, 400, &["cache_key"]).await;
        }
    }
}

fn gzipped(bytes: &[u8]) -> Vec<u8> {
    let mut encoder = GzEncoder::new(Vec::new(), Compression::best());
    encoder.write_all(bytes).unwrap();
    encoder.finish().unwrap()
}

fn nested(depth: usize) -> String {
    format!("{}1{}", r#"{"a":"#.repeat(depth), "}".repeat(depth))
}

fn compressed_store(body: Vec<u8>) -> Request {
    Request::post("/h/direct/store/binary").header("content-encoding", "gzip").binary(body)
}

#[tokio::test]
async fn an_unknown_strategy_is_refused() {
    let target = Target::start().await;
    target.refuses(Request::post("/h/forever/store/string").text("x"), 400, &["strategy", "'temporal_latest'"]).await;
}

#[tokio::test]
async fn a_malformed_id_is_refused() {
    let target = Target::start().await;
    for target_path in
        ["/h/retrieve/no-id", "/h/retrieve/no-id/string", "/h/retrieve/no-id/refs/all", "/h/exists/id/no-id"]
    {
        target.refuses(Request::get(target_path), 400, &["cache_id"]).await;
    }
    let delete = Request::bare("DELETE", "/h/delete/no-id").header("x-api-key", "test-key");
    target.refuses(delete, 400, &["cache_id"]).await;
}

#[tokio::test]
async fn a_malformed_hash_is_refused() {
    let target = Target::start().await;
    for hash in ["NO-HASH", "abc", "ABCDEF0123456789", &"a".repeat(97)] {
        target.refuses(Request::get(&format!("/h/retrieve/hash/{hash}")), 400, &["cache_hash"]).await;
        target.refuses(Request::get(&format!("/h/exists/hash/{hash}")), 400, &["cache_hash"]).await;
    }
}

#[tokio::test]
async fn numbers_that_are_not_json_are_refused() {
    let target = Target::start().await;
    for number in ["NaN", "Infinity", "-Infinity", "1e400", "-1e400"] {
        target.refuses_json(format!(r#"{{"a":{number}}}"#), &["JSON", "byte"]).await;
    }
}

#[tokio::test]
async fn json_that_is_nested_too_deep_is_refused() {
    let target = Target::start().await;
    for depth in [901, 1_000, 100_000] {
        target.refuses_json(nested(depth), &["JSON", "nested", "900"]).await;
    }
}

#[tokio::test]
async fn text_that_is_not_utf_8_is_refused() {
    let target = Target::start().await;
    let utf_16: Vec<u8> = "\u{feff}{\"a\":1}".encode_utf16().flat_map(u16::to_le_bytes).collect();
    target.refuses_json(utf_16, &["JSON", "UTF-8"]).await;
    target.refuses_json(b"{\"a\":\"\xff\"}", &["UTF-8"]).await;
    target.refuses_json(r#"{"a":"\ud800"}"#, &["JSON", "surrogate"]).await;
    let text = Request::post("/h/direct/store/string").header("content-type", "text/plain").body(&b"caf\xe9"[..]);
    target.refuses(text, 400, &["body", "UTF-8"]).await;
}

#[tokio::test]
async fn json_of_another_kind_than_the_route_is_refused() {
    let target = Target::start().await;
    for body in ["[1]", "1", "null", "\"text\"", "{", "{\"a\":1} x"] {
        target.refuses_json(body, &["JSON"]).await;
    }
    target.refuses(Request::post("/h/direct/store/string").json(r#"{"a":1}"#), 400, &["string"]).await;
    target.refuses(Request::post("/h/direct/store/binary").json("[1]"), 400, &["body"]).await;
}

#[tokio::test]
async fn a_broken_gzip_stream_is_refused() {
    let target = Target::start().await;
    let whole = gzipped(b"some text that is long enough to be cut");
    target.refuses(compressed_store(b"not gzip".to_vec()), 400, &["gzip"]).await;
    target.refuses(compressed_store(whole[..whole.len() / 2].to_vec()), 400, &["gzip"]).await;
    let mut flipped = whole.clone();
    *flipped.last_mut().unwrap() ^= 1;
    target.refuses(compressed_store(flipped), 400, &["gzip"]).await;
}

#[tokio::test]
async fn a_gzip_bomb_is_refused() {
    let target = Target::start().await;
    let bomb = gzipped(&vec![0; 64 * BODY_LIMIT]);
    assert!(bomb.len() < BODY_LIMIT / 8, "small enough to come in");
    target.refuses(compressed_store(bomb), 413, &["body", &BODY_LIMIT.to_string()]).await;
}

#[tokio::test]
async fn a_body_over_the_limit_is_refused() {
    let target = Target::start().await;
    for kind in ["string", "binary"] {
        let request = Request::post(&format!("/h/direct/store/{kind}")).binary(vec![b'x'; BODY_LIMIT + 1]);
        target.refuses(request, 413, &["body", &BODY_LIMIT.to_string()]).await;
    }
}

#[tokio::test]
async fn an_empty_body_is_refused() {
    let target = Target::start().await;
    for kind in ["string", "json", "binary"] {
        let path = format!("/h/direct/store/{kind}");
        target.refuses(Request::post(&path), 400, &["body"]).await;
        target.refuses(Request::post(&path).header("content-type", "application/json"), 400, &["body"]).await;
    }
    target.refuses(Request::post("/h/direct/store/string").json("\"\""), 400, &["empty"]).await;
    target.refuses(Request::post("/h/direct/store/binary").json("\"\""), 400, &["empty"]).await;
}

#[tokio::test]
async fn keys_that_are_not_valid_paths_are_refused() {
    let target = Target::start().await;
    for key in ["..", ".", "../x", "a/../b", "a/..", "a/./b", "a/%20/b", "//", "a\\b", "..\\x"] {
        target.refuses_key(key).await;
    }
}

#[tokio::test]
async fn keys_that_hide_their_dots_and_slashes_are_refused() {
    let target = Target::start().await;
    for key in ["%2e%2e", "%2E%2e/x", "a%2F..%2Fb", "a/%2e%2e/b", "a%2f%20%2fb", "%2F%2F", "a%5Cb"] {
        target.refuses_key(key).await;
    }
}

#[tokio::test]
async fn a_blank_key_is_refused() {
    let target = Target::start().await;
    for key in ["", "%20", "%20%20"] {
        let request = Request::post(&format!("/h/key_based/store/string/{key}")).text("x");
        target.refuses(request, 400, &["cache_key"]).await;
    }
}

#[tokio::test]
async fn a_key_is_decoded_once_and_no_key_leaves_its_namespace() {
    let target = Target::start().await;
    for key in ["%252e%252e", "%252e%252e%252fx", "a%255cb", "%00", "..%00", "~", "CON", "a:b"] {
        let path = format!("/h/key_based/store/string/k-{key}?file_id=f");
        let reply = target.server.client().send(Request::post(&path).text("x")).await;
        assert_eq!(reply.status, 200, "{key}: {}", reply.text());
    }
    let root = target.server.disk();
    let roots: Vec<_> = files(&root).into_keys().map(|file| file.strip_prefix(&root).unwrap().to_owned()).collect();
    let strays: Vec<_> = roots.iter().filter(|file| !file.starts_with("h") && !file.starts_with(".mgraph")).collect();
    assert!(strays.is_empty(), "{strays:?}");
}

#[tokio::test]
async fn names_of_which_nothing_is_left_are_refused() {
    let target = Target::start().await;
    for namespace in ["%20", "%20%20", "_", "___", "..", "%2e%2e", "!!", "%C3%A9"] {
        let request = Request::post(&format!("/{namespace}/direct/store/string")).text("x");
        target.refuses(request, 400, &["namespace"]).await;
    }
}

#[tokio::test]
async fn names_that_are_too_long_are_refused() {
    let target = Target::start().await;
    let long = |length| "n".repeat(length);
    let namespace = format!("/{}/direct/store/string", long(129));
    target.refuses(Request::post(&namespace).text("x"), 400, &["namespace", "128"]).await;
    let file_id = format!("/h/direct/store/string/k?file_id={}", long(129));
    target.refuses(Request::post(&file_id).text("x"), 400, &["file_id", "128"]).await;
    let key = format!("/h/direct/store/string/{}", long(1025));
    target.refuses(Request::post(&key).text("x"), 400, &["cache_key", "1024"]).await;
    let field = format!("/h/direct/store/json/k?json_field_path={}", long(257));
    target.refuses(Request::post(&field).json("{\"a\":1}"), 400, &["json_field_path", "256"]).await;
}

#[tokio::test]
async fn a_key_whose_storage_path_is_too_long_is_refused() {
    let target = Target::start().await;
    let key = format!("/h/key_based/store/string/{}?file_id=f", vec!["k".repeat(100); 10].join("/"));
    target.refuses(Request::post(&key).text("x"), 400, &["1024"]).await;
}

#[tokio::test]
async fn a_field_that_is_not_there_is_refused() {
    let target = Target::start().await;
    for (field, body) in [("b", r#"{"a":1}"#), ("a", r#"{"a":null}"#), ("a", r#"{"a":""}"#), ("a..b", r#"{"a":1}"#)] {
        let path = format!("/h/direct/store/json/k?json_field_path={field}");
        target.refuses(Request::post(&path).json(body), 400, &["field"]).await;
    }
}

#[tokio::test]
async fn a_request_without_the_key_is_refused() {
    let target = Target::start().await;
    let store = || Request::bare("POST", "/h/direct/store/string");
    let reply = target.server.client().send(store().text("x")).await;
    assert_eq!((reply.status.as_u16(), reply.json()["status"].as_str()), (401, Some("error")));
    let reply = target.server.client().send(store().header("x-api-key", "wrong").text("x")).await;
    assert_eq!(reply.status, 401);
    assert_eq!(files(&target.server.disk()), target.before);
}
