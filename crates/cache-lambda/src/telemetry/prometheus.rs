//! The text format of Prometheus, version 0.0.4.
//!
//! See <https://prometheus.io/docs/instrumenting/exposition_formats/>. A *family* is a metric with its help, its type,
//! and a sample for each set of labels. Written by hand: prometheus-client only writes OpenMetrics, another media type,
//! and the counters of the storage would need a `Collector` of their own, so it would not save code.

use std::fmt::{Display, Write};
use std::sync::atomic::Ordering;

use cache_core::cache::ObjectCacheCounts;
use cache_storage::operation::StorageOp;

use super::metrics::{LATENCY_BUCKETS_US, Metrics, OperationMetrics};
use super::outcome::Outcome;

/// The media type of the format.
pub const MEDIA: &str = "text/plain; version=0.0.4; charset=utf-8";

/// What does not change while the process runs.
#[derive(Debug, Clone, Copy)]
pub struct Process<'a> {
    /// The version of the service.
    pub version: &'a str,
    /// Where entries live.
    pub storage_mode: &'a str,
    /// When the process started, in milliseconds since 1970 UTC.
    pub started_ms: u64,
}

/// All metrics of a process, in the exposition format of Prometheus.
pub fn exposition(metrics: &Metrics, object_cache: ObjectCacheCounts, process: &Process<'_>) -> String {
    let mut exposition = Exposition(String::new());
    exposition.requests(metrics);
    exposition.keys(metrics);
    exposition.namespaces(metrics);
    exposition.durations(metrics);
    exposition.family("mgraph_cache_requests_in_flight", "gauge", "Requests in flight.");
    exposition.sample("mgraph_cache_requests_in_flight", &[], metrics.in_flight());
    exposition.storage(metrics);
    exposition.object_cache(object_cache);
    exposition.process(process);
    exposition.0
}

/// The text so far.
struct Exposition(String);

impl Exposition {
    fn requests(&mut self, metrics: &Metrics) {
        const NAME: &str = "mgraph_cache_requests_total";
        self.family(NAME, "counter", "Completed requests, by operation and outcome.");
        for (operation, answered) in metrics.operations() {
            for outcome in Outcome::ALL {
                let labels = [("operation", operation), ("outcome", outcome.name())];
                match answered.count(outcome) {
                    0 => {}
                    count => self.sample(NAME, &labels, count),
                }
            }
        }
    }

    fn keys(&mut self, metrics: &Metrics) {
        const NAME: &str = "mgraph_cache_key_requests_total";
        self.family(NAME, "counter", "Completed requests, by API key (its id, `root`, or `-` for none) and outcome.");
        for (key, outcomes) in metrics.keys() {
            for (outcome, count) in Outcome::ALL.into_iter().zip(outcomes.iter()) {
                let labels = [("key", key.as_str()), ("outcome", outcome.name())];
                match count.load(Ordering::Relaxed) {
                    0 => {}
                    count => self.sample(NAME, &labels, count),
                }
            }
        }
    }

    fn namespaces(&mut self, metrics: &Metrics) {
        const NAME: &str = "mgraph_cache_namespace_reads_total";
        let help = "Reads of entries, by namespace (`*` for all beyond the first 100) and outcome (`hit` or `miss`).";
        self.family(NAME, "counter", help);
        for (namespace, reads) in metrics.namespaces() {
            for (outcome, count) in [(Outcome::Hit, &reads.hits), (Outcome::Miss, &reads.misses)] {
                let labels = [("namespace", namespace.as_str()), ("outcome", outcome.name())];
                self.sample(NAME, &labels, count.load(Ordering::Relaxed));
            }
        }
    }

    fn durations(&mut self, metrics: &Metrics) {
        let help = "Time from receiving the request head to the response, by operation.";
        self.family("mgraph_cache_request_duration_seconds", "histogram", help);
        for (operation, answered) in metrics.operations() {
            self.histogram("mgraph_cache_request_duration_seconds", ("operation", operation), &answered);
        }
    }

    fn histogram(&mut self, name: &str, (label, value): (&str, &str), answered: &OperationMetrics) {
        let bucket = format!("{name}_bucket");
        let limits = LATENCY_BUCKETS_US.map(|us| (us as f64 / 1e6).to_string());
        let mut count = 0;
        for (limit, bucket_count) in limits.iter().map(String::as_str).chain(["+Inf"]).zip(answered.histogram()) {
            count += bucket_count;
            self.sample(&bucket, &[(label, value), ("le", limit)], count);
        }
        self.sample(&format!("{name}_sum"), &[(label, value)], answered.total_us() as f64 / 1e6);
        self.sample(&format!("{name}_count"), &[(label, value)], count);
    }

    fn storage(&mut self, metrics: &Metrics) {
        let storage = &metrics.storage;
        self.family("mgraph_cache_storage_requests_total", "counter", "Storage requests, by operation.");
        for verb in StorageOp::ALL {
            self.sample("mgraph_cache_storage_requests_total", &[("operation", verb.name())], storage.calls_of(verb));
        }
        for (name, help, value) in [
            ("round_trips", "Storage round trips; concurrent requests are one.", storage.round_trips()),
            ("read_bytes", "Bytes of objects that were read from the storage.", storage.read_bytes()),
            ("written_bytes", "Bytes of objects that were given to the storage.", storage.written_bytes()),
        ] {
            let name = format!("mgraph_cache_storage_{name}_total");
            self.family(&name, "counter", help);
            self.sample(&name, &[], value);
        }
    }

    fn object_cache(&mut self, counts: ObjectCacheCounts) {
        self.family("mgraph_cache_object_cache_hits_total", "counter", "Contents served from memory.");
        self.sample("mgraph_cache_object_cache_hits_total", &[], counts.hits);
        let misses = "Contents read from the storage.";
        self.family("mgraph_cache_object_cache_misses_total", "counter", misses);
        self.sample("mgraph_cache_object_cache_misses_total", &[], counts.misses);
        self.family("mgraph_cache_object_cache_bytes", "gauge", "Size of the contents in memory.");
        self.sample("mgraph_cache_object_cache_bytes", &[], counts.bytes);
    }

    fn process(&mut self, process: &Process<'_>) {
        let started = "Start time of the process, in seconds since 1970 UTC.";
        self.family("process_start_time_seconds", "gauge", started);
        self.sample("process_start_time_seconds", &[], process.started_ms as f64 / 1e3);
        self.family("mgraph_cache_build_info", "gauge", "Version and storage mode. Always 1.");
        let labels = [("version", process.version), ("storage_mode", process.storage_mode)];
        self.sample("mgraph_cache_build_info", &labels, 1);
    }

    fn family(&mut self, name: &str, kind: &str, help: &str) {
        self.line(format_args!("# HELP {name} {help}\n# TYPE {name} {kind}"));
    }

    fn sample(&mut self, name: &str, labels: &[(&str, &str)], value: impl Display) {
        let labels: Vec<_> = labels.iter().map(|(label, value)| format!("{label}=\"{}\"", escaped(value))).collect();
        match labels.is_empty() {
            true => self.line(format_args!("{name} {value}")),
            false => self.line(format_args!("{name}{{{}}} {value}", labels.join(","))),
        }
    }

    fn line(&mut self, line: impl Display) {
        // Writing to a string cannot fail.
        let _ = writeln!(self.0, "{line}");
    }
}

/// The value of a label between its quotes.
fn escaped(value: &str) -> String {
    value.replace('\\', "\\\\").replace('"', "\\\"").replace('\n', "\\n")
}

#[cfg(test)]
mod tests;
