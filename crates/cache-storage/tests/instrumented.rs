//! The counters of a request's decorator, and its deadline.

#![allow(clippy::unwrap_used, reason = "a test panics where it fails")]

use std::sync::Arc;
use std::time::Duration;

use cache_core::clock::Clock;
use cache_core::storage::{GetOptions, ObjectKey, PutMode, Storage, StorageError};
use cache_core::time::Deadline;
use cache_storage::instrumented::{InstrumentedStorage, RequestMetrics, StorageCounters};
use cache_storage::memory::Memory;
use cache_storage::operation::StorageOp;
use cache_storage::system::SystemClock;
use cache_testing::fault_injection::{Fault, FaultInjectingStorage};
use cache_testing::mock_clock::MockClock;
use cache_testing::recording::RecordingStorage;
use futures::future::join;

cache_storage::conformance!(instrument(Arc::new(Memory::default())).storage);

struct Instrumented {
    storage: InstrumentedStorage,
    metrics: Arc<RequestMetrics>,
    process: Arc<StorageCounters>,
}

/// The storage of a request without a deadline.
fn instrument(inner: Arc<dyn Storage>) -> Instrumented {
    instrument_until(inner, Arc::new(SystemClock), Deadline::NEVER)
}

fn instrument_until(inner: Arc<dyn Storage>, clock: Arc<dyn Clock>, deadline: Deadline) -> Instrumented {
    let process = Arc::new(StorageCounters::default());
    let metrics = Arc::new(RequestMetrics::new(process.clone()));
    Instrumented { storage: InstrumentedStorage::new(inner, clock, deadline, metrics.clone()), metrics, process }
}

fn key() -> ObjectKey {
    "a".parse().unwrap()
}

#[tokio::test]
async fn calls_round_trips_and_bytes_are_counted_twice() {
    // It yields during a call, as a remote storage does.
    let remote = Arc::new(RecordingStorage::new(Arc::new(Memory::default())));
    let Instrumented { storage, metrics, process } = instrument(remote.clone());
    let (key, whole, first_byte) = (key(), GetOptions::default(), GetOptions::range(0..1));
    let version = storage.put(&key, "four".into(), PutMode::Create).await.unwrap();
    let (one, other) = join(storage.get(&key, &whole), storage.get(&key, &first_byte)).await;
    assert!(one.unwrap().is_some() && other.unwrap().is_some());
    storage.get(&key, &GetOptions::unless(version)).await.unwrap();
    for counters in [metrics.counters(), &process] {
        assert_eq!((counters.calls(), counters.calls_of(StorageOp::Get), counters.round_trips()), (4, 3, 3));
        assert_eq!((counters.written_bytes(), counters.read_bytes()), (4, 5));
    }
    assert_eq!((remote.calls().len(), remote.round_trips()), (4, 3));
}

#[tokio::test]
async fn a_dropped_call_ends_its_round_trip() {
    let faulty = Arc::new(FaultInjectingStorage::new(Arc::new(Memory::default())));
    faulty.once(StorageOp::Get, "a", Fault::Stuck);
    let Instrumented { storage, process, .. } = instrument(faulty);
    let (key, options) = (key(), GetOptions::default());
    let mut dropped = Box::pin(storage.get(&key, &options));
    assert!(futures::poll!(dropped.as_mut()).is_pending());
    drop(dropped);
    storage.head(&key).await.unwrap();
    assert_eq!((process.calls(), process.round_trips()), (2, 2));
}

#[tokio::test]
async fn a_call_without_a_response_ends_at_the_deadline() {
    let faulty = Arc::new(FaultInjectingStorage::new(Arc::new(Memory::default())));
    faulty.once(StorageOp::Put, "a", Fault::Stuck);
    let clock = Arc::new(MockClock::default());
    let deadline = Deadline::at(clock.now().plus(Duration::from_secs(5)));
    let Instrumented { storage, process, .. } = instrument_until(faulty, clock.clone(), deadline);
    let failed = storage.put(&key(), "x".into(), PutMode::Create).await;
    assert!(matches!(&failed, Err(StorageError::Unavailable { key, .. }) if key == "a"), "{failed:?}");
    assert_eq!(clock.now(), deadline.time());
    // The next call is after the deadline, so the storage is not asked.
    let failed = storage.head(&key()).await;
    assert!(matches!(failed, Err(StorageError::Unavailable { .. })), "{failed:?}");
    assert_eq!(process.calls(), 1);
}
