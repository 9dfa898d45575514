//! Uploads: begun, received and completed; refused, abandoned, completed twice, and in races with equal stores.

#![allow(clippy::unwrap_used, reason = "a test may panic")]

use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};
use std::time::Duration;

use async_trait::async_trait;
use bytes::Bytes;
use cache_core::cache::{Cache, OLD_MS, Selector, StoreRequest, Stored, Swept, UploadLimits, UploadRequest};
use cache_core::content::{Content, Digest};
use cache_core::error::Error;
use cache_core::ids::{CacheId, Namespace};
use cache_core::layout::Layout;
use cache_core::record::Record;
use cache_core::storage::{PutMode, Storage};
use cache_core::strategy::{ContentKind, Strategy};
use cache_core::surroundings::Surroundings;
use cache_storage::faulty::{Chances, Fault, Faulty, Verb};
use cache_storage::memory::Memory;
use cache_storage::metered::{Meter, Metered};
use cache_storage::system::System;

const LIMITS: UploadLimits = UploadLimits { content: 1_000_000, copy: 1_000 };

/// A clock that is set by hand, and does not stop those who wait.
#[derive(Debug)]
struct Clock(AtomicU64);

#[async_trait]
impl Surroundings for Clock {
    fn now_ms(&self) -> u64 {
        self.0.load(Ordering::Relaxed)
    }

    fn random(&self) -> u64 {
        System.random()
    }

    async fn sleep(&self, duration: Duration) {
        System.sleep(duration).await;
    }
}

struct World {
    clock: Arc<Clock>,
    storage: Arc<Memory>,
    faulty: Arc<Faulty>,
    cache: Cache,
    namespace: Namespace,
}

impl World {
    fn new() -> Self {
        Self::at_random(Chances::default(), 0)
    }

    fn at_random(chances: Chances, seed: u64) -> Self {
        let clock = Arc::new(Clock(AtomicU64::new(1_795_176_411_520)));
        let storage = Arc::new(Memory::new(clock.clone()));
        let faulty = Arc::new(Faulty::at_random(storage.clone(), chances, seed));
        let cache = Cache::new(faulty.clone(), clock.clone());
        Self { clock, storage, faulty, cache, namespace: "demo".parse().unwrap() }
    }

    /// Another process over the same storage.
    fn process(&self) -> Cache {
        Cache::new(self.faulty.clone(), self.clock.clone())
    }

    fn wait(&self, ms: u64) {
        self.clock.0.fetch_add(ms, Ordering::Relaxed);
    }

    fn request(&self, strategy: Strategy, content: impl Into<Bytes>) -> UploadRequest {
        let content: Bytes = content.into();
        UploadRequest {
            namespace: self.namespace.clone(),
            strategy,
            cache_key: None,
            file_id: None,
            kind: ContentKind::Binary,
            sha256: Digest::of(&content),
            size: content.len() as u64,
        }
    }

    async fn upload(&self, request: &UploadRequest, content: impl Into<Bytes>) -> CacheId {
        let id = self.cache.begin_upload(request, LIMITS).await.unwrap().upload_id;
        assert!(self.cache.receive_upload(id, request, content.into()).await.unwrap());
        id
    }

    async fn complete(&self, id: CacheId, request: &UploadRequest) -> Result<Stored, Error> {
        self.cache.complete_upload(id, request, LIMITS).await
    }

    async fn store(&self, content: &str) -> Record {
        let request = StoreRequest {
            namespace: self.namespace.clone(),
            strategy: Strategy::Direct,
            cache_key: None,
            file_id: None,
            content: Content::binary(Bytes::from(content.to_owned())).unwrap(),
        };
        self.process().store(&request).await.unwrap().record
    }

    async fn read(&self, selector: Selector) -> Option<Bytes> {
        let calm = Cache::new(self.storage.clone(), self.clock.clone());
        calm.retrieve(&self.namespace, &selector).await.unwrap().map(|entry| entry.content)
    }

    /// How many blobs there are.
    async fn blobs(&self) -> usize {
        let prefix = Layout::new(&self.namespace).blobs();
        let request = cache_core::storage::ListRequest { prefix, limit: 1000, ..Default::default() };
        self.storage.list(&request).await.unwrap().objects.len()
    }
}

/// That a call is refused, for this field and with these words.
#[track_caller]
fn check_refused<T: std::fmt::Debug>(outcome: Result<T, Error>, named: &str, words: &str) {
    match outcome {
        Err(Error::Invalid { field, message }) if field == named && message.contains(words) => {}
        other => panic!("{other:?}"),
    }
}

