//! What this process remembers: values for a short time, and which calls are running.

use std::collections::HashMap;
use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::time::Duration;

use quick_cache::Weighter;
use quick_cache::sync::Cache;
use tokio::sync::{Mutex as AsyncMutex, OwnedMutexGuard};
use tokio::time::Instant;

use super::value::Value;

/// About how many bytes one value takes: what the cache expects.
const AVERAGE_BYTES: u64 = 1024;

/// A value, and until when it counts here.
#[derive(Debug, Clone)]
struct Kept {
    value: Arc<Value>,
    until: Instant,
}

#[derive(Debug, Clone)]
struct Bytes;

impl Weighter<String, Kept> for Bytes {
    fn weight(&self, key: &String, kept: &Kept) -> u64 {
        (key.len() + kept.value.len()) as u64
    }
}

/// The values that this process remembers, and the calls that are running in it.
#[derive(Debug)]
pub(super) struct Local {
    values: Option<Cache<String, Kept, Bytes>>,
    running: Mutex<HashMap<String, Arc<Running>>>,
}

#[derive(Debug, Default)]
struct Running {
    turn: Arc<AsyncMutex<()>>,
    /// Whether the one whose turn it was has no value for the others.
    failed: AtomicBool,
}

/// The right to run a call. Others who want the same one wait until it is dropped.
pub(super) struct Turn<'a> {
    // Given back before the place is, so that nobody waits for it in a place that was removed.
    guard: Option<OwnedMutexGuard<()>>,
    place: Place<'a>,
}

/// A place among those who want the same call. The last one removes it.
struct Place<'a> {
    local: &'a Local,
    key: String,
    running: Arc<Running>,
}

impl Local {
    /// Values of up to `bytes` in all; none for 0.
    pub(super) fn new(bytes: u64) -> Self {
        let items = usize::try_from((bytes / AVERAGE_BYTES).max(16)).unwrap_or(usize::MAX);
        let values = (bytes > 0).then(|| Cache::with_weighter(items, bytes, Bytes));
        Self { values, running: Mutex::default() }
    }

    pub(super) fn get(&self, key: &str) -> Option<Arc<Value>> {
        let kept = self.values.as_ref()?.get(key)?;
        (kept.until > Instant::now()).then_some(kept.value)
    }

    pub(super) fn put(&self, key: &str, value: Arc<Value>, age: Duration) {
        if let Some(values) = &self.values {
            values.insert(key.to_owned(), Kept { value, until: Instant::now() + age });
        }
    }

    pub(super) fn remove(&self, key: &str) {
        if let Some(values) = &self.values {
            values.remove(key);
        }
    }

    pub(super) fn clear(&self) {
        if let Some(values) = &self.values {
            values.clear();
        }
    }

    /// Waits until no other call with this key is running. If the one before had no value, all who wait go on at once: one
    /// after the other, a function that fails slowly would hold up each of them longer.
    pub(super) async fn turn(&self, key: &str) -> Turn<'_> {
        let running = Arc::clone(self.running().entry(key.to_owned()).or_default());
        let place = Place { local: self, key: key.to_owned(), running };
        let guard = Arc::clone(&place.running.turn).lock_owned().await;
        let guard = (!place.running.failed.load(Ordering::SeqCst)).then_some(guard);
        Turn { guard, place }
    }

    fn running(&self) -> MutexGuard<'_, HashMap<String, Arc<Running>>> {
        self.running.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

impl Turn<'_> {
    /// There is no value for those who wait; who comes now begins anew. Without this, the next of them has the turn: one
    /// that is given up, as by a timeout around it, says nothing about the function.
    pub(super) fn failed(&self) {
        if self.guard.is_some() {
            self.place.running.failed.store(true, Ordering::SeqCst);
            self.place.remove(|_| true);
        }
    }
}

impl Place<'_> {
    /// Removes it, if it still stands there and the condition holds.
    fn remove(&self, condition: impl Fn(&Arc<Running>) -> bool) {
        let mut all = self.local.running();
        if all.get(&self.key).is_some_and(|it| Arc::ptr_eq(it, &self.running) && condition(it)) {
            all.remove(&self.key);
        }
    }
}

impl Drop for Place<'_> {
    fn drop(&mut self) {
        // This one, and that in the map. More are only made while the map is locked.
        self.remove(|running| Arc::strong_count(running) <= 2);
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[tokio::test]
    async fn nothing_is_left_of_calls_that_ended_failed_or_were_given_up() {
        let local = Local::new(0);
        drop(local.turn("a").await);
        let first = local.turn("a").await;
        let mut waiting = Box::pin(local.turn("a"));
        assert!(futures::poll!(&mut waiting).is_pending());
        first.failed();
        assert!(local.running().is_empty(), "who comes now begins anew");
        let new = local.turn("a").await;
        drop((first, waiting));
        assert_eq!(local.running().len(), 1);
        drop(new);
        assert!(local.running().is_empty());
    }
}
