//! The service as a client sees it: every test starts the built binary on a free port and talks HTTP to it.
//!
//! | module | claim |
//! |---|---|
//! | [`replay`] | every recorded exchange of the Python service is answered alike, but for [`compat_deviations`] |
//! | [`python_clients`] | both Python clients, and the examples of their handbook, work unchanged |
//! | [`console`] | the console shows what the API says, does what it says, and runs nothing that is stored |
//! | [`python_store`] | a store of the Python service is opened as it is, and nothing in it is lost |
//! | [`regressions`] | defects of the Python service do not occur |
//! | [`malformed_input`] | wrong input is refused with advice, leaves nothing behind, and stays in its namespace |
//! | [`lambda_events`] | the binary as a Lambda function answers the events of every source, in time |
//! | [`api_keys`] | every operation asks every caller for its permission |
//! | [`logs`] | each request is one line in the log, and no line contains a secret |
//! | [`uploads`] | a large content goes straight to the storage, and comes straight from it |
//! | [`batch`] | a batch says of each entry what a request for it alone says |
//! | [`repeats`] | repeats with one `Idempotency-Key` are one entry, through whichever server |
//! | [`concurrency`] | racing stores lose nothing |
//! | [`maintenance`] | a store is copied to any other storage, and what is wrong in it is found |
//! | [`start`] | a server starts only on a storage that it can use |
//! | [`environment`] | a server survives its log, its folder, its descriptors and its signals |
//! | [`connections`] | no caller holds a connection or memory for longer than the server lets it |
//! | [`network`] | an S3 that cannot be reached is 503, never a miss |
//! | [`chaos`] | nor do two processes that do everything at once over an S3 that fails |

#![allow(clippy::unwrap_used, reason = "a test that cannot go on panics")]

mod support;

mod api_keys;
mod batch;
mod chaos;
mod compat_deviations;
mod concurrency;
mod connections;
mod console;
mod crash_recovery;
mod environment;
mod faults;
mod lambda_events;
mod logs;
mod maintenance;
mod malformed_input;
mod network;
mod python_clients;
mod python_store;
mod regressions;
mod repeats;
mod replay;
mod start;
mod sweep;
mod uploads;
