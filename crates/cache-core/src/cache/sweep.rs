//! Sweep: removes what nobody needs any more, from a schedule and never on the way of a request.
//!
//! | what | when |
//! |---|---|
//! | entries that have expired | at once |
//! | graves, and marks of completed uploads | when they are old |
//! | records that their hash index does not list: left by stores that never came to their end | when they are old |
//! | blobs that their hash index does not reference | when they are old |
//! | children and revisions of entries that are gone: written while the entry was deleted | when they are old |
//!
//! Old is what was written [`OLD_MS`] ago, which is longer than any request lives: nothing of it is in flight any more.
//! Tombstones stay for ever, because the names they burn must stay burnt.

use crate::error::Error;
use crate::ids::{BlobToken, CacheHash, CacheId, Namespace};
use crate::index::Index;
use crate::layout::{Layout, Place, classify};
use crate::record::{DELETED_BELOW_BYTES, Record};
use crate::storage::{ListedObject, ObjectKey};

use super::pages::Pages;
use super::{Cache, LoadedIndex};

/// From which age on an object cannot belong to a request that is still running: a day, in milliseconds.
pub const OLD_MS: u64 = 24 * 60 * 60 * 1000;

/// What a sweep removed.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub struct Swept {
    /// Entries that had expired.
    pub expired: u64,
    /// Graves of deleted entries and marks of completed uploads, which stop what comes late.
    pub graves: u64,
    /// Records that nothing lists.
    pub records: u64,
    /// Blobs that nothing references.
    pub blobs: u64,
    /// Children and revisions whose entry is gone.
    pub orphans: u64,
    /// Whether it came to its end before the deadline. It begins at a random place, so the next one gets on with the rest.
    pub complete: bool,
}

impl Cache {
    /// Sweeps a namespace, until it is done or the deadline has come.
    pub async fn sweep(&self, namespace: &Namespace) -> Result<Swept, Error> {
        let sweep = Sweep { cache: self.begin(), namespace };
        let mut swept = Swept::default();
        swept.complete = match sweep.everything(&mut swept).await {
            // The storage may be told to end its calls at the same deadline.
            Err(Error::Unavailable(_)) if sweep.is_over() => false,
            done => done?,
        };
        Ok(swept)
    }
}

#[derive(Clone, Copy)]
enum Kind {
    Records,
    Blobs,
    /// What belongs to the one entry whose id is in its key.
    Owned,
    UploadMarks,
}

struct Sweep<'a> {
    cache: Cache,
    namespace: &'a Namespace,
}