#[tokio::test]
async fn an_uploaded_content_becomes_an_entry_that_is_found_like_any_other() {
    for strategy in Strategy::ALL {
        let world = World::new();
        let mut request = world.request(strategy, "hello");
        request.cache_key = Some("a/b".parse().unwrap());
        request.file_id = Some("f".parse().unwrap());
        let id = world.upload(&request, "hello").await;
        let stored = world.complete(id, &request).await.unwrap();
        let id = stored.record.cache_id;
        assert_eq!((stored.version, stored.key_version), (1, Some(1)), "{strategy}");
        assert!(!stored.deduplicated);
        let by_hash = Selector::Hash(stored.record.cache_hash.clone(), None);
        let by_key = Selector::Key(stored.record.key_name().unwrap(), None);
        for selector in [Selector::Id(id), by_hash, by_key] {
            assert_eq!(world.read(selector).await.unwrap(), "hello", "{strategy}");
        }
        let view: cache_core::storage::ObjectKey = stored.paths.data[0].parse().unwrap();
        assert!(world.storage.get(&view, None).await.unwrap().is_some(), "{strategy}");
        assert!(world.cache.delete(&world.namespace, id).await.unwrap().is_some());
        assert_eq!((world.read(Selector::Id(id)).await, world.blobs().await), (None, 0), "{strategy}");
    }
}

#[tokio::test]
async fn completing_again_answers_the_same_entry() {
    let world = World::new();
    let mut request = world.request(Strategy::TemporalLatest, "hello");
    request.cache_key = Some("k".parse().unwrap());
    request.file_id = Some("f".parse().unwrap());
    let id = world.upload(&request, "hello").await;
    let first = world.complete(id, &request).await.unwrap();
    world.wait(OLD_MS);
    assert_eq!(world.complete(id, &request).await.unwrap(), first);
    request.file_id = Some("other".parse().unwrap());
    check_refused(world.complete(id, &request).await, "upload_id", "under another key");
}

#[tokio::test]
async fn content_that_is_there_already_is_kept_once() {
    let world = World::new();
    let there = world.store("hello").await;
    let request = world.request(Strategy::Direct, "hello");
    let id = world.upload(&request, "hello").await;
    assert_eq!(world.blobs().await, 2);
    let stored = world.complete(id, &request).await.unwrap();
    assert!(stored.deduplicated);
    assert_eq!((stored.record.token, stored.version, world.blobs().await), (there.token, 2, 1));
    assert_eq!(world.complete(id, &request).await.unwrap(), stored);
    world.cache.delete(&world.namespace, there.cache_id).await.unwrap().unwrap();
    assert_eq!(world.read(Selector::Id(stored.record.cache_id)).await.unwrap(), "hello");
}

#[tokio::test]
async fn what_is_not_there_or_not_what_was_announced_is_refused() {
    let world = World::new();
    let request = world.request(Strategy::Direct, "hello");
    let id = world.cache.begin_upload(&request, LIMITS).await.unwrap().upload_id;
    check_refused(world.complete(id, &request).await, "upload_id", "not there yet");
    check_refused(world.cache.receive_upload(id, &request, "hello!".into()).await, "size", "6 bytes");
    check_refused(world.cache.receive_upload(id, &request, "jello".into()).await, "sha256", "have");
    assert!(world.cache.receive_upload(id, &request, "hello".into()).await.unwrap());
    assert!(!world.cache.receive_upload(id, &request, "hello".into()).await.unwrap(), "once");
    check_refused(world.complete(id, &UploadRequest { size: 6, ..request.clone() }).await, "size", "5 bytes");
    check_refused(
        world.complete(id, &UploadRequest { strategy: Strategy::Temporal, ..request.clone() }).await,
        "upload_id",
        "of no upload",
    );
    // The same hash, but another SHA-256.
    let mut digest = *request.sha256.as_bytes();
    digest[31] ^= 1;
    let other = UploadRequest { sha256: Digest::from_bytes(digest), ..request.clone() };
    check_refused(world.complete(id, &other).await, "sha256", "have 2cf24dba");
    let stored = world.store("hello").await;
    check_refused(world.complete(stored.cache_id, &request).await, "upload_id", "of no upload");
    assert!(world.complete(id, &request).await.is_ok(), "the refused ones have left it alone");
}

