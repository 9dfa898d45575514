//! Blobs that were written for an operation, and that something else references by the time it ends. Nobody but the operation
//! would remove them, so it keeps what may be referenced.

#![allow(clippy::unwrap_used, reason = "a test may panic")]

mod shared_storage;

use std::time::Duration;

use bytes::Bytes;
use cache_core::cache::{NamespaceCache, RetrievedOrTooLarge, Selector, UpdateRequest, UploadLimits};
use cache_core::content::Content;
use cache_core::ids::CacheId;
use cache_core::strategy::ContentKind;
use cache_storage::operation::StorageOp;
use cache_testing::fault_injection::Fault;
use futures::future::join;

use self::shared_storage::*;

const LIMITS: UploadLimits = UploadLimits { content: 1_000_000, copy: 200_000 };
const SIZE: usize = 70_000;

/// The next write of a manifest is applied without a response, and its process reads the manifest again a second later.
fn lose_the_next_commit(world: &SharedStorage) {
    world.faults.once(StorageOp::Put, "refs/by-hash", Fault::ResponseLost);
    // The first read is the one before the write.
    world.faults.once(StorageOp::Get, "refs/by-hash", Fault::Slow(Duration::ZERO));
    world.faults.once(StorageOp::Get, "refs/by-hash", Fault::Slow(Duration::from_secs(1)));
}

/// Runs both, the second one half a second later.
async fn meanwhile<A, B>(first: impl Future<Output = A>, second: impl Future<Output = B>) -> (A, B) {
    let later = async {
        tokio::time::sleep(Duration::from_millis(500)).await;
        second.await
    };
    join(first, later).await
}

/// Stores a content once more and deletes the entry that it had before.
async fn take_over(cache: &NamespaceCache, content: Content) -> CacheId {
    let by_hash = Selector::Hash(content.cache_hash().clone(), None);
    let before = retrieve(cache, &by_hash).await.expect("it is committed").entry.cache_id;
    let id = store(cache, &direct(content)).await.entry.cache_id;
    assert!(delete(cache, before).await);
    id
}

async fn send(cache: &NamespaceCache, content: &Bytes) -> CacheId {
    let request = upload_request(content);
    let upload = cache.begin_upload(&request, LIMITS, None).await.unwrap();
    assert!(cache.receive_upload(upload.upload_id, &request, upload.expires_at, content.clone()).await.unwrap());
    upload.upload_id
}

async fn revision(cache: &NamespaceCache, id: CacheId, number: u64) -> Bytes {
    match cache.retrieve_revision(&Selector::Id(id), number, u64::MAX).await.unwrap().unwrap() {
        RetrievedOrTooLarge::Retrieved(found) => found.bytes,
        RetrievedOrTooLarge::TooLarge(entry) => panic!("{} is not too large", entry.cache_id),
    }
}

#[tokio::test(start_paused = true)]
async fn a_store_whose_entry_was_deleted_keeps_its_blob() {
    let world = SharedStorage::new();
    let (cache, other) = (world.process().await, world.healthy_process());
    lose_the_next_commit(&world);
    let request = direct(binary(1, SIZE));
    let (stored, id) = meanwhile(cache.store(&request), take_over(&other, binary(1, SIZE))).await;
    assert_ne!(stored.unwrap().entry.cache_id, id);
    assert_eq!(retrieve(&other, &Selector::Id(id)).await.unwrap().bytes, binary(1, SIZE).bytes());
}

#[tokio::test(start_paused = true)]
async fn a_completion_whose_entry_was_deleted_keeps_its_blob() {
    let world = SharedStorage::new();
    let (cache, other, content) = (world.process().await, world.healthy_process(), binary(1, SIZE));
    let upload = send(&cache, content.bytes()).await;
    lose_the_next_commit(&world);
    let request = upload_request(content.bytes());
    let completion = cache.complete_upload(upload, &request, LIMITS);
    let (completed, id) = meanwhile(completion, take_over(&other, content.clone())).await;
    assert!(completed.is_err(), "{completed:?}");
    assert_eq!(retrieve(&other, &Selector::Id(id)).await.unwrap().bytes, content.bytes());
}

#[tokio::test(start_paused = true)]
async fn an_update_whose_entry_was_deleted_keeps_its_blob() {
    let world = SharedStorage::new();
    let (cache, other, large) = (world.process().await, world.healthy_process(), "y".repeat(SIZE));
    let [deleted, kept] = [store_text(&cache, "x").await.cache_id, store_text(&cache, "x").await.cache_id];
    lose_the_next_commit(&world);
    let others = async {
        update(&other, kept, &large).await.unwrap();
        assert!(delete(&other, deleted).await);
    };
    let (updated, ()) = meanwhile(update(&cache, deleted, &large), others).await;
    assert_eq!(updated, None);
    assert_eq!(read_id(&other, kept).await, Some(large));
}

#[tokio::test(start_paused = true)]
async fn an_update_that_is_an_older_revision_by_now_keeps_its_blob() {
    let world = SharedStorage::new();
    let (cache, other, large) = (world.process().await, world.healthy_process(), "y".repeat(SIZE));
    let id = store_text(&cache, "x").await.cache_id;
    lose_the_next_commit(&world);
    let (first, second) = meanwhile(update(&cache, id, &large), update(&other, id, "z")).await;
    assert!(first.is_some() && second.is_some());
    assert_eq!(revision(&other, id, 1).await, large);
}

/// An entry in a page has its content there. When it gets another content and then the first one again, the head has a second
/// copy of it, and the first one is still that of the oldest revision.
#[tokio::test(start_paused = true)]
async fn a_completion_keeps_its_blob_beside_a_second_copy() {
    let world = SharedStorage::new();
    let (cache, other, content) = (world.process().await, world.small_process(), binary(1, 100));
    let (upload, request) = (send(&cache, content.bytes()).await, upload_request(content.bytes()));
    world.faults.once(StorageOp::Put, "refs/by-hash", Fault::Slow(Duration::from_secs(1)));
    let others = async {
        let first = other.complete_upload(upload, &request, LIMITS).await.unwrap().entry;
        for number in 0..30 {
            let bytes = Bytes::from(format!("archive {number}"));
            store(&other, &direct(Content::zip(bytes, content.cache_hash().clone()))).await;
        }
        for bytes in [Bytes::from_static(b"another"), content.bytes().clone()] {
            let request = update_request(first.cache_id, bytes);
            other.update(&UpdateRequest { kind: ContentKind::Binary, ..request }).await.unwrap().unwrap();
        }
        let now = other.entry(&Selector::Id(first.cache_id)).await.unwrap().unwrap();
        assert!(now.content.blob.is_some() && now.content.blob != first.content.blob, "a second copy");
    };
    let (completed, ()) = meanwhile(cache.complete_upload(upload, &request, LIMITS), others).await;
    assert_eq!(revision(&other, completed.unwrap().entry.cache_id, 0).await, content.bytes());
}
