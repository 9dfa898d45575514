//! What the tests share: a running service, a client that sends requests exactly as written, a picture of a folder.

pub mod http;
pub mod server;
pub mod tree;

use std::io::{self, Write as _};

pub use http::{Client, Reply, Request};
pub use server::{Mode, Server};

/// Says something that a reader of the test run should see: the output of a passed test is otherwise kept back.
pub fn say(text: &str) {
    // Nobody is there to hear it when this fails.
    let _ = writeln!(io::stderr(), "{text}");
}
