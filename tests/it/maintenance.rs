//! `copy` and `verify` as an operator runs them.

use std::path::Path;
use std::process::{Command, Output};

use crate::support::server::binary;
use crate::support::{Mode, Request, Server};

fn run(arguments: &[&str]) -> Output {
    Command::new(binary()).args(arguments).env_clear().output().unwrap()
}

fn text(output: &Output) -> String {
    format!("{}{}", String::from_utf8_lossy(&output.stdout), String::from_utf8_lossy(&output.stderr))
}

/// Expects this exit code and this part of what is said.
#[track_caller]
fn check(arguments: &[&str], code: i32, expected: &str) {
    let output = run(arguments);
    assert_eq!(output.status.code(), Some(code), "{}", text(&output));
    assert!(text(&output).contains(expected), "{}", text(&output));
}

fn address(scheme: &str, path: &Path) -> String {
    format!("{scheme}:{}", path.display())
}

#[tokio::test]
async fn a_store_is_copied_and_served_from_elsewhere() {
    let folder = tempfile::tempdir().unwrap();
    let server = Server::start(&Mode::Disk).await;
    let stored = server.client().send(Request::post("/demo/direct/store/string").text("hello")).await;
    let disk = address("disk", &server.disk());
    let archive = folder.path().join("cache.zip");
    let zip = address("zip", &archive);
    check(&["copy", "--from", &disk, "--to", &zip], 0, "has 1 entries");
    check(&["copy", "--from", &disk, "--to", &zip, "--json"], 0, "\"copied\": 0");
    check(
        &["verify", &zip],
        0,
        "1 entries, 1 contents (5 bytes), 0 key indexes, 0 stale parts of the catalog: 0 findings",
    );
    let setting = [("CACHE__SERVICE__ZIP_PATH", archive.to_str().unwrap())];
    let copy = Server::start_with(&Mode::Zip, &setting).await;
    let read = copy.client().send(Request::get(&format!("/demo/retrieve/{}/string", stored.field("cache_id")))).await;
    assert_eq!((read.status.as_u16(), read.text().as_str()), (200, "hello"));
    check(&["verify", &zip], 1, "in use by process");
}

#[tokio::test]
async fn a_finding_is_exit_code_7_and_wrong_arguments_are_2() {
    let folder = tempfile::tempdir().unwrap();
    let store = address("disk", folder.path());
    let server =
        Server::start_with(&Mode::Disk, &[("CACHE__SERVICE__LOCAL_DISK_PATH", folder.path().to_str().unwrap())]).await;
    server.client().send(Request::post("/demo/direct/store/string").text(&"x".repeat(100_000))).await;
    let blobs = crate::support::tree::files(&folder.path().join("demo/blobs"));
    std::fs::remove_file(blobs.keys().next().unwrap()).unwrap();
    check(&["verify", &store], 7, "missing_content: demo/blobs/");
    check(&["verify", &store, "--repair", "--json"], 7, "\"kind\": \"missing_content\"");
    check(&["verify", &store], 7, "missing_content: the content is gone: restore it from a copy");
    check(&["verify"], 2, "verify needs a STORE");
    let mistyped = address("disk", &folder.path().join("mistyped"));
    check(&["verify", &mistyped], 1, "there is no such store");
    check(&["copy", "--from", &mistyped, "--to", &store], 1, "there is no such store");
    assert!(!folder.path().join("mistyped").exists(), "a store is not made by looking for it");
    check(&["copy", "--from", "x"], 2, "give disk:FOLDER");
}