#[tokio::test]
async fn an_announcement_that_could_not_become_an_entry_is_refused() {
    let world = World::new();
    let begin = async |request: UploadRequest| world.cache.begin_upload(&request, LIMITS).await;
    let good = world.request(Strategy::Direct, "hello");
    check_refused(begin(UploadRequest { kind: ContentKind::Json, ..good.clone() }).await, "data_type", "its hash");
    check_refused(begin(UploadRequest { size: 0, ..good.clone() }).await, "size", "at least 1");
    check_refused(begin(UploadRequest { size: 1_000_001, ..good.clone() }).await, "size", "limit is 1000000");
    let copied = UploadRequest { strategy: Strategy::KeyBased, size: 1001, ..good.clone() };
    check_refused(begin(copied).await, "size", "readable copy");
    let long = Some("k".repeat(1020).parse().unwrap());
    let long = UploadRequest { strategy: Strategy::KeyBased, cache_key: long, ..good };
    check_refused(begin(long).await, "cache_key", "the limit is 1024");
}

#[tokio::test]
async fn a_string_has_to_be_utf_8() {
    let world = World::new();
    for (content, valid) in [("é😀".as_bytes(), true), (b"a\xff", false), (&"é".as_bytes()[..1], false)] {
        let request = UploadRequest { kind: ContentKind::String, ..world.request(Strategy::Direct, content) };
        let id = world.upload(&request, content).await;
        let outcome = world.complete(id, &request).await;
        if valid {
            assert_eq!(outcome.unwrap().record.kind, ContentKind::String);
        } else {
            check_refused(outcome, "data_type", "not valid UTF-8");
        }
    }
}

/// Above the size of the parts in which a content is read that is too large for memory.
const IN_PARTS: usize = 20_000_000;

/// How often a content is read when it is completed by a cache that takes so many bytes into memory, and what comes out.
async fn reads_when_completed(content: &[u8], largest_in_memory: u64) -> (u64, Result<Stored, Error>) {
    let world = World::new();
    let content = Bytes::copy_from_slice(content);
    let limits = UploadLimits { content: u64::MAX, copy: u64::MAX };
    let request = UploadRequest { kind: ContentKind::String, ..world.request(Strategy::Direct, content.clone()) };
    let id = world.cache.begin_upload(&request, limits).await.unwrap().upload_id;
    assert!(world.cache.receive_upload(id, &request, content.clone()).await.unwrap());
    let meter = Arc::new(Meter::new(Arc::default()));
    let metered = Metered::new(world.faulty.clone(), world.clock.clone(), u64::MAX, meter.clone());
    let cache = world.process().through(Arc::new(metered)).with_largest_in_memory(largest_in_memory);
    let outcome = cache.complete_upload(id, &request, limits).await;
    let read = meter.tally().read_bytes();
    assert!(read < content.len() as u64 + 10_000, "{read} bytes are read, each once");
    (meter.tally().calls_of(Verb::Get), outcome)
}

#[tokio::test]
async fn what_fits_into_memory_is_read_in_one_part() {
    let content = vec![b'a'; IN_PARTS];
    let (whole, completed) = reads_when_completed(&content, IN_PARTS as u64).await;
    assert!(completed.is_ok(), "{completed:?}");
    let (in_parts, completed) = reads_when_completed(&content, IN_PARTS as u64 - 1).await;
    assert!(completed.is_ok(), "{completed:?}");
    assert_eq!(in_parts - whole, 2, "three parts of up to 8 MiB instead of one");
}

#[tokio::test]
async fn an_upload_expires_long_before_the_sweep_takes_it() {
    let world = World::new();
    let request = world.request(Strategy::Direct, "hello");
    let id = world.upload(&request, "hello").await;
    world.wait(OLD_MS / 2);
    check_refused(world.complete(id, &request).await, "upload_id", "12 hours");
    world.wait(OLD_MS / 2 - 1);
    assert_eq!(world.cache.sweep(&world.namespace).await.unwrap(), Swept { complete: true, ..Swept::default() });
    world.wait(1);
    let swept = world.cache.sweep(&world.namespace).await.unwrap();
    assert_eq!((swept, world.blobs().await), (Swept { blobs: 1, complete: true, ..Swept::default() }, 0));
}

