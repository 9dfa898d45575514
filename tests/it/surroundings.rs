//! A server survives its surroundings: a log that nobody reads, a folder that goes, no descriptors, signals.

use std::fs;
use std::os::unix::fs::symlink;
use std::time::{Duration, Instant};

use futures::future::join_all;
use tokio::net::TcpStream;
use tokio::time::timeout;

use crate::malformed_input::raw;
use crate::support::{Mode, Reply, Request, Server, say};

/// Longer than any of these requests takes, even on a busy machine.
const SOON: Duration = Duration::from_secs(20);
/// How many lines of the log are more than a pipe and the server hold.
const MANY_LINES: usize = 2_000;

/// The reply to a request that has to come.
async fn reply(server: &Server, request: Request) -> Reply {
    timeout(SOON, server.client().send(request)).await.expect("the server answers")
}

async fn store(server: &Server, namespace: &str, text: &str) -> Reply {
    reply(server, Request::post(&format!("/{namespace}/direct/store/string")).text(text)).await
}

/// Sends requests that each write a line to the log.
async fn write_lines(server: &Server, count: usize) {
    for _ in 0..count / 50 {
        join_all((0..50).map(|_| reply(server, Request::get("/info/health")))).await;
    }
}

#[tokio::test]
async fn a_log_without_a_reader_stops_nothing() {
    let (mut server, pipe) = Server::start_piped(&Mode::Memory).await;
    drop(pipe);
    write_lines(&server, 100).await;
    assert_eq!(store(&server, "ns", "hello").await.status, 200);
    server.signal("TERM");
    assert!(server.ended(SOON).await.is_some_and(|status| status.success()));
}

#[tokio::test]
async fn a_log_that_nobody_reads_stops_nothing() {
    let (mut server, _pipe) = Server::start_piped(&Mode::Memory).await;
    write_lines(&server, MANY_LINES).await;
    assert_eq!(store(&server, "ns", "hello").await.status, 200);
    server.signal("TERM");
    assert!(server.ended(SOON).await.is_some_and(|status| status.success()));
}

#[tokio::test]
async fn a_log_that_is_closed_or_full_stops_nothing() {
    for script in ["exec \"$0\" 2>&-", "exec \"$0\" 2>/dev/full", "exec \"$0\" >&- 2>&- <&-"] {
        let server = Server::start_through(script, &Mode::Memory, &[]).await;
        write_lines(&server, 100).await;
        assert_eq!(store(&server, "ns", "hello").await.status, 200, "{script}");
    }
}

#[tokio::test]
async fn a_folder_that_was_removed_is_made_again() {
    let server = Server::start(&Mode::Disk).await;
    let id = store(&server, "ns", "hello").await.field("cache_id");
    fs::remove_dir_all(server.disk().join(".mgraph")).unwrap();
    assert_eq!(store(&server, "ns", "world").await.status, 200);
    fs::remove_dir_all(server.disk().join("ns")).unwrap();
    assert_eq!(reply(&server, Request::get(&format!("/ns/retrieve/{id}"))).await.status, 404);
    assert_eq!(store(&server, "ns", "a third text").await.status, 200);
}

#[tokio::test]
async fn a_volume_that_is_gone_is_503_until_it_is_back() {
    let server = Server::start_with(&Mode::Disk, &[("CACHE__SERVICE__OBJECT_CACHE_BYTES", "0")]).await;
    let id = store(&server, "ns", "hello").await.field("cache_id");
    let elsewhere = server.disk().with_extension("elsewhere");
    fs::rename(server.disk(), &elsewhere).unwrap();
    let absent = "00000000-0000-4000-8000-000000000000";
    for target in [format!("/ns/retrieve/{absent}"), format!("/ns/exists/id/{absent}"), "/ns/file-ids".to_owned()] {
        assert_eq!(reply(&server, Request::get(&target)).await.status, 503, "{target}");
    }
    assert_eq!(store(&server, "ns", "world").await.status, 503);
    assert_eq!(reply(&server, Request::bare("GET", "/info/ready")).await.status, 503);
    assert_eq!(reply(&server, Request::get("/info/health")).await.status, 200);
    fs::rename(&elsewhere, server.disk()).unwrap();
    assert_eq!(reply(&server, Request::get(&format!("/ns/retrieve/{id}"))).await.status, 200);
    assert_eq!(store(&server, "ns", "world").await.status, 200);
}

