//! `login`, `logout`, `whoami`, `doctor`, and where keys come from.

use std::os::unix::fs::PermissionsExt;

use crate::support::{Ran, World, bare, finish, finish_with};

const KEY: &str = "the-secret-key";

fn shows_no_key(ran: &Ran) {
    assert!(!ran.stdout.contains(KEY) && !ran.stderr.contains(KEY), "{ran:?}");
}

#[tokio::test]
async fn a_profile_is_private_and_makes_the_rest_work() {
    let world = World::with_key(KEY).await;
    let url = world.server.url();
    let run = |arguments: &[&str]| bare(world.folder.path(), arguments);
    let wrong = finish_with(run(&["login", &url]), "wrong\n").await;
    assert_eq!(wrong.code, 4, "{wrong:?}");
    assert!(!world.path(".config").exists(), "a key that does not work is not saved");
    let saved = finish_with(run(&["login", &url, "-n", "demo"]), format!("{KEY}\n")).await;
    assert_eq!(saved.code, 0, "{saved:?}");
    shows_no_key(&saved);
    let file = world.path(".config/mgraph-cache/config.toml");
    assert_eq!(std::fs::metadata(&file).unwrap().permissions().mode() & 0o777, 0o600);
    for arguments in [&["whoami"][..], &["doctor"], &["ns", "stats"], &["whoami", "--json"]] {
        let ran = finish(run(arguments)).await;
        assert_eq!(ran.code, 0, "{arguments:?}: {ran:?}");
        shows_no_key(&ran);
    }
    assert_eq!(finish(run(&["logout"])).await.code, 0);
    assert_eq!(finish(run(&["logout"])).await.code, 3);
    assert_eq!(finish(run(&["whoami"])).await.code, 2);
}

#[tokio::test]
async fn a_key_comes_from_a_file_a_variable_or_a_command() {
    let world = World::with_key(KEY).await;
    let url = world.server.url();
    world.write("key", format!("{KEY}\n"));
    for source in [&["--key-command", "cat key"][..], &["--key-env", "THE_KEY"], &["--key-file", "key"]] {
        let run = |arguments: &[&str]| {
            let mut command = bare(world.folder.path(), arguments);
            command.env("THE_KEY", KEY);
            command
        };
        let saved = finish(run(&[&["login", &url], source].concat())).await;
        assert_eq!(saved.code, 0, "{source:?}: {saved:?}");
        assert!(!std::fs::read_to_string(world.path(".config/mgraph-cache/config.toml")).unwrap().contains(KEY));
        assert_eq!(finish(run(&["whoami"])).await.code, 0, "{source:?}");
    }
    let no_url = |arguments: &[&str]| {
        let mut command = bare(world.folder.path(), arguments);
        command.env("XDG_CONFIG_HOME", world.path("other")).env("URL__TARGET_SERVER__CACHE_SERVICE", &url);
        command
    };
    let mut python = no_url(&["whoami"]);
    python.env("AUTH__TARGET_SERVER__CACHE_SERVICE__KEY_NAME", "x-api-key");
    python.env("AUTH__TARGET_SERVER__CACHE_SERVICE__KEY_VALUE", KEY);
    assert_eq!(finish(python).await.code, 0, "the variables of the Python clients");
    assert_eq!(finish(no_url(&["whoami", "--key-file", "key"])).await.code, 0);
    assert_eq!(finish_with(no_url(&["whoami", "--key-file", "-"]), KEY).await.code, 0);
    let missing = finish(no_url(&["doctor"])).await;
    assert_eq!(missing.code, 4);
    assert!(missing.stderr.contains("the API key is missing"), "{missing:?}");
}

#[tokio::test]
async fn the_key_of_a_profile_goes_to_no_other_service() {
    let (world, other) = (World::with_key(KEY).await, World::with_key(KEY).await);
    let run = |arguments: &[&str]| bare(world.folder.path(), arguments);
    assert_eq!(finish_with(run(&["login", &world.server.url()]), KEY).await.code, 0);
    assert_eq!(finish(run(&["--url", &other.server.url(), "whoami"])).await.code, 4);
}

#[tokio::test]
async fn doctor_says_that_nobody_answers() {
    let world = World::new().await;
    let port = std::net::TcpListener::bind("127.0.0.1:0").unwrap().local_addr().unwrap().port();
    let ran = world.run(&["--url", &format!("http://127.0.0.1:{port}"), "doctor"]).await;
    assert_eq!(ran.code, 5);
    assert!(ran.stdout.contains("reachable: no") && ran.stderr.contains("mgraph-cache serve"), "{ran:?}");
}

#[tokio::test]
async fn a_project_names_its_service_and_namespace() {
    let world = World::new().await;
    world.write(".mgraph-cache.toml", format!("url = \"{}\"\nnamespace = \"of-project\"\n", world.server.url()));
    world.write("below/deeper/a.txt", "A");
    let run = |arguments: &[&str]| {
        let mut command = bare(world.folder.path(), arguments);
        command.current_dir(world.path("below/deeper"));
        command
    };
    let stored = finish(run(&["put", "a.txt"])).await;
    assert!(stored.code == 0 && stored.stdout.starts_with("of-project:"), "{stored:?}");
    let named = finish(run(&["put", "a.txt", "-n", "named"])).await;
    assert!(named.stdout.starts_with("named:"), "{named:?}");
    let doctor = finish(run(&["doctor"])).await;
    assert!(doctor.code == 0 && doctor.stderr.contains(".mgraph-cache.toml"), "{doctor:?}");
    assert_eq!(finish(run(&["--profile", "work", "ls"])).await.code, 2, "a profile that is named comes first");
}

#[tokio::test]
async fn a_project_has_no_key_and_gets_none() {
    let world = World::with_key(KEY).await;
    let url = world.server.url();
    for wrong in ["key", "key_file", "key_command", "key_env", "colour"] {
        world.write(".mgraph-cache.toml", format!("{wrong} = \"{KEY}\"\n"));
        let ran = finish(bare(world.folder.path(), &["ls"])).await;
        assert!(ran.code == 2 && ran.stderr.contains(&format!("'{wrong}'")), "{ran:?}");
        shows_no_key(&ran);
    }
    world.write(".mgraph-cache.toml", format!("url = \"{url}\"\n"));
    let run = |variables: &[(&str, &str)]| {
        let mut command = bare(world.folder.path(), &["whoami"]);
        command.envs(variables.iter().copied());
        command
    };
    let kept = finish(run(&[("MGRAPH_CACHE_KEY", KEY)])).await;
    assert!(kept.code == 2 && kept.stderr.contains("is not sent to"), "{kept:?}");
    assert_eq!(finish(run(&[("MGRAPH_CACHE_KEY", KEY), ("MGRAPH_CACHE_URL", &url)])).await.code, 0);
    world.write("key", KEY);
    assert_eq!(finish(bare(world.folder.path(), &["whoami", "--key-file", "key"])).await.code, 0, "a flag says so");
}
