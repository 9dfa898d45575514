//! Completing an upload: the content becomes an entry, whose nonce follows from the upload id.

use std::sync::Arc;

use bytes::Bytes;
use futures::future::try_join4;

use crate::error::Error;
use crate::ids::{BlobToken, CacheId};
use crate::key_index::KeyIndex;
use crate::manifest::{ContentSource, Location, Manifest, NewContent, NewEntry};
use crate::nonce::Nonce;
use crate::settings::Settings;
use crate::storage::{ObjectHead, ObjectKey};
use crate::strategy::Strategy;
use crate::time::UnixMillis;

use super::super::commit::CommitContext;
use super::super::content::OwnBlob;
use super::super::head::Loaded;
use super::super::key_index_entries::AddOptions;
use super::super::load::Part;
use super::super::manifest_changes::{Insert, ListedEntry, ManifestChange, ManifestOutcome};
use super::super::views::{Shown, entry_view};
use super::super::{NamespaceCache, Paths, Selector, Stored};
use super::{UploadLimits, UploadRequest};

impl NamespaceCache {
    /// Makes an entry of a content that was uploaded, and returns when everything the response promises is durable.
    /// Completing an upload again returns the same entry.
    ///
    /// # Errors
    ///
    /// `Invalid` when the content is not there, not the one that was announced, or too old, or when the upload was completed
    /// under another key, or its entry was deleted since; `Unavailable` when the storage does not respond.
    pub async fn complete_upload(
        &self,
        upload_id: CacheId,
        request: &UploadRequest,
        limits: UploadLimits,
    ) -> Result<Stored, Error> {
        request.check(limits)?;
        let token = request.token_in(upload_id)?;
        let cache = self.with_default_deadline();
        let entry = request.entry(&cache.namespace, upload_id, cache.cache.now());
        cache.check_views(&entry)?;
        let hash = request.cache_hash();
        let completion = Completion {
            manifest_key: cache.layout().manifest(&hash),
            index_key: entry.key_ref().map(|key| cache.layout().key_index(&key)),
            blob: cache.layout().blob(&hash, token),
            nonce: UploadRequest::nonce(upload_id),
            started_at: cache.cache.now(),
            cache,
            request,
            token,
        };
        // On the heap, so that it does not swell the futures of all callers.
        Box::pin(completion.run()).await
    }
}

struct Completion<'a> {
    cache: NamespaceCache,
    request: &'a UploadRequest,
    /// Which blob was uploaded.
    token: BlobToken,
    blob: ObjectKey,
    nonce: Nonce,
    started_at: UnixMillis,
    manifest_key: ObjectKey,
    index_key: Option<ObjectKey>,
}

