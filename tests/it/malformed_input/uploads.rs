//! Clients that send slowly, or hang up half way.

use std::time::Duration;

use futures::future::join_all;
use tokio::io::{AsyncReadExt as _, AsyncWriteExt as _};
use tokio::time::sleep;

use super::raw;
use crate::support::tree::files;
use crate::support::{Mode, Request, Server};

/// The bytes that a client sends before it hangs up: never a whole request.
fn beginnings() -> Vec<Vec<u8>> {
    let mut beginnings = vec![b"POST /h/dir".to_vec(), b"POST /h/direct/store/string HTTP/1.1\r\nHost: t".to_vec()];
    let targets = [
        "/h/direct/store/string",
        "/h/key_based/store/binary/k?file_id=f",
        "/h/temporal_latest/store/json/k?file_id=f",
        "/h/direct/zip/store/k/f",
    ];
    for target in targets {
        let counted = raw::head("POST", target, "Content-Length: 100000\r\n");
        beginnings.push(counted.clone());
        beginnings.push([counted, vec![b'{'; 50_000]].concat());
        let chunked = raw::head("POST", target, "Transfer-Encoding: chunked\r\n");
        beginnings.push([&chunked[..], b"5\r\nhello\r\n"].concat());
        beginnings.push([&chunked[..], b"ffff\r\nhel"].concat());
    }
    beginnings
}

#[tokio::test]
async fn an_upload_that_breaks_off_stores_nothing() {
    let server = Server::start(&Mode::Disk).await;
    let stored = server.client().send(Request::post("/h/direct/store/string").text("already there")).await;
    let before = files(&server.disk());
    for _ in 0..3 {
        let uploads = beginnings();
        let open = join_all(uploads.iter().map(|bytes| raw::send(&server, bytes))).await;
        sleep(Duration::from_millis(50)).await;
        drop(open);
        raw::answers(&server).await;
    }
    sleep(Duration::from_millis(100)).await;
    assert_eq!(files(&server.disk()), before, "something was stored");
    let read = Request::get(&format!("/h/retrieve/{}/string", stored.field("cache_id")));
    assert_eq!(server.client().send(read).await.text(), "already there");
}

#[tokio::test]
async fn a_slow_upload_is_stored_and_does_not_block_others() {
    let server = Server::start(&Mode::Disk).await;
    let head = raw::head("POST", "/h/direct/store/string", "Content-Length: 10\r\n");
    let mut slow = raw::send(&server, &head).await.unwrap();
    let idle = join_all((0..200).map(|_| raw::send(&server, b"GET /info/health HTTP/1.1\r\n"))).await;
    for _ in 0..10 {
        slow.write_all(b"x").await.unwrap();
        raw::answers(&server).await;
        sleep(Duration::from_millis(30)).await;
    }
    let mut answer = String::new();
    slow.read_to_string(&mut answer).await.unwrap();
    assert!(answer.starts_with("HTTP/1.1 200") && answer.contains("\"size\":10"), "{answer}");
    drop(idle);
}

#[tokio::test]
async fn a_client_that_never_reads_does_not_block_others() {
    let server = Server::start(&Mode::Memory).await;
    let large = Request::post("/h/direct/store/binary").binary(vec![b'x'; 8 << 20]);
    let id = server.client().send(large).await.field("cache_id");
    let read = raw::head("GET", &format!("/h/retrieve/{id}/binary"), "");
    let deaf = join_all((0..50).map(|_| raw::send(&server, &read))).await;
    for _ in 0..5 {
        raw::answers(&server).await;
    }
    drop(deaf);
    raw::answers(&server).await;
}
