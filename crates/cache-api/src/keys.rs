//! API keys: what each may do, and how much. Times are milliseconds since 1970 UTC.

use std::fmt;

use serde::{Deserialize, Serialize};

use crate::kinds::Permission;
use crate::names::KeyId;

/// Permissions on namespaces.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[cfg_attr(feature = "openapi", derive(utoipa::ToSchema))]
#[serde(deny_unknown_fields)]
pub struct Grant {
    /// Names of namespaces, or beginnings of names with `*` at the end; `*` alone means all.
    #[cfg_attr(feature = "openapi", schema(value_type = Vec<crate::names::NamespacePattern>, min_items = 1, max_items = 64))]
    pub namespaces: Vec<String>,
    /// What the key may do in each of them.
    #[cfg_attr(feature = "openapi", schema(min_items = 1))]
    pub permissions: Vec<Permission>,
}

/// How much a key may be used.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default, Serialize, Deserialize)]
#[cfg_attr(feature = "openapi", derive(utoipa::ToSchema))]
#[serde(deny_unknown_fields)]
pub struct KeyLimits {
    /// Requests per second in the long run.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    #[cfg_attr(feature = "openapi", schema(minimum = 1, maximum = 1000000))]
    pub requests_per_second: Option<u32>,
    /// How many requests may come at once; without it, as many as come in a second.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    #[cfg_attr(feature = "openapi", schema(minimum = 1, maximum = 1000000))]
    pub burst: Option<u32>,
    /// Bytes of requests and responses in a day (UTC).
    #[serde(default, skip_serializing_if = "Option::is_none")]
    #[cfg_attr(feature = "openapi", schema(minimum = 1, maximum = 9007199254740991_u64))]
    pub bytes_per_day: Option<u64>,
    /// Whether a request beyond a limit is only reported in the log.
    #[serde(default)]
    #[cfg_attr(feature = "openapi", schema(required = false))]
    pub report_only: bool,
}

/// A key that is to be made.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[cfg_attr(feature = "openapi", derive(utoipa::ToSchema))]
#[serde(deny_unknown_fields)]
pub struct NewKey {
    /// What people call it.
    #[cfg_attr(
        feature = "openapi",
        schema(min_length = 1, max_length = 100, pattern = r"^(?=.*\S)[^\u0000-\u001f\u007f-\u009f]+$")
    )]
    pub name: String,
    /// What people should know of it.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    #[cfg_attr(feature = "openapi", schema(max_length = 1000))]
    pub note: Option<String>,
    /// What it may do.
    #[cfg_attr(feature = "openapi", schema(min_items = 1, max_items = 64))]
    pub grants: Vec<Grant>,
    /// It is refused before this time.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    #[cfg_attr(feature = "openapi", schema(maximum = 9007199254740991_u64))]
    pub not_before: Option<u64>,
    /// It is refused from this time on.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    #[cfg_attr(feature = "openapi", schema(maximum = 9007199254740991_u64))]
    pub expires_at: Option<u64>,
    /// How much it may be used.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub limits: Option<KeyLimits>,
}

/// A change of a key. What is left out stays; `null` unsets a field that need not be set.
#[derive(Debug, Clone, PartialEq, Eq, Default, Serialize, Deserialize)]
#[cfg_attr(feature = "openapi", derive(utoipa::ToSchema))]
#[serde(deny_unknown_fields)]
pub struct KeyChange {
    /// What people call it.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    #[cfg_attr(
        feature = "openapi",
        schema(
            min_length = 1,
            max_length = 100,
            pattern = r"^(?=.*\S)[^\u0000-\u001f\u007f-\u009f]+$",
            nullable = false
        )
    )]
    pub name: Option<String>,
    /// What people should know of it.
    #[serde(default, skip_serializing_if = "Option::is_none", deserialize_with = "present")]
    #[cfg_attr(feature = "openapi", schema(value_type = Option<String>, max_length = 1000))]
    pub note: Option<Option<String>>,
    /// What it may do.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    #[cfg_attr(feature = "openapi", schema(min_items = 1, max_items = 64, nullable = false))]
    pub grants: Option<Vec<Grant>>,
    /// It is refused before this time.
    #[serde(default, skip_serializing_if = "Option::is_none", deserialize_with = "present")]
    #[cfg_attr(feature = "openapi", schema(value_type = Option<u64>, maximum = 9007199254740991_u64))]
    pub not_before: Option<Option<u64>>,
    /// It is refused from this time on.
    #[serde(default, skip_serializing_if = "Option::is_none", deserialize_with = "present")]
    #[cfg_attr(feature = "openapi", schema(value_type = Option<u64>, maximum = 9007199254740991_u64))]
    pub expires_at: Option<Option<u64>>,
    /// Whether it is refused from now on.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    #[cfg_attr(feature = "openapi", schema(nullable = false))]
    pub disabled: Option<bool>,
    /// How much it may be used.
    #[serde(default, skip_serializing_if = "Option::is_none", deserialize_with = "present")]
    #[cfg_attr(feature = "openapi", schema(value_type = Option<KeyLimits>))]
    pub limits: Option<Option<KeyLimits>>,
}

