//! The bytes of contents, compared with their SHA-256.

use bytes::Bytes;
use thiserror::Error;

use crate::digest::Sha256Digest;
use crate::error::Error;
use crate::ids::{BlobToken, CacheHash};
use crate::manifest::{ContentSource, Location, Manifest, StoredContent};
use crate::storage::{GetOptions, GetResult, ObjectKey};

use super::NamespaceCache;
use super::commit::CommitContext;
use super::load::Part;
use super::manifest_changes::{ListedEntry, ManifestChange};
use super::object_cache::CachedObject;

/// How much of an object that is read in parts is in memory at once, in bytes. Not much less, for some storages read the whole
/// object for each part.
const MAX_PART_BYTES: u64 = 32 * 1024 * 1024;

/// Why a content cannot be returned.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Error)]
pub(super) enum ContentError {
    /// There is no such blob, or the part of the object with the content was not read.
    #[error("the content is missing")]
    Missing,
    /// Its bytes are not what was stored.
    #[error("the content is not what was stored: its SHA-256 differs")]
    Damaged,
}

/// A blob that was read on the assumption that it is the content.
#[derive(Debug, Clone)]
pub(super) struct Prefetched {
    token: BlobToken,
    blob: PrefetchedBlob,
}

#[derive(Debug, Clone)]
enum PrefetchedBlob {
    Whole(Bytes, Sha256Digest),
    /// It has this size, which is more than the caller takes.
    TooLarge(u64),
}

impl NamespaceCache {
    /// Up to `max` bytes of a blob, from memory or from the storage. One byte more tells that there are more.
    pub(super) async fn prefetch_blob(
        &self,
        cache_hash: &CacheHash,
        token: BlobToken,
        max: u64,
    ) -> Result<Option<Prefetched>, Error> {
        let key = self.layout().blob(cache_hash, token);
        if let Some(CachedObject::Blob(bytes, sha256)) = self.cache.shared.objects.get(&key) {
            // A larger one is asked for again: a client that is redirected to the storage should find it there.
            if bytes.len() as u64 <= max {
                return Ok(Some(Prefetched { token, blob: PrefetchedBlob::Whole(bytes, sha256) }));
            }
        }
        let options = GetOptions { range: (max < u64::MAX).then(|| 0..max + 1), ..GetOptions::default() };
        let object = self.cache.storage.get(&key, &options).await?.and_then(GetResult::into_object);
        Ok(object.map(|object| {
            let blob = if object.size > max {
                PrefetchedBlob::TooLarge(object.size)
            } else {
                let sha256 = Sha256Digest::of(&object.bytes);
                self.cache.shared.objects.keep_blob(&key, &object.bytes, sha256);
                PrefetchedBlob::Whole(object.bytes, sha256)
            };
            Prefetched { token, blob }
        }))
    }

    /// Passes on an object of this size in parts, so that it is never in memory as a whole; `false` when it is not there.
    ///
    /// # Errors
    ///
    /// Those of `each`, which end the reading; `Unavailable` when the storage does not respond before the deadline.
    pub(super) async fn for_each_part(
        &self,
        key: &ObjectKey,
        size: u64,
        mut each: impl FnMut(&Bytes) -> Result<(), Error>,
    ) -> Result<bool, Error> {
        let part_bytes = MAX_PART_BYTES.min(self.cache.max_in_memory_bytes);
        let mut at = 0;
        while at < size {
            if self.cache.is_past_deadline() {
                return Err(Error::unavailable(format!("{key} could not be read before the deadline: retry later")));
            }
            let part = self.cache.storage.get(key, &GetOptions::range(at..at + part_bytes)).await?;
            let part = part.and_then(GetResult::into_object).map(|object| object.bytes);
            let Some(part) = part.filter(|part| !part.is_empty()) else { return Ok(false) };
            each(&part)?;
            at += part.len() as u64;
        }
        Ok(true)
    }

    /// The bytes of a content; `None` when it has more than `max`. Then they were not compared.
    pub(super) async fn content_bytes(
        &self,
        cache_hash: &CacheHash,
        content: &StoredContent,
        prefetched: Option<Prefetched>,
        max: u64,
    ) -> Result<Result<Option<Bytes>, ContentError>, Error> {
        let token = match &content.location {
            Location::Inline(inline) => {
                let bytes = inline.bytes().ok_or(ContentError::Missing);
                let intact = bytes
                    .and_then(|bytes| inline.is_intact(&content.sha256).then_some(bytes).ok_or(ContentError::Damaged));
                return Ok(intact.map(|bytes| (content.size <= max).then(|| bytes.clone())));
            }
            Location::Blob(token) => *token,
        };
        let prefetched = prefetched.filter(|prefetched| prefetched.token == token);
        let blob = match prefetched {
            Some(prefetched) => Some(prefetched.blob),
            None => self.prefetch_blob(cache_hash, token, max).await?.map(|prefetched| prefetched.blob),
        };
        Ok(match blob {
            None => Err(ContentError::Missing),
            Some(PrefetchedBlob::TooLarge(size)) if size == content.size => Ok(None),
            Some(PrefetchedBlob::Whole(bytes, sha256)) if sha256 == content.sha256 => Ok(Some(bytes)),
            Some(PrefetchedBlob::TooLarge(_) | PrefetchedBlob::Whole(..)) => {
                self.cache.shared.objects.forget(&self.layout().blob(cache_hash, token));
                Err(ContentError::Damaged)
            }
        })
    }

