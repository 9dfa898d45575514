//! The requests that are sent, recorded by a server that accepts everything.

use std::sync::{Arc, Mutex};

use sha2::{Digest as _, Sha256};
use tokio::io::{AsyncBufReadExt, AsyncReadExt, AsyncWriteExt, BufReader};
use tokio::net::{TcpListener, TcpStream};

use super::*;

/// A server on this machine, and the heads of the requests that it has had, in lower case.
struct Recorder {
    url: String,
    heads: Arc<Mutex<Vec<String>>>,
    connections: Arc<Mutex<usize>>,
}

impl Recorder {
    async fn start(status: u16) -> Self {
        let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
        let url = format!("http://{}", listener.local_addr().unwrap());
        let (heads, connections) = (Arc::<Mutex<Vec<String>>>::default(), Arc::<Mutex<usize>>::default());
        let recorder = Self { url, heads: heads.clone(), connections: connections.clone() };
        tokio::spawn(async move {
            while let Ok((connection, _)) = listener.accept().await {
                *connections.lock().unwrap() += 1;
                tokio::spawn(record(connection, status, heads.clone()));
            }
        });
        recorder
    }

    fn config(&self) -> S3Config {
        S3Config { endpoint_url: Some(self.url.clone()), ..S3Config::new("bucket") }
    }

    fn s3(&self) -> S3 {
        S3::with_keys(self.config(), "id", "secret")
    }

    fn heads(&self) -> Vec<String> {
        self.heads.lock().unwrap().clone()
    }
}

/// Answers requests until the other end has had enough.
async fn record(connection: TcpStream, status: u16, heads: Arc<Mutex<Vec<String>>>) {
    let mut connection = BufReader::new(connection);
    loop {
        let mut head = String::new();
        while !head.ends_with("\r\n\r\n") {
            if connection.read_line(&mut head).await.unwrap_or(0) == 0 {
                return;
            }
        }
        let head = head.to_lowercase();
        let length = head.lines().find_map(|line| line.strip_prefix("content-length: ")?.parse().ok());
        connection.read_exact(&mut vec![0; length.unwrap_or(0)]).await.unwrap();
        heads.lock().unwrap().push(head);
        let answer = format!("HTTP/1.1 {status} X\r\nETag: \"1\"\r\nContent-Length: 0\r\n\r\n");
        connection.write_all(answer.as_bytes()).await.unwrap();
    }
}

/// The head of the one request of a PUT.
async fn put(bytes: &'static [u8], mode: PutMode) -> String {
    let recorder = Recorder::start(200).await;
    recorder.s3().put(&"a/b".parse().unwrap(), bytes.into(), mode).await.unwrap();
    let [head] = recorder.heads().try_into().unwrap();
    head
}

#[tokio::test]
async fn a_put_carries_its_sha256_and_no_other_checksum() {
    for mode in [PutMode::Overwrite, PutMode::Create, PutMode::Update(Version::new("0"))] {
        let head = put(b"hello", mode).await;
        let sha256 = STANDARD.encode(Sha256::digest(b"hello")).to_lowercase();
        assert!(head.contains(&format!("\r\nx-amz-checksum-sha256: {sha256}\r\n")), "{head}");
        assert!(head.contains("\r\ncontent-length: 5\r\n"), "{head}");
        for unwanted in ["x-amz-trailer", "aws-chunked", "crc", "transfer-encoding", "x-amz-decoded-content-length"] {
            assert!(!head.contains(unwanted), "{unwanted} in {head}");
        }
    }
}

#[tokio::test]
async fn the_mode_of_a_put_is_a_condition() {
    let head = put(b"", PutMode::Create).await;
    assert!(head.contains("\r\nif-none-match: *\r\n") && !head.contains("if-match"), "{head}");
    let head = put(b"", PutMode::Update(Version::new("0"))).await;
    assert!(head.contains("\r\nif-match: \"0\"\r\n") && !head.contains("if-none-match"), "{head}");
    let head = put(b"", PutMode::Overwrite).await;
    assert!(!head.contains("if-match") && !head.contains("if-none-match"), "{head}");
}

/// The head of the COPY that a client sends as if the server were AWS.
async fn copy(mode: PutMode) -> String {
    let recorder = Recorder::start(404).await;
    let s3 = S3 { is_aws: true, ..recorder.s3() };
    let _ = s3.copy(&"a b/c+é".parse().unwrap(), &"target".parse().unwrap(), mode).await;
    recorder.heads().pop().unwrap()
}

#[tokio::test]
async fn the_mode_of_a_copy_is_a_condition_on_its_target() {
    let head = copy(PutMode::Create).await;
    assert!(head.starts_with("put /bucket/target?"), "{head}");
    assert!(head.contains("\r\nx-amz-copy-source: bucket/a%20b/c%2b%c3%a9\r\n"), "{head}");
    assert!(head.contains("\r\nif-none-match: *\r\n") && !head.contains("if-match"), "{head}");
    let head = copy(PutMode::Update(Version::new("0"))).await;
    assert!(head.contains("\r\nif-match: \"0\"\r\n") && !head.contains("if-none-match"), "{head}");
    let head = copy(PutMode::Overwrite).await;
    assert!(!head.contains("if-match") && !head.contains("if-none-match"), "{head}");
}

#[tokio::test]
async fn the_quoting_of_if_match_is_a_setting() {
    let recorder = Recorder::start(200).await;
    let config = S3Config { etag_quoting: ETagQuoting::Unquoted, ..recorder.config() };
    let s3 = S3::with_keys(config, "id", "secret");
    let written = s3.put(&"a".parse().unwrap(), "x".into(), PutMode::Update(Version::new("0"))).await.unwrap();
    assert_eq!(written, Version::new("1"), "a version has no quotes");
    s3.get(&"a".parse().unwrap(), &GetOptions::unless(Version::new("0"))).await.unwrap();
    let heads = recorder.heads();
    assert!(heads[0].contains("\r\nif-match: 0\r\n"), "{heads:?}");
    assert!(heads[1].contains("\r\nif-none-match: \"0\"\r\n"), "a read is always quoted: {heads:?}");
}

#[tokio::test]
async fn with_an_endpoint_the_bucket_is_in_the_path() {
    let head = put(b"hello", PutMode::Overwrite).await;
    assert!(head.starts_with("put /bucket/a/b?"), "{head}");
    assert!(head.contains("\r\nhost: 127.0.0.1:"), "{head}");
}

#[tokio::test]
async fn warming_up_sends_one_request_on_each_of_two_connections() {
    for status in [200, 403, 503] {
        let recorder = Recorder::start(status).await;
        recorder.s3().warm_up().await;
        let heads = recorder.heads();
        assert!(heads.len() == 2 && heads.iter().all(|head| head.starts_with("head /bucket")), "{status}: {heads:?}");
        assert_eq!(*recorder.connections.lock().unwrap(), 2, "{status}");
    }
}

#[tokio::test]
async fn warming_up_ends_if_nobody_listens() {
    // The port was just released, so no server listens on it.
    let port = TcpListener::bind("127.0.0.1:0").await.unwrap().local_addr().unwrap().port();
    let config = S3Config { endpoint_url: Some(format!("http://127.0.0.1:{port}")), ..S3Config::new("bucket") };
    S3::with_keys(config, "id", "secret").warm_up().await;
}
