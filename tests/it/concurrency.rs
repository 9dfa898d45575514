//! Racing stores lose nothing, on any storage.

use std::collections::BTreeSet;

use futures::future::join_all;

use crate::support::{Client, Mode, Request, Server};

const WRITERS: u64 = 32;

#[tokio::test]
async fn racing_stores_of_one_content_lose_no_version_in_memory() {
    check(&Mode::Memory).await;
}

#[tokio::test]
async fn racing_stores_of_one_content_lose_no_version_on_disk() {
    check(&Mode::Disk).await;
}

#[tokio::test]
async fn racing_stores_of_one_content_lose_no_version_in_sqlite_and_zip() {
    for mode in [Mode::sqlite(), Mode::zip()].into_iter().flatten() {
        check(&mode).await;
    }
}

#[tokio::test]
async fn racing_stores_of_one_content_lose_no_version_on_s3() {
    let Some(mode) = Mode::s3("racing-stores").await else { return };
    check(&mode).await;
}

/// All writers store the same content at once: each gets a version of its own, and every id stays readable.
async fn check(mode: &Mode) {
    let server = Server::start(mode).await;
    let client = server.client();
    let stored = join_all((0..WRITERS).map(|_| store(&client))).await;
    let versions: BTreeSet<u64> = stored.iter().map(|(_, version)| *version).collect();
    assert_eq!(versions, (1..=WRITERS).collect(), "every version once");
    let ids: BTreeSet<&str> = stored.iter().map(|(id, _)| id.as_str()).collect();
    assert_eq!(ids.len(), stored.len(), "every id once");
    for (id, _) in &stored {
        let reply = client.send(Request::get(&format!("/race/retrieve/{id}/string"))).await;
        assert_eq!((reply.status.as_u16(), reply.text().as_str()), (200, "the same for all"), "{id}");
    }
    check_index(&client, &ids).await;
}

async fn store(client: &Client) -> (String, u64) {
    let reply = client.send(Request::post("/race/direct/store/string").text("the same for all")).await;
    assert_eq!(reply.status, 200, "{}", reply.text());
    (reply.field("cache_id"), reply.json()["version"].as_u64().unwrap())
}

/// The hash index lists exactly the ids that were acknowledged.
async fn check_index(client: &Client, ids: &BTreeSet<&str>) {
    let some_id = ids.first().unwrap();
    let metadata = client.send(Request::get(&format!("/race/retrieve/{some_id}/metadata"))).await.json();
    let hash = metadata["data"]["cache_hash"].as_str().unwrap().to_owned();
    let index = client.send(Request::get(&format!("/race/retrieve/hash/{hash}/refs-hash"))).await.json();
    let listed = index["cache_ids"].as_array().unwrap().iter().map(|entry| entry["cache_id"].as_str().unwrap());
    assert_eq!(&listed.collect::<BTreeSet<_>>(), ids);
    assert_eq!(index["total_versions"], WRITERS);
}
