//! The commands below `zip`, `data` and `ns`.

use std::path::PathBuf;

use cache_client::{EntryRef, Strategy};
use clap::Subcommand;

use super::Kind;
use super::values::strategy;

// Works with ZIP archives.
#[derive(Debug, Subcommand)]
pub enum Zip {
    /// List the members
    Ls {
        /// The archive
        #[arg(value_name = "REF")]
        reference: EntryRef,
    },
    /// Read a member
    Get {
        /// The archive
        #[arg(value_name = "REF")]
        reference: EntryRef,
        /// The member
        member: String,
        /// The file; `-` for stdout
        #[arg(short, long, value_name = "FILE", default_value = "-")]
        output: PathBuf,
    },
    /// Store an archive, or an empty one
    Put {
        /// The archive; none for an empty one
        file: Option<PathBuf>,
        /// The cache key
        #[arg(short, long)]
        key: String,
        /// The file id under the cache key
        #[arg(short, long)]
        file_id: String,
    },
    /// Set a member, in a new entry
    Add {
        /// The archive
        #[arg(value_name = "REF")]
        reference: EntryRef,
        /// The file; `-` for stdin
        file: PathBuf,
        /// The name of the member; the name of the file without it
        #[arg(long)]
        member: Option<String>,
    },
    /// Remove a member, in a new entry
    Rm {
        /// The archive
        #[arg(value_name = "REF")]
        reference: EntryRef,
        /// The member
        member: String,
        /// Say what would be removed
        #[arg(long)]
        dry_run: bool,
    },
}

// Works with child data.
#[derive(Debug, Subcommand)]
pub enum Data {
    /// List the children
    Ls {
        /// The entry
        #[arg(value_name = "REF")]
        reference: EntryRef,
        /// Only those in this folder and below
        folder: Option<String>,
    },
    /// Read a child
    Get {
        /// The entry
        #[arg(value_name = "REF")]
        reference: EntryRef,
        /// FOLDER/NAME, or NAME
        child: String,
        /// The kind of content; without it, the one that the list shows
        #[arg(short = 't', long = "type", value_enum, default_value = "auto")]
        kind: Kind,
    },
    /// Store a child
    Put {
        /// The entry
        #[arg(value_name = "REF")]
        reference: EntryRef,
        /// FOLDER/NAME, or NAME
        child: String,
        /// The file; `-` for stdin
        file: PathBuf,
        /// The kind of content
        #[arg(short = 't', long = "type", value_enum, default_value = "auto")]
        kind: Kind,
    },
    /// Delete a child, or all
    Rm {
        /// The entry
        #[arg(value_name = "REF")]
        reference: EntryRef,
        /// FOLDER/NAME, or NAME; with --all a folder, or nothing for every child
        #[arg(required_unless_present = "all")]
        child: Option<String>,
        /// All children
        #[arg(long)]
        all: bool,
        /// Say what would be deleted
        #[arg(long)]
        dry_run: bool,
        /// Delete all without asking
        #[arg(short, long)]
        yes: bool,
    },
}

// Works with namespaces.
#[derive(Debug, Subcommand)]
pub enum Ns {
    /// List the namespaces
    Ls,
    /// Show how much a namespace holds
    Stats {
        /// Its name; without it, the configured one
        name: Option<String>,
    },
    /// Show the settings of a namespace, or replace them
    Settings {
        /// Its name; without it, the configured one
        name: Option<String>,
        /// The time to live of an entry, in hours
        #[arg(long, value_name = "HOURS")]
        ttl_hours: Option<u32>,
        /// Delete expired entries; without it, ttl_hours is only informational
        #[arg(long)]
        delete_expired: bool,
        /// Only these strategies may be used
        #[arg(long = "strategy", value_name = "STRATEGY", value_parser = strategy)]
        strategies: Vec<Strategy>,
        /// Let everybody read the namespace, also without an API key
        #[arg(long)]
        public_read: bool,
        /// How many entries the namespace may have
        #[arg(long, value_name = "N")]
        max_entries: Option<u64>,
        /// How many bytes its contents may have
        #[arg(long, value_name = "N")]
        max_bytes: Option<u64>,
        /// Say what would be set
        #[arg(long)]
        dry_run: bool,
    },
}
