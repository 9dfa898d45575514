//! `Client::check`.

use std::sync::Arc;
use std::time::Duration;

use cache_storage::memory::Memory;
use mgraph_cache_client::api::keys::{Grant, KeyLimits, NewKey};
use mgraph_cache_client::api::kinds::Permission;
use mgraph_cache_client::testing::{LocalServer, in_memory};
use mgraph_cache_client::{Client, Error, Permissions, Policy};

use crate::support::{answer, scripted};

const KEY: [(&str, &str); 2] =
    [("FAST_API__AUTH__API_KEY__NAME", "X-Test-Key"), ("FAST_API__AUTH__API_KEY__VALUE", "right")];

#[tokio::test]
async fn an_open_service_needs_no_key() {
    let check = in_memory().unwrap().check().await;
    assert!(check.is_ok() && check.reachable && check.latency.is_some() && check.version.is_some(), "{check:?}");
    assert_eq!((check.key_found, check.key_required, check.key_valid), (false, Some(false), None));
}

#[tokio::test]
async fn a_key_is_missing_wrong_or_right() {
    let server = LocalServer::over(Arc::new(Memory::default()), &KEY).unwrap();
    let missing = server.client().build().unwrap().check().await;
    assert_eq!(
        (missing.key_found, missing.key_required, missing.permissions),
        (false, Some(true), Some(Permissions::None))
    );
    assert!(missing.problem.unwrap().contains("the API key is missing"));
    let wrong = server.client().key_in_header("X-Test-Key", "wrong").build().unwrap().check().await;
    assert_eq!((wrong.key_found, wrong.key_valid, wrong.permissions), (true, Some(false), Some(Permissions::None)));
    let right = server.client().key_in_header("X-Test-Key", "right").build().unwrap().check().await;
    assert!(right.is_ok() && right.permissions == Some(Permissions::All), "{right:?}");
    assert_eq!((right.key_valid, right.environment.as_deref()), (Some(true), Some("local")));
}

fn with_key(server: &LocalServer, key: &str) -> Client {
    server.client().key_in_header("X-Test-Key", key).build().unwrap()
}

/// A client with a new key that may read one namespace.
async fn reader(server: &LocalServer, limits: Option<KeyLimits>) -> Client {
    let grants = vec![Grant { namespaces: vec!["demo".to_owned()], permissions: vec![Permission::Read] }];
    let new = NewKey { name: "ci".to_owned(), grants, note: None, not_before: None, expires_at: None, limits };
    let made = with_key(server, "right").keys().create(&new).await.unwrap();
    with_key(server, &made.key)
}

#[tokio::test]
async fn a_key_with_permissions_is_right_and_shows_its_grants() {
    let server = LocalServer::over(Arc::new(Memory::default()), &KEY).unwrap();
    let check = reader(&server, None).await.check().await;
    assert!(check.is_ok() && check.key_valid == Some(true), "{check:?}");
    let namespaces = check.caller.unwrap().grants.remove(0).namespaces;
    assert_eq!((check.permissions, namespaces), (Some(Permissions::Granted), vec!["demo".to_owned()]));
}

#[tokio::test]
async fn a_key_beyond_a_limit_is_valid_all_the_same() {
    let server = LocalServer::over(Arc::new(Memory::default()), &KEY).unwrap();
    let limits = KeyLimits { bytes_per_day: Some(1), ..KeyLimits::default() };
    let client = reader(&server, Some(limits)).await;
    client.whoami().await.unwrap();
    assert!(matches!(client.whoami().await, Err(Error::LimitExceeded(_))));
    let check = client.check().await;
    assert!(!check.is_ok() && check.problem.unwrap().contains("in a day"));
    assert_eq!((check.reachable, check.key_valid), (true, Some(true)));
}

#[tokio::test]
async fn nobody_there_is_not_reachable_and_says_so() {
    let port = std::net::TcpListener::bind("127.0.0.1:0").unwrap().local_addr().unwrap().port();
    let policy = Policy { max_attempts: 1, total_timeout: Duration::from_secs(5), ..Policy::default() };
    let check = Client::builder(format!("http://127.0.0.1:{port}")).policy(policy).build().unwrap().check().await;
    assert!(!check.reachable && check.latency.is_none());
    assert!(check.problem.unwrap().contains("no connection to the service"));
}

#[tokio::test]
async fn another_service_is_recognized() {
    let (url, _) = scripted(vec![answer("200 OK", "content-type: application/json\r\n", "{\"openapi\":\"3\"}")]).await;
    let check = Client::builder(url).build().unwrap().check().await;
    assert!(!check.reachable && check.problem.unwrap().contains("another service answers there"));
}
