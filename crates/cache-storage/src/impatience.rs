//! Surroundings for tests of deadlines: waiting takes no time, and the clock goes on as if it had.

use std::sync::atomic::{AtomicU64, Ordering};
use std::time::Duration;

use async_trait::async_trait;
use cache_core::surroundings::Surroundings;

/// A clock that only moves when somebody waits. Of a call and a wait for its deadline the wait is over first, unless the call
/// is answered at once.
#[derive(Debug, Default)]
pub struct Impatience {
    waited_ms: AtomicU64,
    drawn: AtomicU64,
}

impl Impatience {
    /// The time at the beginning, in milliseconds since 1970 UTC.
    pub const STARTS_AT_MS: u64 = 1_795_176_411_520;
}

#[async_trait]
impl Surroundings for Impatience {
    fn now_ms(&self) -> u64 {
        Self::STARTS_AT_MS + self.waited_ms.load(Ordering::Relaxed)
    }

    /// Numbers that do not repeat.
    fn random(&self) -> u64 {
        // An odd factor maps different numbers to different ones; this is the golden ratio's.
        self.drawn.fetch_add(1, Ordering::Relaxed).wrapping_mul(0x9e37_79b9_7f4a_7c15)
    }

    async fn sleep(&self, duration: Duration) {
        self.waited_ms.fetch_add(u64::try_from(duration.as_millis()).unwrap_or(u64::MAX), Ordering::Relaxed);
    }
}
