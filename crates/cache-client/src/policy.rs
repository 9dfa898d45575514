//! How long a call may take, and how often it is tried.

use std::time::Duration;

use backon::{BackoffBuilder, ExponentialBuilder};

/// How long a call may take, and how often it is tried.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Policy {
    /// How long making a connection may take. 3 s by default.
    pub connect_timeout: Duration,
    /// How long one attempt may take, response included; for a transfer, how long it may stand still. 30 s by default.
    /// A call gets another second for each MiB that it sends, or that the service has to read or copy for it.
    pub attempt_timeout: Duration,
    /// How long a call may take in all, retries and the pauses between them included. 60 s by default, and a second for each MiB as
    /// above. Transfers of files have no such limit, as long as they move.
    pub total_timeout: Duration,
    /// How many attempts there are. 3 by default; 1 for no retry.
    pub max_attempts: u32,
}

/// The first pause; each one after it is twice as long, with jitter.
const FIRST_DELAY: Duration = Duration::from_millis(100);
/// The longest pause, unless the service asks for a longer one.
const MAX_DELAY: Duration = Duration::from_secs(5);

impl Default for Policy {
    fn default() -> Self {
        Self {
            connect_timeout: Duration::from_secs(3),
            attempt_timeout: Duration::from_secs(30),
            total_timeout: Duration::from_secs(60),
            max_attempts: 3,
        }
    }
}

impl Policy {
    /// The pauses between the attempts.
    pub(crate) fn delays(&self) -> impl Iterator<Item = Duration> + Send {
        let retries = usize::try_from(self.max_attempts.saturating_sub(1)).unwrap_or(usize::MAX);
        ExponentialBuilder::default()
            .with_jitter()
            .with_min_delay(FIRST_DELAY)
            .with_max_delay(MAX_DELAY)
            .with_max_times(retries)
            .build()
    }

    /// How long an attempt may take for which so many bytes are sent, read or copied.
    pub(crate) fn attempt_limit(&self, bytes: u64) -> Duration {
        self.attempt_timeout + Duration::from_secs(bytes >> 20)
    }

    /// The same for all attempts together.
    pub(crate) fn total_limit(&self, bytes: u64) -> Duration {
        self.total_timeout + Duration::from_secs(bytes >> 20)
    }
}
