//! The service as a client sees it: every test starts the built binary on a free port and talks HTTP to it.
//!
//! | module | claim |
//! |---|---|
//! | [`replay`] | every recorded exchange of the Python service is answered alike, but for [`differences`] |
//! | [`python_clients`] | both Python clients, and the examples of their handbook, work unchanged |
//! | [`defects`] | what the Python service does wrong, ours does right |
//! | [`hostile`] | wrong input is refused with advice, leaves nothing behind, and stays in its namespace |
//! | [`lambda_events`] | the binary as a Lambda function answers the events of every sender, in time |
//! | [`logs`] | each request is one line in the log, and no line tells a secret |
//! | [`uploads`] | a large content goes straight to the storage, and comes straight from it |
//! | [`batch`] | a batch says of each entry what a request for it alone says |
//! | [`repeats`] | repeats with one `Idempotency-Key` are one entry, through whichever server |
//! | [`concurrency`] | racing stores lose nothing |
//! | [`network`] | an S3 that cannot be reached is 503, never a miss |
//! | [`campaign`] | nor do two processes that do everything at once over an S3 that fails |

#![allow(clippy::unwrap_used, reason = "a test that cannot go on panics")]

mod support;

mod batch;
mod campaign;
mod concurrency;
mod defects;
mod differences;
mod faults;
mod hostile;
mod kill;
mod lambda_events;
mod logs;
mod network;
mod python_clients;
mod repeats;
mod replay;
mod sweep;
mod uploads;
