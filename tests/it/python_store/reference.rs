//! The Python service itself, as a child process.

use std::net::TcpListener;
use std::path::{Path, PathBuf};
use std::process::{Child, Command, Stdio};
use std::time::{Duration, Instant};

use crate::support::http::API_KEY;
use crate::support::{Client, Request, say};

/// Python imports much before it serves.
const START_WITHIN: Duration = Duration::from_secs(180);

/// A running Python service. It ends when this value is dropped.
pub struct Reference {
    child: Child,
    authority: String,
}

impl Reference {
    /// Starts the service on a storage; `None`, and a line with the reason, if it is not set up.
    pub async fn start(storage_mode: &str, settings: &[(&str, &str)]) -> Option<Self> {
        // Each writes some 200 stores, one after another, and reads all of them back in every form.
        if std::env::var_os("MGRAPH_TEST_PYTHON_STORES").is_none() {
            say(
                "not run: stores that the Python service writes now, which make test-python-stores does; a recorded one is tested",
            );
            return None;
        }
        let python = python();
        if !python.exists() {
            say("not run: stores of the Python service, which is not set up; run tools/tools.sh");
            return None;
        }
        let port = TcpListener::bind("127.0.0.1:0").unwrap().local_addr().unwrap().port();
        let module = ["-W", "ignore", "-m", "uvicorn", "mgraph_ai_service_cache.fast_api.lambda_handler:app"];
        let child = Command::new(&python)
            .args(module)
            .args(["--host", "127.0.0.1", "--port", &port.to_string(), "--log-level", "warning"])
            .env_clear()
            .envs([("FAST_API__AUTH__API_KEY__NAME", API_KEY.0), ("FAST_API__AUTH__API_KEY__VALUE", API_KEY.1)])
            .env("CACHE__SERVICE__STORAGE_MODE", storage_mode)
            .envs(settings.iter().copied())
            .current_dir(std::env::temp_dir())
            .stdin(Stdio::null())
            .stdout(Stdio::null())
            .stderr(Stdio::null())
            .spawn()
            .unwrap_or_else(|error| panic!("{}: {error}", python.display()));
        let mut reference = Self { child, authority: format!("127.0.0.1:{port}") };
        reference.wait_until_it_answers().await;
        Some(reference)
    }

    /// A client of this service.
    pub fn client(&self) -> Client {
        Client::new(&self.authority)
    }

    async fn wait_until_it_answers(&mut self) {
        let deadline = Instant::now() + START_WITHIN;
        while Instant::now() < deadline {
            if let Some(status) = self.child.try_wait().unwrap() {
                panic!("the Python service ended while starting: {status}");
            }
            match self.client().try_send(Request::get("/info/health")).await {
                Ok(reply) if reply.status == 200 => return,
                _ => tokio::time::sleep(Duration::from_millis(100)).await,
            }
        }
        panic!("the Python service did not answer within {START_WITHIN:?}");
    }
}

impl Drop for Reference {
    fn drop(&mut self) {
        // Both fail only when the process has already ended.
        let _ = self.child.kill();
        let _ = self.child.wait();
    }
}

fn python() -> PathBuf {
    let set_up = Path::new(env!("CARGO_MANIFEST_DIR")).join("../.tools/reference/bin/python");
    std::env::var_os("MGRAPH_REFERENCE_PYTHON").map_or(set_up, PathBuf::from)
}
