//! From which origins pages may call.

use std::net::IpAddr;
use std::str::FromStr;

use thiserror::Error;

use super::auth::Auth;
use super::reader::EnvReader;
use super::settings::CORS_ORIGINS;

/// From which origins pages may call.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum AllowedOrigins {
    /// From all: they need the key as every caller does.
    Any,
    /// From pages that a server on this machine has served.
    Loopback,
    /// From these, each written as browsers do: scheme, host, and the port unless it is the scheme's own.
    List(Vec<String>),
}

impl AllowedOrigins {
    pub(super) fn read(reader: &mut EnvReader<'_>, auth: &Auth) -> Self {
        // Without a key, a page of another origin would have the rights of the person at this machine.
        let default = if *auth == Auth::Disabled { Self::Loopback } else { Self::Any };
        reader.parsed_or(&CORS_ORIGINS, default)
    }

    /// Whether a page of this origin may call.
    pub fn allow(&self, origin: &str) -> bool {
        match self {
            Self::Any => true,
            Self::Loopback => host(origin).is_some_and(is_loopback),
            Self::List(origins) => origins.iter().any(|allowed| allowed == origin),
        }
    }
}

/// A text that is not a list of origins.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Error)]
#[error("is neither '*' nor a list of origins")]
pub struct InvalidOrigins;

impl FromStr for AllowedOrigins {
    type Err = InvalidOrigins;

    fn from_str(text: &str) -> Result<Self, InvalidOrigins> {
        if text == "*" {
            return Ok(Self::Any);
        }
        let origins: Vec<String> = text.split(',').map(|origin| origin.trim().to_owned()).collect();
        let is_host = |host: &str| !host.is_empty() && host.bytes().all(|b| b.is_ascii_graphic() && b != b'/');
        let all_valid = origins.iter().all(|origin| host(origin).is_some_and(is_host));
        if all_valid { Ok(Self::List(origins)) } else { Err(InvalidOrigins) }
    }
}

/// What follows the scheme.
fn host(origin: &str) -> Option<&str> {
    origin.strip_prefix("http://").or_else(|| origin.strip_prefix("https://"))
}

/// Whether a host, with a port or without, is this machine. A name below `localhost` is, too (RFC 6761, 6.3).
pub fn is_loopback(host: &str) -> bool {
    let name = match host.rsplit_once(':') {
        Some((name, port)) if port.bytes().all(|byte| byte.is_ascii_digit()) => name,
        Some(_) | None => host,
    };
    let name = name.strip_suffix('.').unwrap_or(name).to_ascii_lowercase();
    let address = name.strip_prefix('[').and_then(|name| name.strip_suffix(']')).unwrap_or(&name);
    name == "localhost"
        || name.ends_with(".localhost")
        || address.parse::<IpAddr>().is_ok_and(|address| address.to_canonical().is_loopback())
}
