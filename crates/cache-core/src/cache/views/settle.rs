//! Makes the view of a key show the newest version, also when other processes write it.

use bytes::Bytes;
use futures::future::{try_join, try_join_all};

use crate::digest::Sha256Hasher;
use crate::entry::Entry;
use crate::error::Error;
use crate::ids::CacheId;
use crate::key_index::KeyIndex;
use crate::layout::KeyRef;
use crate::storage::{ObjectHead, ObjectKey, StorageError, Version};
use crate::strategy::{ContentKind, Strategy};

use super::super::NamespaceCache;
use super::super::backoff::Backoff;
use super::super::head::Loaded;
use super::super::key_changes::other_kinds;
use super::super::load::Part;
use super::super::retrieve::{ReadExtent, Selector};
use super::{Shown, Validator, WrittenView, has_key_view, replacing, view_of_key};

/// How often a key view is written before it is left as it is: each time another store was faster.
const MAX_ATTEMPTS: usize = 12;
/// How many of them may end with a call that failed. A storage that does not respond must not delay a store that is done.
const MAX_FAILURES: usize = 3;

impl NamespaceCache {
    /// Makes the view of a key show the newest version, and returns the views that it removed. It is best effort: a view that
    /// cannot be written now is written by the next store under the key.
    pub(in crate::cache) async fn settle_key_view(&self, key: &KeyRef, written: Option<WrittenView>) -> Vec<ObjectKey> {
        self.settle(key, written, None).await
    }

    /// As [`NamespaceCache::settle_key_view`], beginning with a key index that was just written.
    pub(in crate::cache) async fn settle_key_view_from(&self, key: &KeyRef, index: Loaded<KeyIndex>) -> Vec<ObjectKey> {
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
        let written_kinds = written.iter().filter_map(|written| kind_of_extension(&written.key)).collect();
        let state = written.map_or(ViewState::Unknown, ViewState::Written);
        let mut settling = Settling { cache: self, key, state, written_kinds, removed: Vec::new(), is_stuck: false };
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
    state: ViewState,
    /// The kinds whose views this process has written: the index may never have listed them.
    written_kinds: Vec<ContentKind>,
    removed: Vec<ObjectKey>,
    /// Whether the newest version could not be read.
    is_stuck: bool,
}

/// What this process knows of the view: how it wrote it last.
enum ViewState {
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
    shown: Shown,
    /// Whether the entry is in the files of the Python service.
    is_python: bool,
}

impl ViewState {
    fn written(&self) -> Option<&WrittenView> {
        match self {
            Self::Written(written) => Some(written),
            Self::Unknown | Self::Removed(_) => None,
        }
    }
}

impl Settling<'_> {
    async fn run(&mut self, mut known: Option<Loaded<KeyIndex>>) -> Result<(), Error> {
        let index_key = self.cache.layout().key_index(self.key);
        let mut backoff = Backoff::new(&self.cache.cache);
        let mut failures = 0;
        for _ in 0..MAX_ATTEMPTS {
            match self.attempt(&index_key, known.take()).await {
                Ok(true) => return Ok(()),
                // The newest entry is being deleted: the index is about to move on.
                Ok(false) if self.is_stuck => backoff.wait(&index_key).await?,
                Ok(false) => {}
                Err(Error::Unavailable { .. }) if failures < MAX_FAILURES => {
                    failures += 1;
                    backoff.wait(&index_key).await?;
                }
                Err(error) => return Err(error),
            }
        }
        Ok(())
    }

    /// Whether the view is as the newest version wants it; if not, it was brought up to date.
    async fn attempt(&mut self, index_key: &ObjectKey, known: Option<Loaded<KeyIndex>>) -> Result<bool, Error> {
        self.is_stuck = false;
        let index = async {
            match known {
                Some(index) => Ok(index),
                None => self.cache.load::<KeyIndex>(index_key, Part::Whole).await,
            }
        };
        let (loaded, is_unchanged) = try_join(index, self.is_unchanged()).await?;
        let Some(index) = loaded.head else { return Ok(true) };
        let version = loaded.version.as_ref();
        Ok(self.is_settled(&index, version, is_unchanged) || self.step(&index, version).await?)
    }

    async fn head(&self, key: &ObjectKey) -> Result<Option<ObjectHead>, Error> {
        Ok(self.cache.cache.storage.head(key).await?)
    }

    /// Whether what was written is still there, by its validator. It is looked at beside the index.
    async fn is_unchanged(&self) -> Result<bool, Error> {
        let Some(written) = self.state.written() else { return Ok(false) };
        match &written.validator {
            Validator::Version(version) => {
                Ok(self.head(&written.key).await?.is_some_and(|head| head.version == *version))
            }
            Validator::Revision(number) => {
                let selector = Selector::Id(written.cache_id);
                let found = self.cache.retry_replaced(|| self.cache.find(&selector, None, ReadExtent::Entry)).await?;
                let newest = found.and_then(|found| found.entry.revision);
                Ok(newest.is_some_and(|newest| newest.number == *number))
            }
        }
    }

