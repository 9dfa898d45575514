//! What `docs/cli.md` prints is what is printed.

use std::process::{Command, Stdio};

use crate::support::{World, finish_with};

/// Between the output of one command and that of the next one.
const MARK: &str = "\u{1}";
/// Where the server of the page listens.
const URL: &str = "http://127.0.0.1:10017";
/// Where a server listens that asks for a key.
const KEYED_URL: &str = "https://cache.example.com";

/// A command of a page, with the lines that are printed below it.
#[derive(Debug)]
struct Shown {
    command: String,
    output: Vec<String>,
}

/// The commands in the `console` blocks of a page. A line that ends with a backslash goes on.
fn shown(page: &str) -> Vec<Shown> {
    let mut all: Vec<Shown> = Vec::new();
    for block in page.split("```console\n").skip(1) {
        let mut goes_on = false;
        for line in block.split("\n```").next().unwrap().lines() {
            match (line.strip_prefix("$ "), goes_on) {
                (Some(command), _) => all.push(Shown { command: command.to_owned(), output: Vec::new() }),
                (None, true) => all.last_mut().unwrap().command += &format!("\n{line}"),
                (None, false) => all.last_mut().unwrap().output.push(line.to_owned()),
            }
            goes_on = all.last().unwrap().output.is_empty() && line.ends_with('\\');
        }
    }
    all
}

/// Whether a line is as it is shown, where `…` stands for anything.
fn is_like(line: &str, shown: &str) -> bool {
    let mut parts = shown.split('…');
    let Some(mut rest) = line.strip_prefix(parts.next().unwrap_or_default()) else { return false };
    let parts: Vec<&str> = parts.collect();
    let Some((last, middle)) = parts.split_last() else { return rest.is_empty() };
    for part in middle {
        let Some((_, after)) = rest.split_once(part) else { return false };
        rest = after;
    }
    rest.ends_with(last)
}

#[test]
fn a_line_is_like_what_is_shown() {
    for (line, shown, expected) in [
        ("abc", "abc", true),
        ("abc", "ab", false),
        ("abc", "a…c", true),
        ("abc", "…", true),
        ("a-b-c", "a…b…c", true),
        ("a-c", "a…b…c", false),
    ] {
        assert_eq!(is_like(line, shown), expected, "{line} {shown}");
    }
}

#[tokio::test]
async fn every_command_of_the_page_prints_what_stands_there() {
    let world = World::on_disk().await;
    let keyed = World::with_key("the-root-key").await;
    world.write("root.key", "the-root-key");
    let page = include_str!("../../../../docs/cli.md").replace(URL, &world.server.url());
    let page = page.replace(KEYED_URL, &keyed.server.url());
    let commands = shown(&page);
    assert!(commands.len() > 20, "{} commands", commands.len());
    let mut script = String::new();
    for Shown { command, .. } in &commands {
        script += &format!("{command}\nprintf '{MARK}'\n");
    }
    let binary = std::path::Path::new(env!("CARGO_BIN_EXE_mgraph-cache"));
    let path = format!("{}:{}", binary.parent().unwrap().display(), std::env::var("PATH").unwrap_or_default());
    let mut bash = Command::new("bash");
    // Both streams in one, as on a terminal.
    bash.args(["-c", "exec 2>&1; source /dev/stdin"]).current_dir(world.folder.path()).env_clear();
    bash.env("HOME", world.folder.path()).env("PATH", path).stderr(Stdio::null());
    let printed = finish_with(bash, script).await.stdout;
    let mut wrong = String::new();
    for (Shown { command, output }, printed) in commands.iter().zip(printed.split(MARK)) {
        let lines: Vec<&str> = printed.lines().collect();
        if lines.len() != output.len() || !lines.iter().zip(output).all(|(line, shown)| is_like(line, shown)) {
            wrong += &format!("$ {command}\n{}\nprints\n{printed}\n", output.join("\n"));
        }
    }
    assert!(wrong.is_empty(), "{wrong}");
    assert_eq!(printed.matches(MARK).count(), commands.len(), "a command ended the shell");
}
