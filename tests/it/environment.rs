//! A server survives its environment: a log that nobody reads, a folder that goes, no descriptors, signals.

use std::fs::{self, Permissions};
use std::os::unix::fs::{PermissionsExt, symlink};
use std::path::{Path, PathBuf};
use std::process::Command;
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

/// The script that starts a server whose folder is a file system of its own, of six megabytes.
const SMALL_VOLUME: &str = r#"mkdir volume; exec unshare -rm sh -c '
    mount -t tmpfs -o size=6m none "$CACHE__SERVICE__LOCAL_DISK_PATH" && exec "$0"' "$0""#;

/// The script that starts a server which may write only where the permissions say so, which root needs not care about.
const WITHOUT_PRIVILEGES: &str = r#"
    [ "$(id -u)" = 0 ] && exec setpriv --inh-caps=-all --bounding-set=-all "$0"
    exec "$0""#;

/// A server on a small volume; `None`, and a line with the reason, on a machine where only root may mount one.
async fn on_a_small_volume() -> Option<Server> {
    let can_mount = Command::new("unshare").args(["-rm", "mount", "-t", "tmpfs", "none", "/tmp"]).output();
    if !can_mount.is_ok_and(|mounted| mounted.status.success()) {
        say("not run: a server on a full disk, since `unshare -rm mount` is not allowed here");
        return None;
    }
    let folder = [("CACHE__SERVICE__LOCAL_DISK_PATH", "volume")];
    Some(Server::start_through(SMALL_VOLUME, &Mode::Disk, &folder).await)
}

#[tokio::test]
async fn a_full_disk_says_so_lists_nothing_and_can_be_emptied() {
    let Some(server) = on_a_small_volume().await else { return };
    let large = "x".repeat(900_000);
    let mut stored = Vec::new();
    let refused = loop {
        match store(&server, "ns", &format!("{}{large}", stored.len())).await {
            reply if reply.status == 200 => stored.push(reply.field("cache_id")),
            reply => break reply,
        }
        assert!(stored.len() < 10, "the volume has more than 9 MB");
    };
    assert_eq!(refused.status, 507, "{}", refused.text());
    assert!(refused.text().contains("the storage is full"), "{}", refused.text());
    server.log_when(|log| log.contains("No space left on device")).await;
    let listed = reply(&server, Request::get("/ns/file-ids")).await.json();
    assert_eq!(listed.as_array().unwrap().len(), stored.len());
    // Not even the few bytes of a tombstone have room now.
    while store(&server, "ns", &format!("{}{}", stored.len(), "y".repeat(3000))).await.status == 200 {}
    for id in &stored {
        let deleted = reply(&server, Request::delete(&format!("/ns/delete/{id}"))).await;
        assert_eq!(deleted.status, 200, "{}", deleted.text());
    }
    assert_eq!(store(&server, "ns", "hello").await.status, 200);
}

#[tokio::test]
async fn a_read_only_folder_is_read_and_written_to_when_it_can_be() {
    let server = Server::start_through(WITHOUT_PRIVILEGES, &Mode::Disk, &[]).await;
    let id = store(&server, "ns", "hello").await.field("cache_id");
    let folders = folders_of(&server.disk());
    let set_mode =
        |mode| folders.iter().for_each(|path| fs::set_permissions(path, Permissions::from_mode(mode)).unwrap());
    set_mode(0o500);
    let refused = store(&server, "ns", "world").await;
    assert_eq!(refused.status, 500, "{}", refused.text());
    assert_eq!(reply(&server, Request::get(&format!("/ns/retrieve/{id}/string"))).await.text(), "hello");
    assert_eq!(reply(&server, Request::get("/ns/file-ids")).await.json().as_array().unwrap().len(), 1);
    server.log_when(|log| log.contains("Permission denied")).await;
    set_mode(0o700);
    assert_eq!(store(&server, "ns", "world").await.status, 200);
}

/// The folder and all folders in it.
fn folders_of(folder: &Path) -> Vec<PathBuf> {
    let inside = fs::read_dir(folder).unwrap().map(|entry| entry.unwrap().path()).filter(|path| path.is_dir());
    let mut folders: Vec<_> = inside.flat_map(|path| folders_of(&path)).collect();
    folders.push(folder.to_owned());
    folders
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
