//! Configuration: the environment, read once at start. All errors are reported at once.
//!
//! | variable | default | what it sets |
//! |---|---|---|
//! | `CACHE__SERVICE__STORAGE_MODE` | `s3` in Lambda or with a bucket name, else `local_disk` | where entries live: `s3`, `local_disk`, `memory` |
//! | `CACHE__SERVICE__BUCKET_NAME` | | the S3 bucket |
//! | `CACHE__SERVICE__LOCAL_DISK_PATH` | `./.mgraph-cache` | the folder of `local_disk` |
//! | `CACHE__SERVICE__DEFAULT_TTL_HOURS` | 24 | the lifetime that namespaces show when they have none of their own |
//! | `CACHE__SERVICE__STRICT_NAMES` | false | refuse names that would have to be cleaned |
//! | `CACHE__SERVICE__MAX_BODY_BYTES` | 67108864 | the largest request body, compressed or inflated |
//! | `CACHE__SERVICE__BLOB_CACHE_BYTES` | 67108864 | how many bytes of contents this process keeps in memory; 0 for none |
//! | `CACHE__SERVICE__REQUEST_TIMEOUT_SECONDS` | 25 | how long one request may keep trying; in Lambda the invocation's own deadline counts |
//! | `CACHE__SERVICE__TEST_ROUTES` | false | whether the routes that make test data are there |
//! | `CACHE__SERVICE__CORS_ORIGINS` | `*` with an API key, else pages of this machine | from which origins pages may call: `*`, or origins with commas between |
//! | `CACHE__SERVICE__LOG_FORMAT` | `json` in Lambda, else `text` | how the lines of the log look |
//! | `CACHE__SERVICE__CLOUDWATCH_METRICS` | true in Lambda, else false | whether the log of a function carries metrics for CloudWatch |
//! | `CACHE__SERVICE__LISTEN` | `127.0.0.1:10017` | where the local server listens |
//! | `FAST_API__AUTH__API_KEY__NAME`, `FAST_API__AUTH__API_KEY__VALUE` | | the header or cookie that carries the API key, and the key |
//! | `FAST_API__SERVER_ID`, `FAST_API__SERVER_NAME` | | what `/info/server` shows |
//!
//! A blank value counts as unset. AWS's own variables, such as `AWS_ENDPOINT_URL` and `AWS_REGION`, are read by its SDK, and the level of the log
//! by [`crate::telemetry::logging`].

use std::fmt;
use std::net::{IpAddr, SocketAddr};
use std::path::PathBuf;
use std::str::FromStr;
use std::time::Duration;

use http::HeaderName;
use thiserror::Error;

use crate::telemetry::logging::LogFormat;

/// The prefix of the variables that are ours alone.
const PREFIX: &str = "CACHE__SERVICE__";

const STORAGE_MODE: &str = "CACHE__SERVICE__STORAGE_MODE";
const BUCKET_NAME: &str = "CACHE__SERVICE__BUCKET_NAME";
const LOCAL_DISK_PATH: &str = "CACHE__SERVICE__LOCAL_DISK_PATH";
const TTL_HOURS: &str = "CACHE__SERVICE__DEFAULT_TTL_HOURS";
const STRICT_NAMES: &str = "CACHE__SERVICE__STRICT_NAMES";
const MAX_BODY_BYTES: &str = "CACHE__SERVICE__MAX_BODY_BYTES";
const BLOB_CACHE_BYTES: &str = "CACHE__SERVICE__BLOB_CACHE_BYTES";
const REQUEST_TIMEOUT: &str = "CACHE__SERVICE__REQUEST_TIMEOUT_SECONDS";
const TEST_ROUTES: &str = "CACHE__SERVICE__TEST_ROUTES";
const CORS_ORIGINS: &str = "CACHE__SERVICE__CORS_ORIGINS";
const LOG_FORMAT: &str = "CACHE__SERVICE__LOG_FORMAT";
const CLOUDWATCH_METRICS: &str = "CACHE__SERVICE__CLOUDWATCH_METRICS";
const LISTEN: &str = "CACHE__SERVICE__LISTEN";
const KEY_NAME: &str = "FAST_API__AUTH__API_KEY__NAME";
const KEY_VALUE: &str = "FAST_API__AUTH__API_KEY__VALUE";
const SERVER_ID: &str = "FAST_API__SERVER_ID";
const SERVER_NAME: &str = "FAST_API__SERVER_NAME";
/// Set by Lambda for every custom runtime, and by nobody else.
const RUNTIME_API: &str = "AWS_LAMBDA_RUNTIME_API";

/// Set by Lambda.
const FUNCTION_NAME: &str = "AWS_LAMBDA_FUNCTION_NAME";

