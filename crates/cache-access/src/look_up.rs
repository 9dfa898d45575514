//! The keys of requests: kept in memory for a short while, so that a warm key costs nothing.

use std::fmt;
use std::sync::{Arc, Mutex, PoisonError};
use std::time::Duration;

use cache_core::digest::Sha256Digest;
use cache_core::error::Error;
use cache_core::storage::Version;
use cache_core::time::UnixMillis;
use quick_cache::sync::{Cache, DefaultLifecycle};
use quick_cache::{DefaultHashBuilder, OptionsBuilder, UnitWeighter};

use crate::gcra::{Gcra, Rate};
use crate::record::KeyRecord;
use crate::usage::{Due, KeyUsage};

/// A key is used so long as it was read. So a key that was revoked is refused everywhere after that time.
pub const KNOWN_FOR: Duration = Duration::from_secs(60);
/// A key that does not exist is refused so long without asking again.
pub const UNKNOWN_FOR: Duration = Duration::from_secs(10);
/// How many keys of each sort are kept.
const MAX_KEPT: usize = 10_000;
/// How many keys that this process has not seen valid are looked up. A checksum can be computed by anybody, and each look-up is a
/// request to the storage.
const LOOK_UPS: Rate = Rate { interval_us: 50_000, burst: 20 };

/// What is in memory of keys.
pub(crate) struct KnownKeys {
    known: KeyCache<Arc<KnownKey>>,
    unknown: KeyCache<UnixMillis>,
    look_ups: Mutex<Gcra>,
}

type KeyCache<T> = Cache<Sha256Digest, T>;

/// A key that exists, and its use in this process.
#[derive(Debug)]
pub struct KnownKey {
    /// The key as it was read, at most a minute ago.
    pub record: KeyRecord,
    /// Its use in this process.
    pub usage: Arc<KeyUsage>,
    pub(crate) version: Version,
    /// When the read began.
    pub(crate) read_at: UnixMillis,
}

/// What is known of a key without asking the storage.
#[derive(Debug, Clone)]
pub(crate) enum InMemory {
    /// It exists.
    Known(Arc<KnownKey>),
    /// It does not exist.
    Unknown,
    /// It existed a while ago.
    Stale(Arc<KnownKey>),
    /// Nothing.
    Nothing,
}

impl KnownKey {
    /// What this process should write down of its use now, if it is time: for
    /// [`Keyring::exchange_usage`](crate::keyring::Keyring::exchange_usage).
    pub fn take_due_usage(&self, now: UnixMillis) -> Option<Due> {
        self.usage.take_due(&self.record.id, &self.record.spec.limits, now)
    }
}

impl Default for KnownKeys {
    fn default() -> Self {
        Self { known: key_cache(), unknown: key_cache(), look_ups: Mutex::default() }
    }
}

fn key_cache<T: Clone>() -> KeyCache<T> {
    let mut options = OptionsBuilder::new();
    // One shard: under its lock there are only look-ups, and the library need not ask how many processors there are.
    options.shards(1).weight_capacity(MAX_KEPT as u64).estimated_items_capacity(16);
    match options.build() {
        Ok(options) => {
            Cache::with_options(options, UnitWeighter, DefaultHashBuilder::default(), DefaultLifecycle::default())
        }
        Err(_) => Cache::new(MAX_KEPT),
    }
}

impl KnownKeys {
    pub(crate) fn get(&self, digest: &Sha256Digest, now: UnixMillis) -> InMemory {
        if let Some(known) = self.known.get(digest) {
            // A clock that was set back makes the age as wrong as one that was set forward.
            let is_fresh = now.distance(known.read_at) < KNOWN_FOR;
            return if is_fresh { InMemory::Known(known) } else { InMemory::Stale(known) };
        }
        match self.unknown.get(digest) {
            Some(read_at) if now.distance(read_at) < UNKNOWN_FOR => InMemory::Unknown,
            Some(_) | None => InMemory::Nothing,
        }
    }

    /// Whether a key that was not seen yet may be looked up now.
    ///
    /// # Errors
    ///
    /// `Unavailable` when too many were.
    pub(crate) fn admit_look_up(&self, now: UnixMillis) -> Result<(), Error> {
        let mut look_ups = self.look_ups.lock().unwrap_or_else(PoisonError::into_inner);
        look_ups.admit(now.get().saturating_mul(1000), LOOK_UPS).map_err(|_| Error::Unavailable {
            message: "too many unknown API keys are looked up at once".to_owned(),
            source: None,
        })
    }

    pub(crate) fn insert(&self, digest: Sha256Digest, known: Arc<KnownKey>) {
        self.unknown.remove(&digest);
        self.known.insert(digest, known);
    }

    pub(crate) fn insert_unknown(&self, digest: Sha256Digest, read_at: UnixMillis) {
        self.known.remove(&digest);
        self.unknown.insert(digest, read_at);
    }
}

impl fmt::Debug for KnownKeys {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("KnownKeys").field("known", &self.known.len()).field("unknown", &self.unknown.len()).finish()
    }
}
