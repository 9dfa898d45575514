//! The Python clients, and the examples of their handbook, against our server: on disk and on S3.
//!
//! The scripts are in `python/`. Each client has its own Python: the one that `MGRAPH_CLIENT_PYTHON_0_3_0` or
//! `MGRAPH_CLIENT_PYTHON_0_33_0` names, else the one that `tools/tools.sh` set up. Without it the scripts are left out.

use std::path::{Path, PathBuf};
use std::process::Command;

use crate::support::http::API_KEY;
use crate::support::{Mode, Server, say};

/// One generation of the client.
#[derive(Debug)]
struct PythonClient {
    version: &'static str,
    /// The variable that names its Python.
    variable: &'static str,
    /// The script that walks every method of it that can work.
    walk: &'static str,
}

const OLD: PythonClient =
    PythonClient { version: "0.3.0", variable: "MGRAPH_CLIENT_PYTHON_0_3_0", walk: "walk_0_3_0.py" };

const NEW: PythonClient =
    PythonClient { version: "0.33.0", variable: "MGRAPH_CLIENT_PYTHON_0_33_0", walk: "walk_0_33_0.py" };

const EXAMPLES: &[&str] = &["quick_start.py", "example_2.py", "example_3.py", "example_6.py"];

#[tokio::test]
async fn the_client_0_3_0_works_unchanged_on_disk() {
    check_walk(&OLD, Some(Mode::Disk)).await;
}

#[tokio::test]
async fn the_client_0_3_0_works_unchanged_on_s3() {
    check_walk(&OLD, Mode::s3("python-client-0-3-0").await).await;
}

#[tokio::test]
async fn the_client_0_33_0_works_unchanged_on_disk() {
    check_walk(&NEW, Some(Mode::Disk)).await;
}

#[tokio::test]
async fn both_clients_work_unchanged_in_sqlite_and_zip() {
    for mode in [Mode::sqlite(), Mode::zip()] {
        check_walk(&OLD, mode.clone()).await;
        check_walk(&NEW, mode).await;
    }
}

#[tokio::test]
async fn the_client_0_33_0_works_unchanged_on_s3() {
    check_walk(&NEW, Mode::s3("python-client-0-33-0").await).await;
}

#[tokio::test]
async fn the_examples_of_the_handbook_work_as_printed_on_disk() {
    check_examples(Some(Mode::Disk)).await;
}

#[tokio::test]
async fn the_examples_of_the_handbook_work_as_printed_on_s3() {
    check_examples(Mode::s3("python-examples").await).await;
}

async fn check_walk(client: &PythonClient, mode: Option<Mode>) {
    check(client, &[client.walk], mode).await;
}

async fn check_examples(mode: Option<Mode>) {
    check(&OLD, EXAMPLES, mode).await;
}

/// Runs scripts against a fresh server.
async fn check(client: &PythonClient, scripts: &[&str], mode: Option<Mode>) {
    let Some(mode) = mode else { return };
    let Some(python) = python(client) else {
        return say(&format!("not run: the Python client {} is not set up; run tools/tools.sh", client.version));
    };
    let server = Server::start(&mode).await;
    for script in scripts {
        run(&python, script, &server);
    }
}

/// Runs a script, and shows its output if it fails.
fn run(python: &Path, script: &str, server: &Server) {
    let mut command = Command::new(python);
    command.arg("-B").current_dir(here().join("it/python")).arg(script);
    command.env("MGRAPH_URL", server.url()).env("MGRAPH_KEY", API_KEY.1);
    let output = command.output().unwrap();
    let said = [output.stdout, output.stderr].concat();
    assert!(output.status.success(), "{script} fails:\n{}", String::from_utf8_lossy(&said));
}

fn python(client: &PythonClient) -> Option<PathBuf> {
    let own = || here().join(format!("../.tools/client-{}/bin/python", client.version));
    let path = std::env::var_os(client.variable).map_or_else(own, PathBuf::from);
    path.exists().then_some(path)
}

fn here() -> &'static Path {
    Path::new(env!("CARGO_MANIFEST_DIR"))
}
