use cache_api::archives::ArchiveStore;
use cache_api::contents::Retrieved;
use cache_api::entries::{Delete, Store};
use cache_api::lists::List;
use cache_api::names::CacheId;
use cache_api::versions::{Subject, VersionList, VersionNumber};
use http::Method;
use serde::Serialize;
use serde::de::DeserializeOwned;

use crate::test_support::{App, Call};

/// A response as a client reads it. Nothing is lost or added on the way.
async fn read<T: Serialize + DeserializeOwned>(app: &App, call: Call) -> T {
    let json = app.json(call).await;
    let body: T = serde_json::from_value(json.clone()).unwrap();
    assert_eq!(serde_json::to_value(&body).unwrap(), json);
    body
}

#[tokio::test]
async fn a_client_reads_what_the_server_writes() {
    let app = App::new();
    let stored: Store = read(&app, Call::post("/ns/key_based/store/string/k?file_id=f", "hello")).await;
    assert_eq!((stored.cache_hash.as_str(), stored.key_version), ("2cf24dba5fb0a30e", Some(1)));
    let response = app.get(&format!("/ns/retrieve/{}", stored.cache_id)).await;
    let retrieved: Retrieved<'_> = serde_json::from_slice(&response.body).unwrap();
    assert_eq!((retrieved.data.get(), &retrieved.metadata.cache_id), ("\"hello\"", &stored.cache_id));
    let versions: VersionList = read(&app, Call::get("/ns/versions/key/key_based/k/f")).await;
    assert!(matches!(versions.of, Subject::Key { .. }), "{versions:?}");
    assert_eq!(versions.versions[0].number, VersionNumber::KeyVersion(1));
    let all: List<CacheId> = read(&app, Call::get("/ns/file-ids")).await;
    assert_eq!(all, List::Whole(vec![stored.cache_id.clone()]));
    let page: List<CacheId> = read(&app, Call::get("/ns/file-ids?limit=1")).await;
    assert!(matches!(page, List::Page(_)), "{page:?}");
    let archive: ArchiveStore = read(&app, Call::post("/ns/direct/zip/create/%20/%20", "")).await;
    assert_eq!(archive.file_count, 0);
    let deleted: Delete = read(&app, Call::new(Method::DELETE, &format!("/ns/delete/{}", stored.cache_id))).await;
    assert!(matches!(deleted, Delete::Success { .. }), "{deleted:?}");
}
