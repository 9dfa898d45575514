//! Repeats with one `Idempotency-Key` through two servers on one storage: one entry, whichever answers.

use bytes::Bytes;
use cache_core::digest::Sha256Digest;
use cache_testing::faulty_proxy::Network;
use futures::future::join_all;
use serde_json::{Value, json};
use tempfile::TempDir;

use crate::support::{Client, Mode, Reply, Request, Server, say};

const TEXT: &str = "sent again and again";

/// Two servers that share a folder.
async fn two_on_one_disk() -> ([Server; 2], TempDir) {
    let folder = tempfile::tempdir().unwrap();
    let shared = [("CACHE__SERVICE__LOCAL_DISK_PATH", folder.path().to_str().unwrap())];
    let servers = [Server::start_with(&Mode::Disk, &shared).await, Server::start_with(&Mode::Disk, &shared).await];
    (servers, folder)
}

fn store() -> Request {
    Request::post("/again/key_based/store/string/a/b?file_id=f").text(TEXT).header("idempotency-key", "k1")
}

fn made(reply: &Reply) -> Value {
    assert_eq!(reply.status, 200, "{}", reply.text());
    let stored = reply.json();
    json!([stored["cache_id"], stored["version"], stored["key_version"]])
}

async fn ids(client: &Client) -> Vec<Value> {
    client.send(Request::get("/again/file-ids")).await.json().as_array().unwrap().clone()
}

async fn check_at_the_same_time(servers: &[Server; 2]) {
    let clients = servers.each_ref().map(Server::client);
    let stored = join_all((0..32).map(|n| clients[n % 2].send(store()))).await;
    let first = made(&stored[0]);
    stored.iter().for_each(|reply| assert_eq!(made(reply), first));
    assert_eq!(made(&clients[1].send(store()).await), first, "and afterwards");
    assert_eq!(ids(&clients[0]).await, [first[0].clone()]);
    let other = Request::post("/again/key_based/store/string/a/b?file_id=f").text("other");
    let other = made(&clients[0].send(other.header("idempotency-key", "k1")).await);
    assert_ne!(other[0], first[0], "another content is another store");
    assert_eq!(ids(&clients[1]).await.len(), 2);
}

#[tokio::test]
async fn repeats_at_the_same_time_are_one_entry_on_disk() {
    let (servers, _folder) = two_on_one_disk().await;
    check_at_the_same_time(&servers).await;
}

#[tokio::test]
async fn repeats_at_the_same_time_are_one_entry_on_s3() {
    let Some(mode) = Mode::s3("repeats").await else { return say("not run: no S3 look-alike is set up") };
    check_at_the_same_time(&[Server::start(&mode).await, Server::start(&mode).await]).await;
}

/// Announces, sends and completes a content, as a client does that knows of no earlier attempt.
async fn upload(client: &Client, content: &Bytes) -> (Value, Reply) {
    let mut body =
        json!({"data_type": "binary", "sha256": Sha256Digest::of(content).to_string(), "size": content.len()});
    let post = |path: &str, body: &Value| Request::post(path).json(body.to_string()).header("idempotency-key", "k2");
    let begun = client.send(post("/again/direct/upload", &body)).await.json();
    let (authority, target) = begun["url"].as_str().unwrap().strip_prefix("http://").unwrap().split_once('/').unwrap();
    let put = Request::bare("PUT", &format!("/{target}")).body(content.clone());
    let sent = Client::new(authority).send(put).await;
    assert!([200, 412].contains(&sent.status.as_u16()), "{}", sent.text());
    body["upload_id"] = begun["upload_id"].clone();
    (begun["upload_id"].clone(), client.send(post("/again/direct/upload/complete", &body)).await)
}

#[tokio::test]
async fn a_repeated_upload_is_one_entry_through_two_servers() {
    let (servers, _folder) = two_on_one_disk().await;
    let content = Bytes::from(vec![7; 100_000]);
    let (first_id, first) = upload(&servers[0].client(), &content).await;
    let (second_id, second) = upload(&servers[1].client(), &content).await;
    assert_eq!((second_id, made(&second)), (first_id, made(&first)));
    assert_eq!(ids(&servers[0].client()).await.len(), 1);
}

#[tokio::test]
async fn a_repeat_after_lost_replies_is_what_was_stored() {
    let Some((mode, proxy)) = Mode::s3_behind_proxy("lost-replies", 7).await else { return };
    let (broken, healthy) = (Server::start(&mode).await, Server::start(&mode).await);
    // It knows the settings, so that its first request is the commit.
    broken.client().send(Request::get("/again/settings")).await;
    proxy.set(Network { response_lost: 1.0, ..Network::default() });
    // A read after the failure may show that the write was applied.
    let lost = broken.client().send(store()).await;
    assert!([200, 503].contains(&lost.status.as_u16()), "{}", lost.text());
    proxy.set(Network::default());
    let first = made(&healthy.client().send(store()).await);
    assert_eq!(made(&broken.client().send(store()).await), first);
    assert_eq!(ids(&broken.client()).await, [first[0].clone()]);
}
