//! The composition root: configuration, storage, application; then a Lambda function or a local server.

use std::io::Write;
use std::process::ExitCode;
use std::sync::Arc;

use cache_core::ids::Namespace;
use cache_core::storage::{ListRequest, Storage};
use cache_lambda::config::{self, Config, StorageChoice};
use cache_lambda::state::{AppState, Service};
use cache_lambda::sweep::{self, Report};
use cache_lambda::watching::logging;
use cache_lambda::{lambda, serve};
use cache_storage::disk::Disk;
use cache_storage::memory::Memory;
use cache_storage::s3::{S3, S3Config};
use cache_storage::system::System;

const HELP: &str = "\
cache-lambda: the cache service, as a Lambda function or as a server on this machine.

Usage: cache-lambda                        serve
       cache-lambda sweep [NAMESPACE...]   remove expired entries and leftovers, in all namespaces if none is named
       cache-lambda --help | --version

It is configured by the environment:
  CACHE__SERVICE__STORAGE_MODE      s3, local_disk or memory
  CACHE__SERVICE__BUCKET_NAME       the bucket for s3
  CACHE__SERVICE__LOCAL_DISK_PATH   the folder for local_disk (./.mgraph-cache)
  CACHE__SERVICE__LISTEN            where to listen (127.0.0.1:10017)
  FAST_API__AUTH__API_KEY__NAME     the header or cookie that carries the API key
  FAST_API__AUTH__API_KEY__VALUE    the API key
  CACHE__SERVICE__STRICT_NAMES, CACHE__SERVICE__MAX_BODY_BYTES, CACHE__SERVICE__BLOB_CACHE_BYTES,
  CACHE__SERVICE__REQUEST_TIMEOUT_SECONDS, CACHE__SERVICE__DEFAULT_TTL_HOURS, CACHE__SERVICE__TEST_ROUTES,
  CACHE__SERVICE__CORS_ORIGINS, FAST_API__SERVER_ID, FAST_API__SERVER_NAME, AWS_*
  CACHE__SERVICE__LOG_FORMAT        text or json
  RUST_LOG                          how much is logged: trace, debug, info, warn, error or off
";

/// The command line or the environment is wrong.
const WRONG_USE: u8 = 2;

#[tokio::main]
async fn main() -> ExitCode {
    let mut arguments = std::env::args().skip(1);
    match arguments.next().as_deref() {
        None => run(Work::Serve).await,
        Some("sweep") => match arguments.map(|name| name.parse::<Namespace>().map_err(|error| (name, error))).collect()
        {
            Ok(namespaces) => run(Work::Sweep(namespaces)).await,
            Err((name, error)) => fail(&format!("the namespace '{name}' {error}"), WRONG_USE),
        },
        Some("--help" | "-h") => say(HELP.trim_end()),
        Some("--version" | "-V") => say(concat!("cache-lambda ", env!("CARGO_PKG_VERSION"))),
        Some(other) => fail(&format!("'{other}' is not understood: try --help"), WRONG_USE),
    }
}

/// What the process is to do.
enum Work {
    Serve,
    Sweep(Vec<Namespace>),
}

fn say(text: &str) -> ExitCode {
    // Whoever reads this may stop reading early, such as `head`.
    let _ = writeln!(std::io::stdout(), "{text}");
    ExitCode::SUCCESS
}

fn fail(problem: &str, code: u8) -> ExitCode {
    eprintln!("error: {problem}");
    ExitCode::from(code)
}

async fn run(work: Work) -> ExitCode {
    // `vars` would panic on a variable that is not UTF-8.
    let lookup = |name: &str| std::env::var_os(name).map(|value| value.to_string_lossy().into_owned());
    let config = match Config::read(&lookup) {
        Ok(config) => config,
        Err(mistakes) => {
            let problems: Vec<String> = mistakes.0.iter().map(ToString::to_string).collect();
            return fail(&problems.join("\nerror: "), WRONG_USE);
        }
    };
    logging::start(&lookup, config.log_format, config.in_lambda);
    for warning in config::warnings(std::env::vars_os().map(|(name, _)| name.to_string_lossy().into_owned())) {
        tracing::warn!("{warning}");
    }
    let storage = match open(&config).await {
        Ok(storage) => storage,
        Err(problem) => return fail(&problem, 1),
    };
    let in_lambda = config.in_lambda;
    let state = Service::new(storage, Arc::new(System), config);
    let ended = match work {
        Work::Sweep(namespaces) => sweep_here(&state, namespaces).await,
        Work::Serve if in_lambda => lambda::run(state).await.map_err(|error| error.to_string()),
        Work::Serve => serve::run(state).await,
    };
    ended.map_or_else(|problem| fail(&problem, 1), |()| ExitCode::SUCCESS)
}

/// Sweeps to the end, and prints a line for each namespace.
async fn sweep_here(state: &AppState, namespaces: Vec<Namespace>) -> Result<(), String> {
    let reports = sweep::run(state, namespaces, u64::MAX).await.map_err(|error| error.to_string())?;
    for Report { namespace, expired, graves, records, blobs, orphans, .. } in reports {
        say(&format!(
            "{namespace}: removed {expired} expired entries, {graves} graves, {records} stray records, {blobs} stray blobs, \
             {orphans} orphans"
        ));
    }
    Ok(())
}

/// Opens the storage. A server also looks whether it answers; a function does not spend a call on that at each start.
async fn open(config: &Config) -> Result<Arc<dyn Storage>, String> {
    let storage: Arc<dyn Storage> = match &config.storage {
        StorageChoice::Memory => Arc::new(Memory::default()),
        StorageChoice::LocalDisk { path } => Arc::new(Disk::open(path).map_err(|error| {
            format!("{error}; set CACHE__SERVICE__LOCAL_DISK_PATH to a folder that can be written to")
        })?),
        StorageChoice::S3 { bucket } => {
            let s3 = S3::open(S3Config::new(bucket)).await.map_err(|error| error.to_string())?;
            if config.in_lambda {
                let s3 = s3.clone();
                tokio::spawn(async move { s3.warm_up().await });
            }
            Arc::new(s3)
        }
    };
    if !config.in_lambda {
        let look = ListRequest { limit: 1, ..ListRequest::default() };
        storage.list(&look).await.map_err(|error| format!("{} cannot be used: {error}", config.storage))?;
    }
    Ok(storage)
}
