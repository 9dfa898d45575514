//! Views: what an entry adds under `data/` for people who look into the storage. Reads never need them.
//!
//! An *entry view* carries the entry's id in its name. It is created once, and only an update overwrites it. A *key view* belongs to a key and file id and shows
//! the newest version that the key index lists. A writer of a key view reads the index afterwards and writes again if
//! another version is the newest, so the last writer always sees the final state.

use bytes::Bytes;
use futures::future::{try_join, try_join_all};
use serde::{Deserialize, Serialize};

use crate::digest::Sha256Digest;
use crate::entry::Entry;
use crate::error::{Error, ErrorKind};
use crate::ids::{CacheHash, CacheId, Namespace};
use crate::key_index::KeyIndex;
use crate::layout::{KeyRef, Layout};
use crate::manifest::codec::to_json;
use crate::storage::{GetOptions, GetResult, InvalidObjectKey, ObjectHead, ObjectKey, PutMode, StorageError, Version};
use crate::strategy::{ContentKind, Strategy};

use super::NamespaceCache;
use super::backoff::Backoff;
use super::head::Loaded;
use super::key_changes::other_kinds;
use super::load::Part;
use super::retrieve::{Selector, Want};

/// How often a key view is written before it is left as it is: each time another store was faster.
const MAX_ATTEMPTS: usize = 12;

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

/// A key view as it was written.
#[derive(Debug, Clone)]
pub(super) struct WrittenView {
    cache_id: CacheId,
    key: ObjectKey,
    proof: Proof,
}

/// What shows that a view which was written has replaced nothing newer, if it still holds afterwards.
#[derive(Debug, Clone)]
enum Proof {
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
    pub(super) fn view_bytes(&self, entry: &Entry, content: &Bytes) -> Bytes {
        match entry.strategy {
            Strategy::KeyBased => content.clone(),
            Strategy::Direct | Strategy::Temporal | Strategy::TemporalLatest | Strategy::TemporalVersioned => {
                let Entry { cache_id, ref cache_hash, strategy, .. } = *entry;
                let (cache_hash, namespace) = (cache_hash.clone(), self.namespace.clone());
                to_json(&Pointer { cache_id, cache_hash, namespace, strategy }).into()
            }
        }
    }

    /// Creates the view that only this entry has; `false` if it is there. It may be of a newer revision then, and stays: only an
    /// update overwrites it.
    pub(super) async fn create_entry_view(&self, key: &ObjectKey, bytes: Bytes) -> Result<bool, Error> {
        let mut backoff = Backoff::new(&self.cache);
        loop {
            match self.cache.create(key, bytes.clone()).await {
                Ok(is_new) => return Ok(is_new),
                // A create with an unknown outcome is not sent again by the storage. Here that does no harm.
                Err(error) if error.kind() == ErrorKind::Unavailable => backoff.wait(key).await?,
                Err(error) => return Err(error),
            }
        }
    }

    /// Writes the view that this entry shares, if its strategy has one. A view is best effort: what fails here is looked at
    /// again by [`NamespaceCache::settle_key_view`].
    pub(super) async fn write_key_view(&self, entry: &Entry, content: &Bytes) -> Option<WrittenView> {
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
        content: &Bytes,
    ) -> Option<WrittenView> {
        let proof = Proof::Revision(updated.revision?.number);
        let written = self.try_to_write_key_view(before.key, updated, content, replacing(before.head)).await?;
        Some(WrittenView { proof, ..written })
    }

    async fn try_to_write_key_view(
        &self,
        key: ObjectKey,
        entry: &Entry,
        content: &Bytes,
        mode: PutMode,
    ) -> Option<WrittenView> {
        let write = async {
            if entry.strategy == Strategy::KeyBased && self.is_python_file(&key).await? {
                return Ok(None);
            }
            Ok::<_, Error>(Some(self.cache.storage.put(&key, self.view_bytes(entry, content), mode).await?))
        };
        match write.await {
            Ok(version) => version.map(|version| WrittenView::new(entry.cache_id, key, version)),
            Err(error) => {
                tracing::info!(%key, %error, "the view was not written");
                None
            }
        }
    }

    /// Makes the view of a key show the newest version, and returns the views that it removed. It is best effort: a view that
    /// cannot be written now is written by the next store under the key.
    pub(super) async fn settle_key_view(&self, key: &KeyRef, written: Option<WrittenView>) -> Vec<ObjectKey> {
        self.settle(key, written, None).await
    }

    /// As [`NamespaceCache::settle_key_view`], beginning with a key index that was just written.
    pub(super) async fn settle_key_view_from(&self, key: &KeyRef, index: Loaded<KeyIndex>) -> Vec<ObjectKey> {
        self.settle(key, None, Some(index)).await
    }

