//! The storage of one request: every call is counted, and none continues after the request's deadline.
//!
//! A call that has not returned at the deadline ends as [`StorageError::Unavailable`]: it may or may not take effect. A
//! call that would begin after the deadline is not made.
//!
//! [`crate::round_trips`] defines round trips. Memory and disk may end each of several joined calls before the
//! next one begins; there, every call can be a round trip.

use std::fmt;
use std::future::poll_fn;
use std::pin::pin;
use std::sync::atomic::{AtomicU64, Ordering};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::task::Poll;

use async_trait::async_trait;
use bytes::Bytes;
use cache_core::clock::Clock;
use cache_core::storage::{
    GetOptions, GetResult, ListPage, ListRequest, ObjectHead, ObjectKey, ObjectWriter, Presign, PutMode, Storage,
    StorageError, Version, WriteParts,
};
use cache_core::time::Deadline;

use crate::operation::StorageOp;
use crate::round_trips::RoundTrips;

/// Counters of storage calls, which only grow. Threads may add to them at the same time.
#[derive(Debug, Default)]
pub struct StorageCounters {
    calls: [AtomicU64; StorageOp::ALL.len()],
    round_trips: AtomicU64,
    read_bytes: AtomicU64,
    written_bytes: AtomicU64,
}

impl StorageCounters {
    /// The number of calls of this operation.
    pub fn calls_of(&self, operation: StorageOp) -> u64 {
        self.calls[operation as usize].load(Ordering::Relaxed)
    }

    /// The number of calls of all operations.
    pub fn calls(&self) -> u64 {
        StorageOp::ALL.into_iter().map(|operation| self.calls_of(operation)).sum()
    }

    /// The number of round trips.
    pub fn round_trips(&self) -> u64 {
        self.round_trips.load(Ordering::Relaxed)
    }

    /// The number of bytes of objects that were read.
    pub fn read_bytes(&self) -> u64 {
        self.read_bytes.load(Ordering::Relaxed)
    }

    /// The number of bytes that were passed to writes, whether or not they succeeded.
    pub fn written_bytes(&self) -> u64 {
        self.written_bytes.load(Ordering::Relaxed)
    }
}

/// Counters for the storage calls of one request. The counters of the process include them.
#[derive(Debug)]
pub struct RequestMetrics {
    request: StorageCounters,
    process: Arc<StorageCounters>,
    round_trips: Mutex<RoundTrips>,
}

impl RequestMetrics {
    /// Counters at zero for a new request. Every count is also added to `process`.
    pub fn new(process: Arc<StorageCounters>) -> Self {
        Self { request: StorageCounters::default(), process, round_trips: Mutex::default() }
    }

    /// The counters of the request. Calls that go on after its response are still added.
    pub fn counters(&self) -> &StorageCounters {
        &self.request
    }

    fn begin(&self, operation: StorageOp) -> InFlight<'_> {
        let (round_trip, is_new) = {
            let mut round_trips = self.round_trips();
            let before = round_trips.count();
            let round_trip = round_trips.begin();
            (round_trip, round_trip > before)
        };
        self.add(1, |counters| &counters.calls[operation as usize]);
        self.add(u64::from(is_new), |counters| &counters.round_trips);
        InFlight { metrics: self, round_trip }
    }

    fn add(&self, amount: u64, to: impl Fn(&StorageCounters) -> &AtomicU64) {
        to(&self.request).fetch_add(amount, Ordering::Relaxed);
        to(&self.process).fetch_add(amount, Ordering::Relaxed);
    }

    fn round_trips(&self) -> MutexGuard<'_, RoundTrips> {
        self.round_trips.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

/// A call in flight. It ends when this is dropped, because the caller may drop the call's future at any time.
struct InFlight<'a> {
    metrics: &'a RequestMetrics,
    round_trip: usize,
}

impl Drop for InFlight<'_> {
    fn drop(&mut self) {
        self.metrics.round_trips().end(self.round_trip);
    }
}

/// Passes calls on to another storage, counts them, and ends them at a deadline.
pub struct InstrumentedStorage {
    inner: Arc<dyn Storage>,
    clock: Arc<dyn Clock>,
    deadline: Deadline,
    metrics: Arc<RequestMetrics>,
}

impl InstrumentedStorage {
    /// The storage of a request with this deadline.
    pub fn new(
        inner: Arc<dyn Storage>,
        clock: Arc<dyn Clock>,
        deadline: Deadline,
        metrics: Arc<RequestMetrics>,
    ) -> Self {
        Self { inner, clock, deadline, metrics }
    }

