//! The manifest of a hash: which entries there are, and where their contents are. Pure; [`crate::cache`] reads and writes it.
//!
//! An entry exists exactly while its manifest lists it, and every change is one compare-and-swap of the whole object. `writes`
//! goes up with each, so no two states are equal bytes and a write that arrives late is refused.
//!
//! | part | what |
//! |---|---|
//! | `writes`, `next_version` | counters that never go back, also through a tombstone |
//! | `contents` | each distinct content once, with its number of references: inline while it is small, else a blob |
//! | `counts` | live entries by strategy and the earliest expiry: what statistics and the catalog need |
//! | `log` | the entries by version: the newest in the head, older ones in pages |
//! | `recent` | entries that were removed soon after they were stored, and retired blob tokens |
//!
//! A manifest without entries stays as a tombstone, so that versions and ids are never given twice.

pub(crate) mod codec;
mod contents;
mod counts;
mod limits;
mod page;
mod recent;
mod rows;
mod spill;

use bytes::Bytes;
use serde::{Deserialize, Serialize};
use thiserror::Error;

pub use self::codec::{DecodeError, Encoded, FORMAT, MAX_HEAD_BYTES};
pub use self::contents::{ContentNumber, Contents, Inline, Location, StoredContent};
pub use self::counts::Counts;
pub use self::limits::Limits;
pub use self::page::{Page, RevisionPage};
pub use self::recent::{MAX_RECENT, Recent, RecentIsFull, RemovedEntry};
pub use self::rows::{EntryRow, EntrySpec, Revision};
pub use self::spill::Spilled;

use self::codec::ContentJson;
use crate::digest::Sha256Digest;
use crate::ids::{BlobToken, CacheHash, CacheId, IdParts, Locator};
use crate::nonce::Nonce;
use crate::time::UnixMillis;
use crate::version_log::{PageRef, VersionLog};

/// Manifests and aliases smaller than this are tombstones with nothing to remember, so a listing skips them by size.
pub const MAX_TOMBSTONE_BYTES: u64 = 64;

/// All entries under one hash. The module's docs say what the parts are.
#[derive(Debug, Clone, PartialEq)]
pub struct Manifest {
    writes: u64,
    next_version: u64,
    next_content: u64,
    contents: Contents,
    counts: Counts,
    log: VersionLog<EntryRow>,
    recent: Recent,
}

/// An entry that is to be listed.
#[derive(Debug, Clone)]
pub struct NewEntry {
    /// Whose store it is.
    pub nonce: Nonce,
    /// What it is.
    pub spec: EntrySpec,
    /// Its content.
    pub content: NewContent,
    /// Its id, if that does not follow from its hash and version.
    pub foreign_id: Option<ForeignId>,
}

/// The id of an entry that came from elsewhere.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct ForeignId {
    /// The id.
    pub cache_id: CacheId,
    /// The version that the entry had there. It keeps it unless it is taken, or older versions are in pages already.
    pub version: Option<u64>,
}

/// A content that is to be referenced.
#[derive(Debug, Clone)]
pub struct NewContent {
    /// SHA-256 of its bytes.
    pub sha256: Sha256Digest,
    /// How many bytes it has.
    pub size: u64,
    /// Where it is, if the manifest does not list it yet.
    pub source: ContentSource,
}

/// Where a new content is.
#[derive(Debug, Clone)]
pub enum ContentSource {
    /// Here: its bytes can be kept inline, if there is room.
    Bytes {
        /// The bytes.
        bytes: Bytes,
        /// How many bytes the manifest may hold inline with them.
        max_inline_total: u64,
    },
    /// In a blob that was written for it.
    Blob(BlobToken),
    /// Nowhere: it has to be listed already.
    Listed,
}

/// Why an entry or a revision cannot be listed in this state of the manifest.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Error)]
pub enum InsertError {
    /// There is no room for one more inline content: it has to become a blob first.
    #[error("the content has to be a blob")]
    NeedsBlob,
    /// The token of the blob was used before: it needs another one.
    #[error("the token of the blob is retired")]
    TokenRetired,
    /// Neither the manifest nor the caller has the content.
    #[error("the content is not here")]
    ContentMissing,
    /// There are more versions under the hash than an id can hold.
    #[error("there are too many versions under this hash")]
    VersionsExhausted,
}

