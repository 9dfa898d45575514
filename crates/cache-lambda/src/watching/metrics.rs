//! The numbers of this process since its start. Adding to them takes no lock.

use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};
use std::time::Duration;

use cache_storage::metered::{Meter, Tally};

use super::operations::{self, Operation};
use super::outcome::Outcome;

/// Up to how many microseconds a request took, for each bucket of the histogram but the last.
pub(super) const BUCKETS_US: [u64; 10] =
    [500, 1_000, 2_500, 5_000, 10_000, 25_000, 50_000, 100_000, 500_000, 2_500_000];

/// The numbers of this process since its start.
#[derive(Debug)]
pub struct Metrics {
    /// What was asked of the storage.
    pub storage: Arc<Tally>,
    operations: Vec<Answered>,
    in_flight: AtomicU64,
}

/// The answered requests of one operation.
#[derive(Debug, Default)]
pub(super) struct Answered {
    outcomes: [AtomicU64; Outcome::ALL.len()],
    /// How many took longer than the limit before, and no longer than this one.
    buckets: [AtomicU64; BUCKETS_US.len() + 1],
    total_us: AtomicU64,
}

impl Default for Metrics {
    fn default() -> Self {
        let operations = operations::all().iter().map(|_| Answered::default()).collect();
        Self { storage: Arc::default(), operations, in_flight: AtomicU64::new(0) }
    }
}

impl Metrics {
    /// A meter for one request.
    pub fn meter(&self) -> Arc<Meter> {
        Arc::new(Meter::new(Arc::clone(&self.storage)))
    }

    /// A request has come.
    pub fn begin(&self) {
        self.in_flight.fetch_add(1, Ordering::Relaxed);
    }

    /// A request that had begun was answered, or given up by its caller.
    pub fn end(&self, operation: &Operation, outcome: Outcome, took: Duration) {
        self.in_flight.fetch_sub(1, Ordering::Relaxed);
        let took_us = u64::try_from(took.as_micros()).unwrap_or(u64::MAX);
        let answered = &self.operations[operation.number];
        answered.outcomes[outcome as usize].fetch_add(1, Ordering::Relaxed);
        let bucket = BUCKETS_US.iter().position(|limit| took_us <= *limit).unwrap_or(BUCKETS_US.len());
        answered.buckets[bucket].fetch_add(1, Ordering::Relaxed);
        answered.total_us.fetch_add(took_us, Ordering::Relaxed);
    }

    /// How many requests have begun and are not answered.
    pub(super) fn in_flight(&self) -> u64 {
        self.in_flight.load(Ordering::Relaxed)
    }

    /// Every operation that was asked for.
    pub(super) fn answered(&self) -> impl Iterator<Item = (&'static Operation, &Answered)> + Clone {
        let asked_for = |(_, answered): &(_, &Answered)| answered.histogram().iter().any(|count| *count > 0);
        operations::all().iter().zip(&self.operations).filter(asked_for)
    }
}

impl Answered {
    /// How many requests had this outcome.
    pub(super) fn count(&self, outcome: Outcome) -> u64 {
        self.outcomes[outcome as usize].load(Ordering::Relaxed)
    }

    /// How many requests fell into each bucket.
    pub(super) fn histogram(&self) -> [u64; BUCKETS_US.len() + 1] {
        self.buckets.each_ref().map(|bucket| bucket.load(Ordering::Relaxed))
    }

    /// How long all requests took together, in microseconds.
    pub(super) fn total_us(&self) -> u64 {
        self.total_us.load(Ordering::Relaxed)
    }
}
