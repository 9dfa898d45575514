//! `serve`, `memo`, `run`, and Ctrl-C.

use std::io::{BufRead, BufReader};
use std::process::Stdio;

use crate::support::{World, bare, finish, finish_with, interrupt};

#[tokio::test]
async fn a_server_starts_stores_and_stops_on_ctrl_c() {
    let folder = tempfile::tempdir().unwrap();
    let mut serve = bare(folder.path(), &["serve", "--listen", "127.0.0.1:0", "--path", "stored"]);
    let mut server = serve.stdout(Stdio::null()).stderr(Stdio::piped()).spawn().unwrap();
    let mut line = String::new();
    let mut log = BufReader::new(server.stderr.take().unwrap());
    log.read_line(&mut line).unwrap();
    let url =
        line.split_whitespace().find(|word| word.starts_with("http://")).unwrap_or_else(|| panic!("{line}")).to_owned();
    let put = bare(folder.path(), &["--url", &url, "-n", "demo", "put", "-", "-t", "text"]);
    assert_eq!(finish_with(put, "hello").await.code, 0);
    assert!(folder.path().join("stored/demo").exists());
    interrupt(server.id());
    assert!(server.wait().unwrap().success());
}

#[tokio::test]
async fn a_command_is_run_once_for_its_inputs() {
    let world = World::new().await;
    world.write("in.txt", "1");
    let memo = [
        "memo",
        "-i",
        "in.txt",
        "-e",
        "WHO",
        "-o",
        "out.txt",
        "--",
        "sh",
        "-c",
        "echo run >>log; cp in.txt out.txt; echo hi; echo warn >&2",
    ];
    let runs = || std::fs::read_to_string(world.path("log")).unwrap().lines().count();
    for _ in 0..2 {
        let ran = world.run(&memo).await;
        assert_eq!((ran.code, ran.stdout.as_str()), (0, "hi\n"), "{ran:?}");
        assert!(ran.stderr.contains("warn"), "{ran:?}");
        assert_eq!(std::fs::read(world.path("out.txt")).unwrap(), b"1");
        std::fs::remove_file(world.path("out.txt")).unwrap();
    }
    assert_eq!(runs(), 1);
    world.write("in.txt", "2");
    world.ok(&memo).await;
    assert_eq!(runs(), 2, "another input");
    let mut other = world.command(&memo);
    other.env("WHO", "ada");
    assert_eq!((finish(other).await.code, runs()), (0, 3), "another variable");
    let fails = ["memo", "--", "sh", "-c", "echo run >>log; exit 9"];
    assert_eq!(
        (world.run(&fails).await.code, world.run(&fails).await.code, runs()),
        (9, 9, 5),
        "a failure is not kept"
    );
    let none = ["--url", "http://127.0.0.1:1", "memo", "--", "echo", "hi"];
    assert_eq!(world.ok(&none).await, "hi", "without a cache it runs");
}

#[tokio::test]
async fn a_file_of_commands_is_understood_before_it_runs() {
    let world = World::new().await;
    world.write("a.txt", "A");
    world.write("todo", "# comment\n\nput a.txt -k 'x y' -f f\ncat \"demo:key@key_based/x y/f\"\n");
    assert!(world.ok(&["run", "todo"]).await.ends_with("x y/f\nA"));
    world.write("wrong", "put a.txt\nput --nonsense\n");
    assert!(world.fails(2, &["run", "wrong"]).await.contains("line 2: "));
    assert_eq!(world.json(&["ls", "demo"]).await.len(), 1, "the first line was not run");
    let missing = "cat demo:#0123456789abcdef";
    world.write("stops", format!("{missing}\ncat 'demo:key@key_based/x y/f'\n"));
    let stopped = world.run(&["run", "stops"]).await;
    assert_eq!((stopped.code, stopped.stdout.as_str()), (3, ""), "{stopped:?}");
    let went_on = world.run(&["run", "stops", "--keep-going"]).await;
    assert_eq!((went_on.code, went_on.stdout.as_str()), (3, "A"), "{went_on:?}");
}

#[tokio::test]
async fn ctrl_c_ends_the_command_below_and_says_what_was_done() {
    let world = World::new().await;
    let mut command = world.command(&["memo", "--", "sh", "-c", "echo $$ >pid; exec sleep 60"]);
    let child = command.stdout(Stdio::piped()).stderr(Stdio::piped()).spawn().unwrap();
    let pid = loop {
        match std::fs::read_to_string(world.path("pid")).ok().and_then(|pid| pid.trim().parse::<u32>().ok()) {
            Some(pid) => break pid,
            None => tokio::time::sleep(std::time::Duration::from_millis(20)).await,
        }
    };
    interrupt(child.id());
    let output = tokio::task::spawn_blocking(move || child.wait_with_output().unwrap()).await.unwrap();
    assert_eq!(output.status.code(), Some(130));
    assert!(String::from_utf8_lossy(&output.stderr).contains("interrupted: 0 done, nothing is half done"));
    let ended = async {
        while std::fs::read_to_string(format!("/proc/{pid}/stat")).is_ok_and(|stat| !stat.contains(") Z ")) {
            tokio::time::sleep(std::time::Duration::from_millis(20)).await;
        }
    };
    tokio::time::timeout(std::time::Duration::from_secs(5), ended).await.expect("the command below has ended");
}