impl Completion<'_> {
    async fn run(&self) -> Result<Stored, Error> {
        let head = async { Ok(self.cache.cache.storage.head(&self.blob).await?) };
        let (head, manifest, index, settings) =
            try_join4(head, self.load_manifest(), self.cache.load_index(self.index_key.as_ref()), self.settings())
                .await?;
        let completed = match self.find_completed(&manifest, &index).await {
            // A page may have been replaced since the manifest was read.
            Err(Error::Corrupt { .. }) => self.find_completed_again(&index).await?,
            completed => completed?,
        };
        if let Some(stored) = completed {
            return Ok(stored);
        }
        let Some(head) = head else {
            // A completion that ended just now may have removed the blob, because it references another one.
            let completed = self.find_completed_again(&index).await?;
            return completed
                .ok_or_else(|| refused("names an upload whose content is not there yet: send it to the url first"));
        };
        self.make(manifest, index, &settings, &head).await
    }

    async fn load_manifest(&self) -> Result<Loaded<Manifest>, Error> {
        self.cache.load(&self.manifest_key, Part::Whole).await
    }

    async fn settings(&self) -> Result<Settings, Error> {
        match self.cache.cached_settings() {
            Some(cached) => Ok(cached.settings),
            None => self.cache.settings().await,
        }
    }

    /// What an earlier completion, or one at the same time, has made.
    async fn find_completed(
        &self,
        manifest: &Loaded<Manifest>,
        index: &Option<Loaded<KeyIndex>>,
    ) -> Result<Option<Stored>, Error> {
        let Some(manifest) = &manifest.head else { return Ok(None) };
        match self.cache.find_by_nonce(&self.manifest_key, manifest, self.nonce).await? {
            Some(ManifestOutcome::Listed(listed)) => {
                self.check_same_key(&listed)?;
                self.finish(*listed, index.clone()).await.map(Some)
            }
            Some(
                ManifestOutcome::AlreadyRemoved(_)
                | ManifestOutcome::NoPlace(_)
                | ManifestOutcome::Removed { .. }
                | ManifestOutcome::NotListed
                | ManifestOutcome::Revised(_)
                | ManifestOutcome::KindRefused(_)
                | ManifestOutcome::Changed,
            ) => Err(deleted()),
            None => Ok(None),
        }
    }

    /// As [`Completion::find_completed`], in the manifest as it is now.
    async fn find_completed_again(&self, index: &Option<Loaded<KeyIndex>>) -> Result<Option<Stored>, Error> {
        self.cache
            .retry_replaced(|| async {
                let manifest = self.load_manifest().await?;
                self.find_completed(&manifest, index).await
            })
            .await
    }

    /// Checks the content and lists the entry.
    async fn make(
        &self,
        manifest: Loaded<Manifest>,
        index: Option<Loaded<KeyIndex>>,
        settings: &Settings,
        head: &ObjectHead,
    ) -> Result<Stored, Error> {
        self.cache.check_strategy(settings, self.request.strategy)?;
        self.cache.check_quota(settings, self.request.size).await?;
        self.cache.check_upload(self.request, &self.blob, head).await?;
        let stored_at = self.started_at;
        let spec = self.request.spec(stored_at, self.cache.expiry(settings, None, stored_at));
        let source = ContentSource::Blob(self.token);
        let new = NewContent { sha256: self.request.sha256, size: self.request.size, source };
        let entry = NewEntry { nonce: self.nonce, spec, content: new, foreign_id: None };
        let cache_hash = self.request.cache_hash();
        let first_version = self.cache.first_version(&cache_hash).await?;
        let insert = Arc::new(Insert { cache_hash, entry, first_version });
        let context = CommitContext::since(self.started_at);
        let applied = self.cache.commit(&self.manifest_key, manifest, ManifestChange::Insert(insert), context).await?;
        match applied.outcome {
            ManifestOutcome::Listed(listed) => {
                self.check_same_key(&listed)?;
                let listed = self.check_blob(*listed, applied.is_ambiguous).await?;
                self.finish(listed, index).await
            }
            ManifestOutcome::NoPlace(error) => Err(Error::unavailable(format!("{}: {error}", self.blob))),
            ManifestOutcome::AlreadyRemoved(_)
            | ManifestOutcome::Removed { .. }
            | ManifestOutcome::NotListed
            | ManifestOutcome::Revised(_)
            | ManifestOutcome::KindRefused(_)
            | ManifestOutcome::Changed => Err(deleted()),
        }
    }

    fn check_same_key(&self, listed: &ListedEntry) -> Result<(), Error> {
        let asked = self.request.spec(listed.row.spec.stored_at, None);
        let spec = &listed.row.spec;
        if (&spec.cache_key, &spec.file_id) == (&asked.cache_key, &asked.file_id) {
            return Ok(());
        }
        Err(refused("was completed under another key or file_id"))
    }

    /// If the entry references a blob that was there already, checks that one, and puts the uploaded one in its place or
    /// removes it.
    async fn check_blob(&self, mut listed: ListedEntry, is_ambiguous: bool) -> Result<ListedEntry, Error> {
        let (hash, sha256) = (self.request.cache_hash(), self.request.sha256);
        match self.cache.own_blob(&hash, sha256, Some(self.token), &listed, is_ambiguous, None).await? {
            OwnBlob::Referenced | OwnBlob::Kept => {}
            OwnBlob::Unused => self.cache.cache.remove_garbage(&self.blob).await,
            OwnBlob::Replaces(damaged) => {
                self.cache.replace_blob(&hash, sha256, damaged, self.token).await?;
                listed.content.location = Location::Blob(self.token);
            }
        }
        Ok(listed)
    }

    /// Writes the views and lists the entry under its key.
    async fn finish(&self, listed: ListedEntry, index: Option<Loaded<KeyIndex>>) -> Result<Stored, Error> {
        let entry = listed.entry(&self.cache.namespace, &self.request.cache_hash());
        let content = self.shown_content(&listed).await?;
        if let Some(view) = entry_view(self.cache.layout(), &entry).ok().flatten() {
            self.cache.create_entry_view(&view, self.cache.shown(&entry, &content)).await?;
        }
        let deduplicated = listed.content.location != Location::Blob(self.token);
        let options = AddOptions { create_only: false, started_at: self.started_at };
        let added = self.cache.add_to_key_index(&listed, entry, index, &content, options).await?;
        let paths = Paths::of(&added.entry);
        Ok(Stored { entry: added.entry, key_version: added.key_version, deduplicated, paths })
    }

    /// What the views of the entry are made from.
    async fn shown_content(&self, listed: &ListedEntry) -> Result<Shown, Error> {
        if listed.row.spec.strategy != Strategy::KeyBased {
            return Ok(Shown::Bytes(Bytes::new()));
        }
        if let Some(shown) = self.cache.shown_of(&self.request.cache_hash(), &listed.content) {
            return Ok(shown);
        }
        let found = self.cache.retrieve_even_expired(&Selector::Id(listed.row.cache_id)).await?;
        found.map(|found| Shown::Bytes(found.bytes)).ok_or_else(deleted)
    }
}

fn deleted() -> Error {
    refused("was completed, and the entry was deleted: begin a new upload, without the same Idempotency-Key")
}

fn refused(what: &str) -> Error {
    Error::invalid("upload_id", what)
}
