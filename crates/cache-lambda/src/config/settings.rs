//! Every environment variable that the service or a library under it reads.
//!
//! [`SETTINGS`] is the one list: `--help`, the table in docs/settings.md and the check for misspelt names are made
//! from it.

use std::fmt::Write;

pub mod server;

use server::{BODY_TIMEOUT, HEAD_TIMEOUT, IDLE_TIMEOUT, MAX_CONNECTIONS, MAX_IN_FLIGHT_BYTES, SHUTDOWN_TIMEOUT};

/// The prefix of the variables that only this service has.
const PREFIX: &str = "CACHE__SERVICE__";

/// An environment variable.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Setting {
    /// Its name.
    pub name: &'static str,
    /// Its value when it is not set.
    pub default: DefaultValue,
    /// Its meaning, in Markdown.
    pub help: &'static str,
    /// The expected value, for error messages: "a number of bytes such as 67108864".
    pub expected: &'static str,
}

/// The value of a variable that is not set.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum DefaultValue {
    /// None.
    Unset,
    /// This one.
    Value(&'static str),
    /// It depends; in Markdown.
    Rule(&'static str),
}

const BOOL: &str = "true or false";

/// Where entries live.
pub const STORAGE_MODE: Setting = Setting {
    name: "CACHE__SERVICE__STORAGE_MODE",
    default: DefaultValue::Rule("`s3` in Lambda or with a bucket name, else `local_disk`"),
    help: "where entries live: `s3`, `local_disk`, `sqlite`, `zip` or `memory`",
    expected: "s3, local_disk, sqlite, zip or memory",
};
/// The bucket.
pub const BUCKET_NAME: Setting = Setting {
    name: "CACHE__SERVICE__BUCKET_NAME",
    default: DefaultValue::Unset,
    help: "the S3 bucket; it is not created",
    expected: "the name of a bucket that exists",
};
/// The folder.
pub const LOCAL_DISK_PATH: Setting = Setting {
    name: "CACHE__SERVICE__LOCAL_DISK_PATH",
    default: DefaultValue::Value("./.mgraph-cache"),
    help: "the folder of `local_disk`; it is created",
    expected: "a folder",
};
/// The SQLite file.
pub const SQLITE_PATH: Setting = Setting {
    name: "CACHE__SERVICE__SQLITE_PATH",
    default: DefaultValue::Value("./.mgraph-cache.sqlite"),
    help: "the file of `sqlite`; it is created. `:memory:` is gone when the process ends",
    expected: "a file, or ':memory:'",
};
/// The archive.
pub const ZIP_PATH: Setting = Setting {
    name: "CACHE__SERVICE__ZIP_PATH",
    default: DefaultValue::Value("./.mgraph-cache.zip"),
    help: "the archive of `zip`; it is created",
    expected: "a file",
};
/// The limit of the archive.
pub const ZIP_MAX_BYTES: Setting = Setting {
    name: "CACHE__SERVICE__ZIP_MAX_BYTES",
    default: DefaultValue::Value("1073741824"),
    help: "how large the archive of `zip` may grow, at most 4294967295; a store that does not fit is a 507",
    expected: "a number of bytes such as 1073741824",
};
/// The address of the server.
pub const LISTEN: Setting = Setting {
    name: "CACHE__SERVICE__LISTEN",
    default: DefaultValue::Value("127.0.0.1:10017"),
    help: "where the server listens. Without an API key, only an address of this machine",
    expected: "an IP address and a port such as 127.0.0.1:10017",
};
/// The header or cookie of the API key.
pub const API_KEY_NAME: Setting = Setting {
    name: "FAST_API__AUTH__API_KEY__NAME",
    default: DefaultValue::Unset,
    help: "the header or cookie that carries the API key",
    expected: "the name of a header",
};
/// The API key.
pub const API_KEY_VALUE: Setting = Setting {
    name: "FAST_API__AUTH__API_KEY__VALUE",
    default: DefaultValue::Unset,
    help: "the API key; set name and value, or neither",
    expected: "a key",
};
/// Whether the instance only reads.
pub const READ_ONLY: Setting = Setting {
    name: "CACHE__SERVICE__READ_ONLY",
    default: DefaultValue::Value("false"),
    help: "refuse everything that changes what is stored, with 403",
    expected: BOOL,
};
/// The limit of request bodies.
pub const MAX_BODY_BYTES: Setting = Setting {
    name: "CACHE__SERVICE__MAX_BODY_BYTES",
    default: DefaultValue::Value("67108864"),
    help: "the largest request body, as sent and inflated",
    expected: "a number of bytes such as 67108864",
};
/// The size of the cache in memory.
pub const OBJECT_CACHE_BYTES: Setting = Setting {
    name: "CACHE__SERVICE__OBJECT_CACHE_BYTES",
    default: DefaultValue::Rule("`67108864`, in Lambda at most an eighth of the function's memory"),
    help: "how many bytes of contents the process keeps in memory, to read and hash them only once; 0 for none",
    expected: "a number of bytes such as 67108864, or 0 for none",
};
/// The timeout of a request.
pub const REQUEST_TIMEOUT: Setting = Setting {
    name: "CACHE__SERVICE__REQUEST_TIMEOUT_SECONDS",
    default: DefaultValue::Value("25"),
    help: "how long a request waits for the storage before it is a 503; in Lambda until 0.5 s before the invocation's end",
    expected: "a number of seconds such as 25",
};
/// The default time to live.
pub const TTL_HOURS: Setting = Setting {
    name: "CACHE__SERVICE__DEFAULT_TTL_HOURS",
    default: DefaultValue::Value("24"),
    help: "the time to live of namespaces that set no `ttl_hours`; it only deletes where `on_expiry` is `delete`",
    expected: "a number of hours such as 24",
};
/// Whether names are sanitized.
pub const STRICT_NAMES: Setting = Setting {
    name: "CACHE__SERVICE__STRICT_NAMES",
    default: DefaultValue::Value("false"),
    help: "refuse names that would otherwise be sanitized",
    expected: BOOL,
};
/// Whether there are test routes.
pub const TEST_ROUTES: Setting = Setting {
    name: "CACHE__SERVICE__TEST_ROUTES",
    default: DefaultValue::Value("false"),
    help: "whether the routes that create test data are served; `make run` sets it",
    expected: BOOL,
};
/// The origins of pages.
pub const CORS_ORIGINS: Setting = Setting {
    name: "CACHE__SERVICE__CORS_ORIGINS",
    default: DefaultValue::Rule("`*` with an API key, else web pages of this machine"),
    help: "from which origins web pages may call: `*`, or origins separated by commas",
    expected: "'*', or origins such as https://app.example with commas between",
};
/// The id that `/info/server` shows.
pub const SERVER_ID: Setting = Setting {
    name: "FAST_API__SERVER_ID",
    default: DefaultValue::Unset,
    help: "the id that `/info/server` shows",
    expected: "a text",
};
/// The name that `/info/server` shows.
pub const SERVER_NAME: Setting = Setting {
    name: "FAST_API__SERVER_NAME",
    default: DefaultValue::Unset,
    help: "the name that `/info/server` shows",
    expected: "a text",
};
/// The format of the log.
pub const LOG_FORMAT: Setting = Setting {
    name: "CACHE__SERVICE__LOG_FORMAT",
    default: DefaultValue::Rule("`json` in Lambda, else `text`"),
    help: "the format of the log lines: `text` or `json`",
    expected: "text or json",
};
/// Whether the log carries metrics.
pub const CLOUDWATCH_METRICS: Setting = Setting {
    name: "CACHE__SERVICE__CLOUDWATCH_METRICS",
    default: DefaultValue::Rule("`true` in Lambda"),
    help: "whether the log of a function has metrics for CloudWatch (embedded metric format)",
    expected: BOOL,
};
/// The level of the log, for [`crate::telemetry::logging`].
const RUST_LOG: Setting = Setting {
    name: "RUST_LOG",
    default: DefaultValue::Value("info"),
    help: "the log level, to standard error: `trace`, `debug`, `info`, `warn`, `error` or `off`; also by crate",
    expected: "a level",
};
/// The same, as Lambda sets it.
const AWS_LAMBDA_LOG_LEVEL: Setting = Setting {
    name: "AWS_LAMBDA_LOG_LEVEL",
    default: DefaultValue::Unset,
    help: "the level when `RUST_LOG` is not set; Lambda sets it",
    expected: "a level",
};
/// For the AWS SDK.
const AWS: Setting = Setting {
    name: "AWS_*",
    default: DefaultValue::Rule("as AWS defines them"),
    help: "`AWS_REGION`, `AWS_PROFILE`, `AWS_ACCESS_KEY_ID`, `AWS_ENDPOINT_URL`, …: credentials and region. \
           With a custom endpoint, path-style addressing is used",
    expected: "",
};
/// For TLS.
const SSL_CERT_FILE: Setting = Setting {
    name: "SSL_CERT_FILE",
    default: DefaultValue::Rule("what the machine trusts; in Lambda, AWS's own authorities"),
    help: "a file of other certificate authorities to trust",
    expected: "a file",
};
/// For the Lambda runtime.
const AWS_LAMBDA_MAX_CONCURRENCY: Setting = Setting {
    name: "AWS_LAMBDA_MAX_CONCURRENCY",
    default: DefaultValue::Value("1"),
    help: "set by Lambda on managed instances: how many requests the process answers at once",
    expected: "a number",
};

/// All of them, in the order in which they are shown.
pub const SETTINGS: &[Setting] = &[
    STORAGE_MODE,
    BUCKET_NAME,
    LOCAL_DISK_PATH,
    SQLITE_PATH,
    ZIP_PATH,
    ZIP_MAX_BYTES,
    LISTEN,
    API_KEY_NAME,
    API_KEY_VALUE,
    READ_ONLY,
    MAX_BODY_BYTES,
    OBJECT_CACHE_BYTES,
    REQUEST_TIMEOUT,
    MAX_CONNECTIONS,
    MAX_IN_FLIGHT_BYTES,
    HEAD_TIMEOUT,
    BODY_TIMEOUT,
    IDLE_TIMEOUT,
    SHUTDOWN_TIMEOUT,
    TTL_HOURS,
    STRICT_NAMES,
    TEST_ROUTES,
    CORS_ORIGINS,
    SERVER_ID,
    SERVER_NAME,
    LOG_FORMAT,
    CLOUDWATCH_METRICS,
    RUST_LOG,
    AWS_LAMBDA_LOG_LEVEL,
    AWS,
    SSL_CERT_FILE,
    AWS_LAMBDA_MAX_CONCURRENCY,
];

/// The settings for a terminal, as `--help` shows them.
pub fn help() -> String {
    let mut help = String::new();
    for Setting { name, default, help: text, .. } in SETTINGS {
        let default = match default {
            DefaultValue::Unset => String::new(),
            DefaultValue::Value(value) => format!(" [default: {value}]"),
            DefaultValue::Rule(rule) => format!(" [default: {}]", rule.replace('`', "")),
        };
        // Writing to a string cannot fail.
        let _ = writeln!(help, "  {name}\n      {}{default}", text.replace('`', ""));
    }
    help
}

/// The settings as the table in docs/settings.md.
pub fn markdown() -> String {
    let mut table = "| variable | default | what it sets |\n|---|---|---|\n".to_owned();
    for Setting { name, default, help, .. } in SETTINGS {
        let default = match default {
            DefaultValue::Unset => String::new(),
            DefaultValue::Value(value) => format!("`{value}` "),
            DefaultValue::Rule(rule) => format!("{rule} "),
        };
        let _ = writeln!(table, "| `{name}` | {default}| {help} |");
    }
    table
}

/// A warning for each variable that begins like ours and is not one.
pub fn unknown_variables(names: impl IntoIterator<Item = String>) -> Vec<String> {
    let is_ours = |name: &String| SETTINGS.iter().any(|setting| setting.name == name);
    let unknown = names.into_iter().filter(|name| name.starts_with(PREFIX) && !is_ours(name));
    unknown.map(|name| format!("unknown variable {name}; did you mean {}?", nearest(&name))).collect()
}

fn nearest(name: &str) -> &'static str {
    let ours = SETTINGS.iter().map(|setting| setting.name).filter(|known| known.starts_with(PREFIX));
    ours.min_by_key(|known| strsim::levenshtein(known, name)).unwrap_or(STORAGE_MODE.name)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_docs_have_the_table_of_settings() {
        let path = concat!(env!("CARGO_MANIFEST_DIR"), "/../../docs/settings.md");
        let page = std::fs::read_to_string(path).unwrap();
        assert!(page.contains(&markdown()), "docs/settings.md should have this table:\n{}", markdown());
    }

    #[test]
    fn help_lists_every_setting() {
        let help = help();
        assert!(SETTINGS.iter().all(|setting| help.contains(&format!("  {}\n", setting.name))), "{help}");
        assert!(help.contains("where the server listens") && !help.contains('`'), "{help}");
    }

    #[test]
    fn a_misspelt_variable_is_warned_about_with_the_nearest_name() {
        let names = ["CACHE__SERVICE__BUCKET", LISTEN.name, "PATH"].map(ToOwned::to_owned);
        let warnings = unknown_variables(names);
        assert_eq!(warnings, ["unknown variable CACHE__SERVICE__BUCKET; did you mean CACHE__SERVICE__BUCKET_NAME?"]);
    }
}
