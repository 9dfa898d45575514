//! No caller holds a connection, or memory, for longer than the server lets it.

use std::io;
use std::time::{Duration, Instant};

use tokio::io::{AsyncReadExt as _, AsyncWriteExt as _};
use tokio::net::TcpStream;
use tokio::time::{sleep, timeout};

use crate::malformed_input::raw;
use crate::support::{Mode, Request, Server};

/// Longer than any of these waits, even on a busy machine.
const SOON: Duration = Duration::from_secs(20);
const HEAD: (&str, &str) = ("CACHE__SERVICE__HEAD_TIMEOUT_SECONDS", "1");
const BODY: (&str, &str) = ("CACHE__SERVICE__BODY_TIMEOUT_SECONDS", "1");
const IDLE: (&str, &str) = ("CACHE__SERVICE__IDLE_TIMEOUT_SECONDS", "1");

/// What the server sends until it closes the connection.
async fn until_closed(mut stream: TcpStream) -> String {
    let mut received = Vec::new();
    let closed = timeout(SOON, stream.read_to_end(&mut received)).await;
    assert!(closed.is_ok(), "still open after {SOON:?}: {}", String::from_utf8_lossy(&received));
    String::from_utf8_lossy(&received).into_owned()
}

/// The head of a store of so many bytes.
fn store(length: usize) -> Vec<u8> {
    let headers = format!("Content-Type: application/octet-stream\r\nContent-Length: {length}\r\n");
    raw::head("POST", "/ns/direct/store/binary", &headers)
}

#[tokio::test]
async fn half_a_head_is_closed() {
    let server = Server::start_with(&Mode::Memory, &[HEAD]).await;
    let mut stream = raw::send(&server, b"GET /info/health HTTP/1.1\r\nHost: x\r\nX-A: ").await.unwrap();
    // A head that grows by a byte now and then has no more time.
    let drip = async {
        loop {
            sleep(Duration::from_millis(300)).await;
            if stream.write_all(b"a").await.is_err() {
                return;
            }
        }
    };
    timeout(SOON, drip).await.expect("the server closes it");
}

#[tokio::test]
async fn half_a_body_is_408() {
    let server = Server::start_with(&Mode::Memory, &[BODY]).await;
    let stream = raw::send(&server, &[store(10).as_slice(), b"abc"].concat()).await.unwrap();
    let answer = until_closed(stream).await;
    assert!(answer.starts_with("HTTP/1.1 408 ") && answer.contains("did not arrive in time"), "{answer}");
}

#[tokio::test]
async fn a_body_that_keeps_coming_is_stored() {
    let server = Server::start_with(&Mode::Memory, &[HEAD, BODY, IDLE]).await;
    let mut stream = raw::send(&server, &store(10)).await.unwrap();
    for _ in 0..10 {
        sleep(Duration::from_millis(300)).await;
        stream.write_all(b"a").await.unwrap();
    }
    assert!(until_closed(stream).await.starts_with("HTTP/1.1 200 "));
}

#[tokio::test]
async fn an_idle_connection_is_closed() {
    let server = Server::start_with(&Mode::Memory, &[IDLE]).await;
    assert_eq!(until_closed(raw::send(&server, b"").await.unwrap()).await, "");
    let keep_alive = b"GET /info/health HTTP/1.1\r\nHost: x\r\nX-API-Key: test-key\r\n\r\n";
    let mut stream = raw::send(&server, keep_alive).await.unwrap();
    sleep(Duration::from_millis(500)).await;
    stream.write_all(keep_alive).await.unwrap();
    assert_eq!(until_closed(stream).await.matches("HTTP/1.1 200 ").count(), 2);
}

#[tokio::test]
async fn more_connections_than_allowed_wait_and_the_log_says_so() {
    let server = Server::start_with(&Mode::Memory, &[IDLE, ("CACHE__SERVICE__MAX_CONNECTIONS", "2")]).await;
    let held: Vec<io::Result<TcpStream>> = vec![raw::send(&server, b"").await, raw::send(&server, b"").await];
    for _ in 0..4 {
        raw::answers(&server).await;
    }
    assert!(held.iter().all(Result::is_ok));
    let log = server.log_when(|log| log.contains("connections are in use")).await;
    assert_eq!(log.matches("all 2 connections are in use").count(), 1, "{log}");
}

