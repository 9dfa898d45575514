//! An entry as the use cases return it: everything about it but its bytes.

use std::sync::Arc;

use crate::digest::Sha256Digest;
use crate::ids::{BlobToken, CacheHash, CacheId, CacheKey, FileId, Namespace};
use crate::key_ref::KeyRef;
use crate::manifest::{EntryRow, EntrySpec, StoredContent};
use crate::nonce::Nonce;
use crate::python_files::PythonFiles;
use crate::strategy::{ContentKind, Strategy};
use crate::time::UnixMillis;

/// An entry of a namespace.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Entry {
    /// Where it lives.
    pub namespace: Namespace,
    /// Its id.
    pub cache_id: CacheId,
    /// The hash that it is found by, which an update does not change.
    pub cache_hash: CacheHash,
    /// Its position among the versions under its hash, from 1.
    pub version: u64,
    /// How it can be found beside its id and hash.
    pub strategy: Strategy,
    /// The key that it was stored under.
    pub cache_key: Option<CacheKey>,
    /// The file name that it was stored with.
    pub file_id: Option<FileId>,
    /// The JSON field that made the hash, when it was not the whole content.
    pub json_field_path: Option<String>,
    /// When it was stored.
    pub stored_at: UnixMillis,
    /// When it stops being served, if ever.
    pub expires_at: Option<UnixMillis>,
    /// The content that it has now.
    pub content: ContentInfo,
    /// The number of its revision and when that was stored; `None` while it was never updated.
    pub revision: Option<RevisionInfo>,
    /// The files that it consists of, when the Python service stored it and it was not changed since.
    pub python_files: Option<Arc<PythonFiles>>,
    /// Whose store it was.
    pub(crate) nonce: Nonce,
}

/// A content, without its bytes.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct ContentInfo {
    /// The kind of content.
    pub kind: ContentKind,
    /// SHA-256 of its bytes.
    pub sha256: Sha256Digest,
    /// How many bytes it has.
    pub size: u64,
    /// How its bytes are encoded, as the sender named it.
    pub content_encoding: Option<String>,
    /// The blob that holds it; `None` when it is inline.
    pub blob: Option<BlobToken>,
}

/// Which content of an entry is described.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct RevisionInfo {
    /// Its number, from 1.
    pub number: u64,
    /// When the entry was updated.
    pub updated_at: UnixMillis,
}

impl Entry {
    /// Whether its content is an object of its own, which clients can read from the storage.
    pub fn has_own_object(&self) -> bool {
        self.content.blob.is_some()
            || self.python_files.as_ref().is_some_and(|files| files.reference.is_kept_as_bytes())
    }

    /// The key index that lists the entry: one exists when both a key and a file id were given.
    pub fn key_ref(&self) -> Option<KeyRef> {
        Some(KeyRef { strategy: self.strategy, cache_key: self.cache_key.clone()?, file_id: self.file_id.clone()? })
    }

    /// Whether the entry has expired at this time.
    pub fn is_expired(&self, now: UnixMillis) -> bool {
        self.expires_at.is_some_and(|expires_at| expires_at <= now)
    }

    /// What it is, to be listed elsewhere.
    pub(crate) fn spec(&self) -> EntrySpec {
        EntrySpec {
            strategy: self.strategy,
            kind: self.content.kind,
            cache_key: self.cache_key.clone(),
            file_id: self.file_id.clone(),
            json_field_path: self.json_field_path.clone(),
            content_encoding: self.content.content_encoding.clone(),
            stored_at: self.stored_at,
            expires_at: self.expires_at,
        }
    }

    /// The entry of a row, with its newest content.
    pub(crate) fn with_content(
        namespace: &Namespace,
        cache_hash: &CacheHash,
        row: &EntryRow,
        stored: &StoredContent,
    ) -> Self {
        let EntryRow { version, cache_id, nonce, spec, .. } = row;
        let revision = row.revision();
        Self {
            namespace: namespace.clone(),
            cache_id: *cache_id,
            cache_hash: cache_hash.clone(),
            version: *version,
            strategy: spec.strategy,
            cache_key: spec.cache_key.clone(),
            file_id: spec.file_id.clone(),
            json_field_path: spec.json_field_path.clone(),
            stored_at: spec.stored_at,
            expires_at: spec.expires_at,
            content: ContentInfo {
                kind: revision.map_or(spec.kind, |revision| revision.kind),
                sha256: stored.sha256,
                size: stored.size,
                content_encoding: spec.content_encoding.clone().filter(|_| revision.is_none()),
                blob: stored.location.token(),
            },
            revision: revision
                .map(|revision| RevisionInfo { number: revision.number, updated_at: revision.updated_at }),
            python_files: None,
            nonce: *nonce,
        }
    }
}
