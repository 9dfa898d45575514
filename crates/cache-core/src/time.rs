//! Points in time and deadlines. Durations are [`std::time::Duration`].

use std::fmt;
use std::time::Duration;

use serde::{Deserialize, Serialize};

/// A point in time: milliseconds since 1970-01-01 UTC. In JSON it is that number.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Default, Serialize, Deserialize)]
#[serde(transparent)]
pub struct UnixMillis(u64);

impl UnixMillis {
    /// Later than every time that occurs.
    pub const MAX: Self = Self(u64::MAX);

    /// The time that many milliseconds after 1970-01-01 UTC.
    pub const fn new(millis: u64) -> Self {
        Self(millis)
    }

    /// Milliseconds since 1970-01-01 UTC.
    pub const fn get(self) -> u64 {
        self.0
    }

    /// This time plus a duration, at most [`UnixMillis::MAX`].
    #[must_use]
    pub fn plus(self, duration: Duration) -> Self {
        Self(self.0.saturating_add(duration_millis(duration)))
    }

    /// How long ago `earlier` was, zero if it was not.
    pub fn since(self, earlier: Self) -> Duration {
        Duration::from_millis(self.0.saturating_sub(earlier.0))
    }

    /// How far two times are apart, in whichever order.
    pub fn distance(self, other: Self) -> Duration {
        Duration::from_millis(self.0.abs_diff(other.0))
    }
}

impl fmt::Display for UnixMillis {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        self.0.fmt(f)
    }
}

/// The time at which an operation stops trying.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub struct Deadline(UnixMillis);

impl Deadline {
    /// No deadline.
    pub const NEVER: Self = Self(UnixMillis::MAX);

    /// A deadline at this time.
    pub const fn at(time: UnixMillis) -> Self {
        Self(time)
    }

    /// The time of the deadline.
    pub const fn time(self) -> UnixMillis {
        self.0
    }

    /// Whether the deadline is over at this time.
    pub fn has_passed(self, now: UnixMillis) -> bool {
        now >= self.0
    }

    /// How long is left at this time.
    pub fn remaining(self, now: UnixMillis) -> Duration {
        self.0.since(now)
    }
}

/// Whole milliseconds of a duration.
fn duration_millis(duration: Duration) -> u64 {
    u64::try_from(duration.as_millis()).unwrap_or(u64::MAX)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn time_arithmetic_saturates() {
        let time = UnixMillis::new(1_000);
        assert_eq!(time.plus(Duration::from_secs(1)), UnixMillis::new(2_000));
        assert_eq!(UnixMillis::MAX.plus(Duration::MAX), UnixMillis::MAX);
        assert_eq!(time.since(UnixMillis::new(2_000)), Duration::ZERO);
        assert_eq!(time.distance(UnixMillis::new(2_000)), Duration::from_secs(1));
    }

    #[test]
    fn a_deadline_has_passed_at_its_time() {
        let deadline = Deadline::at(UnixMillis::new(5));
        assert!(!deadline.has_passed(UnixMillis::new(4)) && deadline.has_passed(UnixMillis::new(5)));
        assert_eq!(deadline.remaining(UnixMillis::new(2)), Duration::from_millis(3));
        assert!(!Deadline::NEVER.has_passed(UnixMillis::new(u64::MAX - 1)));
    }
}
