//! Why a call failed, by what the caller can do about it.

use std::error::Error as StdError;
use std::fmt;
use std::time::Duration;

use http::StatusCode;

/// Any error that a transport or a decoder reports.
pub type BoxError = Box<dyn StdError + Send + Sync>;

/// Why a call failed. The variants say what the caller can do; a miss is no error, but `None`.
#[derive(Debug)]
pub enum Error {
    /// The API key is missing, wrong, or of another kind than this needs: configure another one. (401, 403)
    NotPermitted(Failure),
    /// The API key is right, but lacks a permission, which the message names: a manager of the namespace can give it. (403)
    PermissionMissing(Failure),
    /// The request is wrong, and would be refused again: correct it. (400, 404 of an operation, 405, 413, 415, 416)
    InvalidRequest(Failure),
    /// What is stored rules it out, such as a live version under a key that has to be unused: read it, then decide. (409, 412)
    Conflict(Failure),
    /// The service, its storage or the network did not respond in time: a later retry may succeed. Of a call that is not
    /// safe to repeat the outcome is unknown. (408, 502, 503, 504, connection errors, timeouts)
    Temporary(Failure),
    /// The API key is beyond one of its limits, and nothing was done: repeat it after [`Failure::retry_after`]. (429)
    LimitExceeded(Failure),
    /// The storage is full: somebody has to make room. (507)
    Full(Failure),
    /// The bytes that arrived do not have the SHA-256 that the service named. They were not returned.
    Integrity(Failure),
    /// The service is at fault: tell its operator the request id. (500, 501, 505)
    Server(Failure),
    /// No secure connection is possible: the certificate of the service is refused, or nothing that speaks TLS is at the URL.
    /// Correct the URL, renew the certificate, or name the authority that signed it in `SSL_CERT_FILE`.
    Tls(Failure),
    /// The response is not one of this service: the URL may lead elsewhere, or the versions do not fit.
    Protocol(Failure),
    /// A file or a folder of this machine cannot be used.
    File(Failure),
}

/// What failed, and how.
pub struct Failure(Box<Inner>);

struct Inner {
    operation: String,
    message: String,
    status: Option<StatusCode>,
    request_id: Option<String>,
    retry_after: Option<Duration>,
    attempts: u32,
    source: Option<BoxError>,
}

impl Failure {
    /// A failure of an operation, such as `POST /{namespace}/{strategy}/store/json`.
    pub(crate) fn new(operation: impl Into<String>, message: impl Into<String>) -> Self {
        let (operation, message) = (operation.into(), message.into());
        let (status, request_id, retry_after, source) = (None, None, None, None);
        Self(Box::new(Inner { operation, message, status, request_id, retry_after, attempts: 1, source }))
    }

    pub(crate) fn with_source(mut self, source: impl Into<BoxError>) -> Self {
        self.0.source = Some(source.into());
        self
    }

    pub(crate) fn with_status(mut self, status: StatusCode, request_id: Option<String>) -> Self {
        (self.0.status, self.0.request_id) = (Some(status), request_id);
        self
    }

    pub(crate) fn with_retry_after(mut self, retry_after: Option<Duration>) -> Self {
        self.0.retry_after = retry_after;
        self
    }

    fn with_attempts(mut self, attempts: u32) -> Self {
        self.0.attempts = attempts;
        self
    }

    /// What was tried; empty for an argument that was refused before anything was sent.
    pub fn operation(&self) -> &str {
        &self.0.operation
    }

    /// What is wrong and what to do, usually in the service's words.
    pub fn message(&self) -> &str {
        &self.0.message
    }

    /// The status of the response, if there was one.
    pub fn status(&self) -> Option<StatusCode> {
        self.0.status
    }

    /// The id by which the service's log names the request.
    pub fn request_id(&self) -> Option<&str> {
        self.0.request_id.as_deref()
    }

    /// How long the service asked to wait before a repeat.
    pub fn retry_after(&self) -> Option<Duration> {
        self.0.retry_after
    }

    /// How many times it was tried.
    pub fn attempts(&self) -> u32 {
        self.0.attempts
    }
}

impl fmt::Debug for Failure {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let Inner { operation, message, status, request_id, retry_after, attempts, source } = self.0.as_ref();
        f.debug_struct("Failure")
            .field("operation", operation)
            .field("message", message)
            .field("status", status)
            .field("request_id", request_id)
            .field("retry_after", retry_after)
            .field("attempts", attempts)
            .field("source", source)
            .finish()
    }
}

