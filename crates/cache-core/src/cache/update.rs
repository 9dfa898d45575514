//! Update: an entry gets a new content, and keeps its id, its hash and all earlier contents as revisions.
//!
//! The key index gives up its copy of the entry first, so that no read by key finds the old content after the update was
//! acknowledged. The commit is one compare-and-swap of the manifest, as of a store.

use std::sync::Arc;

use bytes::Bytes;
use futures::future::{OptionFuture, try_join};

use crate::digest::Sha256Digest;
use crate::entry::Entry;
use crate::error::Error;
use crate::ids::{BlobToken, CacheHash, CacheId};
use crate::manifest::{ContentSource, Location, Manifest, NewContent};
use crate::nonce::Nonce;
use crate::storage::ObjectKey;
use crate::strategy::{ContentKind, Strategy};

use super::NamespaceCache;
use super::commit::{Applied, History};
use super::load::{Loaded, Part};
use super::manifest_changes::{ListedEntry, ManifestChange, ManifestOutcome, Revise, Target, content_unknown};
use super::retrieve::Selector;
use super::store::IdempotencyKey;
use super::views::entry_view;

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
        let Some((hash, target)) = this.place_of(request.cache_id).await? else { return Ok(None) };
        let key = this.layout().manifest(&hash);
        let update = Update { cache: this, request, hash, target, key };
        Box::pin(update.run()).await
    }
}

/// An update on its way.
struct Update<'a> {
    cache: NamespaceCache,
    request: &'a UpdateRequest,
    hash: CacheHash,
    target: Target,
    key: ObjectKey,
}

impl Update<'_> {
    async fn run(&self) -> Result<Option<Entry>, Error> {
        let large = self.request.content.len() as u64 > self.cache.cache.shared.limits.max_inline_bytes;
        let load = self.cache.load::<Manifest>(&self.key, Part::Whole);
        let (loaded, blob) = try_join(load, self.write_blob_if(large)).await?;
        let Some(entry) = self.current(&loaded).await?.filter(|entry| !entry.is_expired(self.cache.cache.now())) else {
            self.remove_blob(blob).await;
            return Ok(None);
        };
        self.cache.note_update_in_key(&entry).await?;
        let (applied, blob) = self.commit(loaded, blob).await?;
        match applied.outcome {
            ManifestOutcome::Revised(listed) => {
                let unused = blob.filter(|token| listed.content.location != Location::Blob(*token));
                self.remove_blob(unused.filter(|_| !applied.is_ambiguous)).await;
                self.finish(*listed).await.map(Some)
            }
            ManifestOutcome::KindRefused(kind) => {
                self.remove_blob(blob).await;
                Err(refused(kind, self.request.kind))
            }
            // An earlier attempt may have been applied and its blob referenced by others since: it is left for the sweep.
            ManifestOutcome::NotListed => Ok(None),
            ManifestOutcome::Listed(_)
            | ManifestOutcome::AlreadyRemoved(_)
            | ManifestOutcome::NoPlace(_)
            | ManifestOutcome::Removed { .. }
            | ManifestOutcome::Changed => {
                Err(Error::unavailable(format!("{} found no place for the content: retry later", self.key)))
            }
        }
    }

    /// The entry as it is now.
    async fn current(&self, loaded: &Loaded<Manifest>) -> Result<Option<Entry>, Error> {
        let Some(manifest) = &loaded.head else { return Ok(None) };
        let Some(located) = self.cache.locate(&self.key, manifest, self.target).await? else { return Ok(None) };
        let row = located.row();
        let content = located.content(manifest, row.current_content()).ok_or_else(|| content_unknown(&self.key, row))?;
        Ok(Some(Entry::with_content(&self.hash, row, content)))
    }

    async fn commit(
        &self,
        mut loaded: Loaded<Manifest>,
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
        let updated_at = self.cache.cache.now();
        let mut history = History {
            losses: 0,
            check_existing: idempotency_key.is_some(),
            started_at: Some(updated_at),
        };
        for attempt in 1.. {
            let source = match blob {
                Some(token) => ContentSource::Blob(token),
                None => self.cache.inline_source(content),
            };
            let content = NewContent { sha256, size: content.len() as u64, source };
            let revise = Revise { target: self.target, nonce, kind: *kind, content, updated_at };
            let change = ManifestChange::Revise(Arc::new(revise));
            let applied = self.cache.commit(&self.key, loaded, change, history).await?;
            if attempt == MAX_PLACES || !matches!(applied.outcome, ManifestOutcome::NoPlace(_)) {
                return Ok((applied, blob));
            }
            history.check_existing = true;
            loaded = applied.state;
            blob = self.write_blob_if(true).await?;
        }
        unreachable!("the last attempt returns")
    }

    async fn finish(&self, listed: ListedEntry) -> Result<Entry, Error> {
        if listed.row.revisions.len() > self.cache.cache.shared.limits.max_row_revisions {
            self.roll_revisions().await;
        }
        let entry = listed.entry(&self.hash);
        self.write_copies(&entry).await?;
        Ok(entry)
    }

    /// Moves older revisions into a page. It is tried once: the next update tries again.
    async fn roll_revisions(&self) {
        let roll = async {
            let loaded = self.cache.load::<Manifest>(&self.key, Part::Whole).await?;
            let change = ManifestChange::RollRevisions(self.target);
            self.cache.commit(&self.key, loaded, change, History::default()).await.map(drop)
        };
        if let Err(error) = roll.await {
            tracing::info!(key = %self.key, %error, "older revisions were not moved");
        }
    }

    /// Brings the readable copies up to date. Whoever writes one reads the entry afterwards, so that of two updates at the same
    /// time the newer one is shown in the end.
    async fn write_copies(&self, updated: &Entry) -> Result<(), Error> {
        if updated.strategy != Strategy::KeyBased {
            return Ok(());
        }
        if let Some(key) = updated.key_ref() {
            self.cache.settle_key_view(&key, None).await;
            return Ok(());
        }
        let mut shown = None;
        for _ in 0..MAX_COPIES {
            let now = self.cache.retrieve_even_expired(&Selector::Id(self.target.cache_id)).await?;
            let Some(now) = now else {
                return self.remove_copy(updated).await;
            };
            if shown == Some(now.entry.revision) {
                return Ok(());
            }
            if let Some(view) = entry_view(self.cache.layout(), &now.entry).ok().flatten() {
                self.cache.cache.overwrite(&view, now.bytes).await?;
            }
            shown = Some(now.entry.revision);
        }
        Ok(())
    }

    async fn remove_copy(&self, entry: &Entry) -> Result<(), Error> {
        match entry_view(self.cache.layout(), entry).ok().flatten() {
            Some(view) => self.cache.cache.remove(&view).await,
            None => Ok(()),
        }
    }

    async fn write_blob_if(&self, wanted: bool) -> Result<Option<BlobToken>, Error> {
        let blob: OptionFuture<_> = wanted.then(|| self.cache.write_blob(&self.hash, &self.request.content)).into();
        blob.await.transpose()
    }

    async fn remove_blob(&self, blob: Option<BlobToken>) {
        if let Some(token) = blob {
            self.cache.cache.remove_garbage(&self.cache.layout().blob(&self.hash, token)).await;
        }
    }
}

fn refused(has: ContentKind, sent: ContentKind) -> Error {
    let (has, sent) = (has.name(), sent.name());
    let message = format!("the entry holds {has} content, which {sent} content cannot replace: store a new entry");
    Error::invalid("body", message)
}
