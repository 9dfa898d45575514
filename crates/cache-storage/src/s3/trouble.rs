//! What S3's failures mean.

use aws_sdk_s3::config::http::HttpResponse;
use std::error::Error;
use std::iter::successors;

use aws_sdk_s3::error::{ProvideErrorMetadata, SdkError};
use cache_core::storage::StorageError;

/// A failed request, sorted by what to do about it.
#[derive(Debug)]
pub(super) enum Trouble {
    /// There is no object under the key.
    NoSuchObject,
    /// If-Match or If-None-Match did not hold.
    ConditionFailed,
    /// The range starts where the object has ended.
    RangeBeyondEnd,
    /// It will fail again until somebody changes something. The text says what.
    Refused(String),
    /// It may have taken effect or not, and may succeed another time.
    Unavailable(String),
}

impl Trouble {
    /// The port's error for this trouble, of a call for this key or prefix.
    pub(super) fn about(self, bucket: &str, key: &str) -> StorageError {
        let key = key.to_owned();
        match self {
            Self::ConditionFailed => StorageError::Conflict { key },
            Self::Refused(reason) => StorageError::Refused { key, reason: format!("bucket '{bucket}': {reason}") },
            Self::Unavailable(reason) => {
                StorageError::Unavailable { key, reason: format!("bucket '{bucket}': {reason}") }
            }
            // Each call handles these where they can occur, so here they answer something that was not asked.
            Self::NoSuchObject | Self::RangeBeyondEnd => {
                StorageError::Unavailable { key, reason: format!("bucket '{bucket}': an answer that makes no sense") }
            }
        }
    }
}

impl<E> From<SdkError<E, HttpResponse>> for Trouble
where
    E: ProvideErrorMetadata + Error + 'static,
{
    fn from(err: SdkError<E, HttpResponse>) -> Self {
        match &err {
            SdkError::ServiceError(answered) => {
                let status = answered.raw().status().as_u16();
                Self::answered(status, answered.err().code(), answered.err().message())
            }
            SdkError::ConstructionFailure(_) => Self::Refused(with_causes(&err)),
            // Timeouts, connections that break, answers that are not S3's.
            _ => Self::Unavailable(with_causes(&err)),
        }
    }
}

impl Trouble {
    /// What an error answer of S3 means. The code decides, and the status where S3 has more codes than are named here.
    fn answered(status: u16, code: Option<&str>, message: Option<&str>) -> Self {
        // Quirks: a 400 that means "too slow", and a 409 that is over in a moment (the SDK has tried three times by now).
        let passes = code == Some("RequestTimeout") || matches!(status, 408 | 409 | 429 | 500..);
        // Quirk: the answer to a HEAD has no body and so no code; the SDK then says NotFound.
        let advice = match code.unwrap_or_default() {
            "NoSuchKey" | "NotFound" => return Self::NoSuchObject,
            "PreconditionFailed" => return Self::ConditionFailed,
            "InvalidRange" => return Self::RangeBeyondEnd,
            _ if passes => "try again later",
            "NoSuchBucket" => "create the bucket, or name another one",
            // Quirk: without the permission to list, S3 answers this instead of 404.
            "AccessDenied" | "Forbidden" => {
                "allow s3:ListBucket on the bucket, and s3:GetObject, s3:PutObject and s3:DeleteObject on its objects"
            }
            "InvalidAccessKeyId" | "SignatureDoesNotMatch" | "InvalidToken" | "ExpiredToken" => "renew the credentials",
            "RequestTimeTooSkewed" => "set the clock of this machine",
            "PermanentRedirect" | "AuthorizationHeaderMalformed" => "name the region that the bucket is in",
            _ => "see the S3 documentation for this code",
        };
        let (code, message) = (code.unwrap_or("without a code"), message.unwrap_or("no message"));
        let text = format!("S3 answered {status} {code} ({message}): {advice}");
        if passes { Self::Unavailable(text) } else { Self::Refused(text) }
    }
}

/// An error and what led to it; the SDK's errors say little about themselves.
pub(super) fn with_causes(err: &(dyn Error + 'static)) -> String {
    let causes = successors(Some(err), |err| (*err).source());
    causes.map(ToString::to_string).collect::<Vec<_>>().join(": ")
}
