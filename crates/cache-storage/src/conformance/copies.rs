//! Copying one object.

use cache_core::digest::Sha256Digest;
use cache_core::storage::{PutMode, Storage};

use super::{Sandbox, is_precondition};

/// A copy is an object of its own: it stays when its source goes.
pub async fn a_copy_has_the_bytes_of_its_source(storage: &dyn Storage) {
    let sandbox = Sandbox::new(storage);
    let bytes: Vec<u8> = (0..3_000_000_u32).map(|n| (n % 251) as u8).collect();
    sandbox.overwrite("source", bytes.clone()).await;
    let version = sandbox.copy("source", "folder/copy", PutMode::Create).await.unwrap();
    sandbox.delete("source").await;
    let copy = sandbox.get("folder/copy").await.unwrap();
    assert_eq!((copy.bytes == bytes, Some(copy.version)), (true, version));
    let head = sandbox.head("folder/copy").await.unwrap();
    assert!(head.sha256.is_none_or(|sha256| sha256 == Sha256Digest::of(&bytes)), "{head:?}");
}

/// An absent source is a miss, and the target stays as it is.
pub async fn a_copy_of_nothing_is_none(storage: &dyn Storage) {
    let sandbox = Sandbox::new(storage);
    assert_eq!(sandbox.copy("absent", "a", PutMode::Overwrite).await.unwrap(), None);
    assert_eq!(sandbox.get("a").await, None);
    sandbox.overwrite("a", "old").await;
    assert_eq!(sandbox.copy("absent", "a", PutMode::Overwrite).await.unwrap(), None);
    assert_eq!(sandbox.text("a").await.unwrap(), "old");
}

/// A copy is allowed when a put would be.
pub async fn a_copy_obeys_its_mode(storage: &dyn Storage) {
    let sandbox = Sandbox::new(storage);
    sandbox.overwrite("source", "new").await;
    let first = sandbox.overwrite("a", "first").await;
    let second = sandbox.overwrite("a", "second").await;
    for refused in [PutMode::Create, PutMode::Update(first.clone())] {
        assert!(is_precondition(&sandbox.copy("source", "a", refused).await));
    }
    assert!(is_precondition(&sandbox.copy("source", "absent", PutMode::Update(first)).await));
    assert_eq!((sandbox.text("a").await.unwrap(), sandbox.get("absent").await), ("second".to_owned(), None));
    let third = sandbox.copy("source", "a", PutMode::Update(second)).await.unwrap().unwrap();
    assert_eq!(sandbox.text("a").await.unwrap(), "new");
    sandbox.overwrite("source", "newer").await;
    assert_ne!(sandbox.copy("source", "a", PutMode::Overwrite).await.unwrap().unwrap(), third);
    assert_eq!(sandbox.text("a").await.unwrap(), "newer");
}

/// Names that have to be escaped where a request names the source.
pub async fn odd_names_are_copied(storage: &dyn Storage) {
    let sandbox = Sandbox::new(storage);
    for name in ["a b+c%41?d#e&f=g", "ünï/日本"] {
        sandbox.overwrite(name, name.to_owned()).await;
        let to = format!("{name}.copy");
        sandbox.copy(name, &to, PutMode::Create).await.unwrap().unwrap();
        assert_eq!(sandbox.text(&to).await.unwrap(), name);
    }
}
