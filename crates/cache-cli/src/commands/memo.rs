//! `memo`: a command is run once for its inputs. Later runs, on any machine, print what it printed.

use std::collections::BTreeMap;
use std::path::{Path, PathBuf};
use std::process::Stdio;
use std::sync::atomic::{AtomicBool, Ordering};

use base64::Engine;
use base64::prelude::BASE64_STANDARD;
use cache_client::memo::Mode;
use cache_client::sha256_of_file;
use serde::{Deserialize, Serialize};
use tokio::io::{AsyncRead, AsyncReadExt};

use crate::args::Memo;
use crate::context::Context;
use crate::failure::{Failure, OK};

/// The name under which the results of commands are kept.
const FUNCTION: &str = "command";
/// The exit code of a command that a signal ended.
const BY_SIGNAL: u8 = 1;
/// How many bytes a result may have to be kept: it is stored as JSON, in base64, with one request of a Lambda function.
const MAX_KEPT_BYTES: usize = 2_900_000;

/// What a result depends on.
#[derive(Serialize)]
struct Inputs<'a> {
    command: &'a [String],
    /// SHA-256 of each input, by its path as it was typed; of a symbolic link within a folder, where it leads to.
    inputs: BTreeMap<String, String>,
    env: BTreeMap<&'a str, Option<String>>,
    outputs: Vec<String>,
}

/// What a command did; bytes are in base64.
#[derive(Serialize, Deserialize)]
struct Outcome {
    stdout: String,
    stderr: String,
    /// The files that it made, by their path as it was typed.
    files: BTreeMap<String, Made>,
}

/// A file that a command made.
#[derive(Serialize, Deserialize)]
struct Made {
    content: String,
    /// Whether it is a program.
    executable: bool,
}

/// Why there is no outcome to keep.
enum Unkept {
    /// The command failed, with this exit code.
    Exit(u8),
    /// It succeeded, and made too much, in bytes.
    TooLarge(usize),
    Failure(Failure),
}

impl From<Failure> for Unkept {
    fn from(failure: Failure) -> Self {
        Self::Failure(failure)
    }
}

/// Runs a command, or prints what it printed before. A command that fails is not kept.
pub async fn run(context: &Context<'_>, memo: Memo) -> Result<u8, Failure> {
    let namespace = context.namespace(None)?;
    let inputs = inputs(&memo).await?;
    let mut builder = namespace.memo();
    if memo.refresh {
        builder = builder.mode(Mode::Refresh);
    }
    if let Some(ttl) = memo.ttl {
        builder = builder.ttl(ttl);
    }
    if let Some(lease) = memo.lease {
        builder = builder.lease(lease);
    }
    let memoised = builder.build();
    let ran_here = AtomicBool::new(false);
    let execute = || {
        ran_here.store(true, Ordering::Relaxed);
        execute(&memo)
    };
    let outcome = memoised.call(FUNCTION, &inputs, execute).await;
    let ran_here = ran_here.load(Ordering::Relaxed);
    let stats = memoised.stats().get(FUNCTION).copied().unwrap_or_default();
    if stats.errors > 0 {
        context.output.note("memo: the cache could not be used; `mgraph-cache doctor` looks for the reason");
    }
    match outcome {
        // What it printed and made is there already.
        Ok(_) if ran_here => context.output.note("memo: ran"),
        Ok(outcome) => {
            let saved = stats.saved.as_secs_f64();
            restore(context, &outcome).await?;
            context.output.note(&format!("memo: hit, {saved:.1} s saved"));
        }
        Err(Unkept::Exit(code)) => return Ok(code),
        Err(Unkept::TooLarge(bytes)) => {
            context
                .output
                .note(&format!("memo: ran, and {bytes} bytes are too many to be kept: {MAX_KEPT_BYTES} at most"));
        }
        Err(Unkept::Failure(failure)) => return Err(failure),
    }
    Ok(OK)
}

/// Prints what the command printed, and writes its files.
async fn restore(context: &Context<'_>, outcome: &Outcome) -> Result<(), Failure> {
    for (path, Made { content, executable }) in &outcome.files {
        let path = Path::new(path);
        super::write_output(context, path, &decode(content)?).await?;
        if *executable {
            make_executable(path).map_err(|error| Failure::failed(format!("{}: {error}", path.display())))?;
        }
    }
    // Fails only when nobody reads.
    let _ = std::io::Write::write_all(&mut std::io::stderr(), &decode(&outcome.stderr)?);
    context.output.raw(&decode(&outcome.stdout)?)
}

