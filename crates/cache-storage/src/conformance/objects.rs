//! Reading, writing and deleting one object.

use bytes::Bytes;
use cache_core::digest::Sha256Digest;
use cache_core::storage::{Object, PutMode, Storage};

use super::{Sandbox, is_precondition, is_recent};

/// A miss is not an error.
pub async fn an_absent_key_reads_as_none(storage: &dyn Storage) {
    let sandbox = Sandbox::new(storage);
    assert_eq!(sandbox.get("absent").await, None);
    assert_eq!(sandbox.head("absent").await, None);
}

/// Bytes, size and version come back.
pub async fn what_is_put_is_read_back(storage: &dyn Storage) {
    let sandbox = Sandbox::new(storage);
    let version = sandbox.overwrite("a.json", "hello").await;
    assert_eq!(sandbox.get("a.json").await, Some(Object { bytes: "hello".into(), size: 5, version }));
}

/// An empty content is valid.
pub async fn an_empty_object_is_an_object(storage: &dyn Storage) {
    let sandbox = Sandbox::new(storage);
    let version = sandbox.overwrite("a", "").await;
    assert_eq!(sandbox.get("a").await, Some(Object { bytes: Bytes::new(), size: 0, version }));
    assert_eq!(sandbox.head("a").await.unwrap().size, 0);
    assert!(is_precondition(&sandbox.put("a", "x", PutMode::Create).await));
}

/// Nothing is taken for text.
pub async fn every_byte_is_kept(storage: &dyn Storage) {
    let sandbox = Sandbox::new(storage);
    let bytes: Vec<u8> = (0..=255).rev().collect();
    sandbox.overwrite("a", bytes.clone()).await;
    assert_eq!(sandbox.get("a").await.unwrap().bytes, bytes);
}

/// Five megabytes, more than any buffer on the way.
pub async fn a_large_object_is_kept(storage: &dyn Storage) {
    let sandbox = Sandbox::new(storage);
    let bytes: Vec<u8> = (0..5_000_000_u32).map(|n| (n % 251) as u8).collect();
    sandbox.overwrite("a", bytes.clone()).await;
    assert!(sandbox.get("a").await.unwrap().bytes == bytes);
}

/// `Overwrite` does not ask.
pub async fn overwrite_replaces_what_is_there(storage: &dyn Storage) {
    let sandbox = Sandbox::new(storage);
    sandbox.overwrite("a", "a longer text").await;
    sandbox.overwrite("a", "short").await;
    assert_eq!(sandbox.text("a").await.unwrap(), "short");
}

/// `Create` writes where nothing is.
pub async fn create_writes_an_absent_key(storage: &dyn Storage) {
    let sandbox = Sandbox::new(storage);
    sandbox.put("a", "first", PutMode::Create).await.unwrap();
    assert_eq!(sandbox.text("a").await.unwrap(), "first");
}

/// `Create` never overwrites, not even with the same bytes.
pub async fn create_refuses_an_existing_key(storage: &dyn Storage) {
    let sandbox = Sandbox::new(storage);
    sandbox.overwrite("a", "first").await;
    assert!(is_precondition(&sandbox.put("a", "second", PutMode::Create).await));
    assert!(is_precondition(&sandbox.put("a", "first", PutMode::Create).await));
    assert_eq!(sandbox.text("a").await.unwrap(), "first");
}

/// Deleted is as if it had never been.
pub async fn create_works_again_after_a_delete(storage: &dyn Storage) {
    let sandbox = Sandbox::new(storage);
    sandbox.overwrite("a", "first").await;
    sandbox.delete("a").await;
    sandbox.put("a", "second", PutMode::Create).await.unwrap();
    assert_eq!(sandbox.text("a").await.unwrap(), "second");
}

/// `Update` takes the version that is there, and no other.
pub async fn update_needs_the_current_version(storage: &dyn Storage) {
    let sandbox = Sandbox::new(storage);
    let first = sandbox.overwrite("a", "first").await;
    let second = sandbox.put("a", "second", PutMode::Update(first.clone())).await.unwrap();
    assert!(is_precondition(&sandbox.put("a", "third", PutMode::Update(first)).await));
    assert_eq!(sandbox.text("a").await.unwrap(), "second");
    sandbox.put("a", "third", PutMode::Update(second)).await.unwrap();
    assert_eq!(sandbox.text("a").await.unwrap(), "third");
}

/// An absent object has no version to match.
pub async fn update_refuses_an_absent_key(storage: &dyn Storage) {
    let sandbox = Sandbox::new(storage);
    let version = sandbox.overwrite("other", "x").await;
    assert!(is_precondition(&sandbox.put("a", "x", PutMode::Update(version)).await));
    assert_eq!(sandbox.get("a").await, None);
}

/// A late compare-and-swap does not bring an object back.
pub async fn update_refuses_a_deleted_key(storage: &dyn Storage) {
    let sandbox = Sandbox::new(storage);
    let version = sandbox.overwrite("a", "x").await;
    sandbox.delete("a").await;
    assert!(is_precondition(&sandbox.put("a", "y", PutMode::Update(version)).await));
    assert_eq!(sandbox.get("a").await, None);
}

/// Deleting an absent object succeeds.
pub async fn deleting_is_idempotent(storage: &dyn Storage) {
    let sandbox = Sandbox::new(storage);
    sandbox.overwrite("folder/a", "x").await;
    for name in ["folder/a", "folder/a", "never/was", "folder/a/below"] {
        sandbox.delete(name).await;
        assert_eq!(sandbox.get(name).await, None);
    }
}

/// The time of a write is known within a minute, and the digest is the right one or not known.
pub async fn a_head_has_the_time_and_the_right_digest(storage: &dyn Storage) {
    let sandbox = Sandbox::new(storage);
    for content in ["", "hello"] {
        sandbox.overwrite("a", content).await;
        let head = sandbox.head("a").await.unwrap();
        assert!(is_recent(head.modified), "{head:?}");
        assert!(head.sha256.is_none_or(|sha256| sha256 == Sha256Digest::of(content.as_bytes())), "{head:?}");
    }
}
