//! Store: one PUT that creates the manifest is the commit of a new small content, and everything else is read beside it.
//!
//! | content | what is done |
//! |---|---|
//! | small, its manifest not in memory | PUT manifest (create-only) with the entry and the content ∥ GET manifest; if the PUT was refused, compare-and-swap |
//! | small, its manifest in memory | compare-and-swap |
//! | large | PUT blob (create-only, new token) ∥ GET manifest, then compare-and-swap |
//! | above 1 MiB, by field, or on a condition | GET manifest first, since it is likely to save the rest |
//!
//! A content that the manifest lists already is referenced, and the blob that was written for it is deleted. With a key and
//! file id, the key index is read in the first round trip and lists the entry after the commit, see `key`.

use std::time::Duration;

use bytes::Bytes;
use futures::future::{OptionFuture, join, join_all, try_join, try_join4};

use crate::content::Content;
use crate::entry::{ContentInfo, Entry};
use crate::error::Error;
use crate::ids::{BlobToken, CacheId, CacheKey, FileId, Namespace};
use crate::key_index::KeyIndex;
use crate::manifest::{ContentSource, EntrySpec, InsertError, Location, Manifest, NewContent, NewEntry, RemovedEntry};
use crate::nonce::{Nonce, NonceOrigin};
use crate::settings::Settings;
use crate::storage::{ObjectKey, StorageError};
use crate::strategy::Strategy;
use crate::time::UnixMillis;

use super::NamespaceCache;
use super::commit::{Applied, History};
use super::key::ListOptions;
use super::load::{Loaded, Part};
use super::manifest_changes::{Insert, ListedEntry, ManifestChange, ManifestOutcome};
use super::paths::Paths;
use super::settings::CachedSettings;
use super::views::{entry_view, key_view};

/// Contents larger than this are looked up before they are sent: that is worth a round trip.
const LOOK_FIRST_ABOVE_BYTES: u64 = 1024 * 1024;
/// The shortest time to live of one entry.
pub const MIN_TTL: Duration = Duration::from_secs(1);
/// The longest time to live of one entry: ten years.
pub const MAX_TTL: Duration = Duration::from_secs(10 * 365 * 24 * 3600);
/// How long an `Idempotency-Key` may be, in characters.
const MAX_IDEMPOTENCY_KEY_CHARS: usize = 255;
/// How often a store looks for a place for its content before it gives up. Each time another store was faster.
const MAX_PLACES: usize = 8;

/// What to store, and how it is to be found.
#[derive(Debug, Clone)]
pub struct StoreRequest {
    /// How it can be found beside its id and hash.
    pub strategy: Strategy,
    /// The readable path it is stored under.
    pub cache_key: Option<CacheKey>,
    /// Its file name under that path. Without a key it has no effect.
    pub file_id: Option<FileId>,
    /// The content.
    pub content: Content,
    /// Whose request it is, so that a repeat returns the same entry.
    pub idempotency_key: Option<IdempotencyKey>,
    /// How long it lives, if not as long as the settings of the namespace say; [`MIN_TTL`] to [`MAX_TTL`]. The sooner end counts.
    pub ttl: Option<Duration>,
    /// Whether it is stored only if its key and file id have no live version (`If-None-Match: *`).
    pub if_none_match: bool,
}

impl StoreRequest {
    /// A store without a key and without conditions.
    pub fn new(strategy: Strategy, content: Content) -> Self {
        Self {
            strategy,
            cache_key: None,
            file_id: None,
            content,
            idempotency_key: None,
            ttl: None,
            if_none_match: false,
        }
    }
}

/// Identifies all repeats of one request of one caller.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct IdempotencyKey {
    key: String,
    api_key_id: String,
}

impl IdempotencyKey {
    /// The key of a caller: 1 to 255 visible characters of ASCII.
    ///
    /// # Errors
    ///
    /// `Invalid` when it has others.
    pub fn new(key: &str, api_key_id: &str) -> Result<Self, Error> {
        let is_visible = key.bytes().all(|byte| (b'!'..=b'~').contains(&byte));
        if !(1..=MAX_IDEMPOTENCY_KEY_CHARS).contains(&key.len()) || !is_visible {
            let message = format!("must have 1 to {MAX_IDEMPOTENCY_KEY_CHARS} visible ASCII characters");
            return Err(Error::invalid("Idempotency-Key", message));
        }
        Ok(Self { key: key.to_owned(), api_key_id: api_key_id.to_owned() })
    }

