//! What a person sees of a running service: a line in the log for each request, and numbers.
//!
//! A [`RequestTracker`](request_tracker::RequestTracker) follows a request from its arrival to its line. [`OperationLabels`](operation::OperationLabels) name what it asks for, [`Outcome`](outcome::Outcome) what came of
//! it; [`Metrics`](metrics::Metrics) adds both up, together with what was asked of the storage. From there the numbers go two ways:
//! [`prometheus`] writes them for a scraper, [`emf`] puts those of one request into the log line that CloudWatch reads.
//! [`logging`] sets the log up.

pub mod access_log;
pub mod emf;
pub mod logging;
pub mod metrics;
pub mod operation;
pub mod outcome;
pub mod prometheus;
pub mod request_tracker;
