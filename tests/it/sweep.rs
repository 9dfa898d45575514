//! The sweep as an operator runs it, beside a server that goes on serving.

use std::fs::File;
use std::process::Command;
use std::time::{Duration, SystemTime};

use crate::support::server::binary;
use crate::support::tree::files;
use crate::support::{Mode, Request, Server};

#[tokio::test]
async fn an_old_grave_is_swept_and_what_lives_is_left_alone() {
    let server = Server::start(&Mode::Disk).await;
    let client = server.client();
    let store = async |text: &str| {
        let reply = client.send(Request::post("/demo/direct/store/string").text(text)).await;
        reply.field("cache_id")
    };
    let (gone, kept) = (store("gone").await, store("kept").await);
    let target = format!("/demo/delete/{gone}");
    client.send(Request::bare("DELETE", &target).header("x-api-key", "test-key")).await;
    let grave = files(&server.disk()).into_keys().find(|path| path.to_string_lossy().contains(&gone)).unwrap();

    assert_eq!(
        sweep(&server),
        "demo: removed 0 expired entries, 0 tombstones, 0 unlisted records, 0 unreferenced blobs, 0 orphaned children\n"
    );
    let two_days_ago = SystemTime::now() - Duration::from_secs(2 * 24 * 3600);
    File::options().write(true).open(&grave).unwrap().set_modified(two_days_ago).unwrap();
    assert_eq!(
        sweep(&server),
        "demo: removed 0 expired entries, 1 tombstones, 0 unlisted records, 0 unreferenced blobs, 0 orphaned children\n"
    );

    assert!(!grave.exists());
    let reply = client.send(Request::get(&format!("/demo/retrieve/{kept}/string"))).await;
    assert_eq!(reply.text(), "kept");
}

/// What `cache-lambda sweep` prints over the folder of a server.
fn sweep(server: &Server) -> String {
    let output = Command::new(binary())
        .arg("sweep")
        .env_clear()
        .env("CACHE__SERVICE__STORAGE_MODE", "local_disk")
        .env("CACHE__SERVICE__LOCAL_DISK_PATH", server.disk())
        .output()
        .unwrap();
    assert!(output.status.success(), "{}", String::from_utf8_lossy(&output.stderr));
    String::from_utf8(output.stdout).unwrap()
}
