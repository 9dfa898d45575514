//! What only a terminal shows. `terminal.py` makes one.

use std::path::Path;
use std::process::{Command, Stdio};
use std::sync::Arc;
use std::time::Duration;

use serde_json::json;
use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::net::{TcpListener, TcpStream};
use tokio::sync::Notify;

use crate::support::{Ran, World, bare, finish, interrupt};

const TERMINAL: &str = concat!(env!("CARGO_MANIFEST_DIR"), "/tests/it/terminal.py");
const CTRL_C: &str = "\u{3}";
/// What begins a colour, or moves the cursor.
const ESCAPE: char = '\u{1b}';

/// Runs a command on a terminal with so many columns: as soon as it shows the first text of a step, the second one is typed.
/// `None` without Python.
async fn on_terminal(command: &Command, columns: u16, steps: &[(&str, &str)]) -> Option<Ran> {
    let mut terminal = Command::new("python3");
    terminal.args(["-B", TERMINAL, &columns.to_string(), &json!(steps).to_string()]);
    terminal.arg(command.get_program()).args(command.get_args()).env_clear().env("TERM", "xterm-256color");
    for (name, value) in command.get_envs() {
        terminal.env(name, value.unwrap_or_default());
    }
    terminal.current_dir(command.get_current_dir().unwrap()).stdin(Stdio::null());
    if let Err(error) = Command::new("python3").arg("--version").output() {
        eprintln!("not run: python3 ({error})");
        return None;
    }
    Some(finish(terminal).await)
}

/// Passes so many bytes on to a server, and then nothing more in this direction.
struct Stalling {
    url: String,
    stalled: Arc<Notify>,
}

impl Stalling {
    async fn before(server: &str, bytes: u64) -> Self {
        let upstream = server.trim_start_matches("http://").to_owned();
        let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
        let url = format!("http://{}", listener.local_addr().unwrap());
        let stalled = Arc::new(Notify::new());
        let reached = Arc::clone(&stalled);
        tokio::spawn(async move {
            while let Ok((client, _)) = listener.accept().await {
                tokio::spawn(pass_on(client, upstream.clone(), bytes, Arc::clone(&reached)));
            }
        });
        Self { url, stalled }
    }
}

async fn pass_on(mut client: TcpStream, upstream: String, bytes: u64, stalled: Arc<Notify>) {
    let mut server = TcpStream::connect(upstream).await.unwrap();
    let ((mut from_client, mut to_client), (mut from_server, mut to_server)) = (client.split(), server.split());
    let requests = async {
        if tokio::io::copy(&mut (&mut from_client).take(bytes), &mut to_server).await.unwrap() == bytes {
            to_server.flush().await.unwrap();
            stalled.notify_one();
            // Until the client has gone.
            let _ = from_client.peek(&mut [0]).await;
            std::future::pending::<()>().await;
        }
    };
    tokio::select! {
        () = requests => {}
        _ = tokio::io::copy(&mut from_server, &mut to_client) => {}
    }
}

/// A world with a file that is sent as an upload, and a way to its server that stalls in the middle of that.
async fn stalling_world() -> (World, Stalling) {
    let world = World::new().await;
    world.write("large.bin", vec![7; 8 << 20]);
    let stalling = Stalling::before(&world.server.url(), 2 << 20).await;
    (world, stalling)
}

const PUT: [&str; 6] = ["put", "large.bin", "-k", "k", "-f", "f"];

#[tokio::test]
async fn a_bar_moves_until_ctrl_c_and_a_repeat_is_one_entry() {
    let (world, stalling) = stalling_world().await;
    let mut put = world.command(&PUT);
    put.env("MGRAPH_CACHE_URL", &stalling.url);
    let Some(ran) = on_terminal(&put, 80, &[("] ", ""), ("] ", CTRL_C)]).await else { return };
    assert_eq!(ran.code, 130, "{ran:?}");
    let lines: Vec<&str> = ran.stdout.split('\r').collect();
    assert!(
        lines.iter().filter(|line| line.contains("large.bin [") && line.contains("% of 8.0 MiB")).count() > 1,
        "{ran:?}"
    );
    let last = ran.stdout.rsplit("\u{1b}[K").next().unwrap();
    assert_eq!(last.replace("^C", ""), "interrupted: 0 done, nothing is half done\r\n", "the bar is gone: {ran:?}");
    assert_eq!(world.json(&["ls", "demo"]).await.len(), 0);
    let reference = world.ok(&PUT).await;
    assert_eq!(world.json(&["versions", &reference]).await.len(), 1);
}

