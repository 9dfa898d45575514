//! `put`, `get`, `cat`, `ls`, `stat`, `rm`, `versions`, `diff`, `rollback`, `zip`, `data`, `ns`.

use crate::support::{World, bare, finish, finish_with};

#[tokio::test]
async fn what_put_prints_the_other_commands_read() {
    let world = World::new().await;
    world.write("note.txt", "hello\n");
    let reference = world.ok(&["put", "note.txt"]).await;
    assert!(reference.starts_with("demo:") && reference.len() == 41, "{reference}");
    assert_eq!(world.ok(&["cat", &reference]).await, "hello");
    assert!(world.ok(&["stat", &reference]).await.contains("content_size: 6"));
    assert_eq!(world.ok(&["get", &reference, "-o", "copy.txt"]).await, "");
    assert_eq!(std::fs::read(world.path("copy.txt")).unwrap(), b"hello\n");
    assert!(world.ok(&["ls", "demo"]).await.starts_with(&reference));
    assert_eq!(world.ok(&["ls"]).await, "demo");
    let listed = &world.json(&["ls", "demo"]).await[0];
    let by_hash = format!("demo:#{}", listed["cache_hash"].as_str().unwrap());
    assert_eq!(
        (listed["ref"].as_str().unwrap(), world.ok(&["cat", &by_hash]).await.as_str()),
        (reference.as_str(), "hello")
    );
    assert_eq!(world.ok(&["rm", &reference, "--dry-run"]).await, format!("(dry run) would delete {reference}"));
    assert_eq!(world.ok(&["rm", &reference]).await, format!("deleted {reference}"));
    for command in ["cat", "stat", "rm", "versions"] {
        assert!(world.fails(3, &[command, &reference]).await.contains("error: there is no demo:"), "{command}");
    }
}

#[tokio::test]
async fn versions_are_compared_and_rolled_back() {
    let world = World::new().await;
    let put = ["put", "p.json", "-k", "users/ada", "-f", "profile"];
    world.write("p.json", "{\"name\": \"Ada\", \"score\": 1.50}");
    let reference = world.ok(&put).await;
    assert_eq!(reference, "demo:key@key_based/users/ada/profile");
    world.write("p.json", "{\"name\": \"Ada\", \"score\": 2.00}");
    let second = &world.json(&put).await[0];
    assert_eq!((&second["ref"], &second["key_version"]), (&reference.as_str().into(), &2.into()));
    let versions = world.json(&["versions", &reference]).await;
    let refs: Vec<&str> = versions.iter().map(|version| version["ref"].as_str().unwrap()).collect();
    assert_eq!(refs, [format!("{reference}@1"), format!("{reference}@2")]);
    assert_eq!(world.ok(&["cat", refs[0]]).await, "{\"name\":\"Ada\",\"score\":1.50}");
    let diff = world.run(&["diff", refs[0], refs[1]]).await;
    assert_eq!(diff.code, 1);
    assert!(diff.stdout.contains("-  \"score\": 1.5\n+  \"score\": 2.0"), "{}", diff.stdout);
    assert_eq!(world.ok(&["rollback", refs[0]]).await, format!("{reference}@3"));
    assert_eq!(world.ok(&["diff", refs[0], &reference]).await, "");
    let id = versions[1]["id"].as_str().unwrap();
    assert_eq!(world.json(&["versions", id]).await.len(), 3, "an id stands for its key");
    assert!(world.fails(2, &["rollback", &reference]).await.contains("names no version"));
    assert!(world.fails(6, &[put.as_slice(), &["--if-absent"]].concat()).await.contains("there is a live version"));
}

#[tokio::test]
async fn stdin_and_kinds_of_content_are_what_they_say() {
    let world = World::new().await;
    let stored = finish_with(world.command(&["put", "-", "-t", "text"]), "from a pipe").await;
    assert_eq!(world.ok(&["cat", stored.stdout.trim()]).await, "from a pipe");
    let large = vec![b'7'; 5_000_000];
    let stored = finish_with(world.command(&["put", "-"]), large.clone()).await;
    assert!(world.ok(&["cat", stored.stdout.trim()]).await.into_bytes() == large);
    world.write("list.json", "[1]");
    assert!(world.fails(2, &["put", "list.json"]).await.contains("is not a JSON object"));
    world.write("bytes", [0, 255]);
    assert!(world.fails(2, &["put", "bytes", "-t", "text"]).await.contains("error: "));
    assert_eq!(world.fails(1, &["put", "nowhere"]).await.lines().next().unwrap().split(':').next(), Some("error"));
    let repeat = ["put", "bytes", "--idempotency-key", "k"];
    assert_eq!(world.ok(&repeat).await, world.ok(&repeat).await);
}

#[tokio::test]
async fn large_files_go_in_and_out() {
    let world = World::new().await;
    let content: Vec<u8> = (0..1_500_000_u32).flat_map(u32::to_le_bytes).collect();
    world.write("large.bin", &content);
    let reference = world.ok(&["put", "large.bin"]).await;
    world.ok(&["get", &reference, "-o", "copy.bin"]).await;
    assert!(std::fs::read(world.path("copy.bin")).unwrap() == content);
}

