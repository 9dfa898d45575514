//! Completing an upload: the content becomes an entry by the protocol of `store`, under an id that is drawn now.
//!
//! Other than a store, which writes its blob under a name that nobody else knows, an upload's blob is named by an id that the
//! client has, and completing it may be asked for twice. So the first completion leaves a **mark**, created under the upload's
//! id and naming the entry. Whoever finds one never lists the blob: it answers the entry when that is complete, and else
//! refuses. The blob is then as private to one completion as that of a store, and the entry's id is known to nobody before it is
//! acknowledged.

use bytes::Bytes;
use futures::future::{try_join, try_join4};

use crate::error::Error;
use crate::ids::{BlobToken, CacheId};
use crate::index::Listed;
use crate::layout::Layout;
use crate::record::{GRAVE, Record, RecordState, UploadMark};
use crate::settings::Settings;
use crate::storage::{ObjectHead, ObjectKey, PutMode, StorageError, Version};
use crate::strategy::Strategy;

use super::super::pages::Pages;
use super::super::store::{MOST_NAMES, Placed, check_strategy, check_views};
use super::super::swap::{Claim, Pause};
use super::super::views::{After, Paths, unique_view};
use super::super::{Cache, LoadedIndex, Stored};
use super::{UploadLimits, UploadRequest};

/// How long one completion works on listing its entry, in milliseconds.
const LIST_WITHIN_MS: u64 = 60 * 1000;
/// From which age on a mark without a complete entry belongs to a completion that broke off, in milliseconds: its owner has
/// given up, and calls of it that were still on their way have had as long again.
const BROKEN_OFF_AFTER_MS: u64 = 2 * LIST_WITHIN_MS;

impl Cache {
    /// Makes an entry of a content that was uploaded, and returns when everything the answer promises is durable.
    /// Completing an upload again answers the same entry.
    ///
    /// Errors: `Invalid` when the content is not there, not the one that was announced, or too old, or when an earlier
    /// completion broke off; `Unavailable` when the storage does not answer, or another request is completing the upload.
    pub async fn complete_upload(
        &self,
        upload: CacheId,
        request: &UploadRequest,
        limits: UploadLimits,
    ) -> Result<Stored, Error> {
        request.check(limits)?;
        let own = request.token_in(upload)?;
        let draft = request.record(upload, own);
        check_views(&draft)?;
        let layout = Layout::new(&request.namespace);
        let completion = Completion {
            cache: self.begin(),
            request,
            upload,
            own,
            blob: draft.blob(),
            mark_key: layout.upload_mark(upload),
            hash_key: layout.hash_index(&draft.cache_hash),
            key_key: draft.key_name().map(|name| layout.key_index(&name)),
        };
        // On the heap, so that it does not swell the futures of all callers.
        Box::pin(completion.run()).await
    }
}

struct Completion<'a> {
    cache: Cache,
    request: &'a UploadRequest,
    upload: CacheId,
    /// The token of the blob that was uploaded.
    own: BlobToken,
    blob: ObjectKey,
    mark_key: ObjectKey,
    hash_key: ObjectKey,
    key_key: Option<ObjectKey>,
}

/// What is there.
struct Found {
    mark: Option<UploadMark>,
    head: Option<ObjectHead>,
    hash_index: LoadedIndex,
    key_index: LoadedIndex,
    settings: Settings,
}

