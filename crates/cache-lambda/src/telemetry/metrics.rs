//! The metrics of this process since its start.

use std::collections::BTreeMap;
use std::sync::atomic::{AtomicU64, Ordering};
use std::sync::{Arc, PoisonError, RwLock};
use std::time::Duration;

use cache_storage::instrumented::{RequestMetrics, StorageCounters};

use super::access_log::AccessLogEntry;
use super::operation::OperationLabels;
use super::outcome::Outcome;

/// The upper bounds of the latency histogram in microseconds; a last bucket has no bound.
pub(super) const LATENCY_BUCKETS_US: [u64; 10] =
    [500, 1_000, 2_500, 5_000, 10_000, 25_000, 50_000, 100_000, 500_000, 2_500_000];

/// How many keys and namespaces have metrics of their own, since each is a series for Prometheus.
const MAX_LABELS: usize = 100;
/// What all other keys are together.
const OTHER_KEYS: &str = "other";
/// What all other namespaces are together: no namespace can have this name.
const OTHER_NAMESPACES: &str = "*";

/// The metrics of this process since its start.
#[derive(Debug, Default)]
pub struct Metrics {
    /// Storage calls.
    pub storage: Arc<StorageCounters>,
    /// By operation id. An operation is added with its first request; only that takes the write lock.
    operations: RwLock<BTreeMap<&'static str, Arc<OperationMetrics>>>,
    /// By the id of the API key, `root` or `-`.
    keys: Labelled<Outcomes>,
    /// By namespace.
    namespaces: Labelled<Reads>,
    in_flight: AtomicU64,
}

/// Counters by the value of a label: those of the first [`MAX_LABELS`] values that were seen; those of the others are together.
#[derive(Debug)]
struct Labelled<T>(RwLock<BTreeMap<String, Arc<T>>>);

/// How many requests had each outcome.
pub(super) type Outcomes = [AtomicU64; Outcome::ALL.len()];

/// The reads of entries in one namespace.
#[derive(Debug, Default)]
pub(super) struct Reads {
    /// That found the entry.
    pub(super) hits: AtomicU64,
    /// That did not.
    pub(super) misses: AtomicU64,
}

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
    pub fn for_request(&self) -> Arc<RequestMetrics> {
        Arc::new(RequestMetrics::new(Arc::clone(&self.storage)))
    }

    /// A request was received.
    pub fn request_started(&self) {
        self.in_flight.fetch_add(1, Ordering::Relaxed);
    }

    /// A request has a response, or its caller hung up.
    pub fn request_finished(&self, operation: &'static OperationLabels, entry: &AccessLogEntry, took: Duration) {
        let outcome = entry.outcome;
        self.keys.of(&entry.key, OTHER_KEYS)[outcome as usize].fetch_add(1, Ordering::Relaxed);
        if operation.is_read
            && let Some(namespace) = &entry.namespace
        {
            self.read_finished(namespace, outcome);
        }
        self.in_flight.fetch_sub(1, Ordering::Relaxed);
        let took_us = u64::try_from(took.as_micros()).unwrap_or(u64::MAX);
        let answered = self.of(operation);
        answered.outcomes[outcome as usize].fetch_add(1, Ordering::Relaxed);
        let bucket = LATENCY_BUCKETS_US.iter().position(|limit| took_us <= *limit).unwrap_or(LATENCY_BUCKETS_US.len());
        answered.buckets[bucket].fetch_add(1, Ordering::Relaxed);
        answered.total_us.fetch_add(took_us, Ordering::Relaxed);
    }

    fn read_finished(&self, namespace: &str, outcome: Outcome) {
        let reads = || self.namespaces.of(namespace, OTHER_NAMESPACES);
        match outcome {
            Outcome::Hit => reads().hits.fetch_add(1, Ordering::Relaxed),
            Outcome::Miss => reads().misses.fetch_add(1, Ordering::Relaxed),
            // A caller without permission can ask for any name, which must not take the place of another one.
            Outcome::Ok | Outcome::ClientError | Outcome::ServerError => return,
        };
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
        self.keys.all()
    }

    /// The reads in each namespace.
    pub(super) fn namespaces(&self) -> BTreeMap<String, Arc<Reads>> {
        self.namespaces.all()
    }

    fn of(&self, operation: &'static OperationLabels) -> Arc<OperationMetrics> {
        let known = self.operations.read().unwrap_or_else(PoisonError::into_inner).get(operation.id.as_str()).cloned();
        known.unwrap_or_else(|| {
            let mut operations = self.operations.write().unwrap_or_else(PoisonError::into_inner);
            Arc::clone(operations.entry(&operation.id).or_default())
        })
    }
}

impl<T> Default for Labelled<T> {
    fn default() -> Self {
        Self(RwLock::default())
    }
}

impl<T: Default> Labelled<T> {
    /// The counters of a value; those of `other` when there are as many values as may be.
    fn of(&self, value: &str, other: &str) -> Arc<T> {
        let known = {
            let counters = self.0.read().unwrap_or_else(PoisonError::into_inner);
            // Those of the others are there once a value found no place.
            let of_others = if counters.len() > MAX_LABELS { counters.get(other) } else { None };
            counters.get(value).or(of_others).cloned()
        };
        known.unwrap_or_else(|| {
            let mut counters = self.0.write().unwrap_or_else(PoisonError::into_inner);
            let value = if counters.len() < MAX_LABELS || counters.contains_key(value) { value } else { other };
            Arc::clone(counters.entry(value.to_owned()).or_default())
        })
    }

    fn all(&self) -> BTreeMap<String, Arc<T>> {
        self.0.read().unwrap_or_else(PoisonError::into_inner).clone()
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

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn labels_beyond_the_first_hundred_are_counted_together() {
        let counted = Labelled::<AtomicU64>::default();
        for number in 0..MAX_LABELS + 50 {
            counted.of(&format!("ns-{number:03}"), OTHER_NAMESPACES).fetch_add(1, Ordering::Relaxed);
        }
        counted.of("ns-000", OTHER_NAMESPACES).fetch_add(1, Ordering::Relaxed);
        let all = counted.all();
        let count = |value: &str| all.get(value).map(|count| count.load(Ordering::Relaxed));
        assert_eq!(all.len(), MAX_LABELS + 1);
        assert_eq!((count("ns-000"), count("ns-099"), count("ns-100"), count("*")), (Some(2), Some(1), None, Some(50)));
    }
}