    /// The nonce of everything that this caller does with this key to something with these parts.
    pub(super) fn nonce(&self, namespace: &Namespace, parts: &[&[u8]]) -> Nonce {
        let own: [&[u8]; 3] = [namespace.as_str().as_bytes(), self.api_key_id.as_bytes(), self.key.as_bytes()];
        Nonce::derived(NonceOrigin::IdempotencyKey, &[&own, parts].concat())
    }
}

/// What became of a [`StoreRequest`].
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Stored {
    /// The entry.
    pub entry: Entry,
    /// Its position among the versions under its key and file id, from 1; `None` when it has not both, or was deleted since.
    pub key_version: Option<u64>,
    /// Whether the content was there already.
    pub deduplicated: bool,
    /// Where it can be read by path.
    pub paths: Paths,
}

impl NamespaceCache {
    /// Stores a content as a new entry, and returns when everything the response promises is durable.
    ///
    /// # Errors
    ///
    /// `Invalid` when the key leads to a path that is too long, or the settings do not allow the strategy; `PreconditionFailed`
    /// when the store was to be the first under its key and is not; `Full` when there is no room; `Unavailable` when the storage
    /// does not respond, or others win every race until the deadline. Repeating it with the same idempotency key is safe.
    pub async fn store(&self, request: &StoreRequest) -> Result<Stored, Error> {
        // On the heap, so that it does not swell the futures of all callers.
        Box::pin(Store::new(self.with_default_deadline(), request)?.run()).await
    }

    /// The expiry of an entry by the settings of its namespace and by its own time to live, whichever is sooner.
    pub(super) fn expiry(
        &self,
        settings: &Settings,
        ttl: Option<Duration>,
        stored_at: UnixMillis,
    ) -> Option<UnixMillis> {
        let by_settings = settings.expires_at(stored_at, self.cache.default_ttl_hours);
        [by_settings, ttl.map(|ttl| stored_at.plus(ttl))].into_iter().flatten().min()
    }

    /// Refuses a strategy that the settings of the namespace do not allow.
    pub(super) fn check_strategy(&self, settings: &Settings, strategy: Strategy) -> Result<(), Error> {
        if settings.allows(strategy) {
            return Ok(());
        }
        let namespace = &self.namespace;
        let message = format!(
            "the settings of namespace '{namespace}' do not allow '{strategy}': use one of those that \
             GET /{namespace}/settings shows"
        );
        Err(Error::invalid("strategy", message))
    }

    /// Refuses a key that leads to a path beyond the limit, before anything is written.
    pub(super) fn check_views(&self, entry: &Entry) -> Result<(), Error> {
        let views = entry_view(self.layout(), entry).and_then(|_| key_view(self.layout(), entry));
        views.map(drop).map_err(|error| Error::too_long("cache_key", &error))
    }
}

/// A store on its way.
struct Store<'a> {
    cache: NamespaceCache,
    request: &'a StoreRequest,
    spec: EntrySpec,
    nonce: Nonce,
    manifest_key: ObjectKey,
    index_key: Option<ObjectKey>,
    /// The blob that was written for it.
    own_blob: Option<BlobToken>,
    /// The entry views that were written for ids that it may get.
    views: Vec<ObjectKey>,
}

/// What the first round trip has found.
struct FirstRound {
    manifest: Loaded<Manifest>,
    index: Option<Loaded<KeyIndex>>,
    /// The entry, if the create-only PUT was the commit.
    created: Option<ListedEntry>,
    history: History,
}