#[tokio::test]
async fn without_a_terminal_there_is_no_bar() {
    let (world, stalling) = stalling_world().await;
    let mut put = world.command(&PUT);
    put.env("MGRAPH_CACHE_URL", &stalling.url).env("TERM", "xterm-256color");
    let child = put.stdout(Stdio::piped()).stderr(Stdio::piped()).spawn().unwrap();
    stalling.stalled.notified().await;
    // A bar would be drawn every 100 ms.
    tokio::time::sleep(Duration::from_millis(300)).await;
    interrupt(child.id());
    let output = tokio::task::spawn_blocking(move || child.wait_with_output().unwrap()).await.unwrap();
    let stderr = String::from_utf8(output.stderr).unwrap();
    assert_eq!(stderr, "interrupted: 0 done, nothing is half done\n");
}

#[tokio::test]
async fn colours_are_for_terminals_that_want_them() {
    let world = World::new().await;
    let help = world.command(&["put", "--help"]);
    assert!(!finish(world.command(&["put", "--help"])).await.stdout.contains(ESCAPE), "into a pipe");
    let Some(coloured) = on_terminal(&help, 80, &[]).await else { return };
    assert!(coloured.stdout.contains(ESCAPE), "{coloured:?}");
    let mut plain = world.command(&["put", "--help"]);
    plain.env("NO_COLOR", "1");
    let plain = on_terminal(&plain, 80, &[]).await.unwrap();
    assert!(plain.stdout.contains("--file-id") && !plain.stdout.contains(ESCAPE), "{plain:?}");
}

#[tokio::test]
async fn help_fits_the_terminal() {
    let world = World::new().await;
    for arguments in [&["--help"][..], &["put", "--help"], &["keys", "create", "--help"]] {
        let mut help = world.command(arguments);
        help.env("NO_COLOR", "1");
        for columns in [60, 80] {
            let Some(shown) = on_terminal(&help, columns, &[]).await else { return };
            // clap leaves the usage as one line.
            let mut wrapped = shown.stdout.lines().filter(|line| !line.starts_with("Usage:"));
            let wide = wrapped.find(|line| line.trim_end().chars().count() > usize::from(columns));
            assert_eq!((shown.code, wide), (0, None), "{arguments:?} with {columns} columns");
        }
    }
}

#[tokio::test]
async fn bash_completes_commands_and_namespaces() {
    let world = World::new().await;
    world.write("a.txt", "A");
    world.ok(&["put", "a.txt", "-n", "demo-of-completion"]).await;
    let binary = Path::new(env!("CARGO_BIN_EXE_mgraph-cache")).parent().unwrap();
    let mut bash = Command::new("bash");
    // Not by the environment: a shell script on the way, such as one that picks a Python, would take it out.
    world.write("rc", "PS1='> '\n");
    bash.args(["--noprofile", "--rcfile", "rc", "-i"]).current_dir(world.folder.path());
    bash.env("PATH", format!("{}:{}", binary.display(), std::env::var("PATH").unwrap()));
    bash.env("MGRAPH_CACHE_URL", world.server.url()).env("HOME", world.folder.path());
    let steps = [
        ("> ", "source <(mgraph-cache completions bash)\n"),
        ("> ", "mgraph-cache compl\t"),
        ("completions ", "\u{15}mgraph-cache -n demo-o\t"),
        ("demo-of-completion ", "\u{15}exit\n"),
    ];
    let Some(ran) = on_terminal(&bash, 80, &steps).await else { return };
    assert_eq!(ran.code, 0, "{ran:?}");
}

#[tokio::test]
async fn a_first_run_without_a_service_says_what_to_do() {
    let folder = tempfile::tempdir().unwrap();
    let Some(ran) = on_terminal(&bare(folder.path(), &["ls"]), 80, &[]).await else { return };
    assert_eq!(ran.code, 2, "{ran:?}");
    for advice in ["no service is configured", "mgraph-cache serve", "mgraph-cache login URL"] {
        assert!(ran.stdout.contains(advice), "{ran:?}");
    }
}
