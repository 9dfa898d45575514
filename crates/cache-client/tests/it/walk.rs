//! Every operation of the client, in every mode.

use std::collections::BTreeSet;
use std::sync::Arc;
use std::time::Duration;

use bytes::Bytes;
use cache_core::storage::Storage;
use cache_storage::memory::Memory;
use cache_testing::faulty_proxy::FaultyProxy;
use cache_testing::s3_server::S3Server;
use mgraph_cache_client::api::archives::{BatchRequest, OperationRequest};
use mgraph_cache_client::api::entries::Delete;
use mgraph_cache_client::api::namespaces::NewSettings;
use mgraph_cache_client::operations::CALLED;
use mgraph_cache_client::testing::{LocalServer, transport};
use mgraph_cache_client::{
    Client, Content, ContentKind, EntriesQuery, Error, Generic, ListOptions, MAX_DIRECT_STORE_BYTES, Namespace, Remote,
    Selector, Strategy, Transport,
};
use serde_json::{Value, json};

use crate::support::Recorder;

mod api_keys;

/// How the client reaches the service.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Mode {
    /// Within the process.
    InProcess,
    /// A server on a free port, started for the client.
    LocalServer,
    /// A server that is reached through a network, here a proxy.
    Remote,
}

/// The settings of a server with a root key: another one makes no keys.
const ROOT_KEY: &str = "root-key";
const KEYED: [(&str, &str); 2] =
    [("FAST_API__AUTH__API_KEY__NAME", "x-api-key"), ("FAST_API__AUTH__API_KEY__VALUE", ROOT_KEY)];

/// Does everything, and compares what was sent with the operations of the client.
async fn check(mode: Mode, storage: Arc<dyn Storage>, presigns: bool) {
    let server = LocalServer::over(Arc::clone(&storage), &KEYED).unwrap();
    let (url, transport) = match mode {
        Mode::InProcess => ("http://localhost".to_owned(), transport(storage, &KEYED)),
        Mode::LocalServer => (server.url(), remote(&server.url())),
        Mode::Remote => {
            let url = FaultyProxy::start(&server.url(), 1).await.endpoint_url();
            let transport = remote(&url);
            (url, transport)
        }
    };
    let recorder = Recorder::new(transport);
    let with_key = {
        let transport = Arc::clone(&recorder) as Arc<dyn Transport>;
        move |key: &str| Client::builder(&url).transport(Arc::clone(&transport)).key(key.to_owned()).build().unwrap()
    };
    let walk = tokio::spawn(async move {
        let client = with_key(ROOT_KEY);
        let cache = client.namespace("walk").unwrap();
        stores_and_reads(&cache).await;
        entries(&cache).await;
        keys(&cache).await;
        children(&cache).await;
        archives(&cache).await;
        namespaces(&client, &cache).await;
        admin(&client, &cache).await;
        info_and_test_data(&client).await;
        api_keys::all(&client, with_key).await;
    });
    walk.await.unwrap();
    let sent: BTreeSet<String> = recorder.seen().iter().map(ToString::to_string).collect();
    let missing: Vec<String> = CALLED.iter().map(ToString::to_string).filter(|it| !sent.contains(it)).collect();
    // What the storage itself receives does not come through the service.
    let elsewhere = if presigns { vec!["PUT /{namespace}/{strategy}/upload/{upload_id}"] } else { Vec::new() };
    assert_eq!(missing, elsewhere, "{mode:?}: the walk does not call these");
}

fn remote(url: &str) -> Arc<dyn Transport> {
    Arc::new(Remote::new(url, Duration::from_secs(3)).unwrap())
}

#[tokio::test]
async fn everything_works_within_the_process_over_memory() {
    check(Mode::InProcess, Arc::new(Memory::default()), false).await;
}

#[tokio::test]
async fn everything_works_with_a_local_server_over_memory() {
    check(Mode::LocalServer, Arc::new(Memory::default()), false).await;
}