#[tokio::test]
async fn archives_are_edited_member_by_member() {
    let world = World::new().await;
    world.write("a.txt", "A");
    let empty = world.ok(&["zip", "put", "-k", "bundles", "-f", "site"]).await;
    let one = world.ok(&["zip", "add", &empty, "a.txt"]).await;
    let two = world.ok(&["zip", "add", &one, "a.txt", "--member", "d/b.txt"]).await;
    assert_eq!(world.ok(&["zip", "ls", &two]).await, "a.txt\nd/b.txt");
    assert_eq!(world.ok(&["zip", "get", &two, "d/b.txt"]).await, "A");
    assert!(world.ok(&["zip", "rm", &two, "a.txt", "--dry-run"]).await.starts_with("(dry run)"));
    let three = world.ok(&["zip", "rm", &two, "a.txt"]).await;
    assert_eq!(world.json(&["zip", "ls", &three]).await[0]["member"], "d/b.txt");
    assert!(world.fails(3, &["zip", "get", &three, "a.txt"]).await.contains("there is no member 'a.txt'"));
}

#[tokio::test]
async fn child_data_is_stored_read_and_deleted() {
    let world = World::new().await;
    world.write("score.json", "{\"score\":0.85}");
    let parent = world.ok(&["put", "score.json"]).await;
    world.ok(&["data", "put", &parent, "analysis/v1", "score.json"]).await;
    world.ok(&["data", "put", &parent, "raw", "score.json", "-t", "binary"]).await;
    assert_eq!(world.ok(&["data", "get", &parent, "analysis/v1"]).await, "{\"score\":0.85}");
    let listed = world.json(&["data", "ls", &parent]).await;
    assert_eq!(listed.len(), 2);
    assert!(world.ok(&["data", "rm", &parent, "raw", "--dry-run"]).await.contains("would delete raw"));
    assert_eq!(world.ok(&["data", "rm", &parent, "raw"]).await, "deleted raw");
    world.fails(3, &["data", "get", &parent, "raw"]).await;
    assert!(world.fails(2, &["data", "rm", &parent, "--all"]).await.contains("--yes"));
    assert_eq!(world.ok(&["data", "rm", &parent, "--all", "--yes"]).await, "deleted 1 children");
}

#[tokio::test]
async fn namespaces_show_stats_and_settings() {
    let world = World::new().await;
    world.write("a.txt", "A");
    world.ok(&["put", "a.txt"]).await;
    assert_eq!(world.json(&["ns", "ls"]).await[0]["namespace"], "demo");
    assert_eq!(world.json(&["ns", "stats"]).await[0]["direct_files"], 1);
    world.ok(&["ns", "settings", "--ttl-hours", "48", "--delete-expired", "--dry-run"]).await;
    assert_eq!(world.json(&["ns", "settings"]).await[0]["ttl_hours"], serde_json::Value::Null);
    world.ok(&["ns", "settings", "--ttl-hours", "48", "--delete-expired"]).await;
    let settings = &world.json(&["ns", "settings"]).await[0];
    assert_eq!((&settings["ttl_hours"], &settings["on_expiry"]), (&48.into(), &"delete".into()));
}

#[tokio::test]
async fn without_a_server_it_says_what_to_do() {
    let folder = tempfile::tempdir().unwrap();
    let unconfigured = finish(bare(folder.path(), &["ls"])).await;
    assert_eq!(unconfigured.code, 2);
    assert!(unconfigured.stderr.contains("mgraph-cache serve"), "{}", unconfigured.stderr);
    let port = std::net::TcpListener::bind("127.0.0.1:0").unwrap().local_addr().unwrap().port();
    let url = format!("http://127.0.0.1:{port}");
    let nobody = finish(bare(folder.path(), &["--url", &url, "ls", "--json"])).await;
    assert_eq!(nobody.code, 5, "{}", nobody.stderr);
    let error: serde_json::Value = serde_json::from_str(nobody.stderr.trim()).unwrap();
    assert_eq!(error["error"]["code"], "temporary");
    assert!(error["error"]["hint"].as_str().unwrap().contains("mgraph-cache serve"));
}

#[tokio::test]
async fn help_lists_the_exit_codes_and_the_forms_of_references() {
    let world = World::new().await;
    let help = world.ok(&["--help"]).await;
    assert!(help.contains("NS:key@STRATEGY/KEY/FILE") && help.contains("130  interrupted"));
    assert!(world.ok(&["man"]).await.contains(".TH"));
    world.ok(&["man", "--out", "pages"]).await;
    assert!(world.path("pages/mgraph-cache-put.1").exists());
}

#[tokio::test]
async fn bash_completes_commands() {
    let world = World::new().await;
    world.write("completions", world.ok(&["completions", "bash"]).await);
    let script = "source ./completions
        function=$(complete -p mgraph-cache | sed 's/.*-F \\([^ ]*\\).*/\\1/')
        COMP_WORDS=(mgraph-cache ver) COMP_CWORD=1
        $function mgraph-cache ver mgraph-cache
        echo ${COMPREPLY[@]}";
    let mut bash = std::process::Command::new("bash");
    bash.args(["-c", script]).current_dir(world.folder.path());
    assert_eq!(finish(bash).await.stdout.trim(), "versions verify");
}
