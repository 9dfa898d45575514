//! The settings of a namespace: whether its entries expire, and which strategies it takes.

use serde::de::Error as _;
use serde::{Deserialize, Deserializer, Serialize};

use crate::record::to_json;
use crate::strategy::Strategy;

/// The longest time to live: ten years, in hours.
pub const MAX_TTL_HOURS: u32 = 10 * 365 * 24;

/// The settings of a namespace. A namespace without any keeps everything for ever and takes all strategies.
#[derive(Debug, Clone, PartialEq, Eq, Default, Serialize, Deserialize, utoipa::ToSchema)]
#[serde(deny_unknown_fields)]
pub struct Settings {
    /// How long an entry lives, in hours, 1 to [`MAX_TTL_HOURS`]. `None`: as long as the service's default says.
    #[serde(default, deserialize_with = "whole_number")]
    pub ttl_hours: Option<u32>,
    /// What happens to an entry that is older.
    #[serde(default)]
    pub on_expiry: OnExpiry,
    /// The strategies that a store may use. `None`: all.
    #[serde(default)]
    pub strategies: Option<Vec<Strategy>>,
}

/// What happens to an entry at the end of its time to live.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default, Serialize, Deserialize, utoipa::ToSchema)]
#[serde(rename_all = "snake_case")]
pub enum OnExpiry {
    /// Nothing: the time to live is for information.
    #[default]
    Keep,
    /// It is not found any more from that moment on, and the sweep removes it.
    Delete,
}

/// A number without a fraction, also when it is written as `48.0`: to JSON that is the same number.
fn whole_number<'de, D: Deserializer<'de>>(deserializer: D) -> Result<Option<u32>, D::Error> {
    let Some(number) = Option::<f64>::deserialize(deserializer)? else { return Ok(None) };
    let whole = number.fract() == 0.0 && (0.0..=f64::from(u32::MAX)).contains(&number);
    whole.then_some(Some(number as u32)).ok_or_else(|| D::Error::custom("ttl_hours must be a whole number of hours"))
}

impl Settings {
    /// Checks what the types alone do not say. The error names the field and says what to do.
    pub fn check(&self) -> Result<(), (&'static str, String)> {
        if self.ttl_hours.is_some_and(|hours| hours == 0 || hours > MAX_TTL_HOURS) {
            return Err(("ttl_hours", format!("must be 1 to {MAX_TTL_HOURS}, or null for the service's default")));
        }
        if self.strategies.as_ref().is_some_and(Vec::is_empty) {
            return Err(("strategies", "must name at least one strategy, or be null for all".to_owned()));
        }
        Ok(())
    }

    /// Whether a store may use this strategy.
    pub fn allows(&self, strategy: Strategy) -> bool {
        self.strategies.as_ref().is_none_or(|allowed| allowed.contains(&strategy))
    }

    /// When an entry expires that is stored at this time (both in milliseconds since 1970 UTC), if ever.
    pub fn expires_at(&self, stored_at: u64, default_ttl_hours: u32) -> Option<u64> {
        let hours = self.ttl_hours.unwrap_or(default_ttl_hours);
        (self.on_expiry == OnExpiry::Delete).then(|| stored_at + u64::from(hours) * 3_600_000)
    }

    /// The settings as stored.
    pub fn to_bytes(&self) -> Vec<u8> {
        to_json(self)
    }
}
