//! Retrieve: an entry by id, by hash or by key, with its content in one or two rounds.
//!
//! The keys of a record, its hash index and its content all follow from an id that this service made, so they are read
//! side by side. What the record says counts: when it names another object than the id did, that one is read.

use std::time::Duration;

use bytes::Bytes;
use futures::future::{OptionFuture, try_join};
use thiserror::Error;

use crate::error::Error;
use crate::ids::{BlobToken, CacheHash, CacheId, Namespace};
use crate::index::Index;
use crate::layout::{KeyName, Layout};
use crate::record::Record;
use crate::storage::{AnswerHeaders, ObjectKey};

use super::Cache;
use super::blobs::Blob;
use super::pages::Pages;

/// How often an entry is looked at again when its parts do not fit together, before it is called corrupt or a miss. Only a
/// delete that runs at the same time explains that, and it has moved on by then.
const LOOKS: usize = 3;

/// For how long a client may begin to read straight from the storage: it follows a redirect at once.
const READ_WITHIN: Duration = Duration::from_secs(5 * 60);

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

/// An entry that may be too large to be read as a whole.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Retrieved {
    /// With its content.
    Whole(Entry),
    /// Its content is larger than the caller can take. It is there and has the size that the record says; its bytes were
    /// not compared.
    TooLarge(Record),
}

/// A record, and what came along of the content.
type Found = (Record, Option<Guess>);

/// What was read on the guess that it is the content.
enum Guess {
    Whole(Blob),
    /// More than the caller can take. This is the size.
    TooLarge(u64),
}

/// What is wrong with a content.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Error)]
enum Flaw {
    #[error("the content is missing")]
    Missing,
    #[error("the content is not the one that was stored: its SHA-256 differs")]
    Other,
}

impl Cache {
    /// An entry with its content; `None` when there is none.
    ///
    /// Errors: `Corrupt` when the content is missing or not the one that was stored; `TooLarge` when it cannot be held in
    /// memory.
    pub async fn retrieve(&self, namespace: &Namespace, selector: &Selector) -> Result<Option<Entry>, Error> {
        let entry = self.retrieve_also_expired(namespace, selector).await?;
        Ok(entry.filter(|entry| !entry.record.is_expired(self.surroundings.now_ms())))
    }

    /// As [`Cache::retrieve`], with a content of up to `most` bytes. No more than that and one is read of a larger one.
    pub async fn retrieve_within(
        &self,
        namespace: &Namespace,
        selector: &Selector,
        most: u64,
    ) -> Result<Option<Retrieved>, Error> {
        let found = self.look_up(namespace, selector, most).await?;
        Ok(found.filter(|found| !found.record().is_expired(self.surroundings.now_ms())))
    }

    /// As [`Cache::retrieve`], whether the entry has expired or not.
    pub(super) async fn retrieve_also_expired(
        &self,
        namespace: &Namespace,
        selector: &Selector,
    ) -> Result<Option<Entry>, Error> {
        match self.look_up(namespace, selector, self.largest_in_memory).await? {
            None => Ok(None),
            Some(Retrieved::Whole(entry)) => Ok(Some(entry)),
            Some(Retrieved::TooLarge(record)) => {
                Err(Error::TooLarge { size: record.current().size, limit: self.largest_in_memory })
            }
        }
    }

    async fn look_up(&self, namespace: &Namespace, selector: &Selector, most: u64) -> Result<Option<Retrieved>, Error> {
        let mut problem = None;
        for _ in 0..LOOKS {
            let Some((record, guess)) = self.find(namespace, selector, Some(most)).await? else { return Ok(None) };
            match self.content_of(&record, guess, most).await? {
                Ok(content) => return Ok(Some(Retrieved::new(record, content))),
                Err(what) => problem = Some((record, what)),
            }
        }
        match problem {
            Some((record, flaw)) => self.explain(&record, flaw).await,
            None => Ok(None),
        }
    }

