//! The keys outside of every namespace: what the service keeps for itself.
//!
//! | what | key below `.mgraph-cache/` |
//! |---|---|
//! | API key | `keys/{SHA-256 of the key}.json` |
//! | usage of an API key | `usage/{id of the key}/{2026-11-20, UTC}/{process}.json` |
//! | probe of the storage | `probe/...`, from a backend |

use chrono::{DateTime, Utc};

use crate::digest::Sha256Digest;
use crate::storage::ObjectKey;
use crate::time::UnixMillis;

use super::dated::MAX_DATED;

/// The folder of all API keys.
pub const API_KEYS: &str = ".mgraph-cache/keys/";
/// The folder of the usage of all API keys.
pub const USAGE: &str = ".mgraph-cache/usage/";

/// What is stored of an API key.
pub fn api_key(digest: &Sha256Digest) -> ObjectKey {
    key(format!("{API_KEYS}{digest}.json"))
}

/// The SHA-256 in a key that [`api_key`] made.
pub fn api_key_digest(key: &ObjectKey) -> Option<Sha256Digest> {
    key.as_str().strip_prefix(API_KEYS)?.strip_suffix(".json")?.parse().ok()
}

/// What a process has counted of an API key on a day.
pub fn usage(key_id: &str, day: UnixMillis, process: &str) -> ObjectKey {
    key(format!("{}{process}.json", usage_of_day(key_id, day)))
}

/// The folder of what all processes have counted of an API key on a day. It ends with `/`.
pub fn usage_of_day(key_id: &str, day: UnixMillis) -> String {
    let millis = i64::try_from(day.get().min(MAX_DATED)).ok();
    let day = millis.and_then(DateTime::<Utc>::from_timestamp_millis).unwrap_or_default();
    format!("{}{}/", usage_of_key(key_id), day.format("%Y-%m-%d"))
}

/// The folder of what was counted of an API key. It ends with `/`.
pub fn usage_of_key(key_id: &str) -> String {
    format!("{USAGE}{key_id}/")
}

/// The id of the API key in the key of an object below [`USAGE`].
pub fn key_of_usage(object: &str) -> &str {
    object.strip_prefix(USAGE).and_then(|rest| rest.split('/').next()).unwrap_or_default()
}

fn key(text: String) -> ObjectKey {
    text.parse().expect("digests, ids and days stay below the limit")
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_keys_of_the_service_itself_stay_where_they_are() {
        let digest = Sha256Digest::of(b"hello");
        let stored = api_key(&digest);
        assert_eq!(
            stored.as_str(),
            ".mgraph-cache/keys/2cf24dba5fb0a30e26e83b2ac5b9e29e1b161e5c1fa7425e73043362938b9824.json"
        );
        assert_eq!(api_key_digest(&stored), Some(digest));
        let counted = usage("2cf24dba5fb0", UnixMillis::new(1_795_176_411_520), "p");
        assert_eq!(counted.as_str(), ".mgraph-cache/usage/2cf24dba5fb0/2026-11-20/p.json");
        assert_eq!(key_of_usage(counted.as_str()), "2cf24dba5fb0");
        assert_eq!(key_of_usage("demo/namespace.json"), "");
    }
}