    async fn call<T>(
        &self,
        operation: StorageOp,
        key: &str,
        call: impl Future<Output = Result<T, StorageError>> + Send,
    ) -> Result<T, StorageError> {
        let too_late = |reason: &str| StorageError::Unavailable { key: key.to_owned(), source: reason.into() };
        let now = self.clock.now();
        if self.deadline.has_passed(now) {
            return Err(too_late("request deadline exceeded before the call"));
        }
        let in_flight = self.metrics.begin(operation);
        tracing::debug!(operation = operation.name(), key, round_trip = in_flight.round_trip, "storage call");
        let mut call = pin!(call);
        // Created when it is needed: most calls of a local storage return at once.
        let mut timer = None;
        poll_fn(|context| {
            if let Poll::Ready(result) = call.as_mut().poll(context) {
                return Poll::Ready(result);
            }
            let timer = timer.get_or_insert_with(|| self.clock.sleep(self.deadline.remaining(now)));
            timer.as_mut().poll(context).map(|()| Err(too_late("no response before the request deadline")))
        })
        .await
    }
}

#[async_trait]
impl Storage for InstrumentedStorage {
    async fn get(&self, key: &ObjectKey, options: &GetOptions) -> Result<Option<GetResult>, StorageError> {
        let result = self.call(StorageOp::Get, key.as_str(), self.inner.get(key, options)).await?;
        if let Some(GetResult::Object(object)) = &result {
            self.metrics.add(object.bytes.len() as u64, |counters| &counters.read_bytes);
        }
        Ok(result)
    }

    async fn head(&self, key: &ObjectKey) -> Result<Option<ObjectHead>, StorageError> {
        self.call(StorageOp::Head, key.as_str(), self.inner.head(key)).await
    }

    async fn put(&self, key: &ObjectKey, bytes: Bytes, mode: PutMode) -> Result<Version, StorageError> {
        self.metrics.add(bytes.len() as u64, |counters| &counters.written_bytes);
        self.call(StorageOp::Put, key.as_str(), self.inner.put(key, bytes, mode)).await
    }

    /// Counted as a PUT, which it is for S3, without bytes.
    async fn copy(&self, from: &ObjectKey, to: &ObjectKey, mode: PutMode) -> Result<Option<Version>, StorageError> {
        self.call(StorageOp::Put, to.as_str(), self.inner.copy(from, to, mode)).await
    }

    async fn delete(&self, key: &ObjectKey) -> Result<(), StorageError> {
        self.call(StorageOp::Delete, key.as_str(), self.inner.delete(key)).await
    }

    async fn list(&self, request: &ListRequest) -> Result<ListPage, StorageError> {
        self.call(StorageOp::List, &request.prefix, self.inner.list(request)).await
    }

    fn seeks(&self) -> bool {
        self.inner.seeks()
    }

    /// Signing makes no storage call, so it is not counted.
    fn presigner(&self) -> Option<&dyn Presign> {
        self.inner.presigner()
    }

    fn parts(&self) -> Option<&dyn WriteParts> {
        self.inner.parts().map(|_| self as &dyn WriteParts)
    }
}

#[async_trait]
impl WriteParts for InstrumentedStorage {
    async fn begin(&self) -> Result<Box<dyn ObjectWriter>, StorageError> {
        let Some(parts) = self.inner.parts() else { unreachable!("only with the parts of the inner storage") };
        Ok(Box::new(InstrumentedWriter { inner: parts.begin().await?, metrics: self.metrics.clone(), size: 0 }))
    }
}

/// An object that is counted as one PUT when it is created. The parts come as slowly as a client sends them, so the
/// deadline of the request does not apply: it is about what follows the body.
struct InstrumentedWriter {
    inner: Box<dyn ObjectWriter>,
    metrics: Arc<RequestMetrics>,
    size: u64,
}

#[async_trait]
impl ObjectWriter for InstrumentedWriter {
    async fn append(&mut self, part: Bytes) -> Result<(), StorageError> {
        self.size += part.len() as u64;
        self.inner.append(part).await
    }

    async fn create(self: Box<Self>, key: &ObjectKey) -> Result<Version, StorageError> {
        let Self { inner, metrics, size } = *self;
        let _in_flight = metrics.begin(StorageOp::Put);
        metrics.add(size, |counters| &counters.written_bytes);
        inner.create(key).await
    }
}

impl fmt::Debug for InstrumentedStorage {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("InstrumentedStorage")
            .field("inner", &self.inner)
            .field("deadline", &self.deadline)
            .finish_non_exhaustive()
    }
}
