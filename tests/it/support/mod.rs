//! Shared by the tests: a running service, a client that sends requests exactly as written, the files of a folder.

pub mod http;
pub mod server;
pub mod tree;

use std::io::{self, Write as _};

pub use http::{Client, Reply, Request};
pub use server::{Mode, Server};

/// Prints a line even if the test passes: the test harness captures all other output of a passed test.
pub fn say(text: &str) {
    // There is no other place to report that this failed.
    let _ = writeln!(io::stderr(), "{text}");
}