impl<'a> Store<'a> {
    fn new(cache: NamespaceCache, request: &'a StoreRequest) -> Result<Self, Error> {
        let StoreRequest { strategy, cache_key, file_id, content, ttl, .. } = request;
        if ttl.is_some_and(|ttl| !(MIN_TTL..=MAX_TTL).contains(&ttl)) {
            let message = format!("must be {} to {}", MIN_TTL.as_secs(), MAX_TTL.as_secs());
            return Err(Error::invalid("ttl_seconds", message));
        }
        let spec = EntrySpec {
            strategy: *strategy,
            kind: content.kind(),
            cache_key: cache_key.clone(),
            file_id: file_id.clone().filter(|_| cache_key.is_some()),
            json_field_path: content.json_field_path().map(ToString::to_string),
            content_encoding: content.content_encoding().map(ToOwned::to_owned),
            stored_at: cache.cache.now(),
            expires_at: None,
        };
        let key = spec.key_ref();
        if request.if_none_match && key.is_none() {
            let message = "'*' needs a cache_key and a file_id: without them every store is a new entry";
            return Err(Error::invalid("If-None-Match", message));
        }
        let nonce = nonce(&cache, request, &spec);
        let manifest_key = cache.layout().manifest(content.cache_hash());
        let index_key = key.as_ref().map(|key| cache.layout().key_index(key));
        let store = Self { cache, request, spec, nonce, manifest_key, index_key, own_blob: None, views: Vec::new() };
        store.cache.check_views(&store.entry(CacheId::from_u128(0), 0))?;
        Ok(store)
    }

    async fn run(mut self) -> Result<Stored, Error> {
        let first = self.first_round().await?;
        let FirstRound { manifest, index, created, history } = first;
        let listed = match created {
            Some(listed) => listed,
            None => match self.commit(manifest, history).await? {
                Ok(listed) => listed,
                Err(removed) => return self.already_removed(&removed).await,
            },
        };
        let (deduplicated, cache_id) = (listed.is_shared, listed.row.cache_id);
        let entry = listed.entry(&self.cache.namespace, self.request.content.cache_hash());
        self.settle_entry_views(&entry).await?;
        let bytes = self.request.content.bytes();
        let options = ListOptions { create_only: self.request.if_none_match, started_at: self.spec.stored_at };
        let listing = self.cache.list_under_key(&listed, entry, index, bytes, options).await?;
        if listing.is_refused {
            return Err(self.not_the_first(cache_id).await);
        }
        // A process that was frozen meanwhile has seen states of manifest and key index that are days apart: what happened
        // in between, such as that a repeat of this store was refused, is remembered no longer.
        self.cache.check_operation_time(self.spec.stored_at)?;
        let paths = Paths::of(&listing.entry);
        Ok(Stored { entry: listing.entry, key_version: listing.key_version, deduplicated, paths })
    }

    fn history(&self) -> History {
        History::since(self.spec.stored_at)
    }

    fn is_small(&self) -> bool {
        self.size() <= self.cache.cache.shared.limits.max_inline_bytes
    }

    fn size(&self) -> u64 {
        self.request.content.bytes().len() as u64
    }

    /// Whether to look at the manifest before anything is written.
    fn looks_first(&self) -> bool {
        let content = &self.request.content;
        self.size() > LOOK_FIRST_ABOVE_BYTES || content.json_field_path().is_some() || self.request.if_none_match
    }

    async fn first_round(&mut self) -> Result<FirstRound, Error> {
        let cached = self.cache.cached_settings();
        if let Some(CachedSettings { settings, .. }) = &cached {
            self.apply_settings(settings)?;
        }
        let first = match &cached {
            None => self.read_first().await?,
            Some(settings) if self.looks_first() => self.look_first(settings).await?,
            Some(settings) => match self.cache.cached(&self.manifest_key) {
                Some(manifest) => self.begin_from_memory(manifest, settings).await?,
                None if self.is_small() => self.create(settings).await?,
                None => self.blob_first(settings).await?,
            },
        };
        if self.request.if_none_match {
            self.check_is_first(first.index.as_ref()).await?;
        }
        Ok(first)
    }

    fn apply_settings(&mut self, settings: &Settings) -> Result<(), Error> {
        self.cache.check_strategy(settings, self.spec.strategy)?;
        self.spec.expires_at = self.cache.expiry(settings, self.request.ttl, self.spec.stored_at);
        Ok(())
    }

    /// Reads the settings beside everything else. The commit has to wait for them, but a blob has not.
    async fn read_first(&mut self) -> Result<FirstRound, Error> {
        let cache = self.cache.clone();
        let blob = !self.is_small() && !self.looks_first();
        let (settings, manifest, index, blob) = try_join4(
            cache.settings(),
            self.load_manifest(),
            self.cache.load_index(self.index_key.as_ref()),
            self.write_blob_if(blob),
        )
        .await?;
        self.own_blob = blob;
        if let Err(refused) = self.apply_settings(&settings) {
            self.remove_own_blob().await;
            return Err(refused);
        }
        if manifest.head.is_none() && self.is_small() {
            return self.create_now(index).await;
        }
        Ok(FirstRound { manifest, index, created: None, history: self.history() })
    }

