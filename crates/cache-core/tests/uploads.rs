//! Uploads: a content that is sent first and becomes an entry afterwards.

#![allow(clippy::unwrap_used, reason = "a test may panic")]

mod shared_storage;

use std::time::Duration;

use bytes::Bytes;
use cache_core::cache::{CacheConfig, NamespaceCache, Selector, Upload, UploadLimits, UploadRequest};
use cache_core::digest::Sha256Digest;
use cache_core::error::{Error, ErrorKind};
use cache_core::ids::{BlobToken, CacheId};
use cache_core::layout::Layout;
use cache_core::settings::Settings;
use cache_core::storage::ObjectKey;
use cache_core::strategy::{ContentKind, Strategy};
use cache_storage::operation::StorageOp;
use cache_testing::fault_injection::{Fault, FaultRates};
use futures::future::{join, join_all};

use self::shared_storage::*;

const LIMITS: UploadLimits = UploadLimits { content: 1_000_000, copy: 200_000 };
const SIZE: usize = 100_000;

fn keyed_request(strategy: Strategy, content: &Bytes) -> UploadRequest {
    let key = key_ref(strategy);
    UploadRequest { strategy, cache_key: Some(key.cache_key), file_id: Some(key.file_id), ..upload_request(content) }
}

fn content(number: u8) -> Bytes {
    vec![number; SIZE].into()
}

async fn begin(cache: &NamespaceCache, request: &UploadRequest) -> Upload {
    cache.begin_upload(request, LIMITS, None).await.unwrap()
}

/// Begins an upload and sends its content.
async fn send(cache: &NamespaceCache, request: &UploadRequest, content: &Bytes) -> CacheId {
    let upload = begin(cache, request).await;
    assert!(receive(cache, &upload, request, content).await.unwrap());
    upload.upload_id
}

async fn receive(
    cache: &NamespaceCache,
    upload: &Upload,
    request: &UploadRequest,
    content: &Bytes,
) -> Result<bool, Error> {
    cache.receive_upload(upload.upload_id, request, upload.expires_at, content.clone()).await
}

fn upload_blob(id: CacheId) -> ObjectKey {
    let parts = id.parts().unwrap();
    Layout::new(&namespace()).blob(&parts.cache_hash, parts.locator.token().unwrap())
}

async fn is_refused(cache: &NamespaceCache, id: CacheId, request: &UploadRequest) -> bool {
    has_kind(&cache.complete_upload(id, request, LIMITS).await, ErrorKind::Invalid)
}

#[tokio::test]
async fn an_uploaded_content_becomes_an_entry_as_any_other() {
    for strategy in Strategy::ALL {
        let world = SharedStorage::new();
        let (cache, content) = (world.process().await, content(1));
        let request = keyed_request(strategy, &content);
        let id = send(&cache, &request, &content).await;
        assert_eq!(cache.ids().await.unwrap(), [], "it is no entry yet");
        let stored = cache.complete_upload(id, &request, LIMITS).await.unwrap();
        assert_eq!((stored.deduplicated, stored.key_version, stored.entry.version), (false, Some(1), 1));
        let hash = stored.entry.cache_hash.clone();
        for selector in
            [Selector::Id(stored.entry.cache_id), Selector::Hash(hash, None), Selector::Key(key_ref(strategy), None)]
        {
            assert_eq!(retrieve(&cache, &selector).await.unwrap().bytes, content, "{strategy}: {selector:?}");
        }
        assert!(delete(&cache, stored.entry.cache_id).await);
        assert_eq!((world.keys("blobs/").await, world.keys("data/").await), (vec![], vec![]), "{strategy}");
    }
}

