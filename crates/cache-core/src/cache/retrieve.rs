//! Retrieve: an entry by id, by hash or by key, with its content in one or two rounds.
//!
//! The keys of a record, its hash index and its content all follow from an id that this service made, so they are read
//! side by side. What the record says counts: when it names another object than the id did, that one is read.

use bytes::Bytes;
use futures::future::{OptionFuture, try_join};

use crate::content::Digest;
use crate::error::Error;
use crate::ids::{BlobToken, CacheHash, CacheId, Namespace};
use crate::index::Index;
use crate::layout::{KeyName, Layout};
use crate::record::Record;
use crate::storage::ObjectKey;

use super::Cache;
use super::pages::Pages;

/// How often an entry is looked at again when its parts do not fit together, before it is called corrupt or a miss. Only a
/// delete that runs at the same time explains that, and it has moved on by then.
const LOOKS: usize = 3;

/// Which entry.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Selector {
    /// The one with this id.
    Id(CacheId),
    /// The newest one with this hash, or the one with this version.
    Hash(CacheHash, Option<u64>),
    /// The newest one under this key and file id, or the one with this key version.
    Key(KeyName, Option<u64>),
}

/// An entry with its content.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Entry {
    /// Everything but the content.
    pub record: Record,
    /// The stored bytes, checked against the record's SHA-256.
    pub content: Bytes,
}

/// An entry's record and the index that lists it, as stored.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Details {
    /// The record.
    pub record: Record,
    /// The hash index. `None` while the store that writes it is on its way.
    pub hash_index: Option<Index>,
}

/// A record, and the content if it came along.
type Found = (Record, Option<Bytes>);

impl Cache {
    /// An entry with its content; `None` when there is none.
    ///
    /// Errors: `Corrupt` when the content is missing or not the one that was stored.
    pub async fn retrieve(&self, namespace: &Namespace, selector: &Selector) -> Result<Option<Entry>, Error> {
        let entry = self.retrieve_also_expired(namespace, selector).await?;
        Ok(entry.filter(|entry| !entry.record.is_expired(self.surroundings.now_ms())))
    }

    /// As [`Cache::retrieve`], whether the entry has expired or not.
    pub(super) async fn retrieve_also_expired(
        &self,
        namespace: &Namespace,
        selector: &Selector,
    ) -> Result<Option<Entry>, Error> {
        let mut problem = None;
        for _ in 0..LOOKS {
            let Some((record, content)) = self.find(namespace, selector, true).await? else { return Ok(None) };
            let content = match content.filter(|content| is_content_of(&record, content)) {
                Some(content) => Some(content),
                None => self.read(&record.current().key).await?,
            };
            match content {
                Some(content) if is_content_of(&record, &content) => return Ok(Some(Entry { record, content })),
                Some(_) => problem = Some((record, "the content is not the one that was stored: its SHA-256 differs")),
                None => problem = Some((record, "the content is missing")),
            }
        }
        let Some((record, what)) = problem else { return Ok(None) };
        if !self.is_stored(&record).await? {
            return Ok(None);
        }
        let error = Error::corrupt(format_args!("{namespace}/{} ({})", record.cache_id, record.current().key), what);
        tracing::error!(%namespace, cache_id = %record.cache_id, "{error}");
        Err(error)
    }

    /// Whether an entry is there for good: not deleted since, nor left behind by a store that never came to its end.
    async fn is_stored(&self, record: &Record) -> Result<bool, Error> {
        let layout = Layout::new(&record.namespace);
        let (record_key, index_key) = (layout.record(record.cache_id), layout.hash_index(&record.cache_hash));
        let (found, loaded) = try_join(self.read_record(&record_key), self.load_index(&index_key)).await?;
        let Some(index) = loaded.index.filter(|_| found.is_some()) else { return Ok(false) };
        let pages = Pages::new(self, &record.namespace, &index_key);
        Ok(pages.entry(&index, record.cache_id, record.stored_at).await?.is_some())
    }

    /// An entry without its content; `None` when there is none.
    pub async fn record(&self, namespace: &Namespace, selector: &Selector) -> Result<Option<Record>, Error> {
        let found = self.find(namespace, selector, false).await?;
        Ok(found.map(|(record, _)| record).filter(|record| !record.is_expired(self.surroundings.now_ms())))
    }

