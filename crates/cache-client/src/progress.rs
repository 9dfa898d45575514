//! How far a transfer is, and whether it still moves.

use std::sync::atomic::{AtomicU64, Ordering};
use std::sync::{Mutex, PoisonError};
use std::time::Duration;

use tokio::time::Instant;

/// How far a transfer is. Clones of its `Arc` may be polled while it runs.
#[derive(Debug)]
pub struct Progress {
    bytes: AtomicU64,
    /// 0 while it is not known.
    total: AtomicU64,
    moved: Mutex<Instant>,
}

impl Default for Progress {
    fn default() -> Self {
        Self { bytes: AtomicU64::new(0), total: AtomicU64::new(0), moved: Mutex::new(Instant::now()) }
    }
}

impl Progress {
    /// Bytes that were sent or received so far. A transfer that is begun again starts from 0.
    pub fn bytes(&self) -> u64 {
        self.bytes.load(Ordering::Relaxed)
    }

    /// How many bytes there are in all, once that is known.
    pub fn total(&self) -> Option<u64> {
        Some(self.total.load(Ordering::Relaxed)).filter(|total| *total > 0)
    }

    pub(crate) fn expect(&self, total: u64) {
        self.total.store(total, Ordering::Relaxed);
    }

    pub(crate) fn add(&self, bytes: u64) {
        self.bytes.fetch_add(bytes, Ordering::Relaxed);
        self.touch();
    }

    pub(crate) fn restart(&self) {
        self.bytes.store(0, Ordering::Relaxed);
        self.touch();
    }

    fn touch(&self) {
        *self.moved.lock().unwrap_or_else(PoisonError::into_inner) = Instant::now();
    }

    /// Completes when nothing has moved for this long.
    pub(crate) async fn stalled(&self, limit: Duration) {
        loop {
            let moved = *self.moved.lock().unwrap_or_else(PoisonError::into_inner);
            tokio::time::sleep_until(moved + limit).await;
            if *self.moved.lock().unwrap_or_else(PoisonError::into_inner) == moved {
                return;
            }
        }
    }
}
