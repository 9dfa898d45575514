//! Many threads of several processes want one value at once.

use std::fs;
use std::io::Write;
use std::path::Path;
use std::process::{Child, Command, Stdio};
use std::thread;
use std::time::Duration;

use mgraph_cache_client::Client;
use mgraph_cache_client::memo::Mode;
use mgraph_cache_client::testing::LocalServer;
use serde_json::json;
use tokio::runtime::Runtime;

/// How many threads of each process call the function.
const THREADS: usize = 25;
/// The function as it is named in the environment of a process.
const SLOW: &str = "slow";
const HANGS: &str = "hangs";

/// What each process of the tests below does. The function writes a line to a file before it does anything else.
#[test]
#[ignore = "run by the tests of this module, in processes of their own"]
fn one_process() {
    let variable = |name: &str| std::env::var(name).unwrap();
    let (function, file) = (variable("HERD_FUNCTION"), variable("HERD_FILE"));
    let run = async || {
        let mut file = fs::OpenOptions::new().append(true).create(true).open(&file).unwrap();
        writeln!(file, "run").unwrap();
        match function.as_str() {
            HANGS => std::future::pending::<()>().await,
            _ => tokio::time::sleep(Duration::from_millis(500)).await,
        }
        Ok::<_, std::convert::Infallible>(42)
    };
    let runtime = Runtime::new().unwrap();
    let cache = Client::builder(variable("HERD_URL")).build().unwrap().namespace("demo").unwrap();
    let memo = cache.memo().mode(Mode::On).lease(Duration::from_secs(3)).build();
    thread::scope(|scope| {
        for _ in 0..THREADS {
            scope.spawn(|| {
                let value: u32 = runtime.block_on(memo.call("slow", &json!({"n": 1}), run)).unwrap();
                assert_eq!(value, 42);
            });
        }
    });
}

fn start(server: &LocalServer, function: &str, file: &Path) -> Child {
    let mut command = Command::new(std::env::current_exe().unwrap());
    command.args(["--exact", "memo_herd::one_process", "--ignored"]).stdout(Stdio::null());
    command.env("HERD_URL", server.url()).env("HERD_FUNCTION", function).env("HERD_FILE", file).spawn().unwrap()
}

fn two_processes(server: &LocalServer, file: &Path) {
    let processes = [start(server, SLOW, file), start(server, SLOW, file)];
    for mut process in processes {
        assert!(process.wait().unwrap().success());
    }
}

fn runs(file: &Path) -> usize {
    fs::read_to_string(file).unwrap_or_default().lines().count()
}

#[test]
fn two_processes_of_many_threads_run_it_once_and_then_never() {
    let (server, folder) = (LocalServer::start().unwrap(), tempfile::tempdir().unwrap());
    let file = folder.path().join("runs");
    two_processes(&server, &file);
    assert_eq!(runs(&file), 1);
    two_processes(&server, &file);
    assert_eq!(runs(&file), 1, "a warm cache runs nothing");
}

#[test]
fn others_run_it_once_after_its_process_was_killed() {
    let (server, folder) = (LocalServer::start().unwrap(), tempfile::tempdir().unwrap());
    let file = folder.path().join("runs");
    let mut killed = start(&server, HANGS, &file);
    while runs(&file) == 0 {
        thread::sleep(Duration::from_millis(5));
    }
    killed.kill().unwrap();
    killed.wait().unwrap();
    two_processes(&server, &file);
    assert_eq!(runs(&file), 2, "the one that was killed, and one after it");
}
