//! Retrieve: an entry by id, by hash or by key, with its content in one round trip if that is small.
//!
//! An id says which manifest lists its entry, as which version, and whether its content is inline or in which blob, so the
//! manifest and the blob are read side by side. A key index holds a copy of its newest entry.

use std::time::Duration;

use bytes::Bytes;
use futures::future::{OptionFuture, try_join};

use crate::entry::{Entry, RevisionInfo};
use crate::error::Error;
use crate::ids::{CacheHash, CacheId, Namespace};
use crate::key_index::{KeyIndex, KeyRow};
use crate::layout::KeyRef;
use crate::manifest::{ContentNumber, EntryRow, Inline, Location, Manifest, StoredContent};
use crate::storage::{ObjectKey, ResponseHeaders};

use super::NamespaceCache;
use super::content::{ContentError, Prefetched};
use super::load::{MAX_READ_ATTEMPTS, Part};
use super::locate::EntryLocation;
use super::manifest_changes::{Target, content_unknown};
use super::pages::{Located, Pages};

/// For how long a presigned GET is valid: a client follows a redirect at once.
const PRESIGNED_GET_TTL: Duration = Duration::from_secs(5 * 60);

/// Which entry.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Selector {
    /// The one with this id.
    Id(CacheId),
    /// The newest one with this hash, or the one with this version.
    Hash(CacheHash, Option<u64>),
    /// The newest one under this key and file id, or the one with this key version.
    Key(KeyRef, Option<u64>),
}

/// An entry with its content.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Retrieved {
    /// Everything but the content.
    pub entry: Entry,
    /// The stored bytes, compared with the SHA-256 of the entry.
    pub bytes: Bytes,
}

/// An entry whose content may be larger than the caller takes.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum RetrievedOrTooLarge {
    /// With its content.
    Retrieved(Retrieved),
    /// The content is there and has the size that the entry says; its bytes were not compared.
    TooLarge(Entry),
}

/// An entry, where its content is, and what was read of that on the way.
pub(super) struct Found {
    pub(super) entry: Entry,
    pub(super) content: StoredContent,
    prefetched: Option<Prefetched>,
}

impl Found {
    /// An entry with a content that was read on the way.
    pub(super) fn with_bytes(entry: Entry, bytes: Bytes) -> Self {
        let (sha256, size) = (entry.content.sha256, entry.content.size);
        let location = Location::Inline(Inline::verified(bytes));
        let content = StoredContent { number: ContentNumber(0), sha256, size, ref_count: 1, location };
        Self { entry, content, prefetched: None }
    }
}

/// How much of an entry is read.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum ReadExtent {
    /// Everything but the content.
    Entry,
    /// Up to so many bytes of the content.
    Content(u64),
}

impl ReadExtent {
    fn part(self) -> Part {
        match self {
            Self::Entry => Part::Head,
            Self::Content(_) => Part::Whole,
        }
    }
}

impl NamespaceCache {
    /// An entry with its content; `None` when there is none.
    ///
    /// # Errors
    ///
    /// `Corrupt` when the content is missing or not what was stored; `TooLarge` when it cannot be held in memory.
    pub async fn retrieve(&self, selector: &Selector) -> Result<Option<Retrieved>, Error> {
        let limit = self.cache.max_in_memory_bytes;
        in_memory(self.retrieve_up_to(selector, limit).await?, limit)
    }

    /// As [`NamespaceCache::retrieve`], with a content of up to `max` bytes. One byte more is read of a larger one.
    ///
    /// # Errors
    ///
    /// As [`NamespaceCache::retrieve`].
    pub async fn retrieve_up_to(&self, selector: &Selector, max: u64) -> Result<Option<RetrievedOrTooLarge>, Error> {
        let found = self.retrieve_with_retry(selector, None, max, false).await?;
        Ok(found.filter(|found| !found.entry().is_expired(self.cache.now())))
    }

