//! The access log: one entry for each request.

use serde::Serialize;

use super::outcome::Outcome;

/// The access log entry of a request. It never has an API key, a payload or a secret.
#[derive(Debug, Serialize)]
pub struct AccessLogEntry {
    /// The id in the response header.
    pub request_id: String,
    /// The id of the invocation, under Lambda.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub aws_request_id: Option<String>,
    /// The operation, as in `/openapi.json`.
    pub operation: &'static str,
    /// The group that the operation belongs to.
    pub group: &'static str,
    /// The namespace in the path; `-` in the log if there is none.
    #[serde(serialize_with = "or_dash")]
    pub namespace: Option<String>,
    /// Who called: the id of an API key, `root`, or `-`.
    pub key: String,
    /// Whether it was a hit, a miss, an error.
    #[serde(serialize_with = "by_name")]
    pub outcome: Outcome,
    /// The response status; 499 if the caller hung up before.
    pub status: u16,
    /// How many storage calls it made.
    pub storage_calls: u64,
    /// How many storage round trips it waited for; concurrent calls are one: see [`cache_storage::round_trips`].
    pub storage_round_trips: u64,
    /// From receiving its head to the response, in milliseconds.
    pub duration_ms: f64,
}

/// A name; `-` when there is none.
pub fn dashed(name: Option<&str>) -> &str {
    name.unwrap_or("-")
}

fn or_dash<S: serde::Serializer>(name: &Option<String>, serializer: S) -> Result<S::Ok, S::Error> {
    serializer.serialize_str(dashed(name.as_deref()))
}

fn by_name<S: serde::Serializer>(outcome: &Outcome, serializer: S) -> Result<S::Ok, S::Error> {
    serializer.serialize_str(outcome.name())
}
