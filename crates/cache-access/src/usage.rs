//! How much each key was used: counted in the process, and told to the other processes at most once a minute.
//!
//! No request waits for it. Each process writes one small object for each key and day, which only it writes (a grow-only counter),
//! and reads those of the others when the key has limits. So a limit is exact within one process, and about right for several
//! after a minute.

use std::collections::HashMap;
use std::fmt;
use std::sync::{Arc, Mutex, PoisonError};
use std::time::Duration;

use cache_core::storage::Version;
use cache_core::time::UnixMillis;
use serde::{Deserialize, Serialize};

use crate::api_key::KeyId;
use crate::gcra::{Gcra, Rate};
use crate::limits::Limits;

/// How often a process tells the others of a key that has limits.
const EXCHANGE_EVERY: Duration = Duration::from_secs(60);
/// How often it writes down that a key without limits was used: that is only for people.
const NOTE_EVERY: Duration = Duration::from_secs(60 * 60);
/// A process that has written within this time uses the key now.
pub(crate) const IN_USE_FOR: Duration = Duration::from_secs(2 * 60);
const DAY_MS: u64 = 24 * 60 * 60 * 1000;

/// A request that is beyond a limit of its key.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
#[error("{limit}")]
pub struct Exceeded {
    /// The limit.
    pub limit: ExceededLimit,
    /// When it is worth trying again.
    pub retry_after: Duration,
}

/// A limit that a request is beyond.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum ExceededLimit {
    /// Requests per second.
    Rate(u32),
    /// Bytes in a day.
    Bytes(u64),
}

impl fmt::Display for ExceededLimit {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Rate(limit) => write!(f, "the API key may make {limit} requests per second"),
            Self::Bytes(limit) => write!(f, "the API key may move {limit} bytes in a day, until midnight UTC"),
        }
    }
}

/// What a process has counted of a key on one day, as it is stored.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default, Serialize, Deserialize)]
pub(crate) struct Counted {
    /// Requests that were admitted.
    pub(crate) requests: u64,
    /// Bytes of their bodies and responses.
    pub(crate) bytes: u64,
}

/// What a process should write down now.
#[derive(Debug, Clone)]
pub struct Due {
    pub(crate) id: KeyId,
    pub(crate) day: UnixMillis,
    pub(crate) counted: Counted,
    pub(crate) has_limits: bool,
}

/// The use of all keys in this process. It holds only keys that exist.
#[derive(Debug, Default)]
pub(crate) struct UsageTable(Mutex<HashMap<KeyId, Arc<KeyUsage>>>);

/// The use of one key in this process.
#[derive(Debug, Default)]
pub struct KeyUsage(Mutex<State>);

#[derive(Debug, Default)]
struct State {
    day: UnixMillis,
    gcra: Gcra,
    counted: Counted,
    /// When it was last written, or began to be.
    written_at: Option<UnixMillis>,
    others: Others,
}

/// What other processes have written of this day.
#[derive(Debug, Clone)]
pub(crate) struct Others {
    pub(crate) bytes: u64,
    /// How many processes use the key now, this one included.
    pub(crate) processes: u64,
    /// What was read of each object, so that it is not read again.
    pub(crate) read: HashMap<String, (Version, Counted)>,
}

impl Default for Others {
    fn default() -> Self {
        Self { bytes: 0, processes: 1, read: HashMap::new() }
    }
}

impl UsageTable {
    pub(crate) fn of(&self, id: &KeyId) -> Arc<KeyUsage> {
        let mut keys = self.0.lock().unwrap_or_else(PoisonError::into_inner);
        if let Some(usage) = keys.get(id) {
            return Arc::clone(usage);
        }
        Arc::clone(keys.entry(id.clone()).or_default())
    }

    pub(crate) fn forget(&self, id: &KeyId) {
        self.0.lock().unwrap_or_else(PoisonError::into_inner).remove(id);
    }
}

