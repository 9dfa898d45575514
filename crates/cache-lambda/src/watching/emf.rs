//! The log line of a request as CloudWatch reads metrics from it: the Embedded Metric Format.
//!
//! See <https://docs.aws.amazon.com/AmazonCloudWatch/latest/monitoring/CloudWatch_Embedded_Metric_Format_Specification.html>.
//! One line is both: it has every field of the log line, and `_aws` says which of them are metrics. Each metric is kept per
//! function and group of operations, of which there are a dozen: CloudWatch charges for every combination that occurs.

use serde::Serialize;
use serde_json::{Value, json};

use super::outcome::Outcome;
use crate::exchange::Line;

/// The namespace of the metrics in CloudWatch.
const NAMESPACE: &str = "mgraph-cache";
/// What the metrics are kept by.
const DIMENSIONS: [&str; 2] = ["function", "group"];
/// The fields that are metrics, with their units. The number of requests is the sample count of each.
const METRICS: [(&str, &str); 6] = [
    ("duration_ms", "Milliseconds"),
    ("storage_calls", "Count"),
    ("storage_rounds", "Count"),
    ("misses", "Count"),
    ("client_errors", "Count"),
    ("server_errors", "Count"),
];

/// A line with its metrics.
#[derive(Debug, Serialize)]
struct Embedded<'a> {
    level: &'static str,
    message: &'static str,
    #[serde(flatten)]
    line: &'a Line,
    function: &'a str,
    misses: u8,
    client_errors: u8,
    server_errors: u8,
    #[serde(rename = "_aws")]
    aws: Value,
}

/// The line of a request that the function of this name answered at `now_ms` (milliseconds since 1970, UTC).
pub fn line(line: &Line, function: &str, now_ms: u64) -> String {
    let is = |outcome| u8::from(line.outcome == outcome);
    let metrics = METRICS.map(|(name, unit)| json!({"Name": name, "Unit": unit}));
    let embedded = Embedded {
        level: "INFO",
        message: "answered",
        line,
        function,
        misses: is(Outcome::Miss),
        client_errors: is(Outcome::ClientError),
        server_errors: is(Outcome::ServerError),
        aws: json!({
            "Timestamp": now_ms,
            "CloudWatchMetrics": [{"Namespace": NAMESPACE, "Dimensions": [DIMENSIONS], "Metrics": metrics}],
        }),
    };
    // A line has nothing that JSON could not say.
    serde_json::to_string(&embedded).unwrap_or_default()
}