    /// An entry with the content of up to `max` bytes of one of its revisions, 0 being the one it was stored with; `None` when
    /// there is no such entry or revision. The entry then describes that revision.
    ///
    /// # Errors
    ///
    /// As [`NamespaceCache::retrieve`].
    pub async fn retrieve_revision(
        &self,
        selector: &Selector,
        revision: u64,
        max: u64,
    ) -> Result<Option<RetrievedOrTooLarge>, Error> {
        let found = self.retrieve_with_retry(selector, Some(revision), max, false).await?;
        Ok(found.filter(|found| !found.entry().is_expired(self.cache.now())))
    }

    /// An entry without its content; `None` when there is none.
    ///
    /// # Errors
    ///
    /// `Corrupt` when what is stored cannot be read.
    pub async fn entry(&self, selector: &Selector) -> Result<Option<Entry>, Error> {
        let found = self.retry_replaced(|| self.find(selector, None, ReadExtent::Entry)).await?;
        Ok(found.map(|found| found.entry).filter(|entry| !entry.is_expired(self.cache.now())))
    }

    /// Where a client reads the content of an entry directly from the storage, within some minutes and with these headers;
    /// `None` when the storage presigns no requests, or the content is not an object of its own.
    ///
    /// # Errors
    ///
    /// When the request cannot be signed.
    pub async fn presigned_get(&self, entry: &Entry, headers: &ResponseHeaders) -> Result<Option<String>, Error> {
        let (Some(presigner), Some(key)) = (self.cache.storage.presigner(), self.object_of_content(entry)) else {
            return Ok(None);
        };
        Ok(Some(presigner.presigned_get(&key, headers, PRESIGNED_GET_TTL).await?))
    }

    /// The object that is the content of an entry, byte for byte; `None` when it is a part of one, or is kept differently.
    fn object_of_content(&self, entry: &Entry) -> Option<ObjectKey> {
        match (entry.content.blob, &entry.python_files) {
            (Some(token), _) => Some(self.layout().blob(&entry.cache_hash, token)),
            (None, Some(files)) if files.reference.is_kept_as_bytes() => {
                self.python_paths(&files.reference.file_paths.content_files).next()
            }
            (None, Some(_) | None) => None,
        }
    }

    /// As [`NamespaceCache::retrieve`], whether the entry has expired or not.
    pub(super) async fn retrieve_even_expired(&self, selector: &Selector) -> Result<Option<Retrieved>, Error> {
        let limit = self.cache.max_in_memory_bytes;
        in_memory(self.retrieve_with_retry(selector, None, limit, true).await?, limit)
    }

    async fn retrieve_with_retry(
        &self,
        selector: &Selector,
        revision: Option<u64>,
        max: u64,
        even_expired: bool,
    ) -> Result<Option<RetrievedOrTooLarge>, Error> {
        let mut problem = None;
        for _ in 0..MAX_READ_ATTEMPTS {
            let found = match self.find(selector, revision, ReadExtent::Content(max)).await {
                Ok(Some(found)) => found,
                Ok(None) => return Ok(None),
                // A page may have been replaced since the head was read.
                Err(error @ Error::Corrupt { .. }) => {
                    problem = Some(error);
                    continue;
                }
                Err(error) => return Err(error),
            };
            let Found { entry, content, prefetched } = found;
            let bytes = self.content_bytes(&entry.cache_hash, &content, prefetched, max).await?;
            // It expired while it was read: another one is the newest now.
            if selector.is_newest() && entry.is_expired(self.cache.now()) && !even_expired {
                continue;
            }
            match bytes {
                Ok(Some(bytes)) => return Ok(Some(RetrievedOrTooLarge::Retrieved(Retrieved { entry, bytes }))),
                Ok(None) => return Ok(Some(RetrievedOrTooLarge::TooLarge(entry))),
                Err(error) => problem = Some(self.corrupt(&entry, error)),
            }
        }
        match problem {
            Some(error) => {
                tracing::error!(namespace = %self.namespace, %error, "an entry cannot be read");
                Err(error)
            }
            None => Ok(None),
        }
    }

    fn corrupt(&self, entry: &Entry, error: ContentError) -> Error {
        let object = self.object_of_content(entry).unwrap_or_else(|| self.layout().manifest(&entry.cache_hash));
        Error::corrupt(format_args!("{object} (entry {})", entry.cache_id), error)
    }