#[tokio::test]
async fn a_deleted_entry_is_not_completed_again() {
    let world = World::new();
    let request = world.request(Strategy::Direct, "hello");
    let id = world.upload(&request, "hello").await;
    let entry = world.complete(id, &request).await.unwrap().record.cache_id;
    world.cache.delete(&world.namespace, entry).await.unwrap().unwrap();
    // The request that was signed may still be used.
    world.cache.receive_upload(id, &request, "hello".into()).await.unwrap();
    check_refused(world.complete(id, &request).await, "upload_id", "was deleted");
}

/// An upload whose completion broke off at this call.
async fn broken_off(world: &World, request: &UploadRequest, verb: Verb, place: &str, fault: Fault) -> CacheId {
    let upload = world.upload(request, "hello").await;
    let impatient = world.cache.until(world.clock.now_ms() + 1);
    world.faulty.once(verb, place, fault);
    let first = impatient.complete_upload(upload, request, LIMITS).await;
    assert!(matches!(first, Err(Error::Unavailable(_))), "{place}: {first:?}");
    upload
}

#[tokio::test]
async fn a_completion_that_broke_off_before_its_end_asks_for_a_new_upload() {
    for (verb, place, fault) in [
        (Verb::Put, "refs/by-id", Fault::Lost),
        (Verb::Put, "refs/by-hash", Fault::Lost),
        (Verb::Put, "refs/by-key", Fault::Lost),
    ] {
        let world = World::new();
        let mut request = world.request(Strategy::Direct, "hello");
        request.cache_key = Some("k".parse().unwrap());
        request.file_id = Some("f".parse().unwrap());
        let upload = broken_off(&world, &request, verb, place, fault).await;
        let again = world.complete(upload, &request).await;
        assert!(matches!(&again, Err(Error::Unavailable(reason)) if reason.contains("another request")), "{again:?}");
        world.wait(200_000);
        check_refused(world.complete(upload, &request).await, "upload_id", "begin a new upload");
        let stored = world.complete(world.upload(&request, "hello").await, &request).await.unwrap();
        assert_eq!(world.read(Selector::Id(stored.record.cache_id)).await.unwrap(), "hello", "{place}");
    }
}

#[tokio::test]
async fn a_completion_that_broke_off_at_its_end_is_answered_again() {
    let world = World::new();
    let request = world.request(Strategy::Direct, "hello");
    let upload = broken_off(&world, &request, Verb::Put, "refs/by-hash", Fault::ReplyLost).await;
    world.wait(200_000);
    let stored = world.complete(upload, &request).await.unwrap();
    assert_eq!(stored.version, 1);
    let index = world.cache.hash_index(&world.namespace, &stored.record.cache_hash).await.unwrap().unwrap();
    assert_eq!(index.live, 1);
    assert_eq!(world.read(Selector::Id(stored.record.cache_id)).await.unwrap(), "hello");
}

#[tokio::test]
async fn while_one_request_completes_another_is_told_to_come_back() {
    let world = World::new();
    let request = world.request(Strategy::Direct, "hello");
    let id = world.upload(&request, "hello").await;
    world.faulty.once(Verb::Put, "refs/by-hash", Fault::Slow(Duration::from_millis(200)));
    let (other, late) = (world.process(), Duration::from_millis(50));
    let second = async {
        tokio::time::sleep(late).await;
        other.complete_upload(id, &request, LIMITS).await
    };
    let (first, second) = Box::pin(futures::future::join(world.complete(id, &request), second)).await;
    assert!(matches!(&second, Err(Error::Unavailable(reason)) if reason.contains("another request")), "{second:?}");
    assert_eq!(world.complete(id, &request).await.unwrap(), first.unwrap());
}

#[tokio::test]
async fn of_two_requests_that_complete_in_the_same_millisecond_one_is_told_to_come_back() {
    let world = World::new();
    let request = world.request(Strategy::Direct, "hello");
    let id = world.upload(&request, "hello").await;
    // Both have seen that there is no mark, and only then does the first one leave its own.
    world.faulty.once(Verb::Put, "uploads/", Fault::Slow(Duration::from_millis(50)));
    let other = world.process();
    let both = futures::future::join(world.complete(id, &request), other.complete_upload(id, &request, LIMITS));
    let (late, fast) = Box::pin(both).await;
    assert!(matches!(&late, Err(Error::Unavailable(reason)) if reason.contains("another request")), "{late:?}");
    assert_eq!(world.complete(id, &request).await.unwrap(), fast.unwrap());
}