    /// What it means that a content had a flaw at every look: `None` when its entry was deleted meanwhile, else it is corrupt.
    async fn explain(&self, record: &Record, flaw: Flaw) -> Result<Option<Retrieved>, Error> {
        if !self.is_stored(record).await? {
            return Ok(None);
        }
        let (namespace, cache_id) = (&record.namespace, record.cache_id);
        let error = Error::corrupt(format_args!("{namespace}/{cache_id} ({})", record.current().key), flaw);
        tracing::error!(%namespace, %cache_id, "{error}");
        Err(error)
    }

    /// The content that a record names, `None` when it is larger than `most`; or what is wrong with it.
    async fn content_of(
        &self,
        record: &Record,
        guess: Option<Guess>,
        most: u64,
    ) -> Result<Result<Option<Bytes>, Flaw>, Error> {
        let current = record.current();
        if current.size > most {
            let size = match guess {
                Some(Guess::TooLarge(size)) if size == current.size => Some(size),
                _ => self.storage.head(&current.key).await?.map(|head| head.size),
            };
            return Ok(match size {
                Some(size) if size == current.size => Ok(None),
                Some(_) => Err(Flaw::Other),
                None => Err(Flaw::Missing),
            });
        }
        let is_it = |blob: &Blob| blob.sha256 == current.sha256;
        let guess = match guess {
            Some(Guess::Whole(blob)) if is_it(&blob) => Some(blob),
            _ => self.blobs.get(&current.key).filter(is_it),
        };
        let blob = match guess {
            Some(blob) => Some(blob),
            None => self.read(&current.key).await?.map(Blob::of),
        };
        Ok(match blob {
            Some(blob) if is_it(&blob) => {
                self.blobs.keep(&current.key, &blob);
                Ok(Some(blob.bytes))
            }
            Some(_) => Err(Flaw::Other),
            None => Err(Flaw::Missing),
        })
    }

    /// Where a client reads the content of an entry straight from the storage, within some minutes and with these headers;
    /// `None` when the storage does not sign such requests.
    pub async fn presigned_get(&self, record: &Record, answer: &AnswerHeaders) -> Result<Option<String>, Error> {
        let Some(presigner) = self.storage.presigner() else { return Ok(None) };
        Ok(Some(presigner.presigned_get(&record.current().key, answer, READ_WITHIN).await?))
    }

    /// Whether clients can read and write straight from and to the storage.
    pub fn presigns(&self) -> bool {
        self.storage.presigner().is_some()
    }

    /// Whether an entry is there for good: not deleted since, nor left behind by a store that never came to its end.
    async fn is_stored(&self, record: &Record) -> Result<bool, Error> {
        let record_key = Layout::new(&record.namespace).record(record.cache_id);
        let (found, listed) = try_join(self.read_record(&record_key), self.is_listed(record)).await?;
        Ok(found.is_some() && listed)
    }

    /// Whether the hash index of an entry lists it.
    pub(super) async fn is_listed(&self, record: &Record) -> Result<bool, Error> {
        let index_key = Layout::new(&record.namespace).hash_index(&record.cache_hash);
        let Some(index) = self.load_index(&index_key).await?.index else { return Ok(false) };
        let pages = Pages::new(self, &record.namespace, &index_key);
        Ok(pages.entry(&index, record.cache_id, record.stored_at).await?.is_some())
    }

