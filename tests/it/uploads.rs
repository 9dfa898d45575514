//! Large contents from end to end: announced, sent to the URL of the response, completed, and read through the
//! redirect.

use bytes::Bytes;
use cache_core::digest::Sha256Digest;
use serde_json::{Value, json};

use crate::support::{Client, Mode, Reply, Request, Server, say};

/// Larger than the limit of Lambda.
const SIZE: usize = 20_000_000;

/// Bytes that do not repeat.
fn content() -> Bytes {
    (0..SIZE.div_ceil(32) as u64).flat_map(|n| *Sha256Digest::of(&n.to_le_bytes()).as_bytes()).take(SIZE).collect()
}

fn announced(content: &[u8]) -> Value {
    json!({"data_type": "binary", "sha256": Sha256Digest::of(content).to_string(), "size": content.len()})
}

async fn begin(client: &Client, content: &[u8]) -> Value {
    let reply = client.send(Request::post("/big/direct/upload").json(announced(content).to_string())).await;
    assert_eq!(reply.status, 200, "{}", reply.text());
    reply.json()
}

async fn complete(client: &Client, begun: &Value, content: &[u8]) -> Reply {
    let mut body = announced(content);
    body["upload_id"] = begun["upload_id"].clone();
    client.send(Request::post("/big/direct/upload/complete").json(body.to_string())).await
}

/// Sends the request that the response describes, without an API key.
async fn follow(method: &str, url: &str, headers: &Value, body: Bytes) -> Reply {
    let (authority, target) = url.strip_prefix("http://").unwrap().split_once('/').unwrap();
    let request = Request::bare(method, &format!("/{target}")).body(body);
    let headers = headers.as_object().into_iter().flatten().filter(|(name, _)| *name != "content-length");
    let request = headers.fold(request, |request, (name, value)| request.header(name, value.as_str().unwrap()));
    Client::new(authority).send(request).await
}

async fn send(begun: &Value, content: Bytes) -> Reply {
    follow(begun["method"].as_str().unwrap(), begun["url"].as_str().unwrap(), &begun["headers"], content).await
}

/// Checks a large content on a server, whether it redirects or not.
async fn check(mode: &Mode, redirects: bool) {
    let server = Server::start(mode).await;
    let (client, content) = (server.client(), content());
    let begun = begin(&client, &content).await;
    let early = complete(&client, &begun, &content).await;
    assert_eq!(early.status, 400);
    assert!(early.text().contains("not there yet"), "{}", early.text());

    let sent = send(&begun, content.clone()).await;
    assert_eq!(sent.status, 200, "{}", sent.text());
    assert_eq!(send(&begun, content.clone()).await.status, 412, "once");
    let stored = complete(&client, &begun, &content).await;
    assert_eq!(stored.status, 200, "{}", stored.text());
    assert_eq!(complete(&client, &begun, &content).await.json(), stored.json());

    let path = format!("/big/retrieve/{}/binary", stored.field("cache_id"));
    let mut read = client.send(Request::get(&path)).await;
    assert_eq!(read.status, if redirects { 307 } else { 200 });
    if redirects {
        let url = read.headers["location"].to_str().unwrap().to_owned();
        read = follow("GET", &url, &Value::Null, Bytes::new()).await;
        assert_eq!((read.status.as_u16(), read.media_type()), (200, "application/octet-stream"));
    }
    assert!(read.body == content);
    let whole = client.send(Request::get(&format!("{path}?redirect=never"))).await;
    assert!(whole.status == 200 && whole.body == content);
}

#[tokio::test]
async fn a_large_content_is_sent_to_s3_and_read_from_it_directly() {
    let Some(mode) = Mode::s3("uploads").await else { return say("not run: no S3 look-alike is set up") };
    check(&mode, true).await;
}

#[tokio::test]
async fn without_presigned_urls_large_contents_pass_the_server() {
    for mode in [Some(Mode::Disk), Mode::sqlite(), Mode::zip()].into_iter().flatten() {
        check(&mode, false).await;
    }
}

#[tokio::test]
async fn other_bytes_than_announced_never_become_an_entry() {
    let modes = [Some(Mode::Disk), Mode::s3("uploads-refused").await];
    for mode in modes.into_iter().flatten() {
        let server = Server::start(&mode).await;
        let client = server.client();
        let begun = begin(&client, b"announced").await;
        // Unlike S3 and our own server, moto accepts any checksum; then completing detects the difference.
        let sent = send(&begun, Bytes::from_static(b"something")).await;
        assert_eq!(sent.status == 400, matches!(mode, Mode::Disk), "{}", sent.text());
        let reply = complete(&client, &begun, b"announced").await;
        assert_eq!(reply.status, 400, "{}", reply.text());
        let hash = &begun["cache_hash"].as_str().unwrap();
        let exists = client.send(Request::get(&format!("/big/exists/hash/{hash}"))).await;
        assert_eq!(exists.json()["exists"], false);
    }
}

#[tokio::test]
async fn an_upload_url_cannot_be_forged_and_ends_with_the_process() {
    let server = Server::start(&Mode::Disk).await;
    let begun = begin(&server.client(), b"announced").await;
    let url = begun["url"].as_str().unwrap();
    assert!(url.starts_with(&server.url()), "{url}");
    for odd in [url.replace("size=9", "size=8"), url.replace("expires=", "expires=9"), format!("{url}0")] {
        let reply = follow("PUT", &odd, &Value::Null, Bytes::from_static(b"announced")).await;
        assert_eq!(reply.status, 403, "{odd}: {}", reply.text());
    }
    let other = Server::start(&Mode::Disk).await;
    let elsewhere = url.replace(&server.url(), &other.url());
    let reply = follow("PUT", &elsewhere, &Value::Null, Bytes::from_static(b"announced")).await;
    assert_eq!(reply.status, 403, "{}", reply.text());
    assert_eq!(send(&begun, Bytes::from_static(b"announced")).await.status, 200);
}

#[tokio::test]
async fn announcing_and_completing_need_the_key() {
    let server = Server::start(&Mode::Memory).await;
    for path in ["/big/direct/upload", "/big/direct/upload/complete"] {
        let reply = server.client().send(Request::bare("POST", path).json(announced(b"x").to_string())).await;
        assert_eq!(reply.status, 401);
    }
}