    async fn look_first(&mut self, settings: &CachedSettings) -> Result<FirstRound, Error> {
        let read = try_join(self.load_manifest(), self.cache.load_index(self.index_key.as_ref()));
        let (read, ()) = join(read, self.cache.refresh_settings(Some(settings))).await;
        let (manifest, index) = read?;
        if manifest.head.is_none() && self.is_small() && !self.request.if_none_match {
            return self.create_now(index).await;
        }
        Ok(FirstRound { manifest, index, created: None, history: self.history() })
    }

    async fn begin_from_memory(
        &mut self,
        manifest: Loaded<Manifest>,
        settings: &CachedSettings,
    ) -> Result<FirstRound, Error> {
        let listed = manifest
            .head
            .as_ref()
            .is_some_and(|head| head.contents().with_sha256(&self.request.content.sha256()).is_some());
        let writes_blob = !self.is_small() && !listed;
        let round = try_join(self.index_from_memory(), self.write_blob_if(writes_blob));
        let (round, ()) = join(round, self.cache.refresh_settings(Some(settings))).await;
        let (index, blob) = round?;
        self.own_blob = blob;
        let history = History { from_memory: true, ..self.history() };
        Ok(FirstRound { manifest, index, created: None, history })
    }

    async fn blob_first(&mut self, settings: &CachedSettings) -> Result<FirstRound, Error> {
        let round = futures::future::try_join3(
            self.load_manifest(),
            self.cache.load_index(self.index_key.as_ref()),
            self.write_blob_if(true),
        );
        let (round, ()) = join(round, self.cache.refresh_settings(Some(settings))).await;
        let (manifest, index, blob) = round?;
        self.own_blob = blob;
        Ok(FirstRound { manifest, index, created: None, history: self.history() })
    }

    /// Creates the manifest with the entry, and reads it in case it is there.
    async fn create(&mut self, settings: &CachedSettings) -> Result<FirstRound, Error> {
        let (manifest, listed) = self.first_state()?;
        let view = self.entry_view(&listed);
        let put = self.put_created(manifest);
        let round = try_join4(
            put,
            self.load_manifest(),
            self.cache.load_index(self.index_key.as_ref()),
            self.write_entry_view(view.as_ref(), &listed),
        );
        let (round, ()) = join(round, self.cache.refresh_settings(Some(settings))).await;
        let (created, manifest, index, ()) = round?;
        self.views.extend(view);
        self.after_create(created, listed, manifest, index).await
    }

    /// Creates the manifest with the entry, when it was seen to be absent.
    async fn create_now(&mut self, index: Option<Loaded<KeyIndex>>) -> Result<FirstRound, Error> {
        let (manifest, listed) = self.first_state()?;
        let view = self.entry_view(&listed);
        let put = self.put_created(manifest);
        let (created, ()) = try_join(put, self.write_entry_view(view.as_ref(), &listed)).await?;
        self.views.extend(view);
        self.after_create(created, listed, Loaded::absent(), index).await
    }

    async fn after_create(
        &mut self,
        created: Created,
        listed: ListedEntry,
        manifest: Loaded<Manifest>,
        index: Option<Loaded<KeyIndex>>,
    ) -> Result<FirstRound, Error> {
        let history = match created {
            Created::Done => {
                let history = self.history();
                return Ok(FirstRound { manifest, index, created: Some(listed), history });
            }
            Created::Refused => History { losses: 1, ..self.history() },
            Created::Unclear => History { check_existing: true, ..self.history() },
        };
        // What was read beside the PUT may be the state before somebody else's.
        let manifest = match manifest.head {
            Some(_) => manifest,
            None => self.load_manifest().await?,
        };
        Ok(FirstRound { manifest, index, created: None, history })
    }