#[tokio::test]
async fn completing_again_writes_the_view_that_the_first_time_left_out() {
    for (strategy, view) in [(Strategy::Temporal, "data/temporal/"), (Strategy::KeyBased, "data/key-based/")] {
        let world = World::new();
        let request = world.request(strategy, "hello");
        let id = world.upload(&request, "hello").await;
        world.faulty.once(Verb::Put, view, Fault::Lost);
        assert!(matches!(world.complete(id, &request).await, Err(Error::Unavailable(_))), "{strategy}");
        world.wait(200_000);
        let stored = world.complete(id, &request).await.unwrap();
        let path = stored.paths.data.first().unwrap().to_string();
        assert!(path.contains(view), "{path}");
        assert!(world.storage.get(&path.parse().unwrap(), None).await.unwrap().is_some(), "{path}");
    }
}

#[tokio::test]
async fn completions_stores_and_deletes_of_one_content_lose_nothing_and_keep_it_once() {
    for seed in 0..30 {
        let chances = Chances { slow: 0.5, lost: 0.02, reply_lost: 0.02, late: 0.0 };
        let world = World::at_random(Chances::default(), seed);
        let request = world.request(Strategy::Direct, "hello");
        let mut ids = Vec::new();
        for _ in 0..3 {
            ids.push(world.upload(&request, "hello").await);
        }
        let first = world.store("hello").await.cache_id;
        let faulty = Arc::new(Faulty::at_random(world.storage.clone(), chances, seed));
        let processes = [(); 3].map(|()| Cache::new(faulty.clone(), world.clock.clone()));
        let complete = |process: usize, id| {
            let (process, request) = (&processes[process], &request);
            async move { process.complete_upload(id, request, LIMITS).await.ok().map(|stored| stored.record.cache_id) }
        };
        let completions = futures::future::join_all([
            complete(0, ids[0]),
            complete(1, ids[1]),
            complete(2, ids[2]),
            complete(1, ids[0]),
            complete(0, ids[0]),
        ]);
        let delete = processes[2].delete(&world.namespace, first);
        let (completed, _) = futures::future::join(completions, delete).await;

        let calm = Cache::new(world.storage.clone(), world.clock.clone());
        let hash = Content::string("hello".to_owned()).unwrap().cache_hash().clone();
        let index = calm.hash_index(&world.namespace, &hash).await.unwrap();
        for id in completed.into_iter().flatten() {
            let read = calm.retrieve(&world.namespace, &Selector::Id(id)).await.unwrap();
            assert_eq!(read.unwrap().content, "hello", "seed {seed}");
            let listed = index.as_ref().unwrap().versions.iter().filter(|listed| listed.cache_id == id).count();
            assert_eq!(listed, 1, "seed {seed}");
        }
        if let Some(index) = index {
            assert_eq!(index.blobs.len(), 1, "seed {seed}");
        }
    }
}

#[tokio::test]
async fn a_blob_that_somebody_overwrote_is_not_taken_for_the_content() {
    let world = World::new();
    let request = world.request(Strategy::Direct, "hello");
    let id = world.upload(&request, "hello").await;
    let parts = id.parts().unwrap();
    let blob = Layout::new(&world.namespace).blob(&parts.cache_hash, parts.token);
    world.storage.put(&blob, "jello".into(), PutMode::Overwrite).await.unwrap();
    check_refused(world.complete(id, &request).await, "sha256", "have");
}

#[tokio::test]
async fn what_needs_a_content_as_a_whole_refuses_one_that_does_not_fit_into_memory() {
    let world = World::new();
    let mut request = world.request(Strategy::TemporalLatest, "hello");
    request.cache_key = Some("k".parse().unwrap());
    request.file_id = Some("f".parse().unwrap());
    let id = world.upload(&request, "hello").await;
    let record = world.complete(id, &request).await.unwrap().record;
    let name = record.key_name().unwrap();
    for (most, fits) in [(5, true), (4, false)] {
        let small = world.process().with_largest_in_memory(most);
        let retrieved = small.retrieve(&world.namespace, &Selector::Id(record.cache_id)).await.map(drop);
        let file = small.file(&record.blob(), false).await.map(drop);
        let rolled_back = small.rollback(&world.namespace, &name, 1).await.map(drop);
        for outcome in [retrieved, file, rolled_back] {
            assert_eq!(outcome.is_ok(), fits, "{outcome:?}");
            assert!(fits || matches!(outcome, Err(Error::TooLarge { size: 5, limit: 4 })));
        }
    }
}
