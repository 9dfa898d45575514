//! A value as it is stored.

use std::time::{Duration, SystemTime, UNIX_EPOCH};

use serde::de::DeserializeOwned;
use serde::{Deserialize, Serialize};
use serde_json::value::RawValue;

/// The version of this format.
pub(super) const FORMAT: u32 = 1;

/// A value with what is known about it, as it is stored.
#[derive(Debug, Clone, Serialize, Deserialize)]
pub(super) struct Value {
    /// The version of the format.
    pub(super) memo: u32,
    /// The whole key of the call: the file id is only its beginning.
    pub(super) key: String,
    /// The value as JSON.
    pub(super) value: Box<RawValue>,
    /// When it was computed, in milliseconds since 1970 UTC.
    pub(super) computed_at: u64,
    /// How long that took, in milliseconds.
    pub(super) computed_ms: u64,
    /// The library and its version.
    pub(super) created_by: String,
}

impl Value {
    pub(super) fn new<T: Serialize>(key: &str, value: &T, took: Duration) -> serde_json::Result<Self> {
        Ok(Self {
            memo: FORMAT,
            key: key.to_owned(),
            value: serde_json::value::to_raw_value(value)?,
            computed_at: now_ms(),
            computed_ms: u64::try_from(took.as_millis()).unwrap_or(u64::MAX),
            created_by: concat!("mgraph-cache-client ", env!("CARGO_PKG_VERSION"), " (Rust)").to_owned(),
        })
    }

    /// Whether it is a value of this call, in a format that is known.
    pub(super) fn is_of(&self, key: &str) -> bool {
        self.memo == FORMAT && self.key == key
    }

    /// How old it is; a clock that is ahead makes it no older than new.
    pub(super) fn age(&self) -> Duration {
        Duration::from_millis(now_ms().saturating_sub(self.computed_at))
    }

    pub(super) fn took(&self) -> Duration {
        Duration::from_millis(self.computed_ms)
    }

    pub(super) fn read<T: DeserializeOwned>(&self) -> serde_json::Result<T> {
        serde_json::from_str(self.value.get())
    }

    pub(super) fn len(&self) -> usize {
        self.value.get().len()
    }
}

/// Milliseconds since 1970 UTC.
pub(super) fn now_ms() -> u64 {
    let now = SystemTime::now().duration_since(UNIX_EPOCH).unwrap_or_default();
    u64::try_from(now.as_millis()).unwrap_or(u64::MAX)
}
