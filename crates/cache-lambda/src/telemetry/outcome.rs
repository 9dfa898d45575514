//! What came of a request, in one word.

use http::StatusCode;

use super::operation::OperationLabels;

/// What came of a request.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Outcome {
    /// What was to be read is there.
    Hit,
    /// What was to be read or changed is not there.
    Miss,
    /// It was done, and was no reading of something that might not be there.
    Ok,
    /// The caller has to change the request, or hung up.
    ClientError,
    /// The service or its storage failed.
    ServerError,
}

impl Outcome {
    /// All of them, in the order of their numbers.
    pub const ALL: [Self; 5] = [Self::Hit, Self::Miss, Self::Ok, Self::ClientError, Self::ServerError];

    /// What an answer with this status means.
    pub fn of(operation: &OperationLabels, status: StatusCode) -> Self {
        match status {
            StatusCode::NOT_FOUND if operation.can_be_missing => Self::Miss,
            status if status.is_server_error() => Self::ServerError,
            status if status.is_client_error() => Self::ClientError,
            _ if operation.can_be_missing && operation.is_read => Self::Hit,
            _ => Self::Ok,
        }
    }

    /// As logs and metrics spell it.
    pub const fn name(self) -> &'static str {
        match self {
            Self::Hit => "hit",
            Self::Miss => "miss",
            Self::Ok => "ok",
            Self::ClientError => "client_error",
            Self::ServerError => "server_error",
        }
    }
}