#[derive(Serialize, Deserialize)]
struct HeadJson {
    format: u8,
    writes: u64,
    next_version: u64,
    #[serde(default = "one", skip_serializing_if = "is_one")]
    next_content: u64,
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    contents: Vec<ContentJson>,
    #[serde(default, skip_serializing_if = "Counts::is_zero")]
    counts: Counts,
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    entries: Vec<EntryRow>,
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pages: Vec<PageRef>,
    /// How long the line with `recent` is, its end included.
    #[serde(default, skip_serializing_if = "is_zero")]
    recent_bytes: u64,
}

impl Default for Manifest {
    fn default() -> Self {
        Self::new()
    }
}

impl Manifest {
    /// The manifest before its first entry. It was never written.
    pub fn new() -> Self {
        Self::beginning_with(1)
    }

    /// The same of a hash whose versions before this one are elsewhere.
    pub fn beginning_with(next_version: u64) -> Self {
        Self {
            writes: 0,
            next_version,
            next_content: 1,
            contents: Contents::default(),
            counts: Counts::default(),
            log: VersionLog::new(Vec::new(), Vec::new()),
            recent: Recent::default(),
        }
    }

    /// Reads what [`Manifest::encode`] wrote. With `head_only`, the object may end anywhere behind its head: inline contents
    /// and what is recent are then left out, and the manifest cannot be written back.
    ///
    /// # Errors
    ///
    /// When it is not a manifest of this format, or cut off.
    pub fn parse(bytes: &Bytes, head_only: bool) -> Result<Self, DecodeError> {
        let (head, rest): (HeadJson, _) = codec::decode(bytes)?;
        codec::check_format(head.format)?;
        let (recent, inline) = codec::split_recent(&rest, head.recent_bytes, head_only)?;
        Ok(Self {
            writes: head.writes,
            next_version: head.next_version,
            next_content: head.next_content,
            contents: codec::read_contents(head.contents, inline.as_ref())?,
            counts: head.counts,
            log: VersionLog::new(head.entries, head.pages),
            recent,
        })
    }

    /// The manifest as stored.
    pub fn encode(&self) -> Encoded {
        let recent = codec::recent_line(&self.recent, self.recent.is_empty());
        let head = HeadJson {
            format: FORMAT,
            writes: self.writes,
            next_version: self.next_version,
            next_content: self.next_content,
            contents: codec::contents_json(&self.contents),
            counts: self.counts,
            entries: self.log.rows().to_vec(),
            pages: self.log.pages().to_vec(),
            recent_bytes: recent.len() as u64,
        };
        codec::encode(&head, recent, &self.contents)
    }

    /// The version that the next entry gets.
    pub fn next_version(&self) -> u64 {
        self.next_version
    }

    /// How often the manifest was written.
    pub fn writes(&self) -> u64 {
        self.writes
    }

    /// The contents that the head lists.
    pub fn contents(&self) -> &Contents {
        &self.contents
    }

    /// Live entries by strategy, and the earliest expiry.
    pub fn counts(&self) -> &Counts {
        &self.counts
    }

    /// The entries by version.
    pub fn log(&self) -> &VersionLog<EntryRow> {
        &self.log
    }

    /// Removed entries and retired tokens.
    pub fn recent(&self) -> &Recent {
        &self.recent
    }

    /// Whether it lists no entry.
    pub fn is_tombstone(&self) -> bool {
        self.log.is_empty()
    }

    /// The entry of a store, if it is in the head.
    pub fn row_of(&self, nonce: Nonce) -> Option<&EntryRow> {
        self.log.rows().iter().rev().find(|row| row.nonce == nonce)
    }

    /// The content that rows in the head, or in a page without it, call by this number.
    pub fn content(&self, number: ContentNumber) -> Option<&StoredContent> {
        self.contents.get(number)
    }