/// All names that begin with [`PREFIX`] and mean something.
const OURS: [&str; 13] = [
    STORAGE_MODE,
    BUCKET_NAME,
    LOCAL_DISK_PATH,
    TTL_HOURS,
    STRICT_NAMES,
    MAX_BODY_BYTES,
    BLOB_CACHE_BYTES,
    REQUEST_TIMEOUT,
    TEST_ROUTES,
    CORS_ORIGINS,
    LOG_FORMAT,
    CLOUDWATCH_METRICS,
    LISTEN,
];

/// The largest request body unless configured, in bytes.
pub const DEFAULT_MAX_BODY_BYTES: u64 = 64 * 1024 * 1024;

/// How many bytes of contents a process keeps in memory unless configured.
pub const DEFAULT_BLOB_CACHE_BYTES: u64 = 64 * 1024 * 1024;

/// Everything that the environment decides.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Config {
    /// Where entries live.
    pub storage: StorageChoice,
    /// The lifetime that namespaces show when they have none of their own, in hours.
    pub ttl_hours: u32,
    /// Who may call.
    pub auth: Auth,
    /// From which origins pages may call.
    pub origins: AllowedOrigins,
    /// Where the local server listens.
    pub listen: SocketAddr,
    /// The largest request body in bytes, compressed or inflated.
    pub max_body_bytes: u64,
    /// How many bytes of contents the process keeps in memory beside the storage; 0 for none.
    pub blob_cache_bytes: u64,
    /// Whether a name that would have to be cleaned is refused.
    pub strict_names: bool,
    /// Whether the routes that make test data are there.
    pub test_routes: bool,
    /// How long one request may keep trying.
    pub request_timeout: Duration,
    /// How the lines of the log look.
    pub log_format: LogFormat,
    /// Under which function's name CloudWatch is to keep metrics; `None` if it is not to.
    pub cloudwatch: Option<String>,
    /// What `/info/server` shows as the server's id.
    pub server_id: Option<String>,
    /// What `/info/server` shows as the server's name.
    pub server_name: Option<String>,
    /// Whether the process is a Lambda function.
    pub in_lambda: bool,
}

/// Where entries live.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum StorageChoice {
    /// In a bucket.
    S3 {
        /// Its name.
        bucket: String,
    },
    /// In a folder.
    LocalDisk {
        /// The folder; it is made when it is not there.
        path: PathBuf,
    },
    /// In this process, and gone with it.
    Memory,
}

impl StorageChoice {
    /// The name of the mode, as the configuration and `/server/storage/info` spell it.
    pub const fn mode(&self) -> &'static str {
        match self {
            Self::S3 { .. } => "s3",
            Self::LocalDisk { .. } => "local_disk",
            Self::Memory => "memory",
        }
    }
}

impl fmt::Display for StorageChoice {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::S3 { bucket } => write!(f, "the S3 bucket {bucket}"),
            Self::LocalDisk { path } => write!(f, "the folder {}", path.display()),
            Self::Memory => f.write_str("memory (gone when the server stops)"),
        }
    }
}

/// Who may call.
#[derive(Clone, PartialEq, Eq)]
pub enum Auth {
    /// Everybody who can reach a server that listens on this machine only.
    Disabled,
    /// Who shows this key.
    ApiKey {
        /// The header or cookie that carries it.
        name: HeaderName,
        /// The cookie's name, which other than a header's keeps its case.
        cookie: String,
        /// The key.
        value: String,
    },
    /// Nobody: a function that the world can reach has no key configured.
    DenyAll {
        /// What is missing.
        reason: &'static str,
    },
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

/// One thing that is wrong in the environment.
#[derive(Debug, Clone, PartialEq, Eq, Error)]
#[error("{variable}: {problem}")]
pub struct ConfigError {
    /// The variable.
    pub variable: &'static str,
    /// What is wrong with it and what to do.
    pub problem: String,
}

/// Everything that is wrong in the environment.
#[derive(Debug, Clone, PartialEq, Eq, Error)]
#[error("{}", .0.iter().map(ToString::to_string).collect::<Vec<_>>().join("\n"))]
pub struct ConfigErrors(pub Vec<ConfigError>);

impl Config {
    /// Reads the configuration. `lookup` gives the value of a variable.
    pub fn read(lookup: &dyn Fn(&str) -> Option<String>) -> Result<Self, ConfigErrors> {
        let mut reader = EnvReader { lookup, errors: Vec::new() };
        let in_lambda = reader.text(RUNTIME_API).is_some();
        let auth = reader.auth(in_lambda);
        let storage = reader.storage(in_lambda);
        let config = Self {
            blob_cache_bytes: reader.parsed(
                BLOB_CACHE_BYTES,
                DEFAULT_BLOB_CACHE_BYTES,
                "a number of bytes such as 67108864, or 0 for none",
            ),
            storage,
            ttl_hours: reader.parsed(TTL_HOURS, 24, "a number of hours such as 24"),
            listen: reader.listen(&auth, in_lambda),
            origins: reader.origins(&auth),
            auth,
            max_body_bytes: reader.parsed(MAX_BODY_BYTES, DEFAULT_MAX_BODY_BYTES, "a number of bytes such as 67108864"),
            strict_names: reader.parsed(STRICT_NAMES, BoolValue(false), BOOL_HINT).0,
            test_routes: reader.parsed(TEST_ROUTES, BoolValue(false), BOOL_HINT).0,
            request_timeout: Duration::from_secs(reader.parsed(REQUEST_TIMEOUT, 25, "a number of seconds such as 25")),
            log_format: reader.log_format(in_lambda),
            cloudwatch: reader.cloudwatch(in_lambda),
            server_id: reader.text(SERVER_ID),
            server_name: reader.text(SERVER_NAME),
            in_lambda,
        };
        if reader.errors.is_empty() { Ok(config) } else { Err(ConfigErrors(reader.errors)) }
    }

