//! Views: what an entry adds under `data/` for people who look into the storage. Reads never need them.
//!
//! An *entry view* carries the entry's id in its name. It is created once, and only an update overwrites it. A *key view*
//! belongs to a key and file id and shows the newest version that the key index lists. A writer of a key view reads the
//! index afterwards and writes again if another version is the newest, so the last writer always sees the final state.

mod settle;

use bytes::Bytes;
use serde::{Deserialize, Serialize};

use crate::digest::Sha256Digest;
use crate::entry::Entry;
use crate::error::Error;
use crate::ids::{CacheHash, CacheId, Namespace};
use crate::layout::{KeyRef, Layout};
use crate::manifest::codec::to_json;
use crate::manifest::{Location, StoredContent};
use crate::storage::{InvalidObjectKey, ObjectHead, ObjectKey, PutMode, StorageError, Version};
use crate::strategy::{ContentKind, Strategy};

use super::NamespaceCache;
use super::backoff::Backoff;

/// A view that is not the content itself but says whose it is.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub(super) struct Pointer {
    /// The entry.
    pub(super) cache_id: CacheId,
    /// The hash that it is found by.
    pub(super) cache_hash: CacheHash,
    /// Where it lives.
    pub(super) namespace: Namespace,
    /// How it was stored.
    pub(super) strategy: Strategy,
}

/// What a view holds.
#[derive(Debug, Clone)]
pub(super) enum Shown {
    /// These bytes.
    Bytes(Bytes),
    /// A copy of this object. It is made in the storage, because it may be too large for memory.
    Blob { blob: ObjectKey, size: u64, sha256: Sha256Digest },
}

impl Shown {
    fn size(&self) -> u64 {
        match self {
            Self::Bytes(bytes) => bytes.len() as u64,
            Self::Blob { size, .. } => *size,
        }
    }

    fn sha256(&self) -> Sha256Digest {
        match self {
            Self::Bytes(bytes) => Sha256Digest::of(bytes),
            Self::Blob { sha256, .. } => *sha256,
        }
    }
}

/// A key view as it was written.
#[derive(Debug, Clone)]
pub(super) struct WrittenView {
    cache_id: CacheId,
    key: ObjectKey,
    validator: Validator,
}

/// What has to be the same afterwards, or else a view that was written may have replaced a newer one.
#[derive(Debug, Clone)]
enum Validator {
    /// The view has this version, and the entry is not being updated.
    Version(Version),
    /// This is the newest revision of the entry. It takes an update that replaced only what had been there before its commit. Its
    /// version is not enough: a newer revision may have the bytes that were replaced, and so their ETag.
    Revision(u64),
}

/// A key view before an entry is updated.
#[derive(Debug)]
pub(super) struct ViewBefore {
    key: ObjectKey,
    head: Option<ObjectHead>,
}

impl WrittenView {
    fn new(cache_id: CacheId, key: ObjectKey, version: Version) -> Self {
        Self { cache_id, key, validator: Validator::Version(version) }
    }
}

/// The view that only this entry has.
///
/// # Errors
///
/// When the key makes its path too long.
pub(super) fn entry_view(layout: Layout<'_>, entry: &Entry) -> Result<Option<ObjectKey>, InvalidObjectKey> {
    if entry.strategy.is_dated() {
        return Ok(Some(layout.dated(entry.strategy, entry.stored_at, entry.cache_id, entry.nonce)));
    }
    if entry.strategy != Strategy::KeyBased || entry.key_ref().is_some() {
        return Ok(None);
    }
    let file_name = entry.file_id.as_ref().map_or_else(|| entry.cache_id.to_string(), ToString::to_string);
    layout.readable(entry.cache_key.as_ref(), &file_name, entry.content.kind).map(Some)
}

/// The view that this entry shares with all others under its key and file id.
///
/// # Errors
///
/// When the key makes its path too long.
pub(super) fn key_view(layout: Layout<'_>, entry: &Entry) -> Result<Option<ObjectKey>, InvalidObjectKey> {
    match entry.key_ref() {
        Some(key) => view_of_key(layout, &key, entry.content.kind),
        None => Ok(None),
    }
}

fn view_of_key(layout: Layout<'_>, key: &KeyRef, kind: ContentKind) -> Result<Option<ObjectKey>, InvalidObjectKey> {
    match key.strategy {
        Strategy::TemporalLatest => layout.latest(key).map(Some),
        Strategy::KeyBased => layout.readable(Some(&key.cache_key), key.file_id.as_str(), kind).map(Some),
        Strategy::Direct | Strategy::Temporal | Strategy::TemporalVersioned => Ok(None),
    }
}

/// Whether the versions of a strategy have a key view.
pub(super) fn has_key_view(strategy: Strategy) -> bool {
    match strategy {
        Strategy::TemporalLatest | Strategy::KeyBased => true,
        Strategy::Direct | Strategy::Temporal | Strategy::TemporalVersioned => false,
    }
}

