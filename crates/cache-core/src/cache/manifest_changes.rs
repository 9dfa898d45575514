//! The changes of a manifest.

mod apply;

use std::sync::Arc;

use crate::digest::Sha256Digest;
use crate::entry::Entry;
use crate::error::Error;
use crate::ids::{BlobToken, CacheHash, CacheId, Namespace};
use crate::manifest::{
    ContentNumber, EntryRow, InsertError, Manifest, NewContent, NewEntry, RemovedEntry, StoredContent,
};
use crate::nonce::Nonce;
use crate::storage::ObjectKey;
use crate::strategy::ContentKind;
use crate::time::UnixMillis;

use super::NamespaceCache;
use super::pages::{FoundRow, Located, Pages};

/// A change of a manifest.
#[derive(Debug, Clone)]
pub(super) enum ManifestChange {
    /// Lists an entry.
    Insert(Arc<Insert>),
    /// Takes an entry out.
    Remove(Target),
    /// Gives an entry a new content.
    Revise(Arc<Revise>),
    /// Puts a content into another blob, because the one that is listed is missing or damaged.
    ReplaceBlob {
        /// SHA-256 of the content.
        sha256: Sha256Digest,
        /// The blob that is listed.
        damaged: BlobToken,
        /// The blob that takes its place.
        replacement: BlobToken,
    },
    /// Puts the older revisions of an entry into a page.
    RollRevisions(Target),
    /// Forgets what has run out.
    Prune,
}

/// Lists an entry.
#[derive(Debug)]
pub(super) struct Insert {
    /// The hash of the manifest.
    pub(super) cache_hash: CacheHash,
    /// The entry.
    pub(super) entry: NewEntry,
    /// The first version that is not one of an entry elsewhere; 1 without such entries.
    pub(super) first_version: u64,
}

/// Gives an entry a new content.
#[derive(Debug)]
pub(super) struct Revise {
    /// The entry.
    pub(super) target: Target,
    /// Whose update it is.
    pub(super) nonce: Nonce,
    /// The kind of the new content.
    pub(super) kind: ContentKind,
    /// The new content.
    pub(super) content: NewContent,
    /// When it was updated.
    pub(super) updated_at: UnixMillis,
}

/// Which entry of a manifest.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) struct Target {
    /// Its id.
    pub(super) cache_id: CacheId,
    /// Its version under the hash.
    pub(super) version: u64,
}

/// What a change of a manifest comes to.
#[derive(Debug, Clone)]
pub(super) enum ManifestOutcome {
    /// The entry is listed.
    Listed(Box<ListedEntry>),
    /// The entry was listed, and removed since.
    AlreadyRemoved(RemovedEntry),
    /// The entry or the revision has no place for its content.
    NoPlace(InsertError),
    /// The entry is not listed any more.
    Removed {
        /// The blobs that nothing references any more.
        freed: Vec<BlobToken>,
        /// The pages of its revisions.
        pages: Vec<String>,
    },
    /// There is no such entry.
    NotListed,
    /// The entry has a new content.
    Revised(Box<ListedEntry>),
    /// The entry has another kind of content, which this one cannot replace.
    KindRefused(ContentKind),
    /// The manifest was changed.
    Changed,
}

/// An entry, with everything that is known of it.
#[derive(Debug, Clone)]
pub(super) struct ListedEntry {
    /// Its row.
    pub(super) row: EntryRow,
    /// The content that it has now.
    pub(super) content: StoredContent,
    /// Whether another entry references the content as well.
    pub(super) is_shared: bool,
}

impl ListedEntry {
    /// The entry as callers see it.
    pub(super) fn entry(&self, namespace: &Namespace, cache_hash: &CacheHash) -> Entry {
        Entry::with_content(namespace, cache_hash, &self.row, &self.content)
    }
}

impl Located<EntryRow> {
    /// A content that the row references.
    pub(super) fn content<'c>(&'c self, manifest: &'c Manifest, number: ContentNumber) -> Option<&'c StoredContent> {
        match self {
            Self::InHead(_) => manifest.content(number),
            Self::InPage(found) => found.page.contents.get(number).or_else(|| manifest.content(number)),
        }
    }
}

impl NamespaceCache {
    /// The row of an entry, in the head of a manifest or in a page.
    pub(super) async fn locate(
        &self,
        key: &ObjectKey,
        manifest: &Manifest,
        target: Target,
    ) -> Result<Option<Located<EntryRow>>, Error> {
        let located = Pages::new(self, key).locate(manifest.log(), target.version).await?;
        Ok(located.filter(|located| located.row().cache_id == target.cache_id))
    }

    /// The entry of a repeatable store, listed or removed lately.
    pub(super) async fn find_by_nonce(
        &self,
        key: &ObjectKey,
        manifest: &Manifest,
        nonce: Nonce,
    ) -> Result<Option<ManifestOutcome>, Error> {
        manifest.find_nonce(Pages::new(self, key), key, nonce, None, self.cache.now()).await
    }
}

impl FoundRow<EntryRow> {
    /// Puts a changed row into its place.
    pub(super) fn set_row(&mut self, row: EntryRow) {
        for listed in self.page.rows.iter_mut().filter(|listed| listed.version == row.version) {
            *listed = row.clone();
        }
        self.row = row;
    }
}

/// A row that calls its content by a number that nothing has.
pub(super) fn content_unknown(key: &ObjectKey, row: &EntryRow) -> Error {
    Error::corrupt(key, format!("version {} references an unknown content", row.version))
}
