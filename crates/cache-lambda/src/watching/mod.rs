//! What a person sees of a running service: a line in the log for each request, and numbers.
//!
//! A [`Watch`] follows a request from its arrival to its line. [`operations`] names what it asks for, [`Outcome`] what came of
//! it; [`Metrics`] adds both up, together with what was asked of the storage. From there the numbers go two ways:
//! [`prometheus`] writes them for a scraper, [`emf`] puts those of one request into the log line that CloudWatch reads.
//! [`logging`] sets the log up.

pub mod emf;
pub mod logging;
pub mod operations;
pub mod prometheus;

mod metrics;
mod outcome;
mod watch;

pub use metrics::Metrics;
pub use outcome::Outcome;
pub use watch::{Invocation, Line, Watch};