#[tokio::test]
async fn idle_connections_make_room_for_new_ones_and_busy_ones_stay() {
    let server = Server::start_with(&Mode::Memory, &[("CACHE__SERVICE__MAX_CONNECTIONS", "3")]).await;
    let mut busy = raw::send(&server, &store(2)).await.unwrap();
    let idle = [raw::send(&server, b"").await.unwrap(), raw::send(&server, b"").await.unwrap()];
    let began = Instant::now();
    raw::answers(&server).await;
    assert!(began.elapsed() < Duration::from_secs(5), "{:?}", began.elapsed());
    let mut closed = 0;
    for mut stream in idle {
        closed += usize::from(timeout(Duration::from_secs(1), stream.read(&mut [0])).await.is_ok());
    }
    assert!(closed > 0, "no idle connection was closed");
    busy.write_all(b"xx").await.unwrap();
    let mut head = [0; 12];
    busy.read_exact(&mut head).await.unwrap();
    assert_eq!(&head, b"HTTP/1.1 200");
}

#[tokio::test]
async fn callers_that_do_not_read_give_their_memory_back() {
    let settings = [BODY, ("CACHE__SERVICE__MAX_IN_FLIGHT_BYTES", "67108864")];
    let server = Server::start_with(&Mode::Disk, &settings).await;
    let content = Request::post("/ns/direct/store/binary").binary(vec![b'x'; 32 << 20]);
    let id = server.client().send(content).await.field("cache_id");
    let target = format!("/ns/retrieve/{id}/binary");
    let head = raw::head("GET", &target, "");
    // More than there is room for: the third one waits for the first two to be given up.
    let mut held = Vec::new();
    for _ in 0..3 {
        held.push(raw::send(&server, &head).await.unwrap());
    }
    sleep(Duration::from_millis(200)).await;
    let reply = timeout(SOON, server.client().send(Request::get(&target))).await.unwrap();
    assert_eq!((reply.status.as_u16(), reply.body.len()), (200, 32 << 20));
}

#[tokio::test]
async fn a_body_without_room_is_503_with_advice() {
    let settings = [("CACHE__SERVICE__MAX_BODY_BYTES", "1000000"), ("CACHE__SERVICE__MAX_IN_FLIGHT_BYTES", "1000000")];
    let server = Server::start_with(&Mode::Memory, &settings).await;
    let half = [store(900_000).as_slice(), &[b'x'; 1000]].concat();
    let _first = raw::send(&server, &half).await.unwrap();
    sleep(Duration::from_millis(300)).await;
    let answer = until_closed(raw::send(&server, &half).await.unwrap()).await;
    assert!(answer.starts_with("HTTP/1.1 503 ") && answer.contains("retry-after"), "{answer}");
    assert!(answer.contains("CACHE__SERVICE__MAX_IN_FLIGHT_BYTES"), "{answer}");
    raw::answers(&server).await;
}

#[tokio::test]
async fn a_request_without_one_host_is_400() {
    let server = Server::start(&Mode::Memory).await;
    for hosts in ["", "Host: a\r\nHost: b\r\n"] {
        let request = format!("GET /info/health HTTP/1.1\r\n{hosts}X-API-Key: test-key\r\nConnection: close\r\n\r\n");
        assert_eq!(raw::status(&server, request.as_bytes()).await, Some(400), "{hosts}");
    }
}

#[tokio::test]
async fn a_transfer_coding_other_than_chunked_is_501() {
    let server = Server::start(&Mode::Memory).await;
    let headers = "Content-Type: application/octet-stream\r\nTransfer-Encoding: gzip, chunked\r\n";
    let request = [raw::head("POST", "/ns/direct/store/binary", headers).as_slice(), b"1\r\nx\r\n0\r\n\r\n"].concat();
    assert_eq!(raw::status(&server, &request).await, Some(501));
}
