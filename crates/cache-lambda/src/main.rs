//! The composition root: configuration, storage, application; then a Lambda function or a local server.

use std::io::Write;
use std::process::ExitCode;
use std::sync::Arc;

use cache_core::ids::Namespace;
use cache_core::time::Deadline;
use cache_lambda::config::Config;
use cache_lambda::config::settings;
use cache_lambda::state::{AppState, Service};
use cache_lambda::sweep::{self, NamespaceReport, SweepMode};
#[cfg(feature = "maintenance")]
use cache_lambda::telemetry::logging::LogFormat;
use cache_lambda::telemetry::logging::{self, Log};
use cache_lambda::{lambda, serve};
use cache_storage::system::{OsRng, SystemClock};
use tokio::runtime::Builder;

const USAGE: &str = "\
cache-lambda: the cache service, as a Lambda function or as a server on this machine.

Usage: cache-lambda                        serve
       cache-lambda sweep [--dry-run] [NAMESPACE...]
                                           remove expired entries and unreferenced objects, in all namespaces if none
                                           is named
       cache-lambda copy --from STORE --to STORE [--convert] [--overwrite] [--parallel N] [--json] [--progress text|json|none]
       cache-lambda verify STORE [--repair] [--json] [--progress text|json|none]
       cache-lambda --help | --version

STORE is disk:FOLDER, sqlite:FILE, zip:FILE, s3:BUCKET or s3:BUCKET/PREFIX. `copy` and `verify` exit with status 7
if they report findings, `sweep` if it reports damaged objects.

It is configured by the environment:
";

/// The command line or the environment is wrong.
const EXIT_USAGE: u8 = 2;
/// A sweep reports damaged objects; `copy` and `verify` exit with the same status if they report findings.
const EXIT_DAMAGED: u8 = 7;

fn main() -> ExitCode {
    let runtime = match Builder::new_multi_thread().enable_all().build() {
        Ok(runtime) => runtime,
        Err(error) => return exit_with(&format!("the process cannot start its threads: {error}"), 1),
    };
    let code = runtime.block_on(command());
    // A thread that hangs in a call to a broken disk must not keep the process.
    runtime.shutdown_background();
    code
}

async fn command() -> ExitCode {
    // `args` would panic on an argument that is not UTF-8.
    let mut arguments = std::env::args_os().skip(1).map(|argument| argument.to_string_lossy().into_owned());
    match arguments.next().as_deref() {
        None => run(Command::Serve).await,
        Some("sweep") => match parse_sweep(arguments) {
            Ok(command) => run(command).await,
            Err(problem) => exit_with(&problem, EXIT_USAGE),
        },
        Some(name @ ("copy" | "verify")) => maintain(name, arguments).await,
        Some("--help" | "-h") => print_line(&format!("{USAGE}{}", settings::help().trim_end())),
        Some("--version" | "-V") => print_line(concat!("cache-lambda ", env!("CARGO_PKG_VERSION"))),
        Some(other) => exit_with(&format!("unrecognized argument '{other}'; see --help"), EXIT_USAGE),
    }
}

/// The command of the process.
enum Command {
    Serve,
    Sweep(SweepMode, Vec<Namespace>),
}

/// Reads the arguments of `sweep`.
fn parse_sweep(arguments: impl Iterator<Item = String>) -> Result<Command, String> {
    let (mut mode, mut namespaces) = (SweepMode::Remove, Vec::new());
    for argument in arguments {
        match argument.as_str() {
            "--dry-run" => mode = SweepMode::DryRun,
            // A namespace is made of any text, so a mistyped option would be one.
            option if option.starts_with('-') => return Err(format!("unrecognized argument '{option}'; see --help")),
            name => {
                namespaces.push(name.parse::<Namespace>().map_err(|error| format!("the namespace '{name}' {error}"))?)
            }
        }
    }
    Ok(Command::Sweep(mode, namespaces))
}

fn print_line(text: &str) -> ExitCode {
    // The reader may close the pipe early, as `head` does.
    let _ = writeln!(std::io::stdout(), "{text}");
    ExitCode::SUCCESS
}

fn exit_with(problem: &str, code: u8) -> ExitCode {
    // Nobody may read it.
    let _ = writeln!(std::io::stderr(), "error: {problem}");
    ExitCode::from(code)
}

