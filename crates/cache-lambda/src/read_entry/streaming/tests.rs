//! Large contents, which are sent in parts.

use std::sync::Arc;

use bytes::Bytes;
use cache_core::cache::{PART_BYTES, Selector};
use cache_core::storage::{GetOptions, GetResult, ListRequest, ObjectKey, PutMode, Storage};
use cache_storage::memory::Memory;
use cache_storage::system::{OsRng, SystemClock};
use futures::StreamExt;
use http::Method;
use http_body_util::BodyExt;
use tower::ServiceExt;

use super::MAX_STREAMED_BYTES;
use crate::app;
use crate::redirect::DeliveryOptions;
use crate::state::Service;
use crate::test_support::{Answer, App, Call, config, gzipped};

/// More than two parts, and not a multiple of one.
const SIZE: usize = 2 * PART_BYTES as usize + 12_345;

/// A service that keeps one large content.
struct Large {
    app: App,
    storage: Arc<Memory>,
    state: Arc<Service>,
    content: Vec<u8>,
    path: String,
}

impl Large {
    async fn new() -> Self {
        let storage = Arc::new(Memory::default());
        let mut config = config();
        config.object_cache_bytes = 0;
        config.limits.max_in_flight_bytes = 2 * MAX_STREAMED_BYTES;
        let state = Service::new(storage.clone(), Arc::new(SystemClock), Arc::new(OsRng), config);
        let app = App::around(app::app(state.clone()));
        let content: Vec<u8> = (0..SIZE).map(|at| (at / 1000) as u8).collect();
        let stored = app.json(Call::post("/ns/direct/store/binary", content.clone())).await;
        let path = format!("/ns/retrieve/{}/binary", stored["cache_id"].as_str().unwrap());
        Self { app, storage, state, content, path }
    }

    /// The object with the content.
    async fn blob(&self) -> ObjectKey {
        let request = ListRequest { prefix: "ns/blobs/".to_owned(), limit: 2, ..ListRequest::default() };
        let page = self.storage.list(&request).await.unwrap();
        assert_eq!(page.objects.len(), 1);
        page.objects[0].key.parse().unwrap()
    }

    /// Changes one byte of the content in the storage.
    async fn damage(&self, at: usize) {
        let key = self.blob().await;
        let Some(GetResult::Object(object)) = self.storage.get(&key, &GetOptions::default()).await.unwrap() else {
            panic!("{key} is not there")
        };
        let mut bytes = object.bytes.to_vec();
        bytes[at] ^= 1;
        self.storage.put(&key, bytes.into(), PutMode::Overwrite).await.unwrap();
    }

    /// A read of a large content, which finds its entry and then waits until `meanwhile` is done.
    async fn read_and_meanwhile(&self, path: &str, meanwhile: impl AsyncFnOnce()) -> Answer {
        let all = self.state.in_flight.permit();
        all.reserve(2 * MAX_STREAMED_BYTES).await.unwrap();
        let mut read = Box::pin(self.app.get(path));
        assert!(futures::poll!(&mut read).is_pending(), "there is no room for a part");
        meanwhile().await;
        drop(all);
        read.await
    }

    /// What arrives of a response before it breaks off.
    async fn arrives_of_a_broken_response(&self, during: impl AsyncFnOnce()) -> usize {
        let response = self.app.router().oneshot(Call::get(&self.path).request()).await.unwrap();
        assert_eq!((response.status().as_u16(), &response.headers()["content-length"]), (200, &SIZE.into()));
        let mut body = response.into_body().into_data_stream();
        let mut arrived = body.next().await.unwrap().unwrap().len();
        during().await;
        loop {
            match body.next().await.expect("the response ends as if it were whole") {
                Ok(part) => arrived += part.len(),
                Err(_) => return arrived,
            }
        }
    }
}

