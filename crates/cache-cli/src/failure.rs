//! Why a command failed, and what the exit code says about it.

use cache_client::Error;
use serde::Serialize;

/// Everything was done.
pub const OK: u8 = 0;
/// It failed; or `diff` found a difference.
pub const FAILED: u8 = 1;
/// What was typed cannot be done.
pub const USAGE: u8 = 2;
/// There is no such entry.
pub const NOT_FOUND: u8 = 3;
/// The API key is missing, wrong, or may not do this.
pub const NOT_PERMITTED: u8 = 4;
/// The service or the network did not respond in time, or the API key is beyond a limit: a retry may succeed later.
pub const TEMPORARY: u8 = 5;
/// What is stored rules it out, or the storage is full.
pub const REFUSED: u8 = 6;
/// A content does not match its SHA-256, or a store has findings.
pub const DAMAGED: u8 = 7;
/// Ctrl-C.
pub const INTERRUPTED: u8 = 130;
/// SIGTERM.
pub const TERMINATED: u8 = 143;

/// The end of the long help.
pub const EXIT_CODES: &str = "\
Exit codes:
  0    done
  1    failed; of diff: the contents differ
  2    wrong usage or input
  3    no such entry
  4    the API key is missing, wrong, or may not do this
  5    no response in time, or the API key is beyond a limit: retry later
  6    refused: what is stored rules it out, or the storage is full
  7    a content does not match its SHA-256; of copy, verify and sweep: a finding
  130  interrupted by Ctrl-C, 143 by SIGTERM; memo: that of its command";

/// Why a command failed.
#[derive(Debug, Serialize)]
pub struct Failure {
    /// The exit code.
    #[serde(skip)]
    pub code: u8,
    /// The exit code as a word.
    #[serde(rename = "code")]
    pub kind: &'static str,
    /// What is wrong.
    pub message: String,
    /// What to do.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub hint: Option<String>,
    /// The id by which the service's log names the request.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub request_id: Option<String>,
}

impl Failure {
    fn new(code: u8, kind: &'static str, message: impl Into<String>) -> Self {
        Self { code, kind, message: message.into(), hint: None, request_id: None }
    }

    /// What was typed cannot be done.
    pub fn usage(message: impl Into<String>) -> Self {
        Self::new(USAGE, "usage", message)
    }

    /// Something of this machine fails.
    pub fn failed(message: impl Into<String>) -> Self {
        Self::new(FAILED, "failed", message)
    }

    /// There is no such entry.
    pub fn not_found(what: impl std::fmt::Display) -> Self {
        Self::new(NOT_FOUND, "not_found", format!("there is no {what}"))
    }

    /// Adds what to do.
    pub fn hint(mut self, hint: impl Into<String>) -> Self {
        self.hint = Some(hint.into());
        self
    }
}

impl From<Error> for Failure {
    fn from(error: Error) -> Self {
        let (code, kind, hint) = match &error {
            Error::NotPermitted(_) => (
                NOT_PERMITTED,
                "not_permitted",
                Some("see `mgraph-cache whoami`; `mgraph-cache login` sets another key"),
            ),
            Error::PermissionMissing(_) => (
                NOT_PERMITTED,
                "permission_missing",
                Some("`mgraph-cache whoami` shows what the key may do; who manages the namespace can change that"),
            ),
            Error::InvalidRequest(_) => (USAGE, "usage", None),
            Error::Conflict(_) => (REFUSED, "refused", None),
            Error::Temporary(failure) if failure.status().is_none() => (
                TEMPORARY,
                "temporary",
                Some(
                    "is the service running? `mgraph-cache doctor` looks; `mgraph-cache serve` starts one on this machine",
                ),
            ),
            Error::Temporary(_) => (TEMPORARY, "temporary", Some("try again later")),
            Error::LimitExceeded(_) => (
                TEMPORARY,
                "limit_exceeded",
                Some("`mgraph-cache whoami` shows the limits of the key; try again later"),
            ),
            Error::Full(_) => (REFUSED, "full", Some("the storage of the service is full: make room")),
            Error::Integrity(_) => (DAMAGED, "damaged", None),
            Error::Server(_) => (FAILED, "server", Some("tell the operator of the service the request id")),
            Error::Tls(_) => {
                (FAILED, "tls", Some("correct the URL, renew the certificate, or name its authority in SSL_CERT_FILE"))
            }
            Error::Protocol(_) => (FAILED, "protocol", Some("is the URL that of a cache? `mgraph-cache doctor` looks")),
            Error::File(_) => (FAILED, "file", None),
        };
        let request_id = error.failure().request_id().map(ToOwned::to_owned);
        let failure = Self { request_id, ..Self::new(code, kind, error.to_string()) };
        match hint {
            Some(hint) => failure.hint(hint),
            None => failure,
        }
    }
}