/// Copies or verifies a whole store, which the arguments name: the settings play no part.
#[cfg(feature = "maintenance")]
async fn maintain(name: &str, arguments: impl Iterator<Item = String>) -> ExitCode {
    use cache_maintenance::command::{Command, EXIT_FAILED};

    let command = match Command::parse(name, arguments) {
        Ok(command) => command,
        Err(problem) => return exit_with(&format!("{problem}; see --help"), EXIT_USAGE),
    };
    let lookup = |name: &str| std::env::var_os(name).map(|value| value.to_string_lossy().into_owned());
    let log = logging::start(&lookup, LogFormat::Text, false);
    let ended = command.run().await;
    drop(log);
    ended.map_or_else(|problem| exit_with(&problem, EXIT_FAILED), ExitCode::from)
}

#[cfg(not(feature = "maintenance"))]
async fn maintain(name: &str, _: impl Iterator<Item = String>) -> ExitCode {
    exit_with(&format!("this program was built without '{name}': build it with `--features embedded`"), EXIT_USAGE)
}

async fn run(command: Command) -> ExitCode {
    // `vars` would panic on a variable that is not UTF-8.
    let lookup = |name: &str| std::env::var_os(name).map(|value| value.to_string_lossy().into_owned());
    let config = match Config::read(&lookup) {
        Ok(config) => config,
        Err(errors) => {
            let problems: Vec<String> = errors.0.iter().map(ToString::to_string).collect();
            return exit_with(&problems.join("\nerror: "), EXIT_USAGE);
        }
    };
    let log = logging::start(&lookup, config.log_format, config.in_lambda);
    for warning in settings::unknown_variables(std::env::vars_os().map(|(name, _)| name.to_string_lossy().into_owned()))
    {
        tracing::warn!("{warning}");
    }
    let ended = run_configured(command, config, &log).await;
    // Its lines come before the error that ends the process.
    drop(log);
    ended.unwrap_or_else(|problem| exit_with(&problem, 1))
}

async fn run_configured(command: Command, config: Config, log: &Log) -> Result<ExitCode, String> {
    let storage = config.open_storage().await?;
    let in_lambda = config.in_lambda;
    let state = Service::new(storage, Arc::new(SystemClock), Arc::new(OsRng), config);
    match command {
        Command::Sweep(mode, namespaces) => return sweep_here(&state, mode, namespaces).await,
        Command::Serve if in_lambda => lambda::run(state).await.map_err(|error| error.to_string())?,
        Command::Serve => serve::run(state, log).await?,
    }
    Ok(ExitCode::SUCCESS)
}

/// Collects garbage without a deadline, and prints a line for each namespace and each damaged object.
async fn sweep_here(state: &AppState, mode: SweepMode, namespaces: Vec<Namespace>) -> Result<ExitCode, String> {
    let reports = sweep::run(state, namespaces, mode, Deadline::NEVER).await.map_err(|error| error.to_string())?;
    let mut code = ExitCode::SUCCESS;
    for report in reports {
        print_line(&summary(mode, &report));
        for object in report.report.damaged {
            print_line(&format!("{}: damaged: {object}", report.namespace));
            code = ExitCode::from(EXIT_DAMAGED);
        }
    }
    Ok(code)
}

/// The counts of a sweep, in one line.
fn summary(mode: SweepMode, NamespaceReport { namespace, report }: &NamespaceReport) -> String {
    let (remove, empty) = match mode {
        SweepMode::Remove => ("removed", "emptied"),
        SweepMode::DryRun => ("(dry run) would remove", "would empty"),
    };
    let removed = [
        (report.expired_entries, "expired entries"),
        (report.unreferenced_blobs, "unreferenced blobs"),
        (report.stale_intents, "stale intents"),
        (report.orphaned_children, "orphaned children"),
        (report.orphaned_aliases, "orphaned aliases"),
        (report.orphaned_pages, "orphaned pages"),
        (report.orphaned_views, "orphaned views"),
        (report.orphaned_key_rows, "orphaned rows of key indexes"),
    ];
    let removed: Vec<String> = removed.iter().map(|(count, what)| format!("{count} {what}")).collect();
    format!("{namespace}: {remove} {}; {empty} {} tombstones", removed.join(", "), report.emptied_tombstones)
}
