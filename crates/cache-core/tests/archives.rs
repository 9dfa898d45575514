//! Archives as entries: what an edit stores, and what it leaves alone.

#![allow(clippy::unwrap_used, reason = "a test may panic")]

mod shared_storage;

use cache_core::archive::batch::{Batch, BatchRequest};
use cache_core::archive::{Archive, Limits};
use cache_core::cache::{
    ArchiveDestination, ArchiveError, Archives, IdempotencyKey, NamespaceCache, Selector, VersionsOf,
};
use cache_core::ids::CacheId;
use cache_core::strategy::Strategy;

use self::shared_storage::*;

fn destination() -> ArchiveDestination {
    let key = key_ref(Strategy::KeyBased);
    ArchiveDestination { strategy: key.strategy, cache_key: Some(key.cache_key), file_id: Some(key.file_id) }
}

fn archive() -> bytes::Bytes {
    let mut archive = Archive::empty(&Limits::default());
    for name in ["a", "b"] {
        archive.add(&name.parse().unwrap(), "old".into()).unwrap();
    }
    archive.to_bytes().unwrap()
}

/// A cache with an archive of `a` and `b` under a key.
async fn with_archive() -> (NamespaceCache, Archives, CacheId) {
    let cache = SharedStorage::new().process().await;
    let archives = cache.archives(Limits::default());
    let stored = archives.store(destination(), archive()).await.unwrap().stored;
    (cache, archives, stored.entry.cache_id)
}

async fn check_members(archives: &Archives, id: CacheId, names: &[&str]) {
    let entry = archives.find(&Selector::Id(id)).await.unwrap().unwrap();
    assert_eq!(entry.directory.names().collect::<Vec<_>>(), names);
}

#[tokio::test]
async fn an_edit_makes_a_new_entry_and_leaves_the_original_alone() {
    let (cache, archives, original) = with_archive().await;
    let renamed = archives.rename(&Selector::Id(original), "a", "d/c").await.unwrap().unwrap();
    assert_eq!((renamed.original, renamed.done.as_str()), (original, "d/c"));
    check_members(&archives, renamed.cache_id, &["b", "d/c"]).await;
    check_members(&archives, original, &["a", "b"]).await;
    let entry = cache.entry(&Selector::Id(renamed.cache_id)).await.unwrap().unwrap();
    assert_eq!((entry.strategy, entry.cache_key, entry.file_id), (Strategy::KeyBased, None, None));
}

#[tokio::test]
async fn a_rename_onto_an_existing_name_is_refused() {
    let (_, archives, original) = with_archive().await;
    let refused = archives.rename(&Selector::Id(original), "a", "b").await;
    assert!(matches!(refused, Err(ArchiveError::Refused(_))), "{refused:?}");
}

#[tokio::test]
async fn a_batch_that_is_rolled_back_stores_nothing() {
    let (cache, archives, original) = with_archive().await;
    let request: BatchRequest = serde_json::from_value(serde_json::json!({"operations": [
        {"action": "add", "path": "c", "content": "x"},
        {"action": "remove", "path": "nope"},
    ]}))
    .unwrap();
    let batch = Batch::try_from(request).unwrap();
    let edited = archives.apply(&Selector::Id(original), batch).await.unwrap().unwrap();
    assert!(edited.done.rollback_performed);
    assert_eq!((edited.cache_id, edited.members), (original, 2));
    let entry = cache.entry(&Selector::Id(original)).await.unwrap().unwrap();
    let versions = cache.versions(&VersionsOf::Hash(entry.cache_hash), None, 10).await.unwrap();
    assert_eq!(versions.unwrap().count, 1);
}

#[tokio::test]
async fn what_is_not_there_is_none_and_a_missing_member_is_not() {
    let (_, archives, original) = with_archive().await;
    let nobody = Selector::Id(CacheId::from_u128(7));
    assert!(archives.remove(&nobody, "a").await.unwrap().is_none());
    let missing = archives.member(&Selector::Id(original), "nope").await;
    assert!(matches!(missing, Err(ArchiveError::NoMember(_))), "{missing:?}");
}

#[tokio::test]
async fn a_repeated_store_of_an_archive_is_one_entry() {
    let (cache, archives, original) = with_archive().await;
    let archives = archives.with_idempotency_key(Some(IdempotencyKey::new("k", "caller").unwrap()));
    let first = archives.store(destination(), archive()).await.unwrap().stored.entry.cache_id;
    let again = archives.store(destination(), archive()).await.unwrap().stored.entry.cache_id;
    assert_eq!(first, again);
    assert_eq!(cache.ids().await.unwrap().len(), 2, "it and {original}");
}

#[tokio::test]
async fn a_repeated_edit_of_an_archive_is_one_entry() {
    let (cache, archives, original) = with_archive().await;
    let archives = archives.with_idempotency_key(Some(IdempotencyKey::new("k", "caller").unwrap()));
    let add = async |content: &'static str| {
        let edited = archives.add(&Selector::Id(original), "c", content.into()).await.unwrap().unwrap();
        edited.cache_id
    };
    assert_eq!(add("x").await, add("x").await);
    assert_ne!(add("x").await, add("y").await, "another edit is another entry");
    assert_eq!(cache.ids().await.unwrap().len(), 3);
}
