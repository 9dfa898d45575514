//! An S3 look-alike for tests: moto's server, started as a child process.
//!
//! `MGRAPH_MOTO_PYTHON` names the Python that runs it; the default is `.tools/moto/bin/python` at the root of the
//! workspace. If there is none, [`Moto::start`] reports that on stderr and returns `None`, and tests return early.

use std::env;
use std::fmt;
use std::io::{BufRead, BufReader};
use std::path::{Path, PathBuf};
use std::process::{Child, Command, Stdio};

/// Prints the port that it serves on. It ends when its standard input does, so it never outlives the process that holds
/// the other end. moto evaluates a condition before it writes, so two concurrent writes could both meet it; S3 does not
/// have that gap, and serving one write at a time closes it.
const SERVER: &str = r#"
import os, sys, threading
from moto.moto_server.werkzeug_app import DomainDispatcherApplication, MotoRequestHandler, create_backend_app
from werkzeug.serving import make_server

moto, one_at_a_time = DomainDispatcherApplication(create_backend_app), threading.Lock()

def app(environ, start_response):
    if environ["REQUEST_METHOD"] in ("GET", "HEAD"):
        return moto(environ, start_response)
    with one_at_a_time:
        return moto(environ, start_response)

server = make_server("127.0.0.1", 0, app, threaded=True, request_handler=MotoRequestHandler)
threading.Thread(target=server.serve_forever, daemon=True).start()
print(server.server_address[1], flush=True)
sys.stdin.read()
os._exit(0)
"#;

/// A running server. It ends when this value is dropped, or with the process.
pub struct Moto {
    child: Child,
    port: u16,
}

impl Moto {
    /// Starts a server; `None` if moto is not set up.
    ///
    /// # Panics
    ///
    /// If the Python exists but does not run moto.
    pub fn start() -> Option<Self> {
        let python = python();
        if !python.exists() {
            eprintln!("skipped: moto is not set up; run `make test`");
            return None;
        }
        let mut child = Command::new(&python)
            .args(["-c", SERVER])
            .stdin(Stdio::piped())
            .stdout(Stdio::piped())
            .stderr(Stdio::null())
            .spawn()
            .unwrap_or_else(|err| panic!("{} does not start: {err}", python.display()));
        let mut line = String::new();
        let read = child.stdout.take().map(|stdout| BufReader::new(stdout).read_line(&mut line));
        let port = line.trim().parse();
        let port = port.unwrap_or_else(|_| panic!("moto does not start with {}: {read:?}", python.display()));
        Some(Self { child, port })
    }

    /// The URL of the server.
    pub fn endpoint_url(&self) -> String {
        format!("http://127.0.0.1:{}", self.port)
    }
}

impl Drop for Moto {
    fn drop(&mut self) {
        // It may have ended already.
        drop(self.child.kill());
        drop(self.child.wait());
    }
}

impl fmt::Debug for Moto {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Moto").field("port", &self.port).finish_non_exhaustive()
    }
}

fn python() -> PathBuf {
    let set_up = Path::new(env!("CARGO_MANIFEST_DIR")).join("../../.tools/moto/bin/python");
    env::var_os("MGRAPH_MOTO_PYTHON").map_or(set_up, PathBuf::from)
}
