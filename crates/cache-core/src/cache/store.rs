//! Store: the protocol that keeps one copy of equal content and loses no entry.
//!
//! Round 1 writes blob and record create-only while it reads the indexes; round 2 lists the entry in the hash index with a
//! compare-and-swap. What round 1 finds decides which blob the entry references:
//!
//! | hash index | blob under the plain name | the entry references |
//! |---|---|---|
//! | lists a live blob with these bytes | | that one |
//! | absent | created now | the plain one |
//! | absent | there already, with these bytes (a twin in flight, or a leftover) | the plain one |
//! | anything else: other bytes under this hash, or a burnt name | | a new one under a fresh token |
//!
//! Keyed stores then do the same with the key index, and bring the view of the key up to date.

use bytes::Bytes;
use futures::future::{OptionFuture, try_join, try_join4};

use crate::content::Content;
use crate::error::Error;
use crate::ids::{BlobToken, CacheId, CacheKey, FileId, IdParts, Namespace};
use crate::index::Index;
use crate::layout::Layout;
use crate::record::{GRAVE, Record};
use crate::settings::Settings;
use crate::storage::ObjectKey;
use crate::strategy::Strategy;

use super::blobs::Blob;
use super::swap::{Addition, Change, Claim, Outcome, Pause};
use super::views::{After, Paths, shared_view, unique_view};
use super::{Cache, LoadedIndex};

/// Contents larger than this are first looked up in the index: they are worth a round to not be sent twice.
const LOOK_FIRST_ABOVE_BYTES: usize = 1024 * 1024;

/// How many names are tried for a blob or a record. Of 2^18 tokens few are ever taken, so a second try is rare already.
pub(super) const MOST_NAMES: usize = 16;

/// What to store, and how it is to be found.
#[derive(Debug, Clone)]
pub struct StoreRequest {
    /// Where it lives.
    pub namespace: Namespace,
    /// How it can be found beside its id and hash.
    pub strategy: Strategy,
    /// The readable path it is stored under.
    pub cache_key: Option<CacheKey>,
    /// Its file name under that path. Without a key it has no effect.
    pub file_id: Option<FileId>,
    /// The content.
    pub content: Content,
}

/// What became of a [`StoreRequest`].
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Stored {
    /// The new entry.
    pub record: Record,
    /// Its position among the versions under its hash, from 1.
    pub version: u64,
    /// Its position among the versions under its key and file id, from 1; `None` when it has not both.
    pub key_version: Option<u64>,
    /// Whether the content was there already.
    pub deduplicated: bool,
    /// The objects that it consists of.
    pub paths: Paths,
}

/// A store whose blob and record are written, and which the indexes do not list yet.
pub(super) struct Placed {
    pub(super) record: Record,
    pub(super) claim: Claim,
    pub(super) deduplicated: bool,
    pub(super) hash_index: LoadedIndex,
    pub(super) key_index: LoadedIndex,
    /// Whether an earlier request may have listed it in part.
    pub(super) again: bool,
}

impl Cache {
    /// Stores a content as a new entry, and returns when everything the answer promises is durable.
    ///
    /// Errors: `Invalid` when the key leads to a path that is too long; `Unavailable` when the storage does not answer, or
    /// others win every race until the deadline. Nothing is listed then; what was written is left for the sweep.
    pub async fn store(&self, request: &StoreRequest) -> Result<Stored, Error> {
        let cache = self.begin();
        let mut draft = Draft { request, stored_at: cache.surroundings.now_ms(), expires_at: None };
        check_views(&draft.record(BlobToken::PLAIN, 0))?;
        let mut placed = cache.place_by_settings(&mut draft).await?;
        let mut pause = Pause::new(&cache);
        loop {
            let index = draft.layout().hash_index(request.content.cache_hash());
            match cache.list_by_hash(&index, &placed, request.content.bytes()).await? {
                Some(version) => {
                    let stored = cache.finish(placed, version, request.content.bytes()).await?;
                    let blob = Blob { bytes: request.content.bytes().clone(), sha256: stored.record.sha256 };
                    cache.blobs.keep(&stored.record.blob(), &blob);
                    return Ok(stored);
                }
                // A delete took the blob, or a twin was faster with another one: with a new id, from the start.
                None => {
                    cache.abandon(&placed).await?;
                    pause.wait(&index).await?;
                    placed = cache.place(&draft).await?;
                }
            }
        }
    }

