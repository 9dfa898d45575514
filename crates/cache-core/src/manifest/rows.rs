//! The rows of a manifest: its entries and their revisions.

use serde::{Deserialize, Serialize};

use super::contents::ContentNumber;
use crate::ids::{CacheId, CacheKey, FileId};
use crate::key_ref::KeyRef;
use crate::nonce::{Nonce, NonceOrigin};
use crate::strategy::{ContentKind, Strategy};
use crate::time::UnixMillis;
use crate::version_log::{Row, is_zero};

/// What an entry is, apart from its content and its place among the versions.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct EntrySpec {
    /// How it can be found beside its id and hash.
    pub strategy: Strategy,
    /// The kind of the content that it was stored with.
    pub kind: ContentKind,
    /// The key that it was stored under.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub cache_key: Option<CacheKey>,
    /// The file name that it was stored with.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub file_id: Option<FileId>,
    /// The JSON field that made the hash, when it was not the whole content.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub json_field_path: Option<String>,
    /// The `Content-Encoding` that a binary was sent with.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub content_encoding: Option<String>,
    /// When it was stored.
    pub stored_at: UnixMillis,
    /// When it stops being served, if ever.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub expires_at: Option<UnixMillis>,
}

impl EntrySpec {
    /// The key index that lists the entry: one exists when both a key and a file id were given.
    pub fn key_ref(&self) -> Option<KeyRef> {
        Some(KeyRef { strategy: self.strategy, cache_key: self.cache_key.clone()?, file_id: self.file_id.clone()? })
    }

    /// Whether the entry has expired at this time.
    pub fn is_expired(&self, now: UnixMillis) -> bool {
        self.expires_at.is_some_and(|expires_at| expires_at <= now)
    }
}

/// One entry.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct EntryRow {
    /// Its version under the hash, from 1, never given twice.
    pub version: u64,
    /// Its id.
    pub cache_id: CacheId,
    /// Whose store it was.
    pub nonce: Nonce,
    /// The content that it was stored with.
    pub content: ContentNumber,
    /// What it is.
    pub spec: EntrySpec,
    /// Its newest revisions, oldest first.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub revisions: Vec<Revision>,
    /// The page with its older revisions.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub revision_page: Option<String>,
    /// Bytes of the contents that only that page and those before it have.
    #[serde(default, skip_serializing_if = "is_zero")]
    pub older_bytes: u64,
}

/// A later content of an entry.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Revision {
    /// Its number, from 1.
    pub number: u64,
    /// Whose update it was.
    pub nonce: Nonce,
    /// The content.
    pub content: ContentNumber,
    /// The kind of the content.
    pub kind: ContentKind,
    /// When the entry was updated.
    pub updated_at: UnixMillis,
}

impl EntryRow {
    /// Whether it has another content than it was stored with, or had one.
    pub fn is_updated(&self) -> bool {
        !self.revisions.is_empty() || self.revision_page.is_some()
    }

    /// The revision that the entry has now; `None` while it was never updated.
    pub fn revision(&self) -> Option<&Revision> {
        self.revisions.last()
    }

    /// The content that the entry has now.
    pub fn current_content(&self) -> ContentNumber {
        self.revision().map_or(self.content, |revision| revision.content)
    }

    /// All contents that the row references, one for each reference.
    pub fn references(&self) -> impl Iterator<Item = ContentNumber> {
        [self.content].into_iter().chain(self.revisions.iter().map(|revision| revision.content))
    }
}

impl Row for EntryRow {
    fn version(&self) -> u64 {
        self.version
    }

    fn stored_at(&self) -> UnixMillis {
        self.spec.stored_at
    }

    fn expires_at(&self) -> Option<UnixMillis> {
        self.spec.expires_at
    }

    fn is_repeatable(&self) -> bool {
        self.nonce.origin() != NonceOrigin::Random
    }

    fn older_bytes(&self) -> u64 {
        self.older_bytes
    }

    fn weight(&self) -> usize {
        let texts = [
            self.spec.cache_key.as_ref().map(|key| key.as_sent().len()),
            self.spec.file_id.as_ref().map(|file_id| file_id.as_str().len()),
            self.spec.json_field_path.as_ref().map(String::len),
            self.spec.content_encoding.as_ref().map(String::len),
        ];
        180 + texts.into_iter().flatten().map(|len| len + 20).sum::<usize>() + 100 * self.revisions.len()
    }
}