#[tokio::test]
async fn everything_works_over_a_network_over_memory() {
    check(Mode::Remote, Arc::new(Memory::default()), false).await;
}

#[tokio::test]
async fn everything_works_in_each_mode_over_s3() {
    let Some(server) = S3Server::shared() else { return };
    for (mode, bucket) in [(Mode::InProcess, "walk-a"), (Mode::LocalServer, "walk-b"), (Mode::Remote, "walk-c")] {
        check(mode, Arc::new(server.storage(bucket).await), true).await;
    }
}

async fn stores_and_reads(cache: &Namespace) {
    let text = cache.store_text("hello").ttl(Duration::from_secs(60)).send().await.unwrap();
    let again = cache.store_text("hello").idempotency_key("k-1").send().await.unwrap();
    assert_eq!(cache.store_text("hello").idempotency_key("k-1").send().await.unwrap().cache_id, again.cache_id);
    let document = cache.store_json(&json!({"a": [1, 2.50]})).strategy(Strategy::Temporal).send().await.unwrap();
    let bytes = cache.store_bytes(&b"\0\xff"[..]).send().await.unwrap();
    let found = cache.get(&text.cache_id).await.unwrap().unwrap();
    assert_eq!((found.text().unwrap(), found.info.version), ("hello", 1));
    assert!(found.info.metadata.expires_at.is_some());
    assert_eq!(cache.get_json::<Value>(&document.cache_id).await.unwrap().unwrap(), json!({"a": [1, 2.5]}));
    let content = cache.get(&bytes.cache_id).await.unwrap().unwrap().content;
    assert!(matches!(content, Content::Bytes(bytes) if bytes == b"\0\xff"[..]));
    let hash = Selector::hash(text.cache_hash.as_str());
    assert_eq!(cache.get(hash.clone()).await.unwrap().unwrap().info.version, 2);
    assert_eq!(cache.get(hash.clone().with_version(1)).await.unwrap().unwrap().entry().id(), text.cache_id.as_str());
    let missing = Selector::hash("0123456789abcdef");
    let many = cache.get_many(&[hash.clone(), missing.clone()]).await.unwrap();
    assert!(matches!(many.as_slice(), [Ok(Some(_)), Ok(None)]));
    let many = cache.find_many(&[missing.clone(), hash.clone()]).await.unwrap();
    assert!(matches!(many.as_slice(), [Ok(None), Ok(Some(found))] if found.sha256 == text.sha256.as_str()));
    assert!(cache.get(missing).await.unwrap().is_none());

    let read = || cache.read(hash.clone());
    assert!(matches!(read().generic().await.unwrap().unwrap(), Generic::Data(data) if data.data == "hello"));
    assert_eq!(read().text().await.unwrap().unwrap(), "hello");
    assert_eq!(read().bytes().await.unwrap().unwrap(), "hello");
    assert_eq!(read().range(1, 3).bytes().await.unwrap().unwrap(), "ell");
    assert_eq!(read().metadata().await.unwrap().unwrap().content_size, 5);
    assert!(matches!(read().json::<Value>().await, Err(Error::InvalidRequest(_))));
    assert_eq!(cache.by_hash(document.cache_hash.as_str()).read().json::<Value>().await.unwrap().unwrap()["a"][0], 1);
    let by_id = cache.entry(bytes.cache_id.as_str()).read().generic().await.unwrap().unwrap();
    assert!(matches!(by_id, Generic::Binary(reference) if reference.size == 2));

    let large = vec![7; MAX_DIRECT_STORE_BYTES as usize + 1];
    let stored = cache.store_bytes(large.clone()).idempotency_key("large").send().await.unwrap();
    assert_eq!((stored.size, stored.cache_hash.as_str().len()), (large.len() as u64, 16));
    let again = cache.store_bytes(large).idempotency_key("large").send().await.unwrap();
    assert_eq!(again.cache_id, stored.cache_id);
}

