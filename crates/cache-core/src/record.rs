//! What is stored beside the bytes of an entry: its record, the grave that replaces the record, and the pointer of a view.

use serde::{Deserialize, Serialize};

use crate::digest::Sha256Digest;
use crate::ids::{BlobToken, CacheHash, CacheId, CacheKey, FileId, Namespace};
use crate::layout::{KeyName, Layout};
use crate::storage::ObjectKey;
use crate::strategy::{ContentKind, Strategy};

/// Objects smaller than this stand for something that was deleted: graves and tombstones. Live records and indexes are
/// always larger, so a listing tells them apart by size.
pub const DELETED_BELOW_BYTES: u64 = 64;

/// What delete leaves in a record's place, so that a create-only write that arrives late cannot revive the entry.
pub const GRAVE: &[u8] = br#"{"deleted":true}"#;

/// Everything about an entry but its bytes. It is the truth; an id is only the fast path to the same facts.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Record {
    /// The entry.
    pub cache_id: CacheId,
    /// Hash of the content it was stored with.
    pub cache_hash: CacheHash,
    /// Which blob under that hash holds the content.
    pub token: BlobToken,
    /// SHA-256 of the stored bytes.
    pub sha256: Sha256Digest,
    /// Stored bytes.
    pub size: u64,
    /// Where it lives.
    pub namespace: Namespace,
    /// How it was stored.
    pub strategy: Strategy,
    /// The kind of its content.
    pub kind: ContentKind,
    /// The key it was stored under.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub cache_key: Option<CacheKey>,
    /// The file name it was stored with.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub file_id: Option<FileId>,
    /// The JSON field that made the hash, when it was not the whole content.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub json_field_path: Option<String>,
    /// The `Content-Encoding` that a binary was sent with.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub content_encoding: Option<String>,
    /// When it was stored, in milliseconds since 1970 UTC.
    pub stored_at: u64,
    /// When it stops being served, in milliseconds since 1970 UTC, if ever.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub expires_at: Option<u64>,
    /// Its newest revision, once it was updated. The fields above keep describing the content it was stored with.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub revision: Option<Revision>,
}

/// A later content of an entry.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Revision {
    /// Its number, from 1. Numbers go up, and may leave some out.
    pub number: u64,
    /// SHA-256 of its bytes.
    pub sha256: Sha256Digest,
    /// Its bytes.
    pub size: u64,
    /// When the entry was updated, in milliseconds since 1970 UTC.
    pub updated_at: u64,
}

impl Revision {
    /// The description as stored beside the content.
    pub fn to_bytes(&self) -> Vec<u8> {
        to_json(self)
    }
}

/// The content that an entry has now.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Current<'a> {
    /// The object that holds it.
    pub key: ObjectKey,
    /// SHA-256 of its bytes.
    pub sha256: Sha256Digest,
    /// Its bytes.
    pub size: u64,
    /// How its bytes are encoded, as the sender named it.
    pub content_encoding: Option<&'a str>,
}

impl Record {
    /// The content that the entry has now: its newest revision, or what it was stored with.
    pub fn current(&self) -> Current<'_> {
        match &self.revision {
            Some(revision) => Current {
                key: Layout::new(&self.namespace).revision(self.cache_id, revision.number),
                sha256: revision.sha256,
                size: revision.size,
                content_encoding: None,
            },
            None => Current {
                key: self.blob(),
                sha256: self.sha256,
                size: self.size,
                content_encoding: self.content_encoding.as_deref(),
            },
        }
    }

    /// Whether the entry has expired at this time (milliseconds since 1970, UTC).
    pub fn is_expired(&self, now_ms: u64) -> bool {
        self.expires_at.is_some_and(|expires_at| expires_at <= now_ms)
    }

    /// The object that holds the content it was stored with.
    pub fn blob(&self) -> ObjectKey {
        Layout::new(&self.namespace).blob(&self.cache_hash, self.token)
    }

    /// The key index that lists the entry: one exists when both a key and a file id were given.
    pub fn key_name(&self) -> Option<KeyName> {
        Some(KeyName { strategy: self.strategy, cache_key: self.cache_key.clone()?, file_id: self.file_id.clone()? })
    }

    /// The record as stored.
    pub fn to_bytes(&self) -> Vec<u8> {
        to_json(self)
    }
}

/// What the first completion of an upload leaves under the upload's id, so that there is no second one.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
pub struct UploadMark {
    /// The entry that the upload becomes.
    pub cache_id: CacheId,
    /// When the completion began, in milliseconds since 1970 UTC.
    pub begun_at: u64,
    /// Whether it has come to its end. Until then it may still list the entry, so nobody else may tell of it.
    pub done: bool,
}

impl UploadMark {
    /// The mark as stored.
    pub fn to_bytes(&self) -> Vec<u8> {
        to_json(self)
    }
}

/// What lies under the key of a record.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum RecordState {
    /// The entry lives.
    Live(Box<Record>),
    /// It was deleted.
    Grave,
}

impl RecordState {
    /// Reads what [`Record::to_bytes`] or [`GRAVE`] is.
    pub fn parse(bytes: &[u8]) -> Result<Self, serde_json::Error> {
        if (bytes.len() as u64) < DELETED_BELOW_BYTES {
            return Ok(Self::Grave);
        }
        serde_json::from_slice(bytes).map(Self::Live)
    }
}

/// An object of a view that is not the content itself but says where it is.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Pointer {
    /// The object that holds the content the entry was stored with.
    pub points_to: String,
    /// The entry.
    #[serde(flatten)]
    pub record: Record,
}

impl Pointer {
    /// The pointer to an entry.
    pub fn to(record: &Record) -> Self {
        Self { points_to: record.blob().to_string(), record: record.clone() }
    }

    /// The pointer as stored.
    pub fn to_bytes(&self) -> Vec<u8> {
        to_json(self)
    }
}

/// JSON of our own types: they hold no maps with odd keys, so this cannot fail.
pub(crate) fn to_json<T: Serialize>(value: &T) -> Vec<u8> {
    serde_json::to_vec(value).expect("plain structs always serialize")
}