    /// The manifest with this entry alone.
    fn first_state(&self) -> Result<(Manifest, ListedEntry), Error> {
        let mut manifest = Manifest::new();
        let row = manifest.insert(self.request.content.cache_hash(), &self.new_entry());
        let row = row.map_err(|error| Error::full(error.to_string()))?;
        manifest.prepare_write(self.spec.stored_at);
        let content = manifest.content(row.content).cloned().expect("the row that was just listed has a content");
        Ok((manifest, ListedEntry { row, content, is_shared: false }))
    }

    async fn put_created(&self, manifest: Manifest) -> Result<Created, Error> {
        let bytes = manifest.encode().bytes;
        match self.cache.put_head(&self.manifest_key, manifest, bytes, None, self.spec.stored_at).await? {
            Ok(_) => Ok(Created::Done),
            Err(StorageError::Precondition { .. }) => Ok(Created::Refused),
            Err(StorageError::Unavailable { .. }) => Ok(Created::Unclear),
            Err(error) => Err(error.into()),
        }
    }

    async fn load_manifest(&self) -> Result<Loaded<Manifest>, Error> {
        self.cache.load(&self.manifest_key, Part::Whole).await
    }

    /// The key index as it is in memory: if that is out of date, listing the entry there is refused.
    async fn index_from_memory(&self) -> Result<Option<Loaded<KeyIndex>>, Error> {
        match self.index_key.as_ref().and_then(|key| self.cache.cached(key)) {
            Some(index) => Ok(Some(index)),
            None => self.cache.load_index(self.index_key.as_ref()).await,
        }
    }

    async fn write_blob_if(&self, wanted: bool) -> Result<Option<BlobToken>, Error> {
        let content = &self.request.content;
        let blob: OptionFuture<_> = wanted.then(|| self.cache.write_blob(content.cache_hash(), content.bytes())).into();
        blob.await.transpose()
    }

    fn new_entry(&self) -> NewEntry {
        let content = &self.request.content;
        let source = match self.own_blob {
            Some(token) => ContentSource::Blob(token),
            None if self.is_small() => self.cache.inline_source(content.bytes()),
            None => ContentSource::Listed,
        };
        let content = NewContent { sha256: content.sha256(), size: self.size(), source };
        NewEntry { nonce: self.nonce, spec: self.spec.clone(), content, foreign_id: None }
    }

    /// Lists the entry in the manifest. `Err` when it was listed and removed since.
    async fn commit(
        &mut self,
        mut manifest: Loaded<Manifest>,
        mut history: History,
    ) -> Result<Result<ListedEntry, RemovedEntry>, Error> {
        for _ in 0..MAX_PLACES {
            let applied = self.commit_once(manifest, history).await?;
            history.check_existing = true;
            match applied.outcome {
                ManifestOutcome::Listed(listed) => {
                    let listed = self.check_blob(*listed, applied.is_ambiguous).await?;
                    return Ok(Ok(listed));
                }
                // Others may reference the blob, so it is left for the sweep.
                ManifestOutcome::AlreadyRemoved(removed) => return Ok(Err(removed)),
                ManifestOutcome::NoPlace(
                    InsertError::NeedsBlob
                    | InsertError::TokenRetired
                    | InsertError::ContentMissing
                    | InsertError::VersionsExhausted,
                ) => self.own_blob = self.write_blob_if(true).await?,
                ManifestOutcome::Removed { .. }
                | ManifestOutcome::NotListed
                | ManifestOutcome::Revised(_)
                | ManifestOutcome::KindRefused(_)
                | ManifestOutcome::Changed => unreachable!("an insertion does none of these"),
            }
            manifest = applied.state;
        }
        Err(Error::unavailable(format!("{} found no place for its content: retry later", self.manifest_key)))
    }

    /// Tries to list the entry, and beside that writes its entry view under the id that it is expected to get.
    async fn commit_once(&mut self, manifest: Loaded<Manifest>, history: History) -> Result<Applied<Manifest>, Error> {
        let entry = self.new_entry();
        let expected = self.expected_view(&manifest, &entry);
        let unused = std::mem::take(&mut self.views);
        let insert = Insert { cache_hash: self.request.content.cache_hash().clone(), entry };
        let change = ManifestChange::Insert(std::sync::Arc::new(insert));
        let commit = self.cache.commit(&self.manifest_key, manifest, change, history);
        let write = async {
            match &expected {
                Some((view, bytes)) => self.cache.cache.overwrite(view, bytes.clone()).await.map(drop),
                None => Ok(()),
            }
        };
        let remove = join_all(unused.iter().map(|view| self.cache.cache.remove_garbage(view)));
        let (committed, _) = join(try_join(commit, write), remove).await;
        self.views.extend(expected.map(|(view, _)| view));
        Ok(committed?.0)
    }