    /// An entry, and where its content is.
    pub(super) async fn find(
        &self,
        selector: &Selector,
        revision: Option<u64>,
        extent: ReadExtent,
    ) -> Result<Option<Found>, Error> {
        match selector {
            Selector::Id(id) => self.find_by_id(*id, revision, extent).await,
            Selector::Hash(hash, version) => self.find_by_hash(hash, *version, revision, extent).await,
            Selector::Key(key, version) => self.find_by_key(key, *version, revision, extent).await,
        }
    }

    async fn find_by_id(&self, id: CacheId, revision: Option<u64>, extent: ReadExtent) -> Result<Option<Found>, Error> {
        let (hash, target) = match self.locate_entry(id).await? {
            EntryLocation::Manifest(hash, target) => (hash, target),
            EntryLocation::PythonFiles(file) => return self.find_in_python_files(*file, revision).await,
            EntryLocation::PythonRemains | EntryLocation::Gone | EntryLocation::Unknown => return Ok(None),
        };
        let token = id.parts().and_then(|parts| parts.locator.token());
        // The blob of an older revision may be another one.
        let prefetch: OptionFuture<_> = match (token, extent) {
            (Some(token), ReadExtent::Content(max)) => Some(self.prefetch_blob(&hash, token, max)).into(),
            (None, ReadExtent::Content(_)) | (_, ReadExtent::Entry) => None.into(),
        };
        let part = if token.is_some() { Part::Head } else { extent.part() };
        let key = self.layout().manifest(&hash);
        let prefetch = async { prefetch.await.transpose().map(Option::flatten) };
        let (loaded, prefetched) = try_join(self.load::<Manifest>(&key, part), prefetch).await?;
        let Some(manifest) = loaded.head else { return Ok(None) };
        let Some(located) = self.locate(&key, &manifest, target).await? else { return Ok(None) };
        let found = self.found(&key, &hash, &manifest, &located, revision).await?;
        self.with_content(&key, &hash, target, revision, extent, found, prefetched).await
    }

    /// Reads the whole manifest if only its head was read, and the content is in it after all: the entry was updated.
    #[allow(clippy::too_many_arguments, reason = "one step of find_by_id")]
    async fn with_content(
        &self,
        key: &ObjectKey,
        hash: &CacheHash,
        target: Target,
        revision: Option<u64>,
        extent: ReadExtent,
        found: Option<(Entry, StoredContent)>,
        prefetched: Option<Prefetched>,
    ) -> Result<Option<Found>, Error> {
        let Some((entry, content)) = found else { return Ok(None) };
        let is_missing = matches!(&content.location, Location::Inline(inline) if inline.bytes().is_none());
        if extent == ReadExtent::Entry || !is_missing {
            return Ok(Some(Found { entry, content, prefetched }));
        }
        let Some(manifest) = self.load::<Manifest>(key, Part::Whole).await?.head else { return Ok(None) };
        let Some(located) = self.locate(key, &manifest, target).await? else { return Ok(None) };
        let found = self.found(key, hash, &manifest, &located, revision).await?;
        Ok(found.map(|(entry, content)| Found { entry, content, prefetched: None }))
    }

    async fn find_by_hash(
        &self,
        hash: &CacheHash,
        version: Option<u64>,
        revision: Option<u64>,
        extent: ReadExtent,
    ) -> Result<Option<Found>, Error> {
        let key = self.layout().manifest(hash);
        let (loaded, python) = try_join(self.load::<Manifest>(&key, extent.part()), self.python_versions(hash)).await?;
        let located = match &loaded.head {
            Some(manifest) => Pages::new(self, &key).select(manifest.log(), version, self.cache.now()).await?,
            None => None,
        };
        if let Some(python) = python {
            let above = located.as_ref().map_or(0, |located| located.row().version);
            if let Some(file) = self.select_in_python_files(&python, version, above).await? {
                return self.find_in_python_files(file, revision).await;
            }
        }
        let (Some(manifest), Some(located)) = (loaded.head, located) else { return Ok(None) };
        let found = self.found(&key, hash, &manifest, &located, revision).await?;
        Ok(found.map(|(entry, content)| Found { entry, content, prefetched: None }))
    }