async fn entries(cache: &Namespace) {
    let stored = cache.store_json(&json!({"n": 1})).send().await.unwrap();
    let entry = cache.entry(stored.cache_id.as_str());
    assert!(entry.exists().await.unwrap());
    assert_eq!(entry.config().await.unwrap().unwrap().file_key, "");
    assert_eq!(entry.file_metadata().await.unwrap().unwrap().content_size, 7);
    assert_eq!(entry.references().await.unwrap().unwrap().cache_id, stored.cache_id);
    assert_eq!(entry.all_references().await.unwrap().unwrap().by_id.cache_hash, stored.cache_hash);
    assert_eq!(entry.update_json(&json!({"n": 2})).await.unwrap().unwrap().revision, 1);
    assert_eq!(entry.read().json::<Value>().await.unwrap().unwrap()["n"], 2);
    assert_eq!(entry.read().revision(0).json::<Value>().await.unwrap().unwrap()["n"], 1);
    assert_eq!(entry.read().revision(0).metadata().await.unwrap().unwrap().content_size, 7);
    assert_eq!(entry.read().revision(0).raw_json().await.unwrap().unwrap().get(), "{\"n\":1}");
    assert_eq!(entry.retrieve().await.unwrap().unwrap().text().unwrap(), "{\"n\":2}");
    let text = cache.entry(cache.store_text("old").send().await.unwrap().cache_id.as_str());
    assert!(text.update_text("new").await.unwrap().is_some());
    assert_eq!(text.read().text().await.unwrap().unwrap(), "new");
    let bytes = cache.entry(cache.store_bytes("old").send().await.unwrap().cache_id.as_str());
    assert!(bytes.update_bytes("new").await.unwrap().is_some());
    assert_eq!(bytes.read().bytes().await.unwrap().unwrap(), "new");
    assert!(matches!(bytes.delete().await.unwrap(), Delete::Success { .. }));
    assert!(matches!(bytes.delete().await.unwrap(), Delete::NotFound { .. }));
    assert!(!bytes.exists().await.unwrap());
    assert!(bytes.update_bytes("newer").await.unwrap().is_none());
    assert!(bytes.retrieve().await.unwrap().is_none() && bytes.config().await.unwrap().is_none());
}

async fn keys(cache: &Namespace) {
    let store = |n: u64| {
        let store = cache.store_json(&json!({"user": {"id": n % 2}, "n": n})).strategy(Strategy::KeyBased);
        store.key("users/ada").file_id("profile")
    };
    store(1).hash_field("user.id").send().await.unwrap();
    store(2).send().await.unwrap();
    cache.store_text("t").strategy(Strategy::KeyBased).key("a b/c.d").send().await.unwrap();
    cache.store_bytes("b").strategy(Strategy::TemporalLatest).key("x").file_id("y").send().await.unwrap();
    let key = cache.by_key(Strategy::KeyBased, "users/ada", "profile");
    assert_eq!(key.read().json::<Value>().await.unwrap().unwrap()["n"], 2);
    assert_eq!(key.read().metadata().await.unwrap().unwrap().cache_key, "users/ada");
    assert!(matches!(store(3).if_absent().send().await, Err(Error::Conflict(_))));
    let versions = key.versions(10, None).await.unwrap().unwrap();
    assert_eq!((versions.count, versions.versions.len()), (2, 2));
    assert_eq!(key.versions(10, Some(2)).await.unwrap().unwrap().versions.len(), 1);
    assert_eq!(key.rollback(1).await.unwrap().unwrap().key_version, Some(3));
    assert!(key.rollback(99).await.unwrap().is_none());
    let selector = Selector::key(Strategy::KeyBased, "users/ada", "profile");
    let found = cache.find(selector.with_version(1)).await.unwrap().unwrap();
    let hash = cache.by_hash(found.metadata.cache_hash.as_str());
    assert!(hash.exists().await.unwrap() && !cache.by_hash("0123456789abcdef").exists().await.unwrap());
    assert!(hash.references().await.unwrap().unwrap().total_versions >= 2);
    assert!(hash.versions(1, None).await.unwrap().unwrap().count >= 2);
    assert!(hash.cache_id().await.unwrap().is_some());
    assert!(cache.by_key(Strategy::KeyBased, "users/bob", "profile").versions(1, None).await.unwrap().is_none());
    let refused = cache.store_text("x").key("a:b").send().await;
    assert!(matches!(refused, Err(Error::InvalidRequest(_))), "a name that would be changed is refused");
}

