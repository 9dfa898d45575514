//! What is stored of a key, and when it is valid.

use cache_core::time::UnixMillis;
use serde::{Deserialize, Serialize};

use crate::api_key::KeyId;
use crate::limits::{Limits, MAX_NUMBER};
use crate::permission::Grants;

/// The longest name of a key, in characters.
pub const MAX_NAME_CHARS: usize = 100;
/// The longest note of a key, in characters.
pub const MAX_NOTE_CHARS: usize = 1000;
/// How many grants a key may have, and how many namespaces each of them may name.
pub const MAX_GRANTS: usize = 64;

/// A key as it is stored: everything but the key itself.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct KeyRecord {
    /// The id.
    pub id: KeyId,
    /// Who made it: the id of a key, or `root`.
    pub created_by: String,
    /// When it was made.
    pub created_at: UnixMillis,
    /// When it was disabled, if it is.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub disabled_at: Option<UnixMillis>,
    /// The key that replaces it, when it was rotated.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub replaced_by: Option<KeyId>,
    /// What its maker chooses.
    #[serde(flatten)]
    pub spec: KeySpec,
}

/// What the maker of a key chooses.
#[derive(Debug, Clone, PartialEq, Eq, Default, Serialize, Deserialize)]
pub struct KeySpec {
    /// What people call it, 1 to [`MAX_NAME_CHARS`] characters.
    pub name: String,
    /// What people should know of it, at most [`MAX_NOTE_CHARS`] characters.
    #[serde(default, skip_serializing_if = "String::is_empty")]
    pub note: String,
    /// It is refused before this time.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub not_before: Option<UnixMillis>,
    /// It is refused from this time on.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub expires_at: Option<UnixMillis>,
    /// What it may do.
    pub grants: Grants,
    /// How much it may be used.
    #[serde(default)]
    pub limits: Limits,
}

/// Whether a key is accepted.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum KeyStatus {
    /// It is.
    Active,
    /// It was disabled.
    Disabled,
    /// Its `expires_at` has passed.
    Expired,
    /// Its `not_before` has not come.
    NotYetValid,
}

impl KeyRecord {
    /// Whether it is accepted at this time.
    pub fn status(&self, now: UnixMillis) -> KeyStatus {
        if self.disabled_at.is_some() {
            KeyStatus::Disabled
        } else if self.spec.expires_at.is_some_and(|expires_at| expires_at <= now) {
            KeyStatus::Expired
        } else if self.spec.not_before.is_some_and(|not_before| now < not_before) {
            KeyStatus::NotYetValid
        } else {
            KeyStatus::Active
        }
    }
}

impl KeySpec {
    /// Checks what the types alone do not say: the field that is wrong, and what to do.
    ///
    /// # Errors
    ///
    /// When a value is out of range.
    pub fn check(&self) -> Result<(), (&'static str, String)> {
        let chars = self.name.chars().count();
        if self.name.trim().is_empty() || chars > MAX_NAME_CHARS || self.name.contains(char::is_control) {
            return Err((
                "name",
                format!("must have 1 to {MAX_NAME_CHARS} characters, none of them a control character"),
            ));
        }
        if self.note.chars().count() > MAX_NOTE_CHARS {
            return Err(("note", format!("must have at most {MAX_NOTE_CHARS} characters")));
        }
        if self.grants.0.is_empty() || self.grants.0.len() > MAX_GRANTS {
            return Err(("grants", format!("must be 1 to {MAX_GRANTS} grants: without one the key could do nothing")));
        }
        for grant in &self.grants.0 {
            if grant.namespaces.is_empty() || grant.namespaces.len() > MAX_GRANTS {
                return Err(("grants", format!("each must name 1 to {MAX_GRANTS} 'namespaces'; \"*\" means all")));
            }
            if grant.permissions.is_empty() {
                return Err(("grants", "each must name at least one of 'permissions'".to_owned()));
            }
        }
        for (field, time) in [("not_before", self.not_before), ("expires_at", self.expires_at)] {
            if time.is_some_and(|time| time.get() > MAX_NUMBER) {
                return Err((field, format!("must be at most {MAX_NUMBER}, in milliseconds since 1970 UTC")));
            }
        }
        if let (Some(from), Some(to)) = (self.not_before, self.expires_at)
            && to <= from
        {
            return Err(("expires_at", "must come after 'not_before'".to_owned()));
        }
        self.limits.check()
    }
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;

    fn record(fields: serde_json::Value) -> KeyRecord {
        let mut record = json!({
            "id": "0123456789ab", "name": "ci", "created_by": "root", "created_at": 1000,
            "grants": [{"namespaces": ["ci-*"], "permissions": ["read", "create"]}],
        });
        record.as_object_mut().unwrap().extend(fields.as_object().unwrap().clone());
        serde_json::from_value(record).unwrap()
    }

    #[track_caller]
    fn check(fields: serde_json::Value, now: u64, expected: KeyStatus) {
        assert_eq!(record(fields).status(UnixMillis::new(now)), expected);
    }

    #[test]
    fn a_key_is_valid_from_not_before_until_it_expires_unless_it_is_disabled() {
        check(json!({}), 0, KeyStatus::Active);
        check(json!({"not_before": 5}), 4, KeyStatus::NotYetValid);
        check(json!({"not_before": 5}), 5, KeyStatus::Active);
        check(json!({"expires_at": 5}), 4, KeyStatus::Active);
        check(json!({"expires_at": 5}), 5, KeyStatus::Expired);
        check(json!({"expires_at": 5, "disabled_at": 9}), 4, KeyStatus::Disabled);
    }

    #[test]
    fn a_record_is_stored_as_it_was() {
        let record = record(json!({"note": "n", "limits": {"requests_per_second": 5}, "replaced_by": "ba9876543210"}));
        let text = serde_json::to_string(&record).unwrap();
        assert_eq!(serde_json::from_str::<KeyRecord>(&text).unwrap(), record);
    }

    #[test]
    fn what_makes_no_sense_is_refused_with_the_field() {
        let field = |fields| record(fields).spec.check().err().map(|(field, _)| field);
        assert_eq!(field(json!({})), None);
        let written_as_fractions = json!({"requests_per_second": 5.0, "burst": 6.0, "bytes_per_day": 17592186044416.0});
        assert_eq!(field(json!({"limits": written_as_fractions})), None, "to JSON that is the same number");
        for (fields, wrong) in [
            (json!({"name": " "}), "name"),
            (json!({"name": "x".repeat(101)}), "name"),
            (json!({"name": "a\nb"}), "name"),
            (json!({"note": "x".repeat(1001)}), "note"),
            (json!({"grants": []}), "grants"),
            (json!({"grants": [{"namespaces": [], "permissions": ["read"]}]}), "grants"),
            (json!({"grants": [{"namespaces": ["a"], "permissions": []}]}), "grants"),
            (json!({"not_before": 5, "expires_at": 5}), "expires_at"),
            (json!({"limits": {"requests_per_second": 0}}), "limits.requests_per_second"),
            (json!({"limits": {"burst": 5}}), "limits.burst"),
            (json!({"limits": {"bytes_per_day": 0}}), "limits.bytes_per_day"),
        ] {
            assert_eq!(field(fields.clone()), Some(wrong), "{fields}");
        }
    }
}
