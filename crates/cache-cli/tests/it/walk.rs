//! Every command with `--json`: one object a line, and with `ref` where it is about an entry.

use std::sync::Arc;

use cache_storage::memory::Memory;
use cache_testing::s3_server::S3Server;
use serde_json::Value;

use crate::support::World;

async fn check(world: &World) {
    let about_entries = async |arguments: &[&str]| -> Vec<String> {
        let lines = world.json(arguments).await;
        assert!(!lines.is_empty(), "{arguments:?} prints nothing");
        let reference = |line: &Value| match line["ref"].as_str() {
            Some(reference) => reference.to_owned(),
            None => panic!("{arguments:?}: {line} has no ref"),
        };
        lines.iter().map(reference).collect()
    };
    let one = async |arguments: &[&str]| about_entries(arguments).await.remove(0);
    let about_others = async |arguments: &[&str], field: &str| {
        for line in world.json(arguments).await {
            assert!(line.get(field).is_some(), "{arguments:?}: {line} has no {field}");
        }
    };
    world.write("a.json", "{\"a\": 1}");
    world.write("b.json", "{\"a\": 2}");
    world.write("t.txt", "text");
    world.write("folder/x.bin", vec![7; 5_000_000]);

    let text = one(&["put", "t.txt"]).await;
    let key = one(&["put", "a.json", "-k", "k", "-f", "f"]).await;
    one(&["put", "b.json", "-k", "k", "-f", "f"]).await;
    assert_eq!(about_entries(&["stat", &text, &key]).await, [text.clone(), one(&["stat", &key]).await]);
    let versions = about_entries(&["versions", &key]).await;
    assert_eq!(versions, [format!("{key}@1"), format!("{key}@2")]);
    let diff = world.run(&["diff", &versions[0], &versions[1], "--json"]).await;
    let diff: Value = serde_json::from_str(&diff.stdout).unwrap();
    assert!(diff["same"] == false && diff["new"] == versions[1].as_str(), "{diff}");
    assert_eq!(one(&["rollback", &versions[0]]).await, format!("{key}@3"));
    one(&["get", &key, "-o", "out.json"]).await;
    let folder = one(&["sync", "folder", "demo/folder"]).await;
    assert_eq!(folder, "demo:key@key_based/folder/x.bin/file");
    one(&["get", &folder, "-o", "out.bin"]).await;
    assert!(std::fs::read(world.path("out.bin")).unwrap() == [7; 5_000_000]);
    assert_eq!(about_entries(&["ls", "demo/folder"]).await.len(), 1);

    let zip = one(&["zip", "put", "-k", "z", "-f", "z"]).await;
    let zip = one(&["zip", "add", &zip, "t.txt"]).await;
    one(&["zip", "ls", &zip]).await;
    one(&["zip", "rm", &zip, "t.txt", "--dry-run"]).await;
    one(&["zip", "rm", &zip, "t.txt"]).await;
    one(&["data", "put", &text, "d/c", "t.txt"]).await;
    one(&["data", "ls", &text]).await;
    one(&["data", "rm", &text, "d/c", "--dry-run"]).await;
    one(&["data", "rm", &text, "d/c"]).await;
    one(&["data", "rm", &text, "--all", "--yes"]).await;

    about_others(&["ls"], "namespace").await;
    about_others(&["ns", "ls"], "namespace").await;
    about_others(&["ns", "stats"], "namespace").await;
    about_others(&["ns", "settings", "--ttl-hours", "48"], "ttl_hours").await;
    about_others(&["whoami"], "key_valid").await;
    about_others(&["doctor"], "reachable").await;
    about_others(&["login", &world.server.url(), "--no-key"], "profile").await;
    about_others(&["logout"], "removed").await;
    about_others(&["copy", "--from", "disk:folder", "--to", "sqlite:s"], "entries").await;
    about_others(&["verify", "sqlite:s"], "findings").await;
    about_others(&["sweep", "sqlite:s", "--dry-run"], "dry_run").await;
    about_others(&["sweep", "sqlite:s"], "namespace").await;

    one(&["rm", &text, "--dry-run"]).await;
    one(&["rm", &text]).await;
    assert_eq!(about_entries(&["rm", "--prefix", "demo/folder", "--yes"]).await.len(), 1);
}

#[tokio::test]
async fn every_command_prints_json_over_memory() {
    check(&World::over(Arc::new(Memory::default())).await).await;
}

#[tokio::test]
async fn every_command_prints_json_over_s3() {
    let Some(server) = S3Server::shared() else { return };
    check(&World::over(Arc::new(server.storage("cli-walk").await)).await).await;
}
