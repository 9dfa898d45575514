//! Much of everything: long targets, many headers, large bodies.

use std::fmt::Write as _;

use serde_json::Value;

use super::gzipped;
use super::raw;
use crate::support::{Mode, Reply, Request, Server};

const MIB: usize = 1 << 20;

/// The request line and the headers get this, or the server hangs up.
async fn is_refused(server: &Server, bytes: &[u8], what: &str) {
    let status = raw::status(server, bytes).await;
    assert!(status.is_none_or(|status| (400..500).contains(&status)), "{what}: {status:?}");
    raw::answers(server).await;
}

#[tokio::test]
async fn a_target_of_a_mebibyte_is_refused() {
    let server = Server::start(&Mode::Memory).await;
    for length in [60_000, 70_000, MIB] {
        let long = "k".repeat(length);
        for target in [
            format!("/h/key_based/store/string/{long}"),
            format!("/{long}/direct/store/string"),
            format!("/h/direct/store/string/k?file_id={long}"),
            format!("/h/direct/store/string/{}", "a/".repeat(length / 2)),
        ] {
            let request = raw::head("POST", &target, "Content-Length: 1\r\n");
            is_refused(&server, &[&request[..], b"x"].concat(), &format!("{length} characters")).await;
        }
        for target in [format!("/h/retrieve/{long}"), format!("/admin/storage/file/bytes/{long}")] {
            is_refused(&server, &raw::head("GET", &target, ""), &format!("{length} characters")).await;
        }
    }
}

#[tokio::test]
async fn a_query_of_thousands_of_parameters_does_no_harm() {
    let server = Server::start(&Mode::Memory).await;
    let query: String = (0..6000).fold(String::new(), |mut query, n| {
        let _ = write!(query, "&a{n}={n}");
        query
    });
    let target = format!("/h/direct/store/string/k?file_id=f{query}");
    let reply = server.client().send(Request::post(&target).text("x")).await;
    assert_eq!(reply.status, 200, "{}", reply.text());
    let huge = raw::head("GET", &format!("/h/file-ids?{}", "limit=1&".repeat(MIB / 8)), "");
    is_refused(&server, &huge, "a query of a mebibyte").await;
}

#[tokio::test]
async fn floods_of_headers_are_refused() {
    let server = Server::start(&Mode::Memory).await;
    let many = |count: usize| "X-Flood: 1\r\n".repeat(count);
    let long = |length: usize| format!("X-Flood: {}\r\n", "x".repeat(length));
    for headers in [many(1000), many(100_000), long(MIB), long(8 * MIB), format!("{}: 1\r\n", "X".repeat(100_000))] {
        is_refused(&server, &raw::head("GET", "/info/health", &headers), &headers[..20]).await;
    }
}

#[tokio::test]
async fn what_is_no_http_is_refused() {
    let server = Server::start(&Mode::Memory).await;
    let twice = "Content-Length: 1\r\nContent-Length: 2\r\n";
    let both = "Content-Length: 1\r\nTransfer-Encoding: chunked\r\n";
    let lengths =
        ["Content-Length: -1\r\n", "Content-Length: x\r\n", "Content-Length: 99999999999999999999\r\n", twice];
    for headers in
        lengths.into_iter().chain([both, "Transfer-Encoding: nonsense\r\n", "No colon\r\n", "Bad\u{0}: 1\r\n"])
    {
        let request = [raw::head("POST", "/h/direct/store/string", headers), b"x".to_vec()].concat();
        let status = raw::status(&server, &request).await;
        // RFC 9112, 6.3: a length in addition to chunks may be refused or ignored.
        assert!(
            status.is_none_or(|status| status < 500 && (status >= 400 || headers == both)),
            "{headers}: {status:?}"
        );
    }
    for bytes in [
        &b"\0\0\0\0\r\n\r\n"[..],
        b"GET\r\n\r\n",
        b"GET / HTTP/9.9\r\n\r\n",
        &[0xff; 1000],
        b"\x16\x03\x01\x02\x00\x01",
    ] {
        let mut bytes = bytes.to_vec();
        bytes.extend(b"\r\n\r\n");
        is_refused(&server, &bytes, "no HTTP").await;
    }
}

/// Stores a body that is larger than most, and reads it back.
async fn round_trip(server: &Server, kind: &str, request: Request, content: &[u8]) {
    let stored = success(server.client().send(request).await, kind);
    let id = stored["cache_id"].as_str().unwrap();
    let reply = server.client().send(Request::get(&format!("/h/retrieve/{id}/{kind}"))).await;
    assert_eq!(reply.status, 200, "{kind}");
    assert!(reply.body == content, "{kind}: {} bytes, not {}", reply.body.len(), content.len());
}

fn success(reply: Reply, what: &str) -> Value {
    assert_eq!(reply.status, 200, "{what}: {}", reply.text());
    reply.json()
}

#[tokio::test]
async fn bodies_of_50_megabytes_come_back_as_they_were_sent() {
    const SIZE: usize = 50_000_000;
    let server = Server::start(&Mode::Disk).await;
    let text = "0123456789abcdef".repeat(SIZE / 16);
    let post = |kind: &str| Request::post(&format!("/h/direct/store/{kind}"));
    round_trip(&server, "string", post("string").text(&text), text.as_bytes()).await;
    let document = format!(r#"{{"text":"{text}"}}"#);
    round_trip(&server, "json", post("json").json(document.clone()), document.as_bytes()).await;
    let bytes = text.into_bytes();
    round_trip(&server, "binary", post("binary").binary(bytes.clone()), &bytes).await;
    let packed = post("binary").header("content-encoding", "gzip").binary(gzipped(&bytes));
    round_trip(&server, "binary", packed, &bytes).await;
}

#[tokio::test]
async fn a_body_over_the_default_limit_is_413_in_every_form() {
    let server = Server::start(&Mode::Memory).await;
    let over = vec![b'x'; 64 * MIB + 1];
    let packed = gzipped(&over);
    for request in [
        Request::post("/h/direct/store/string").body(over.clone()),
        Request::post("/h/direct/store/binary").header("content-encoding", "gzip").binary(packed),
    ] {
        let reply = server.client().send(request).await;
        assert_eq!(reply.status, 413, "{}", reply.text());
    }
    // No length is announced: the limit shows while the body comes in.
    let mut chunked = raw::head("POST", "/h/direct/store/binary", "Transfer-Encoding: chunked\r\n");
    for chunk in over.chunks(MIB) {
        chunked.extend(format!("{:x}\r\n", chunk.len()).bytes());
        chunked.extend(chunk);
        chunked.extend(b"\r\n");
    }
    chunked.extend(b"0\r\n\r\n");
    is_refused(&server, &chunked, "a chunked body").await;
}

#[tokio::test]
async fn an_early_answer_reaches_a_caller_who_is_still_sending() {
    let server = Server::start(&Mode::Memory).await;
    let body = vec![b'x'; 32 * MIB];
    for _ in 0..10 {
        let request = Request::bare("POST", "/h/direct/store/binary").body(body.clone());
        assert_eq!(server.client().send(request).await.status, 401);
    }
}
