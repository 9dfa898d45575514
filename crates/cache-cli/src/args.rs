//! What can be typed.
//!
//! clap shows the doc comments of commands and arguments as their help, so those of the types around them are none.

use std::net::SocketAddr;
use std::path::PathBuf;
use std::time::Duration;

use cache_client::{EntryRef, Strategy};
use cache_core::ids::Namespace;
use cache_maintenance::{CopyOptions, StoreAddress};
use clap::{Args, Parser, Subcommand, ValueEnum};

use self::values::{duration, strategy};
use crate::failure::EXIT_CODES;

mod groups;
mod keys;
mod values;

pub use self::groups::{Data, Ns, Zip};
pub use self::keys::{ChangeKey, CreateKey, Keys, Unset};
pub use self::values::permission_name;

/// How entries are named, and what the environment says. Lines are for a terminal of 80 columns; a narrower one wraps them.
const LONG_HELP: &str = "\
References to entries (REF), as every command prints and reads them:
  NS:ID                       one entry
  NS:#HASH, NS:#HASH@2        the newest entry with a hash, or a version of it
  NS:key@STRATEGY/KEY/FILE    the newest entry under a key; with @2 a version

Environment: MGRAPH_CACHE_URL, MGRAPH_CACHE_KEY or MGRAPH_CACHE_KEY_FILE,
MGRAPH_CACHE_KEY_NAME, MGRAPH_CACHE_NAMESPACE, MGRAPH_CACHE_PROFILE,
MGRAPH_CACHE_JSON, and the variables of the Python clients. Flags come first,
then the environment, then .mgraph-cache.toml in this folder or one above it (url
and namespace), then the profile. An API key is never an argument, where other
users of the machine would see it.

";

/// A content-addressed cache from the shell, and a server for one's own machine.
#[derive(Debug, Parser)]
#[command(name = "mgraph-cache", version, after_long_help = format!("{LONG_HELP}{EXIT_CODES}"), max_term_width = 100)]
pub struct Cli {
    // What to do.
    #[command(subcommand)]
    pub command: Command,
    // Options of all commands.
    #[command(flatten)]
    pub global: Global,
}

// Options of all commands.
#[derive(Debug, Clone, Args)]
#[command(next_help_heading = "Options of all commands")]
pub struct Global {
    /// The URL of the service
    #[arg(long, global = true, value_name = "URL")]
    pub url: Option<String>,
    /// The profile to use
    #[arg(long, global = true, value_name = "NAME", env = "MGRAPH_CACHE_PROFILE")]
    pub profile: Option<String>,
    /// A file that holds the API key (not the cache key of --key); `-` for stdin
    #[arg(long, global = true, value_name = "FILE")]
    pub key_file: Option<PathBuf>,
    /// The namespace
    #[arg(short, long, global = true, value_name = "NAME")]
    pub namespace: Option<String>,
    /// One JSON object a line, for programs
    #[arg(long, global = true, env = "MGRAPH_CACHE_JSON", value_parser = clap::builder::FalseyValueParser::new(), action = clap::ArgAction::SetTrue)]
    pub json: bool,
}

