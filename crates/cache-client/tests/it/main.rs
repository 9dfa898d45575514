//! The client against the service: in this process, behind a socket, and over a network that fails.
//!
//! | module | claim |
//! |---|---|
//! | [`walk`] | every operation can be called, in every mode, over memory and over S3 |
//! | [`openapi`] | the client calls each operation of `/openapi.json`, or says why not |
//! | [`faults`] | a store over a failing network is one entry, every call ends in time, and errors say what to do |
//! | [`memo`] | a memoised function runs once for all who ask, and a failing cache never fails a call |
//! | [`memo_herd`] | the same for many threads of several processes, of which one may be killed |
//! | [`memo_keys`] | the keys of calls are those of the vectors, and those that Python computes |
//! | [`memo_macro`] | the attribute `memoize` does the same |
//! | [`transfers`] | files of any size go in and out unchanged, and other bytes are refused |
//! | [`checks`] | `check` says what is wrong with URL and key |
//! | [`docs`] | what the documentation prints is what runs |

#![allow(clippy::unwrap_used, reason = "a test that cannot go on panics")]

mod checks;
mod docs;
mod faults;
mod memo;
mod memo_herd;
mod memo_keys;
mod memo_macro;
mod openapi;
mod support;
mod transfers;
mod walk;