    /// The largest content that is read into memory, in bytes. What came in by a body under another limit stays readable.
    pub fn max_in_memory_bytes(&self) -> u64 {
        self.max_body_bytes.max(DEFAULT_MAX_BODY_BYTES)
    }
}

/// A warning for each variable that looks like ours and means nothing.
pub fn warnings(names: impl IntoIterator<Item = String>) -> Vec<String> {
    let unknown = names.into_iter().filter(|name| name.starts_with(PREFIX) && !OURS.contains(&name.as_str()));
    unknown.map(|name| format!("{name} is set, but means nothing here: did you mean {}?", nearest(&name))).collect()
}

fn nearest(name: &str) -> &'static str {
    OURS.into_iter().min_by_key(|known| strsim::levenshtein(known, name)).unwrap_or(STORAGE_MODE)
}

/// Reads variables and remembers what is wrong with them.
struct EnvReader<'a> {
    lookup: &'a dyn Fn(&str) -> Option<String>,
    errors: Vec<ConfigError>,
}

impl EnvReader<'_> {
    /// The value of a variable, `None` when it is blank.
    fn text(&self, name: &str) -> Option<String> {
        (self.lookup)(name).map(|value| value.trim().to_owned()).filter(|value| !value.is_empty())
    }

    fn error(&mut self, variable: &'static str, problem: impl Into<String>) {
        self.errors.push(ConfigError { variable, problem: problem.into() });
    }

    fn parsed<T: FromStr>(&mut self, name: &'static str, default: T, hint: &str) -> T {
        let Some(text) = self.text(name) else { return default };
        text.parse().unwrap_or_else(|_| {
            self.error(name, format!("'{text}' is not usable: give {hint}, or leave it out"));
            default
        })
    }

    fn storage(&mut self, in_lambda: bool) -> StorageChoice {
        let bucket = self.text(BUCKET_NAME);
        let automatic = if in_lambda || bucket.is_some() { "s3" } else { "local_disk" };
        match self.text(STORAGE_MODE).as_deref().unwrap_or(automatic) {
            "s3" => self.bucket(bucket),
            "local_disk" => {
                let path = self.text(LOCAL_DISK_PATH).unwrap_or_else(|| "./.mgraph-cache".to_owned());
                StorageChoice::LocalDisk { path: path.into() }
            }
            "memory" => StorageChoice::Memory,
            other => {
                self.error(STORAGE_MODE, format!("'{other}' is not available: use s3, local_disk or memory"));
                StorageChoice::Memory
            }
        }
    }

    fn bucket(&mut self, bucket: Option<String>) -> StorageChoice {
        if bucket.is_none() {
            self.error(BUCKET_NAME, "is not set, but the storage is S3: give the name of a bucket that exists");
        }
        StorageChoice::S3 { bucket: bucket.unwrap_or_default() }
    }

    fn auth(&mut self, in_lambda: bool) -> Auth {
        match (self.text(KEY_NAME), self.text(KEY_VALUE)) {
            (Some(name), Some(value)) => self.key(name, value),
            (None, _) if in_lambda => Auth::DenyAll { reason: "Server does not have API key name setup" },
            (Some(_), None) if in_lambda => Auth::DenyAll { reason: "Server does not have API key value setup" },
            (None, None) => Auth::Disabled,
            (None, Some(_)) => {
                self.error(KEY_NAME, "is not set, but the key's value is: set both, or neither");
                Auth::Disabled
            }
            (Some(_), None) => {
                self.error(KEY_VALUE, "is not set, but the key's name is: set both, or neither");
                Auth::Disabled
            }
        }
    }

    fn key(&mut self, cookie: String, value: String) -> Auth {
        match HeaderName::from_str(&cookie) {
            Ok(name) => Auth::ApiKey { name, cookie, value },
            Err(_) => {
                self.error(KEY_NAME, format!("'{cookie}' cannot name a header: use letters, digits, '-' and '_'"));
                Auth::DenyAll { reason: "" }
            }
        }
    }

    fn origins(&mut self, auth: &Auth) -> AllowedOrigins {
        // Whoever has no key must not be lent the place of somebody who sits at this machine.
        let default = if *auth == Auth::Disabled { AllowedOrigins::Loopback } else { AllowedOrigins::Any };
        self.parsed(CORS_ORIGINS, default, "'*', or origins such as https://app.example with commas between")
    }

    fn log_format(&mut self, in_lambda: bool) -> LogFormat {
        let default = if in_lambda { LogFormat::Json } else { LogFormat::Text };
        self.parsed(LOG_FORMAT, default, "text or json")
    }

    /// Only Lambda hands the log on to CloudWatch, so elsewhere it would be asked for in vain.
    fn cloudwatch(&mut self, in_lambda: bool) -> Option<String> {
        let BoolValue(wanted) = self.parsed(CLOUDWATCH_METRICS, BoolValue(in_lambda), BOOL_HINT);
        if wanted && !in_lambda {
            self.error(CLOUDWATCH_METRICS, "is for Lambda functions: leave it out, and see /metrics");
        }
        (wanted && in_lambda).then(|| self.text(FUNCTION_NAME).unwrap_or_default())
    }

    /// The address, which only this machine can reach as long as there is no key.
    fn listen(&mut self, auth: &Auth, in_lambda: bool) -> SocketAddr {
        let default = SocketAddr::new(IpAddr::from([127, 0, 0, 1]), 10017);
        let Address(address) =
            self.parsed(LISTEN, Address(default), "an IP address and a port such as 127.0.0.1:10017");
        if *auth == Auth::Disabled && !in_lambda && !address.ip().is_loopback() {
            let problem = format!(
                "{address} can be reached from elsewhere, but no API key is configured: set {KEY_NAME} and {KEY_VALUE}, \
                 or listen on 127.0.0.1"
            );
            self.error(LISTEN, problem);
        }
        address
    }
}