impl NamespaceCache {
    /// What a view of this entry holds: the content in the key-based folder, else a pointer to it.
    pub(super) fn shown(&self, entry: &Entry, content: &Shown) -> Shown {
        match entry.strategy {
            Strategy::KeyBased => content.clone(),
            Strategy::Direct | Strategy::Temporal | Strategy::TemporalLatest | Strategy::TemporalVersioned => {
                let Entry { cache_id, ref cache_hash, strategy, .. } = *entry;
                let (cache_hash, namespace) = (cache_hash.clone(), self.namespace.clone());
                Shown::Bytes(to_json(&Pointer { cache_id, cache_hash, namespace, strategy }).into())
            }
        }
    }

    /// A content as its manifest lists it, to be shown; `None` when it would have to be read for that.
    pub(super) fn shown_of(&self, cache_hash: &CacheHash, content: &StoredContent) -> Option<Shown> {
        let &StoredContent { sha256, size, ref location, .. } = content;
        match location {
            Location::Inline(inline) => inline.bytes().filter(|_| inline.is_intact(&sha256)).cloned().map(Shown::Bytes),
            Location::Blob(token) => {
                let blob = self.layout().blob(cache_hash, *token);
                Some(Shown::Blob { blob, size, sha256 })
            }
        }
    }

    /// Writes a view; `None` when the blob that it would be a copy of is gone.
    async fn put_view(&self, key: &ObjectKey, shown: &Shown, mode: PutMode) -> Result<Option<Version>, StorageError> {
        match shown {
            Shown::Bytes(bytes) => self.cache.storage.put(key, bytes.clone(), mode).await.map(Some),
            Shown::Blob { blob, .. } => self.cache.storage.copy(blob, key, mode).await,
        }
    }

    /// Creates the view that only this entry has; `false` if it is there. It may be of a newer revision then, and stays: only an
    /// update overwrites it.
    pub(super) async fn create_entry_view(&self, key: &ObjectKey, shown: Shown) -> Result<bool, Error> {
        let mut backoff = Backoff::new(&self.cache);
        loop {
            match self.put_view(key, &shown, PutMode::Create).await {
                Ok(version) => return Ok(version.is_some()),
                Err(StorageError::Precondition { .. }) => return Ok(false),
                // A create with an unknown outcome is not sent again by the storage. Here that does no harm.
                Err(StorageError::Unavailable { .. }) => backoff.wait(key).await?,
                Err(error) => return Err(error.into()),
            }
        }
    }

    /// Writes the view that this entry shares, if its strategy has one. A view is best effort: what fails here is looked at
    /// again by [`NamespaceCache::settle_key_view`].
    pub(super) async fn write_key_view(&self, entry: &Entry, content: &Shown) -> Option<WrittenView> {
        let key = key_view(self.layout(), entry).ok().flatten()?;
        self.try_to_write_key_view(key, entry, content, PutMode::Overwrite).await
    }

    /// The view in which an update will show a content of this kind, before its commit; `None` if it will not.
    pub(super) async fn key_view_before_update(&self, entry: &Entry, kind: ContentKind) -> Option<ViewBefore> {
        // A pointer stays what it is.
        let key = entry.key_ref().filter(|key| key.strategy == Strategy::KeyBased)?;
        let key = view_of_key(self.layout(), &key, kind).ok().flatten()?;
        let head = self.cache.storage.head(&key).await.ok()?;
        Some(ViewBefore { key, head })
    }

    /// Writes the view of an entry that was updated, unless another process has written it since it was looked at. Best effort,
    /// as [`NamespaceCache::write_key_view`].
    pub(super) async fn replace_key_view(
        &self,
        before: ViewBefore,
        updated: &Entry,
        content: &Shown,
    ) -> Option<WrittenView> {
        let validator = Validator::Revision(updated.revision?.number);
        let written = self.try_to_write_key_view(before.key, updated, content, replacing(before.head)).await?;
        Some(WrittenView { validator, ..written })
    }

    async fn try_to_write_key_view(
        &self,
        key: ObjectKey,
        entry: &Entry,
        content: &Shown,
        mode: PutMode,
    ) -> Option<WrittenView> {
        let write = async {
            if entry.strategy == Strategy::KeyBased && self.is_python_file(&key).await? {
                return Ok(None);
            }
            Ok::<_, Error>(self.put_view(&key, &self.shown(entry, content), mode).await?)
        };
        match write.await {
            Ok(version) => version.map(|version| WrittenView::new(entry.cache_id, key, version)),
            Err(error) => {
                tracing::info!(%key, %error, "the view was not written");
                None
            }
        }
    }
}

/// How to write an object over what was seen of it, and over nothing else.
fn replacing(head: Option<ObjectHead>) -> PutMode {
    head.map_or(PutMode::Create, |head| PutMode::Update(head.version))
}
