//! The real time, real waiting, and chance from the operating system.

use std::time::{Duration, SystemTime, UNIX_EPOCH};

use async_trait::async_trait;
use cache_core::surroundings::Surroundings;

/// The surroundings of a process that runs for real.
#[derive(Debug, Clone, Copy, Default)]
pub struct System;

#[async_trait]
impl Surroundings for System {
    fn now_ms(&self) -> u64 {
        since_1970_ms(SystemTime::now())
    }

    /// # Panics
    ///
    /// When the operating system has no random bits to give: names that might meet are worse than no service.
    fn random(&self) -> u64 {
        getrandom::u64().expect("the operating system provides random bits")
    }

    async fn sleep(&self, duration: Duration) {
        tokio::time::sleep(duration).await;
    }
}

/// Milliseconds since 1970, UTC. A time before that counts as 1970.
pub(crate) fn since_1970_ms(time: SystemTime) -> u64 {
    let since = time.duration_since(UNIX_EPOCH).unwrap_or_default();
    u64::try_from(since.as_millis()).unwrap_or(u64::MAX)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_clock_counts_milliseconds_of_this_century() {
        let year_2020 = 1_577_836_800_000;
        let year_2100 = 4_102_444_800_000;
        assert!((year_2020..year_2100).contains(&System.now_ms()));
    }

    #[test]
    fn random_bits_do_not_repeat() {
        assert_ne!(System.random(), System.random());
    }
}
