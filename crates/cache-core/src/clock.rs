//! The clock port: core never asks the operating system for the time.

use std::fmt;
use std::time::Duration;

use async_trait::async_trait;

use crate::time::UnixMillis;

/// The wall clock and timers, as the process around core provides them.
#[async_trait]
pub trait Clock: fmt::Debug + Send + Sync + 'static {
    /// The current time. It may go back: wall clocks are set.
    fn now(&self) -> UnixMillis;

    /// Returns after about this long.
    async fn sleep(&self, duration: Duration);
}
