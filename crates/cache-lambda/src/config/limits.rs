//! How much of connections and memory the server gives to its callers.

use std::num::{NonZeroU32, ParseIntError};
use std::str::FromStr;
use std::time::Duration;

use super::reader::EnvReader;
use super::settings::Setting;
use super::settings::server::{
    BODY_TIMEOUT, HEAD_TIMEOUT, IDLE_TIMEOUT, MAX_CONNECTIONS, MAX_IN_FLIGHT_BYTES, SHUTDOWN_TIMEOUT,
};

/// The limits of connections, and of what they hold in memory. The defaults fit a machine of 512 MB.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Limits {
    /// How many connections may be open.
    pub max_connections: usize,
    /// How many bytes of bodies and responses may be in memory at once.
    pub max_in_flight_bytes: u64,
    /// How long the request line and headers may take from their first byte.
    pub head_timeout: Duration,
    /// How long each read of a body and each write of a response may wait.
    pub body_timeout: Duration,
    /// How long a connection may stay open without a request.
    pub idle_timeout: Duration,
    /// How long open requests may go on after the server was asked to stop.
    pub shutdown_timeout: Duration,
}

impl Limits {
    pub(super) fn read(reader: &mut EnvReader<'_>, max_body_bytes: u64) -> Self {
        let max_in_flight_bytes = reader.parsed_or(&MAX_IN_FLIGHT_BYTES, max_body_bytes.saturating_mul(2));
        if max_in_flight_bytes < max_body_bytes {
            let problem = format!(
                "'{max_in_flight_bytes}' has no room for the largest body: give {}",
                MAX_IN_FLIGHT_BYTES.expected
            );
            reader.error(&MAX_IN_FLIGHT_BYTES, problem);
        }
        Self {
            max_connections: reader.parsed::<Count>(&MAX_CONNECTIONS).0 as usize,
            max_in_flight_bytes,
            head_timeout: seconds(reader, &HEAD_TIMEOUT),
            body_timeout: seconds(reader, &BODY_TIMEOUT),
            idle_timeout: seconds(reader, &IDLE_TIMEOUT),
            shutdown_timeout: seconds(reader, &SHUTDOWN_TIMEOUT),
        }
    }
}

fn seconds(reader: &mut EnvReader<'_>, setting: &Setting) -> Duration {
    Duration::from_secs(reader.parsed::<Count>(setting).0.into())
}

/// A number from 1.
struct Count(u32);

impl Default for Count {
    fn default() -> Self {
        Self(1)
    }
}

impl FromStr for Count {
    type Err = ParseIntError;

    fn from_str(text: &str) -> Result<Self, ParseIntError> {
        text.parse::<NonZeroU32>().map(|number| Self(number.get()))
    }
}
