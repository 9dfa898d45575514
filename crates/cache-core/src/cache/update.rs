//! Update: an entry gets a new content, and keeps its id, its hash and all earlier contents as revisions.
//!
//! The key index gives up its copy of the entry first, so that no read by key finds the old content after the update was
//! acknowledged. The commit is one compare-and-swap of the manifest, as of a store.

use std::sync::Arc;

use bytes::Bytes;
use futures::future::{join, try_join};

use crate::digest::Sha256Digest;
use crate::entry::Entry;
use crate::error::Error;
use crate::ids::{BlobToken, CacheHash, CacheId};
use crate::manifest::{ContentSource, Location, Manifest, NewContent};
use crate::nonce::Nonce;
use crate::strategy::{ContentKind, Strategy};
use crate::time::UnixMillis;

use super::NamespaceCache;
use super::commit::CommitContext;
use super::head::Applied;
use super::key_changes::other_kinds;
use super::load::{Current, Part};
use super::manifest_changes::{ListedEntry, ManifestChange, ManifestOutcome, Revise};
use super::retrieve::{Retrieved, Selector};
use super::store::IdempotencyKey;
use super::views::{Shown, ViewBefore, entry_view};

/// How often an update looks for a place for its content before it gives up.
const MAX_PLACES: usize = 8;
/// How often the readable copy of an entry is written while others update it, before it is left as it is.
const MAX_COPIES: usize = 8;

/// A new content of an entry.
#[derive(Debug, Clone)]
pub struct UpdateRequest {
    /// The entry.
    pub cache_id: CacheId,
    /// The kind of the new content: JSON and strings may replace each other and a binary; others stay of their kind.
    pub kind: ContentKind,
    /// The new content.
    pub content: Bytes,
    /// Whose request it is, so that a repeat does not make another revision.
    pub idempotency_key: Option<IdempotencyKey>,
}

impl NamespaceCache {
    /// Gives an entry a new content and returns the entry after that; `None` when there is no such entry.
    ///
    /// # Errors
    ///
    /// `Invalid` when the content is of a kind that cannot replace the entry's; else as [`NamespaceCache::store`].
    pub async fn update(&self, request: &UpdateRequest) -> Result<Option<Entry>, Error> {
        let this = self.with_default_deadline();
        let started_at = this.cache.now();
        Box::pin(Update { cache: this, request, started_at }.run()).await
    }
}

/// An update on its way.
struct Update<'a> {
    cache: NamespaceCache,
    request: &'a UpdateRequest,
    started_at: UnixMillis,
}