impl fmt::Display for Failure {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let Inner { operation, message, status, request_id, attempts, .. } = self.0.as_ref();
        if !operation.is_empty() {
            write!(f, "{operation}: ")?;
        }
        f.write_str(message)?;
        let status = status.map(|status| status.as_u16().to_string());
        let id = request_id.as_ref().map(|id| format!("request {id}"));
        let tries = (*attempts > 1).then(|| format!("{attempts} attempts"));
        let details: Vec<String> = [status, tries, id].into_iter().flatten().collect();
        if details.is_empty() { Ok(()) } else { write!(f, " ({})", details.join(", ")) }
    }
}

impl Error {
    /// What failed, and how.
    pub fn failure(&self) -> &Failure {
        let (Self::NotPermitted(failure)
        | Self::PermissionMissing(failure)
        | Self::InvalidRequest(failure)
        | Self::Conflict(failure)
        | Self::Temporary(failure)
        | Self::LimitExceeded(failure)
        | Self::Full(failure)
        | Self::Integrity(failure)
        | Self::Server(failure)
        | Self::Tls(failure)
        | Self::Protocol(failure)
        | Self::File(failure)) = self;
        failure
    }

    /// Whether a later repeat may succeed.
    pub fn is_temporary(&self) -> bool {
        matches!(self, Self::Temporary(_) | Self::LimitExceeded(_))
    }

    /// An argument that the service would refuse or change.
    pub(crate) fn argument(field: &str, problem: impl fmt::Display) -> Self {
        Self::InvalidRequest(Failure::new("", format!("{field} {problem}")))
    }

    /// A response of the service that is not understood.
    pub(crate) fn unreadable(operation: &str, message: impl Into<String>, source: impl Into<BoxError>) -> Self {
        Self::Protocol(Failure::new(operation, message).with_source(source))
    }

    pub(crate) fn file(path: &std::path::Path, what: &str, error: std::io::Error) -> Self {
        Self::File(Failure::new(what, format!("{}: {error}", path.display())).with_source(error))
    }

    pub(crate) fn after_attempts(self, attempts: u32) -> Self {
        let with = |failure: Failure| failure.with_attempts(attempts);
        match self {
            Self::NotPermitted(failure) => Self::NotPermitted(with(failure)),
            Self::PermissionMissing(failure) => Self::PermissionMissing(with(failure)),
            Self::InvalidRequest(failure) => Self::InvalidRequest(with(failure)),
            Self::Conflict(failure) => Self::Conflict(with(failure)),
            Self::Temporary(failure) => Self::Temporary(with(failure)),
            Self::LimitExceeded(failure) => Self::LimitExceeded(with(failure)),
            Self::Full(failure) => Self::Full(with(failure)),
            Self::Integrity(failure) => Self::Integrity(with(failure)),
            Self::Server(failure) => Self::Server(with(failure)),
            Self::Tls(failure) => Self::Tls(with(failure)),
            Self::Protocol(failure) => Self::Protocol(with(failure)),
            Self::File(failure) => Self::File(with(failure)),
        }
    }

    /// The error that a status stands for, and the `error_type` that the service gave with it.
    pub(crate) fn of_status(status: StatusCode, error_type: Option<&str>, failure: Failure) -> Self {
        match status.as_u16() {
            403 if error_type == Some("PERMISSION_MISSING") => Self::PermissionMissing(failure),
            401 | 403 => Self::NotPermitted(failure),
            409 | 412 => Self::Conflict(failure),
            408 | 502..=504 => Self::Temporary(failure),
            429 => Self::LimitExceeded(failure),
            507 => Self::Full(failure),
            400..=499 => Self::InvalidRequest(failure),
            500..=599 => Self::Server(failure),
            _ => Self::Protocol(failure),
        }
    }
}

impl fmt::Display for Error {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        self.failure().fmt(f)
    }
}

impl StdError for Error {
    fn source(&self) -> Option<&(dyn StdError + 'static)> {
        self.failure().0.source.as_deref().map(|source| source as &(dyn StdError + 'static))
    }
}

/// The causes of an error, as they stand at the end of its message.
pub(crate) fn causes(error: &dyn StdError) -> String {
    let mut text = String::new();
    let mut next = error.source();
    while let Some(cause) = next {
        text = format!("{text}: {cause}");
        next = cause.source();
    }
    text
}
