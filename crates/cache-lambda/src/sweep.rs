//! The sweep over all namespaces: from the command line, or from a schedule under Lambda.

use cache_core::cache::SweepReport;
use cache_core::error::Error;
use cache_core::ids::Namespace;
use cache_core::time::Deadline;
use serde::Serialize;

use crate::state::AppState;

/// What a sweep did in one namespace.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
pub struct Report {
    /// The namespace.
    pub namespace: Namespace,
    /// Entries that had expired.
    pub expired_entries: u64,
    /// Blobs that nothing references.
    pub unreferenced_blobs: u64,
    /// Intents that nobody commits any more.
    pub stale_intents: u64,
    /// Children whose entry is gone.
    pub orphaned_children: u64,
    /// Aliases whose entry is gone.
    pub orphaned_aliases: u64,
    /// Pages that nothing leads to.
    pub orphaned_pages: u64,
    /// Views whose entry is gone.
    pub orphaned_views: u64,
    /// Rows of key indexes whose entry is gone.
    pub orphaned_key_rows: u64,
    /// Tombstones that have nothing to remember any more.
    pub emptied_tombstones: u64,
    /// Objects that a person has to look at; they were not touched.
    pub damaged: Vec<String>,
    /// Whether the namespace was swept to its end before the deadline.
    pub complete: bool,
}

impl Report {
    fn new(namespace: Namespace, report: SweepReport) -> Self {
        let SweepReport {
            expired_entries,
            unreferenced_blobs,
            stale_intents,
            orphaned_children,
            orphaned_aliases,
            orphaned_pages,
            orphaned_views,
            orphaned_key_rows,
            emptied_tombstones,
            damaged,
            complete,
        } = report;
        Self {
            namespace,
            expired_entries,
            unreferenced_blobs,
            stale_intents,
            orphaned_children,
            orphaned_aliases,
            orphaned_pages,
            orphaned_views,
            orphaned_key_rows,
            emptied_tombstones,
            damaged,
            complete,
        }
    }

    fn log(&self) {
        tracing::info!(namespace = %self.namespace, expired_entries = self.expired_entries,
            unreferenced_blobs = self.unreferenced_blobs, stale_intents = self.stale_intents,
            orphaned_children = self.orphaned_children, orphaned_aliases = self.orphaned_aliases,
            orphaned_pages = self.orphaned_pages, orphaned_views = self.orphaned_views,
            orphaned_key_rows = self.orphaned_key_rows, emptied_tombstones = self.emptied_tombstones,
            complete = self.complete, "swept");
        for object in &self.damaged {
            tracing::error!(namespace = %self.namespace, object, "damaged");
        }
    }
}

/// Sweeps these namespaces, or all when none is named, one after the other, until the deadline.
/// The last report is of the namespace in which it came.
///
/// # Errors
///
/// Those of the storage. What was swept until then stays swept.
pub async fn run(state: &AppState, namespaces: Vec<Namespace>, deadline: Deadline) -> Result<Vec<Report>, Error> {
    let meter = state.metrics.meter();
    let cache = state.cache_with_deadline(deadline, &meter);
    let mut namespaces = if namespaces.is_empty() { cache.namespaces().await? } else { namespaces };
    // Whatever the deadline leaves out should not be the same each time.
    if !namespaces.is_empty() {
        let first = state.rng.next_u64() % namespaces.len() as u64;
        namespaces.rotate_left(first as usize);
    }
    let mut reports = Vec::with_capacity(namespaces.len());
    for namespace in namespaces {
        let swept = cache.namespace(&namespace).sweep().await?;
        let report = Report::new(namespace, swept);
        let complete = report.complete;
        report.log();
        reports.push(report);
        if !complete {
            break;
        }
    }
    let (calls, rounds) = (meter.counters().calls(), meter.counters().round_trips());
    tracing::info!(namespaces = reports.len(), storage_calls = calls, storage_round_trips = rounds, "sweep ended");
    Ok(reports)
}

#[cfg(test)]
mod tests {
    use std::sync::Arc;

    use cache_storage::memory::Memory;
    use cache_storage::system::{OsRng, SystemClock};

    use super::*;
    use crate::state::Service;
    use crate::test_support::config;

    #[tokio::test]
    async fn a_sweep_whose_time_is_up_says_how_far_it_came() {
        let state = Service::new(Arc::new(Memory::default()), Arc::new(SystemClock), Arc::new(OsRng), config());
        let namespaces = ["a", "b"].map(|name| name.parse().unwrap()).to_vec();
        let reports = run(&state, namespaces, Deadline::at(state.clock.now())).await.unwrap();
        assert_eq!(reports.iter().map(|report| report.complete).collect::<Vec<_>>(), [false]);
    }
}