impl KeyUsage {
    /// Admits a request, or says which limit it is beyond. With `report_only` it is for the caller to let it pass.
    ///
    /// # Errors
    ///
    /// When it is beyond a limit.
    pub fn admit(&self, limits: &Limits, now: UnixMillis) -> Result<(), Exceeded> {
        let mut state = self.state(now);
        if let Some(limit) = limits.bytes_per_day
            && state.bytes_of_all() >= limit
        {
            return Err(bytes_exceeded(limit, now));
        }
        if let Some(limit) = limits.requests_per_second {
            let rate = rate(limit, limits.burst.unwrap_or(limit), state.others.processes);
            let admitted = state.gcra.admit(now.get().saturating_mul(1000), rate);
            admitted.map_err(|wait_us| Exceeded {
                limit: ExceededLimit::Rate(limit),
                retry_after: Duration::from_micros(wait_us),
            })?;
        }
        state.counted.requests += 1;
        Ok(())
    }

    /// Counts bytes of a request that is under way.
    ///
    /// # Errors
    ///
    /// When the bytes of the day are used up with them.
    pub fn receive(&self, bytes: u64, limits: &Limits, now: UnixMillis) -> Result<(), Exceeded> {
        let mut state = self.state(now);
        state.counted.bytes = state.counted.bytes.saturating_add(bytes);
        match limits.bytes_per_day {
            Some(limit) if state.bytes_of_all() > limit => Err(bytes_exceeded(limit, now)),
            Some(_) | None => Ok(()),
        }
    }

    /// Counts bytes that a request has moved.
    pub fn add_bytes(&self, bytes: u64, now: UnixMillis) {
        let mut state = self.state(now);
        state.counted.bytes = state.counted.bytes.saturating_add(bytes);
    }

    /// What should be written down now, if it is time. The caller has to write it.
    pub(crate) fn take_due(&self, id: &KeyId, limits: &Limits, now: UnixMillis) -> Option<Due> {
        let mut state = self.state(now);
        let every = if limits.is_any() { EXCHANGE_EVERY } else { NOTE_EVERY };
        if state.written_at.is_some_and(|written_at| now.distance(written_at) < every) {
            return None;
        }
        state.written_at = Some(now);
        Some(Due { id: id.clone(), day: state.day, counted: state.counted, has_limits: limits.is_any() })
    }

    /// What was read of the other processes last.
    pub(crate) fn others(&self) -> Others {
        self.0.lock().unwrap_or_else(PoisonError::into_inner).others.clone()
    }

    /// Takes over what the other processes have written of a day.
    pub(crate) fn set_others(&self, day: UnixMillis, others: Others) {
        let mut state = self.0.lock().unwrap_or_else(PoisonError::into_inner);
        if state.day == day {
            state.others = others;
        }
    }

    /// The state on this day. A new day begins with nothing; the other processes are thought to go on.
    fn state(&self, now: UnixMillis) -> std::sync::MutexGuard<'_, State> {
        let mut state = self.0.lock().unwrap_or_else(PoisonError::into_inner);
        let day = UnixMillis::new(now.get() - now.get() % DAY_MS);
        if state.day != day {
            let others = Others { processes: state.others.processes, ..Others::default() };
            *state = State { day, gcra: state.gcra, others, ..State::default() };
        }
        state
    }
}

impl State {
    /// The bytes of all processes on this day, as far as they are known.
    fn bytes_of_all(&self) -> u64 {
        self.counted.bytes.saturating_add(self.others.bytes)
    }
}

fn bytes_exceeded(limit: u64, now: UnixMillis) -> Exceeded {
    let retry_after = Duration::from_millis(DAY_MS - now.get() % DAY_MS);
    Exceeded { limit: ExceededLimit::Bytes(limit), retry_after }
}

