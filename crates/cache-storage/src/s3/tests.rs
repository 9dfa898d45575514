//! How S3's responses come out, with a server that sends the same response to every request.

use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering};

use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::net::{TcpListener, TcpStream};

use super::*;

/// A server on this machine: its address, and how many requests it has had.
async fn server(answer: Option<String>) -> (String, Arc<AtomicUsize>) {
    let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
    let url = format!("http://{}", listener.local_addr().unwrap());
    let requests = Arc::new(AtomicUsize::new(0));
    let count = requests.clone();
    tokio::spawn(async move {
        while let Ok((connection, _)) = listener.accept().await {
            tokio::spawn(serve(connection, answer.clone(), count.clone()));
        }
    });
    (url, requests)
}

/// Reads what comes first (the requests here are small), answers, and closes. Without an answer it stays silent.
async fn serve(mut connection: TcpStream, answer: Option<String>, count: Arc<AtomicUsize>) {
    let mut request = vec![0; 8192];
    if connection.read(&mut request).await.is_ok_and(|length| length > 0) {
        count.fetch_add(1, Ordering::Relaxed);
        match answer {
            Some(answer) => connection.write_all(answer.as_bytes()).await.unwrap(),
            None => std::future::pending().await,
        }
    }
}

fn error(status: u16, code: &str) -> Option<String> {
    let body = format!("<?xml version=\"1.0\"?><Error><Code>{code}</Code><Message>the reason</Message></Error>");
    let length = body.len();
    Some(format!("HTTP/1.1 {status} X\r\nContent-Length: {length}\r\nConnection: close\r\n\r\n{body}"))
}

fn s3(url: String) -> S3 {
    let config = S3Config {
        endpoint_url: Some(url),
        attempt_timeout: Duration::from_millis(300),
        operation_timeout: Duration::from_millis(700),
        ..S3Config::new("bucket")
    };
    S3::with_keys(config, "id", "secret")
}

fn key() -> ObjectKey {
    "a/b".parse().unwrap()
}

/// Puts an object, and returns the outcome with the number of requests that it took.
async fn put_answered(status: u16, code: &str, mode: PutMode) -> (Result<Version, StorageError>, usize) {
    let (url, requests) = server(error(status, code)).await;
    let outcome = s3(url).put(&key(), "x".into(), mode).await;
    (outcome, requests.load(Ordering::Relaxed))
}

#[tokio::test]
async fn an_unmet_condition_is_a_failed_precondition_at_once() {
    let (outcome, requests) = put_answered(412, "PreconditionFailed", PutMode::Create).await;
    assert!(matches!(outcome, Err(StorageError::Precondition { .. })), "{outcome:?}");
    assert_eq!(requests, 1);
}

#[tokio::test]
async fn an_update_of_an_absent_key_fails_its_precondition() {
    let (outcome, _) = put_answered(404, "NoSuchKey", PutMode::Update(Version::new("etag"))).await;
    assert!(matches!(outcome, Err(StorageError::Precondition { .. })), "{outcome:?}");
}

#[tokio::test]
async fn a_concurrent_write_is_unavailable_after_three_attempts() {
    let (outcome, requests) = put_answered(409, "ConditionalRequestConflict", PutMode::Create).await;
    assert!(matches!(outcome, Err(StorageError::Unavailable { .. })), "{outcome:?}");
    assert_eq!(requests, 3);
}

#[tokio::test]
async fn transient_errors_are_unavailable_after_three_attempts() {
    for (status, code) in [(500, "InternalError"), (503, "SlowDown"), (400, "RequestTimeout")] {
        let (outcome, requests) = put_answered(status, code, PutMode::Overwrite).await;
        assert!(matches!(outcome, Err(StorageError::Unavailable { .. })), "{outcome:?}");
        assert_eq!(requests, 3, "{code}");
    }
}

#[tokio::test]
async fn a_conditional_write_whose_outcome_is_unknown_is_not_sent_again() {
    let update = || PutMode::Update(Version::new("etag"));
    for (answer, mode) in [(error(500, "InternalError"), PutMode::Create), (None, PutMode::Create), (None, update())] {
        let (url, requests) = server(answer).await;
        let outcome = s3(url).put(&key(), "x".into(), mode).await;
        assert!(matches!(outcome, Err(StorageError::Unavailable { .. })), "{outcome:?}");
        assert_eq!(requests.load(Ordering::Relaxed), 1);
    }
    let (_, requests) = put_answered(503, "SlowDown", PutMode::Create).await;
    assert_eq!(requests, 3, "a throttled write was not applied");
}

