//! Configuration: the environment, read once at start. All errors are reported at once.
//!
//! [`settings::SETTINGS`] lists the variables. A blank value counts as unset. The AWS SDK reads its own variables, such
//! as `AWS_ENDPOINT_URL` and `AWS_REGION`, and [`crate::telemetry::logging`] the level of the log.

pub mod auth;
pub mod limits;
pub mod origins;
pub mod reader;
pub mod settings;
mod storage;

use std::net::{Ipv4Addr, SocketAddr};
use std::str::FromStr;
use std::time::Duration;

use cache_storage::StorageConfig;

use self::auth::Auth;
use self::limits::Limits;
use self::origins::AllowedOrigins;
use self::reader::{BoolValue, ConfigErrors, EnvReader};
use self::settings::{
    API_KEY_NAME, API_KEY_VALUE, CLOUDWATCH_METRICS, LISTEN, LOG_FORMAT, MAX_BODY_BYTES, OBJECT_CACHE_BYTES, READ_ONLY,
    REQUEST_TIMEOUT, SERVER_ID, SERVER_NAME, STRICT_NAMES, TEST_ROUTES, TTL_HOURS,
};
use crate::telemetry::logging::LogFormat;

/// Set by Lambda, for every custom runtime.
const RUNTIME_API: &str = "AWS_LAMBDA_RUNTIME_API";
/// Set by Lambda.
const FUNCTION_NAME: &str = "AWS_LAMBDA_FUNCTION_NAME";
/// What Lambda calls the memory of the function, in MiB.
const FUNCTION_MEMORY: &str = "AWS_LAMBDA_FUNCTION_MEMORY_SIZE";

/// How many bytes of contents are kept in memory unless the configuration says otherwise.
const DEFAULT_OBJECT_CACHE_BYTES: u64 = 64 * 1024 * 1024;
/// At most this fraction of a function's memory is for them: the rest is for bodies of up to 6 MB, and what is made of them.
const OBJECT_CACHE_FRACTION: u64 = 8;

/// The least that [`Config::max_in_memory_bytes`] can be, in bytes.
const MIN_IN_MEMORY_BYTES: u64 = 64 * 1024 * 1024;

/// The configuration of the process.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Config {
    /// Where entries live.
    pub storage: StorageConfig,
    /// The time to live of namespaces that set none, in hours.
    pub ttl_hours: u32,
    /// Who may call.
    pub auth: Auth,
    /// Whether everything is refused that changes what is stored.
    pub read_only: bool,
    /// From which origins pages may call.
    pub origins: AllowedOrigins,
    /// Where the local server listens.
    pub listen: SocketAddr,
    /// The largest request body in bytes, compressed or inflated.
    pub max_body_bytes: u64,
    /// How many bytes of contents the process keeps in memory in addition to the storage; 0 for none.
    pub object_cache_bytes: u64,
    /// Whether a name that needs sanitizing is refused.
    pub strict_names: bool,
    /// Whether the routes that make test data are served.
    pub test_routes: bool,
    /// How long one request may wait for the storage.
    pub request_timeout: Duration,
    /// What callers may use of connections and memory.
    pub limits: Limits,
    /// The format of log lines.
    pub log_format: LogFormat,
    /// The function's name in CloudWatch metrics; `None` to write no metrics.
    pub cloudwatch: Option<String>,
    /// What `/info/server` shows as the server's id.
    pub server_id: Option<String>,
    /// What `/info/server` shows as the server's name.
    pub server_name: Option<String>,
    /// Whether the process is a Lambda function.
    pub in_lambda: bool,
}

