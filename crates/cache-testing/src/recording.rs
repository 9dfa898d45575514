//! A storage that keeps a log of its calls, for tests that hold the use cases to their budget of calls and round trips.
//! [`cache_storage::round_trips`] defines what a round trip is; [`cache_storage::instrumented`] counts them in
//! production.

use std::fmt;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};

use async_trait::async_trait;
use bytes::Bytes;
use cache_core::storage::{
    GetOptions, GetResult, ListPage, ListRequest, ObjectHead, ObjectKey, Presign, PutMode, Storage, StorageError,
    Version,
};
use cache_storage::operation::StorageOp;
use cache_storage::round_trips::RoundTrips;

/// Passes calls on to another storage, and keeps a log of them.
pub struct RecordingStorage {
    inner: Arc<dyn Storage>,
    log: Mutex<Log>,
}

/// A call that was made.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Call {
    /// Its round trip, counted from 1.
    pub round_trip: usize,
    /// The operation.
    pub operation: StorageOp,
    /// The key, or the prefix of a listing.
    pub key: String,
    /// The bytes of a put; 0 for other operations.
    pub written_bytes: usize,
}

#[derive(Default)]
struct Log {
    calls: Vec<Call>,
    round_trips: RoundTrips,
}

impl RecordingStorage {
    /// Records the calls to this storage.
    pub fn new(inner: Arc<dyn Storage>) -> Self {
        Self { inner, log: Mutex::default() }
    }

    /// All calls since the last [`RecordingStorage::reset`], in the order in which they began.
    pub fn calls(&self) -> Vec<Call> {
        self.log().calls.clone()
    }

    /// The number of calls of this operation since the last [`RecordingStorage::reset`].
    pub fn count(&self, operation: StorageOp) -> usize {
        self.log().calls.iter().filter(|call| call.operation == operation).count()
    }

    /// The number of round trips since the last [`RecordingStorage::reset`].
    pub fn round_trips(&self) -> usize {
        self.log().round_trips.count()
    }

    /// Forgets all calls. Call it when none is in flight.
    pub fn reset(&self) {
        *self.log() = Log::default();
    }

    fn log(&self) -> MutexGuard<'_, Log> {
        self.log.lock().unwrap_or_else(PoisonError::into_inner)
    }

    async fn call<T>(&self, operation: StorageOp, key: &str, written_bytes: usize, call: impl Future<Output = T>) -> T {
        let round_trip = self.log().begin(operation, key, written_bytes);
        // Without this, a storage that returns at once would end each of several joined calls before the next one
        // begins.
        tokio::task::yield_now().await;
        let result = call.await;
        self.log().round_trips.end(round_trip);
        result
    }
}

impl Log {
    fn begin(&mut self, operation: StorageOp, key: &str, written_bytes: usize) -> usize {
        let round_trip = self.round_trips.begin();
        self.calls.push(Call { round_trip, operation, key: key.to_owned(), written_bytes });
        round_trip
    }
}

#[async_trait]
impl Storage for RecordingStorage {
    async fn get(&self, key: &ObjectKey, options: &GetOptions) -> Result<Option<GetResult>, StorageError> {
        self.call(StorageOp::Get, key.as_str(), 0, self.inner.get(key, options)).await
    }

    async fn head(&self, key: &ObjectKey) -> Result<Option<ObjectHead>, StorageError> {
        self.call(StorageOp::Head, key.as_str(), 0, self.inner.head(key)).await
    }

    async fn put(&self, key: &ObjectKey, bytes: Bytes, mode: PutMode) -> Result<Version, StorageError> {
        self.call(StorageOp::Put, key.as_str(), bytes.len(), self.inner.put(key, bytes, mode)).await
    }

    async fn copy(&self, from: &ObjectKey, to: &ObjectKey, mode: PutMode) -> Result<Option<Version>, StorageError> {
        self.call(StorageOp::Put, to.as_str(), 0, self.inner.copy(from, to, mode)).await
    }

    async fn delete(&self, key: &ObjectKey) -> Result<(), StorageError> {
        self.call(StorageOp::Delete, key.as_str(), 0, self.inner.delete(key)).await
    }

    async fn list(&self, request: &ListRequest) -> Result<ListPage, StorageError> {
        self.call(StorageOp::List, &request.prefix, 0, self.inner.list(request)).await
    }

    fn seeks(&self) -> bool {
        self.inner.seeks()
    }

    /// Signing makes no storage call, so it is not recorded.
    fn presigner(&self) -> Option<&dyn Presign> {
        self.inner.presigner()
    }
}

impl fmt::Debug for RecordingStorage {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("RecordingStorage").field("inner", &self.inner).finish_non_exhaustive()
    }
}

#[cfg(test)]
mod tests {
    use cache_storage::memory::Memory;
    use futures::future::join;

    use super::*;

    fn recording() -> (RecordingStorage, ObjectKey) {
        (RecordingStorage::new(Arc::new(Memory::default())), "a".parse().unwrap())
    }

    #[tokio::test]
    async fn sequential_calls_are_one_round_trip_each() {
        let (storage, key) = recording();
        storage.head(&key).await.unwrap();
        storage.put(&key, "four".into(), PutMode::Create).await.unwrap();
        assert_eq!((storage.round_trips(), storage.calls().len()), (2, 2));
        assert_eq!(storage.calls()[1].written_bytes, 4);
    }

    #[tokio::test]
    async fn joined_calls_are_one_round_trip() {
        let (storage, key) = recording();
        let two_reads = async || {
            storage.get(&key, &GetOptions::default()).await.unwrap();
            storage.get(&key, &GetOptions::default()).await.unwrap();
        };
        join(two_reads(), two_reads()).await;
        assert_eq!((storage.round_trips(), storage.count(StorageOp::Get)), (2, 4));
    }

    #[tokio::test]
    async fn a_reset_starts_again_at_the_first_round_trip() {
        let (storage, key) = recording();
        storage.delete(&key).await.unwrap();
        storage.reset();
        assert_eq!((storage.round_trips(), storage.calls()), (0, vec![]));
        storage.list(&ListRequest { prefix: "p".into(), limit: 1, ..ListRequest::default() }).await.unwrap();
        let listed = Call { round_trip: 1, operation: StorageOp::List, key: "p".into(), written_bytes: 0 };
        assert_eq!(storage.calls(), [listed]);
    }
}

#[cfg(test)]
cache_storage::conformance!(RecordingStorage::new(Arc::new(cache_storage::memory::Memory::default())));
