//! Uploads with an `Idempotency-Key`: all repeats of an announcement are one upload, and so one entry.

#![allow(clippy::unwrap_used, reason = "a test may panic")]

mod shared_storage;

use std::time::Duration;

use bytes::Bytes;
use cache_core::cache::{IdempotencyKey, NamespaceCache, SWEEP_MIN_AGE, Selector, Stored, UploadLimits, UploadRequest};
use cache_core::digest::Sha256Digest;
use cache_core::error::{Error, ErrorKind};
use cache_core::ids::CacheId;
use cache_core::strategy::{ContentKind, Strategy};
use cache_core::time::UnixMillis;
use cache_storage::operation::StorageOp;
use cache_testing::fault_injection::{Fault, FaultRates};
use futures::future::join_all;

use self::shared_storage::*;

const LIMITS: UploadLimits = UploadLimits { content: 1_000_000, copy: 200_000 };

fn content() -> Bytes {
    Bytes::from_static(&[7; 100_000])
}

fn request(strategy: Strategy) -> UploadRequest {
    let key = key_ref(strategy);
    UploadRequest {
        strategy,
        cache_key: Some(key.cache_key),
        file_id: Some(key.file_id),
        kind: ContentKind::Binary,
        sha256: Sha256Digest::of(&content()),
        size: content().len() as u64,
    }
}

fn key(key: &str) -> IdempotencyKey {
    IdempotencyKey::new(key, "caller").unwrap()
}

async fn begin(cache: &NamespaceCache, request: &UploadRequest, key: &IdempotencyKey) -> CacheId {
    cache.begin_upload(request, LIMITS, Some(key)).await.unwrap().upload_id
}

/// Announces, sends and completes, as a client does that knows of no earlier attempt.
async fn upload(cache: &NamespaceCache, request: &UploadRequest) -> Result<Stored, Error> {
    let id = cache.begin_upload(request, LIMITS, Some(&key("k"))).await?.upload_id;
    // `false`: an earlier attempt has sent it.
    cache.receive_upload(id, request, NEVER, content()).await?;
    cache.complete_upload(id, request, LIMITS).await
}

fn names(stored: &Stored) -> (CacheId, u64, Option<u64>) {
    (stored.entry.cache_id, stored.entry.version, stored.key_version)
}

/// How long announcements live is no part of these tests.
const NEVER: UnixMillis = UnixMillis::new(u64::MAX);
const HOUR: Duration = Duration::from_secs(3600);
const QUARTER: Duration = Duration::from_secs(900);

#[tokio::test]
async fn repeats_of_an_announcement_are_one_upload() {
    let world = SharedStorage::new();
    let (cache, other) = (world.process().await, world.new_process());
    let first = begin(&cache, &request(Strategy::Direct), &key("k")).await;
    assert_eq!(begin(&other, &request(Strategy::Direct), &key("k")).await, first);
}

#[tokio::test]
async fn what_was_sent_is_found_within_the_hour_at_any_time_of_the_day() {
    for quarter in 0..96 {
        let world = SharedStorage::new();
        world.clock.advance(quarter * QUARTER);
        let (cache, other) = (world.process().await, world.new_process());
        let request = request(Strategy::Direct);
        let first = begin(&cache, &request, &key("k")).await;
        assert!(cache.receive_upload(first, &request, NEVER, content()).await.unwrap());
        world.clock.advance(HOUR);
        assert_eq!(begin(&other, &request, &key("k")).await, first, "quarter {quarter}");
    }
}

#[tokio::test]
async fn what_was_completed_is_found_within_the_hour_at_any_time_of_the_day() {
    for quarter in 0..96 {
        let world = SharedStorage::new();
        world.clock.advance(quarter * QUARTER);
        let (cache, other) = (world.process().await, world.process().await);
        // Then the uploaded blob is not needed, and goes.
        store(&cache, &direct(binary(7, content().len()))).await;
        let first = upload(&cache, &request(Strategy::Direct)).await.unwrap();
        world.clock.advance(HOUR);
        assert_eq!(names(&upload(&other, &request(Strategy::Direct)).await.unwrap()), names(&first), "{quarter}");
    }
}

#[tokio::test]
async fn a_blob_name_is_not_used_again_when_the_sweep_may_have_removed_it() {
    let world = SharedStorage::new();
    let cache = world.process().await;
    let request = request(Strategy::Direct);
    let mut first_uses: Vec<(CacheId, Duration)> = Vec::new();
    // For three days an upload is announced and sent again and again.
    for quarter in 0..3 * 96 {
        let now = quarter * QUARTER;
        let id = begin(&cache, &request, &key("k")).await;
        let first_use = first_uses.iter().find(|(used, _)| *used == id).map(|(_, at)| *at);
        assert!(first_use.is_none_or(|at| now + HOUR < at + SWEEP_MIN_AGE), "quarter {quarter}");
        if first_use.is_none() {
            first_uses.push((id, now));
        }
        cache.receive_upload(id, &request, NEVER, content()).await.unwrap();
        world.clock.advance(QUARTER);
    }
    assert!(first_uses.len() >= 6, "{first_uses:?}");
}

