//! Presigned requests, sent to moto as a client would send them. moto accepts any signature and checksum, so the tests
//! look for them in the URL and the headers.

#![allow(clippy::unwrap_used, reason = "a test panics where it fails")]

use std::time::Duration;

use cache_core::digest::Sha256Digest;
use cache_core::storage::{ObjectKey, Presign, PresignedRequest, PutMode, ResponseHeaders, Storage};
use cache_storage::s3::S3;
use cache_testing::s3_server::S3Server;
use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::net::TcpStream;

const BODY: &[u8] = b"a content that never saw the service";

/// Status line, headers and body of a response in one text.
async fn send(method: &str, url: &str, headers: &[(String, String)], body: &[u8]) -> String {
    let (authority, target) = url.strip_prefix("http://").unwrap().split_once('/').unwrap();
    let headers: String = headers.iter().map(|(name, value)| format!("{name}: {value}\r\n")).collect();
    let head = format!("{method} /{target} HTTP/1.1\r\nHost: {authority}\r\nConnection: close\r\n{headers}\r\n");
    let mut connection = TcpStream::connect(authority).await.unwrap();
    connection.write_all(&[head.as_bytes(), body].concat()).await.unwrap();
    let mut response = Vec::new();
    connection.read_to_end(&mut response).await.unwrap();
    String::from_utf8(response).unwrap()
}

fn key(name: &str) -> ObjectKey {
    format!("presigned/{name}").parse().unwrap()
}

async fn sign(s3: &S3, name: &str) -> PresignedRequest {
    let sha256 = Sha256Digest::of(BODY);
    s3.presigned_put(&key(name), BODY.len() as u64, sha256, Duration::from_secs(60)).await.unwrap()
}

#[tokio::test]
async fn a_signed_put_creates_an_object_once() {
    let Some(server) = S3Server::shared() else { return };
    let s3 = server.storage("presigned").await;
    let signed = sign(&s3, "once").await;
    let first = send("PUT", &signed.url, &signed.headers, BODY).await;
    assert!(first.starts_with("HTTP/1.1 200"), "{first}");
    let head = s3.head(&key("once")).await.unwrap().unwrap();
    assert_eq!(head.size, BODY.len() as u64);
    let second = send("PUT", &signed.url, &signed.headers, BODY).await;
    assert!(second.starts_with("HTTP/1.1 412"), "{second}");
}

#[tokio::test]
async fn the_signature_covers_size_checksum_and_condition() {
    let Some(server) = S3Server::shared() else { return };
    let signed = sign(&server.storage("presigned").await, "covered").await;
    let (_, names) = signed.url.split_once("X-Amz-SignedHeaders=").unwrap();
    let names: Vec<&str> = names.split('&').next().unwrap().split("%3B").collect();
    let sha256 = "OgMQztnVXZTNvDaSHEDNyf1ySN71WrNYcJcCUj28ZBs=";
    for (name, value) in [("content-length", "36"), ("if-none-match", "*"), ("x-amz-checksum-sha256", sha256)] {
        let sent = signed.headers.iter().find(|(sent, _)| sent == name).map(|(_, value)| value.as_str());
        assert_eq!(sent, Some(value), "{name} in {:?}", signed.headers);
        assert!(names.contains(&name), "{name} in {names:?}");
    }
    assert!(signed.url.contains("X-Amz-Expires=60&"), "{}", signed.url);
}

#[tokio::test]
async fn a_signed_get_responds_with_the_signed_headers() {
    let Some(server) = S3Server::shared() else { return };
    let s3 = server.storage("presigned").await;
    s3.put(&key("read"), BODY.into(), PutMode::Overwrite).await.unwrap();
    let headers = ResponseHeaders {
        content_type: "text/plain; charset=utf-8",
        content_encoding: Some("gzip"),
        content_disposition: Some("attachment; filename=\"a b.txt\"".to_owned()),
    };
    let url = s3.presigned_get(&key("read"), &headers, Duration::from_secs(60)).await.unwrap();
    let response = send("GET", &url, &[], b"").await;
    let (head, body) = response.split_once("\r\n\r\n").unwrap();
    let head = head.to_ascii_lowercase();
    assert!(head.starts_with("http/1.1 200") && body.as_bytes() == BODY, "{response}");
    assert!(head.contains("content-type: text/plain; charset=utf-8"), "{head}");
    assert!(head.contains("content-encoding: gzip"), "{head}");
    assert!(head.contains("content-disposition: attachment; filename=\"a b.txt\""), "{head}");
}
