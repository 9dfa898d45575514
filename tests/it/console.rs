//! The console in Chromium: what is clicked is checked through the API, and nothing that is stored runs.
//!
//! The scripts are in `console/`. They need Debian's `chromium`, and the Python in `.tools/console` that `tools/tools.sh` sets up.

use std::path::{Path, PathBuf};
use std::process::Command;

use crate::support::http::API_KEY;
use crate::support::{Mode, Server, say};

#[tokio::test]
async fn each_view_of_the_console_shows_what_the_api_says() {
    check("views.py", &Mode::Memory).await;
}

#[tokio::test]
async fn the_modules_of_the_console_compute_what_they_say() {
    check("modules.py", &Mode::Memory).await;
}

#[tokio::test]
async fn each_action_of_the_console_does_what_it_says() {
    check("actions.py", &Mode::Memory).await;
}

#[tokio::test]
async fn the_actions_of_the_console_work_on_s3() {
    let Some(mode) = Mode::s3("console").await else { return };
    check("actions.py", &mode).await;
}

#[tokio::test]
async fn the_console_shows_hostile_content_as_text() {
    check("hostile.py", &Mode::Memory).await;
}

#[tokio::test]
async fn the_console_permits_what_the_key_permits() {
    check("access.py", &Mode::Memory).await;
}

#[tokio::test]
async fn the_console_has_no_barriers_in_light_dark_and_on_a_phone() {
    check("looks.py", &Mode::Memory).await;
}

#[tokio::test]
async fn the_console_shows_a_namespace_of_many_entries_at_once() {
    check("scale.py", &Mode::Memory).await;
}

/// Runs a script. A browser on a busy machine is late at times: what fails is tried again, and what fails twice fails.
async fn check(script: &str, mode: &Mode) {
    let Some(python) = python() else {
        return say(&format!("not run: console/{script} needs chromium and .tools/console; run tools/tools.sh"));
    };
    if let Err(said) = run(&python, script, mode).await {
        say(&format!("console/{script} fails, and is tried again:\n{said}"));
        run(&python, script, mode).await.unwrap_or_else(|said| panic!("{script} fails:\n{said}"));
    }
}

/// Runs a script against a fresh server, and returns its output if it fails.
async fn run(python: &Path, script: &str, mode: &Mode) -> Result<(), String> {
    let server = Server::start(mode).await;
    let mut command = Command::new(python);
    command.arg("-B").current_dir(here().join("it/console")).arg(script);
    command.env("MGRAPH_URL", server.url()).env("MGRAPH_HEADER", API_KEY.0).env("MGRAPH_KEY", API_KEY.1);
    let axe = tools().join("axe.min.js");
    if axe.exists() {
        command.env("AXE", axe);
    }
    let output = tokio::task::spawn_blocking(move || command.output()).await.unwrap().unwrap();
    let said = [output.stdout, output.stderr].concat();
    if output.status.success() { Ok(()) } else { Err(String::from_utf8_lossy(&said).into_owned()) }
}

/// The Python with Playwright, if there is a browser for it.
fn python() -> Option<PathBuf> {
    let browser = std::env::var_os("PATH")
        .is_some_and(|path| std::env::split_paths(&path).any(|folder| folder.join("chromium").exists()));
    let python = tools().join("bin/python");
    (browser && tools().join("ready").exists() && python.exists()).then_some(python)
}

fn tools() -> PathBuf {
    here().join("../.tools/console")
}

fn here() -> &'static Path {
    Path::new(env!("CARGO_MANIFEST_DIR"))
}
