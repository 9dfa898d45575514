//! The log line of a request as CloudWatch reads metrics from it: the Embedded Metric Format.
//!
//! See
//! <https://docs.aws.amazon.com/AmazonCloudWatch/latest/monitoring/CloudWatch_Embedded_Metric_Format_Specification.html>.
//! A line serves both purposes: it has every field of the log line, and `_aws` names those that are metrics. The
//! dimensions are the function and the group of operations, of which there are a dozen: CloudWatch charges for every
//! combination that occurs.

use serde::Serialize;
use serde_json::{Value, json};

use super::access_log::AccessLogEntry;
use super::outcome::Outcome;

/// The namespace of the metrics in CloudWatch.
const NAMESPACE: &str = "mgraph-cache";
/// The dimensions of the metrics.
const DIMENSIONS: [&str; 2] = ["function", "group"];
/// The fields that are metrics, with their units. The number of requests is the sample count of each.
const METRICS: [(&str, &str); 6] = [
    ("duration_ms", "Milliseconds"),
    ("storage_calls", "Count"),
    ("storage_round_trips", "Count"),
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
    line: &'a AccessLogEntry,
    function: &'a str,
    misses: u8,
    client_errors: u8,
    server_errors: u8,
    #[serde(rename = "_aws")]
    aws: Value,
}

/// The line of a request to the function of this name that completed at `now_ms` (milliseconds since 1970 UTC).
pub fn line(line: &AccessLogEntry, function: &str, now_ms: u64) -> String {
    let is = |outcome| u8::from(line.outcome == outcome);
    let metrics = METRICS.map(|(name, unit)| json!({"Name": name, "Unit": unit}));
    let embedded = Embedded {
        level: "INFO",
        message: "request completed",
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
    // All its fields can be serialized.
    serde_json::to_string(&embedded).unwrap_or_default()
}

#[cfg(test)]
mod tests {
    use serde_json::{Map, Value};

    use super::*;

    fn answered(outcome: Outcome, status: u16) -> Map<String, Value> {
        let of_request = AccessLogEntry {
            key: "root".to_owned(),
            request_id: "r".into(),
            aws_request_id: Some("a".into()),
            operation: "get_namespace_retrieve_cache_id",
            group: "retrieve",
            namespace: Some("demo".into()),
            outcome,
            status,
            storage_calls: 2,
            storage_round_trips: 1,
            duration_ms: 1.234,
        };
        serde_json::from_str(&line(&of_request, "cache", 1_795_176_411_520)).unwrap()
    }

    /// Checks the rules of the specification that apply to a single document.
    fn check(document: &Map<String, Value>) {
        let aws = document["_aws"].as_object().unwrap();
        assert_eq!(aws.keys().collect::<Vec<_>>(), ["Timestamp", "CloudWatchMetrics"]);
        assert!(aws["Timestamp"].is_u64());
        for directive in aws["CloudWatchMetrics"].as_array().unwrap() {
            assert!((1..=1024).contains(&directive["Namespace"].as_str().unwrap().len()));
            for set in directive["Dimensions"].as_array().unwrap() {
                assert!((1..=30).contains(&set.as_array().unwrap().len()));
                for dimension in set.as_array().unwrap() {
                    let value = document[dimension.as_str().unwrap()].as_str().unwrap();
                    assert!((1..=1024).contains(&value.len()), "{dimension}");
                }
            }
            let metrics = directive["Metrics"].as_array().unwrap();
            assert!((1..=100).contains(&metrics.len()));
            for metric in metrics {
                assert!(document[metric["Name"].as_str().unwrap()].is_number(), "{metric}");
                assert!(["Milliseconds", "Count"].contains(&metric["Unit"].as_str().unwrap()), "{metric}");
            }
        }
    }

    #[test]
    fn a_line_is_what_the_specification_asks_for() {
        for (outcome, status) in Outcome::ALL.into_iter().zip([200, 404, 200, 400, 503]) {
            check(&answered(outcome, status));
        }
    }

    #[test]
    fn a_line_has_the_fields_of_the_log_and_counts_its_outcome() {
        let line = answered(Outcome::Miss, 404);
        assert_eq!((&line["outcome"], &line["duration_ms"]), (&"miss".into(), &1.234.into()));
        let counts = ["misses", "client_errors", "server_errors"].map(|name| line[name].as_u64().unwrap());
        assert_eq!(counts, [1, 0, 0]);
    }
}
