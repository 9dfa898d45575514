//! Logs and metrics.
//!
//! A [`RequestTracker`](request_tracker::RequestTracker) follows a request up to its access log entry, and adds it to
//! the [`Metrics`](metrics::Metrics) by operation and [`Outcome`](outcome::Outcome). [`prometheus`] renders the metrics
//! for a scraper; [`emf`] puts those of one request into the log line that CloudWatch reads. [`logging`] sets up the
//! log.

pub mod access_log;
pub mod emf;
pub mod log_writer;
pub mod logging;
pub mod metrics;
pub mod operation;
pub mod outcome;
pub mod prometheus;
pub mod request_tracker;
