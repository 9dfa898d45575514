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
mod insert;
mod limits;
mod page;
mod recent;
mod rows;
mod spill;

use bytes::Bytes;
use serde::{Deserialize, Serialize};

pub use self::codec::{DecodeError, Encoded, FORMAT, MAX_HEAD_BYTES};
pub use self::contents::{ContentNumber, Contents, Inline, Location, StoredContent};
pub use self::counts::Counts;
pub use self::insert::{ContentSource, ForeignId, InsertError, NewContent, NewEntry};
pub use self::limits::Limits;
pub use self::page::{Page, RevisionPage};
pub use self::recent::{MAX_RECENT, Recent, RecentIsFull, RemovedEntry};
pub use self::rows::{EntryRow, EntrySpec, Revision};
pub use self::spill::Spilled;

use self::codec::ContentJson;
use crate::digest::Sha256Digest;
use crate::ids::BlobToken;
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

    /// Leaves the versions before this one to entries that are elsewhere.
    pub fn begin_with(&mut self, first_version: u64) {
        self.next_version = self.next_version.max(first_version);
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
