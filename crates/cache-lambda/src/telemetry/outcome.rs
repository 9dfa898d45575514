//! The outcome of a request, as logs and metrics show it.

use http::StatusCode;

use super::operation::OperationLabels;

/// The outcome of a request.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Outcome {
    /// A read found the entry.
    Hit,
    /// The entry to read or change does not exist.
    Miss,
    /// Success of an operation that is not a read of an entry.
    Ok,
    /// The request is invalid, or the caller hung up.
    ClientError,
    /// The service or its storage failed.
    ServerError,
}

impl Outcome {
    /// All of them, in the order of their numbers.
    pub const ALL: [Self; 5] = [Self::Hit, Self::Miss, Self::Ok, Self::ClientError, Self::ServerError];

    /// The outcome of a response with this status.
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
