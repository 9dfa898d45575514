//! Completing an upload: the entry is listed by the protocol of `store`, under the id that the client knows already.
//!
//! Other than a store, which draws a new id whenever it starts over, a completion has one id, and may be asked for twice at
//! the same time. So the record is a claim: who creates it completes the entry, and others are told to come back. They
//! find the entry listed then, and answer the same. A claim that is [`CLAIM_MS`] old was given up, and the next one
//! replaces it by compare-and-swap, so that there is never more than one who holds it.

use bytes::Bytes;
use futures::future::{try_join, try_join4};

use crate::error::Error;
use crate::ids::{BlobToken, CacheId};
use crate::index::Listed;
use crate::layout::Layout;
use crate::record::{Record, RecordState};
use crate::settings::Settings;
use crate::storage::{ObjectHead, ObjectKey, PutMode, StorageError, Version};
use crate::strategy::Strategy;

use super::super::pages::Pages;
use super::super::store::{Placed, check_strategy, check_views};
use super::super::swap::{Claim, Pause};
use super::super::views::{After, Paths, unique_view};
use super::super::{Cache, LoadedIndex, Stored};
use super::{UploadLimits, UploadRequest};

/// How long one completion works on listing its entry, in milliseconds.
const LIST_WITHIN_MS: u64 = 60 * 1000;
/// How long a claim holds: as long as its owner tries, and as long again for calls that are still on their way.
pub(in crate::cache) const CLAIM_MS: u64 = 2 * LIST_WITHIN_MS;

impl Cache {
    /// Makes an entry of a content that was uploaded, and returns when everything the answer promises is durable.
    /// Completing an upload again answers the same entry.
    ///
    /// Errors: `Invalid` when the content is not there, not the one that was announced, or too old; `Unavailable` when the
    /// storage does not answer, or another request is completing the upload.
    pub async fn complete_upload(
        &self,
        id: CacheId,
        request: &UploadRequest,
        limits: UploadLimits,
    ) -> Result<Stored, Error> {
        request.check(limits)?;
        let own = request.token_in(id)?;
        let record = request.record(id, own);
        check_views(&record)?;
        let layout = Layout::new(&request.namespace);
        let completion = Completion {
            cache: self.begin(),
            request,
            own,
            blob: record.blob(),
            record_key: layout.record(id),
            hash_key: layout.hash_index(&record.cache_hash),
            key_key: record.key_name().map(|name| layout.key_index(&name)),
            record,
        };
        // On the heap, so that it does not swell the futures of all callers.
        Box::pin(completion.run()).await
    }
}

struct Completion<'a> {
    cache: Cache,
    request: &'a UploadRequest,
    /// The entry, but for its times and maybe the token.
    record: Record,
    /// The token of the blob that was uploaded.
    own: BlobToken,
    blob: ObjectKey,
    record_key: ObjectKey,
    hash_key: ObjectKey,
    key_key: Option<ObjectKey>,
}

/// What is there.
struct Found {
    record: Option<(RecordState, Version)>,
    head: Option<ObjectHead>,
    hash_index: LoadedIndex,
    key_index: LoadedIndex,
    settings: Settings,
}