async fn inputs(memo: &Memo) -> Result<Inputs<'_>, Failure> {
    let mut inputs = BTreeMap::new();
    for path in &memo.input {
        // One that is named is followed, those within a folder are not: they may lead around in a circle.
        let named = std::fs::canonicalize(path).map_err(|error| unreadable(path, &error))?;
        let mut files = Vec::new();
        below(&named, &mut files)?;
        for file in files {
            let shown = file.strip_prefix(&named).map_or_else(|_| file.clone(), |rest| path.join(rest));
            let digest = match std::fs::read_link(&file) {
                Ok(target) => format!("link to {}", target.display()),
                Err(_) => sha256_of_file(file).await?,
            };
            // `join` of nothing ends with a slash.
            inputs.insert(shown.display().to_string().trim_end_matches('/').to_owned(), digest);
        }
    }
    let value = |name: &String| std::env::var_os(name).map(|value| value.to_string_lossy().into_owned());
    let env = memo.env.iter().map(|name| (name.as_str(), value(name))).collect();
    let outputs = memo.output.iter().map(|path| path.display().to_string()).collect();
    Ok(Inputs { command: &memo.command, inputs, env, outputs })
}

/// A file, or all files and links below a folder.
fn below(path: &Path, files: &mut Vec<PathBuf>) -> Result<(), Failure> {
    let failed = |error: std::io::Error| unreadable(path, &error);
    if !std::fs::symlink_metadata(path).map_err(failed)?.is_dir() {
        files.push(path.to_owned());
        return Ok(());
    }
    for entry in std::fs::read_dir(path).map_err(failed)? {
        below(&entry.map_err(failed)?.path(), files)?;
    }
    Ok(())
}

fn unreadable(path: &Path, error: &std::io::Error) -> Failure {
    Failure::usage(format!("the input {}: {error}", path.display()))
}

/// Runs the command, shows what it prints while it does, and collects it.
async fn execute(memo: &Memo) -> Result<Outcome, Unkept> {
    let command = &memo.command[0];
    let child = tokio::process::Command::new(command)
        .args(&memo.command[1..])
        .stdin(Stdio::null())
        .stdout(Stdio::piped())
        .stderr(Stdio::piped())
        // Ctrl-C drops this future, and must not leave the command behind.
        .kill_on_drop(true)
        .spawn();
    let failed = |error: std::io::Error| Failure::failed(format!("'{command}': {error}"));
    let mut child = child.map_err(|error| Failure::usage(format!("'{command}' does not run: {error}")))?;
    let (out, err) = (child.stdout.take(), child.stderr.take());
    let (stdout, stderr, status) =
        tokio::join!(collect(out, std::io::stdout()), collect(err, std::io::stderr()), child.wait());
    let (stdout, stderr, status) = (stdout.map_err(failed)?, stderr.map_err(failed)?, status.map_err(failed)?);
    if !status.success() {
        let code = status.code().and_then(|code| u8::try_from(code).ok()).unwrap_or(BY_SIGNAL);
        return Err(Unkept::Exit(code));
    }
    let (mut files, mut total) = (BTreeMap::new(), stdout.len() + stderr.len());
    for path in &memo.output {
        let failed = |error: std::io::Error| Failure::failed(format!("the output {}: {error}", path.display()));
        let bytes = tokio::fs::read(path).await.map_err(failed)?;
        total += bytes.len();
        let executable = is_executable(path).map_err(failed)?;
        files.insert(path.display().to_string(), Made { content: BASE64_STANDARD.encode(bytes), executable });
    }
    if total > MAX_KEPT_BYTES {
        return Err(Unkept::TooLarge(total));
    }
    Ok(Outcome { stdout: BASE64_STANDARD.encode(stdout), stderr: BASE64_STANDARD.encode(stderr), files })
}

/// Passes on what a command prints, and returns all of it.
async fn collect(from: Option<impl AsyncRead + Unpin>, mut to: impl std::io::Write) -> std::io::Result<Vec<u8>> {
    let mut all = Vec::new();
    let Some(mut from) = from else { return Ok(all) };
    let mut chunk = vec![0; 64 * 1024];
    loop {
        let read = from.read(&mut chunk).await?;
        if read == 0 {
            return Ok(all);
        }
        all.extend_from_slice(&chunk[..read]);
        // Fails only when nobody reads; the result is kept all the same.
        let _ = to.write_all(&chunk[..read]).and_then(|()| to.flush());
    }
}

fn decode(base64: &str) -> Result<Vec<u8>, Failure> {
    BASE64_STANDARD.decode(base64).map_err(|error| Failure::failed(format!("the stored result: {error}")))
}

#[cfg(unix)]
fn is_executable(path: &Path) -> std::io::Result<bool> {
    use std::os::unix::fs::PermissionsExt;
    Ok(std::fs::metadata(path)?.permissions().mode() & 0o111 != 0)
}

#[cfg(unix)]
fn make_executable(path: &Path) -> std::io::Result<()> {
    use std::os::unix::fs::PermissionsExt;
    let mut permissions = std::fs::metadata(path)?.permissions();
    // The users that may read it may run it.
    let mode = permissions.mode();
    permissions.set_mode(mode | (mode & 0o444) >> 2);
    std::fs::set_permissions(path, permissions)
}

#[cfg(not(unix))]
fn is_executable(_: &Path) -> std::io::Result<bool> {
    Ok(false)
}

#[cfg(not(unix))]
fn make_executable(_: &Path) -> std::io::Result<()> {
    Ok(())
}