#[tokio::test]
async fn whatever_makes_an_upload_another_one_makes_another_id() {
    let world = SharedStorage::new();
    let cache = world.process().await;
    let own = request(Strategy::Direct);
    let others = [
        UploadRequest { sha256: Sha256Digest::of(b"other"), ..own.clone() },
        UploadRequest { strategy: Strategy::Temporal, ..own.clone() },
        UploadRequest { kind: ContentKind::String, ..own.clone() },
        UploadRequest { cache_key: Some("c".parse().unwrap()), ..own.clone() },
        UploadRequest { file_id: Some("g".parse().unwrap()), ..own.clone() },
    ];
    let mut ids = vec![begin(&cache, &own, &key("k")).await];
    for request in &others {
        ids.push(begin(&cache, request, &key("k")).await);
    }
    ids.push(begin(&cache, &own, &key("l")).await);
    ids.push(begin(&cache, &own, &IdempotencyKey::new("k", "other caller").unwrap()).await);
    ids.push(cache.begin_upload(&own, LIMITS, None).await.unwrap().upload_id);
    let count = ids.len();
    ids.sort();
    ids.dedup();
    assert_eq!(ids.len(), count, "{ids:?}");
}

#[tokio::test]
async fn a_repeat_of_the_whole_upload_is_the_same_entry() {
    for strategy in Strategy::ALL {
        let world = SharedStorage::new();
        let (cache, other) = (world.process().await, world.process().await);
        let first = upload(&cache, &request(strategy)).await.unwrap();
        world.clock.advance(Duration::from_secs(3600));
        let again = upload(&other, &request(strategy)).await.unwrap();
        assert_eq!(names(&again), names(&first), "{strategy}");
        assert_eq!(cache.ids().await.unwrap(), [first.entry.cache_id]);
        assert_eq!(world.keys("blobs/").await, [blob_key(&first.entry)]);
    }
}

#[tokio::test]
async fn a_repeat_whose_blob_was_not_needed_is_the_same_entry() {
    let world = SharedStorage::new();
    let (cache, other) = (world.process().await, world.process().await);
    store(&cache, &direct(binary(7, content().len()))).await;
    let first = upload(&cache, &request(Strategy::Direct)).await.unwrap();
    assert!(first.deduplicated);
    let again = upload(&other, &request(Strategy::Direct)).await.unwrap();
    assert_eq!(names(&again), names(&first));
    assert_eq!(cache.ids().await.unwrap().len(), 2);
}

#[tokio::test]
async fn an_upload_whose_reply_is_lost_is_one_entry() {
    for object in ["blobs/", "refs/by-hash", "refs/by-key"] {
        for strategy in Strategy::ALL {
            let world = SharedStorage::new();
            let cache = world.process().await;
            world.faults.once(StorageOp::Put, object, Fault::ResponseLost);
            let stored = match upload(&cache, &request(strategy)).await {
                Ok(stored) => stored,
                Err(error) => {
                    assert_eq!(error.kind(), ErrorKind::Unavailable, "{object}");
                    upload(&world.new_process(), &request(strategy)).await.unwrap()
                }
            };
            assert_eq!(cache.ids().await.unwrap(), [stored.entry.cache_id], "{object}");
            let found = retrieve(&cache, &Selector::Id(stored.entry.cache_id)).await.unwrap();
            assert_eq!(found.bytes, content(), "{object}");
        }
    }
}

#[tokio::test(start_paused = true)]
async fn uploads_at_the_same_time_are_one_entry() {
    for seed in 0..100 {
        let world = SharedStorage::with_faults(FaultRates { slow: 0.5, ..FaultRates::default() }, seed);
        let processes = [world.process().await, world.process().await, world.process().await];
        let request = request(Strategy::ALL[seed as usize % 5]);
        let stored = join_all(processes.iter().map(|cache| upload(cache, &request))).await;
        let names: Vec<_> = stored.iter().map(|stored| names(stored.as_ref().unwrap())).collect();
        assert_eq!(names, [names[0]; 3], "seed {seed}");
        assert_eq!(processes[0].ids().await.unwrap(), [names[0].0], "seed {seed}");
    }
}

#[tokio::test]
async fn a_repeat_after_a_delete_stores_nothing() {
    let world = SharedStorage::new();
    let (cache, other) = (world.process().await, world.process().await);
    let first = upload(&cache, &request(Strategy::Direct)).await.unwrap();
    assert!(delete(&cache, first.entry.cache_id).await);
    let again = upload(&other, &request(Strategy::Direct)).await;
    assert!(has_kind(&again, ErrorKind::Invalid), "{again:?}");
    assert_eq!(cache.ids().await.unwrap(), []);
    let id = begin(&cache, &request(Strategy::Direct), &key("l")).await;
    assert!(cache.receive_upload(id, &request(Strategy::Direct), NEVER, content()).await.unwrap());
    cache.complete_upload(id, &request(Strategy::Direct), LIMITS).await.unwrap();
}