async fn children(cache: &Namespace) {
    let parent = cache.store_text("parent").send().await.unwrap();
    let children = cache.entry(parent.cache_id.as_str()).children();
    let contents: [(ContentKind, &str, &str); 3] = [
        (ContentKind::String, "text", "newer text"),
        (ContentKind::Json, "{\"a\":1}", "{\"a\":2}"),
        (ContentKind::Binary, "bytes", "newer bytes"),
    ];
    for (kind, content, newer) in contents {
        assert!(children.store_unnamed(kind, content).await.unwrap().is_some());
        for child in [children.child(kind, "v1".to_owned()), children.child(kind, "v1".to_owned()).in_folder("a/b")] {
            assert!(child.store(content).await.unwrap().is_some());
            assert_eq!(child.read().await.unwrap().unwrap(), content);
            assert!(child.update(newer).await.unwrap().unwrap().success);
            assert_eq!(child.read().await.unwrap().unwrap(), newer);
            assert!(child.exists().await.unwrap());
            assert!(child.delete().await.unwrap().is_some() && child.delete().await.unwrap().is_none());
            assert!(!child.exists().await.unwrap() && child.read().await.unwrap().is_none());
        }
    }
    children.json("kept").in_folder("a").store_json(&json!({"b": 1})).await.unwrap();
    assert_eq!(children.json("kept").in_folder("a").read_json::<Value>().await.unwrap().unwrap()["b"], 1);
    children.text("t").store("x").await.unwrap();
    children.bytes("b").store("x").await.unwrap();
    assert_eq!(children.list(None).await.unwrap().unwrap().file_count, 6);
    assert_eq!(children.list(Some("a")).await.unwrap().unwrap().file_count, 1);
    assert_eq!(children.delete_all(Some("a")).await.unwrap().deleted_count, 1);
    assert_eq!(children.delete_all(None).await.unwrap().deleted_count, 5);
}

async fn archives(cache: &Namespace) {
    let empty = cache.store_zip(Bytes::new()).send("bundles", "site").await.unwrap();
    let zip = |id: &mgraph_cache_client::api::names::CacheId| cache.entry(id.as_str()).zip();
    let with_text = zip(&empty.store.cache_id).add_text("a.txt", "A").await.unwrap();
    let with_bytes = zip(&with_text.cache_id).add_bytes("d/b.bin", &b"\0"[..]).await.unwrap();
    let edited = zip(&with_bytes.cache_id);
    assert_eq!(edited.members().await.unwrap().unwrap(), ["a.txt", "d/b.bin"]);
    assert_eq!(edited.member("d/b.bin").await.unwrap().unwrap(), b"\0"[..]);
    assert!(edited.member("nope").await.unwrap().is_none());
    let removed = edited.remove("a.txt").await.unwrap().unwrap();
    assert_eq!(zip(&removed.cache_id).members().await.unwrap().unwrap(), ["d/b.bin"]);
    assert!(edited.remove("nope").await.unwrap().is_none());
    let rename = OperationRequest {
        action: Some("rename".to_owned()),
        path: Some("a.txt".to_owned()),
        new_path: Some("c.txt".to_owned()),
        ..OperationRequest::default()
    };
    let batch = edited.edit(&BatchRequest { atomic: Some(true), operations: Some(vec![rename]) }).await.unwrap();
    assert!(batch.outcome.success && batch.new_file_count == 2);
    let bytes = edited.retrieve().await.unwrap().unwrap();
    let stored = cache.store_zip(bytes).strategy(Strategy::KeyBased).send("bundles", "copy").await.unwrap();
    assert_eq!(stored.file_count, 2);
    let nobody = cache.entry("00000000-0000-4000-8000-000000000000").zip();
    assert!(nobody.retrieve().await.unwrap().is_none() && nobody.members().await.unwrap().is_none());
}

