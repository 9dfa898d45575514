//! Update: an entry gets a new content, and keeps its id, its hash and all earlier contents.
//!
//! A revision is written under a number that nobody else has, then the record is swapped to name it. Indexes remember the
//! record of their newest version so that reads by hash and key save a call; they are made to forget it first, so that no
//! read finds the old content after the update was acknowledged.

use bytes::Bytes;
use futures::future::try_join;

use crate::content::Digest;
use crate::error::Error;
use crate::ids::{CacheId, Namespace};
use crate::layout::Layout;
use crate::record::{Record, Revision};
use crate::storage::{ObjectKey, PutMode, StorageError};
use crate::strategy::{ContentKind, Strategy};

use super::Cache;
use super::blobs::Blob;
use super::swap::{Change, Pause};
use super::views::{After, unique_view};

/// How many numbers are tried for a revision. Each that is taken stands for an update that races with this one, or broke off.
const MOST_NUMBERS: u64 = 1_000;

impl Cache {
    /// Gives an entry a new content and returns its record after that; `None` when there is no such entry.
    ///
    /// Errors: `Invalid` when the content is of another kind than the entry's.
    pub async fn update(
        &self,
        namespace: &Namespace,
        id: CacheId,
        kind: ContentKind,
        content: Bytes,
    ) -> Result<Option<Record>, Error> {
        let cache = self.begin();
        let key = Layout::new(namespace).record(id);
        let mut pause = Pause::new(&cache);
        let mut written: Option<Revision> = None;
        loop {
            let found =
                cache.load_record(&key).await?.filter(|(record, _)| !record.is_expired(cache.surroundings.now_ms()));
            let Some((record, state)) = found else {
                // It was deleted meanwhile: nobody else will remove what this update wrote.
                cache.remove_revision(namespace, id, written).await?;
                return Ok(None);
            };
            check_kind(&record, kind)?;
            if written.is_some() && record.revision == written {
                // The swap landed, its reply was lost.
                return cache.show_update(record, content).await.map(Some);
            }
            let revision = cache.revision_after(&record, written, &content).await?;
            cache.forget_latest(&record).await?;
            let updated = Record { revision: Some(revision.clone()), ..record };
            match cache.storage.put(&key, updated.to_bytes().into(), PutMode::Replace(state)).await {
                Ok(_) => return cache.show_update(updated, content).await.map(Some),
                Err(StorageError::Conflict { .. } | StorageError::Unavailable { .. }) => written = Some(revision),
                Err(error @ StorageError::Refused { .. }) => return Err(error.into()),
            }
            pause.wait(&key).await?;
        }
    }

    /// The revision to swap in: the one that was written for an earlier try, unless another update got ahead of its number.
    async fn revision_after(
        &self,
        record: &Record,
        written: Option<Revision>,
        content: &Bytes,
    ) -> Result<Revision, Error> {
        let newest = record.revision.as_ref().map_or(0, |newest| newest.number);
        if let Some(written) = written.as_ref().filter(|written| written.number > newest) {
            return Ok(written.clone());
        }
        // It never was the entry's content, and must not be read as if it had been.
        self.remove_revision(&record.namespace, record.cache_id, written).await?;
        self.write_revision(record, content).await
    }

    /// Writes a revision under the next number that is free: one may be taken by another update, or by one that broke off.
    async fn write_revision(&self, record: &Record, content: &Bytes) -> Result<Revision, Error> {
        let layout = Layout::new(&record.namespace);
        let newest = record.revision.as_ref().map_or(0, |newest| newest.number);
        for number in newest + 1..=newest + MOST_NUMBERS {
            if self.create(&layout.revision(record.cache_id, number), content.clone()).await? {
                let revision = Revision {
                    number,
                    sha256: Digest::of(content),
                    size: content.len() as u64,
                    updated_at: self.surroundings.now_ms(),
                };
                let description = layout.revision_description(record.cache_id, number);
                self.overwrite(&description, revision.to_bytes()).await?;
                return Ok(revision);
            }
        }
        Err(Error::Unavailable(format!("no free revision of {} was found: try again", record.cache_id)))
    }

    async fn remove_revision(
        &self,
        namespace: &Namespace,
        id: CacheId,
        written: Option<Revision>,
    ) -> Result<(), Error> {
        let Some(revision) = written else { return Ok(()) };
        let layout = Layout::new(namespace);
        let (content, description) =
            (layout.revision(id, revision.number), layout.revision_description(id, revision.number));
        // The description goes first: where it is, its content is missed.
        self.remove(&description).await?;
        self.remove(&content).await
    }

    /// Makes the indexes forget the record, as far as they remember it.
    async fn forget_latest(&self, record: &Record) -> Result<(), Error> {
        let layout = Layout::new(&record.namespace);
        let by_hash = layout.hash_index(&record.cache_hash);
        let by_key = record.key_name().map(|name| layout.key_index(&name));
        let forget = async |index: Option<&ObjectKey>| -> Result<(), Error> {
            let Some(index) = index else { return Ok(()) };
            let loaded = self.load_index(index).await?;
            self.swap(&record.namespace, index, loaded, Change::Forget(record.cache_id)).await?;
            Ok(())
        };
        try_join(forget(Some(&by_hash)), forget(by_key.as_ref())).await?;
        Ok(())
    }

    /// Brings the readable copies up to date. Whoever writes one looks at the entry again after that, so that of two
    /// updates at the same time the newer one is shown in the end.
    async fn show_update(&self, updated: Record, mut content: Bytes) -> Result<Record, Error> {
        let current = updated.current();
        self.blobs.keep(&current.key, &Blob { bytes: content.clone(), sha256: current.sha256 });
        let key = Layout::new(&updated.namespace).record(updated.cache_id);
        let mut shown = updated.clone();
        loop {
            try_join(self.write_own_copy(&shown, &content), self.settle_shared_view(&shown, After::Unsure)).await?;
            match self.read_record(&key).await? {
                None => {
                    self.remove_own_copy(&updated).await?;
                    return Ok(updated);
                }
                Some(now) if now.revision == shown.revision => return Ok(updated),
                Some(now) => {
                    // Only a delete explains that it is missing; the next look at the record says so.
                    content = self.read(&now.current().key).await?.unwrap_or(content);
                    shown = now;
                }
            }
        }
    }

    /// Writes the readable copy that only this entry has. Dated views stay as they are: they lead to the record.
    async fn write_own_copy(&self, record: &Record, content: &Bytes) -> Result<(), Error> {
        match own_copy(record) {
            Some(_) => self.write_unique_view(record, content).await,
            None => Ok(()),
        }
    }

    async fn remove_own_copy(&self, record: &Record) -> Result<(), Error> {
        match own_copy(record) {
            Some(copy) => self.remove(&copy).await,
            None => Ok(()),
        }
    }
}

fn own_copy(record: &Record) -> Option<ObjectKey> {
    unique_view(record).ok().flatten().filter(|_| record.strategy == Strategy::KeyBased)
}

fn check_kind(record: &Record, kind: ContentKind) -> Result<(), Error> {
    if record.kind == kind {
        return Ok(());
    }
    let (has, sent) = (record.kind.name(), kind.name());
    let message = format!(
        "the entry holds {has} content and can only be updated with {has} content, not {sent}: store a new entry"
    );
    Err(Error::Invalid { field: "body", message })
}
