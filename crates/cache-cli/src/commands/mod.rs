//! What each command does: a file for each group.

mod data;
mod describe;
mod describe_key;
mod entries;
mod keys;
mod list;
mod local;
mod memo;
mod namespaces;
mod session;
mod stores;
mod sync;
mod versions;
mod zip;

use std::path::Path;

use cache_client::{EntryRef, Selector};
use cache_maintenance::CopyOptions;
use tokio::io::AsyncReadExt;

use crate::args::{Cli, Command};
use crate::context::{Clients, Context};
use crate::failure::Failure;
use crate::output::Output;

/// Runs a command, and returns its exit code.
pub async fn run(cli: Cli, output: &Output) -> Result<u8, Failure> {
    run_with(cli, output, &Clients::default()).await
}

async fn run_with(cli: Cli, output: &Output, clients: &Clients) -> Result<u8, Failure> {
    let context = Context { global: &cli.global, output, clients };
    // The futures of all commands would be in one otherwise.
    Box::pin(dispatch(&context, cli.command)).await
}

async fn dispatch(context: &Context<'_>, command: Command) -> Result<u8, Failure> {
    match command {
        Command::Serve(serve) => local::serve(context, serve).await,
        Command::Put(put) => entries::put(context, put).await,
        Command::Get(get) => entries::get(context, get).await,
        Command::Cat { refs } => entries::cat(context, &refs).await,
        Command::Ls(ls) => list::ls(context, ls).await,
        Command::Stat { refs } => entries::stat(context, &refs).await,
        Command::Rm(rm) => entries::rm(context, rm).await,
        Command::Versions { reference, limit } => versions::list(context, &reference, limit).await,
        Command::Diff { old, new } => versions::diff(context, &old, &new).await,
        Command::Rollback { reference } => versions::rollback(context, &reference).await,
        Command::Sync(sync) => sync::run(context, sync).await,
        Command::Zip(zip) => zip::run(context, zip).await,
        Command::Data(data) => data::run(context, data).await,
        Command::Ns(ns) => namespaces::run(context, ns).await,
        Command::Keys(keys) => keys::run(context, keys).await,
        Command::Copy { from, to, convert, overwrite, parallel, progress } => {
            let options = CopyOptions { parallel: parallel.into(), overwrite, convert };
            stores::copy(context, from, to, options, progress).await
        }
        Command::Verify { store, repair, progress } => stores::verify(context, store, repair, progress).await,
        Command::Sweep { store, namespaces, dry_run } => stores::sweep(context, &store, namespaces, dry_run).await,
        Command::Login(login) => session::login(context, login).await,
        Command::Logout => session::logout(context),
        Command::Whoami => session::whoami(context).await,
        Command::Doctor => session::doctor(context).await,
        Command::Memo(memo) => memo::run(context, memo).await,
        Command::Run { file, keep_going } => local::run_file(context, &file, keep_going).await,
        Command::Completions { shell } => local::completions(context, shell),
        Command::Man { out } => local::man(context, out.as_deref()),
    }
}

/// A file, or stdin for `-`.
async fn read_input(path: &Path) -> Result<Vec<u8>, Failure> {
    if path.as_os_str() == "-" {
        let mut bytes = Vec::new();
        let read = tokio::io::stdin().read_to_end(&mut bytes).await;
        return read.map(|_| bytes).map_err(|error| Failure::failed(format!("stdin: {error}")));
    }
    tokio::fs::read(path).await.map_err(|error| Failure::failed(format!("{}: {error}", path.display())))
}

/// Bytes into a file, or to stdout for `-`. A file is there once it is complete.
async fn write_output(context: &Context<'_>, path: &Path, bytes: &[u8]) -> Result<(), Failure> {
    if path.as_os_str() == "-" {
        return context.output.raw(bytes);
    }
    let failed = |error: std::io::Error| Failure::failed(format!("{}: {error}", path.display()));
    let name = path.file_name().unwrap_or_default().to_string_lossy();
    let beside = path.with_file_name(format!(".{name}.{}.part", std::process::id()));
    let written = async {
        tokio::fs::write(&beside, bytes).await?;
        tokio::fs::rename(&beside, path).await
    };
    let written = written.await;
    if written.is_err() {
        // That it was not written is what counts.
        let _ = tokio::fs::remove_file(&beside).await;
    }
    written.map_err(failed)
}

/// The id that a reference means.
async fn id_of(context: &Context<'_>, reference: &EntryRef) -> Result<String, Failure> {
    if let Selector::Id(id) = &reference.selector {
        return Ok(id.clone());
    }
    let found = context.of(reference)?.find(reference.selector.clone()).await?;
    found.map(|found| found.entry.id().to_owned()).ok_or_else(|| Failure::not_found(reference))
}

/// `NS/KEY` as both; the key is empty without one.
fn place(text: &str) -> (&str, &str) {
    text.split_once('/').map_or((text, ""), |(namespace, key)| (namespace, key.trim_end_matches('/')))
}

/// Whether a key is a prefix or below it.
fn is_below(key: &str, prefix: &str) -> bool {
    prefix.is_empty() || key == prefix || key.strip_prefix(prefix).is_some_and(|rest| rest.starts_with('/'))
}
