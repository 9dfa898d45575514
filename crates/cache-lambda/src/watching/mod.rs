//! What a person sees of a running service: a line in the log for each request, and numbers.
//!
//! [`operations`] names what a request asks for, [`Outcome`] what came of it; [`Metrics`] adds both up, together with what
//! was asked of the storage. From there the numbers go two ways: [`prometheus`] writes them for a scraper, [`emf`] puts them
//! into the log line that CloudWatch reads. [`logging`] sets the log up.

pub mod emf;
pub mod logging;
pub mod operations;
pub mod prometheus;

mod metrics;
mod outcome;

pub use metrics::Metrics;
pub use outcome::Outcome;
