//! The sweep as an operator runs it, while a server keeps serving.

use std::fs::File;
use std::path::PathBuf;
use std::process::{Command, Output};
use std::time::{Duration, SystemTime};

use crate::support::server::binary;
use crate::support::tree::files;
use crate::support::{Mode, Request, Server};

#[tokio::test]
async fn a_child_that_outlived_its_entry_is_swept_and_what_lives_is_left_alone() {
    let server = Server::start(&Mode::Disk).await;
    let client = server.client();
    let store = async |text: &str| {
        let reply = client.send(Request::post("/demo/direct/store/string").text(text)).await;
        let id = reply.field("cache_id");
        client.send(Request::post(&format!("/demo/cache/{id}/data/store/string/notes/child")).text(text)).await;
        id
    };
    let (gone, kept) = (store("gone").await, store("kept").await);
    let child = files(&server.disk())
        .into_keys()
        .find(|path| path.to_string_lossy().contains(&gone) && path.ends_with("notes/child.txt"))
        .unwrap();
    client.send(Request::bare("DELETE", &format!("/demo/delete/{gone}")).header("x-api-key", "test-key")).await;
    assert!(!child.exists(), "a delete takes the children along");

    // As a process that ended in the middle of the delete would have left it.
    std::fs::create_dir_all(child.parent().unwrap()).unwrap();
    std::fs::write(&child, "gone").unwrap();
    let nothing_removed = sweep(&server, &[]);
    assert!(nothing_removed.contains(" 0 orphaned children"), "it may be under way: {nothing_removed}");
    let two_days_ago = SystemTime::now() - Duration::from_secs(2 * 24 * 3600);
    File::options().write(true).open(&child).unwrap().set_modified(two_days_ago).unwrap();
    let would_remove = sweep(&server, &["--dry-run", "demo"]);
    assert!(
        would_remove.starts_with("demo: (dry run) would remove 0 expired")
            && would_remove.contains(" 1 orphaned children"),
        "{would_remove}"
    );
    assert!(child.exists());
    let removed = sweep(&server, &[]);
    assert!(
        removed.starts_with("demo: removed 0 expired entries") && removed.contains(" 1 orphaned children"),
        "{removed}"
    );

    assert!(!child.exists());
    let reply = client.send(Request::get(&format!("/demo/retrieve/{kept}/string"))).await;
    assert_eq!(reply.text(), "kept");
    let reply = client.send(Request::get(&format!("/demo/cache/{kept}/data/string/notes/child"))).await;
    assert_eq!(reply.text(), "kept");
}

#[tokio::test]
async fn a_sweep_that_finds_damage_says_so_and_exits_with_7() {
    let server = Server::start(&Mode::Disk).await;
    server.client().send(Request::post("/demo/direct/store/string").text("hello")).await;
    let is_manifest = |path: &PathBuf| path.to_string_lossy().contains("refs/by-hash/2c/f2/2cf24dba5fb0a30e");
    let manifest = files(&server.disk()).into_keys().find(is_manifest).unwrap();
    // Shorter ones count as tombstones.
    std::fs::write(manifest, "damaged ".repeat(10)).unwrap();
    for arguments in [&["--dry-run"][..], &[]] {
        let output = run_sweep(&server, arguments);
        assert_eq!(output.status.code(), Some(7), "{output:?}");
        let said = String::from_utf8_lossy(&output.stdout);
        assert!(said.contains("\ndemo: damaged: demo/refs/by-hash/2c/f2/2cf24dba5fb0a30e\n"), "{said}");
    }
}

/// The output of `cache-lambda sweep` on the folder of a server, which finds no damage.
fn sweep(server: &Server, arguments: &[&str]) -> String {
    let output = run_sweep(server, arguments);
    assert!(output.status.success(), "{}", String::from_utf8_lossy(&output.stderr));
    String::from_utf8(output.stdout).unwrap()
}

/// Runs `cache-lambda sweep` on the folder of a server.
fn run_sweep(server: &Server, arguments: &[&str]) -> Output {
    Command::new(binary())
        .arg("sweep")
        .args(arguments)
        .env_clear()
        .env("CACHE__SERVICE__STORAGE_MODE", "local_disk")
        .env("CACHE__SERVICE__LOCAL_DISK_PATH", server.disk())
        .output()
        .unwrap()
}