    /// Writes blob and record as the settings of the namespace say. When those are not known, round 1 does not wait for
    /// them: most namespaces have none, and where that guess was wrong, the record is written again or taken back.
    async fn place_by_settings(&self, draft: &mut Draft<'_>) -> Result<Placed, Error> {
        let namespace = &draft.request.namespace;
        if let Some(settings) = self.remembered_settings(namespace) {
            draft.obey(&settings, self.default_ttl_hours)?;
            return self.place(draft).await;
        }
        let (mut placed, settings) = try_join(self.place(draft), self.settings(namespace)).await?;
        if let Err(refused) = draft.obey(&settings, self.default_ttl_hours) {
            self.abandon(&placed).await?;
            return Err(refused);
        }
        if draft.expires_at.is_some() {
            placed.record.expires_at = draft.expires_at;
            let record = &placed.record;
            self.overwrite(&draft.layout().record(record.cache_id), record.to_bytes()).await?;
        }
        Ok(placed)
    }

    /// Writes blob and record.
    async fn place(&self, draft: &Draft<'_>) -> Result<Placed, Error> {
        let content = &draft.request.content;
        let first = draft.record(BlobToken::PLAIN, self.surroundings.random());
        let (hash_key, key_key) = (draft.layout().hash_index(&first.cache_hash), draft.key_index(&first));
        let read_hash = self.load_index(&hash_key);
        let read_key = self.load_key_index(key_key.as_ref());
        // The content of a store by field is likely to differ from what is there, and a big one is worth a look.
        if content.json_field_path().is_some() || content.bytes().len() > LOOK_FIRST_ABOVE_BYTES {
            let (hash_index, key_index) = try_join(read_hash, read_key).await?;
            return self.place_after_look(draft, first, hash_index, key_index).await;
        }
        let write_blob = self.write_blob(&first, content.bytes());
        let write_record = self.write_record(&first);
        let (blob, recorded, hash_index, key_index) = try_join4(write_blob, write_record, read_hash, read_key).await?;
        let tried = Tried { blob: Some(blob), recorded };
        self.choose_blob(draft, first, tried, hash_index, key_index).await
    }

    /// As [`Cache::place`], when the indexes are known before anything is written.
    async fn place_after_look(
        &self,
        draft: &Draft<'_>,
        first: Record,
        hash_index: LoadedIndex,
        key_index: LoadedIndex,
    ) -> Result<Placed, Error> {
        let mut tried = Tried { blob: None, recorded: false };
        if hash_index.index.is_none() {
            let bytes = draft.request.content.bytes();
            let (blob, recorded) = try_join(self.write_blob(&first, bytes), self.write_record(&first)).await?;
            tried = Tried { blob: Some(blob), recorded };
        }
        self.choose_blob(draft, first, tried, hash_index, key_index).await
    }

    /// Decides by the table in the module's docs, and writes what that takes.
    async fn choose_blob(
        &self,
        draft: &Draft<'_>,
        first: Record,
        tried: Tried,
        hash_index: LoadedIndex,
        key_index: LoadedIndex,
    ) -> Result<Placed, Error> {
        let live = hash_index.index.as_ref().and_then(|index| index.token_of(&first.sha256));
        let absent = hash_index.index.is_none();
        let (token, created) = match live {
            Some(token) => (Some(token), false),
            None if absent && tried.blob == Some(true) => (Some(BlobToken::PLAIN), true),
            None if absent && self.holds(&first.blob(), draft.request.content.bytes()).await? => {
                (Some(BlobToken::PLAIN), false)
            }
            None => (None, true),
        };
        let claim = if token.is_some() { Claim::Shared } else { Claim::Private };
        // Under a present index that does not reference it, nobody else can refer to the blob that was just created.
        let plain_in_use = hash_index.index.as_ref().is_none_or(|index| index.references(BlobToken::PLAIN));
        let in_vain = tried.blob == Some(true) && !plain_in_use;
        let record = if token == Some(BlobToken::PLAIN) && tried.recorded {
            first
        } else {
            let tidy = self.tidy(&first, tried.recorded, in_vain);
            try_join(self.write_elsewhere(draft, token), tidy).await?.0
        };
        Ok(Placed { record, claim, deduplicated: !created, hash_index, key_index, again: false })
    }