    /// Lists an entry as the newest version, and returns its row.
    ///
    /// # Errors
    ///
    /// When its content has no place. The manifest is then as it was.
    pub fn insert(&mut self, hash: &CacheHash, new: &NewEntry) -> Result<EntryRow, InsertError> {
        let location = self.locate(&new.content)?;
        let version = self.version_for(new);
        let cache_id = self.predict_id(hash, new).ok_or(InsertError::VersionsExhausted)?;
        let content = self.reference(&new.content, location);
        self.next_version = self.next_version.max(version + 1);
        self.counts.add(new.spec.strategy, new.spec.expires_at);
        let row = EntryRow {
            version,
            cache_id,
            nonce: new.nonce,
            content,
            spec: new.spec.clone(),
            revisions: Vec::new(),
            revision_page: None,
        };
        self.log.insert(row.clone());
        Ok(row)
    }

    /// Leaves the versions before this one to entries that are elsewhere.
    pub fn begin_with(&mut self, first_version: u64) {
        self.next_version = self.next_version.max(first_version);
    }

    /// The version of an entry: the next one, or for one that came from elsewhere the one that it had there.
    fn version_for(&self, new: &NewEntry) -> u64 {
        let is_free = |version: &u64| {
            *version >= self.next_version || self.log.pages().is_empty() && self.log.row(*version).is_none()
        };
        new.foreign_id.and_then(|foreign| foreign.version).filter(is_free).unwrap_or(self.next_version)
    }

    /// The id that an entry would get, were it the next one; `None` when its content has no place.
    pub fn predict_id(&self, hash: &CacheHash, new: &NewEntry) -> Option<CacheId> {
        let version = self.next_version;
        let listed = self.contents.with_sha256(&new.content.sha256).map(|listed| listed.location.token());
        let token = match (listed, &new.content.source) {
            (Some(token), _) => token,
            (None, ContentSource::Bytes { .. }) => None,
            (None, ContentSource::Blob(token)) => Some(*token),
            (None, ContentSource::Listed) => return None,
        };
        let locator = match token {
            None => Locator::Inline { version, random: new.nonce.low_bits() },
            Some(token) => Locator::Blob { version, token },
        };
        let NewEntry { spec, .. } = new;
        let parts = IdParts { cache_hash: hash.clone(), strategy: spec.strategy, kind: spec.kind, locator };
        new.foreign_id.map(|foreign| foreign.cache_id).or_else(|| CacheId::new(&parts))
    }

    /// Gives an entry a new content. The row is in the head, or is one that the caller has read from a page and puts back.
    ///
    /// # Errors
    ///
    /// When the content has no place. The manifest and the row are then as they were.
    pub fn revise(
        &mut self,
        row: &mut EntryRow,
        mut revision: Revision,
        content: &NewContent,
    ) -> Result<(), InsertError> {
        let location = self.locate(content)?;
        revision.content = self.reference(content, location);
        row.revisions.push(revision);
        if let Some(listed) = self.log.row_mut(row.version) {
            *listed = row.clone();
        }
        Ok(())
    }

    /// Takes an entry out. The row is in the head, or was read from a page with these contents that the caller replaces.
    /// Returns the tokens of the blobs that nothing references any more; they are retired.
    ///
    /// # Errors
    ///
    /// When too many removed entries have to be remembered already. The manifest is then as it was.
    pub fn remove(
        &mut self,
        row: &EntryRow,
        mut page_contents: Option<&mut Contents>,
        now: UnixMillis,
    ) -> Result<Vec<BlobToken>, RecentIsFull> {
        self.recent.prune(now);
        self.recent.add(row.nonce, row.cache_id, row.version, row.spec.stored_at, now)?;
        self.log.remove(row.version);
        self.counts.subtract(row.spec.strategy);
        let mut freed = Vec::new();
        for number in row.references() {
            let in_page = page_contents.as_deref_mut().filter(|contents| contents.get(number).is_some());
            let released = in_page.unwrap_or(&mut self.contents).release(number, 1);
            freed.extend(released.and_then(|content| content.location.token()));
        }
        freed.iter().for_each(|token| self.recent.retire(*token, now));
        Ok(freed)
    }

