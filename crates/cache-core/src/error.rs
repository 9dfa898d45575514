//! Why a use case failed, sorted by what the caller can do about it. A miss is not here: it is `None`.

use thiserror::Error;

use crate::storage::{InvalidObjectKey, Source, StorageError};

/// An error and its sources in one text, separated by colons: for the log and for the operator.
pub fn error_chain(error: &(dyn std::error::Error + 'static)) -> String {
    let chain = std::iter::successors(Some(error), |error| (*error).source());
    chain.map(ToString::to_string).collect::<Vec<_>>().join(": ")
}

/// Why a use case failed.
#[derive(Debug, Error)]
pub enum Error {
    /// The request has to change.
    #[error("{field}: {message}")]
    Invalid {
        /// The parameter or body part that is wrong.
        field: &'static str,
        /// What is wrong with it and what to do.
        message: String,
    },
    /// The request was made on a condition that does not hold.
    #[error("{0}")]
    PreconditionFailed(String),
    /// The content is larger than what is held in memory, so it can only be read as it is stored.
    #[error("the content has {size} bytes, and at most {limit} are held in memory")]
    TooLarge {
        /// Bytes of the content.
        size: u64,
        /// The limit in bytes.
        limit: u64,
    },
    /// Trying again later may help: the storage did not respond, or too many wrote to the same object at once.
    #[error("{message}")]
    Unavailable {
        /// What could not be done.
        message: String,
        /// What the storage reported, if it was the storage.
        #[source]
        source: Option<Source>,
    },
    /// There is no room: an operator has to make some.
    #[error("{message}")]
    Full {
        /// What is full.
        message: String,
        /// What the storage reported, if it was the storage.
        #[source]
        source: Option<Source>,
    },
    /// The namespace has as much as its settings allow.
    #[error("{0}")]
    QuotaExceeded(String),
    /// The storage refuses what we ask of it: an operator has to set it up.
    #[error("the storage refused the call for {key}")]
    Refused {
        /// The object.
        key: String,
        /// What has to change.
        source: Source,
    },
    /// What is stored is not what was stored: a person has to look.
    #[error("{object}: {problem}")]
    Corrupt {
        /// The object.
        object: String,
        /// What is wrong with it.
        problem: String,
    },
}

/// What the caller can do about an [`Error`](enum@Error).
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum ErrorKind {
    /// Fix the request.
    Invalid,
    /// Read what is there, and decide.
    Precondition,
    /// Retry later.
    Unavailable,
    /// Make room.
    Full,
    /// Call an operator.
    Internal,
}

impl Error {
    /// What the caller can do about it.
    pub fn kind(&self) -> ErrorKind {
        match self {
            Self::Invalid { .. } | Self::TooLarge { .. } => ErrorKind::Invalid,
            Self::PreconditionFailed(_) => ErrorKind::Precondition,
            Self::Unavailable { .. } => ErrorKind::Unavailable,
            Self::Full { .. } | Self::QuotaExceeded(_) => ErrorKind::Full,
            Self::Refused { .. } | Self::Corrupt { .. } => ErrorKind::Internal,
        }
    }

    pub(crate) fn unavailable(message: impl Into<String>) -> Self {
        Self::Unavailable { message: message.into(), source: None }
    }

    pub(crate) fn full(message: impl Into<String>) -> Self {
        Self::Full { message: message.into(), source: None }
    }

    pub(crate) fn invalid(field: &'static str, message: impl Into<String>) -> Self {
        Self::Invalid { field, message: message.into() }
    }

    pub(crate) fn corrupt(object: impl ToString, problem: impl ToString) -> Self {
        Self::Corrupt { object: object.to_string(), problem: problem.to_string() }
    }

    pub(crate) fn too_long(field: &'static str, error: &InvalidObjectKey) -> Self {
        Self::Invalid { field, message: error.to_string() }
    }
}

impl From<StorageError> for Error {
    /// A precondition that reaches this point was not expected by the protocol: another process writes where only one may.
    fn from(error: StorageError) -> Self {
        let message = error.to_string();
        match error {
            StorageError::Precondition { .. } => Self::Unavailable { message, source: None },
            StorageError::Unavailable { source, .. } => Self::Unavailable { message, source: Some(source) },
            StorageError::Full { source, .. } => Self::Full { message, source: Some(source) },
            StorageError::Refused { key, source } => Self::Refused { key, source },
        }
    }
}
