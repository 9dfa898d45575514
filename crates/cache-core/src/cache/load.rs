//! Reading manifests and key indexes, from the storage or, if they are unchanged there, from memory.

use std::sync::Arc;

use crate::entry::Entry;
use crate::error::Error;
use crate::ids::{CacheHash, CacheId};
use crate::manifest::{MAX_HEAD_BYTES, Manifest};
use crate::storage::{GetOptions, GetResult, ObjectKey};

use super::NamespaceCache;
use super::head::{Head, Loaded};
use super::locate::EntryLocation;
use super::manifest_changes::{Target, content_unknown};

/// How much of an object is needed.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Part {
    /// All of it.
    Whole,
    /// What is not content: its first [`MAX_HEAD_BYTES`].
    Head,
}

/// How often something is read again when its parts do not fit together, before it is called corrupt. Only a write at the
/// same time explains that: a page was replaced after the head was read.
pub(super) const MAX_READ_ATTEMPTS: usize = 8;

/// An entry that is about to be changed, and the manifest that lists it.
pub(super) struct Current {
    pub(super) cache_hash: CacheHash,
    pub(super) target: Target,
    pub(super) key: ObjectKey,
    pub(super) manifest: Loaded<Manifest>,
    pub(super) entry: Entry,
}

impl NamespaceCache {
    /// An entry as its manifest lists it now, to be changed; `None` when none does.
    pub(super) async fn current(&self, id: CacheId) -> Result<Option<Current>, Error> {
        let EntryLocation::Manifest(cache_hash, target) = self.locate_entry(id).await? else { return Ok(None) };
        let key = self.layout().manifest(&cache_hash);
        let found = self.retry_replaced(|| async {
            let manifest = self.load::<Manifest>(&key, Part::Whole).await?;
            let Some(head) = &manifest.head else { return Ok(None) };
            let Some(located) = self.locate(&key, head, target).await? else { return Ok(None) };
            let row = located.row();
            let content = located.content(head, row.current_content()).ok_or_else(|| content_unknown(&key, row))?;
            let entry = Entry::with_content(&self.namespace, &cache_hash, row, content);
            Ok(Some((manifest, entry)))
        });
        Ok(found.await?.map(|(manifest, entry)| Current { cache_hash, target, key, manifest, entry }))
    }

    /// The object under a key as it is now. One that is in memory is used if the storage still has it at that version.
    ///
    /// # Errors
    ///
    /// `Corrupt` when it cannot be read.
    pub(super) async fn load<H: Head>(&self, key: &ObjectKey, part: Part) -> Result<Loaded<H>, Error> {
        let cached = self.cached::<H>(key);
        let options = GetOptions {
            range: (part == Part::Head).then_some(0..MAX_HEAD_BYTES as u64),
            if_none_match: cached.as_ref().and_then(|cached| cached.version.clone()),
        };
        match (self.cache.storage.get(key, &options).await?, cached) {
            (None, cached) => {
                // What was kept since this read began is newer than its response.
                if cached.is_some() {
                    self.cache.shared.objects.forget(key);
                }
                Ok(Loaded::absent())
            }
            (Some(GetResult::NotModified), Some(cached)) => Ok(cached),
            (Some(GetResult::NotModified), None) => Err(Error::corrupt(key, "not modified, but it was not known")),
            (Some(GetResult::Object(object)), _) => {
                let is_whole = object.bytes.len() as u64 == object.size;
                let head = H::parse(&object.bytes, !is_whole).map_err(|error| Error::corrupt(key, error))?;
                let loaded = Loaded::at(Arc::new(head), object.version);
                if is_whole {
                    self.keep(key, &loaded, object.size);
                }
                Ok(loaded)
            }
        }
    }

    /// Reads again when a page was missing: it was replaced after the head was read, and the head names another one by now.
    pub(super) async fn retry_replaced<T, F>(&self, read: impl Fn() -> F) -> Result<T, Error>
    where
        F: Future<Output = Result<T, Error>>,
    {
        for _ in 1..MAX_READ_ATTEMPTS {
            match read().await {
                Err(Error::Corrupt { .. }) => {}
                done => return done,
            }
        }
        read().await
    }

    /// What is in memory of the object under a key. It may be out of date.
    pub(super) fn cached<H: Head>(&self, key: &ObjectKey) -> Option<Loaded<H>> {
        let (head, version) = H::from_cached(self.cache.shared.objects.get(key)?)?;
        Some(Loaded::at(head, version))
    }

    /// Keeps an object of so many bytes in memory.
    pub(super) fn keep<H: Head>(&self, key: &ObjectKey, loaded: &Loaded<H>, size: u64) {
        if let (Some(head), Some(version)) = (&loaded.head, &loaded.version) {
            self.cache.shared.objects.keep(key, size, || H::into_cached(Arc::clone(head), version.clone()));
        }
    }
}