    /// Writes a record under a new id, and the blob that it names unless that is there (`token`).
    async fn write_elsewhere(&self, draft: &Draft<'_>, token: Option<BlobToken>) -> Result<Record, Error> {
        let mut blob_written = token.is_some();
        let mut token = token.unwrap_or_else(|| BlobToken::fresh(self.surroundings.random()));
        for _ in 0..MOST_NAMES {
            let record = draft.record(token, self.surroundings.random());
            let blob: OptionFuture<_> =
                (!blob_written).then(|| self.write_blob(&record, draft.request.content.bytes())).into();
            let (blob, recorded) = futures::future::join(blob, self.write_record(&record)).await;
            blob_written |= blob.transpose()?.unwrap_or(false);
            match (blob_written, recorded?) {
                (true, true) => return Ok(record),
                (true, false) => {}
                (false, recorded) => {
                    if recorded {
                        self.remove(&draft.layout().record(record.cache_id)).await?;
                    }
                    token = BlobToken::fresh(self.surroundings.random());
                }
            }
        }
        let hash = draft.request.content.cache_hash();
        Err(Error::Unavailable(format!("no free name was found for the content {hash}: try again")))
    }

    /// Removes what round 1 wrote and the entry does not use.
    async fn tidy(&self, first: &Record, recorded: bool, blob_in_vain: bool) -> Result<(), Error> {
        let record_key = Layout::new(&first.namespace).record(first.cache_id);
        let blob_key = first.blob();
        let record: OptionFuture<_> = recorded.then(|| self.remove(&record_key)).into();
        let blob: OptionFuture<_> = blob_in_vain.then(|| self.remove(&blob_key)).into();
        let (record, blob) = futures::future::join(record, blob).await;
        record.transpose()?;
        blob.transpose()?;
        Ok(())
    }

    /// Lists the entry in the hash index and writes its own view beside; `None` when the store has to start over.
    pub(super) async fn list_by_hash(
        &self,
        index: &ObjectKey,
        placed: &Placed,
        content: &Bytes,
    ) -> Result<Option<u64>, Error> {
        let record = &placed.record;
        let of = Index::of_hash(&record.cache_hash);
        let change = addition(record, of, placed.claim, &placed.hash_index, placed.again);
        let swap = self.swap(&record.namespace, index, placed.hash_index.clone(), change);
        let (outcome, ()) = try_join(swap, self.write_unique_view(record, content)).await?;
        Ok(match outcome {
            Outcome::Added { version } => Some(version),
            _ => None,
        })
    }

    /// Lists the entry in the key index, if it has one, and makes the answer.
    pub(super) async fn finish(&self, placed: Placed, version: u64, content: &Bytes) -> Result<Stored, Error> {
        let Placed { record, deduplicated, key_index, again, .. } = placed;
        let mut key_version = None;
        if let Some(name) = record.key_name() {
            let index = Layout::new(&record.namespace).key_index(&name);
            let change = addition(&record, Index::of_key(&name), Claim::Unchecked, &key_index, again);
            let swap = self.swap(&record.namespace, &index, key_index, change);
            let (outcome, view) = try_join(swap, self.write_shared_view(&record, content)).await?;
            if let Outcome::Added { version } = outcome {
                key_version = Some(version);
            }
            let after = view.map_or(After::Unsure, |state| After::Written { state });
            self.settle_shared_view(&record, after).await?;
        }
        let paths = Paths::of(&record);
        Ok(Stored { record, version, key_version, deduplicated, paths })
    }

    /// Takes back what a store wrote that has to start over. The grave stops a create that is still on its way.
    async fn abandon(&self, placed: &Placed) -> Result<(), Error> {
        let record = &placed.record;
        let record_key = Layout::new(&record.namespace).record(record.cache_id);
        let blob_key = record.blob();
        let view_key = unique_view(record).ok().flatten();
        let blob: OptionFuture<_> = (placed.claim == Claim::Private).then(|| self.remove(&blob_key)).into();
        let view: OptionFuture<_> = view_key.as_ref().map(|view| self.remove(view)).into();
        let (grave, blob, view) =
            futures::future::join3(self.overwrite(&record_key, Bytes::from_static(GRAVE)), blob, view).await;
        grave?;
        blob.transpose()?;
        view.transpose()?;
        Ok(())
    }