    async fn settle(
        &self,
        key: &KeyRef,
        written: Option<WrittenView>,
        index: Option<Loaded<KeyIndex>>,
    ) -> Vec<ObjectKey> {
        if !has_key_view(key.strategy) {
            return Vec::new();
        }
        let left = written.map_or(Left::Unknown, Left::Written);
        let mut settling = Settling { cache: self, key, left, removed: Vec::new(), is_stuck: false };
        if let Err(error) = settling.run(index).await {
            tracing::info!(namespace = %self.namespace, key = %key.cache_key, %error, "the view of the key was not settled");
        }
        settling.removed
    }
}

/// The view of a key on its way to show the newest version.
struct Settling<'a> {
    cache: &'a NamespaceCache,
    key: &'a KeyRef,
    left: Left,
    removed: Vec<ObjectKey>,
    /// Whether the newest version could not be read.
    is_stuck: bool,
}

/// How this process has left the view.
enum Left {
    Unknown,
    Written(WrittenView),
    /// All were removed, because the key index lists nothing at this version.
    Removed(Version),
}

/// What the view of a key has to show.
struct Expected {
    cache_id: CacheId,
    kind: ContentKind,
    view: ObjectKey,
    bytes: Bytes,
    sha256: Sha256Digest,
}

impl Left {
    fn written(&self) -> Option<&WrittenView> {
        match self {
            Self::Written(written) => Some(written),
            Self::Unknown | Self::Removed(_) => None,
        }
    }
}

impl WrittenView {
    fn new(cache_id: CacheId, key: ObjectKey, version: Version) -> Self {
        Self { cache_id, key, proof: Proof::Version(version) }
    }
}

