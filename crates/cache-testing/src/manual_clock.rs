//! A clock for tests of a whole service: it shows what the test sets, and sleeping takes its time.

use std::time::Duration;

use async_trait::async_trait;
use cache_core::clock::Clock;
use cache_core::time::UnixMillis;
use cache_storage::system::SystemClock;

use crate::mock_clock::MockClock;

/// A clock that moves only when a test advances it. With [`MockClock`], a deadline is over as soon as a task waits for it; here
/// work on another task gets done first.
#[derive(Debug, Default)]
pub struct ManualClock(MockClock);

impl ManualClock {
    /// Moves the clock forward.
    pub fn advance(&self, duration: Duration) {
        self.0.advance(duration);
    }
}

#[async_trait]
impl Clock for ManualClock {
    fn now(&self) -> UnixMillis {
        self.0.now()
    }

    async fn sleep(&self, duration: Duration) {
        SystemClock.sleep(duration).await;
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[tokio::test]
    async fn only_advance_moves_the_clock() {
        let clock = ManualClock::default();
        clock.sleep(Duration::from_millis(1)).await;
        assert_eq!(clock.now(), MockClock::START);
        clock.advance(Duration::from_secs(3));
        assert_eq!(clock.now(), MockClock::START.plus(Duration::from_secs(3)));
    }
}
