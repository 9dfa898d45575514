//! Garbage collection in all namespaces, and of how much API keys were used long ago: `cache-lambda sweep`, or an event of a schedule in Lambda.

use cache_core::cache::SweepReport;
use cache_core::error::Error;
use cache_core::ids::Namespace;
use cache_core::time::Deadline;
use serde::Serialize;

use crate::state::AppState;

/// The report of a sweep of one namespace.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
pub struct NamespaceReport {
    /// The namespace.
    pub namespace: Namespace,
    /// The counts of what was removed, and the damaged objects.
    #[serde(flatten)]
    pub report: SweepReport,
}

impl NamespaceReport {
    fn log(&self, mode: SweepMode) {
        let Self { namespace, report } = self;
        let dry_run = mode == SweepMode::DryRun;
        tracing::info!(%namespace, dry_run, expired_entries = report.expired_entries,
            unreferenced_blobs = report.unreferenced_blobs, stale_intents = report.stale_intents,
            orphaned_children = report.orphaned_children, orphaned_aliases = report.orphaned_aliases,
            orphaned_pages = report.orphaned_pages, orphaned_views = report.orphaned_views,
            orphaned_key_rows = report.orphaned_key_rows, emptied_tombstones = report.emptied_tombstones,
            complete = report.complete, "swept");
        for object in &report.damaged {
            tracing::error!(%namespace, object, "damaged");
        }
    }
}

/// What of the garbage is collected.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum SweepMode {
    /// All of it.
    Remove,
    /// Nothing: the reports say what would be.
    DryRun,
}

/// Collects garbage in these namespaces, or in all when none is named, one after the other, until the deadline. The
/// last report may be incomplete.
///
/// # Errors
///
/// Those of the storage. What was removed until then stays removed.
pub async fn run(
    state: &AppState,
    namespaces: Vec<Namespace>,
    mode: SweepMode,
    deadline: Deadline,
) -> Result<Vec<NamespaceReport>, Error> {
    let metrics = state.metrics.for_request();
    let cache = state.cache_with_deadline(deadline, &metrics);
    let mut namespaces = if namespaces.is_empty() { cache.namespaces().await? } else { namespaces };
    // Starts at a random namespace, so that a deadline does not always skip the same ones.
    if !namespaces.is_empty() {
        let first = state.rng.next_u64() % namespaces.len() as u64;
        namespaces.rotate_left(first as usize);
    }
    let mut reports = Vec::with_capacity(namespaces.len());
    for namespace in namespaces {
        let namespace_cache = cache.namespace(&namespace);
        let report = match mode {
            SweepMode::Remove => namespace_cache.sweep().await?,
            SweepMode::DryRun => namespace_cache.preview_sweep().await?,
        };
        let complete = report.complete;
        let report = NamespaceReport { namespace, report };
        report.log(mode);
        reports.push(report);
        if !complete {
            break;
        }
    }
    if mode == SweepMode::Remove && reports.iter().all(|report| report.report.complete) {
        let removed = state.keyring_with_deadline(deadline, &metrics).sweep_usage().await?;
        tracing::info!(removed, "swept the usage of API keys");
    }
    let (calls, rounds) = (metrics.counters().calls(), metrics.counters().round_trips());
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
    async fn a_sweep_at_its_deadline_reports_where_it_stopped() {
        let state = Service::new(Arc::new(Memory::default()), Arc::new(SystemClock), Arc::new(OsRng), config());
        let namespaces = ["a", "b"].map(|name| name.parse().unwrap()).to_vec();
        let reports = run(&state, namespaces, SweepMode::Remove, Deadline::at(state.clock.now())).await.unwrap();
        assert_eq!(reports.iter().map(|report| report.report.complete).collect::<Vec<_>>(), [false]);
    }
}