    /// Whether the view is as the newest version wants it. Who writes the view or the index later looks at both afterwards.
    fn is_settled(&self, index: &KeyIndex, version: Option<&Version>, is_unchanged: bool) -> bool {
        let written = match &self.state {
            ViewState::Unknown => return false,
            ViewState::Removed(at) => return version == Some(at),
            ViewState::Written(written) => written,
        };
        let Some(newest) = index.newest_row() else { return false };
        let Some(kind) = kind_of_extension(&written.key) else { return false };
        let may_be_older = match written.validator {
            Validator::Version(_) => index.is_updated(newest.cache_id),
            Validator::Revision(_) => false,
        };
        is_unchanged
            && !may_be_older
            && written.cache_id == newest.cache_id
            && (self.key.strategy != Strategy::KeyBased || other_kinds(index.kinds(), kind).next().is_none())
    }

    /// Brings the view up to date; `true` when nothing had to be written.
    async fn step(&mut self, index: &KeyIndex, version: Option<&Version>) -> Result<bool, Error> {
        let kinds = [index.kinds(), &self.written_kinds].concat();
        let Some(newest) = index.newest_row() else {
            self.state = version.cloned().map_or(ViewState::Unknown, ViewState::Removed);
            return self.remove_existing(&kinds).await;
        };
        let Some(expected) = self.expected(index, newest.cache_id).await? else {
            self.is_stuck = true;
            return Ok(false);
        };
        let head = self.head(&expected.view).await?;
        // An entry of the Python service is shown by its own files, which are the contents of entries.
        let is_taken = self.key.strategy == Strategy::KeyBased
            && (expected.is_python || self.cache.is_python_file(&expected.view).await?);
        let shows_it = is_taken || self.shows(head.as_ref(), &expected).await?;
        if !shows_it {
            self.written_kinds.push(expected.kind);
            self.write(&expected, head).await?;
        }
        let others: Vec<ContentKind> = match self.key.strategy {
            Strategy::KeyBased if expected.is_python => kinds,
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
            let shown = Shown::Bytes(newest.inline_bytes()?.clone());
            Some((Entry::with_content(&self.cache.namespace, &newest.cache_hash, &newest.row, &newest.content), shown))
        });
        let found = match copied {
            Some(copied) => Some(copied),
            None => self.find_shown(cache_id).await?,
        };
        let Some((entry, content)) = found else { return Ok(None) };
        let view = view_of_key(self.cache.layout(), self.key, entry.content.kind);
        let Some(view) = view.map_err(|error| Error::too_long("cache_key", &error))? else { return Ok(None) };
        let shown = self.cache.shown(&entry, &content);
        let is_python = entry.python_files.is_some();
        Ok(Some(Expected { cache_id, kind: entry.content.kind, view, shown, is_python }))
    }

    /// An entry, and its content if that is small.
    async fn find_shown(&self, cache_id: CacheId) -> Result<Option<(Entry, Shown)>, Error> {
        let selector = Selector::Id(cache_id);
        // A blob is not read to be copied.
        let is_blob = cache_id.parts().is_some_and(|parts| parts.locator.token().is_some());
        let extent =
            if is_blob { ReadExtent::Entry } else { ReadExtent::Content(self.cache.cache.max_in_memory_bytes) };
        let found = self.cache.retry_replaced(|| self.cache.find(&selector, None, extent)).await?;
        let Some(found) = found else { return Ok(None) };
        if let Some(shown) = self.cache.shown_of(&found.entry.cache_hash, &found.content) {
            return Ok(Some((found.entry, shown)));
        }
        let retrieved = self.cache.retrieve_even_expired(&selector).await?;
        Ok(retrieved.map(|retrieved| (retrieved.entry, Shown::Bytes(retrieved.bytes))))
    }

    async fn shows(&self, head: Option<&ObjectHead>, expected: &Expected) -> Result<bool, Error> {
        match head {
            None => Ok(false),
            Some(head) if head.size != expected.shown.size() => Ok(false),
            Some(ObjectHead { sha256: Some(found), .. }) => Ok(*found == expected.shown.sha256()),
            Some(head) => {
                let mut sha256 = Sha256Hasher::default();
                let hash = |part: &Bytes| {
                    sha256.update(part);
                    Ok(())
                };
                let is_there = self.cache.for_each_part(&expected.view, head.size, hash).await?;
                Ok(is_there && sha256.finish() == expected.shown.sha256())
            }
        }
    }

    /// Writes the view, unless another process has written it since it was looked at.
    async fn write(&mut self, expected: &Expected, head: Option<ObjectHead>) -> Result<(), Error> {
        match self.cache.put_view(&expected.view, &expected.shown, replacing(head)).await {
            Ok(None) => Err(Error::unavailable(format!("the content of {} was removed", expected.view))),
            Ok(Some(version)) => {
                self.state = ViewState::Written(WrittenView::new(expected.cache_id, expected.view.clone(), version));
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

/// A kind whose readable copies have the extension of this one.
fn kind_of_extension(view: &ObjectKey) -> Option<ContentKind> {
    let extension = view.as_str().rsplit_once('.')?.1;
    ContentKind::ALL.into_iter().find(|kind| crate::layout::extension(*kind) == extension)
}