impl Completion<'_> {
    async fn run(&self) -> Result<Stored, Error> {
        let found = self.look().await?;
        match &found.record {
            None => self.make(found, None).await,
            Some((RecordState::Grave, _)) => {
                let message = "names an entry that was deleted: begin a new upload".to_owned();
                Err(Error::Invalid { field: "cache_id", message })
            }
            Some((RecordState::Live(record), claim)) => {
                let (record, claim) = ((**record).clone(), claim.clone());
                self.resume(found, record, claim).await
            }
        }
    }

    async fn look(&self) -> Result<Found, Error> {
        let cache = &self.cache;
        let record = async {
            let Some(object) = cache.storage.get(&self.record_key, None).await? else { return Ok(None) };
            let state = RecordState::parse(&object.bytes).map_err(|error| Error::corrupt(&self.record_key, error))?;
            Ok(Some((state, object.version)))
        };
        let head = async { Ok(cache.storage.head(&self.blob).await?) };
        let indexes = try_join(cache.load_index(&self.hash_key), cache.load_key_index(self.key_key.as_ref()));
        let settings = async {
            match cache.remembered_settings(&self.request.namespace) {
                Some(settings) => Ok(settings),
                None => cache.settings(&self.request.namespace).await,
            }
        };
        let (record, head, (hash_index, key_index), settings) = try_join4(record, head, indexes, settings).await?;
        Ok(Found { record, head, hash_index, key_index, settings })
    }

    /// Answers what an earlier completion made, or goes on where it stopped.
    async fn resume(&self, found: Found, record: Record, claim: Version) -> Result<Stored, Error> {
        let same = record.sha256 == self.record.sha256
            && (&record.cache_key, &record.file_id) == (&self.record.cache_key, &self.record.file_id);
        if !same {
            let message = "names an upload that was completed under another key or file_id".to_owned();
            return Err(Error::Invalid { field: "cache_id", message });
        }
        let by_hash = self.listed(&record, &found.hash_index, &self.hash_key).await?;
        let by_key = match &self.key_key {
            Some(key) => self.listed(&record, &found.key_index, key).await?,
            None => None,
        };
        match by_hash {
            Some(by_hash) if by_key.is_some() || self.key_key.is_none() => {
                self.write_missing_view(&record).await?;
                self.cache.settle_shared_view(&record, After::Unsure).await?;
                Ok(Stored {
                    version: by_hash.version,
                    key_version: by_key.map(|listed| listed.version),
                    deduplicated: record.token != self.own,
                    paths: Paths::of(&record),
                    record,
                })
            }
            _ if self.cache.surroundings.now_ms() < record.stored_at.saturating_add(CLAIM_MS) => {
                Err(self.claimed_by_another())
            }
            None => self.make(found, Some(claim)).await,
            Some(by_hash) => {
                // Claimed anew, so that a delete that has begun does not bury what is listed again here.
                let record = Record { claim: Some(self.cache.surroundings.random()), ..record };
                self.claim(&record, Some(claim)).await?;
                self.write_missing_view(&record).await?;
                let copied = self.copied(&record).await?;
                let placed = self.placed(record, Claim::Unchecked, found.hash_index, found.key_index);
                self.cache.finish(placed, by_hash.version, &copied).await
            }
        }
    }

    /// Writes the entry's own view, if an earlier completion listed the entry and came no further.
    async fn write_missing_view(&self, record: &Record) -> Result<(), Error> {
        match unique_view(record).ok().flatten() {
            Some(view) if self.cache.storage.head(&view).await?.is_none() => {
                self.cache.write_unique_view(record, &self.copied(record).await?).await
            }
            _ => Ok(()),
        }
    }

    /// The content, if a view holds a copy of it.
    async fn copied(&self, record: &Record) -> Result<Bytes, Error> {
        if record.strategy != Strategy::KeyBased {
            return Ok(Bytes::new());
        }
        let blob = record.blob();
        self.cache.read(&blob).await?.ok_or_else(|| Error::corrupt(&blob, "the content is missing"))
    }

    async fn listed(&self, record: &Record, index: &LoadedIndex, key: &ObjectKey) -> Result<Option<Listed>, Error> {
        let Some(index) = &index.index else { return Ok(None) };
        Pages::new(&self.cache, &record.namespace, key).entry(index, record.cache_id, record.stored_at).await
    }

    /// Checks the content, claims the id, and lists the entry.
    async fn make(&self, found: Found, mut claimed: Option<Version>) -> Result<Stored, Error> {
        let Found { head, mut hash_index, key_index, settings, .. } = found;
        check_strategy(&settings, &self.request.namespace, self.request.strategy)?;
        let content = self.cache.check_upload(self.request, &self.blob, head).await?;
        let stored_at = self.cache.surroundings.now_ms();
        let expires_at = settings.expires_at(stored_at, self.cache.default_ttl_hours);
        let deadline = self.cache.deadline_ms.unwrap_or(u64::MAX).min(stored_at.saturating_add(LIST_WITHIN_MS));
        let cache = self.cache.until(deadline);
        let mut pause = Pause::new(&cache);
        let nonce = Some(self.cache.surroundings.random());
        loop {
            // Equal content that is there already is referenced, as by a store: it is kept once.
            let live = hash_index.index.as_ref().and_then(|index| index.token_of(&self.record.sha256));
            let record =
                Record { token: live.unwrap_or(self.own), stored_at, expires_at, claim: nonce, ..self.record.clone() };
            let claim = self.claim(&record, claimed.take()).await?;
            let how = if live.is_some() { Claim::Shared } else { Claim::Private };
            let placed = self.placed(record, how, hash_index, key_index.clone());
            if let Some(version) = cache.list_by_hash(&self.hash_key, &placed, &content).await? {
                let stored = cache.finish(placed, version, &content).await?;
                self.tidy(&stored).await;
                return Ok(stored);
            }
            // A delete took the blob that it was to share, or a twin was faster with another one.
            pause.wait(&self.hash_key).await?;
            claimed = Some(claim);
            hash_index = cache.load_index(&self.hash_key).await?;
        }
    }

    fn placed(&self, record: Record, claim: Claim, hash_index: LoadedIndex, key_index: LoadedIndex) -> Placed {
        let deduplicated = record.token != self.own;
        Placed { record, claim, deduplicated, hash_index, key_index, again: true }
    }

    /// Writes the record, create-only or in place of the claim that was read, and returns its state.
    async fn claim(&self, record: &Record, claimed: Option<Version>) -> Result<Version, Error> {
        let mode = claimed.map_or(PutMode::Create, PutMode::Replace);
        match self.cache.storage.put(&self.record_key, record.to_bytes().into(), mode).await {
            Ok(state) => Ok(state),
            // After a lost reply, what is there may be ours.
            Err(StorageError::Conflict { .. }) => {
                let found = self.cache.load_record(&self.record_key).await?;
                let ours = found.filter(|(found, _)| found == record);
                ours.map(|(_, state)| state).ok_or_else(|| self.claimed_by_another())
            }
            Err(error) => Err(error.into()),
        }
    }

    fn claimed_by_another(&self) -> Error {
        Error::Unavailable(format!("{} is being completed by another request: try again", self.record.cache_id))
    }

    /// Removes the uploaded blob when the entry shares another one. Nobody else ever knew it.
    async fn tidy(&self, stored: &Stored) {
        if stored.record.token != self.own
            && let Err(error) = self.cache.remove(&self.blob).await
        {
            tracing::info!("{} is left for the sweep: {error}", self.blob);
        }
    }
}
