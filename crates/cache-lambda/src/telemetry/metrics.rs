//! The metrics of this process since its start.

use std::collections::BTreeMap;
use std::sync::atomic::{AtomicU64, Ordering};
use std::sync::{Arc, PoisonError, RwLock};
use std::time::Duration;

use cache_storage::instrumented::{RequestMetrics, StorageCounters};

use super::operation::OperationLabels;
use super::outcome::Outcome;

/// The upper bounds of the latency histogram in microseconds; a last bucket has no bound.
pub(super) const LATENCY_BUCKETS_US: [u64; 10] =
    [500, 1_000, 2_500, 5_000, 10_000, 25_000, 50_000, 100_000, 500_000, 2_500_000];

/// How many keys have metrics of their own, since each is a series for Prometheus.
const MAX_KEYS: usize = 100;
/// What all other keys are together.
const OTHER_KEYS: &str = "other";

/// The metrics of this process since its start.
#[derive(Debug, Default)]
pub struct Metrics {
    /// Storage calls.
    pub storage: Arc<StorageCounters>,
    /// By operation id. An operation is added with its first request; only that takes the write lock.
    operations: RwLock<BTreeMap<&'static str, Arc<OperationMetrics>>>,
    /// By the id of the API key, `root` or `-`: the first [`MAX_KEYS`] that were seen; the others are together.
    keys: RwLock<BTreeMap<String, Arc<Outcomes>>>,
    in_flight: AtomicU64,
}

/// How many requests had each outcome.
pub(super) type Outcomes = [AtomicU64; Outcome::ALL.len()];

/// The completed requests of one operation.
#[derive(Debug, Default)]
pub(super) struct OperationMetrics {
    outcomes: [AtomicU64; Outcome::ALL.len()],
    /// Requests by latency bucket, not cumulative.
    buckets: [AtomicU64; LATENCY_BUCKETS_US.len() + 1],
    total_us: AtomicU64,
}

impl Metrics {
    /// Storage counters for one request.
    pub fn meter(&self) -> Arc<RequestMetrics> {
        Arc::new(RequestMetrics::new(Arc::clone(&self.storage)))
    }

    /// A request was received.
    pub fn request_started(&self) {
        self.in_flight.fetch_add(1, Ordering::Relaxed);
    }

    /// A request has a response, or its caller hung up.
    pub fn request_finished(&self, operation: &'static OperationLabels, key: &str, outcome: Outcome, took: Duration) {
        self.of_key(key)[outcome as usize].fetch_add(1, Ordering::Relaxed);
        self.in_flight.fetch_sub(1, Ordering::Relaxed);
        let took_us = u64::try_from(took.as_micros()).unwrap_or(u64::MAX);
        let answered = self.of(operation);
        answered.outcomes[outcome as usize].fetch_add(1, Ordering::Relaxed);
        let bucket = LATENCY_BUCKETS_US.iter().position(|limit| took_us <= *limit).unwrap_or(LATENCY_BUCKETS_US.len());
        answered.buckets[bucket].fetch_add(1, Ordering::Relaxed);
        answered.total_us.fetch_add(took_us, Ordering::Relaxed);
    }

    /// Requests in flight.
    pub(super) fn in_flight(&self) -> u64 {
        self.in_flight.load(Ordering::Relaxed)
    }

    /// The operations that were requested, by id.
    pub(super) fn operations(&self) -> BTreeMap<&'static str, Arc<OperationMetrics>> {
        self.operations.read().unwrap_or_else(PoisonError::into_inner).clone()
    }

    /// The outcomes of the requests of each key.
    pub(super) fn keys(&self) -> BTreeMap<String, Arc<Outcomes>> {
        self.keys.read().unwrap_or_else(PoisonError::into_inner).clone()
    }

    fn of_key(&self, key: &str) -> Arc<Outcomes> {
        let known = {
            let keys = self.keys.read().unwrap_or_else(PoisonError::into_inner);
            // Once there are as many as may be, a key of its own that is not there is one of the others.
            let other = if keys.len() > MAX_KEYS { keys.get(OTHER_KEYS) } else { None };
            keys.get(key).or(other).cloned()
        };
        known.unwrap_or_else(|| {
            let mut keys = self.keys.write().unwrap_or_else(PoisonError::into_inner);
            let key = if keys.len() < MAX_KEYS || keys.contains_key(key) { key } else { OTHER_KEYS };
            Arc::clone(keys.entry(key.to_owned()).or_default())
        })
    }

    fn of(&self, operation: &'static OperationLabels) -> Arc<OperationMetrics> {
        let known = self.operations.read().unwrap_or_else(PoisonError::into_inner).get(operation.id.as_str()).cloned();
        known.unwrap_or_else(|| {
            let mut operations = self.operations.write().unwrap_or_else(PoisonError::into_inner);
            Arc::clone(operations.entry(&operation.id).or_default())
        })
    }
}

impl OperationMetrics {
    /// How many requests had this outcome.
    pub(super) fn count(&self, outcome: Outcome) -> u64 {
        self.outcomes[outcome as usize].load(Ordering::Relaxed)
    }

    /// How many requests fell into each bucket.
    pub(super) fn histogram(&self) -> [u64; LATENCY_BUCKETS_US.len() + 1] {
        self.buckets.each_ref().map(|bucket| bucket.load(Ordering::Relaxed))
    }

    /// How long all requests took together, in microseconds.
    pub(super) fn total_us(&self) -> u64 {
        self.total_us.load(Ordering::Relaxed)
    }
}
