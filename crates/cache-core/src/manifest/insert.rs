//! How an entry gets into a manifest: its version, its id, and where its content is.

use bytes::Bytes;
use thiserror::Error;

use crate::digest::Sha256Digest;
use crate::ids::{BlobToken, CacheHash, CacheId, IdParts, Locator};
use crate::nonce::Nonce;

use super::Manifest;
use super::contents::{ContentNumber, Inline, Location, StoredContent};
use super::rows::{EntryRow, EntrySpec};

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

impl Manifest {
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
            older_bytes: 0,
        };
        self.log.insert(row.clone());
        Ok(row)
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

    /// Where a new content is going to be.
    pub(super) fn locate(&self, new: &NewContent) -> Result<Location, InsertError> {
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
    pub(super) fn reference(&mut self, new: &NewContent, location: Location) -> ContentNumber {
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