impl Config {
    /// Reads the configuration. `lookup` returns the value of a variable.
    ///
    /// # Errors
    ///
    /// Every variable whose value cannot be used.
    pub fn read(lookup: &dyn Fn(&str) -> Option<String>) -> Result<Self, ConfigErrors> {
        let mut reader = EnvReader::new(lookup);
        let in_lambda = reader.variable(RUNTIME_API).is_some();
        let auth = Auth::read(&mut reader, in_lambda);
        let max_body_bytes = reader.parsed(&MAX_BODY_BYTES);
        let config = Self {
            storage: storage::read(&mut reader, in_lambda),
            ttl_hours: reader.parsed(&TTL_HOURS),
            listen: listen(&mut reader, &auth, in_lambda),
            origins: AllowedOrigins::read(&mut reader, &auth),
            auth,
            read_only: reader.parsed::<BoolValue>(&READ_ONLY).0,
            max_body_bytes,
            object_cache_bytes: object_cache_bytes(&mut reader, in_lambda),
            strict_names: reader.parsed::<BoolValue>(&STRICT_NAMES).0,
            test_routes: reader.parsed::<BoolValue>(&TEST_ROUTES).0,
            request_timeout: Duration::from_secs(reader.parsed(&REQUEST_TIMEOUT)),
            limits: Limits::read(&mut reader, max_body_bytes),
            log_format: reader.parsed_or(&LOG_FORMAT, if in_lambda { LogFormat::Json } else { LogFormat::Text }),
            cloudwatch: cloudwatch(&mut reader, in_lambda),
            server_id: reader.text(&SERVER_ID),
            server_name: reader.text(&SERVER_NAME),
            in_lambda,
        };
        reader.finish(config)
    }

    /// The largest content that is read into memory, in bytes. Contents that were stored under a higher limit stay
    /// readable.
    pub fn max_in_memory_bytes(&self) -> u64 {
        self.max_body_bytes.max(MIN_IN_MEMORY_BYTES)
    }
}

fn object_cache_bytes(reader: &mut EnvReader<'_>, in_lambda: bool) -> u64 {
    let memory_mib: Option<u64> =
        reader.variable(FUNCTION_MEMORY).filter(|_| in_lambda).and_then(|mib| mib.parse().ok());
    let share = memory_mib.map_or(u64::MAX, |mib| mib.saturating_mul(1 << 20) / OBJECT_CACHE_FRACTION);
    reader.parsed_or(&OBJECT_CACHE_BYTES, share.min(DEFAULT_OBJECT_CACHE_BYTES))
}

/// Only Lambda forwards the log to CloudWatch, so elsewhere the metrics would be lost.
fn cloudwatch(reader: &mut EnvReader<'_>, in_lambda: bool) -> Option<String> {
    let BoolValue(wanted) = reader.parsed_or(&CLOUDWATCH_METRICS, BoolValue(in_lambda));
    if wanted && !in_lambda {
        reader.error(&CLOUDWATCH_METRICS, "is for Lambda functions: leave it out, and see /metrics");
    }
    (wanted && in_lambda).then(|| reader.variable(FUNCTION_NAME).unwrap_or_default())
}

/// The address. Without a key it must be reachable from this machine only.
fn listen(reader: &mut EnvReader<'_>, auth: &Auth, in_lambda: bool) -> SocketAddr {
    let Address(address) = reader.parsed(&LISTEN);
    if *auth == Auth::Disabled && !in_lambda && !address.ip().is_loopback() {
        let problem = format!(
            "{address} can be reached from elsewhere, but no API key is configured: set {} and {}, \
             or listen on 127.0.0.1",
            API_KEY_NAME.name, API_KEY_VALUE.name
        );
        reader.error(&LISTEN, problem);
    }
    address
}

/// A socket address, whose host may be `localhost`.
struct Address(SocketAddr);

impl Default for Address {
    fn default() -> Self {
        Self(SocketAddr::from((Ipv4Addr::LOCALHOST, 0)))
    }
}

impl FromStr for Address {
    type Err = std::net::AddrParseError;

    fn from_str(text: &str) -> Result<Self, Self::Err> {
        match text.strip_prefix("localhost:") {
            Some(port) => format!("127.0.0.1:{port}").parse().map(Self),
            None => text.parse().map(Self),
        }
    }
}

#[cfg(test)]
mod tests;