/// What to do.
#[derive(Debug, Subcommand)]
pub enum Command {
    /// Serve a cache on this machine
    Serve(Serve),
    /// Store a file, or stdin
    Put(Put),
    /// Read a content into a file, or to stdout
    Get(Get),
    /// Write contents to stdout
    Cat {
        /// The entries
        #[arg(required = true, value_name = "REF")]
        refs: Vec<EntryRef>,
    },
    /// List namespaces, or the entries of one
    Ls(Ls),
    /// Show what is known about entries
    Stat {
        /// The entries
        #[arg(required = true, value_name = "REF")]
        refs: Vec<EntryRef>,
    },
    /// Delete entries with their child data
    Rm(Rm),
    /// List the versions of an entry
    Versions {
        /// By key or hash; an id stands for the key of its entry, or else its hash
        #[arg(value_name = "REF")]
        reference: EntryRef,
        /// How many, the newest ones
        #[arg(long, value_name = "N", default_value_t = 100, value_parser = clap::value_parser!(u16).range(1..=1000))]
        limit: u16,
    },
    /// Compare two contents line by line; the exit code is 1 if they differ
    Diff {
        /// The older one
        #[arg(value_name = "REF")]
        old: EntryRef,
        /// The newer one
        #[arg(value_name = "REF")]
        new: EntryRef,
    },
    /// Make a new version with the content of an older one
    Rollback {
        /// The older version: NS:key@STRATEGY/KEY/FILE@VERSION
        #[arg(value_name = "REF")]
        reference: EntryRef,
    },
    /// Store the files of a folder under a prefix; only those that differ are sent
    Sync(SyncFolder),
    /// Work with ZIP archives
    #[command(subcommand)]
    Zip(Zip),
    /// Work with child data: small files below an entry
    #[command(subcommand)]
    Data(Data),
    /// Work with namespaces
    #[command(subcommand)]
    Ns(Ns),
    /// Work with API keys: what each may do, and how much
    #[command(subcommand)]
    Keys(Keys),
    /// Copy a whole store to another one; can be interrupted and repeated
    Copy {
        /// The store to read: disk:FOLDER, sqlite:FILE, zip:FILE, s3:BUCKET or s3:BUCKET/PREFIX
        #[arg(long, value_name = "STORE")]
        from: StoreAddress,
        /// The store to write
        #[arg(long, value_name = "STORE")]
        to: StoreAddress,
        /// Convert entries of the Python service to entries of this one, with the same ids
        #[arg(long)]
        convert: bool,
        /// Replace what is different in the target
        #[arg(long)]
        overwrite: bool,
        /// How many objects are copied at the same time
        #[arg(long, value_name = "N", default_value_t = CopyOptions::default().parallel as u16, value_parser = clap::value_parser!(u16).range(1..=1000))]
        parallel: u16,
        /// How progress is shown
        #[arg(long, value_enum, default_value = "auto")]
        progress: ProgressKind,
    },
    /// Find what is missing, damaged or out of date in a store; the exit code is 7 if there are findings
    Verify {
        /// The store: disk:FOLDER, sqlite:FILE, zip:FILE, s3:BUCKET or s3:BUCKET/PREFIX
        #[arg(value_name = "STORE")]
        store: StoreAddress,
        /// Repair what can be repaired without guessing; without it nothing is changed
        #[arg(long)]
        repair: bool,
        /// How progress is shown
        #[arg(long, value_enum, default_value = "auto")]
        progress: ProgressKind,
    },
    /// Remove expired entries from a store, and unreferenced objects that are older than a day; the exit code is 7 if there are damaged objects
    Sweep {
        /// The store: disk:FOLDER, sqlite:FILE, zip:FILE, s3:BUCKET or s3:BUCKET/PREFIX
        #[arg(value_name = "STORE")]
        store: StoreAddress,
        /// The namespaces; without them, all
        #[arg(value_name = "NS")]
        namespaces: Vec<Namespace>,
        /// Only show what would be removed
        #[arg(long)]
        dry_run: bool,
    },
    /// Save a URL and an API key as a profile; the key is asked for, or read from stdin
    Login(Login),
    /// Remove a profile: the one of --profile, else the default one
    Logout,
    /// Show which service and API key are used, whether they work, and what the key may do
    Whoami,
    /// Look for what is wrong with configuration, service and API key
    Doctor,
    /// Run a command once for its inputs: later runs print what it printed
    Memo(Memo),
    /// Run the commands in a file, one a line
    Run {
        /// The file; `-` for stdin
        file: PathBuf,
        /// Continue after a command that fails
        #[arg(long)]
        keep_going: bool,
    },
    /// Print the completions of a shell
    Completions {
        /// The shell
        shell: clap_complete::Shell,
    },
    /// Print the manual page
    Man {
        /// Write it into this folder, with a page for each command
        #[arg(long, value_name = "FOLDER")]
        out: Option<PathBuf>,
    },
}

impl Command {
    /// Whether the command itself ends well after Ctrl-C and SIGTERM.
    pub fn handles_signals(&self) -> bool {
        matches!(self, Self::Serve(_))
    }

    /// Whether it may be a line of a file that `run` reads.
    pub fn can_be_in_file(&self) -> bool {
        !matches!(self, Self::Serve(_) | Self::Run { .. })
    }
}

// How the server stores. What is not named here, the environment says: see `docs/settings.md`.
#[derive(Debug, Args)]
pub struct Serve {
    /// Where to listen [default: 127.0.0.1:10017]
    #[arg(long, value_name = "ADDRESS")]
    pub listen: Option<SocketAddr>,
    /// The folder to store in [default: ./.mgraph-cache]
    #[arg(long, value_name = "FOLDER", conflicts_with = "memory")]
    pub path: Option<PathBuf>,
    /// Store in memory: everything is gone when the process ends
    #[arg(long)]
    pub memory: bool,
}

/// How progress is shown.
#[derive(Debug, Clone, Copy, PartialEq, Eq, ValueEnum)]
pub enum ProgressKind {
    /// A line that moves on a terminal, else one every 5 seconds; JSON with --json
    Auto,
    /// A JSON object every 5 seconds, on stderr
    Json,
    /// Nothing
    None,
}

/// The kind of a content.
#[derive(Debug, Clone, Copy, PartialEq, Eq, ValueEnum)]
pub enum Kind {
    /// `.json` is JSON, `.txt` and `.md` are text, all else is bytes
    Auto,
    /// A JSON object
    Json,
    /// A text in UTF-8
    Text,
    /// Bytes
    Binary,
}

