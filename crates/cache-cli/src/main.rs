//! `mgraph-cache`: a cache from the shell.
//!
//! Reading order: [`args`] is what can be typed, [`context`] what every command has, [`commands`] what each does. [`profile`]
//! and [`project`] are the configuration, [`output`] what is printed, [`progress`] how far it is, and [`failure`] what the exit code says.

mod args;
mod commands;
mod context;
mod failure;
mod output;
mod profile;
mod progress;
mod project;

use std::process::ExitCode;

use clap::Parser;
use tokio::runtime::Builder;

use crate::args::Cli;
use crate::failure::{FAILED, INTERRUPTED, TERMINATED};
use crate::output::Output;

fn main() -> ExitCode {
    // clap ends the process with 2 for wrong usage, and with 0 for help.
    let cli = Cli::parse();
    let output = Output::new(cli.global.json);
    let runtime = match Builder::new_multi_thread().enable_all().build() {
        Ok(runtime) => runtime,
        Err(error) => {
            output::say(&format!("error: no thread can be started: {error}"));
            return ExitCode::from(FAILED);
        }
    };
    let code = runtime.block_on(run(cli, &output));
    // A thread that reads stdin would otherwise be waited for until somebody presses a key.
    runtime.shutdown_background();
    ExitCode::from(code)
}

async fn run(cli: Cli, output: &Output) -> u8 {
    let handles_signals = cli.command.handles_signals();
    let ended = tokio::select! {
        ended = commands::run(cli, output) => ended,
        // Dropping the command ends its requests, removes what is half written, and ends its child processes.
        code = signal(), if !handles_signals => {
            output.interrupted();
            return code;
        }
    };
    ended.unwrap_or_else(|failure| {
        output.failure(&failure);
        failure.code
    })
}

/// Waits for Ctrl-C or SIGTERM, and returns the exit code for it.
async fn signal() -> u8 {
    #[cfg(unix)]
    if let Ok(mut terminate) = tokio::signal::unix::signal(tokio::signal::unix::SignalKind::terminate()) {
        tokio::select! {
            _ = terminate.recv() => return TERMINATED,
            Ok(()) = tokio::signal::ctrl_c() => return INTERRUPTED,
        }
    }
    match tokio::signal::ctrl_c().await {
        Ok(()) => INTERRUPTED,
        Err(_) => std::future::pending().await,
    }
}
