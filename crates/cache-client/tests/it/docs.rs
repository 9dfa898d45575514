//! The pages of the documentation. Their Rust blocks are compiled as doctests of the crate, too.

use std::path::PathBuf;
use std::process::Command;

use mgraph_cache_client::testing::LocalServer;

/// Where Cargo has put an example, beside the folder of this test.
fn example(name: &str) -> PathBuf {
    let test = std::env::current_exe().unwrap();
    test.ancestors().nth(2).unwrap().join("examples").join(name)
}

#[test]
fn the_five_minutes_are_the_example_and_run() {
    let page = include_str!("../../../../docs/client.md");
    let program = include_str!("../../examples/five_minutes.rs");
    let (_, program) = program.split_once(")]\n\n").unwrap();
    assert!(page.contains(program), "docs/client.md prints another program");
    let example = example("five_minutes");
    if !example.exists() {
        return eprintln!("not run: Cargo builds examples only for a test run without a filter");
    }
    let server = LocalServer::start().unwrap();
    let ran = Command::new(example).env("MGRAPH_CACHE_URL", server.url()).output().unwrap();
    let printed = String::from_utf8(ran.stdout).unwrap();
    assert!(ran.status.success(), "{}", String::from_utf8_lossy(&ran.stderr));
    let mut lines = printed.lines();
    assert!(lines.next().unwrap().starts_with("stored as ") && printed.contains(", version 1\n"), "{printed}");
    assert_eq!(lines.next(), Some("found {\"name\":\"Ada\",\"score\":2}"));
}
