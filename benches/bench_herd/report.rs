//! The table, line by line.

use std::io::{self, Write as _};
use std::process::ExitCode;
use std::time::Duration;

use cache_storage::operation::StorageOp;
use cache_testing::faulty_proxy::Call;

use super::herd::{Stampede, Variant};

/// What is printed of the errors of one herd.
const MAX_ERRORS: usize = 5;

/// Whether all herds were served.
#[derive(Default)]
pub struct Report {
    failed: bool,
}

impl Report {
    /// The names of the columns.
    pub fn header(&self) {
        print("                       seconds                        p95   the fake S3               requests");
        print("stores of                alone    p50    p95    max  /alone  calls/s p50 ms p95 ms  per store");
    }

    /// A line of the table, and what went wrong below it.
    pub fn add(&mut self, variant: Variant, stampede: &Stampede) {
        let Stampede { stores, alone, times, calls, upstream_times, wrong } = stampede;
        let [p50, p95, max] = [50, 95, 100].map(|percent| percentile(times, percent).as_secs_f64());
        let fake = [50, 95].map(|percent| percentile(upstream_times, percent).as_secs_f64() * 1000.0);
        print(&format!(
            "{stores:>4} {:16} {:>9.3} {p50:>6.3} {p95:>6.3} {max:>6.3} {:>7.1} {:>8.0} {:>6.1} {:>6.1}  {:.1}: {}",
            variant.name(),
            alone.as_secs_f64(),
            p95 / alone.as_secs_f64(),
            calls.len() as f64 / max,
            fake[0],
            fake[1],
            per_store(calls.len(), *stores),
            kinds(calls, *stores),
        ));
        for error in wrong.iter().take(MAX_ERRORS) {
            print(&format!("    WRONG: {error}"));
        }
        self.failed |= !wrong.is_empty();
    }

    /// The verdict.
    pub fn finish(&self) -> ExitCode {
        print(if self.failed { "FAILED: see above" } else { "all stores acknowledged, each version and id once" });
        if self.failed { ExitCode::FAILURE } else { ExitCode::SUCCESS }
    }
}

/// As in `2.0 put, 1.0 get`.
fn kinds(calls: &[Call], stores: usize) -> String {
    let kinds = [StorageOp::Put, StorageOp::Get, StorageOp::List, StorageOp::Head, StorageOp::Delete];
    let count = |kind| calls.iter().filter(|call| call.operation == kind).count();
    let counted = kinds.into_iter().map(|kind| (kind, count(kind))).filter(|(_, count)| *count > 0);
    let shown = counted.map(|(kind, count)| format!("{:.1} {kind:?}", per_store(count, stores)).to_lowercase());
    shown.collect::<Vec<_>>().join(", ")
}

fn per_store(count: usize, stores: usize) -> f64 {
    count as f64 / stores as f64
}

/// Of durations in order.
fn percentile(times: &[Duration], percent: usize) -> Duration {
    times[(times.len() - 1) * percent / 100]
}

/// Prints a line.
pub fn print(line: &str) {
    // The reader may close the pipe early, as `head` does.
    let _ = writeln!(io::stdout(), "{line}");
}
