//! The names of dated views: ordered by time, so that a listing of them is in the order of time.

use std::fmt;
use std::str::FromStr;

use chrono::{DateTime, NaiveDateTime, Utc};

use crate::ids::CacheId;
use crate::nonce::Nonce;
use crate::time::UnixMillis;

/// How a time is spelled: the hour as folders, then minutes, seconds and milliseconds.
const TIME_FORMAT: &str = "%Y/%m/%d/%H/%M%S%3f";
/// Every time so spelled has this many characters.
const TIME_CHARS: usize = "2026/11/20/15/5204123".len();
/// How many characters an id has.
const ID_CHARS: usize = 36;
/// The last millisecond whose year has four digits, so that the order of time is the order of text.
pub(super) const MAX_DATED: u64 = 253_402_300_799_999;

/// The name of a dated view below the folder of its strategy.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct DatedName {
    /// When the entry was stored. Times after the year 9999 are spelled as that year's end.
    pub stored_at: UnixMillis,
    /// The entry.
    pub cache_id: CacheId,
    /// The nonce of its store.
    pub nonce: Nonce,
}

impl DatedName {
    /// The beginning of the names of all views of this time.
    pub fn time_prefix(time: UnixMillis) -> String {
        let millis = i64::try_from(time.get().min(MAX_DATED)).ok();
        let time = millis.and_then(DateTime::<Utc>::from_timestamp_millis);
        time.unwrap_or_default().format(TIME_FORMAT).to_string()
    }
}

impl fmt::Display for DatedName {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}-{}-{}.json", Self::time_prefix(self.stored_at), self.cache_id, self.nonce)
    }
}

impl FromStr for DatedName {
    type Err = NotADatedName;

    fn from_str(name: &str) -> Result<Self, NotADatedName> {
        parse(name).ok_or(NotADatedName)
    }
}

/// A text that is not a [`DatedName`].
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
#[error("is not the name of a dated view")]
pub struct NotADatedName;

fn parse(name: &str) -> Option<DatedName> {
    let (time, rest) = name.strip_suffix(".json")?.split_at_checked(TIME_CHARS)?;
    let (id, nonce) = rest.strip_prefix('-')?.split_at_checked(ID_CHARS)?;
    let time = NaiveDateTime::parse_from_str(time, TIME_FORMAT).ok()?.and_utc();
    Some(DatedName {
        stored_at: UnixMillis::new(u64::try_from(time.timestamp_millis()).ok()?),
        cache_id: id.parse().ok()?,
        nonce: nonce.strip_prefix('-')?.parse().ok()?,
    })
}

#[cfg(test)]
mod tests {
    use proptest::{prop_assert, prop_assert_eq, proptest};

    use super::*;

    proptest! {
        #[test]
        fn a_dated_name_is_read_back_and_ordered_by_time(millis in 0..MAX_DATED, id: u128, random: u64) {
            let name = DatedName {
                stored_at: UnixMillis::new(millis), cache_id: CacheId::from_u128(id), nonce: Nonce::from_random(random),
            };
            let text = name.to_string();
            prop_assert_eq!(text.parse(), Ok(name));
            let prefix = |millis| DatedName::time_prefix(UnixMillis::new(millis));
            prop_assert!(prefix(millis) < text && text < prefix(millis + 1));
        }
    }

    #[test]
    fn no_time_comes_after_the_year_9999() {
        assert_eq!(DatedName::time_prefix(UnixMillis::MAX), "9999/12/31/23/5959999");
    }
}
