//! The use cases of keys: create, read, list, change, rotate, delete, and look up the key of a request.

use std::cmp::min;
use std::sync::Arc;
use std::time::Duration;

use cache_core::clock::Clock;
use cache_core::digest::Sha256Digest;
use cache_core::error::Error;
use cache_core::layout::reserved;
use cache_core::rng::Rng;
use cache_core::storage::{GetOptions, GetResult, ListRequest, ObjectKey, PutMode, Storage, StorageError, Version};
use cache_core::time::UnixMillis;
use futures::stream::{self, StreamExt, TryStreamExt};

use crate::api_key::{ApiKey, KeyId};
use crate::look_up::{InMemory, KnownKey, KnownKeys};
use crate::record::{KeyRecord, KeySpec};
use crate::usage::{KeyUsage, UsageTable};

mod exchange;

/// How many calls to the storage one operation makes side by side.
const CONCURRENCY: usize = 32;
/// How often a change is tried when others change the same key.
const MAX_ATTEMPTS: usize = 10;

/// All keys of a storage. Cheap to clone; clones share what is in memory.
#[derive(Debug, Clone)]
pub struct Keyring {
    storage: Arc<dyn Storage>,
    shared: Arc<Shared>,
}

#[derive(Debug)]
struct Shared {
    clock: Arc<dyn Clock>,
    rng: Arc<dyn Rng>,
    /// Names this process in what it writes of usage.
    process: String,
    known: KnownKeys,
    usage: UsageTable,
}

/// A key that was just made, with its text, which nobody can read again.
#[derive(Debug)]
pub struct NewKey {
    /// The key.
    pub key: ApiKey,
    /// What is stored of it.
    pub record: KeyRecord,
}

/// A page of keys.
#[derive(Debug, Default)]
pub struct KeyPage {
    /// In the order of their ids.
    pub keys: Vec<KeyRecord>,
    /// The `cursor` of the next page; `None` on the last.
    pub next_cursor: Option<String>,
}

impl Keyring {
    /// The keys of a storage. `process` is a name that no other process has.
    pub fn new(storage: Arc<dyn Storage>, clock: Arc<dyn Clock>, rng: Arc<dyn Rng>, process: String) -> Self {
        let shared = Shared { clock, rng, process, known: KnownKeys::default(), usage: UsageTable::default() };
        Self { storage, shared: Arc::new(shared) }
    }

    /// The same keys through another view of their storage, such as one that counts.
    #[must_use]
    pub fn with_storage(&self, storage: Arc<dyn Storage>) -> Self {
        Self { storage, ..self.clone() }
    }

    /// Makes a key.
    ///
    /// # Errors
    ///
    /// `Invalid` when the specification makes no sense. When the storage does not respond, the key may be there, but nobody has it.
    pub async fn create(&self, spec: KeySpec, created_by: &str) -> Result<NewKey, Error> {
        check(&spec)?;
        let key = ApiKey::generate(self.shared.rng.as_ref());
        let digest = key.digest();
        let record = KeyRecord {
            id: KeyId::of(&digest),
            created_by: created_by.to_owned(),
            created_at: self.now(),
            disabled_at: None,
            replaced_by: None,
            spec,
        };
        let version = self.storage.put(&reserved::api_key(&digest), encode(&record).into(), PutMode::Create).await?;
        self.remember(digest, record.clone(), version, self.now());
        Ok(NewKey { key, record })
    }

    /// The key of this id.
    ///
    /// # Errors
    ///
    /// `Unavailable` when the storage does not respond.
    pub async fn get(&self, id: &KeyId) -> Result<Option<KeyRecord>, Error> {
        Ok(self.load(id).await?.map(|stored| stored.record))
    }

