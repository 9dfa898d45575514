//! A clock for tests: sleeping takes no time, and the clock advances as if it had.

use std::sync::atomic::{AtomicU64, Ordering};
use std::time::Duration;

use async_trait::async_trait;
use cache_core::clock::Clock;
use cache_core::time::UnixMillis;

/// A clock that moves only when a task sleeps, or when a test advances it. Sleeping returns at once and advances the
/// clock. Of a call and a sleep until its deadline, the sleep ends first, unless the call returns at once.
#[derive(Debug)]
pub struct MockClock(AtomicU64);

impl MockClock {
    /// The time of a clock that [`MockClock::default`] makes: 2026-11-20T12:06:51.520Z.
    pub const START: UnixMillis = UnixMillis::new(1_795_176_411_520);

    /// A clock that shows this time.
    pub fn new(time: UnixMillis) -> Self {
        Self(AtomicU64::new(time.get()))
    }

    /// Moves the clock forward.
    pub fn advance(&self, duration: Duration) {
        let now = self.now();
        self.0.fetch_add(now.plus(duration).since(now).as_millis() as u64, Ordering::Relaxed);
    }

    /// Sets the clock, which may go back.
    pub fn set(&self, time: UnixMillis) {
        self.0.store(time.get(), Ordering::Relaxed);
    }
}

impl Default for MockClock {
    fn default() -> Self {
        Self::new(Self::START)
    }
}

#[async_trait]
impl Clock for MockClock {
    fn now(&self) -> UnixMillis {
        UnixMillis::new(self.0.load(Ordering::Relaxed))
    }

    async fn sleep(&self, duration: Duration) {
        self.advance(duration);
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[tokio::test]
    async fn sleeping_advances_the_clock() {
        let clock = MockClock::default();
        clock.sleep(Duration::from_secs(3)).await;
        assert_eq!(clock.now().since(MockClock::START), Duration::from_secs(3));
        clock.set(UnixMillis::new(5));
        clock.advance(Duration::from_millis(2));
        assert_eq!(clock.now(), UnixMillis::new(7));
    }
}
