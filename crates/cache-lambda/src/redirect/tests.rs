//! Retrieves of a large content over a storage that signs requests.

use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};
use std::time::Duration;

use async_trait::async_trait;
use bytes::Bytes;
use cache_core::digest::Sha256Digest;
use cache_core::storage::{
    GetOptions, GetResult, ListPage, ListRequest, ObjectHead, ObjectKey, Presign, PresignedRequest, PutMode,
    ResponseHeaders, Storage, StorageError, Version,
};
use cache_storage::memory::Memory;
use http::Method;
use serde_json::json;

use super::*;
use crate::test_support::{Answer, App, Call, config};

/// Memory that presigns URLs which show their parameters. It counts the bytes that it returns.
#[derive(Debug, Default)]
struct Signing {
    memory: Memory,
    read: AtomicU64,
}

#[async_trait]
impl Storage for Signing {
    async fn get(&self, key: &ObjectKey, options: &GetOptions) -> Result<Option<GetResult>, StorageError> {
        let result = self.memory.get(key, options).await?;
        let bytes = match &result {
            Some(GetResult::Object(object)) => object.bytes.len() as u64,
            Some(GetResult::NotModified) | None => 0,
        };
        self.read.fetch_add(bytes, Ordering::Relaxed);
        Ok(result)
    }

    async fn head(&self, key: &ObjectKey) -> Result<Option<ObjectHead>, StorageError> {
        self.memory.head(key).await
    }

    async fn put(&self, key: &ObjectKey, bytes: Bytes, mode: PutMode) -> Result<Version, StorageError> {
        self.memory.put(key, bytes, mode).await
    }

    async fn delete(&self, key: &ObjectKey) -> Result<(), StorageError> {
        self.memory.delete(key).await
    }

    async fn list(&self, request: &ListRequest) -> Result<ListPage, StorageError> {
        self.memory.list(request).await
    }

    fn presigner(&self) -> Option<&dyn Presign> {
        Some(self)
    }
}

#[async_trait]
impl Presign for Signing {
    async fn presigned_put(
        &self,
        key: &ObjectKey,
        _: u64,
        _: Sha256Digest,
        _: Duration,
    ) -> Result<PresignedRequest, StorageError> {
        Ok(PresignedRequest { url: format!("https://storage.example/{key}"), headers: Vec::new() })
    }

    async fn presigned_get(
        &self,
        key: &ObjectKey,
        answer: &ResponseHeaders,
        _: Duration,
    ) -> Result<String, StorageError> {
        let encoding = answer.content_encoding.unwrap_or("plain");
        let kind = answer.content_type.replace([' ', ';'], "");
        let disposition = answer.content_disposition.as_deref().unwrap_or_default().replace([' ', ';'], "");
        Ok(format!("https://storage.example/{key}?{kind}&{encoding}&{disposition}"))
    }
}

const TEXT: &str = "/store/string";
const SIZE: usize = MAX_RESPONSE_BYTES as usize + 1;

/// An application with one entry, and where it is read.
struct Stored {
    app: App,
    storage: Arc<Signing>,
    path: String,
    hash: String,
}

impl Stored {
    async fn new(in_lambda: bool, call: Call) -> Self {
        let storage = Arc::new(Signing::default());
        let mut config = config();
        config.in_lambda = in_lambda;
        let app = App::over(storage.clone(), config);
        let stored = app.json(call).await;
        let text = |field: &str| stored[field].as_str().unwrap().to_owned();
        storage.read.store(0, Ordering::Relaxed);
        Self { path: format!("/ns/retrieve/{}", text("cache_id")), hash: text("cache_hash"), app, storage }
    }

    async fn text(in_lambda: bool, size: usize) -> Self {
        Self::new(in_lambda, Call::post(&format!("/ns/direct{TEXT}"), vec![b'x'; size])).await
    }

    async fn read(&self, form: &str) -> Answer {
        self.app.get(&format!("{}{form}", self.path)).await
    }

    fn bytes_read(&self) -> u64 {
        self.storage.read.swap(0, Ordering::Relaxed)
    }
}

fn document(size: usize) -> Call {
    Call::post_json("/ns/direct/store/json", json!({"text": "x".repeat(size)}).to_string())
}

