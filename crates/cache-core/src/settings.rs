//! The settings of a namespace: whether its entries expire, which strategies it takes, its quotas, and whether it is public.

use std::time::Duration;

use serde::{Deserialize, Serialize};
use thiserror::Error;

use crate::manifest::codec::to_json;
use crate::strategy::Strategy;
use crate::time::UnixMillis;
use crate::whole_number;

/// The longest time to live: ten years, in hours.
pub const MAX_TTL_HOURS: u32 = 10 * 365 * 24;

/// The largest quota: the largest number that every reader of JSON takes exactly (RFC 8259, section 6).
pub const MAX_QUOTA: u64 = (1 << 53) - 1;

/// The settings of a namespace. A namespace without any keeps everything forever and takes all strategies.
#[derive(Debug, Clone, PartialEq, Eq, Default, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Settings {
    /// How long an entry lives, in hours, 1 to [`MAX_TTL_HOURS`]. `None`: as long as the service's default says.
    #[serde(default, deserialize_with = "whole_number::optional")]
    pub ttl_hours: Option<u32>,
    /// What happens to an entry that is older.
    #[serde(default)]
    pub on_expiry: OnExpiry,
    /// The strategies that a store may use. `None`: all.
    #[serde(default)]
    pub strategies: Option<Vec<Strategy>>,
    /// Whether everybody may read the namespace, also without an API key.
    #[serde(default, skip_serializing_if = "std::ops::Not::not")]
    pub public_read: bool,
    /// How many entries the namespace may have.
    #[serde(default, deserialize_with = "whole_number::optional", skip_serializing_if = "Option::is_none")]
    pub max_entries: Option<u64>,
    /// How many bytes the contents of the namespace may have, each distinct content of a hash counted once.
    #[serde(default, deserialize_with = "whole_number::optional", skip_serializing_if = "Option::is_none")]
    pub max_bytes: Option<u64>,
}

/// What happens to an entry at the end of its time to live.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum OnExpiry {
    /// Nothing: the time to live is only informational.
    #[default]
    Keep,
    /// It is not found any more from that moment on, and the sweep removes it.
    Delete,
}

/// A setting that is out of range.
#[derive(Debug, Clone, PartialEq, Eq, Error)]
#[error("{field}: {message}")]
pub struct InvalidSetting {
    /// The setting.
    pub field: &'static str,
    /// What is wrong with it and what to do.
    pub message: String,
}

impl Settings {
    /// Checks what the types alone do not say. The error names the field and says what to do.
    ///
    /// # Errors
    ///
    /// When a value is out of range.
    pub fn check(&self) -> Result<(), InvalidSetting> {
        if self.ttl_hours.is_some_and(|hours| hours == 0 || hours > MAX_TTL_HOURS) {
            let message = format!("must be 1 to {MAX_TTL_HOURS}, or null for the service's default");
            return Err(InvalidSetting { field: "ttl_hours", message });
        }
        if self.strategies.as_ref().is_some_and(Vec::is_empty) {
            let message = "must name at least one strategy, or be null for all".to_owned();
            return Err(InvalidSetting { field: "strategies", message });
        }
        for (field, quota) in [("max_entries", self.max_entries), ("max_bytes", self.max_bytes)] {
            if quota.is_some_and(|quota| quota > MAX_QUOTA) {
                let message = format!("must be at most {MAX_QUOTA}, or null for no quota");
                return Err(InvalidSetting { field, message });
            }
        }
        Ok(())
    }

    /// Whether a store may use this strategy.
    pub fn allows(&self, strategy: Strategy) -> bool {
        self.strategies.as_ref().is_none_or(|allowed| allowed.contains(&strategy))
    }

    /// When an entry expires that is stored at this time, if ever.
    pub fn expires_at(&self, stored_at: UnixMillis, default_ttl_hours: u32) -> Option<UnixMillis> {
        let hours = u64::from(self.ttl_hours.unwrap_or(default_ttl_hours));
        (self.on_expiry == OnExpiry::Delete).then(|| stored_at.plus(Duration::from_secs(hours * 3600)))
    }

    /// The settings as stored.
    pub fn to_bytes(&self) -> Vec<u8> {
        to_json(self)
    }
}