    /// An entry's record and hash index as stored; `None` when there is no such entry.
    pub async fn details(&self, namespace: &Namespace, selector: &Selector) -> Result<Option<Details>, Error> {
        let layout = Layout::new(namespace);
        let guess = match selector {
            Selector::Id(id) => id.parts().map(|parts| parts.cache_hash),
            Selector::Hash(hash, _) => Some(hash.clone()),
            Selector::Key(..) => None,
        };
        let guess_key = guess.as_ref().map(|hash| layout.hash_index(hash));
        let index: OptionFuture<_> = guess_key.as_ref().map(|key| self.load_index(key)).into();
        let index = async { index.await.transpose() };
        let (record, index) = try_join(self.record(namespace, selector), index).await?;
        let Some(record) = record else { return Ok(None) };
        let hash_index = match index {
            Some(loaded) if guess.as_ref() == Some(&record.cache_hash) => loaded.index,
            _ => self.load_index(&layout.hash_index(&record.cache_hash)).await?.index,
        };
        Ok(Some(Details { record, hash_index }))
    }

    /// An entry with the content of its n-th revision, 0 being the one it was stored with; `None` when there is no such
    /// entry or revision. The record then describes that revision as the current one.
    pub async fn retrieve_revision(
        &self,
        namespace: &Namespace,
        selector: &Selector,
        number: u64,
    ) -> Result<Option<Entry>, Error> {
        let Some(mut record) = self.record(namespace, selector).await? else { return Ok(None) };
        if number == 0 {
            record.revision = None;
        } else if record.revision.as_ref().is_none_or(|newest| newest.number < number) {
            return Ok(None);
        } else {
            let description = Layout::new(namespace).revision_description(record.cache_id, number);
            let Some(bytes) = self.read(&description).await? else { return Ok(None) };
            let revision = serde_json::from_slice(&bytes).map_err(|error| Error::corrupt(&description, error))?;
            record.revision = Some(revision);
        }
        match self.read(&record.current().key).await? {
            Some(content) if is_content_of(&record, &content) => Ok(Some(Entry { record, content })),
            Some(_) => Err(Error::corrupt(record.current().key, "the content is not the one that was written")),
            None => Ok(None),
        }
    }

    /// The index of all versions with a hash; `None` when there is none.
    pub async fn hash_index(&self, namespace: &Namespace, hash: &CacheHash) -> Result<Option<Index>, Error> {
        let loaded = self.load_index(&Layout::new(namespace).hash_index(hash)).await?;
        Ok(loaded.index.filter(|index| !index.is_tombstone()))
    }

    async fn find(&self, namespace: &Namespace, selector: &Selector, content: bool) -> Result<Option<Found>, Error> {
        let layout = Layout::new(namespace);
        match selector {
            Selector::Id(id) => self.find_by_id(namespace, *id, content).await,
            Selector::Hash(hash, version) => {
                let plain = (content && version.is_none()).then(|| layout.blob(hash, BlobToken::PLAIN));
                self.find_by_index(namespace, &layout.hash_index(hash), *version, plain, content).await
            }
            Selector::Key(name, version) => {
                self.find_by_index(namespace, &layout.key_index(name), *version, None, content).await
            }
        }
    }

    async fn find_by_id(&self, namespace: &Namespace, id: CacheId, content: bool) -> Result<Option<Found>, Error> {
        let layout = Layout::new(namespace);
        let guess = id.parts().filter(|_| content).map(|parts| layout.blob(&parts.cache_hash, parts.token));
        let key = layout.record(id);
        let (record, blob) = try_join(self.read_record(&key), self.read_if(guess.as_ref())).await?;
        Ok(record.map(|record| (record, blob)))
    }

    /// The newest or the given version that an index lists. `guess` is read beside the index.
    async fn find_by_index(
        &self,
        namespace: &Namespace,
        key: &ObjectKey,
        version: Option<u64>,
        guess: Option<ObjectKey>,
        content: bool,
    ) -> Result<Option<Found>, Error> {
        for _ in 0..LOOKS {
            let (loaded, blob) = try_join(self.load_index(key), self.read_if(guess.as_ref())).await?;
            let Some(index) = loaded.index else { return Ok(None) };
            let listed = match version {
                None => index.newest(),
                Some(version) => Pages::new(self, namespace, key).version(&index, version).await?,
            };
            let Some(listed) = listed else { return Ok(None) };
            if let Some(record) = index.latest.filter(|record| record.cache_id == listed.cache_id) {
                return Ok(Some((*record, blob)));
            }
            // The record has to be read anyway, so the blob need not have been guessed right.
            let found = self.find_by_id(namespace, listed.cache_id, content && blob.is_none()).await?;
            if let Some((record, content)) = found {
                return Ok(Some((record, content.or(blob))));
            }
            // It was deleted after the index was read, which by now names another one, or none.
        }
        Ok(None)
    }

    async fn read_if(&self, key: Option<&ObjectKey>) -> Result<Option<Bytes>, Error> {
        match key {
            Some(key) => self.read(key).await,
            None => Ok(None),
        }
    }
}

fn is_content_of(record: &Record, content: &Bytes) -> bool {
    let current = record.current();
    content.len() as u64 == current.size && Digest::of(content) == current.sha256
}
