//! Where the bytes live: the backends behind [`cache_core::storage::Storage`], and the real [surroundings](system).
//!
//! | backend | for | shared by |
//! |---|---|---|
//! | [`s3`] | production | any number of processes anywhere |
//! | [`disk`] | a local server | any number of processes on one machine |
//! | [`memory`] | tests and trying things out | the threads of one process |
//!
//! The port's docs are the contract; `conformance` is the same contract as named checks, which every backend and every
//! decorator runs at the foot of its own file. This crate knows nothing of HTTP and of what the keys mean.
//!
//! Reading order: [`memory`] shows what the contract asks for in its plainest form, and `paging` the rules of a listing.
//! Then [`disk`] with its three parts (names, workspace, listing) and [`s3`] with its three (connect, presign, trouble).
//!
//! [`metered`] goes around any of them, once for each request: it counts calls, and ends them when the request's time is up.
//!
//! With the feature `testing` there are also `faulty` (a storage that fails on purpose), `counting` (one that keeps a
//! log of its calls), `impatience` (surroundings in which waiting takes no time), `moto` (an S3 look-alike that lives as
//! long as the test) and `proxy` (the bad network in front of it).

pub mod disk;
pub mod memory;
pub mod metered;
pub mod s3;
pub mod system;
pub mod verb;

#[cfg(any(test, feature = "testing"))]
pub mod conformance;
#[cfg(any(test, feature = "testing"))]
pub mod counting;
#[cfg(any(test, feature = "testing"))]
pub mod faulty;
#[cfg(any(test, feature = "testing"))]
pub mod impatience;
#[cfg(any(test, feature = "testing"))]
pub mod moto;
#[cfg(feature = "testing")]
pub mod proxy;

mod paging;
mod part;
mod rounds;
