//! Reading, writing and deleting one object.

use std::collections::HashSet;

use bytes::Bytes;
use cache_core::content::Digest;
use cache_core::storage::{Object, PutMode, Storage};
use cache_core::surroundings::Surroundings;

use super::{Place, is_conflict};
use crate::system::System;

/// A miss is not an error.
pub async fn an_absent_key_reads_as_none(storage: &dyn Storage) {
    let place = Place::new(storage);
    assert_eq!(place.get("absent").await, None);
    assert_eq!(storage.head(&place.key("absent")).await.unwrap(), None);
}

/// Bytes, size and version come back.
pub async fn what_is_put_is_read_back(storage: &dyn Storage) {
    let place = Place::new(storage);
    let version = place.overwrite("a.json", "hello").await;
    assert_eq!(place.get("a.json").await, Some(Object { bytes: "hello".into(), size: 5, version }));
}

/// No bytes are content, too.
pub async fn an_empty_object_is_an_object(storage: &dyn Storage) {
    let place = Place::new(storage);
    let version = place.overwrite("a", "").await;
    assert_eq!(place.get("a").await, Some(Object { bytes: Bytes::new(), size: 0, version }));
    assert_eq!(storage.head(&place.key("a")).await.unwrap().unwrap().size, 0);
    assert!(is_conflict(&place.put("a", "x", PutMode::Create).await));
}

/// Nothing is taken for text.
pub async fn every_byte_is_kept(storage: &dyn Storage) {
    let place = Place::new(storage);
    let bytes: Vec<u8> = (0..=255).rev().collect();
    place.overwrite("a", bytes.clone()).await;
    assert_eq!(place.get("a").await.unwrap().bytes, bytes);
}

/// Five megabytes, more than any buffer on the way.
pub async fn a_large_object_is_kept(storage: &dyn Storage) {
    let place = Place::new(storage);
    let bytes: Vec<u8> = (0..5_000_000_u32).map(|n| (n % 251) as u8).collect();
    place.overwrite("a", bytes.clone()).await;
    assert!(place.get("a").await.unwrap().bytes == bytes);
}

/// `Overwrite` does not ask.
pub async fn overwrite_replaces_what_is_there(storage: &dyn Storage) {
    let place = Place::new(storage);
    place.overwrite("a", "a longer text").await;
    place.overwrite("a", "short").await;
    assert_eq!(place.text("a").await.unwrap(), "short");
}

/// `Create` writes where nothing is.
pub async fn create_writes_an_absent_key(storage: &dyn Storage) {
    let place = Place::new(storage);
    place.put("a", "first", PutMode::Create).await.unwrap();
    assert_eq!(place.text("a").await.unwrap(), "first");
}

/// `Create` never overwrites, not even with the same bytes.
pub async fn create_refuses_an_existing_key(storage: &dyn Storage) {
    let place = Place::new(storage);
    place.overwrite("a", "first").await;
    assert!(is_conflict(&place.put("a", "second", PutMode::Create).await));
    assert!(is_conflict(&place.put("a", "first", PutMode::Create).await));
    assert_eq!(place.text("a").await.unwrap(), "first");
}

/// Deleted is as if it had never been.
pub async fn create_works_again_after_a_delete(storage: &dyn Storage) {
    let place = Place::new(storage);
    place.overwrite("a", "first").await;
    place.delete("a").await;
    place.put("a", "second", PutMode::Create).await.unwrap();
    assert_eq!(place.text("a").await.unwrap(), "second");
}

/// `Replace` takes the version that is there, and no other.
pub async fn replace_needs_the_current_version(storage: &dyn Storage) {
    let place = Place::new(storage);
    let first = place.overwrite("a", "first").await;
    let second = place.put("a", "second", PutMode::Replace(first.clone())).await.unwrap();
    assert!(is_conflict(&place.put("a", "third", PutMode::Replace(first)).await));
    assert_eq!(place.text("a").await.unwrap(), "second");
    place.put("a", "third", PutMode::Replace(second)).await.unwrap();
    assert_eq!(place.text("a").await.unwrap(), "third");
}

/// There is no version to be at.
pub async fn replace_refuses_an_absent_key(storage: &dyn Storage) {
    let place = Place::new(storage);
    let version = place.overwrite("other", "x").await;
    assert!(is_conflict(&place.put("a", "x", PutMode::Replace(version)).await));
    assert_eq!(place.get("a").await, None);
}

/// A late compare-and-swap does not bring an object back.
pub async fn replace_refuses_a_deleted_key(storage: &dyn Storage) {
    let place = Place::new(storage);
    let version = place.overwrite("a", "x").await;
    place.delete("a").await;
    assert!(is_conflict(&place.put("a", "y", PutMode::Replace(version)).await));
    assert_eq!(place.get("a").await, None);
}

/// Equal versions mean equal bytes, also when the size stays and the writes follow at once.
pub async fn other_content_has_another_version(storage: &dyn Storage) {
    let place = Place::new(storage);
    let mut versions = HashSet::new();
    for n in 10..60 {
        versions.insert(place.overwrite("a", n.to_string()).await);
    }
    assert_eq!(versions.len(), 50);
}

/// Whichever way a version is learnt, it is the same.
pub async fn head_get_and_put_agree_on_the_version(storage: &dyn Storage) {
    let place = Place::new(storage);
    let put = place.overwrite("a", "hello").await;
    let head = storage.head(&place.key("a")).await.unwrap().unwrap();
    let part = storage.get(&place.key("a"), Some(1..2)).await.unwrap().unwrap();
    assert_eq!((head.size, part.size), (5, 5));
    assert_eq!((&head.version, &part.version), (&put, &put));
}

/// What is gone, or was never there, can be deleted again.
pub async fn deleting_is_idempotent(storage: &dyn Storage) {
    let place = Place::new(storage);
    place.overwrite("folder/a", "x").await;
    for name in ["folder/a", "folder/a", "never/was", "folder/a/below"] {
        place.delete(name).await;
        assert_eq!(place.get(name).await, None);
    }
}

/// The time of a write is known within a minute, and the digest is the right one or not known.
pub async fn a_head_has_the_time_and_the_right_digest(storage: &dyn Storage) {
    let place = Place::new(storage);
    for content in ["", "hello"] {
        place.overwrite("a", content).await;
        let head = storage.head(&place.key("a")).await.unwrap().unwrap();
        assert!(head.modified_ms.abs_diff(System.now_ms()) < 60_000, "{head:?}");
        assert!(head.sha256.is_none_or(|sha256| sha256 == Digest::of(content.as_bytes())), "{head:?}");
    }
}