impl Update<'_> {
    async fn run(&self) -> Result<Option<Entry>, Error> {
        if self.request.cache_id.parts().is_none() {
            self.cache.adopt_python_entry(self.request.cache_id).await?;
        }
        // A large content goes into a blob. Which one cannot be told by an id that does not say its hash.
        let hash = self.request.cache_id.parts().map(|parts| parts.cache_hash);
        let early = hash.filter(|_| self.is_large());
        let (current, blob) = try_join(self.cache.current(self.request.cache_id), self.write_blob_if(early)).await?;
        let now = self.cache.cache.now();
        let Some(current) = current.filter(|current| !current.entry.is_expired(now)) else {
            // The blob is left for the sweep: nobody knows its hash here if there is no entry.
            return Ok(None);
        };
        let blob = match blob {
            None if self.is_large() => self.write_blob_if(Some(current.cache_hash.clone())).await?,
            blob => blob,
        };
        let view_before = self.note_in_key(&current.entry).await?;
        let (applied, blob) = self.commit(&current, blob).await?;
        match applied.outcome {
            ManifestOutcome::Revised(listed) => {
                let unused = blob.filter(|token| listed.content.location != Location::Blob(*token));
                self.remove_blob(&current, unused.filter(|_| !applied.is_ambiguous && !applied.found)).await;
                self.finish(&current, *listed, view_before).await.map(Some)
            }
            ManifestOutcome::KindRefused(kind) => {
                self.remove_blob(&current, blob).await;
                Err(refused(kind, self.request.kind))
            }
            // An earlier attempt may have been applied and its blob referenced by others since: it is left for the sweep.
            ManifestOutcome::NotListed => Ok(None),
            ManifestOutcome::Listed(_)
            | ManifestOutcome::AlreadyRemoved(_)
            | ManifestOutcome::NoPlace(_)
            | ManifestOutcome::Removed { .. }
            | ManifestOutcome::Changed => {
                Err(Error::unavailable(format!("{} found no place for the content: retry later", current.key)))
            }
        }
    }

    /// Notes the update in the key index, and returns the view that shows the entry; `None` if it is not the newest there.
    async fn note_in_key(&self, entry: &Entry) -> Result<Option<ViewBefore>, Error> {
        let kind = self.request.kind;
        let note = self.cache.note_update_in_key_index(entry, kind, self.started_at);
        let (index, view) = join(note, self.cache.key_view_before_update(entry, kind)).await;
        let index = index?.and_then(|index| index.head);
        let is_newest = index.is_some_and(|index| index.newest_row().is_some_and(|row| row.cache_id == entry.cache_id));
        Ok(view.filter(|_| is_newest))
    }

    fn is_large(&self) -> bool {
        self.request.content.len() as u64 > self.cache.cache.shared.limits.max_inline_bytes
    }

    async fn commit(
        &self,
        current: &Current,
        mut blob: Option<BlobToken>,
    ) -> Result<(Applied<Manifest>, Option<BlobToken>), Error> {
        let UpdateRequest { cache_id, kind, content, idempotency_key } = self.request;
        let sha256 = Sha256Digest::of(content);
        let nonce = match idempotency_key {
            Some(key) => {
                let parts: [&[u8]; 3] = [b"update", cache_id.as_bytes(), sha256.as_bytes()];
                key.nonce(&self.cache.namespace, &parts)
            }
            None => Nonce::from_random(self.cache.cache.random()),
        };
        // A repeat looks for its revision first.
        let mut context =
            CommitContext { check_existing: idempotency_key.is_some(), ..CommitContext::since(self.started_at) };
        let mut loaded = current.manifest.clone();
        for attempt in 1.. {
            let source = match blob {
                Some(token) => ContentSource::Blob(token),
                None => self.cache.inline_source(content),
            };
            let content = NewContent { sha256, size: content.len() as u64, source };
            let revise = Revise { target: current.target, nonce, kind: *kind, content, updated_at: self.started_at };
            let change = ManifestChange::Revise(Arc::new(revise));
            let applied = self.cache.commit(&current.key, loaded, change, context).await?;
            if attempt == MAX_PLACES || !matches!(applied.outcome, ManifestOutcome::NoPlace(_)) {
                return Ok((applied, blob));
            }
            context.check_existing = true;
            loaded = applied.state;
            blob = self.write_blob_if(Some(current.cache_hash.clone())).await?;
        }
        unreachable!("the last attempt returns")
    }

    async fn finish(
        &self,
        current: &Current,
        listed: ListedEntry,
        view_before: Option<ViewBefore>,
    ) -> Result<Entry, Error> {
        if listed.row.revisions.len() > self.cache.cache.shared.limits.max_row_revisions {
            self.roll_revisions(current).await;
        }
        let entry = listed.entry(&self.cache.namespace, &current.cache_hash);
        self.write_copies(&entry, current.entry.content.kind, view_before).await?;
        Ok(entry)
    }

    /// Moves older revisions into a page. It is tried once: the next update tries again.
    async fn roll_revisions(&self, current: &Current) {
        let roll = async {
            let loaded = self.cache.load::<Manifest>(&current.key, Part::Whole).await?;
            let change = ManifestChange::RollRevisions(current.target);
            self.cache
                .commit(&current.key, loaded, change, CommitContext::since(self.cache.cache.now()))
                .await
                .map(drop)
        };
        if let Err(error) = roll.await {
            tracing::info!(key = %current.key, %error, "older revisions were not moved");
        }
    }

    /// Brings the readable copies up to date. Each update reads the entry afterwards, so that of two updates at the same
    /// time the newer one is shown in the end. A copy of an earlier kind has another name, and goes.
    async fn write_copies(
        &self,
        updated: &Entry,
        kind_before: ContentKind,
        view_before: Option<ViewBefore>,
    ) -> Result<(), Error> {
        if updated.strategy != Strategy::KeyBased {
            return Ok(());
        }
        let UpdateRequest { kind, ref content, .. } = *self.request;
        // A repeat finds the entry with what another update has made of it since.
        let shows_request = updated.content.kind == kind && updated.content.sha256 == Sha256Digest::of(content);
        if let Some(key) = updated.key_ref() {
            let written = match view_before.filter(|_| shows_request) {
                Some(before) => {
                    let content = Shown::Bytes(content.clone());
                    self.cache.replace_key_view(before, updated, &content).await
                }
                None => None,
            };
            self.cache.settle_key_view(&key, written).await;
            return Ok(());
        }
        let mut kinds = vec![kind_before];
        let mut shown = None;
        let mut known = shows_request.then(|| Retrieved { entry: updated.clone(), bytes: content.clone() });
        for _ in 0..MAX_COPIES {
            let now = match known.take() {
                Some(known) => Some(known),
                None => self.cache.retrieve_even_expired(&Selector::Id(self.request.cache_id)).await?,
            };
            let Some(now) = now else {
                kinds.push(updated.content.kind);
                return self.remove_copies(updated, &kinds).await;
            };
            if shown == Some(now.entry.revision) {
                return Ok(());
            }
            if let Some(view) = entry_view(self.cache.layout(), &now.entry).ok().flatten() {
                self.cache.cache.overwrite(&view, now.bytes).await?;
            }
            let kind = now.entry.content.kind;
            let others: Vec<ContentKind> = other_kinds(&kinds, kind).collect();
            self.remove_copies(&now.entry, &others).await?;
            kinds.push(kind);
            shown = Some(now.entry.revision);
        }
        Ok(())
    }

    /// Removes the copies that an entry had as a content of these kinds.
    async fn remove_copies(&self, entry: &Entry, kinds: &[ContentKind]) -> Result<(), Error> {
        for kind in kinds {
            let mut entry = entry.clone();
            entry.content.kind = *kind;
            if let Some(view) = entry_view(self.cache.layout(), &entry).ok().flatten() {
                self.cache.cache.remove(&view).await?;
            }
        }
        Ok(())
    }

    async fn write_blob_if(&self, hash: Option<CacheHash>) -> Result<Option<BlobToken>, Error> {
        match hash {
            Some(hash) => self.cache.write_blob(&hash, &self.request.content).await.map(Some),
            None => Ok(None),
        }
    }

    async fn remove_blob(&self, current: &Current, blob: Option<BlobToken>) {
        if let Some(token) = blob {
            self.cache.cache.remove_garbage(&self.cache.layout().blob(&current.cache_hash, token)).await;
        }
    }
}

fn refused(has: ContentKind, sent: ContentKind) -> Error {
    let (has, sent) = (has.name(), sent.name());
    let message = format!("the entry holds {has} content, which {sent} content cannot replace: store a new entry");
    Error::invalid("body", message)
}