#[track_caller]
fn check_redirect(answer: &Answer, content_type: &str) {
    assert_eq!(answer.status, 307, "{}", answer.text());
    let location = answer.header("location").unwrap();
    assert!(location.starts_with("https://storage.example/ns/") && location.contains(content_type), "{location}");
    assert_eq!((answer.header("cache-control"), answer.header("etag")), (Some("no-store"), None));
    assert!(answer.body.is_empty());
}

#[tokio::test]
async fn a_large_content_is_redirected_if_it_is_the_stored_bytes() {
    for in_lambda in [true, false] {
        let stored = Stored::text(in_lambda, SIZE).await;
        for (form, content_type) in [("/string", "text/plain"), ("/binary", "application/octet-stream")] {
            check_redirect(&stored.read(form).await, content_type);
            let by_hash = stored.app.get(&format!("/ns/retrieve/hash/{}{form}", stored.hash)).await;
            check_redirect(&by_hash, content_type);
            check_redirect(&stored.read(&format!("{form}?revision=0")).await, content_type);
        }
        let stored = Stored::new(in_lambda, document(SIZE)).await;
        check_redirect(&stored.read("/json").await, "application/json");
    }
}

#[tokio::test]
async fn no_more_is_read_of_it_than_shows_that_it_is_large() {
    let stored = Stored::text(true, 3 * SIZE).await;
    stored.read("/string").await;
    let read = stored.bytes_read();
    assert!(read <= MAX_RESPONSE_BYTES + 2000, "{read}");
}

#[tokio::test]
async fn a_content_that_just_fits_is_answered() {
    for in_lambda in [true, false] {
        let answer = Stored::text(in_lambda, SIZE - 1).await.read("/string").await;
        assert_eq!((answer.status.as_u16(), answer.body.len()), (200, SIZE - 1));
    }
}

#[tokio::test]
async fn outside_of_lambda_every_form_passes_through_when_asked_to() {
    let stored = Stored::text(false, SIZE).await;
    for form in ["/string?redirect=never", "/binary?redirect=never", ""] {
        let answer = stored.read(form).await;
        assert!(answer.status == 200 && answer.body.len() >= SIZE, "{form}: {}", answer.status);
    }
    let stored = Stored::new(false, document(SIZE)).await;
    assert_eq!(stored.read("/string").await.status, 200, "a form that is not the stored bytes");
}

#[tokio::test]
async fn in_lambda_a_form_that_does_not_fit_names_one_that_does() {
    let stored = Stored::text(true, SIZE).await;
    for (form, words) in [
        ("", "/string, which redirects"),
        ("/json", "/string, which redirects"),
        ("/string?redirect=never", "leave out 'redirect=never'"),
    ] {
        let answer = stored.read(form).await;
        assert_eq!(answer.status, 413, "{form}");
        assert!(answer.text().contains(words), "{}", answer.text());
        assert!(answer.text().contains("has 4000001 bytes, and up to 4000000"), "{}", answer.text());
    }
    // A content that is small in the storage may be a large response.
    let answer =
        Stored::new(true, Call::post_json("/ns/direct/store/json", json!({"t": "é".repeat(1_500_000)}).to_string()))
            .await
            .read("/string")
            .await;
    assert_eq!(answer.status, 413);
}

#[tokio::test]
async fn an_unknown_way_is_400() {
    let answer = Stored::text(false, 5).await.read("/string?redirect=always").await;
    assert_eq!(answer.status, 400);
    assert!(answer.text().contains("redirect should be 'auto' or 'never'"), "{}", answer.text());
}

