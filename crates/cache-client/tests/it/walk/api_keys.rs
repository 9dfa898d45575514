//! The operations on API keys.

use std::collections::BTreeSet;
use std::time::Duration;

use mgraph_cache_client::api::keys::{CallerKind, Grant, KeyChange, KeyStatus, NewKey};
use mgraph_cache_client::api::kinds::Permission;
use mgraph_cache_client::{Client, Error};

/// Calls all of them. `with_key` makes a client with another key.
pub async fn all(root: &Client, with_key: impl Fn(&str) -> Client) {
    assert_eq!(root.whoami().await.unwrap().kind, CallerKind::Root);
    let keys = root.keys();
    let grants = vec![Grant { namespaces: vec!["team-*".to_owned()], permissions: vec![Permission::Read] }];
    let new = NewKey {
        name: "ci".to_owned(),
        note: Some("nightly".to_owned()),
        grants: grants.clone(),
        not_before: None,
        expires_at: None,
        limits: None,
    };
    let made = keys.create(&new).await.unwrap();
    let id = made.info.id.as_str();
    let caller = with_key(&made.key).whoami().await.unwrap();
    assert_eq!((caller.kind, caller.id.as_ref(), &caller.grants), (CallerKind::Key, Some(&made.info.id), &grants));
    let refused = with_key(&made.key).namespace("team-a").unwrap().store_text("t").send().await;
    assert!(matches!(refused, Err(Error::PermissionMissing(_))), "{refused:?}");

    let change = KeyChange { disabled: Some(true), note: Some(None), ..KeyChange::default() };
    let changed = keys.change(id, &change).await.unwrap().unwrap();
    assert_eq!((changed.status, changed.note, changed.name.as_str()), (KeyStatus::Disabled, None, "ci"));
    assert!(matches!(with_key(&made.key).whoami().await, Err(Error::NotPermitted(_))));
    let enable = KeyChange { disabled: Some(false), ..KeyChange::default() };
    assert!(keys.change(id, &enable).await.unwrap().is_some());

    let successor = keys.rotate(id, Some(Duration::from_secs(3600))).await.unwrap().unwrap();
    assert_eq!(keys.get(id).await.unwrap().unwrap().replaced_by.as_ref(), Some(&successor.info.id));
    let first = keys.list(1, None).await.unwrap();
    let second = keys.list(1, first.next_cursor.as_deref()).await.unwrap();
    let listed: BTreeSet<&str> = first.keys.iter().chain(&second.keys).map(|key| key.id.as_str()).collect();
    assert_eq!(listed, BTreeSet::from([id, successor.info.id.as_str()]));
    assert!(keys.delete(id).await.unwrap() && !keys.delete(id).await.unwrap());
    assert!(keys.get(id).await.unwrap().is_none() && keys.rotate(id, None).await.unwrap().is_none());
    assert!(keys.change(id, &enable).await.unwrap().is_none());
    assert!(matches!(keys.get("").await, Err(Error::InvalidRequest(_))), "that would list all keys");
}