    /// A page of all keys for which `is_shown`, in the order of their ids.
    ///
    /// # Errors
    ///
    /// `Unavailable` when the storage does not respond.
    pub async fn list(
        &self,
        limit: usize,
        cursor: Option<&KeyId>,
        is_shown: impl Fn(&KeyRecord) -> bool,
    ) -> Result<KeyPage, Error> {
        let mut keys: Vec<KeyRecord> = Vec::new();
        // After all objects whose names begin with the id.
        let mut start_after = cursor.map(|id| format!("{}{id}g", reserved::API_KEYS));
        loop {
            let request =
                ListRequest { prefix: reserved::API_KEYS.to_owned(), start_after, limit: limit + 1, delimiter: false };
            let page = self.storage.list(&request).await?;
            let objects = page.objects.into_iter().filter_map(|object| object.key.parse::<ObjectKey>().ok());
            let reads = stream::iter(objects).map(|key| async move { self.read(&key).await }).buffered(CONCURRENCY);
            let read: Vec<Option<StoredKey>> = reads.try_collect().await?;
            keys.extend(read.into_iter().flatten().map(|stored| stored.record).filter(&is_shown));
            if keys.len() > limit {
                keys.truncate(limit);
                let next_cursor = keys.last().map(|last| last.id.to_string());
                return Ok(KeyPage { keys, next_cursor });
            }
            if page.next.is_none() {
                return Ok(KeyPage { keys, next_cursor: None });
            }
            start_after = page.next;
        }
    }

    /// Changes a key: `change` is applied to what is stored, again when another process was faster. `None` when there is no such key.
    /// Other processes go by the old state for up to a minute.
    ///
    /// # Errors
    ///
    /// What `change` returns; `Invalid` when the result makes no sense; `Unavailable` when the storage does not respond.
    pub async fn change<E: From<Error>>(
        &self,
        id: &KeyId,
        change: impl Fn(&mut KeyRecord) -> Result<(), E>,
    ) -> Result<Option<KeyRecord>, E> {
        for _ in 0..MAX_ATTEMPTS {
            let Some(StoredKey { key, digest, mut record, version }) = self.load(id).await? else { return Ok(None) };
            change(&mut record)?;
            check(&record.spec)?;
            match self.storage.put(&key, encode(&record).into(), PutMode::Update(version)).await {
                Ok(version) => {
                    self.remember(digest, record.clone(), version, self.now());
                    return Ok(Some(record));
                }
                Err(StorageError::Precondition { .. }) => {}
                Err(error) => return Err(Error::from(error).into()),
            }
        }
        Err(unavailable("too many changed the key at once").into())
    }

    /// Deletes a key, after `check` has agreed to what is stored. `false` when there is no such key.
    ///
    /// # Errors
    ///
    /// What `check` returns; `Unavailable` when the storage does not respond.
    pub async fn delete<E: From<Error>>(
        &self,
        id: &KeyId,
        check: impl Fn(&KeyRecord) -> Result<(), E>,
    ) -> Result<bool, E> {
        let Some(stored) = self.load(id).await? else { return Ok(false) };
        check(&stored.record)?;
        self.storage.delete(&stored.key).await.map_err(Error::from)?;
        self.shared.known.insert_unknown(stored.digest, self.now());
        self.shared.usage.forget(id);
        Ok(true)
    }

    /// Makes a key with the permissions and limits of another one, which stays valid for `overlap`. The new one lives as long as the
    /// old one was made for. `None` when there is no such key.
    ///
    /// # Errors
    ///
    /// What `check` returns of the old key; `Unavailable` when the storage does not respond.
    pub async fn rotate<E: From<Error>>(
        &self,
        id: &KeyId,
        overlap: Duration,
        created_by: &str,
        check: impl Fn(&KeyRecord) -> Result<(), E>,
    ) -> Result<Option<NewKey>, E> {
        let Some(old) = self.load(id).await? else { return Ok(None) };
        check(&old.record)?;
        let now = self.now();
        let mut spec = old.record.spec.clone();
        spec.not_before = None;
        spec.expires_at = spec.expires_at.map(|expires_at| now.plus(expires_at.since(old.record.created_at)));
        let new = self.create(spec, created_by).await?;
        let end = now.plus(overlap);
        let replaced = self
            .change(id, |record| {
                check(record)?;
                record.replaced_by = Some(new.record.id.clone());
                record.spec.expires_at = Some(record.spec.expires_at.map_or(end, |expires_at| min(expires_at, end)));
                // A key that was to be valid only later than it ends makes no sense.
                record.spec.not_before = record.spec.not_before.filter(|not_before| *not_before < end);
                Ok::<(), E>(())
            })
            .await;
        match replaced {
            Ok(Some(_)) => Ok(Some(new)),
            not_replaced => {
                // Nobody has the new key, and nobody should.
                let _ = self.storage.delete(&reserved::api_key(&new.key.digest())).await;
                not_replaced.map(|_| None)
            }
        }
    }

