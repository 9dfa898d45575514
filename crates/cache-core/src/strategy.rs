//! The five storage strategies, and the kinds of content.

use std::fmt;
use std::str::FromStr;

use serde::{Deserialize, Serialize};
use thiserror::Error;

/// How an entry can be found again beside its id and hash.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Strategy {
    /// By id and hash only.
    Direct,
    /// Also in a folder of the hour (UTC) in which it was stored.
    Temporal,
    /// As temporal, and the newest under a key and file id in a folder of its own.
    TemporalLatest,
    /// As temporal, meant for contents whose every version counts.
    TemporalVersioned,
    /// As a readable copy under its cache key.
    KeyBased,
}

impl Strategy {
    /// All strategies, in the order of their codes.
    pub const ALL: [Self; 5] =
        [Self::Direct, Self::Temporal, Self::TemporalLatest, Self::TemporalVersioned, Self::KeyBased];

    /// The name in URLs and JSON.
    pub const fn name(self) -> &'static str {
        match self {
            Self::Direct => "direct",
            Self::Temporal => "temporal",
            Self::TemporalLatest => "temporal_latest",
            Self::TemporalVersioned => "temporal_versioned",
            Self::KeyBased => "key_based",
        }
    }

    /// The name of its folder under `data/`.
    pub const fn folder(self) -> &'static str {
        match self {
            Self::Direct => "direct",
            Self::Temporal => "temporal",
            Self::TemporalLatest => "temporal-latest",
            Self::TemporalVersioned => "temporal-versioned",
            Self::KeyBased => "key-based",
        }
    }

    /// Whether its entries have a place in the dated view.
    pub const fn is_dated(self) -> bool {
        matches!(self, Self::Temporal | Self::TemporalLatest | Self::TemporalVersioned)
    }

    /// The three bits that stand for it in a cache id.
    pub(crate) const fn code(self) -> u8 {
        self as u8
    }

    /// The inverse of [`Strategy::code`].
    pub(crate) fn from_code(code: u8) -> Option<Self> {
        Self::ALL.get(usize::from(code)).copied()
    }
}

impl fmt::Display for Strategy {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(self.name())
    }
}

impl FromStr for Strategy {
    type Err = InvalidStrategy;

    fn from_str(name: &str) -> Result<Self, InvalidStrategy> {
        Self::ALL.into_iter().find(|strategy| strategy.name() == name).ok_or_else(|| InvalidStrategy(name.to_owned()))
    }
}

/// A text that names no [`Strategy`].
#[derive(Debug, Clone, PartialEq, Eq, Error)]
#[error("'{0}' is no strategy: use direct, temporal, temporal_latest, temporal_versioned or key_based")]
pub struct InvalidStrategy(pub String);

/// The kind of an entry's content.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum ContentKind {
    /// A JSON document.
    Json,
    /// UTF-8 text.
    String,
    /// Bytes.
    Binary,
    /// A ZIP archive.
    Zip,
}

impl ContentKind {
    /// All kinds, in the order of their codes.
    pub const ALL: [Self; 4] = [Self::Json, Self::String, Self::Binary, Self::Zip];

    /// The name in JSON.
    pub const fn name(self) -> &'static str {
        match self {
            Self::Json => "json",
            Self::String => "string",
            Self::Binary => "binary",
            Self::Zip => "zip",
        }
    }

    /// The two bits that stand for it in a cache id.
    pub(crate) const fn code(self) -> u8 {
        self as u8
    }

    /// The inverse of [`ContentKind::code`].
    pub(crate) fn from_code(code: u8) -> Option<Self> {
        Self::ALL.get(usize::from(code)).copied()
    }
}