    /// An entry without its content; `None` when there is none.
    pub async fn record(&self, namespace: &Namespace, selector: &Selector) -> Result<Option<Record>, Error> {
        let found = self.find(namespace, selector, None).await?;
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

    /// An entry with the content of up to `most` bytes of its n-th revision, 0 being the one it was stored with; `None` when
    /// there is no such entry or revision. The record then describes that revision as the current one.
    ///
    /// Errors: `Corrupt` when the content is missing or not the one that was stored.
    pub async fn retrieve_revision(
        &self,
        namespace: &Namespace,
        selector: &Selector,
        number: u64,
        most: u64,
    ) -> Result<Option<Retrieved>, Error> {
        let mut problem = None;
        for _ in 0..LOOKS {
            // A revision whose update lost a race is taken away again, its description beside its content.
            let Some(record) = self.record_at(namespace, selector, number).await? else { return Ok(None) };
            match self.content_of(&record, None, most).await? {
                Ok(content) => return Ok(Some(Retrieved::new(record, content))),
                Err(flaw) => problem = Some((record, flaw)),
            }
        }
        match problem {
            Some((record, flaw)) => self.explain(&record, flaw).await,
            None => Ok(None),
        }
    }

    /// The record of an entry as of its n-th revision.
    async fn record_at(
        &self,
        namespace: &Namespace,
        selector: &Selector,
        number: u64,
    ) -> Result<Option<Record>, Error> {
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
        Ok(Some(record))
    }

    /// The index of all versions with a hash; `None` when there is none.
    pub async fn hash_index(&self, namespace: &Namespace, hash: &CacheHash) -> Result<Option<Index>, Error> {
        let loaded = self.load_index(&Layout::new(namespace).hash_index(hash)).await?;
        Ok(loaded.index.filter(|index| !index.is_tombstone()))
    }

    /// A record, and beside it up to `most` bytes of what may be its content; with `None`, only the record.
    async fn find(
        &self,
        namespace: &Namespace,
        selector: &Selector,
        most: Option<u64>,
    ) -> Result<Option<Found>, Error> {
        let layout = Layout::new(namespace);
        match selector {
            Selector::Id(id) => self.find_by_id(namespace, *id, most).await,
            Selector::Hash(hash, version) => {
                let plain = (most.is_some() && version.is_none()).then(|| layout.blob(hash, BlobToken::PLAIN));
                self.find_by_index(namespace, &layout.hash_index(hash), *version, plain, most).await
            }
            Selector::Key(name, version) => {
                self.find_by_index(namespace, &layout.key_index(name), *version, None, most).await
            }
        }
    }

    async fn find_by_id(&self, namespace: &Namespace, id: CacheId, most: Option<u64>) -> Result<Option<Found>, Error> {
        let layout = Layout::new(namespace);
        let guess = id.parts().filter(|_| most.is_some()).map(|parts| layout.blob(&parts.cache_hash, parts.token));
        let key = layout.record(id);
        let (record, blob) = try_join(self.read_record(&key), self.guess(guess.as_ref(), most)).await?;
        Ok(record.map(|record| (record, blob)))
    }

    /// The newest or the given version that an index lists. `guess` is read beside the index.
    async fn find_by_index(
        &self,
        namespace: &Namespace,
        key: &ObjectKey,
        version: Option<u64>,
        guess: Option<ObjectKey>,
        most: Option<u64>,
    ) -> Result<Option<Found>, Error> {
        for _ in 0..LOOKS {
            let (loaded, blob) = try_join(self.load_index(key), self.guess(guess.as_ref(), most)).await?;
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
            let found = self.find_by_id(namespace, listed.cache_id, most.filter(|_| blob.is_none())).await?;
            if let Some((record, content)) = found {
                return Ok(Some((record, content.or(blob))));
            }
            // It was deleted after the index was read, which by now names another one, or none.
        }
        Ok(None)
    }

    /// Up to `most` bytes of a content, from memory or from the storage.
    async fn guess(&self, key: Option<&ObjectKey>, most: Option<u64>) -> Result<Option<Guess>, Error> {
        let (Some(key), Some(most)) = (key, most) else { return Ok(None) };
        if let Some(blob) = self.blobs.get(key) {
            return Ok(Some(Guess::Whole(blob)));
        }
        // One byte more tells that there are more.
        let range = (most < u64::MAX).then(|| 0..most + 1);
        Ok(self.storage.get(key, range).await?.map(|object| match object.size > most {
            true => Guess::TooLarge(object.size),
            false => Guess::Whole(Blob::of(object.bytes)),
        }))
    }
}

impl Retrieved {
    fn new(record: Record, content: Option<Bytes>) -> Self {
        match content {
            Some(content) => Self::Whole(Entry { record, content }),
            None => Self::TooLarge(record),
        }
    }

    /// Everything but the content.
    pub fn record(&self) -> &Record {
        match self {
            Self::Whole(entry) => &entry.record,
            Self::TooLarge(record) => record,
        }
    }
}