#[tokio::test]
async fn a_namespace_that_is_a_link_works_nowhere() {
    let server = Server::start(&Mode::Disk).await;
    let id = store(&server, "real", "hello").await.field("cache_id");
    symlink(server.disk().join("real"), server.disk().join("linked")).unwrap();
    let reads = ["retrieve/{id}", "exists/id/{id}", "file-ids", "stats", "entries?strategy=temporal"];
    for read in reads.map(|read| read.replace("{id}", &id)) {
        assert_eq!(reply(&server, Request::get(&format!("/linked/{read}"))).await.status, 500, "{read}");
        assert!(reply(&server, Request::get(&format!("/real/{read}"))).await.status.is_success(), "{read}");
    }
    assert_eq!(store(&server, "linked", "hello").await.status, 500);
    assert_eq!(reply(&server, Request::get("/namespaces/list")).await.status, 500);
    server.log_when(|log| log.contains("symbolic links")).await;
}

#[tokio::test]
async fn a_full_disk_says_so_and_lists_nothing() {
    let Some(volume) = std::env::var_os("MGRAPH_SMALL_VOLUME") else {
        return say(
            "not run: a server on a full disk, which MGRAPH_SMALL_VOLUME=(an empty volume of some megabytes) adds",
        );
    };
    let path = std::path::Path::new(&volume).join("server").display().to_string();
    let server = Server::start_with(&Mode::Disk, &[("CACHE__SERVICE__LOCAL_DISK_PATH", &path)]).await;
    let large = "x".repeat(900_000);
    let mut stored = Vec::new();
    let refused = loop {
        let text = format!("{}{large}", stored.len());
        match store(&server, "ns", &text).await {
            reply if reply.status == 200 => stored.push(reply.field("cache_id")),
            reply => break reply,
        }
        assert!(stored.len() < 100, "the volume has more than 90 MB");
    };
    assert_eq!(
        (refused.status.as_u16(), refused.text().contains("the storage is full")),
        (507, true),
        "{}",
        refused.text()
    );
    let listed = reply(&server, Request::get("/ns/file-ids")).await.json();
    assert_eq!(listed.as_array().unwrap().len(), stored.len());
    for id in &stored {
        assert_eq!(reply(&server, Request::delete(&format!("/ns/delete/{id}"))).await.status, 200);
    }
    assert_eq!(store(&server, "ns", "hello").await.status, 200);
    fs::remove_dir_all(path).unwrap();
}

#[tokio::test]
async fn a_server_without_descriptors_answers_again() {
    let settings = [("CACHE__SERVICE__HEAD_TIMEOUT_SECONDS", "1"), ("CACHE__SERVICE__IDLE_TIMEOUT_SECONDS", "1")];
    let server = Server::start_through("ulimit -n 64; exec \"$0\"", &Mode::Disk, &settings).await;
    let mut held: Vec<TcpStream> = Vec::new();
    for _ in 0..90 {
        held.push(raw::send(&server, b"GET /info/health HTTP/1.1\r\nHost: x\r\nX-").await.unwrap());
    }
    assert_eq!(store(&server, "ns", "hello").await.status, 200);
    let log = server.log_when(|log| log.contains("connections are in use")).await;
    assert_eq!(log.matches("connections are in use").count(), 1, "{log}");
    assert!(log.contains("only 32 connections can be open"), "{log}");
}

#[tokio::test]
async fn half_a_request_does_not_hold_up_the_end() {
    let settings = [("CACHE__SERVICE__SHUTDOWN_TIMEOUT_SECONDS", "1")];
    let mut server = Server::start_with(&Mode::Memory, &settings).await;
    let head = raw::head("POST", "/ns/direct/store/string", "Content-Length: 10\r\nContent-Type: text/plain\r\n");
    let _half_a_body = raw::send(&server, &[head.as_slice(), b"abc"].concat()).await.unwrap();
    let _half_a_head = raw::send(&server, b"GET /info/health HTTP/1.1\r\nHost:").await.unwrap();
    let _idle = raw::send(&server, b"").await.unwrap();
    raw::answers(&server).await;
    server.signal("TERM");
    let (asked, ended) = (Instant::now(), server.ended(SOON).await);
    assert!(ended.is_some_and(|status| status.success()), "{ended:?}");
    assert!(asked.elapsed() < Duration::from_secs(10), "{:?}", asked.elapsed());
}

#[tokio::test]
async fn a_terminal_that_closes_leaves_the_server_running() {
    let mut server = Server::start(&Mode::Memory).await;
    server.signal("HUP");
    assert!(server.ended(Duration::from_millis(500)).await.is_none(), "SIGHUP ended the server");
    assert_eq!(store(&server, "ns", "hello").await.status, 200);
    server.log_when(|log| log.contains("SIGHUP is ignored")).await;
}
