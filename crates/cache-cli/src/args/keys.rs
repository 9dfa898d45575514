//! The commands below `keys`.

use std::time::Duration;

use cache_client::api::keys::{Grant, KeyLimits};
use clap::{Args, Subcommand, ValueEnum};

use super::values::{bytes, duration_or_none, grant, per_second, time};

// Works with API keys.
#[derive(Debug, Subcommand)]
pub enum Keys {
    /// List the keys that you may manage
    Ls,
    /// Show what is known about a key
    Show {
        /// Its id
        id: String,
    },
    /// Create a key, and print it: it is not shown again
    #[command(mut_arg("grants", |grants| grants.required(true)))]
    Create(CreateKey),
    /// Change a key; what is not named stays as it is
    Change(ChangeKey),
    /// Disable a key: requests with it get 401 until it is enabled
    Disable {
        /// Its id
        id: String,
    },
    /// Enable a disabled key
    Enable {
        /// Its id
        id: String,
    },
    /// Create a key that replaces another one, and print it: it is not shown again
    Rotate {
        /// The id of the old key
        id: String,
        /// How long the old key stays valid, such as 12h; 0 for not at all [default: 1d]
        #[arg(long, value_parser = duration_or_none)]
        overlap: Option<Duration>,
    },
    /// Delete a key
    Rm {
        /// Its id
        id: String,
        /// Delete it without asking
        #[arg(short, long)]
        yes: bool,
    },
}

// A key that is to be made.
#[derive(Debug, Args)]
pub struct CreateKey {
    /// A name for people
    #[arg(long)]
    pub name: String,
    // The rest of it.
    #[command(flatten)]
    pub fields: KeyFields,
}

// What is to be changed.
#[derive(Debug, Args)]
pub struct ChangeKey {
    /// Its id
    pub id: String,
    /// A name for people
    #[arg(long)]
    pub name: Option<String>,
    // The rest of it.
    #[command(flatten)]
    pub fields: KeyFields,
    /// Unset this, before the rest is set
    #[arg(long, value_enum)]
    pub unset: Vec<Unset>,
}

/// What a key need not have.
#[derive(Debug, Clone, Copy, PartialEq, Eq, ValueEnum)]
pub enum Unset {
    /// The note
    Note,
    /// When it becomes valid
    NotBefore,
    /// When it expires
    Expires,
    /// All limits
    Limits,
}

// What a key may do, when, and how much.
#[derive(Debug, Args)]
pub struct KeyFields {
    /// What it may do in namespaces: 'demo=read', or with a prefix 'team-*=read,write'. May be repeated; a change replaces all grants
    #[arg(long = "grant", value_name = "NS=PERMISSION,…", value_parser = grant)]
    pub grants: Vec<Grant>,
    /// A note for people
    #[arg(long)]
    pub note: Option<String>,
    /// It is refused from then on: 30d from now, or a time such as 2030-01-31T00:00:00Z
    #[arg(long, value_name = "TIME", value_parser = time)]
    pub expires: Option<u64>,
    /// It is refused before then, in the same forms
    #[arg(long, value_name = "TIME", value_parser = time)]
    pub not_before: Option<u64>,
    /// Requests per second in the long run, such as 100/s
    #[arg(long, value_parser = per_second)]
    pub rate: Option<u32>,
    /// How many requests may come at once; without it, as many as --rate
    #[arg(long, value_name = "N", value_parser = clap::value_parser!(u32).range(1..))]
    pub burst: Option<u32>,
    /// Bytes of requests and responses in a day (UTC), such as 500M or 10G (K, M, G, T are powers of 1024)
    #[arg(long, value_name = "SIZE", value_parser = bytes)]
    pub bytes_per_day: Option<u64>,
    /// Only log requests beyond a limit, on the server, instead of refusing them; =false ends that
    #[arg(long, value_name = "BOOL", num_args = 0..=1, require_equals = true, default_missing_value = "true")]
    pub report_only: Option<bool>,
}

impl KeyFields {
    /// The limits that are named, and the others as they were.
    pub fn limits(&self, others: KeyLimits) -> KeyLimits {
        KeyLimits {
            requests_per_second: self.rate.or(others.requests_per_second),
            burst: self.burst.or(others.burst),
            bytes_per_day: self.bytes_per_day.or(others.bytes_per_day),
            report_only: self.report_only.unwrap_or(others.report_only),
        }
    }

    /// Whether any limit is named.
    pub fn name_limits(&self) -> bool {
        self.rate.is_some() || self.burst.is_some() || self.bytes_per_day.is_some() || self.report_only.is_some()
    }
}
