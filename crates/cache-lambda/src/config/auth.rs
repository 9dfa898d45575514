//! Who may call.

use std::fmt;
use std::str::FromStr;

use http::HeaderName;

use super::reader::EnvReader;
use super::settings::{API_KEY_NAME, API_KEY_VALUE};

/// Who may call.
#[derive(Clone, PartialEq, Eq)]
pub enum Auth {
    /// Every caller, because the server listens on this machine only.
    Disabled,
    /// Callers that send this key.
    ApiKey {
        /// The header or cookie that carries it.
        name: HeaderName,
        /// The cookie's name, whose case counts, unlike a header's.
        cookie: String,
        /// The key.
        value: String,
    },
    /// No caller: a function is publicly reachable, but has no key configured.
    DenyAll {
        /// The missing setting.
        reason: &'static str,
    },
}

impl Auth {
    pub(super) fn read(reader: &mut EnvReader<'_>, in_lambda: bool) -> Self {
        match (reader.text(&API_KEY_NAME), reader.text(&API_KEY_VALUE)) {
            (Some(name), Some(value)) => Self::api_key(reader, name, value),
            (None, _) if in_lambda => Self::DenyAll { reason: "Server does not have API key name setup" },
            (Some(_), None) if in_lambda => Self::DenyAll { reason: "Server does not have API key value setup" },
            (None, None) => Self::Disabled,
            (None, Some(_)) => {
                reader.error(&API_KEY_NAME, "is not set, but the key's value is: set both, or neither");
                Self::Disabled
            }
            (Some(_), None) => {
                reader.error(&API_KEY_VALUE, "is not set, but the key's name is: set both, or neither");
                Self::Disabled
            }
        }
    }

    fn api_key(reader: &mut EnvReader<'_>, cookie: String, value: String) -> Self {
        match HeaderName::from_str(&cookie) {
            Ok(name) => Self::ApiKey { name, cookie, value },
            Err(_) => {
                let problem = format!("'{cookie}' cannot name a header: use letters, digits, '-' and '_'");
                reader.error(&API_KEY_NAME, problem);
                Self::DenyAll { reason: "" }
            }
        }
    }
}

impl fmt::Debug for Auth {
    /// Leaves out the key.
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Disabled => f.write_str("Disabled"),
            Self::ApiKey { name, .. } => f.debug_struct("ApiKey").field("name", name).finish_non_exhaustive(),
            Self::DenyAll { reason } => f.debug_struct("DenyAll").field("reason", reason).finish(),
        }
    }
}
