//! Files and large contents.

use std::io::Write as _;
use std::sync::{Arc, Mutex};
use std::time::Duration;

use cache_storage::memory::Memory;
use cache_testing::s3_server::S3Server;
use flate2::Compression;
use flate2::write::GzEncoder;
use futures::future::BoxFuture;
use http::{Request, Response};
use mgraph_cache_client::operations::Operation;
use mgraph_cache_client::testing::{LocalServer, in_memory, over, transport};
use mgraph_cache_client::{
    Body, Client, Content, Error, MAX_DIRECT_STORE_BYTES, Namespace, Policy, Progress, Selector, Strategy, Transport,
    TransportError,
};
use proptest::strategy::Strategy as _;
use serde_json::value::RawValue;

use crate::support::{answer, scripted};

/// More than passes through a function, and no two parts alike.
fn large() -> Vec<u8> {
    (0u32..).flat_map(|number| number.to_le_bytes()).take(MAX_DIRECT_STORE_BYTES as usize + 5).collect()
}

/// A file goes in and comes out, whatever lies between.
async fn check_file(cache: &Namespace) {
    let folder = tempfile::tempdir().unwrap();
    let (source, target) = (folder.path().join("in"), folder.path().join("out"));
    for content in [b"small".to_vec(), large()] {
        std::fs::write(&source, &content).unwrap();
        let progress = Arc::new(Progress::default());
        let stored = cache.store_file(&source).key("files/a.bin").file_id("file").progress(Arc::clone(&progress));
        let stored = stored.strategy(Strategy::KeyBased).send().await.unwrap();
        assert_eq!(stored.size, content.len() as u64);
        let key = Selector::key(Strategy::KeyBased, "files/a.bin", "file");
        let found =
            cache.download(key.clone()).progress(Arc::clone(&progress)).to_file(&target).await.unwrap().unwrap();
        assert_eq!((found.sha256.as_str(), progress.bytes()), (stored.sha256.as_str(), content.len() as u64));
        assert!(std::fs::read(&target).unwrap() == content, "another content");
        assert!(cache.get(key.clone()).await.unwrap().unwrap().bytes() == content, "another content");
        assert!(cache.read(key).bytes().await.unwrap().unwrap() == content, "another content");
    }
    assert_eq!(std::fs::read_dir(folder.path()).unwrap().count(), 2, "a part of a download is left");
    let none = cache.download(Selector::hash("0123456789abcdef")).to_file(&target).await.unwrap();
    assert!(none.is_none() && std::fs::read(&target).unwrap() == large(), "a miss leaves the file alone");
}

#[tokio::test]
async fn files_go_in_and_out_through_the_server() {
    check_file(&in_memory().unwrap().namespace("demo").unwrap()).await;
    let server = LocalServer::start().unwrap();
    check_file(&server.client().build().unwrap().namespace("demo").unwrap()).await;
}

#[tokio::test]
async fn large_files_go_to_s3_and_come_from_it() {
    let Some(server) = S3Server::shared() else { return };
    let storage = Arc::new(server.storage("client-transfers").await);
    check_file(&over(storage).build().unwrap().namespace("demo").unwrap()).await;
}

/// A service that has to read and copy what was uploaded before it can say that it is stored.
#[derive(Debug)]
struct SlowCompletion(Arc<dyn Transport>, Duration);

impl Transport for SlowCompletion {
    fn send(&self, request: Request<Body>) -> BoxFuture<'_, Result<Response<Body>, TransportError>> {
        let is_slow = request.extensions().get::<Operation>().unwrap().path.ends_with("/complete");
        Box::pin(async move {
            if is_slow {
                tokio::time::sleep(self.1).await;
            }
            self.0.send(request).await
        })
    }
}

#[tokio::test(start_paused = true)]
async fn the_completion_of_an_upload_may_take_a_second_longer_for_each_mib() {
    let policy = Policy { attempt_timeout: Duration::from_secs(5), max_attempts: 1, ..Policy::default() };
    let stored = async |delay: u64| {
        let slow = SlowCompletion(transport(Arc::new(Memory::default()), &[]), Duration::from_secs(delay));
        let client = Client::builder("http://localhost".to_owned()).transport(Arc::new(slow)).policy(policy);
        client.build().unwrap().namespace("demo").unwrap().store_bytes(large()).send().await
    };
    let mib = large().len() as u64 >> 20;
    stored(5 + mib - 1).await.unwrap();
    let error = stored(5 + mib + 1).await.unwrap_err();
    assert!(matches!(error, Error::Temporary(_)), "{error}");
}