    /// What is known of the key of a request without asking the storage; `None` when the storage has to be asked.
    pub fn in_memory(&self, digest: &Sha256Digest, now: UnixMillis) -> Option<Option<Arc<KnownKey>>> {
        match self.shared.known.get(digest, now) {
            InMemory::Known(known) => Some(Some(known)),
            InMemory::Unknown => Some(None),
            InMemory::Stale(_) | InMemory::Nothing => None,
        }
    }

    /// The key of a request; `None` when there is no such key. Whether it is valid now is for [`KeyRecord::status`].
    ///
    /// # Errors
    ///
    /// `Unavailable` when the storage does not respond, or too many unknown keys were sent.
    pub async fn look_up(&self, digest: &Sha256Digest) -> Result<Option<Arc<KnownKey>>, Error> {
        let now = self.now();
        let known = match self.shared.known.get(digest, now) {
            InMemory::Known(known) => return Ok(Some(known)),
            InMemory::Unknown => return Ok(None),
            InMemory::Stale(known) => Some(known),
            InMemory::Nothing => {
                self.shared.known.admit_look_up(now)?;
                None
            }
        };
        let key = reserved::api_key(digest);
        let options =
            known.as_ref().map_or_else(GetOptions::default, |known| GetOptions::unless(known.version.clone()));
        let (record, version) = match (self.storage.get(&key, &options).await?, known) {
            (Some(GetResult::Object(object)), _) => (decode(&key, &object.bytes)?, object.version),
            (Some(GetResult::NotModified), Some(known)) => (known.record.clone(), known.version.clone()),
            (Some(GetResult::NotModified) | None, _) => {
                self.shared.known.insert_unknown(*digest, now);
                return Ok(None);
            }
        };
        Ok(Some(self.remember(*digest, record, version, now)))
    }

    /// Takes from the budget of look-ups for unknown callers, for another question to the storage that anybody can cause.
    ///
    /// # Errors
    ///
    /// `Unavailable` when there were too many.
    pub fn admit_unknown(&self) -> Result<(), Error> {
        self.shared.known.admit_look_up(self.now())
    }

    /// The use of a key in this process.
    fn usage(&self, id: &KeyId) -> Arc<KeyUsage> {
        self.shared.usage.of(id)
    }

    fn now(&self) -> UnixMillis {
        self.shared.clock.now()
    }

    fn remember(
        &self,
        digest: Sha256Digest,
        record: KeyRecord,
        version: Version,
        read_at: UnixMillis,
    ) -> Arc<KnownKey> {
        let usage = self.usage(&record.id);
        let known = Arc::new(KnownKey { record, usage, version, read_at });
        self.shared.known.insert(digest, Arc::clone(&known));
        known
    }

    /// The key of this id: its object is found by the beginning of its name.
    async fn load(&self, id: &KeyId) -> Result<Option<StoredKey>, Error> {
        let prefix = format!("{}{id}", reserved::API_KEYS);
        let request = ListRequest { prefix, limit: 1, ..ListRequest::default() };
        let page = self.storage.list(&request).await?;
        match page.objects.first().and_then(|object| object.key.parse().ok()) {
            Some(key) => self.read(&key).await,
            None => Ok(None),
        }
    }

    async fn read(&self, key: &ObjectKey) -> Result<Option<StoredKey>, Error> {
        let Some(digest) = reserved::api_key_digest(key) else { return Ok(None) };
        let object = self.storage.get(key, &GetOptions::default()).await?.and_then(GetResult::into_object);
        let Some(object) = object else { return Ok(None) };
        let record = decode(key, &object.bytes)?;
        Ok(Some(StoredKey { key: key.clone(), digest, record, version: object.version }))
    }
}

/// A key as it was read.
struct StoredKey {
    key: ObjectKey,
    digest: Sha256Digest,
    record: KeyRecord,
    version: Version,
}

fn check(spec: &KeySpec) -> Result<(), Error> {
    spec.check().map_err(|(field, message)| Error::Invalid { field, message })
}

fn encode(record: &KeyRecord) -> Vec<u8> {
    // Maps with text keys and numbers cannot fail.
    serde_json::to_vec(record).unwrap_or_default()
}

fn decode(key: &ObjectKey, bytes: &[u8]) -> Result<KeyRecord, Error> {
    serde_json::from_slice(bytes)
        .map_err(|error| Error::Corrupt { object: key.to_string(), problem: error.to_string() })
}

fn unavailable(message: &str) -> Error {
    Error::Unavailable { message: message.to_owned(), source: None }
}

#[cfg(test)]
mod tests;