#[tokio::test]
async fn completing_again_returns_the_same_entry() {
    for strategy in Strategy::ALL {
        let world = SharedStorage::new();
        let (cache, other, content) = (world.process().await, world.process().await, content(1));
        let request = keyed_request(strategy, &content);
        let id = send(&cache, &request, &content).await;
        let first = cache.complete_upload(id, &request, LIMITS).await.unwrap();
        world.clock.advance(Duration::from_secs(3600));
        let again = other.complete_upload(id, &request, LIMITS).await.unwrap();
        assert_eq!((&again.entry, again.key_version), (&first.entry, first.key_version), "{strategy}");
        assert_eq!(cache.ids().await.unwrap(), [first.entry.cache_id]);
    }
}

#[tokio::test(start_paused = true)]
async fn completions_at_the_same_time_return_the_same_entry() {
    for seed in 0..100 {
        let world = SharedStorage::with_faults(FaultRates { slow: 0.5, ..FaultRates::default() }, seed);
        let processes = [world.process().await, world.process().await, world.process().await];
        let content = content(1);
        let request = keyed_request(Strategy::ALL[seed as usize % 5], &content);
        let id = send(&processes[0], &request, &content).await;
        let completed = join_all(processes.iter().map(|cache| cache.complete_upload(id, &request, LIMITS))).await;
        let mut entries: Vec<_> = completed.into_iter().map(|stored| stored.unwrap().entry.cache_id).collect();
        entries.dedup();
        assert_eq!(processes[0].ids().await.unwrap(), entries, "seed {seed}");
        let found = retrieve(&processes[1], &Selector::Id(entries[0])).await.unwrap();
        assert_eq!(found.bytes, content);
    }
}

#[tokio::test]
async fn a_content_that_is_there_is_kept_once() {
    let world = SharedStorage::new();
    let (cache, content) = (world.process().await, content(1));
    let stored = store(&cache, &direct(binary(1, SIZE))).await.entry;
    let request = upload_request(&content);
    let id = send(&cache, &request, &content).await;
    assert_eq!(world.keys("blobs/").await.len(), 2);
    let completed = cache.complete_upload(id, &request, LIMITS).await.unwrap();
    assert!(completed.deduplicated);
    assert_eq!(completed.entry.content.blob, stored.content.blob);
    assert_eq!(world.keys("blobs/").await, [blob_key(&stored)]);
    assert_eq!(cache.complete_upload(id, &request, LIMITS).await.unwrap().entry, completed.entry, "again");
}

#[tokio::test]
async fn an_upload_takes_the_place_of_a_blob_that_is_missing() {
    let world = SharedStorage::new();
    let (cache, content) = (world.process().await, content(1));
    let stored = store(&cache, &direct(binary(1, SIZE))).await.entry;
    world.remove(&blob_key(&stored)).await;
    let request = upload_request(&content);
    let id = send(&cache, &request, &content).await;
    cache.complete_upload(id, &request, LIMITS).await.unwrap();
    for id in cache.ids().await.unwrap() {
        assert_eq!(retrieve(&cache, &Selector::Id(id)).await.unwrap().bytes, content);
    }
}

#[tokio::test]
async fn a_content_that_is_not_there_yet_is_asked_for() {
    let world = SharedStorage::new();
    let (cache, content) = (world.process().await, content(1));
    let request = upload_request(&content);
    let upload = begin(&cache, &request).await;
    assert!(is_refused(&cache, upload.upload_id, &request).await);
    assert!(receive(&cache, &upload, &request, &content).await.unwrap());
    cache.complete_upload(upload.upload_id, &request, LIMITS).await.unwrap();
}

#[tokio::test]
async fn what_is_not_what_was_announced_is_refused() {
    let world = SharedStorage::new();
    let (cache, announced) = (world.process().await, content(1));
    let request = upload_request(&announced);
    for sent in [content(2), announced.slice(1..)] {
        let upload = begin(&cache, &request).await;
        assert!(has_kind(&receive(&cache, &upload, &request, &sent).await, ErrorKind::Invalid));
        world.put(&upload_blob(upload.upload_id), sent).await;
        assert!(is_refused(&cache, upload.upload_id, &request).await);
    }
    assert_eq!(cache.ids().await.unwrap(), []);
}