    fn expected_view(&self, manifest: &Loaded<Manifest>, new: &NewEntry) -> Option<(ObjectKey, Bytes)> {
        let hash = self.request.content.cache_hash();
        let id = manifest.head.as_deref().unwrap_or(&Manifest::new()).predict_id(hash, new)?;
        let entry = self.entry(id, 0);
        let view = entry_view(self.cache.layout(), &entry).ok().flatten()?;
        let bytes = self.cache.view_bytes(&entry, self.request.content.bytes());
        Some((view, bytes))
    }

    fn entry_view(&self, listed: &ListedEntry) -> Option<ObjectKey> {
        entry_view(self.cache.layout(), &listed.entry(&self.cache.namespace, self.request.content.cache_hash()))
            .ok()
            .flatten()
    }

    async fn write_entry_view(&self, view: Option<&ObjectKey>, listed: &ListedEntry) -> Result<(), Error> {
        let Some(view) = view else { return Ok(()) };
        let entry = listed.entry(&self.cache.namespace, self.request.content.cache_hash());
        let bytes = self.cache.view_bytes(&entry, self.request.content.bytes());
        self.cache.cache.overwrite(view, bytes).await.map(drop)
    }

    /// Writes the entry view of the id that the entry got, and removes those of other ids.
    async fn settle_entry_views(&mut self, entry: &Entry) -> Result<(), Error> {
        let view = entry_view(self.cache.layout(), entry).ok().flatten();
        let (written, unused): (Vec<_>, Vec<_>) =
            self.views.drain(..).partition(|written| view.as_ref() == Some(written));
        let write = async {
            match &view {
                Some(view) if written.is_empty() => {
                    let bytes = self.cache.view_bytes(entry, self.request.content.bytes());
                    self.cache.cache.overwrite(view, bytes).await.map(drop)
                }
                _ => Ok(()),
            }
        };
        let remove = join_all(unused.iter().map(|view| self.cache.cache.remove_garbage(view)));
        join(write, remove).await.0
    }

    /// Checks a blob that this store references but did not write, and puts its own in the place of one that is missing or
    /// damaged. Removes its own if it is not needed.
    async fn check_blob(&mut self, mut listed: ListedEntry, is_ambiguous: bool) -> Result<ListedEntry, Error> {
        let Location::Blob(token) = listed.content.location else {
            if !is_ambiguous {
                self.remove_own_blob().await;
            }
            return Ok(listed);
        };
        if self.own_blob == Some(token) {
            self.keep_blob(token);
            return Ok(listed);
        }
        let hash = self.request.content.cache_hash().clone();
        if self.cache.is_blob_intact(&hash, token, &listed.content).await? {
            if !is_ambiguous {
                self.remove_own_blob().await;
            }
            return Ok(listed);
        }
        tracing::error!(namespace = %self.cache.namespace, cache_hash = %hash, %token, "a blob is missing or damaged, and is replaced");
        let replacement = match self.own_blob {
            Some(own) => own,
            None => self.cache.write_blob(&hash, self.request.content.bytes()).await?,
        };
        self.own_blob = Some(replacement);
        let change = ManifestChange::ReplaceBlob { sha256: listed.content.sha256, damaged: token, replacement };
        let manifest = self.load_manifest().await?;
        self.cache.commit(&self.manifest_key, manifest, change, History::since(self.cache.cache.now())).await?;
        listed.content.location = Location::Blob(replacement);
        Ok(listed)
    }

    fn keep_blob(&self, token: BlobToken) {
        let content = &self.request.content;
        let key = self.cache.layout().blob(content.cache_hash(), token);
        self.cache.cache.shared.objects.keep_blob(&key, content.bytes(), content.sha256());
    }

    async fn remove_own_blob(&mut self) {
        if let Some(token) = self.own_blob.take() {
            let key = self.cache.layout().blob(self.request.content.cache_hash(), token);
            self.cache.cache.remove_garbage(&key).await;
        }
    }