#[tokio::test]
async fn gzip_is_redirected_for_callers_that_accept_it() {
    // Random digits, so that the stream is large.
    let digits: String = (0_u64..700_000).map(|n| n.wrapping_mul(0x9e37_79b9_7f4a_7c15).to_string()).collect();
    let packed = crate::test_support::gzipped(digits.as_bytes());
    assert!(packed.len() > SIZE);
    let call = Call::post("/ns/direct/store/binary", packed).header("content-encoding", "gzip");
    let stored = Stored::new(true, call).await;
    let read = async |headers: &[(&'static str, &str)]| {
        let call = Call::get(&format!("{}/binary", stored.path));
        stored.app.send(headers.iter().fold(call, |call, (name, value)| call.header(name, value))).await
    };
    let answer = read(&[("accept-encoding", "gzip")]).await;
    check_redirect(&answer, "application/octet-stream&gzip");
    assert!(answer.headers.get_all("vary").iter().any(|vary| vary == "accept-encoding"));
    for headers in [&[][..], &[("accept-encoding", "gzip"), ("range", "bytes=0-9")]] {
        let answer = read(headers).await;
        assert_eq!(answer.status, 413);
        assert!(answer.text().contains("'Accept-Encoding: gzip'"), "{}", answer.text());
    }
}

#[tokio::test]
async fn a_large_archive_is_redirected_with_its_file_name() {
    let digest = |n: u64| Sha256Digest::of(&n.to_le_bytes());
    let noise: Vec<u8> = (0..140_000).flat_map(|n| *digest(n).as_bytes()).collect();
    for in_lambda in [true, false] {
        let stored = Stored::new(in_lambda, Call::post("/ns/direct/zip/create/k/f", "")).await;
        let add = format!("{}/file/add/from/bytes/noise.bin", stored.path.replace("retrieve", "zip"));
        let edited = stored.app.json(Call::post(&add, noise.clone())).await;
        let path = format!("/ns/zip/{}/retrieve", edited["cache_id"].as_str().unwrap());
        check_redirect(&stored.app.get(&path).await, "application/zip&plain&attachment");
        let whole = stored.app.get(&format!("{path}?redirect=never")).await;
        assert_eq!(whole.status, if in_lambda { 413 } else { 200 });
        assert_eq!(stored.app.send(Call::new(Method::HEAD, &path)).await.status, 200);
    }
}

#[tokio::test]
async fn a_head_needs_no_read_and_its_etag_saves_the_redirect() {
    let stored = Stored::text(true, SIZE).await;
    let path = format!("{}/string", stored.path);
    let head = stored.app.send(Call::new(Method::HEAD, &path)).await;
    assert_eq!((head.status.as_u16(), head.body.len()), (200, 0));
    assert_eq!(head.header("content-length"), Some("4000001"));
    assert_eq!(head.header("content-type"), Some("text/plain; charset=utf-8"));
    let tag = head.header("etag").unwrap();
    let known = stored.app.send(Call::get(&path).header("if-none-match", tag)).await;
    assert_eq!((known.status.as_u16(), known.header("etag")), (304, Some(tag)));
    // A client sends its range along to where it is led.
    check_redirect(&stored.app.send(Call::get(&path).header("range", "bytes=0-9")).await, "text/plain");
}

#[tokio::test]
async fn a_large_content_that_is_gone_is_an_error_and_no_redirect() {
    let stored = Stored::text(true, SIZE).await;
    let blobs = ListRequest { prefix: "ns/blobs/".to_owned(), limit: 10, ..ListRequest::default() };
    let blobs = stored.storage.list(&blobs).await.unwrap().objects;
    assert_eq!(blobs.len(), 1);
    stored.storage.delete(&blobs[0].key.parse().unwrap()).await.unwrap();
    assert_eq!(stored.read("/string").await.status, 500);
}

#[tokio::test]
async fn a_deleted_entry_is_404_and_leads_nowhere() {
    let stored = Stored::text(true, SIZE).await;
    let delete = stored.path.replace("retrieve", "delete");
    stored.app.json(Call::new(Method::DELETE, &delete)).await;
    assert_eq!(stored.read("/string").await.status, 404);
}

/// Checks that the CORS rule of the deployed bucket has these methods and origins.
#[track_caller]
fn check_cors_rule(methods: &str, origins: &str) {
    let template = include_str!("../../../../template.yaml");
    let (_, rules) = template.split_once("CorsRules:").unwrap();
    let rule = rules.split("- AllowedOrigins:").find(|rule| rule.contains(&format!("AllowedMethods: [{methods}]")));
    assert_eq!(rule.unwrap().lines().next().unwrap().trim(), origins);
}

#[test]
fn a_page_of_any_origin_may_follow_a_redirect_to_the_bucket() {
    // After a redirect to another origin, browsers send `Origin: null` for every page.
    check_cors_rule("GET, HEAD", "[\"*\"]");
    check_cors_rule("PUT", "!Ref CorsOrigins");
}