async fn namespaces(client: &Client, cache: &Namespace) {
    assert!(client.namespaces().await.unwrap().contains(&"walk".to_owned()));
    assert!(cache.stats().await.unwrap().total_files > 0);
    let settings = NewSettings { ttl_hours: Some(48), ..NewSettings::default() };
    assert_eq!(cache.replace_settings(&settings).await.unwrap().ttl_hours, Some(48));
    assert_eq!(cache.settings().await.unwrap().ttl_hours, Some(48));
    let first = cache.ids(2, None).await.unwrap();
    let next = cache.ids(2, first.next_cursor.as_deref()).await.unwrap();
    assert_ne!(first.items, next.items);
    assert_eq!(cache.hashes(1, None).await.unwrap().items.len(), 1);
    let query = EntriesQuery { strategy: Some(Strategy::Temporal), limit: Some(10), ..EntriesQuery::default() };
    assert_eq!(cache.entries(&query).await.unwrap().entries.len(), 1);
    assert!(client.namespace("no such").is_err() && client.default_namespace().is_err());
}

async fn admin(client: &Client, cache: &Namespace) {
    let admin = client.admin();
    let page = json!({"html": "<p>hi</p>"});
    let stored = cache.store_json(&page).strategy(Strategy::KeyBased).key("pages/p").file_id("f").send().await.unwrap();
    let file = &stored.paths.data[0];
    assert!(!admin.bucket().await.unwrap().is_empty());
    assert!(admin.exists(file).await.unwrap());
    assert!(!admin.clone().physical().exists("nothing/here").await.unwrap());
    assert_eq!(admin.json(file).await.unwrap().unwrap(), page);
    assert_eq!(admin.html(file).await.unwrap().unwrap(), "<p>hi</p>");
    assert_eq!(admin.bytes(file).await.unwrap(), admin.content(file).await.unwrap());
    assert!(admin.bytes("nothing/here").await.unwrap().is_none());
    let (folder, _) = file.rsplit_once('/').unwrap();
    assert_eq!(admin.files(folder, ListOptions::default()).await.unwrap().items.len(), 1);
    assert!(admin.files("", ListOptions::default()).await.unwrap().items.is_empty());
    assert!(admin.folders("", ListOptions::default()).await.unwrap().items.contains(&"walk".to_owned()));
    let options = ListOptions { full_paths: true, ..ListOptions::default() };
    assert!(admin.folders("walk", options).await.unwrap().items.contains(&"walk/data".to_owned()));
    assert!(admin.all_files(folder).await.unwrap().files.contains(file));
    assert!(admin.all_files("").await.unwrap().file_count > 1);
    assert!(admin.delete(file, false).await.unwrap() && !admin.delete(file, true).await.unwrap());
}

async fn info_and_test_data(client: &Client) {
    let info = client.info();
    assert_eq!(info.health().await.unwrap().status, "ok");
    assert_eq!(info.ready().await.unwrap().status, "ready");
    let version = info.versions().await.unwrap().mgraph_ai_service_cache;
    assert_eq!((info.status().await.unwrap().version, client.check().await.version), (version.clone(), Some(version)));
    assert!(info.server().await.unwrap().server_boot_time > 0);
    assert!(!info.storage().await.unwrap().storage_mode.is_empty());
    assert!(info.metrics().await.unwrap().unwrap().contains("# HELP"));
    assert_eq!(info.openapi().await.unwrap()["openapi"], "3.1.0");
    let test_data = client.test_data();
    assert!(test_data.fixtures().await.unwrap().is_object());
    assert!(test_data.minimal().await.unwrap().is_object());
    assert!(test_data.comprehensive().await.unwrap().is_object());
    assert!(test_data.in_namespace("samples").await.unwrap().is_object());
    assert!(test_data.clear("samples").await.unwrap().is_object());
}
