//! Waiting between the attempts of one operation.

use std::time::Duration;

use crate::error::Error;
use crate::storage::ObjectKey;

use super::Cache;

/// The delay after the first lost race; each further one is twice as long.
const INITIAL_BACKOFF: Duration = Duration::from_millis(20);
/// The longest delay.
const MAX_BACKOFF: Duration = Duration::from_secs(1);

/// Exponential backoff with jitter, until the deadline of the operation.
#[derive(Debug)]
pub(super) struct Backoff<'a> {
    cache: &'a Cache,
    next: Duration,
}

impl<'a> Backoff<'a> {
    /// The delays of one operation of this cache.
    pub(super) fn new(cache: &'a Cache) -> Self {
        Self { cache, next: INITIAL_BACKOFF }
    }

    /// Waits for a random part of the current delay, at least half of it.
    ///
    /// # Errors
    ///
    /// `Unavailable` when the deadline would pass. `key` is what could not be written.
    pub(super) async fn wait(&mut self, key: &ObjectKey) -> Result<(), Error> {
        let delay = self.next / 2 + self.jitter(self.next / 2);
        self.next = (self.next * 2).min(MAX_BACKOFF);
        self.sleep(delay, key).await
    }

    /// Waits for a random time up to `at_most`.
    ///
    /// # Errors
    ///
    /// As [`Backoff::wait`].
    pub(super) async fn wait_up_to(&self, at_most: Duration, key: &ObjectKey) -> Result<(), Error> {
        self.sleep(self.jitter(at_most), key).await
    }

    fn jitter(&self, at_most: Duration) -> Duration {
        at_most.mul_f64((self.cache.random() >> 11) as f64 / (1u64 << 53) as f64)
    }

    async fn sleep(&self, delay: Duration, key: &ObjectKey) -> Result<(), Error> {
        let end = self.cache.now().plus(delay);
        if self.cache.deadline.is_some_and(|deadline| deadline.has_passed(end)) {
            return Err(Error::unavailable(format!("{key} could not be written before the deadline: retry later")));
        }
        self.cache.shared.clock.sleep(delay).await;
        Ok(())
    }
}