    async fn write_blob(&self, record: &Record, bytes: &Bytes) -> Result<bool, Error> {
        self.create(&record.blob(), bytes.clone()).await
    }

    /// Writes a record create-only; `false` when another entry has its id. After a lost reply, what is there is ours.
    pub(super) async fn write_record(&self, record: &Record) -> Result<bool, Error> {
        let key = Layout::new(&record.namespace).record(record.cache_id);
        let bytes = Bytes::from(record.to_bytes());
        Ok(self.create(&key, bytes.clone()).await? || self.holds(&key, &bytes).await?)
    }

    async fn holds(&self, key: &ObjectKey, bytes: &Bytes) -> Result<bool, Error> {
        Ok(self.read(key).await?.as_ref() == Some(bytes))
    }

    pub(super) async fn load_key_index(&self, key: Option<&ObjectKey>) -> Result<LoadedIndex, Error> {
        match key {
            Some(key) => self.load_index(key).await,
            None => Ok(LoadedIndex::default()),
        }
    }
}

/// What round 1 wrote: whether the plain blob was created (`None`: not tried), and whether the first record was.
struct Tried {
    blob: Option<bool>,
    recorded: bool,
}

/// A request with the time at which it is stored: all of a record but its token and id.
struct Draft<'a> {
    request: &'a StoreRequest,
    stored_at: u64,
    expires_at: Option<u64>,
}

impl<'a> Draft<'a> {
    fn layout(&self) -> Layout<'a> {
        Layout::new(&self.request.namespace)
    }

    /// Takes the settings of the namespace into account.
    fn obey(&mut self, settings: &Settings, default_ttl_hours: u32) -> Result<(), Error> {
        check_strategy(settings, &self.request.namespace, self.request.strategy)?;
        self.expires_at = settings.expires_at(self.stored_at, default_ttl_hours);
        Ok(())
    }

    fn key_index(&self, record: &Record) -> Option<ObjectKey> {
        record.key_name().map(|name| self.layout().key_index(&name))
    }

    fn record(&self, token: BlobToken, random: u64) -> Record {
        let StoreRequest { namespace, strategy, cache_key, file_id, content } = self.request;
        let parts =
            IdParts { cache_hash: content.cache_hash().clone(), token, strategy: *strategy, kind: content.kind() };
        Record {
            cache_id: CacheId::new(&parts, random).expect("contents have hashes of 16 digits"),
            cache_hash: parts.cache_hash,
            token,
            sha256: content.sha256(),
            size: content.bytes().len() as u64,
            namespace: namespace.clone(),
            strategy: *strategy,
            kind: content.kind(),
            cache_key: cache_key.clone(),
            file_id: file_id.clone().filter(|_| cache_key.is_some()),
            json_field_path: content.json_field_path().map(ToString::to_string),
            content_encoding: content.content_encoding().map(ToOwned::to_owned),
            stored_at: self.stored_at,
            expires_at: self.expires_at,
            revision: None,
        }
    }
}

/// Refuses a key that leads to a path beyond the limit, before anything is written.
pub(super) fn check_views(record: &Record) -> Result<(), Error> {
    let views = unique_view(record).and_then(|_| shared_view(record));
    views.map(drop).map_err(|error| Error::too_long("cache_key", &error))
}

/// Refuses a strategy that the settings of the namespace do not allow.
pub(super) fn check_strategy(settings: &Settings, namespace: &Namespace, strategy: Strategy) -> Result<(), Error> {
    if settings.allows(strategy) {
        return Ok(());
    }
    let message = format!(
        "the settings of namespace '{namespace}' do not allow '{strategy}': use one of those that GET /{namespace}/settings shows"
    );
    Err(Error::Invalid { field: "strategy", message })
}

fn addition(record: &Record, of: String, claim: Claim, base: &LoadedIndex, again: bool) -> Change {
    let record = record.clone();
    Change::Add(Box::new(Addition { record, of, claim, base: base.state.clone(), floor: base.next(), again }))
}
