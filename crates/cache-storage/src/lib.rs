//! Where the bytes live: the backends behind [`cache_core::storage::Storage`], and the clock and RNG of the system.
//!
//! | backend | for | shared by |
//! |---|---|---|
//! | [`s3`] | production | any number of processes anywhere |
//! | [`disk`] | a local server | any number of processes on one machine |
//! | `sqlite` (feature) | a local server with one file | any number of processes on one machine |
//! | `zip` (feature) | a store to look into and to carry around | one process |
//! | [`memory`] | tests and trying things out | the threads of one process |
//!
//! The port's docs are the contract; `conformance` (feature `testing`) is the same contract as named checks, which
//! every backend and every decorator passes. This crate knows nothing about HTTP or the meaning of keys.
//!
//! [`open`] opens the one that a [`StorageConfig`] names.
//!
//! Reading order: [`memory`] implements the contract in its plainest form, and `list_page` holds the rules of a
//! listing. Then [`disk`] and [`s3`] with their parts, and `sqlite` and `zip` with the queue of writes that they share.
//!
//! [`instrumented`] wraps any of them, once for each request: it counts calls, and ends them at the request's deadline.
//!
//! The crate `cache-testing` has what tests need: fault injection, a log of calls, a mock clock, an S3 look-alike and a
//! faulty network in front of it.

pub mod config;
pub mod disk;
pub mod instrumented;
pub mod memory;
pub mod operation;
pub mod round_trips;
pub mod s3;
#[cfg(feature = "sqlite")]
pub mod sqlite;
pub mod system;

#[cfg(any(test, feature = "testing"))]
pub mod conformance;

mod io_failure;
mod list_page;
mod read_cached;
mod reserve;
mod slice;
#[cfg(any(feature = "sqlite", feature = "zip"))]
mod store_file;
#[cfg(any(feature = "sqlite", feature = "zip"))]
mod write_queue;
#[cfg(feature = "zip")]
pub mod zip;

pub use config::{StorageConfig, open};
