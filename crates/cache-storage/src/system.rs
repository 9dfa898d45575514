//! The clock and the random numbers of the operating system.

use std::time::{Duration, SystemTime, UNIX_EPOCH};

use async_trait::async_trait;
use cache_core::clock::Clock;
use cache_core::rng::Rng;
use cache_core::time::UnixMillis;

/// The wall clock of this machine, and Tokio's timer.
#[derive(Debug, Clone, Copy, Default)]
pub struct SystemClock;

#[async_trait]
impl Clock for SystemClock {
    fn now(&self) -> UnixMillis {
        unix_millis(SystemTime::now())
    }

    async fn sleep(&self, duration: Duration) {
        tokio::time::sleep(duration).await;
    }
}

/// The random number generator of the operating system.
#[derive(Debug, Clone, Copy, Default)]
pub struct OsRng;

impl Rng for OsRng {
    /// # Panics
    ///
    /// If the operating system has no random bits: names that may collide are worse than no service.
    fn next_u64(&self) -> u64 {
        getrandom::u64().expect("the operating system provides random bits")
    }
}

/// A system time in milliseconds since 1970 UTC. A time before 1970 counts as 1970.
pub(crate) fn unix_millis(time: SystemTime) -> UnixMillis {
    let since = time.duration_since(UNIX_EPOCH).unwrap_or_default();
    UnixMillis::new(u64::try_from(since.as_millis()).unwrap_or(u64::MAX))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_clock_counts_milliseconds_of_this_century() {
        let year_2020 = UnixMillis::new(1_577_836_800_000);
        let year_2100 = UnixMillis::new(4_102_444_800_000);
        assert!((year_2020..year_2100).contains(&SystemClock.now()));
    }

    #[test]
    fn random_bits_do_not_repeat() {
        assert_ne!(OsRng.next_u64(), OsRng.next_u64());
    }
}