impl Sweep<'_> {
    async fn everything(&self, swept: &mut Swept) -> Result<bool, Error> {
        let layout = Layout::new(self.namespace);
        Ok(self.all(&layout.records(), Kind::Records, swept).await?
            && self.all(&layout.blobs(), Kind::Blobs, swept).await?
            && self.all(&layout.all_children(), Kind::Owned, swept).await?
            && self.all(&layout.all_revisions(), Kind::Owned, swept).await?
            && self.all(&layout.upload_marks(), Kind::UploadMarks, swept).await?)
    }

    fn is_over(&self) -> bool {
        self.cache.surroundings.now_ms() >= self.cache.deadline_ms.unwrap_or(u64::MAX)
    }

    /// Looks at every object in a folder, from a random place on and around. `false`: the deadline came first.
    async fn all(&self, folder: &str, kind: Kind, swept: &mut Swept) -> Result<bool, Error> {
        let start = format!("{folder}{:02x}", self.cache.surroundings.random() % 256);
        let from_start = self.part(folder, kind, Some(start.clone()), None, swept).await?;
        Ok(from_start && self.part(folder, kind, None, Some(&start), swept).await?)
    }

    async fn part(
        &self,
        folder: &str,
        kind: Kind,
        after: Option<String>,
        end: Option<&str>,
        swept: &mut Swept,
    ) -> Result<bool, Error> {
        // Names begin with the hash, so objects that share an index come one after the other. So do those of one entry.
        let mut index = RememberedIndex::default();
        let mut owner = None;
        let mut pages = self.cache.list(folder).after(after);
        while let Some(page) = pages.next().await? {
            for object in &page.objects {
                if end.is_some_and(|end| object.key.as_str() > end) {
                    return Ok(true);
                }
                if self.is_over() {
                    return Ok(false);
                }
                let looked = match kind {
                    Kind::Records => self.record(object, &mut index, swept).await,
                    Kind::Blobs => self.blob(object, &mut index, swept).await,
                    Kind::Owned => self.owned(object, &mut owner, swept).await,
                    Kind::UploadMarks => self.upload_mark(object, swept).await,
                };
                // What cannot be read belongs to somebody, and must not keep the rest from being swept.
                match looked {
                    Err(Error::Corrupt { object, problem }) => tracing::error!(%object, "left alone: {problem}"),
                    looked => looked?,
                }
            }
        }
        Ok(true)
    }

    async fn record(&self, object: &ListedObject, index: &mut RememberedIndex, swept: &mut Swept) -> Result<(), Error> {
        let Ok(key) = object.key.parse::<ObjectKey>() else { return Ok(()) };
        if object.size < DELETED_BELOW_BYTES {
            if self.is_old(object) {
                self.cache.remove(&key).await?;
                swept.graves += 1;
            }
            return Ok(());
        }
        // An id from elsewhere does not say which index lists it; what others have stored is left alone.
        let id = object.key.rsplit('/').next().and_then(|name| name.strip_suffix(".json")?.parse::<CacheId>().ok());
        let Some((id, parts)) = id.and_then(|id| Some((id, id.parts()?))) else { return Ok(()) };
        let loaded = index.of(self, &parts.cache_hash).await?;
        // What the index lists inline need not be read.
        if loaded.index.as_ref().and_then(|index| index.inline(id)).is_some_and(|listed| listed.expires_at.is_none()) {
            return Ok(());
        }
        let Some(record) = self.cache.read_record(&key).await? else { return Ok(()) };
        if record.is_expired(self.cache.surroundings.now_ms()) {
            self.cache.delete(self.namespace, id).await?;
            index.forget();
            swept.expired += 1;
        } else if self.is_old(object) && !self.is_listed(loaded.index.as_ref(), &record).await? {
            self.cache.remove(&key).await?;
            swept.records += 1;
        }
        Ok(())
    }

    async fn is_listed(&self, index: Option<&Index>, record: &Record) -> Result<bool, Error> {
        let Some(index) = index else { return Ok(false) };
        let key = Layout::new(self.namespace).hash_index(&record.cache_hash);
        let listed = Pages::new(&self.cache, self.namespace, &key).entry(index, record.cache_id, record.stored_at);
        Ok(listed.await?.is_some())
    }

    async fn blob(&self, object: &ListedObject, index: &mut RememberedIndex, swept: &mut Swept) -> Result<(), Error> {
        let Some((hash, token)) = object.key.rsplit('/').next().and_then(parse_blob_name) else { return Ok(()) };
        let Ok(key) = object.key.parse::<ObjectKey>() else { return Ok(()) };
        if !self.is_old(object) {
            return Ok(());
        }
        let in_use = match &index.of(self, &hash).await?.index {
            Some(index) => index.references(token),
            // Without an index a store that begins now may find this blob and reference it, unless its name is burnt first.
            None => !self.burn(&hash).await?,
        };
        if !in_use {
            self.cache.remove(&key).await?;
            swept.blobs += 1;
        }
        Ok(())
    }

    /// `owner` is the entry that was looked at last, and whether it is there.
    async fn owned(
        &self,
        object: &ListedObject,
        owner: &mut Option<(CacheId, bool)>,
        swept: &mut Swept,
    ) -> Result<(), Error> {
        let Ok(key) = object.key.parse::<ObjectKey>() else { return Ok(()) };
        let (Place::Child { cache_id, .. } | Place::Revision { cache_id }) = classify(&key) else { return Ok(()) };
        if !self.is_old(object) {
            return Ok(());
        }
        let is_there = match *owner {
            Some((known, is_there)) if known == cache_id => is_there,
            _ => self.cache.read_record(&Layout::new(self.namespace).record(cache_id)).await?.is_some(),
        };
        *owner = Some((cache_id, is_there));
        if !is_there {
            self.cache.remove(&key).await?;
            swept.orphans += 1;
        }
        Ok(())
    }

    async fn upload_mark(&self, object: &ListedObject, swept: &mut Swept) -> Result<(), Error> {
        let Ok(key) = object.key.parse::<ObjectKey>() else { return Ok(()) };
        if self.is_old(object) && classify(&key) == Place::UploadMark {
            self.cache.remove(&key).await?;
            swept.graves += 1;
        }
        Ok(())
    }

    /// Writes a tombstone where there is no index yet; `false` when a store was faster.
    async fn burn(&self, hash: &CacheHash) -> Result<bool, Error> {
        let tombstone = Index::new(String::new()).to_bytes();
        self.cache.create(&Layout::new(self.namespace).hash_index(hash), tombstone).await
    }

    fn is_old(&self, object: &ListedObject) -> bool {
        object.modified_ms + OLD_MS <= self.cache.surroundings.now_ms()
    }
}

/// The index that was read last.
#[derive(Default)]
struct RememberedIndex(Option<(CacheHash, LoadedIndex)>);

impl RememberedIndex {
    async fn of(&mut self, sweep: &Sweep<'_>, hash: &CacheHash) -> Result<LoadedIndex, Error> {
        if let Some((of, loaded)) = &self.0
            && of == hash
        {
            return Ok(loaded.clone());
        }
        let loaded = sweep.cache.load_index(&Layout::new(sweep.namespace).hash_index(hash)).await?;
        self.0 = Some((hash.clone(), loaded.clone()));
        Ok(loaded)
    }

    fn forget(&mut self) {
        self.0 = None;
    }
}

/// The inverse of how [`Layout::blob`] names a blob.
fn parse_blob_name(name: &str) -> Option<(CacheHash, BlobToken)> {
    match name.split_once('-') {
        Some((hash, token)) => Some((hash.parse().ok()?, token.parse().ok()?)),
        None => Some((name.parse().ok()?, BlobToken::PLAIN)),
    }
}
