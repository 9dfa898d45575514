//! The line of the log that each request gets.

use serde::Serialize;

use super::outcome::Outcome;

/// What the log says about a request: never a key, a payload or a secret.
#[derive(Debug, Serialize)]
pub struct AccessLogEntry {
    /// The id in the answer's header.
    pub request_id: String,
    /// The id of the invocation, under Lambda.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub aws_request_id: Option<String>,
    /// What was asked for.
    pub operation: &'static str,
    /// The group that the operation belongs to.
    pub group: &'static str,
    /// The namespace in the path, `-` if there is none.
    pub namespace: String,
    /// What came of it.
    #[serde(serialize_with = "by_name")]
    pub outcome: Outcome,
    /// The status of the answer; 499 if the caller hung up before.
    pub status: u16,
    /// How many calls to the storage it took.
    pub storage_calls: u64,
    /// How many of them had to wait for others: see [`cache_storage::round_trips`].
    pub storage_round_trips: u64,
    /// From the arrival of its head to the answer, in milliseconds.
    pub duration_ms: f64,
}

fn by_name<S: serde::Serializer>(outcome: &Outcome, serializer: S) -> Result<S::Ok, S::Error> {
    serializer.serialize_str(outcome.name())
}
