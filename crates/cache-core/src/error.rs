//! Why a use case failed, sorted by what the caller can do about it. A miss is not here: it is `None`.

use thiserror::Error;

use crate::storage::{InvalidObjectKey, StorageError};

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
    /// The content is larger than what is held in memory, so nothing can be made of it but to read it as it is stored.
    #[error("the content has {size} bytes, and at most {limit} are held in memory")]
    TooLarge {
        /// Bytes of the content.
        size: u64,
        /// The limit in bytes.
        limit: u64,
    },
    /// Trying again later may help: the storage did not answer, or too many wrote to the same place at once.
    #[error("{0}")]
    Unavailable(String),
    /// The storage refuses what we ask of it: an operator has to set it up.
    #[error("{0}")]
    Refused(String),
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
    /// Try later.
    Unavailable,
    /// Call a human.
    Internal,
}

impl Error {
    /// What the caller can do about it.
    pub fn kind(&self) -> ErrorKind {
        match self {
            Self::Invalid { .. } | Self::TooLarge { .. } => ErrorKind::Invalid,
            Self::Unavailable(_) => ErrorKind::Unavailable,
            Self::Refused(_) | Self::Corrupt { .. } => ErrorKind::Internal,
        }
    }

    pub(crate) fn corrupt(object: impl ToString, problem: impl ToString) -> Self {
        Self::Corrupt { object: object.to_string(), problem: problem.to_string() }
    }

    pub(crate) fn too_long(field: &'static str, error: &InvalidObjectKey) -> Self {
        Self::Invalid { field, message: error.to_string() }
    }
}

impl From<StorageError> for Error {
    /// A conflict that reaches this point was not expected by the protocol: somebody else writes where only one may.
    fn from(error: StorageError) -> Self {
        match error {
            StorageError::Unavailable { .. } | StorageError::Precondition { .. } | StorageError::Full { .. } => {
                Self::Unavailable(error.to_string())
            }
            StorageError::Refused { .. } => Self::Refused(error.to_string()),
        }
    }
}
