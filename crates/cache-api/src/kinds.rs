//! Strategies, and kinds of content.

use serde::{Deserialize, Serialize};

/// How an entry can be found in addition to its id and hash.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, Serialize, Deserialize)]
#[cfg_attr(feature = "openapi", derive(utoipa::ToSchema))]
#[serde(rename_all = "snake_case")]
pub enum Strategy {
    /// By id and hash only.
    Direct,
    /// Also in a folder of the hour (UTC) in which it was stored.
    Temporal,
    /// As temporal; the newest under a key and file id is also in its own folder.
    TemporalLatest,
    /// As temporal, for contents of which every version matters.
    TemporalVersioned,
    /// As a readable copy under its cache key.
    KeyBased,
}

/// The kind of an entry's content.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, Serialize, Deserialize)]
#[cfg_attr(feature = "openapi", derive(utoipa::ToSchema))]
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

/// `json` for texts and documents, `binary` for everything else.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[cfg_attr(feature = "openapi", derive(utoipa::ToSchema))]
#[serde(rename_all = "snake_case")]
pub enum FileType {
    /// A document or a text.
    Json,
    /// Bytes.
    Binary,
}

/// What a key may do in a namespace.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, Serialize, Deserialize)]
#[cfg_attr(feature = "openapi", derive(utoipa::ToSchema))]
#[serde(rename_all = "snake_case")]
pub enum Permission {
    /// To read entries, lists, statistics and settings.
    Read,
    /// To store new entries, but no new version of a key that has a live one, and no change of what is there.
    Create,
    /// To store, update and roll back, and to write child data and archives; includes `create`.
    Write,
    /// To delete entries and child data.
    Delete,
    /// To change settings, to use the storage as files, and to make keys for the namespace.
    Manage,
}

impl Permission {
    /// All of them, in the order in which they are shown.
    pub const ALL: [Self; 5] = [Self::Read, Self::Create, Self::Write, Self::Delete, Self::Manage];

    /// The name in JSON.
    pub const fn name(self) -> &'static str {
        match self {
            Self::Read => "read",
            Self::Create => "create",
            Self::Write => "write",
            Self::Delete => "delete",
            Self::Manage => "manage",
        }
    }
}
