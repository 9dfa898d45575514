//! `keys`, and what a key with permissions may do.

use std::fs::File;
use std::time::{Duration, SystemTime};

use serde_json::{Value, json};

use crate::support::{Ran, World, finish, finish_with};

const ROOT: &str = "the-root-key";

/// Runs a command with a key.
async fn run(world: &World, key: &str, arguments: &[&str]) -> Ran {
    let mut command = world.command(arguments);
    command.env("MGRAPH_CACHE_KEY", key);
    finish(command).await
}

/// Runs a command with the root key that has to succeed, and returns its one object of JSON.
async fn json(world: &World, arguments: &[&str]) -> Value {
    let ran = run(world, ROOT, &[arguments, &["--json"]].concat()).await;
    assert_eq!(ran.code, 0, "{arguments:?}: {ran:?}");
    serde_json::from_str(&ran.stdout).unwrap_or_else(|error| panic!("{error}: {ran:?}"))
}

/// Makes a key: its id and its text.
async fn create(world: &World, arguments: &[&str]) -> (String, String) {
    let made = json(world, &[&["keys", "create", "--name", "ci"], arguments].concat()).await;
    let text = |field: &str| made[field].as_str().unwrap().to_owned();
    (text("id"), text("key"))
}

/// A key and nothing else, on one line.
#[track_caller]
fn key_alone(ran: &Ran) -> &str {
    let key = ran.stdout.strip_suffix('\n').unwrap();
    assert!(ran.code == 0 && key.starts_with("mgc_") && !key.contains(char::is_whitespace), "{ran:?}");
    assert!(!ran.stderr.contains("mgc_") && ran.stderr.contains("not shown again"), "{ran:?}");
    key
}

#[tokio::test]
async fn a_new_key_is_alone_on_stdout_and_does_what_was_granted() {
    let world = World::with_key(ROOT).await;
    world.write("t.txt", "text");
    let made = run(&world, ROOT, &["keys", "create", "--name", "ci", "--grant", "dem*=read,write"]).await;
    let key = key_alone(&made);
    let stored = run(&world, key, &["put", "t.txt"]).await;
    assert_eq!(stored.code, 0, "{stored:?}");
    let refused = run(&world, key, &["rm", stored.stdout.trim(), "--json"]).await;
    assert_eq!(refused.code, 4, "{refused:?}");
    assert!(refused.stderr.contains("\"permission_missing\"") && refused.stderr.contains("'delete'"), "{refused:?}");
    let whoami = run(&world, key, &["whoami"]).await;
    assert!(whoami.code == 0 && whoami.stdout.contains("grant: dem*=read,write\n"), "{whoami:?}");
    let saved = finish_with(world.command(&["login", &world.server.url()]), format!("{key}\n")).await;
    assert_eq!(saved.code, 0, "a key with permissions is good for a profile: {saved:?}");
}

#[tokio::test]
async fn a_change_keeps_the_limits_that_it_does_not_name() {
    let world = World::with_key(ROOT).await;
    let (id, _) =
        create(&world, &["--grant", "*=read", "--rate", "100/s", "--bytes-per-day", "10G", "--note", "n"]).await;
    let change = async |arguments: &[&str]| json(&world, &[&["keys", "change", &id], arguments].concat()).await;
    let changed = change(&["--burst", "5", "--report-only"]).await;
    let limits =
        json!({"requests_per_second": 100, "burst": 5, "bytes_per_day": 10_737_418_240_u64, "report_only": true});
    assert_eq!(changed["limits"], limits);
    let changed = change(&["--unset", "limits", "--rate", "1/s", "--unset", "note", "--expires", "30d"]).await;
    assert_eq!(changed["limits"], json!({"requests_per_second": 1, "report_only": false}));
    assert!(changed["note"].is_null() && changed["expires_at"].is_u64(), "{changed}");
    let changed = change(&["--unset", "limits", "--unset", "expires", "--grant", "a=read", "--name", "n"]).await;
    assert!(changed["limits"].is_null() && changed["expires_at"].is_null(), "{changed}");
    assert_eq!((&changed["name"], &changed["grants"][0]["namespaces"]), (&json!("n"), &json!(["a"])));
    let nothing = run(&world, ROOT, &["keys", "change", &id]).await;
    assert!(nothing.code == 2 && nothing.stderr.contains("nothing is named"), "{nothing:?}");
}

