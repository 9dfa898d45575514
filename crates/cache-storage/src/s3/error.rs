//! Errors of requests to S3.

use std::error::Error;

use aws_sdk_s3::config::http::HttpResponse;
use aws_sdk_s3::error::{ProvideErrorMetadata, SdkError};
use cache_core::storage::{Source, StorageError};
use thiserror::Error;

/// The codes of servers other than AWS for a full disk or an exhausted quota.
const FULL_CODES: [&str; 4] =
    ["QuotaExceeded", "InsufficientStorage", "XMinioStorageFull", "XMinioAdminBucketQuotaExceeded"];

/// A failed request, sorted by what to do about it.
#[derive(Debug)]
pub(super) enum S3Error {
    /// There is no object under the key.
    NoSuchKey,
    /// The object is at the version in If-None-Match.
    NotModified,
    /// The condition of a write (If-Match or If-None-Match) is not met.
    PreconditionFailed,
    /// The range starts at or after the end of the object.
    InvalidRange,
    /// The server has no room.
    Full(Cause),
    /// It will fail again until the operator changes what the message names.
    Refused(Cause),
    /// The outcome is unknown; a retry may succeed.
    Unavailable(Cause),
}

/// A message for the operator, and the error that it is about.
#[derive(Debug, Error)]
#[error("{message}")]
pub(super) struct Cause {
    message: String,
    source: Option<Source>,
}

/// The source of the port's error: a cause in its bucket.
#[derive(Debug, Error)]
#[error("bucket '{bucket}': {message}")]
struct BucketError {
    bucket: String,
    message: String,
    source: Option<Source>,
}

impl Cause {
    pub(super) fn new(message: impl Into<String>) -> Self {
        Self { message: message.into(), source: None }
    }

    pub(super) fn with_source(message: impl Into<String>, source: impl Into<Source>) -> Self {
        Self { message: message.into(), source: Some(source.into()) }
    }

    fn in_bucket(self, bucket: &str) -> Source {
        Box::new(BucketError { bucket: bucket.to_owned(), message: self.message, source: self.source })
    }
}

impl S3Error {
    /// The port's error for a call for this key or prefix.
    pub(super) fn into_storage_error(self, bucket: &str, key: &str) -> StorageError {
        let key = key.to_owned();
        match self {
            Self::PreconditionFailed => StorageError::Precondition { key },
            Self::Full(cause) => StorageError::Full { key, source: cause.in_bucket(bucket) },
            Self::Refused(cause) => StorageError::Refused { key, source: cause.in_bucket(bucket) },
            Self::Unavailable(cause) => StorageError::Unavailable { key, source: cause.in_bucket(bucket) },
            // Each call handles these where they can occur, so here they are the response to another request than ours.
            Self::NoSuchKey | Self::NotModified | Self::InvalidRange => {
                let cause = Cause::new("S3 sent a response that does not fit the request");
                StorageError::Unavailable { key, source: cause.in_bucket(bucket) }
            }
        }
    }
}

impl<E> From<SdkError<E, HttpResponse>> for S3Error
where
    E: ProvideErrorMetadata + Error + Send + Sync + 'static,
{
    fn from(err: SdkError<E, HttpResponse>) -> Self {
        match &err {
            SdkError::ServiceError(response) => {
                let response = ErrorResponse {
                    status: response.raw().status().as_u16(),
                    code: response.err().code().unwrap_or_default().to_owned(),
                    message: response.err().message().unwrap_or("no message").to_owned(),
                };
                response.expected().unwrap_or_else(|| response.failure(err))
            }
            SdkError::ConstructionFailure(_) => Self::Refused(Cause::with_source("the request is not possible", err)),
            // Timeouts, broken connections, responses that are not S3's. The SDK's enum is open, so no arm can be last.
            _ => Self::Unavailable(Cause::with_source("no response from S3", err)),
        }
    }
}

/// An error response of S3. The code decides; the status decides where S3 has more codes than are named here.
struct ErrorResponse {
    status: u16,
    /// Empty if there is none, as in responses without a body.
    code: String,
    message: String,
}

impl ErrorResponse {
    /// The outcomes that are not failures: the calls in which they can occur handle them.
    fn expected(&self) -> Option<S3Error> {
        match (self.code.as_str(), self.status) {
            // Quirk: the response to a HEAD has no body and so no code; the SDK then says NotFound.
            ("NoSuchKey" | "NotFound", _) => Some(S3Error::NoSuchKey),
            ("InvalidRange", _) => Some(S3Error::InvalidRange),
            ("PreconditionFailed", _) | (_, 412) => Some(S3Error::PreconditionFailed),
            (_, 304) => Some(S3Error::NotModified),
            _ => None,
        }
    }

    fn failure(&self, source: impl Into<Source>) -> S3Error {
        let Self { status, code, message } = self;
        let cause = |advice: &str| {
            let code = if code.is_empty() { "without a code" } else { code };
            Cause::with_source(format!("S3 responded {status} {code} ({message}): {advice}"), source)
        };
        if *status == 507 || FULL_CODES.contains(&code.as_str()) {
            return S3Error::Full(cause("delete objects, add storage or raise the quota"));
        }
        // Quirks: a 400 that means "too slow", and a 409 that is over in a moment (the SDK has tried three times by
        // now).
        if code == "RequestTimeout" || matches!(status, 408 | 409 | 429 | 500 | 502..) {
            return S3Error::Unavailable(cause("try again later"));
        }
        S3Error::Refused(cause(self.advice()))
    }

    /// What the operator can do about a refused request.
    fn advice(&self) -> &'static str {
        match self.code.as_str() {
            "NoSuchBucket" => "create the bucket, or name another one",
            // Quirk: without the permission to list, S3 answers this instead of 404.
            "AccessDenied" | "Forbidden" => {
                "allow s3:ListBucket on the bucket, and s3:GetObject, s3:PutObject and s3:DeleteObject on its objects"
            }
            "InvalidAccessKeyId" | "SignatureDoesNotMatch" | "InvalidToken" | "ExpiredToken" => "renew the credentials",
            "RequestTimeTooSkewed" => "set the clock of this machine",
            "NotImplemented" => "use a server that implements the request",
            "PermanentRedirect" | "AuthorizationHeaderMalformed" => "name the region that the bucket is in",
            _ => "see the S3 documentation for this code",
        }
    }
}