#[tokio::test]
async fn large_texts_and_documents_stay_what_they_are() {
    let cache = in_memory().unwrap().namespace("demo").unwrap();
    let (text, digits) = ("ä".repeat(3_000_000), "1".repeat(5_000_000));
    for text in [&text, &digits] {
        let stored = cache.store_text(text.clone()).send().await.unwrap();
        let content = cache.get(&stored.cache_id).await.unwrap().unwrap().content;
        assert!(matches!(content, Content::Text(was) if was == *text));
    }
    let document = serde_json::json!({"a": text});
    let stored = cache.store_json(&document).send().await.unwrap();
    let found = cache.get(&stored.cache_id).await.unwrap().unwrap();
    assert!(matches!(found.content, Content::Json(_)));
    assert_eq!(found.json::<serde_json::Value>().unwrap(), document);
}

#[tokio::test]
async fn gzip_is_checked_as_it_is_stored_and_undone() {
    let cache = in_memory().unwrap().namespace("demo").unwrap();
    let mut gzip = GzEncoder::new(Vec::new(), Compression::default());
    gzip.write_all(&large()).unwrap();
    let stored = cache.store_bytes(gzip.finish().unwrap()).gzip().send().await.unwrap();
    assert!(cache.get(&stored.cache_id).await.unwrap().unwrap().bytes() == large());
    let mut incoming = cache.download(&stored.cache_id).open().await.unwrap().unwrap();
    assert!(incoming.rest().await.unwrap() == large());
}

/// The answer to a batch of one, with the content `hallo`.
fn found(sha256: &str, id: &str) -> String {
    let metadata = serde_json::json!({
        "cache_id": id, "cache_hash": "2cf24dba5fb0a30e", "cache_key": "", "file_id": "f", "namespace": "demo", "strategy": "direct",
        "stored_at": 1, "file_type": "json", "content_encoding": null, "content_size": 5,
    });
    let result = serde_json::json!({
        "status": 200, "data": "hallo", "data_type": "string", "version": 1, "sha256": sha256, "metadata": metadata,
    });
    serde_json::json!({ "results": [result] }).to_string()
}

/// It was replaced or deleted between the two requests; what is there now is asked for again.
#[tokio::test]
async fn an_object_that_went_away_is_temporary_and_the_storage_gets_no_key() {
    let gone = answer("404 Not Found", "", "<Error><Code>NoSuchKey</Code></Error>");
    let (storage, at_storage) = scripted(vec![gone.clone(), gone.clone(), gone]).await;
    let found = answer("200 OK", "", &found(&"0".repeat(64), "2cf24dba-5fb0-8a30-b820-00000001cedd"));
    let redirect = answer("307 Temporary Redirect", &format!("location: {storage}/object\r\n"), "");
    let answers = (0..3).flat_map(|_| [found.clone(), redirect.clone()]).collect();
    let (url, at_service) = scripted(answers).await;
    let client = Client::builder(url).key("the-key".to_owned()).build().unwrap();
    let download = client.namespace("demo").unwrap().download(Selector::hash("2cf24dba5fb0a30e"));
    let error = download.to_bytes().await.unwrap_err();
    assert!(matches!(error, Error::Temporary(_)), "{error}");
    let has_key = |requests: &Mutex<Vec<String>>| -> Vec<bool> {
        requests.lock().unwrap().iter().map(|request| request.contains("the-key")).collect()
    };
    assert_eq!((has_key(&at_service), has_key(&at_storage)), (vec![true; 6], vec![false; 3]));
}