#[tokio::test]
async fn lasting_errors_are_refused_at_once_with_advice() {
    let cases = [
        (404, "NoSuchBucket", "create the bucket"),
        (403, "AccessDenied", "allow s3:ListBucket"),
        (403, "InvalidAccessKeyId", "renew the credentials"),
        (400, "ExpiredToken", "renew the credentials"),
        (301, "PermanentRedirect", "name the region"),
        (501, "NotImplemented", "use a server that implements"),
    ];
    for (status, code, advice) in cases {
        let (outcome, requests) = put_answered(status, code, PutMode::Overwrite).await;
        let Err(StorageError::Refused { source, .. }) = outcome else { panic!("{code}: {outcome:?}") };
        let reason = source.to_string();
        assert!(reason.contains(advice) && reason.contains("the reason"), "{reason}");
        assert_eq!(requests, 1, "{code}");
    }
}

#[tokio::test]
async fn a_missing_bucket_is_refused_but_a_missing_key_is_none() {
    let (url, _) = server(error(404, "NoSuchBucket")).await;
    assert!(matches!(s3(url).get(&key(), &GetOptions::default()).await, Err(StorageError::Refused { .. })));
    let (url, _) = server(error(404, "NoSuchKey")).await;
    assert!(matches!(s3(url).get(&key(), &GetOptions::default()).await, Ok(None)));
}

#[tokio::test]
async fn no_response_is_unavailable_after_the_timeout() {
    let (url, requests) = server(None).await;
    let outcome = s3(url).get(&key(), &GetOptions::default()).await;
    assert!(matches!(outcome, Err(StorageError::Unavailable { .. })), "{outcome:?}");
    assert!(requests.load(Ordering::Relaxed) >= 2, "an attempt that takes too long is repeated");
}

#[tokio::test]
async fn a_stalled_body_is_unavailable_after_the_timeout() {
    let half = "HTTP/1.1 200 OK\r\nETag: \"e\"\r\nContent-Length: 100\r\n\r\nonly a part";
    let (url, _) = server(Some(half.to_owned())).await;
    let outcome = s3(url).get(&key(), &GetOptions::default()).await;
    assert!(matches!(outcome, Err(StorageError::Unavailable { .. })), "{outcome:?}");
}

#[tokio::test]
async fn a_refused_connection_is_unavailable() {
    let outcome = s3("http://127.0.0.1:1".to_owned()).get(&key(), &GetOptions::default()).await;
    assert!(matches!(outcome, Err(StorageError::Unavailable { .. })), "{outcome:?}");
}

#[tokio::test]
async fn only_a_whole_object_has_a_known_digest() {
    let sha256 = Sha256Digest::of(b"hello");
    let checksum = STANDARD.encode(sha256.as_bytes());
    for (checksum, known) in [(checksum.clone(), Some(sha256)), (format!("{checksum}-2"), None)] {
        let headers = format!("ETag: \"e\"\r\nContent-Length: 5\r\nx-amz-checksum-sha256: {checksum}\r\n");
        let modified = "Last-Modified: Fri, 20 Nov 2026 12:00:00 GMT\r\n";
        let (url, _) = server(Some(format!("HTTP/1.1 200 OK\r\n{headers}{modified}Connection: close\r\n\r\n"))).await;
        let head = s3(url).head(&key()).await.unwrap().unwrap();
        assert_eq!((head.size, head.sha256, head.modified), (5, known, UnixMillis::new(1_795_176_000_000)));
    }
}

#[tokio::test]
async fn a_304_is_not_modified_whatever_the_range() {
    let known = || Version::new("e");
    for range in [None, Some(0..3), Some(7..9)] {
        let (url, requests) =
            server(Some("HTTP/1.1 304 X\r\nETag: \"e\"\r\nConnection: close\r\n\r\n".to_owned())).await;
        let options = GetOptions { range, ..GetOptions::unless(known()) };
        assert_eq!(s3(url).get(&key(), &options).await.unwrap(), Some(GetResult::NotModified), "{options:?}");
        assert_eq!(requests.load(Ordering::Relaxed), 1, "{options:?}");
    }
}

#[tokio::test]
async fn a_full_server_is_full_at_once() {
    for (status, code) in [(507, "XMinioStorageFull"), (507, "Other"), (403, "QuotaExceeded")] {
        let (outcome, requests) = put_answered(status, code, PutMode::Create).await;
        assert!(matches!(outcome, Err(StorageError::Full { .. })), "{outcome:?}");
        assert_eq!(requests, 1, "{code}");
    }
}

#[tokio::test]
async fn an_error_keeps_its_sources() {
    let failed = s3("http://127.0.0.1:1".to_owned()).get(&key(), &GetOptions::default()).await.unwrap_err();
    let chain = error_chain(&failed);
    assert!(chain.contains("bucket 'bucket': no response from S3") && chain.contains("refused"), "{chain}");
}
