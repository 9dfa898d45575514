//! What tests of the cache need around a storage. Only ever a dev-dependency.
//!
//! | module | what |
//! |---|---|
//! | [`recording`] | a storage that keeps a log of its calls, for budgets of calls and round trips |
//! | [`fault_injection`] | a storage that fails on purpose, once or at random |
//! | [`mock_clock`] | a clock that moves only when a task sleeps |
//! | [`manual_clock`] | a clock that moves only when a test advances it |
//! | [`seeded_rng`] | random numbers that repeat with the seed |
//! | [`s3_server`] | the S3 server that tests use: moto, or one of your own |
//! | [`moto`] | an S3 look-alike that runs as long as the test |
//! | [`fake_s3`] | a minimal S3 with the quirks of look-alikes |
//! | [`event_mutations`] | mutated events for a function |
//! | [`faulty_proxy`] | an HTTP proxy in front of S3 that delays, refuses and breaks requests |

pub mod event_mutations;
pub mod fake_s3;
pub mod fault_injection;
pub mod faulty_proxy;
mod loopback;
pub mod manual_clock;
pub mod mock_clock;
pub mod moto;
pub mod recording;
pub mod s3_server;
pub mod seeded_rng;