#[tokio::test]
async fn bytes_with_another_sha256_are_refused() {
    let cache = in_memory().unwrap().namespace("demo").unwrap();
    let stored = cache.store_text("hello").send().await.unwrap();
    let item = found(stored.sha256.as_str(), stored.cache_id.as_str());
    let (url, _) = scripted(vec![answer("200 OK", "", &item)]).await;
    let wrong = Client::builder(url).build().unwrap().namespace("demo").unwrap();
    let error = wrong.get(&stored.cache_id).await.unwrap_err();
    assert!(matches!(error, Error::Integrity(_)), "{error}");
    let mut answers = Vec::new();
    for _ in 0..3 {
        answers.extend([answer("200 OK", "", &item), answer("200 OK", "", "hallo")]);
    }
    let (url, _) = scripted(answers).await;
    let wrong = Client::builder(url).build().unwrap().namespace("demo").unwrap();
    let folder = tempfile::tempdir().unwrap();
    let error = wrong.download(&stored.cache_id).to_file(&folder.path().join("out")).await.unwrap_err();
    assert!(matches!(error, Error::Integrity(_)), "{error}");
    assert_eq!(std::fs::read_dir(folder.path()).unwrap().count(), 0, "nothing is left");
}

#[derive(Debug, Clone)]
enum Any {
    Text(String),
    Json(String),
    Bytes(Vec<u8>),
}

/// A JSON object in some spelling: escapes, white space, numbers that no float has exactly, a name twice.
fn json() -> impl proptest::strategy::Strategy<Value = String> {
    let leaf = proptest::prop_oneof![
        proptest::strategy::Just("null".to_owned()),
        "-?(0|[1-9][0-9]{0,30})(\\.[0-9]{1,5})?([eE][+-]?[0-9]{1,2})?",
        ".{0,8}".prop_map(|text| serde_json::to_string(&text).unwrap()),
        proptest::strategy::Just("\"\\u00e4 \\/\"".to_owned()),
    ];
    let value = leaf.prop_recursive(3, 12, 4, |inner| {
        let space = "[ \t\r\n]{0,2}";
        (proptest::collection::vec((".{0,3}", space, inner), 0..4), proptest::bool::ANY).prop_map(|(items, is_list)| {
            let items: Vec<String> = items
                .into_iter()
                .map(|(name, space, value)| match is_list {
                    true => format!("{space}{value}"),
                    false => format!("{}{space}:{space}{value}", serde_json::to_string(&name).unwrap()),
                })
                .collect();
            if is_list { format!("[{}]", items.join(",")) } else { format!("{{{}}}", items.join(",")) }
        })
    });
    (".{1,3}", value).prop_map(|(name, value)| format!("{{{}:{value}}}", serde_json::to_string(&name).unwrap()))
}

proptest::proptest! {
    #[test]
    fn every_content_comes_back_as_it_was_stored(
        content in proptest::prop_oneof![
            ".{1,40}".prop_map(Any::Text),
            json().prop_map(Any::Json),
            proptest::collection::vec(proptest::num::u8::ANY, 1..40).prop_map(Any::Bytes),
        ],
    ) {
        let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build().unwrap();
        runtime.block_on(async {
            let cache = in_memory().unwrap().namespace("demo").unwrap();
            let store = match &content {
                Any::Text(text) => cache.store_text(text.clone()),
                Any::Json(text) => cache.store_json_text(&RawValue::from_string(text.clone()).unwrap()),
                Any::Bytes(bytes) => cache.store_bytes(bytes.clone()),
            };
            let id = store.send().await.unwrap().cache_id;
            let (got, downloaded) = (cache.get(&id).await.unwrap().unwrap(), cache.download(&id).to_bytes().await.unwrap().unwrap());
            match (content, got.content.clone()) {
                (Any::Text(text), Content::Text(was)) => assert_eq!(was, text),
                // White space between its parts is not stored.
                (Any::Json(text), Content::Json(was)) => {
                    assert_eq!(serde_json::from_str::<serde_json::Value>(was.get()).unwrap(), serde_json::from_str::<serde_json::Value>(&text).unwrap());
                }
                (Any::Bytes(bytes), Content::Bytes(was)) => assert_eq!(was, bytes),
                (content, was) => panic!("{content:?} became {was:?}"),
            }
            assert_eq!(downloaded, got.bytes());
        });
    }
}