#[tokio::test]
async fn a_large_content_arrives_whole_in_parts() {
    let large = Large::new().await;
    let response = large.app.router().oneshot(Call::get(&large.path).request()).await.unwrap();
    assert_eq!(response.headers()["content-length"], SIZE.to_string());
    assert_eq!(response.headers()["accept-ranges"], "bytes");
    assert_eq!(response.headers()["content-type"], "application/octet-stream");
    let parts: Vec<Bytes> = response.into_body().into_data_stream().map(Result::unwrap).collect().await;
    assert!(parts.iter().all(|part| part.len() as u64 <= PART_BYTES) && parts.len() == 3);
    assert!(parts.concat() == large.content);
}

#[tokio::test]
async fn a_large_text_arrives_as_text() {
    let large = Large::new().await;
    let text = "ä".repeat(SIZE / 2);
    let stored = large.app.json(Call::post("/ns/direct/store/string", text.clone())).await;
    let read = large.app.get(&format!("/ns/retrieve/{}/string", stored["cache_id"].as_str().unwrap())).await;
    assert_eq!((read.status.as_u16(), read.header("accept-ranges")), (200, None));
    assert_eq!(read.header("content-type"), Some("text/plain; charset=utf-8"));
    assert!(read.text() == text);
}

#[tokio::test]
async fn a_large_content_that_the_caller_has_is_not_sent() {
    let large = Large::new().await;
    let head = large.app.send(Call::new(Method::HEAD, &large.path)).await;
    assert_eq!((head.status.as_u16(), head.header("content-length")), (200, Some(SIZE.to_string().as_str())));
    let etag = head.header("etag").unwrap();
    let call = |name, value: &str| Call::get(&large.path).header(name, value);
    assert_eq!(large.app.send(call("if-none-match", etag)).await.status, 304);
    assert_eq!(large.app.send(call("if-match", "\"other\"")).await.status, 412);
    assert_eq!(large.app.send(call("if-match", etag)).await.body.len(), SIZE);
}

#[tokio::test]
async fn a_range_of_a_large_content_is_read_alone() {
    let large = Large::new().await;
    let range = async |range: &str| large.app.send(Call::get(&large.path).header("range", range)).await;
    let part = PART_BYTES as usize;
    for (asked, first, last) in [
        ("bytes=0-0", 0, 0),
        ("bytes=100-", 100, SIZE - 1),
        ("bytes=-5", SIZE - 5, SIZE - 1),
        (&format!("bytes={}-{part}", part - 1), part - 1, part),
        ("bytes=7-99999999999", 7, SIZE - 1),
    ] {
        let read = range(asked).await;
        assert_eq!(read.status, 206, "{asked}");
        assert_eq!(read.header("content-range").unwrap(), format!("bytes {first}-{last}/{SIZE}"));
        assert_eq!(read.header("content-length").unwrap(), (last - first + 1).to_string());
        assert!(read.body == large.content[first..=last], "{asked}");
    }
    let beyond = range(&format!("bytes={SIZE}-")).await;
    assert_eq!((beyond.status.as_u16(), beyond.header("content-range").unwrap()), (416, &*format!("bytes */{SIZE}")));
    large.damage(0).await;
    assert_eq!(range("bytes=-5").await.body, large.content[SIZE - 5..], "no other byte is read");
}

#[tokio::test]
async fn a_range_of_another_content_is_answered_with_the_whole() {
    let large = Large::new().await;
    let call = Call::get(&large.path).header("range", "bytes=0-0").header("if-range", "\"other\"");
    let read = large.app.send(call).await;
    assert!((read.status.as_u16(), read.body.len()) == (200, SIZE) && read.body == large.content);
    let head = large.app.send(Call::new(Method::HEAD, &large.path).header("range", "bytes=0-0")).await;
    assert_eq!((head.status.as_u16(), head.header("content-range")), (200, None), "ranges are for GET");
}

