//! An S3 that cannot be reached is a 503: never a miss, and never a success.

use std::time::Duration;

use cache_testing::faulty_proxy::Network;
use futures::future::join_all;

use crate::support::{Client, Mode, Request, Server};

/// Operations below the paths of the storage that do not call S3.
const WITHOUT_STORAGE: [&str; 1] = ["/admin/storage/bucket-name"];

#[tokio::test]
async fn broken_storage_connections_are_503_for_reads_and_deletes() {
    check_everything("resets", Network { reset: 1.0, ..Network::default() }).await;
}

#[tokio::test]
async fn a_throttling_storage_is_503_for_reads_and_deletes() {
    check_everything("busy", Network { refused: 1.0, ..Network::default() }).await;
}

/// Checks every operation of the API that reads or deletes an existing entry on this network.
async fn check_everything(bucket: &str, network: Network) {
    let Some((mode, proxy)) = Mode::s3_behind_proxy(bucket, 1).await else { return };
    let server = Server::start(&mode).await;
    let client = server.client();
    // By another process, so that this one has nothing cached.
    let (other, entry) = {
        let other = Server::start(&mode).await;
        let entry = store(&other.client()).await;
        (other, entry)
    };
    let operations = operations(&client, &entry).await;
    assert!(operations.len() > 50, "{operations:?}");
    proxy.set(network);
    join_all(operations.iter().map(|(method, target)| check(&client, method, target))).await;

    proxy.set(Network::default());
    let reply = other.client().send(Request::get(&format!("/net/retrieve/{}/string", entry.id))).await;
    assert_eq!(reply.text(), "hello", "what was answered with 503 has deleted something");
}

async fn check(client: &Client, method: &str, target: &str) {
    let request = Request::bare(method, target).header("x-api-key", "test-key");
    let request = if method == "POST" { request.text("hello again") } else { request };
    let reply = client.send(request).await;
    assert_eq!(reply.status, 503, "{method} {target}: {}", reply.text());
    assert!(reply.headers.contains_key("retry-after"), "{method} {target}");
}

/// An existing entry, under a key.
struct Entry {
    id: String,
    hash: String,
}

async fn store(client: &Client) -> Entry {
    let reply = client.send(Request::post("/net/key_based/store/string/k?file_id=f").text("hello")).await;
    Entry { id: reply.field("cache_id"), hash: reply.field("cache_hash") }
}

/// Method and target of every described operation that reads or deletes in the storage.
async fn operations(client: &Client, entry: &Entry) -> Vec<(String, String)> {
    let described = client.send(Request::get("/openapi.json")).await.json();
    let mut operations = Vec::new();
    for (path, methods) in described["paths"].as_object().unwrap() {
        let stores = ["/{namespace}/", "/namespaces/", "/admin/storage/"].iter().any(|start| path.starts_with(start));
        if stores && !WITHOUT_STORAGE.contains(&path.as_str()) {
            let methods =
                methods.as_object().unwrap().keys().filter(|method| ["get", "delete"].contains(&method.as_str()));
            operations.extend(methods.map(|method| (method.to_uppercase(), target(path, entry))));
        }
    }
    operations
}

/// A described path with its parameters filled in, with those of the entry where it has them.
fn target(path: &str, entry: &Entry) -> String {
    let names = [
        ("{namespace}", "net"),
        ("{cache_id}", &entry.id),
        ("{cache_hash}", &entry.hash),
        ("{strategy}", "key_based"),
        ("{cache_key}", "k"),
        ("{file_id}", "f"),
        ("{data_type}", "string"),
        ("{data_key}", "d"),
        ("{data_file_id}", "f"),
        ("{file_path}", "a.txt"),
        ("{path}", "net/data/key-based/k/f.txt"),
    ];
    let target = names.iter().fold(path.to_owned(), |target, (name, value)| target.replace(name, value));
    assert!(!target.contains('{'), "{target}: what name belongs there?");
    target
}

/// Slower than any request may take: its responses arrive after every deadline.
const TOO_SLOW: Network =
    Network { delay: Duration::from_secs(30), slow: 0.0, refused: 0.0, reset: 0.0, response_lost: 0.0 };

/// Long enough for a busy machine, and shorter than the SDK's timeout (10 s) and any response of the storage.
const SOON: Duration = Duration::from_secs(8);

#[tokio::test]
async fn a_storage_that_is_too_slow_is_503_when_the_deadline_is_over() {
    let Some((mode, proxy)) = Mode::s3_behind_proxy("slow", 1).await else { return };
    let server = Server::start_with(&mode, &[("CACHE__SERVICE__REQUEST_TIMEOUT_SECONDS", "2")]).await;
    let client = server.client();
    let entry = store(&client).await;
    proxy.set(TOO_SLOW);
    let id = &entry.id;
    let operations = [
        ("POST", "/net/direct/store/string".to_owned()),
        ("POST", "/net/key_based/store/string/k?file_id=f".to_owned()),
        ("POST", format!("/net/update/{id}/string")),
        ("GET", format!("/net/retrieve/{id}/string")),
        ("GET", format!("/net/retrieve/hash/{}", entry.hash)),
        ("GET", "/net/retrieve/key/key_based/k/f".to_owned()),
        ("GET", format!("/net/exists/id/{id}")),
        ("GET", "/net/file-ids".to_owned()),
        ("DELETE", format!("/net/delete/{id}")),
    ];
    let checks = join_all(operations.iter().map(|(method, target)| check(&client, method, target)));
    tokio::time::timeout(SOON, checks).await.expect("an answer before the deadline is long over");
}
