//! How much a key may be used.

use cache_core::whole_number;
use serde::{Deserialize, Serialize};

/// The highest rate that can be set, per second.
pub const MAX_REQUESTS_PER_SECOND: u32 = 1_000_000;

/// The largest number that every reader of JSON takes exactly (RFC 8259, section 6).
pub(crate) const MAX_NUMBER: u64 = (1 << 53) - 1;

/// How much a key may be used. Exact within one process; several processes share a limit once they know of each other, which takes
/// about a minute.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Limits {
    /// Requests per second in the long run.
    #[serde(default, deserialize_with = "whole_number::optional", skip_serializing_if = "Option::is_none")]
    pub requests_per_second: Option<u32>,
    /// How many requests may come at once. Without it, as many as come in a second.
    #[serde(default, deserialize_with = "whole_number::optional", skip_serializing_if = "Option::is_none")]
    pub burst: Option<u32>,
    /// Bytes of requests and responses in a day (UTC).
    #[serde(default, deserialize_with = "whole_number::optional", skip_serializing_if = "Option::is_none")]
    pub bytes_per_day: Option<u64>,
    /// Whether a request beyond a limit is only reported in the log.
    #[serde(default, skip_serializing_if = "std::ops::Not::not")]
    pub report_only: bool,
}

impl Limits {
    /// Whether any limit is set.
    pub fn is_any(&self) -> bool {
        self.requests_per_second.is_some() || self.bytes_per_day.is_some()
    }

    /// Checks what the types alone do not say: the field that is wrong, and what to do.
    ///
    /// # Errors
    ///
    /// When a value is out of range.
    pub fn check(&self) -> Result<(), (&'static str, String)> {
        let in_range =
            |number: Option<u32>| number.is_none_or(|number| (1..=MAX_REQUESTS_PER_SECOND).contains(&number));
        let range = || format!("must be from 1 to {MAX_REQUESTS_PER_SECOND}, or null for no limit");
        if !in_range(self.requests_per_second) {
            return Err(("limits.requests_per_second", range()));
        }
        if !in_range(self.burst) {
            return Err(("limits.burst", range()));
        }
        if self.burst.is_some() && self.requests_per_second.is_none() {
            return Err(("limits.burst", "means nothing without 'requests_per_second': set it, too".to_owned()));
        }
        if self.bytes_per_day.is_some_and(|bytes| bytes == 0 || bytes > MAX_NUMBER) {
            return Err(("limits.bytes_per_day", format!("must be from 1 to {MAX_NUMBER}, or null for no limit")));
        }
        Ok(())
    }
}
