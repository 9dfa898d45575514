//! What memoisation has brought, by function.

use std::collections::BTreeMap;
use std::sync::{Mutex, PoisonError};
use std::time::Duration;

/// What memoisation has brought for one function, in this process.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub struct FunctionStats {
    /// Calls that were answered from the service.
    pub hits: u64,
    /// Calls that were answered from this process, or by another call that was running.
    pub local_hits: u64,
    /// Calls that ran the function.
    pub misses: u64,
    /// Calls whose function failed, and that were answered with an older value.
    pub stale: u64,
    /// Lookups, stores and leases that failed, and calls that left the cache out because of it.
    pub errors: u64,
    /// How long the functions would have run that were not run.
    pub saved: Duration,
}

#[derive(Debug, Default)]
pub(super) struct Counters(Mutex<BTreeMap<String, FunctionStats>>);

impl Counters {
    pub(super) fn count(&self, function: &str, change: impl FnOnce(&mut FunctionStats)) {
        let mut all = self.0.lock().unwrap_or_else(PoisonError::into_inner);
        match all.get_mut(function) {
            Some(stats) => change(stats),
            None => change(all.entry(function.to_owned()).or_default()),
        }
    }

    pub(super) fn all(&self) -> BTreeMap<String, FunctionStats> {
        self.0.lock().unwrap_or_else(PoisonError::into_inner).clone()
    }
}