    /// Takes away one reference to a content that no row holds, and returns the token of its blob if that was the last one.
    pub fn release(&mut self, number: ContentNumber, now: UnixMillis) -> Option<BlobToken> {
        let token = self.contents.release(number, 1)?.location.token()?;
        self.recent.retire(token, now);
        Some(token)
    }

    /// Takes out the content of a revision, if nothing else references it.
    pub fn take_exclusive(&mut self, revision: &Revision) -> Option<StoredContent> {
        self.contents.get(revision.content).filter(|content| content.ref_count == 1)?;
        let content = self.contents.release(revision.content, 1)?;
        Some(StoredContent { ref_count: 1, ..content })
    }

    /// Retires the token of a blob that only a page knew.
    pub fn retire(&mut self, token: BlobToken, now: UnixMillis) {
        self.recent.retire(token, now);
    }

    /// Forgets what has run out of what is recent.
    pub fn prune(&mut self, now: UnixMillis) {
        self.recent.prune(now);
    }

    /// Puts a content into another blob, because the one that is listed is missing or damaged.
    pub fn replace_blob(&mut self, sha256: &Sha256Digest, damaged: BlobToken, replacement: BlobToken) -> bool {
        let listed = self.contents.with_sha256(sha256).filter(|content| content.location == Location::Blob(damaged));
        let Some(number) = listed.map(|content| content.number) else { return false };
        self.contents.relocate(number, Location::Blob(replacement));
        true
    }

    /// The entries by version, to be changed.
    pub fn log_mut(&mut self) -> &mut VersionLog<EntryRow> {
        &mut self.log
    }

    /// Gets the manifest ready to be written: counts the write, and forgets what has run out.
    pub fn prepare_write(&mut self, now: UnixMillis) {
        self.writes += 1;
        self.recent.prune(now);
        if self.is_tombstone() {
            self.contents = Contents::default();
            self.counts = Counts::default();
            self.next_content = 1;
        }
    }

    /// Where a new content is going to be.
    fn locate(&self, new: &NewContent) -> Result<Location, InsertError> {
        if let Some(listed) = self.contents.with_sha256(&new.sha256) {
            return Ok(listed.location.clone());
        }
        match &new.source {
            ContentSource::Bytes { bytes, max_inline_total } => {
                let fits = self.contents.inline_bytes() + new.size <= *max_inline_total;
                // The bytes may be a part of a larger buffer, which would stay in memory as long as the manifest.
                let inline = || Location::Inline(Inline::verified(Bytes::copy_from_slice(bytes)));
                fits.then(inline).ok_or(InsertError::NeedsBlob)
            }
            ContentSource::Blob(token) if self.recent.is_retired(*token) => Err(InsertError::TokenRetired),
            ContentSource::Blob(token) => Ok(Location::Blob(*token)),
            ContentSource::Listed => Err(InsertError::ContentMissing),
        }
    }

    /// Adds a reference to a content, which is listed now if it was not.
    fn reference(&mut self, new: &NewContent, location: Location) -> ContentNumber {
        if let Some(number) = self.contents.with_sha256(&new.sha256).map(|listed| listed.number) {
            self.contents.reference(number, 1);
            return number;
        }
        let number = ContentNumber(self.next_content);
        self.next_content += 1;
        let NewContent { sha256, size, .. } = *new;
        self.contents.push(StoredContent { number, sha256, size, ref_count: 1, location });
        number
    }
}

const fn one() -> u64 {
    1
}

#[allow(clippy::trivially_copy_pass_by_ref, reason = "serde asks with a reference")]
const fn is_one(number: &u64) -> bool {
    *number == 1
}

#[allow(clippy::trivially_copy_pass_by_ref, reason = "serde asks with a reference")]
const fn is_zero(number: &u64) -> bool {
    *number == 0
}

#[cfg(test)]
mod tests;