impl Settling<'_> {
    async fn run(&mut self, mut known: Option<Loaded<KeyIndex>>) -> Result<(), Error> {
        let index_key = self.cache.layout().key_index(self.key);
        let mut backoff = Backoff::new(&self.cache.cache);
        for _ in 0..MAX_ATTEMPTS {
            let index = async {
                match known.take() {
                    Some(index) => Ok(index),
                    None => self.cache.load::<KeyIndex>(&index_key, Part::Whole).await,
                }
            };
            let (loaded, is_proven) = try_join(index, self.is_proven()).await?;
            let Some(index) = loaded.head else { return Ok(()) };
            let version = loaded.version.as_ref();
            if self.is_settled(&index, version, is_proven) || self.step(&index, version).await? {
                return Ok(());
            }
            if self.is_stuck {
                // The newest entry is being deleted: the index is about to move on.
                backoff.wait(&index_key).await?;
            }
        }
        Ok(())
    }

    async fn head(&self, key: &ObjectKey) -> Result<Option<ObjectHead>, Error> {
        Ok(self.cache.cache.storage.head(key).await?)
    }

    /// Whether the proof of what was written holds. It is looked at beside the index.
    async fn is_proven(&self) -> Result<bool, Error> {
        let Some(written) = self.left.written() else { return Ok(false) };
        match &written.proof {
            Proof::Version(version) => Ok(self.head(&written.key).await?.is_some_and(|head| head.version == *version)),
            Proof::Revision(number) => {
                let selector = Selector::Id(written.cache_id);
                let found = self.cache.retry_replaced(|| self.cache.find(&selector, None, Want::Entry)).await?;
                let newest = found.and_then(|found| found.entry.revision);
                Ok(newest.is_some_and(|newest| newest.number == *number))
            }
        }
    }

    /// Whether the view is as the newest version wants it. Who writes the view or the index later looks at both afterwards.
    fn is_settled(&self, index: &KeyIndex, version: Option<&Version>, is_proven: bool) -> bool {
        let written = match &self.left {
            Left::Unknown => return false,
            Left::Removed(at) => return version == Some(at),
            Left::Written(written) => written,
        };
        let Some(newest) = index.newest_row() else { return false };
        let Some(kind) = kind_of_extension(&written.key) else { return false };
        let may_be_older = match written.proof {
            Proof::Version(_) => index.is_updated(newest.cache_id),
            Proof::Revision(_) => false,
        };
        is_proven
            && !may_be_older
            && written.cache_id == newest.cache_id
            && (self.key.strategy != Strategy::KeyBased || other_kinds(index.kinds(), kind).next().is_none())
    }

    /// Brings the view up to date; `true` when nothing had to be written.
    async fn step(&mut self, index: &KeyIndex, version: Option<&Version>) -> Result<bool, Error> {
        // Also of the kind that this store has written: it may never have been listed.
        let written = self.left.written().and_then(|written| kind_of_extension(&written.key));
        let kinds: Vec<ContentKind> = index.kinds().iter().copied().chain(written).collect();
        let Some(newest) = index.newest_row() else {
            self.left = version.cloned().map_or(Left::Unknown, Left::Removed);
            return self.remove_existing(&kinds).await;
        };
        self.is_stuck = false;
        let Some(expected) = self.expected(index, newest.cache_id).await? else {
            self.is_stuck = true;
            return Ok(false);
        };
        let head = self.head(&expected.view).await?;
        // A file of the Python service is the content of an entry.
        let is_taken = self.key.strategy == Strategy::KeyBased && self.cache.is_python_file(&expected.view).await?;
        let shows_it = is_taken || self.shows(head.as_ref(), &expected).await?;
        if !shows_it {
            self.write(&expected, head).await?;
        }
        let others: Vec<ContentKind> = match self.key.strategy {
            Strategy::KeyBased => other_kinds(&kinds, expected.kind).collect(),
            Strategy::Direct | Strategy::Temporal | Strategy::TemporalLatest | Strategy::TemporalVersioned => {
                Vec::new()
            }
        };
        let no_others = self.remove_existing(&others).await?;
        Ok(shows_it && no_others)
    }

    /// The newest version with its content, also when it has expired; `None` when it is not there any more.
    async fn expected(&self, index: &KeyIndex, cache_id: CacheId) -> Result<Option<Expected>, Error> {
        let copied = index.newest().and_then(|newest| {
            let bytes = newest.inline_bytes()?;
            Some((
                Entry::with_content(&self.cache.namespace, &newest.cache_hash, &newest.row, &newest.content),
                bytes.clone(),
            ))
        });
        let found = match copied {
            Some(copied) => Some(copied),
            None => {
                let retrieved = self.cache.retrieve_even_expired(&Selector::Id(cache_id)).await?;
                retrieved.map(|retrieved| (retrieved.entry, retrieved.bytes))
            }
        };
        let Some((entry, content)) = found else { return Ok(None) };
        let view = view_of_key(self.cache.layout(), self.key, entry.content.kind);
        let Some(view) = view.map_err(|error| Error::too_long("cache_key", &error))? else { return Ok(None) };
        let bytes = self.cache.view_bytes(&entry, &content);
        Ok(Some(Expected { cache_id, kind: entry.content.kind, view, sha256: Sha256Digest::of(&bytes), bytes }))
    }

    async fn shows(&self, head: Option<&ObjectHead>, expected: &Expected) -> Result<bool, Error> {
        match head {
            None => Ok(false),
            Some(head) if head.size != expected.bytes.len() as u64 => Ok(false),
            Some(ObjectHead { sha256: Some(sha256), .. }) => Ok(*sha256 == expected.sha256),
            Some(_) => {
                let found = self.cache.cache.storage.get(&expected.view, &GetOptions::default()).await?;
                Ok(found.and_then(GetResult::into_object).is_some_and(|object| object.bytes == expected.bytes))
            }
        }
    }

    /// Writes the view, unless another process has written it since it was looked at.
    async fn write(&mut self, expected: &Expected, head: Option<ObjectHead>) -> Result<(), Error> {
        match self.cache.cache.storage.put(&expected.view, expected.bytes.clone(), replacing(head)).await {
            Ok(version) => {
                self.left = Left::Written(WrittenView::new(expected.cache_id, expected.view.clone(), version));
                Ok(())
            }
            Err(StorageError::Precondition { .. } | StorageError::Unavailable { .. }) => Ok(()),
            Err(error) => Err(error.into()),
        }
    }

    /// Removes the views of these kinds; `true` when there are none. Otherwise a newer store may have written one of them, so
    /// the index has to be read again.
    async fn remove_existing(&mut self, kinds: &[ContentKind]) -> Result<bool, Error> {
        let view = |kind: &ContentKind| view_of_key(self.cache.layout(), self.key, *kind).ok().flatten();
        let mut views: Vec<ObjectKey> = kinds.iter().filter_map(view).collect();
        views.sort();
        views.dedup();
        let storage = &self.cache.cache.storage;
        let heads = try_join_all(views.iter().map(|view| storage.head(view))).await?;
        let mut existing = Vec::new();
        for (view, _) in views.into_iter().zip(heads).filter(|(_, head)| head.is_some()) {
            if !self.cache.is_python_file(&view).await? {
                existing.push(view);
            }
        }
        try_join_all(existing.iter().map(|view| self.cache.cache.remove(view))).await?;
        let none = existing.is_empty();
        self.removed.extend(existing);
        self.removed.dedup();
        Ok(none)
    }
}

/// How to write an object over what was seen of it, and over nothing else.
fn replacing(head: Option<ObjectHead>) -> PutMode {
    head.map_or(PutMode::Create, |head| PutMode::Update(head.version))
}

/// A kind whose readable copies have the extension of this one.
fn kind_of_extension(view: &ObjectKey) -> Option<ContentKind> {
    let extension = view.as_str().rsplit_once('.')?.1;
    ContentKind::ALL.into_iter().find(|kind| crate::layout::extension(*kind) == extension)
}