#[tokio::test]
async fn an_upload_is_sent_once() {
    let world = SharedStorage::new();
    let (cache, content) = (world.process().await, content(1));
    let request = upload_request(&content);
    let upload = begin(&cache, &request).await;
    assert!(receive(&cache, &upload, &request, &content).await.unwrap());
    assert!(!receive(&cache, &upload, &request, &content).await.unwrap());
}

#[tokio::test]
async fn a_content_that_arrives_long_after_its_url_expired_is_refused() {
    let world = SharedStorage::new();
    let (cache, content) = (world.process().await, content(1));
    let request = upload_request(&content);
    let (slow, late) = (begin(&cache, &request).await, begin(&cache, &request).await);
    world.clock.advance(Duration::from_secs(2 * 3600 - 1));
    assert!(receive(&cache, &slow, &request, &content).await.unwrap(), "it began in time");
    world.clock.advance(Duration::from_secs(1));
    assert!(has_kind(&receive(&cache, &late, &request, &content).await, ErrorKind::Invalid));
    assert_eq!(world.keys("blobs/").await, [upload_blob(slow.upload_id)]);
}

#[tokio::test]
async fn an_upload_id_belongs_to_one_announcement() {
    let world = SharedStorage::new();
    let (cache, content) = (world.process().await, content(1));
    let announced = keyed_request(Strategy::Direct, &content);
    let id = send(&cache, &announced, &content).await;
    let others = [
        UploadRequest { strategy: Strategy::Temporal, ..announced.clone() },
        UploadRequest { kind: ContentKind::String, ..announced.clone() },
        UploadRequest { sha256: Sha256Digest::of(b"other"), ..announced.clone() },
    ];
    for other in &others {
        assert!(is_refused(&cache, id, other).await, "{other:?}");
    }
    cache.complete_upload(id, &announced, LIMITS).await.unwrap();
    let other_key = UploadRequest { file_id: Some("g".parse().unwrap()), ..announced };
    assert!(is_refused(&cache, id, &other_key).await, "it was completed under another key");
    let entry = store_text(&cache, "x").await;
    assert!(is_refused(&cache, entry.cache_id, &upload_request(&content)).await, "an entry is no upload");
}

#[tokio::test]
async fn an_announcement_that_could_not_become_an_entry_is_refused() {
    let world = SharedStorage::new();
    let (cache, content) = (world.process().await, content(1));
    let ok = upload_request(&content);
    let refused = [
        UploadRequest { kind: ContentKind::Json, ..ok.clone() },
        UploadRequest { kind: ContentKind::Zip, ..ok.clone() },
        UploadRequest { size: 0, ..ok.clone() },
        UploadRequest { size: LIMITS.content + 1, ..ok.clone() },
        UploadRequest { size: LIMITS.copy + 1, ..keyed_request(Strategy::KeyBased, &content) },
        UploadRequest {
            cache_key: Some("k".repeat(1020).parse().unwrap()),
            ..keyed_request(Strategy::KeyBased, &content)
        },
    ];
    for request in refused {
        assert!(has_kind(&cache.begin_upload(&request, LIMITS, None).await, ErrorKind::Invalid), "{request:?}");
    }
    let settings = Settings { strategies: Some(vec![Strategy::Temporal]), ..Settings::default() };
    cache.change_settings(&settings).await.unwrap();
    assert!(has_kind(&cache.begin_upload(&ok, LIMITS, None).await, ErrorKind::Invalid));
}