    /// The response for an entry that was committed and deleted since: it was stored.
    async fn already_removed(&self, removed: &RemovedEntry) -> Result<Stored, Error> {
        if self.request.if_none_match
            && let Some(index) = self.cache.load_index(self.index_key.as_ref()).await?.and_then(|loaded| loaded.head)
            && index.is_refused(self.nonce)
        {
            return Err(self.refused());
        }
        // As in `run`: after that time a refusal may have been forgotten.
        self.cache.check_operation_time(self.spec.stored_at)?;
        let entry = self.entry(removed.cache_id, removed.version);
        let paths = Paths::of(&entry);
        Ok(Stored { entry, key_version: None, deduplicated: true, paths })
    }

    fn entry(&self, cache_id: CacheId, version: u64) -> Entry {
        let (spec, content) = (self.spec.clone(), &self.request.content);
        Entry {
            namespace: self.cache.namespace.clone(),
            cache_id,
            cache_hash: content.cache_hash().clone(),
            version,
            strategy: spec.strategy,
            cache_key: spec.cache_key,
            file_id: spec.file_id,
            json_field_path: spec.json_field_path,
            stored_at: spec.stored_at,
            expires_at: spec.expires_at,
            content: ContentInfo {
                kind: spec.kind,
                sha256: content.sha256(),
                size: self.size(),
                content_encoding: spec.content_encoding,
                blob: None,
            },
            revision: None,
            nonce: self.nonce,
        }
    }

    /// Refuses a store that was to be the first under its key, before anything is written.
    async fn check_is_first(&self, index: Option<&Loaded<KeyIndex>>) -> Result<(), Error> {
        let (Some(index), Some(key)) = (index.and_then(|index| index.head.as_deref()), &self.index_key) else {
            return Ok(());
        };
        let is_repeat = self.nonce.origin() != NonceOrigin::Random;
        // The live version may be the one that this store, or a repeat of it, has listed.
        if is_repeat {
            return Ok(());
        }
        match self.cache.live_version(key, index).await {
            // A page may have been replaced: listing the entry checks again.
            Ok(None) | Err(Error::Corrupt { .. }) => Ok(()),
            Ok(Some(_)) => Err(self.refused()),
            Err(error) => Err(error),
        }
    }

    /// Takes the entry back, because another one was listed under the key first.
    async fn not_the_first(&self, cache_id: CacheId) -> Error {
        match self.cache.delete(cache_id).await {
            Ok(_) => self.refused(),
            Err(error) => error,
        }
    }

    fn refused(&self) -> Error {
        let StoreRequest { cache_key, file_id, .. } = self.request;
        let name = |text: Option<String>| text.unwrap_or_default();
        Error::PreconditionFailed(format!(
            "there is a live version under key '{}' and file_id '{}': read it, or store without If-None-Match",
            name(cache_key.as_ref().map(ToString::to_string)),
            name(file_id.as_ref().map(ToString::to_string)),
        ))
    }
}

/// What the create-only PUT of a manifest came to.
enum Created {
    /// The entry is committed.
    Done,
    /// There is a manifest.
    Refused,
    /// It may be committed.
    Unclear,
}

/// The nonce of a store: drawn, or derived from its idempotency key and everything that makes it this store.
fn nonce(cache: &NamespaceCache, request: &StoreRequest, spec: &EntrySpec) -> Nonce {
    let Some(idempotency_key) = &request.idempotency_key else { return Nonce::from_random(cache.cache.random()) };
    let text = |text: Option<&str>| text.unwrap_or_default().as_bytes().to_vec();
    let parts = [
        request.content.sha256().as_bytes().to_vec(),
        spec.strategy.name().as_bytes().to_vec(),
        spec.kind.name().as_bytes().to_vec(),
        text(spec.cache_key.as_ref().map(CacheKey::as_str)),
        text(spec.file_id.as_ref().map(FileId::as_str)),
        text(spec.json_field_path.as_deref()),
        text(spec.content_encoding.as_deref()),
        request.ttl.map(|ttl| ttl.as_secs().to_string()).unwrap_or_default().into_bytes(),
    ];
    let parts: Vec<&[u8]> = parts.iter().map(Vec::as_slice).collect();
    idempotency_key.nonce(&cache.namespace, &parts)
}
