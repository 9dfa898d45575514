//! The sweep over all namespaces: from the command line, or from a schedule under Lambda.

use cache_core::cache::Swept;
use cache_core::error::Error;
use cache_core::ids::Namespace;
use serde::Serialize;

use crate::state::AppState;

/// What a sweep did in one namespace.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
pub struct Report {
    /// The namespace.
    pub namespace: Namespace,
    /// Entries that had expired.
    pub expired: u64,
    /// Tombstones of deleted entries, and marks of completed uploads.
    pub tombstones: u64,
    /// Records that no index lists.
    pub unlisted_records: u64,
    /// Blobs that no index references.
    pub unreferenced_blobs: u64,
    /// Children and revisions whose entry is gone.
    pub orphaned_children: u64,
    /// Whether the namespace was seen to its end before the deadline.
    pub complete: bool,
}

impl Report {
    fn new(namespace: Namespace, swept: Swept) -> Self {
        let Swept { expired, graves, records, blobs, orphans, complete } = swept;
        Self {
            namespace,
            expired,
            tombstones: graves,
            unlisted_records: records,
            unreferenced_blobs: blobs,
            orphaned_children: orphans,
            complete,
        }
    }
}

/// Sweeps these namespaces, or all when none is named, one after the other, until the deadline (milliseconds since 1970 UTC). The last
/// report is of the namespace in which it came.
///
/// # Errors
///
/// Those of the storage. What was swept until then stays swept.
pub async fn run(state: &AppState, namespaces: Vec<Namespace>, deadline_ms: u64) -> Result<Vec<Report>, Error> {
    let meter = state.metrics.meter();
    let cache = state.cache_with_deadline(deadline_ms, &meter);
    let mut namespaces = if namespaces.is_empty() { cache.namespaces().await? } else { namespaces };
    // Whatever the deadline leaves out should not be the same each time.
    if !namespaces.is_empty() {
        let first = state.surroundings.random() % namespaces.len() as u64;
        namespaces.rotate_left(first as usize);
    }
    let mut reports = Vec::with_capacity(namespaces.len());
    for namespace in namespaces {
        let swept = cache.sweep(&namespace).await?;
        let report = Report::new(namespace, swept);
        let complete = report.complete;
        tracing::info!(namespace = %report.namespace, expired = report.expired, tombstones = report.tombstones,
            unlisted_records = report.unlisted_records, unreferenced_blobs = report.unreferenced_blobs, orphaned_children = report.orphaned_children, complete = report.complete, "swept");
        reports.push(report);
        if !complete {
            break;
        }
    }
    let (calls, rounds) = (meter.tally().calls(), meter.tally().rounds());
    tracing::info!(namespaces = reports.len(), storage_calls = calls, storage_round_trips = rounds, "sweep ended");
    Ok(reports)
}

#[cfg(test)]
mod tests {
    use std::sync::Arc;

    use cache_storage::memory::Memory;
    use cache_storage::system::System;

    use super::*;
    use crate::state::Service;
    use crate::test_support::config;

    #[tokio::test]
    async fn a_sweep_whose_time_is_up_says_how_far_it_came() {
        let state = Service::new(Arc::new(Memory::default()), Arc::new(System), config());
        let namespaces = ["a", "b"].map(|name| name.parse().unwrap()).to_vec();
        let reports = run(&state, namespaces, state.surroundings.now_ms()).await.unwrap();
        assert_eq!(reports.iter().map(|report| report.complete).collect::<Vec<_>>(), [false]);
    }
}
