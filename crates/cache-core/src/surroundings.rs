//! The port for what a pure core must not reach for itself: the time, waiting, and chance.

use std::fmt;
use std::time::Duration;

use async_trait::async_trait;

/// The time, waiting and chance, as the process around core provides them.
#[async_trait]
pub trait Surroundings: fmt::Debug + Send + Sync + 'static {
    /// Milliseconds since 1970, UTC.
    fn now_ms(&self) -> u64;

    /// 64 random bits, good enough that names drawn from them do not meet.
    fn random(&self) -> u64;

    /// Returns after about this long.
    async fn sleep(&self, duration: Duration);
}