#[tokio::test]
async fn gzip_is_sent_in_parts_to_callers_that_accept_it() {
    let large = Large::new().await;
    let noise: Vec<u8> = (0..SIZE as u64).map(|at| (at.wrapping_mul(0x9e37_79b9_7f4a_7c15) >> 56) as u8).collect();
    let packed = [gzipped(&noise[..1000]), gzipped(&[]).repeat(SIZE / 20)].concat();
    let store = Call::post("/ns/direct/store/binary", packed.clone()).header("content-encoding", "gzip");
    let stored = large.app.json(store).await;
    let path = format!("/ns/retrieve/{}/binary", stored["cache_id"].as_str().unwrap());
    let as_gzip = large.app.send(Call::get(&path).header("accept-encoding", "gzip")).await;
    assert_eq!((as_gzip.header("content-encoding"), as_gzip.header("vary")), (Some("gzip"), Some("accept-encoding")));
    assert_eq!(as_gzip.header("accept-ranges"), None, "a range would be one of the inflated bytes");
    assert!(as_gzip.body == packed);
    assert_eq!(large.app.get(&path).await.body, noise[..1000]);
}

#[tokio::test]
async fn a_content_that_is_gone_before_its_first_part_has_a_status() {
    let large = Large::new().await;
    let in_key = "/ns/temporal/store/binary/k?file_id=f";
    let id = async |body: Vec<u8>| large.app.json(Call::post(in_key, body)).await["cache_id"].take();
    id(b"older".to_vec()).await;
    let newest = id(vec![1; SIZE]).await;
    let by_key = "/ns/retrieve/key/temporal/k/f?as=binary";

    let older = large.read_and_meanwhile(by_key, async || {
        let path = format!("/ns/delete/{}", newest.as_str().unwrap());
        assert_eq!(large.app.send(Call::new(Method::DELETE, &path)).await.status, 200);
    });
    let older = older.await;
    assert_eq!((older.status.as_u16(), older.text().as_str()), (200, "older"));

    let blob = large.blob().await;
    let damaged = large.read_and_meanwhile(&large.path, async || large.storage.delete(&blob).await.unwrap());
    assert_eq!(damaged.await.status, 500);
}

#[tokio::test]
async fn a_damaged_content_never_arrives_whole() {
    for at in [0, SIZE / 2, SIZE - 1] {
        let large = Large::new().await;
        large.damage(at).await;
        let arrived = large.arrives_of_a_broken_response(async || ()).await;
        assert_eq!(arrived as u64, 2 * PART_BYTES, "all but the last part");
    }
}

#[tokio::test]
async fn a_content_that_is_gone_while_it_is_sent_ends_the_response() {
    let large = Large::new().await;
    let key = large.blob().await;
    let arrived = large.arrives_of_a_broken_response(async || large.storage.delete(&key).await.unwrap()).await;
    assert_eq!(arrived as u64, PART_BYTES);
}

#[tokio::test]
async fn a_content_that_is_replaced_while_it_is_sent_ends_the_response() {
    let large = Large::new().await;
    let arrived = large.arrives_of_a_broken_response(async || large.damage(SIZE - 1).await).await;
    assert_eq!(arrived as u64, PART_BYTES, "the second part is of another state");
}

#[tokio::test]
async fn a_large_content_takes_two_parts_of_the_bytes_in_flight() {
    let large = Large::new().await;
    let other = large.state.in_flight.permit();
    other.reserve(MAX_STREAMED_BYTES).await.unwrap();
    let response = large.app.router().oneshot(Call::get(&large.path).request()).await.unwrap();
    assert_eq!(response.status(), 200);
    let refused = large.app.get(&large.path).await;
    assert_eq!(refused.status, 503, "the capacity is used up");
    assert!(response.into_body().collect().await.unwrap().to_bytes() == large.content);
    assert_eq!(large.app.get(&large.path).await.status, 200);
}

#[tokio::test]
async fn only_a_server_over_a_storage_that_seeks_sends_parts() {
    let large = Large::new().await;
    let id = large.path.split('/').nth(3).unwrap().parse().unwrap();
    let entry = large.state.cache().namespace(&"ns".parse().unwrap()).entry(&Selector::Id(id)).await.unwrap().unwrap();
    let options = DeliveryOptions::for_method(&large.state, &Method::GET);
    assert!(options.may_stream(&entry));
    assert!(!DeliveryOptions { in_lambda: true, ..options }.may_stream(&entry));
    assert!(!DeliveryOptions { reads_in_parts: false, ..options }.may_stream(&entry));
}