    /// Writes a blob under a new token, and returns the token.
    pub(super) async fn write_blob(&self, cache_hash: &CacheHash, bytes: &Bytes) -> Result<BlobToken, Error> {
        for _ in 0..MAX_TOKENS {
            let token = BlobToken::from_random(self.cache.random());
            // A name that is taken is never assumed to be ours, although an earlier try of this call may have created it.
            if self.cache.create(&self.layout().blob(cache_hash, token), bytes.clone()).await? {
                return Ok(token);
            }
        }
        Err(Error::unavailable(format!("no free blob name was found for the content {cache_hash}: retry later")))
    }

    /// Where a content is that can be kept inline.
    pub(super) fn inline_source(&self, bytes: &Bytes) -> ContentSource {
        let max_inline_total = 2 * self.cache.shared.limits.max_inline_bytes;
        ContentSource::Bytes { bytes: bytes.clone(), max_inline_total }
    }

    /// Whether a blob is there, with this size and, if the storage knows it, this SHA-256.
    pub(super) async fn is_blob_intact(
        &self,
        cache_hash: &CacheHash,
        token: BlobToken,
        content: &StoredContent,
    ) -> Result<bool, Error> {
        let head = self.cache.storage.head(&self.layout().blob(cache_hash, token)).await?;
        Ok(head
            .is_some_and(|head| head.size == content.size && head.sha256.is_none_or(|sha256| sha256 == content.sha256)))
    }
}

/// What an entry that was listed makes of the blob that was written for it.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum OwnBlob {
    /// The entry references it.
    Referenced,
    /// Something may reference it, so it is left; if nothing does, the sweep removes it.
    Kept,
    /// The content is elsewhere, and nothing references it.
    Unused,
    /// It takes the place of the blob that the entry references, which is missing or damaged.
    Replaces(BlobToken),
}

impl NamespaceCache {
    /// Compares an entry that was listed with the content that was sent and with the blob that was written for it, if any.
    /// `intact` is a blob that is known to be intact; `is_ambiguous` says whether an attempt to list the entry had an unknown
    /// outcome.
    pub(super) async fn own_blob(
        &self,
        cache_hash: &CacheHash,
        sha256: Sha256Digest,
        own: Option<BlobToken>,
        listed: &ListedEntry,
        is_ambiguous: bool,
        intact: Option<BlobToken>,
    ) -> Result<OwnBlob, Error> {
        let content = &listed.content;
        if content.sha256 != sha256 {
            // An update has given the entry another content since.
            return Ok(OwnBlob::Kept);
        }
        match content.location.token() {
            Some(token) if own == Some(token) => return Ok(OwnBlob::Referenced),
            Some(token) if intact != Some(token) && !self.is_blob_intact(cache_hash, token, content).await? => {
                return Ok(OwnBlob::Replaces(token));
            }
            Some(_) | None => {}
        }
        // After an update, what was written for the store may be the content of an older revision.
        Ok(if is_ambiguous || listed.row.is_updated() { OwnBlob::Kept } else { OwnBlob::Unused })
    }

    /// Puts a blob into the place of one that is missing or damaged.
    pub(super) async fn replace_blob(
        &self,
        cache_hash: &CacheHash,
        sha256: Sha256Digest,
        damaged: BlobToken,
        replacement: BlobToken,
    ) -> Result<(), Error> {
        let namespace = &self.namespace;
        tracing::error!(%namespace, %cache_hash, token = %damaged, "a blob is missing or damaged, and is replaced");
        let manifest_key = self.layout().manifest(cache_hash);
        let change = ManifestChange::ReplaceBlob { sha256, damaged, replacement };
        let manifest = self.load::<Manifest>(&manifest_key, Part::Whole).await?;
        self.commit(&manifest_key, manifest, change, CommitContext::since(self.cache.now())).await.map(drop)
    }
}

/// How many tokens are tried for a blob. Of 2^20 few are ever taken, so a second try is rare already.
const MAX_TOKENS: usize = 16;