/// A field that is there, even if it is `null`.
fn present<'de, D, T>(deserializer: D) -> Result<Option<T>, D::Error>
where
    D: serde::Deserializer<'de>,
    T: Deserialize<'de>,
{
    T::deserialize(deserializer).map(Some)
}

/// How a key is rotated.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default, Serialize, Deserialize)]
#[cfg_attr(feature = "openapi", derive(utoipa::ToSchema))]
#[serde(deny_unknown_fields)]
pub struct Rotation {
    /// How long the old key stays valid, in seconds; a day without it, 0 for not at all.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    #[cfg_attr(feature = "openapi", schema(maximum = 31536000))]
    pub overlap_seconds: Option<u64>,
}

/// Whether a key is accepted.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[cfg_attr(feature = "openapi", derive(utoipa::ToSchema))]
#[serde(rename_all = "snake_case")]
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

/// A key, without the key itself.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[cfg_attr(feature = "openapi", derive(utoipa::ToSchema))]
pub struct KeyInfo {
    /// Names the key in lists and logs.
    pub id: KeyId,
    /// What people call it.
    pub name: String,
    /// What people should know of it.
    pub note: Option<String>,
    /// Whether it is accepted.
    pub status: KeyStatus,
    /// When it was made.
    pub created_at: u64,
    /// Who made it: the id of a key, or `root`.
    pub created_by: String,
    /// It is refused before this time.
    pub not_before: Option<u64>,
    /// It is refused from this time on.
    pub expires_at: Option<u64>,
    /// When it was disabled.
    pub disabled_at: Option<u64>,
    /// The key that replaces it, if it was rotated.
    pub replaced_by: Option<KeyId>,
    /// What it may do.
    pub grants: Vec<Grant>,
    /// How much it may be used; `null` without limits.
    pub limits: Option<KeyLimits>,
    /// When it was used last, exact to an hour, or to a minute if it has limits. `null` if it never was, and in answers to changes.
    pub last_used_at: Option<u64>,
}

/// A key that was just made. This is the only time that it is shown.
#[derive(Clone, PartialEq, Eq, Serialize, Deserialize)]
#[cfg_attr(feature = "openapi", derive(utoipa::ToSchema))]
pub struct KeyCreated {
    /// What has to be sent.
    pub key: String,
    /// What is stored of it.
    #[serde(flatten)]
    pub info: KeyInfo,
}

impl fmt::Debug for KeyCreated {
    /// Leaves out the key.
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("KeyCreated").field("info", &self.info).finish_non_exhaustive()
    }
}

/// Keys, in the order of their ids.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[cfg_attr(feature = "openapi", derive(utoipa::ToSchema))]
pub struct Keys {
    /// A page of them.
    pub keys: Vec<KeyInfo>,
    /// `null` on the last page.
    pub next_cursor: Option<String>,
}

/// A key is gone.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[cfg_attr(feature = "openapi", derive(utoipa::ToSchema))]
pub struct KeyDeleted {
    /// The key.
    pub id: KeyId,
    /// `true`
    pub deleted: bool,
}

/// Which kind of caller it is.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[cfg_attr(feature = "openapi", derive(utoipa::ToSchema))]
#[serde(rename_all = "snake_case")]
pub enum CallerKind {
    /// The server requires no key.
    Open,
    /// The key that the operator configured: it may do everything.
    Root,
    /// A key with permissions.
    Key,
}

/// What a caller is and may do.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[cfg_attr(feature = "openapi", derive(utoipa::ToSchema))]
pub struct WhoAmI {
    /// What kind of caller it is.
    pub kind: CallerKind,
    /// The id of its key.
    pub id: Option<KeyId>,
    /// The name of its key.
    pub name: Option<String>,
    /// What it may do; everything unless it has a key with permissions.
    pub grants: Vec<Grant>,
    /// When its key expires.
    pub expires_at: Option<u64>,
    /// How much it may use the service.
    pub limits: Option<KeyLimits>,
    /// Whether the server refuses everything that changes anything.
    pub read_only: bool,
}