    async fn find_by_key(
        &self,
        key: &KeyRef,
        version: Option<u64>,
        revision: Option<u64>,
        extent: ReadExtent,
    ) -> Result<Option<Found>, Error> {
        let index_key = self.layout().key_index(key);
        for _ in 0..MAX_READ_ATTEMPTS {
            let Some(index) = self.load_key_index(key, extent.part()).await?.head else { return Ok(None) };
            let located = Pages::new(self, &index_key).select(index.log(), version, self.cache.now()).await?;
            let Some(located) = located else { return Ok(None) };
            let row = located.row();
            if let Some(found) = copied(&self.namespace, &index, row, revision, extent) {
                return Ok(Some(found));
            }
            if let Some(found) = self.find_by_id(row.cache_id, revision, extent).await? {
                return Ok(Some(found));
            }
            // It was deleted after the index was read, which by now names another one, or none.
        }
        Ok(None)
    }

    /// The entry of a row with the content of a revision, or with its newest one.
    async fn found(
        &self,
        key: &ObjectKey,
        hash: &CacheHash,
        manifest: &Manifest,
        located: &Located<EntryRow>,
        revision: Option<u64>,
    ) -> Result<Option<(Entry, StoredContent)>, Error> {
        let row = located.row();
        let Some(number) = revision else {
            let content = located.content(manifest, row.current_content());
            let content = content.ok_or_else(|| content_unknown(key, row))?;
            return Ok(Some((Entry::with_content(&self.namespace, hash, row, content), content.clone())));
        };
        let Some((revision, content)) = self.revision(key, manifest, located, number).await? else { return Ok(None) };
        let as_stored = EntryRow { revisions: Vec::new(), ..row.clone() };
        let mut entry = Entry::with_content(&self.namespace, hash, &as_stored, &content);
        if let Some(revision) = revision {
            entry.content.kind = revision.kind;
            entry.content.content_encoding = None;
            entry.revision = Some(RevisionInfo { number: revision.number, updated_at: revision.updated_at });
        }
        Ok(Some((entry, content)))
    }
}

/// The copy of an entry in its key index, if there is one that has all that is needed.
fn copied(
    namespace: &Namespace,
    index: &KeyIndex,
    row: &KeyRow,
    revision: Option<u64>,
    extent: ReadExtent,
) -> Option<Found> {
    let newest = index.newest().filter(|newest| newest.row.cache_id == row.cache_id && revision.is_none())?;
    let is_there = match (&newest.content.location, extent) {
        (Location::Inline(_), ReadExtent::Content(_)) => newest.inline_bytes().is_some(),
        (Location::Inline(_), ReadExtent::Entry) | (Location::Blob(_), _) => true,
    };
    let entry = Entry::with_content(namespace, &newest.cache_hash, &newest.row, &newest.content);
    is_there.then(|| Found { entry, content: newest.content.clone(), prefetched: None })
}

/// What was retrieved, if it could be held in memory.
fn in_memory(found: Option<RetrievedOrTooLarge>, limit: u64) -> Result<Option<Retrieved>, Error> {
    match found {
        None => Ok(None),
        Some(RetrievedOrTooLarge::Retrieved(retrieved)) => Ok(Some(retrieved)),
        Some(RetrievedOrTooLarge::TooLarge(entry)) => Err(Error::TooLarge { size: entry.content.size, limit }),
    }
}

impl Selector {
    /// Whether it names no version.
    fn is_newest(&self) -> bool {
        matches!(self, Self::Hash(_, None) | Self::Key(_, None))
    }
}

impl RetrievedOrTooLarge {
    /// Everything but the content.
    pub fn entry(&self) -> &Entry {
        match self {
            Self::Retrieved(retrieved) => &retrieved.entry,
            Self::TooLarge(entry) => entry,
        }
    }
}
