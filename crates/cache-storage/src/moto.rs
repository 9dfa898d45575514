//! An S3 look-alike for tests: moto's server, started as a child process.
//!
//! The Python that runs it is the one that `MGRAPH_MOTO_PYTHON` names, else `.tools/moto/bin/python` at the root of the
//! workspace. Where there is none, [`Moto::shared`] says so on stderr and returns `None`, and tests return early.

use std::env;
use std::fmt;
use std::io::{BufRead, BufReader};
use std::path::{Path, PathBuf};
use std::process::{Child, Command, Stdio};
use std::sync::OnceLock;

use crate::s3::{S3, S3Config};

/// Prints the port that it serves on. Ends when its standard input does, so it never outlives the process that holds the
/// other end, however that one ends. moto looks at a condition first and writes then, so two writes at once could both
/// meet it; real S3 does not have that gap, and one write at a time closes it.
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

/// The id of the only access key that tests use.
const ACCESS_KEY_ID: &str = "test";
/// Its secret. moto takes any.
const SECRET_ACCESS_KEY: &str = "test";

/// A running server. Ends with this value, or else with the process.
pub struct Moto {
    child: Child,
    port: u16,
}

impl Moto {
    /// The one server of this test process, started with the first call; `None` when moto is not set up.
    pub fn shared() -> Option<&'static Self> {
        static SHARED: OnceLock<Option<Moto>> = OnceLock::new();
        SHARED.get_or_init(Self::start).as_ref()
    }

    /// Starts a server; `None` when moto is not set up.
    ///
    /// # Panics
    ///
    /// When the Python is there, but does not run moto.
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

    /// Where the server is.
    pub fn endpoint_url(&self) -> String {
        format!("http://127.0.0.1:{}", self.port)
    }

    /// The environment in which another process finds the server as its S3; the endpoint comes first.
    pub fn environment(&self) -> [(&'static str, String); 4] {
        [
            ("AWS_ENDPOINT_URL", self.endpoint_url()),
            ("AWS_ACCESS_KEY_ID", ACCESS_KEY_ID.to_owned()),
            ("AWS_SECRET_ACCESS_KEY", SECRET_ACCESS_KEY.to_owned()),
            ("AWS_REGION", "us-east-1".to_owned()),
        ]
    }

    /// A storage in this bucket, which is made if it is not there.
    ///
    /// # Panics
    ///
    /// When the server refuses to make the bucket.
    pub async fn storage(&self, bucket: &str) -> S3 {
        self.storage_at(self.endpoint_url(), bucket).await
    }

    /// As [`Moto::storage`], by way of another address that leads to this server.
    ///
    /// # Panics
    ///
    /// When the server refuses to make the bucket.
    pub async fn storage_at(&self, endpoint_url: String, bucket: &str) -> S3 {
        let config = S3Config { endpoint_url: Some(endpoint_url), ..S3Config::new(bucket) };
        let storage = S3::with_keys(config, ACCESS_KEY_ID, SECRET_ACCESS_KEY);
        storage.make_bucket().await.expect("moto makes any bucket");
        storage
    }
}

impl Drop for Moto {
    fn drop(&mut self) {
        // When it has ended already, so much the better.
        let _ = self.child.kill();
        let _ = self.child.wait();
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