/// From which origins pages may call.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum AllowedOrigins {
    /// From all: they need the key as everybody else.
    Any,
    /// From pages that a server on this machine has served.
    Loopback,
    /// From these, each written as browsers do: scheme, host, and the port unless it is the scheme's own.
    List(Vec<String>),
}

impl AllowedOrigins {
    /// Whether a page of this origin may call.
    pub fn allow(&self, origin: &str) -> bool {
        match self {
            Self::Any => true,
            Self::Loopback => {
                let host = origin.strip_prefix("http://").or_else(|| origin.strip_prefix("https://"));
                let local = |host: &str| {
                    ["localhost", "127.0.0.1", "[::1]"].iter().any(|local| {
                        host.strip_prefix(local).is_some_and(|port| port.is_empty() || port.starts_with(':'))
                    })
                };
                host.is_some_and(local)
            }
            Self::List(origins) => origins.iter().any(|allowed| allowed == origin),
        }
    }
}

impl FromStr for AllowedOrigins {
    type Err = ();

    fn from_str(text: &str) -> Result<Self, ()> {
        if text == "*" {
            return Ok(Self::Any);
        }
        let origins: Vec<String> = text.split(',').map(|origin| origin.trim().to_owned()).collect();
        let is_origin = |origin: &String| {
            let host = origin.strip_prefix("http://").or_else(|| origin.strip_prefix("https://"));
            host.is_some_and(|host| !host.is_empty() && host.bytes().all(|b| b.is_ascii_graphic() && b != b'/'))
        };
        if origins.iter().all(is_origin) { Ok(Self::List(origins)) } else { Err(()) }
    }
}

const BOOL_HINT: &str = "true or false";

/// A yes or no.
struct BoolValue(bool);

impl FromStr for BoolValue {
    type Err = ();

    fn from_str(text: &str) -> Result<Self, ()> {
        match text.to_ascii_lowercase().as_str() {
            "true" | "1" | "yes" | "on" => Ok(Self(true)),
            "false" | "0" | "no" | "off" => Ok(Self(false)),
            _ => Err(()),
        }
    }
}

/// A socket address, whose host may be `localhost`.
struct Address(SocketAddr);

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