#[tokio::test]
async fn a_readable_copy_is_made_by_the_storage() {
    let world = SharedStorage::new();
    let (cache, content) = (world.process().await, content(1));
    let keyed = keyed_request(Strategy::KeyBased, &content);
    for request in [UploadRequest { file_id: None, ..keyed.clone() }, keyed] {
        let id = send(&cache, &request, &content).await;
        let before = world.read_bytes();
        let stored = cache.complete_upload(id, &request, LIMITS).await.unwrap();
        cache.complete_upload(id, &request, LIMITS).await.unwrap();
        assert!(world.read_bytes() - before < SIZE as u64 / 10, "the content was read");
        let view = stored.paths.data[0].parse().unwrap();
        assert_eq!(world.get(&view).await, Some(content.clone()));
    }
}

#[tokio::test]
async fn a_string_has_to_be_utf_8() {
    let world = SharedStorage::new();
    // Read in parts, so that a character is cut at their end.
    let config = CacheConfig { max_in_memory_bytes: 1_000, ..CacheConfig::default() };
    let cache = world.process_with(config);
    for (content, is_text) in [("é".repeat(SIZE / 2), true), ("é".repeat(SIZE / 2), false)] {
        let mut bytes = content.into_bytes();
        if !is_text {
            bytes.pop();
        }
        let content = Bytes::from(bytes);
        let request = UploadRequest { kind: ContentKind::String, ..upload_request(&content) };
        let id = send(&cache, &request, &content).await;
        assert_eq!(is_refused(&cache, id, &request).await, !is_text);
    }
}

#[tokio::test]
async fn an_upload_expires_long_before_the_sweep_takes_it() {
    let world = SharedStorage::new();
    let (cache, content) = (world.process().await, content(1));
    let request = upload_request(&content);
    let (early, late) = (send(&cache, &request, &content).await, send(&cache, &request, &content).await);
    world.clock.advance(Duration::from_secs(12 * 3600 - 1));
    cache.complete_upload(early, &request, LIMITS).await.unwrap();
    world.clock.advance(Duration::from_secs(1));
    assert!(is_refused(&cache, late, &request).await);
    cache.complete_upload(early, &request, LIMITS).await.unwrap();
}

#[tokio::test]
async fn a_deleted_entry_is_not_completed_again() {
    let world = SharedStorage::new();
    let (cache, content) = (world.process().await, content(1));
    let request = upload_request(&content);
    let id = send(&cache, &request, &content).await;
    let entry = cache.complete_upload(id, &request, LIMITS).await.unwrap().entry;
    assert!(delete(&cache, entry.cache_id).await);
    for hours in [0, 12, 12] {
        world.clock.advance(Duration::from_secs(hours * 3600));
        assert!(is_refused(&cache, id, &request).await);
        store(&cache, &direct(binary(1, SIZE))).await;
        assert!(is_refused(&cache, id, &request).await, "also when others have stored its content");
    }
}

#[tokio::test]
async fn a_completion_whose_reply_is_lost_is_one_entry() {
    let world = SharedStorage::new();
    let (cache, content) = (world.process().await, content(1));
    let request = keyed_request(Strategy::KeyBased, &content);
    for key in ["refs/by-hash", "refs/by-key", "data/"] {
        let id = send(&cache, &request, &content).await;
        world.faults.once(StorageOp::Put, key, Fault::ResponseLost);
        let entry = cache.complete_upload(id, &request, LIMITS).await.unwrap().entry;
        assert_eq!(cache.complete_upload(id, &request, LIMITS).await.unwrap().entry, entry, "{key}");
        assert_eq!(retrieve(&cache, &Selector::Id(entry.cache_id)).await.unwrap().bytes, content);
    }
    assert_eq!(cache.ids().await.unwrap().len(), 3);
}