#[tokio::test]
async fn a_disabled_key_is_refused_until_it_is_enabled() {
    let world = World::with_key(ROOT).await;
    let (id, key) = create(&world, &["--grant", "demo=read"]).await;
    assert_eq!(json(&world, &["keys", "disable", &id]).await["status"], "disabled");
    assert_eq!(run(&world, &key, &["whoami"]).await.code, 4);
    assert_eq!(json(&world, &["keys", "enable", &id]).await["status"], "active");
    assert_eq!(run(&world, &key, &["whoami"]).await.code, 0);
}

#[tokio::test]
async fn a_rotated_key_stays_valid_for_the_overlap() {
    let world = World::with_key(ROOT).await;
    let (id, old) = create(&world, &["--grant", "demo=read"]).await;
    let rotated = run(&world, ROOT, &["keys", "rotate", &id, "--overlap", "1h"]).await;
    let new = key_alone(&rotated);
    for key in [&old, new] {
        assert_eq!(run(&world, key, &["whoami"]).await.code, 0);
    }
    let successor = json(&world, &["keys", "show", &id]).await["replaced_by"].as_str().unwrap().to_owned();
    json(&world, &["keys", "rotate", &successor, "--overlap", "0"]).await;
    assert_eq!(run(&world, new, &["whoami"]).await.code, 4);
    assert_eq!(run(&world, ROOT, &["keys", "ls"]).await.stdout.lines().count(), 3);
}

#[tokio::test]
async fn a_key_is_deleted_only_after_a_yes() {
    let world = World::with_key(ROOT).await;
    let (id, key) = create(&world, &["--grant", "demo=read"]).await;
    let asked = run(&world, ROOT, &["keys", "rm", &id]).await;
    assert!(asked.code == 2 && asked.stderr.contains("'ci'?"), "{asked:?}");
    assert_eq!(run(&world, &key, &["whoami"]).await.code, 0);
    assert_eq!(json(&world, &["keys", "rm", &id, "--yes"]).await, json!({"id": id, "deleted": true}));
    assert_eq!(run(&world, &key, &["whoami"]).await.code, 4);
    for command in ["show", "disable", "rotate"] {
        assert_eq!(run(&world, ROOT, &["keys", command, &id]).await.code, 3, "{command}");
    }
}

#[tokio::test]
async fn a_key_that_cannot_be_made_says_why() {
    let world = World::with_key(ROOT).await;
    for (grant, said) in [("demo", "such as 'team-*=read,write'"), ("demo=fly", "there is no permission 'fly'")] {
        let ran = run(&world, ROOT, &["keys", "create", "--name", "ci", "--grant", grant]).await;
        assert!(ran.code == 2 && ran.stderr.contains(said), "{ran:?}");
    }
    let without = run(&world, ROOT, &["keys", "create", "--name", "ci"]).await;
    assert!(without.code == 2 && without.stderr.contains("--grant"), "{without:?}");
    let open = World::new().await;
    let refused = open.fails(6, &["keys", "create", "--name", "ci", "--grant", "*=read"]).await;
    assert!(refused.contains("FAST_API__AUTH__API_KEY__NAME"), "{refused}");
}

#[tokio::test]
async fn a_key_beyond_its_limit_may_try_again_later() {
    let world = World::with_key(ROOT).await;
    let (_, key) = create(&world, &["--grant", "demo=read", "--bytes-per-day", "1"]).await;
    assert_eq!(run(&world, &key, &["ns", "stats"]).await.code, 0);
    let refused = run(&world, &key, &["ns", "stats", "--json"]).await;
    assert!(refused.code == 5 && refused.stderr.contains("\"limit_exceeded\""), "{refused:?}");
}

#[tokio::test]
async fn a_sweep_of_a_store_removes_old_usage_of_keys() {
    let world = World::new().await;
    // As a folder stores the key `.mgraph-cache/usage/…`.
    let usage = |day: &str| world.write(&format!("store/%2Emgraph-cache%/usage/0123456789ab/{day}/process.json"), "{}");
    let (old, recent) = (usage("2026-01-01"), usage("2026-02-11"));
    let long_ago = SystemTime::now() - Duration::from_secs(41 * 24 * 60 * 60);
    File::options().write(true).open(&old).unwrap().set_modified(long_ago).unwrap();
    world.ok(&["sweep", "disk:store", "--dry-run"]).await;
    assert!(old.exists());
    world.ok(&["sweep", "disk:store"]).await;
    assert!(!old.exists() && recent.exists());
}
