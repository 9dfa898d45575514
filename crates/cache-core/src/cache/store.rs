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
//! file id, the key index is read in the first round trip, and the entry is added to it after the commit, see `key_index_entries`.

mod blob;
mod entry_view;
mod first_round;
mod request;

pub use self::request::{IdempotencyKey, MAX_TTL, MIN_TTL, StoreRequest, Stored};

use std::time::Duration;

use futures::future::{join3, try_join};

use crate::entry::{ContentInfo, Entry};
use crate::error::Error;
use crate::ids::{BlobToken, CacheId};
use crate::key_index::KeyIndex;
use crate::manifest::{ContentSource, EntrySpec, InsertError, Manifest, NewContent, NewEntry, RemovedEntry};
use crate::nonce::{Nonce, NonceOrigin};
use crate::settings::Settings;
use crate::storage::ObjectKey;
use crate::strategy::Strategy;
use crate::time::UnixMillis;

use self::entry_view::EntryView;
use self::first_round::FirstRound;
use super::NamespaceCache;
use super::commit::CommitContext;
use super::head::{Applied, Loaded};
use super::key_index_entries::AddOptions;
use super::load::Part;
use super::manifest_changes::{Insert, ListedEntry, ManifestChange, ManifestOutcome};
use super::paths::Paths;
use super::views::{Shown, entry_view, key_view};

/// How often a store looks for a place for its content before it gives up. Each time another store was faster.
const MAX_PLACES: usize = 8;

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
    /// The first version that is not one of an entry of the Python service.
    first_version: u64,
    index_key: Option<ObjectKey>,
    /// The blob that was written for it.
    own_blob: Option<BlobToken>,
    /// The entry views that were written beside commits.
    views: Vec<EntryView>,
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
        let nonce = request::nonce(&cache, request, &spec);
        let manifest_key = cache.layout().manifest(content.cache_hash());
        let index_key = key.as_ref().map(|key| cache.layout().key_index(key));
        let first_version = 1;
        let (own_blob, views) = (None, Vec::new());
        let store = Self { cache, request, spec, nonce, manifest_key, first_version, index_key, own_blob, views };
        store.cache.check_views(&store.entry(CacheId::from_u128(0), 0))?;
        Ok(store)
    }

    async fn run(mut self) -> Result<Stored, Error> {
        let first = self.first_round().await?;
        let FirstRound { manifest, index, created, context } = first;
        let listed = match created {
            Some(listed) => listed,
            None => match self.commit(manifest, context).await? {
                Ok(listed) => listed,
                Err(removed) => return self.already_removed(&removed).await,
            },
        };
        let (deduplicated, cache_id) = (listed.is_shared, listed.row.cache_id);
        let entry = listed.entry(&self.cache.namespace, self.request.content.cache_hash());
        self.settle_entry_views(&entry).await?;
        let content = Shown::Bytes(self.request.content.bytes().clone());
        let options = AddOptions { create_only: self.request.if_none_match, started_at: self.spec.stored_at };
        let added = self.cache.add_to_key_index(&listed, entry, index, &content, options).await?;
        if added.is_refused {
            return Err(self.not_the_first(cache_id).await);
        }
        // A process that was frozen meanwhile has seen states of manifest and key index that are days apart: what happened
        // in between, such as that a repeat of this store was refused, is remembered no longer.
        self.cache.check_operation_time(self.spec.stored_at)?;
        let paths = Paths::of(&added.entry);
        Ok(Stored { entry: added.entry, key_version: added.key_version, deduplicated, paths })
    }

    fn is_small(&self) -> bool {
        self.size() <= self.cache.cache.shared.limits.max_inline_bytes
    }

    fn size(&self) -> u64 {
        self.request.content.bytes().len() as u64
    }

    async fn load_manifest(&self) -> Result<Loaded<Manifest>, Error> {
        self.cache.load(&self.manifest_key, Part::Whole).await
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
        mut context: CommitContext,
    ) -> Result<Result<ListedEntry, RemovedEntry>, Error> {
        for _ in 0..MAX_PLACES {
            let (applied, intact) = self.commit_once(manifest, context).await?;
            context.check_existing = true;
            match applied.outcome {
                ManifestOutcome::Listed(listed) => {
                    return self.check_blob(*listed, applied.is_ambiguous, intact).await.map(Ok);
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

    /// Tries to list the entry. Beside that it writes its entry view under the id that it is expected to get, and checks the
    /// blob that it is expected to reference; the result names that blob if it is intact.
    ///
    /// An entry that is listed with that blob proves that it was referenced all the time since `manifest` was read: the token
    /// of a blob that was freed is never listed again.
    async fn commit_once(
        &mut self,
        manifest: Loaded<Manifest>,
        context: CommitContext,
    ) -> Result<(Applied<Manifest>, Option<BlobToken>), Error> {
        let entry = self.new_entry();
        let known = self.known_blob(&manifest);
        let expected = self.expected_view(&manifest, &entry);
        let unused = self.take_unused_views(expected.as_ref(), context);
        let first_version = self.first_version;
        let insert = Insert { cache_hash: self.request.content.cache_hash().clone(), entry, first_version };
        let change = ManifestChange::Insert(std::sync::Arc::new(insert));
        let commit = self.cache.commit(&self.manifest_key, manifest, change, context);
        let write = self.write_view(expected);
        let remove = self.remove_views(unused);
        let check = async {
            let (token, content) = known.as_ref()?;
            // If this fails, the blob is checked again after the commit.
            let is_intact = self.cache.is_blob_intact(self.request.content.cache_hash(), *token, content).await;
            is_intact.is_ok_and(|is_intact| is_intact).then_some(*token)
        };
        let (committed, _, checked) = join3(try_join(commit, write), remove, check).await;
        let (applied, view) = committed?;
        self.views.extend(view);
        Ok((applied, checked))
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
            python_files: None,
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