#[tokio::test]
async fn completing_again_finishes_what_was_interrupted() {
    for key in ["refs/by-hash", "refs/by-key"] {
        let world = SharedStorage::new();
        let (cache, content) = (world.process().await, content(1));
        let request = keyed_request(Strategy::KeyBased, &content);
        let id = send(&cache, &request, &content).await;
        world.faults.once(StorageOp::Put, key, Fault::Stuck);
        let interrupted = tokio::time::timeout(Duration::from_millis(50), cache.complete_upload(id, &request, LIMITS));
        assert!(interrupted.await.is_err(), "{key}");
        let stored = world.process().await.complete_upload(id, &request, LIMITS).await.unwrap();
        assert_eq!(stored.key_version, Some(1));
        let by_key = Selector::Key(key_ref(Strategy::KeyBased), None);
        assert_eq!(retrieve(&cache, &by_key).await.unwrap().bytes, content);
        assert_eq!(world.keys("data/").await.len(), 1, "{key}: its readable copy");
    }
}

#[tokio::test]
async fn an_overwritten_blob_is_not_taken_for_the_content() {
    let world = SharedStorage::new();
    let (cache, content) = (world.process().await, content(1));
    let request = upload_request(&content);
    let id = send(&cache, &request, &content).await;
    world.put(&upload_blob(id), content.slice(1..)).await;
    assert!(is_refused(&cache, id, &request).await);
}

#[tokio::test(start_paused = true)]
async fn completions_stores_and_deletes_of_one_content_lose_nothing() {
    for seed in 0..100 {
        let world = SharedStorage::with_faults(FaultRates { slow: 0.5, ..FaultRates::default() }, seed);
        let (cache, other, content) = (world.process().await, world.process().await, content(1));
        let old = store(&cache, &direct(binary(1, SIZE))).await.entry;
        let request = upload_request(&content);
        let id = send(&cache, &request, &content).await;
        let (first, second) = (direct(binary(1, SIZE)), direct(binary(1, SIZE)));
        let stores = join(store(&cache, &first), store(&other, &second));
        let (completed, (stores, deleted)) =
            join(cache.complete_upload(id, &request, LIMITS), join(stores, delete(&other, old.cache_id))).await;
        assert!(deleted);
        for entry in [completed.unwrap().entry, stores.0.entry, stores.1.entry] {
            assert_eq!(retrieve(&other, &Selector::Id(entry.cache_id)).await.unwrap().bytes, content, "seed {seed}");
            assert!(delete(&other, entry.cache_id).await);
        }
        assert_eq!(cache.ids().await.unwrap(), [], "seed {seed}");
    }
}

#[tokio::test]
async fn a_token_that_was_retired_is_not_completed() {
    let world = SharedStorage::new();
    let (cache, content) = (world.process().await, content(1));
    let request = upload_request(&content);
    let id = send(&cache, &request, &content).await;
    let token: BlobToken = id.parts().unwrap().locator.token().unwrap();
    let entry = cache.complete_upload(id, &request, LIMITS).await.unwrap().entry;
    assert_eq!(entry.content.blob, Some(token));
    assert!(delete(&cache, entry.cache_id).await);
    world.put(&upload_blob(id), content).await;
    assert!(is_refused(&cache, id, &request).await);
}

#[tokio::test(start_paused = true)]
async fn a_completion_that_finds_an_updated_entry_keeps_its_blob() {
    let world = SharedStorage::new();
    let (slow, healthy, content) = (world.process().await, world.healthy_process(), content(1));
    let request = UploadRequest { strategy: Strategy::KeyBased, ..upload_request(&content) };
    let id = send(&slow, &request, &content).await;
    world.faults.once(StorageOp::Put, "refs/by-hash", Fault::Slow(Duration::from_secs(1)));
    let meanwhile = async {
        tokio::time::sleep(Duration::from_millis(500)).await;
        let entry = healthy.complete_upload(id, &request, LIMITS).await.unwrap().entry;
        assert!(healthy.update(&update_request(entry.cache_id, "another")).await.unwrap().is_some());
        entry.cache_id
    };
    let (again, entry) = join(slow.complete_upload(id, &request, LIMITS), meanwhile).await;
    assert_eq!(again.unwrap().entry.cache_id, entry);
    let first = healthy.retrieve_revision(&Selector::Id(entry), 0, u64::MAX).await.unwrap();
    assert!(first.is_some());
}