// What to store, and how.
#[derive(Debug, Args)]
pub struct Put {
    /// The file; `-` for stdin
    pub file: PathBuf,
    /// The cache key to store under, such as users/ada
    #[arg(short, long)]
    pub key: Option<String>,
    /// The file id under the cache key; stores under the same one make versions
    #[arg(short, long, requires = "key")]
    pub file_id: Option<String>,
    /// How it can be found: direct, temporal, temporal_latest, temporal_versioned or key_based [default: key_based with a key, else direct]
    #[arg(short, long, value_parser = strategy)]
    pub strategy: Option<Strategy>,
    /// The kind of content
    #[arg(short = 't', long = "type", value_enum, default_value = "auto")]
    pub kind: Kind,
    /// How long it lives, such as 90s, 15m, 12h or 7d
    #[arg(long, value_name = "TIME", value_parser = duration)]
    pub ttl: Option<Duration>,
    /// Only if there is no live version under the cache key and file id
    #[arg(long, requires = "file_id")]
    pub if_absent: bool,
    /// Retries with the same text return the same entry
    #[arg(long, value_name = "TEXT")]
    pub idempotency_key: Option<String>,
    /// How progress is shown
    #[arg(long, value_enum, default_value = "auto")]
    pub progress: ProgressKind,
}

// What to read, and where to.
#[derive(Debug, Args)]
pub struct Get {
    /// The entry
    #[arg(value_name = "REF")]
    pub reference: EntryRef,
    /// The file; `-` for stdout
    #[arg(short, long, value_name = "FILE", default_value = "-")]
    pub output: PathBuf,
    /// How progress is shown while a file is written
    #[arg(long, value_enum, default_value = "auto")]
    pub progress: ProgressKind,
}

// What to list.
#[derive(Debug, Args)]
pub struct Ls {
    /// NS or NS/KEY: entries whose cache key is KEY or below it
    pub place: Option<String>,
    /// How many entries are shown at most
    #[arg(long, value_name = "N", default_value_t = 1000)]
    pub limit: usize,
}

// What to delete.
#[derive(Debug, Args)]
pub struct Rm {
    /// The entries; a cache key or hash stands for its newest version
    #[arg(required_unless_present = "prefix", value_name = "REF")]
    pub refs: Vec<EntryRef>,
    /// All entries whose cache key is this or below it: NS/KEY
    #[arg(long, value_name = "NS/KEY", conflicts_with = "refs")]
    pub prefix: Option<String>,
    /// Say what would be deleted
    #[arg(long)]
    pub dry_run: bool,
    /// Delete more than one without asking
    #[arg(short, long)]
    pub yes: bool,
}

// What to bring up to date.
#[derive(Debug, Args)]
pub struct SyncFolder {
    /// The folder
    pub folder: PathBuf,
    /// Where to: NS/PREFIX
    pub target: String,
    /// Say what would be sent
    #[arg(long)]
    pub dry_run: bool,
    /// How many files are sent at the same time
    #[arg(long, value_name = "N", default_value_t = 4, value_parser = clap::value_parser!(u8).range(1..=64))]
    pub jobs: u8,
}

// What to save as a profile.
#[derive(Debug, Args)]
pub struct Login {
    /// The URL of the service; without it, that of --url or the environment
    pub service: Option<String>,
    /// The header that carries the API key
    #[arg(long, value_name = "HEADER")]
    pub key_name: Option<String>,
    /// A command that prints the API key, in place of the key itself
    #[arg(long, value_name = "COMMAND", conflicts_with_all = ["key_env", "no_key"])]
    pub key_command: Option<String>,
    /// An environment variable that holds the API key, in place of the key itself
    #[arg(long, value_name = "NAME", conflicts_with = "no_key")]
    pub key_env: Option<String>,
    /// The service needs no API key
    #[arg(long)]
    pub no_key: bool,
    /// Save the profile even if the service does not accept it
    #[arg(long)]
    pub force: bool,
}

// Which command to run, and what its result depends on.
#[derive(Debug, Args)]
pub struct Memo {
    /// A file or folder whose content counts
    #[arg(short, long, value_name = "PATH")]
    pub input: Vec<PathBuf>,
    /// An environment variable whose value counts
    #[arg(short, long, value_name = "NAME")]
    pub env: Vec<String>,
    /// A file that the command makes: it is stored, and written again
    #[arg(short, long, value_name = "FILE")]
    pub output: Vec<PathBuf>,
    /// How long the result may be used, such as 12h
    #[arg(long, value_name = "TIME", value_parser = duration)]
    pub ttl: Option<Duration>,
    /// One run at a time on all machines: the others wait for its result, at most this long
    #[arg(long, value_name = "TIME", value_parser = duration)]
    pub lease: Option<Duration>,
    /// Run it even if there is a result
    #[arg(long)]
    pub refresh: bool,
    /// The command and its arguments
    #[arg(last = true, required = true)]
    pub command: Vec<String>,
}

#[cfg(test)]
mod tests {
    use clap::CommandFactory;

    use super::*;

    #[test]
    fn the_definition_is_sound() {
        Cli::command().debug_assert();
    }
}