impl Completion<'_> {
    async fn run(&self) -> Result<Stored, Error> {
        let found = self.look().await?;
        match (&found.mark, &found.head) {
            (Some(mark), _) => self.answer_again(mark).await,
            // One that ended just now may have removed the blob, because it shares another.
            (None, None) => match self.mark().await? {
                Some((mark, _)) => self.answer_again(&mark).await,
                None => self.make(found).await,
            },
            (None, Some(_)) => self.make(found).await,
        }
    }

    async fn look(&self) -> Result<Found, Error> {
        let cache = &self.cache;
        let head = async { Ok(cache.storage.head(&self.blob).await?) };
        let indexes = try_join(cache.load_index(&self.hash_key), cache.load_key_index(self.key_key.as_ref()));
        let settings = async {
            match cache.remembered_settings(&self.request.namespace) {
                Some(settings) => Ok(settings),
                None => cache.settings(&self.request.namespace).await,
            }
        };
        let (mark, head, (hash_index, key_index), settings) = try_join4(self.mark(), head, indexes, settings).await?;
        Ok(Found { mark: mark.map(|(mark, _)| mark), head, hash_index, key_index, settings })
    }

    /// The mark of whoever came first, and its state.
    async fn mark(&self) -> Result<Option<(UploadMark, Version)>, Error> {
        let Some(object) = self.cache.storage.get(&self.mark_key, None).await? else { return Ok(None) };
        let mark = serde_json::from_slice(&object.bytes).map_err(|error| Error::corrupt(&self.mark_key, error))?;
        Ok(Some((mark, object.version)))
    }

    /// Answers what an earlier completion made.
    async fn answer_again(&self, mark: &UploadMark) -> Result<Stored, Error> {
        if !mark.done && self.is_under_way(mark) {
            return Err(self.not_complete(mark));
        }
        let record_key = Layout::new(&self.request.namespace).record(mark.cache_id);
        let record = async {
            let Some(bytes) = self.cache.read(&record_key).await? else { return Ok(None) };
            RecordState::parse(&bytes).map(Some).map_err(|error| Error::corrupt(&record_key, error))
        };
        let indexes = try_join(self.cache.load_index(&self.hash_key), self.cache.load_key_index(self.key_key.as_ref()));
        let (record, (hash_index, key_index)) = try_join(record, indexes).await?;
        let record = match record {
            Some(RecordState::Live(record)) => *record,
            Some(RecordState::Grave) => {
                // Unless the completion has started over since the mark was read.
                let now = self.mark().await?.map_or(*mark, |(now, _)| now);
                if now != *mark {
                    return Err(self.not_complete(&now));
                }
                return Err(refused("was completed, and the entry was deleted: begin a new upload"));
            }
            None => return Err(self.not_complete(mark)),
        };
        let asked = self.request.record(self.upload, self.own);
        if (record.sha256, &record.cache_key, &record.file_id) != (asked.sha256, &asked.cache_key, &asked.file_id) {
            return Err(refused("was completed under another key or file_id"));
        }
        let by_hash = self.listed(&record, &hash_index, &self.hash_key).await?;
        let by_key = match &self.key_key {
            Some(key) => self.listed(&record, &key_index, key).await?,
            None => None,
        };
        let Some(by_hash) = by_hash.filter(|_| by_key.is_some() || self.key_key.is_none()) else {
            return Err(self.not_complete(mark));
        };
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

    fn is_under_way(&self, mark: &UploadMark) -> bool {
        self.cache.surroundings.now_ms() < mark.begun_at.saturating_add(BROKEN_OFF_AFTER_MS)
    }

    fn not_complete(&self, mark: &UploadMark) -> Error {
        if self.is_under_way(mark) {
            return Error::Unavailable(format!("{} is being completed by another request: try again", self.upload));
        }
        refused("was not completed: an earlier request for it broke off, so begin a new upload")
    }

    async fn listed(&self, record: &Record, index: &LoadedIndex, key: &ObjectKey) -> Result<Option<Listed>, Error> {
        let Some(index) = &index.index else { return Ok(None) };
        Pages::new(&self.cache, &record.namespace, key).entry(index, record.cache_id, record.stored_at).await
    }

    /// Writes the entry's own view, if an earlier completion listed the entry and came no further.
    async fn write_missing_view(&self, record: &Record) -> Result<(), Error> {
        let Some(view) = unique_view(record).ok().flatten() else { return Ok(()) };
        if self.cache.storage.head(&view).await?.is_some() {
            return Ok(());
        }
        let blob = record.blob();
        let copied = match record.strategy {
            Strategy::KeyBased => self.cache.read(&blob).await?,
            // A pointer needs no content.
            _ => Some(Bytes::new()),
        };
        let copied = copied.ok_or_else(|| Error::corrupt(&blob, "the content is missing"))?;
        self.cache.write_unique_view(record, &copied).await
    }

    /// Checks the content, leaves the mark, and lists the entry.
    async fn make(&self, found: Found) -> Result<Stored, Error> {
        let Found { head, mut hash_index, key_index, settings, .. } = found;
        check_strategy(&settings, &self.request.namespace, self.request.strategy)?;
        let content = self.cache.check_upload(self.request, &self.blob, head).await?;
        let stored_at = self.cache.surroundings.now_ms();
        let expires_at = settings.expires_at(stored_at, self.cache.default_ttl_hours);
        let deadline = self.cache.deadline_ms.unwrap_or(u64::MAX).min(stored_at.saturating_add(LIST_WITHIN_MS));
        let cache = self.cache.until(deadline);
        let mut pause = Pause::new(&cache);
        let (mut mark, mut given_up) = (None, None);
        loop {
            // Equal content that is there already is referenced, as by a store: it is kept once.
            let live = hash_index.index.as_ref().and_then(|index| index.token_of(&self.request.sha256));
            let token = live.unwrap_or(self.own);
            let drawn = Record { stored_at, expires_at, ..self.request.record(self.upload, token) };
            let (record, state) = self.write_marked(&cache, drawn, mark).await?;
            if let Some(given_up) = given_up.take() {
                // Not before the mark names another one: a grave means that the entry was deleted.
                self.abandon(&given_up).await?;
            }
            let claim = if live.is_some() { Claim::Shared } else { Claim::Private };
            let (deduplicated, key_index) = (token != self.own, key_index.clone());
            let placed = Placed { record, claim, deduplicated, hash_index, key_index, again: true };
            if let Some(version) = cache.list_by_hash(&self.hash_key, &placed, &content).await? {
                let stored = cache.finish(placed, version, &content).await?;
                let done = UploadMark { cache_id: stored.record.cache_id, begun_at: stored_at, done: true };
                if let Err(error) = self.leave_mark(done, Some(state)).await {
                    tracing::info!("{} does not say that it is done: {error}", self.mark_key);
                }
                self.tidy(&stored).await;
                return Ok(stored);
            }
            // A delete took the blob that it was to share, or a twin was faster with another one.
            given_up = Some(placed.record);
            pause.wait(&self.hash_key).await?;
            mark = Some(state);
            hash_index = cache.load_index(&self.hash_key).await?;
        }
    }

    /// Draws an id, leaves the mark for it, in place of the own one for an earlier try, and writes the record.
    async fn write_marked(
        &self,
        cache: &Cache,
        drawn: Record,
        mut mark: Option<Version>,
    ) -> Result<(Record, Version), Error> {
        for _ in 0..MOST_NAMES {
            let cache_id = self.request.draw_id(drawn.token, cache.surroundings.random());
            let record = Record { cache_id, ..drawn.clone() };
            let state =
                self.leave_mark(UploadMark { cache_id, begun_at: record.stored_at, done: false }, mark.take()).await?;
            if cache.write_record(&record).await? {
                return Ok((record, state));
            }
            mark = Some(state);
        }
        Err(Error::Unavailable("no free id was found for the entry: try again".to_owned()))
    }

    async fn leave_mark(&self, mark: UploadMark, replaced: Option<Version>) -> Result<Version, Error> {
        let mode = replaced.map_or(PutMode::Create, PutMode::Replace);
        match self.cache.storage.put(&self.mark_key, mark.to_bytes().into(), mode).await {
            Ok(state) => Ok(state),
            // After a lost reply, what is there may be ours: nobody else draws this id.
            Err(StorageError::Conflict { .. }) => {
                let found = self.mark().await?;
                let ours = found.filter(|(found, _)| *found == mark);
                ours.map(|(_, state)| state).ok_or_else(|| self.not_complete(&mark))
            }
            Err(error) => Err(error.into()),
        }
    }

    /// Takes back a try that has to start over. The uploaded blob stays: the next try may need it.
    async fn abandon(&self, record: &Record) -> Result<(), Error> {
        let key = Layout::new(&record.namespace).record(record.cache_id);
        let view = async {
            match unique_view(record).ok().flatten() {
                Some(view) => self.cache.remove(&view).await,
                None => Ok(()),
            }
        };
        let grave = self.cache.overwrite(&key, Bytes::from_static(GRAVE));
        try_join(grave, view).await.map(drop)
    }

    /// Removes the uploaded blob when the entry shares another one. Because of the mark nobody else ever lists it.
    async fn tidy(&self, stored: &Stored) {
        if stored.record.token != self.own
            && let Err(error) = self.cache.remove(&self.blob).await
        {
            tracing::info!("{} is left for the sweep: {error}", self.blob);
        }
    }
}

fn refused(what: &str) -> Error {
    Error::Invalid { field: "upload_id", message: what.to_owned() }
}
