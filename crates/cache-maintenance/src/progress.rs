//! How far a long run is, for people and for programs.

use std::sync::atomic::{AtomicU64, Ordering};
use std::time::{Duration, Instant};

use serde::Serialize;

/// Counters that a run adds to while somebody else shows them.
#[derive(Debug)]
pub struct Progress {
    started: Instant,
    objects: AtomicU64,
    bytes: AtomicU64,
    total_objects: AtomicU64,
    total_bytes: AtomicU64,
}

/// The state of a run at one moment.
#[derive(Debug, Clone, Copy, PartialEq, Serialize)]
pub struct Snapshot {
    /// Objects that are done.
    pub objects: u64,
    /// How many there are; 0 while they are counted.
    pub total_objects: u64,
    /// Bytes that are done.
    pub bytes: u64,
    /// How many there are.
    pub total_bytes: u64,
    /// Since the begin of the run.
    pub elapsed_seconds: f64,
    /// Objects a second.
    pub objects_per_second: f64,
    /// How long the rest takes at that rate; `None` while nothing is known.
    pub remaining_seconds: Option<f64>,
}

impl Default for Progress {
    fn default() -> Self {
        let zero = AtomicU64::default;
        Self { started: Instant::now(), objects: zero(), bytes: zero(), total_objects: zero(), total_bytes: zero() }
    }
}

impl Progress {
    /// Adds to what there is to do.
    pub(crate) fn expect(&self, objects: u64, bytes: u64) {
        self.total_objects.fetch_add(objects, Ordering::Relaxed);
        self.total_bytes.fetch_add(bytes, Ordering::Relaxed);
    }

    /// One more object is done.
    pub(crate) fn done(&self, bytes: u64) {
        self.objects.fetch_add(1, Ordering::Relaxed);
        self.bytes.fetch_add(bytes, Ordering::Relaxed);
    }

    /// How far the run is.
    pub fn snapshot(&self) -> Snapshot {
        let get = |counter: &AtomicU64| counter.load(Ordering::Relaxed);
        Snapshot::new(
            self.started.elapsed(),
            [get(&self.objects), get(&self.total_objects)],
            [get(&self.bytes), get(&self.total_bytes)],
        )
    }
}

impl Snapshot {
    fn new(elapsed: Duration, [objects, total_objects]: [u64; 2], [bytes, total_bytes]: [u64; 2]) -> Self {
        let elapsed_seconds = elapsed.as_secs_f64();
        let objects_per_second = if elapsed_seconds > 0.0 { objects as f64 / elapsed_seconds } else { 0.0 };
        let left = total_objects.saturating_sub(objects) as f64;
        let remaining_seconds = (objects > 0 && total_objects > 0).then(|| left / objects_per_second);
        Self { objects, total_objects, bytes, total_bytes, elapsed_seconds, objects_per_second, remaining_seconds }
    }

    /// A line for people.
    pub fn line(&self) -> String {
        let megabytes = self.bytes as f64 / 1e6;
        let rate = format!(
            "{:.0} objects/s, {:.1} MB/s",
            self.objects_per_second,
            megabytes / self.elapsed_seconds.max(0.001)
        );
        match self.remaining_seconds {
            Some(seconds) => format!(
                "{} of {} objects, {megabytes:.1} of {:.1} MB, {rate}, {} left",
                self.objects,
                self.total_objects,
                self.total_bytes as f64 / 1e6,
                minutes(seconds)
            ),
            None => format!("counting: {} objects", self.total_objects),
        }
    }

    /// The same as a line of JSON.
    pub fn json(&self) -> String {
        serde_json::to_string(self).unwrap_or_default()
    }
}

fn minutes(seconds: f64) -> String {
    let seconds = seconds.round() as u64;
    format!("{}:{:02}", seconds / 60, seconds % 60)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_line_tells_the_rate_and_what_is_left() {
        let half = Snapshot::new(Duration::from_secs(60), [600, 1_800], [30_000_000, 90_000_000]);
        assert_eq!(half.line(), "600 of 1800 objects, 30.0 of 90.0 MB, 10 objects/s, 0.5 MB/s, 2:00 left");
        assert!(half.json().contains("\"remaining_seconds\":120.0"), "{}", half.json());
        assert_eq!(Snapshot::new(Duration::ZERO, [0, 7], [0, 0]).line(), "counting: 7 objects");
    }
}