/// The part of a limit that is left to one of so many processes.
fn rate(per_second: u32, burst: u32, processes: u64) -> Rate {
    let processes = processes.max(1);
    Rate {
        interval_us: processes.saturating_mul(1_000_000) / u64::from(per_second.max(1)),
        burst: (u64::from(burst) / processes).max(1),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const NOON: UnixMillis = UnixMillis::new(20_000 * DAY_MS + DAY_MS / 2);

    fn day(usage: &KeyUsage) -> UnixMillis {
        usage.state(NOON).day
    }

    fn admitted(usage: &KeyUsage, limits: &Limits, now: UnixMillis) -> usize {
        (0..1000).filter(|_| usage.admit(limits, now).is_ok()).count()
    }

    #[test]
    fn a_rate_admits_its_burst_and_says_when_to_come_again() {
        let (usage, limits) =
            (KeyUsage::default(), Limits { requests_per_second: Some(10), burst: Some(20), ..Limits::default() });
        assert_eq!(admitted(&usage, &limits, NOON), 20);
        let refused = usage.admit(&limits, NOON).unwrap_err();
        assert_eq!(refused, Exceeded { limit: ExceededLimit::Rate(10), retry_after: Duration::from_millis(100) });
        assert_eq!(admitted(&usage, &limits, NOON.plus(Duration::from_secs(1))), 10);
    }

    #[test]
    fn processes_share_a_rate_once_they_know_of_each_other() {
        let (usage, limits) = (KeyUsage::default(), Limits { requests_per_second: Some(100), ..Limits::default() });
        usage.admit(&limits, NOON).unwrap();
        usage.set_others(day(&usage), Others { processes: 4, ..Others::default() });
        assert_eq!(admitted(&usage, &limits, NOON.plus(Duration::from_secs(10))), 25);
    }

    #[test]
    fn the_bytes_of_all_processes_count_until_midnight() {
        let (usage, limits) = (KeyUsage::default(), Limits { bytes_per_day: Some(1000), ..Limits::default() });
        usage.admit(&limits, NOON).unwrap();
        usage.add_bytes(400, NOON);
        usage.set_others(day(&usage), Others { bytes: 599, ..Others::default() });
        usage.admit(&limits, NOON).unwrap();
        usage.add_bytes(1, NOON);
        let refused = usage.admit(&limits, NOON).unwrap_err();
        assert_eq!(
            refused,
            Exceeded { limit: ExceededLimit::Bytes(1000), retry_after: Duration::from_millis(DAY_MS / 2) }
        );
        usage.admit(&limits, NOON.plus(refused.retry_after)).unwrap();
    }

    #[test]
    fn bytes_are_refused_from_the_first_one_beyond_the_limit() {
        let (usage, limits) = (KeyUsage::default(), Limits { bytes_per_day: Some(1000), ..Limits::default() });
        usage.receive(1000, &limits, NOON).unwrap();
        let refused = usage.receive(1, &limits, NOON).unwrap_err();
        assert_eq!(refused.limit, ExceededLimit::Bytes(1000));
        usage.receive(u64::MAX, &Limits::default(), NOON).unwrap();
    }

    #[test]
    fn use_is_written_down_once_a_minute_with_limits_and_once_an_hour_without() {
        let id = "0123456789ab".parse().unwrap();
        let minute = Limits { bytes_per_day: Some(9), ..Limits::default() };
        for (limits, every) in [(minute, EXCHANGE_EVERY), (Limits::default(), NOTE_EVERY)] {
            let usage = KeyUsage::default();
            let is_due = |now| usage.take_due(&id, &limits, now).is_some();
            assert!(is_due(NOON), "the first use");
            assert!(!is_due(NOON.plus(every - Duration::from_millis(1))));
            assert!(is_due(NOON.plus(every)));
        }
        let usage = KeyUsage::default();
        usage.admit(&minute, NOON).unwrap();
        usage.add_bytes(7, NOON);
        assert_eq!(usage.take_due(&id, &minute, NOON).unwrap().counted, Counted { requests: 1, bytes: 7 });
    }
}
