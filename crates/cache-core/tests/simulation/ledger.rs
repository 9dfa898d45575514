//! What was acknowledged, and what may be going on.

use std::collections::{BTreeMap, BTreeSet};

use bytes::Bytes;
use cache_core::cache::{StoreRequest, UploadRequest};
use cache_core::error::Error;
use cache_core::ids::{CacheId, CacheKey, FileId};

use crate::operations::{Acknowledged, Ended, content};

/// An entry that was acknowledged.
#[derive(Debug, Clone)]
pub struct StoredEntry {
    pub content: Bytes,
    /// Whether it is a version under the key.
    pub keyed: bool,
    /// Whether it has a readable copy of its own.
    pub copied: bool,
    /// Whether it has a time to live.
    pub expires: bool,
}

#[derive(Debug, Default)]
pub struct Ledger {
    pub stored: BTreeMap<CacheId, StoredEntry>,
    /// Contents that were uploaded, each for an entry that may have been completed.
    pub uploads: BTreeMap<CacheId, UploadRequest>,
    /// The entries that completions returned, by upload.
    pub completed: BTreeMap<CacheId, Acknowledged>,
    /// The entries that idempotent stores returned.
    pub by_idempotency_key: BTreeMap<String, Acknowledged>,
    /// The contents that updates of an entry had, and whether that was acknowledged.
    pub updates: BTreeMap<CacheId, BTreeMap<Bytes, bool>>,
    /// Entries that deletes were asked for.
    pub deleting: BTreeSet<CacheId>,
    /// Entries that were deleted.
    pub deleted: BTreeSet<CacheId>,
    /// Whether an operation failed or crashed, so that its outcome is not known.
    pub failed: bool,
    /// Whether the world was frozen: entries with a time to live have expired.
    pub frozen: bool,
    /// Whether it was frozen for so long that uploads cannot be completed any more.
    pub aged: bool,
    pub violations: Vec<String>,
}

impl Ledger {
    /// Whether any update of an entry was acknowledged.
    pub fn is_updated(&self, id: CacheId) -> bool {
        self.updates.get(&id).is_some_and(|updates| updates.values().any(|acknowledged| *acknowledged))
    }

    /// Whether an entry has to be there: it was acknowledged, nobody has asked to delete it, and it has not expired.
    pub fn must_be_there(&self, id: CacheId) -> bool {
        let may_have_expired = |stored: &StoredEntry| stored.expires && self.frozen;
        !self.deleting.contains(&id) && self.stored.get(&id).is_some_and(|stored| !may_have_expired(stored))
    }

    /// The entries that have to be there: all of them, or those under the key.
    pub fn live(&self, keyed: bool) -> Vec<CacheId> {
        let live = self.stored.iter().filter(|(id, stored)| (stored.keyed || !keyed) && self.must_be_there(**id));
        live.map(|(id, _)| *id).collect()
    }

    /// Whether an entry may have this content: what it was stored with as long as it is not `updated`, or what an update has
    /// asked to update it with.
    pub fn explains(&self, id: CacheId, content: Option<&Bytes>, updated: bool) -> bool {
        let (Some(content), Some(stored)) = (content, self.stored.get(&id)) else { return false };
        let asked = self.updates.get(&id).is_some_and(|updates| updates.contains_key(content));
        (*content == stored.content && !updated) || asked
    }

    /// Takes note of an operation that ended, and of what it violates.
    pub fn note(&mut self, ended: Ended) {
        match ended {
            Ended::Store(Ok(acknowledged), request) => self.note_store(acknowledged, &request),
            Ended::Store(Err(Error::PreconditionFailed(_)), request) if request.if_none_match => {}
            Ended::Send(Ok(id), request) => drop(self.uploads.insert(id, request)),
            Ended::Complete(completed, upload) => self.note_completion(upload, completed),
            Ended::Delete(Ok(true), id) => drop(self.deleted.insert(id)),
            Ended::Delete(Ok(false), _) => {}
            Ended::Sweep(Ok(_)) => {}
            Ended::Read(Ok(content), id, updated) => {
                let expired = content.is_none() && self.stored.get(&id).is_some_and(|stored| stored.expires);
                if !self.deleting.contains(&id) && !expired && !self.explains(id, content.as_ref(), updated) {
                    self.violations.push(format!("{id} was read as {content:?}"));
                }
            }
            Ended::ReadNewest(Ok(found), selector, there) => {
                if !found && there.iter().any(|id| self.must_be_there(*id)) {
                    self.violations.push(format!("{selector:?} was not found, although there were {there:?}"));
                }
            }
            Ended::Update(Ok(true), id, content) => {
                self.updates.entry(id).or_default().insert(content, true);
            }
            Ended::Update(Ok(false), id, _) => {
                let may_have_expired = self.stored.get(&id).is_some_and(|stored| stored.expires);
                if !self.deleting.contains(&id) && !may_have_expired {
                    self.violations.push(format!("{id} was not found by an update"));
                }
            }
            Ended::Store(Err(error), ..)
            | Ended::Send(Err(error), _)
            | Ended::Update(Err(error), ..)
            | Ended::Delete(Err(error), _)
            | Ended::Sweep(Err(error))
            | Ended::Read(Err(error), ..)
            | Ended::ReadNewest(Err(error), ..) => {
                self.failed = true;
                if !matches!(error, Error::Unavailable { .. }) {
                    self.violations.push(format!("an operation failed with {error}"));
                }
            }
        }
    }

    fn note_store(&mut self, acknowledged: Acknowledged, request: &StoreRequest) {
        let (id, key_version) = acknowledged;
        let (keyed, copied) = keyed_and_copied(request.cache_key.as_ref(), request.file_id.as_ref());
        if let Some(key) = &request.idempotency_key {
            let before = *self.by_idempotency_key.entry(format!("{key:?}")).or_insert(acknowledged);
            if before.0 != id {
                self.violations.push(format!("one idempotent store became {} and {id}", before.0));
            }
        }
        if keyed && key_version.is_none() && !self.deleting.contains(&id) {
            self.violations.push(format!("{id} was acknowledged without a version under its key"));
        }
        let expires = request.ttl.is_some();
        self.stored.insert(id, StoredEntry { content: request.content.bytes().clone(), keyed, copied, expires });
    }

    fn note_completion(&mut self, upload: CacheId, completed: Result<Acknowledged, Error>) {
        let before = self.completed.get(&upload).copied();
        let lives = before.is_some_and(|(id, _)| !self.deleting.contains(&id));
        match completed {
            Ok(completed) => {
                if lives && before != Some(completed) {
                    self.violations.push(format!("{upload} was completed as {before:?}, and again as {completed:?}"));
                }
                self.completed.insert(upload, completed);
                let content = content(4).bytes().clone();
                let (keyed, copied) = self.uploads.get(&upload).map_or((false, false), |request| {
                    keyed_and_copied(request.cache_key.as_ref(), request.file_id.as_ref())
                });
                self.stored.insert(completed.0, StoredEntry { content, keyed, copied, expires: false });
            }
            Err(Error::Unavailable { .. }) => self.failed = true,
            // The entry was deleted. Only its id could tell whose it was.
            Err(Error::Invalid { .. }) if !lives || self.aged => {}
            Err(error) => self.violations.push(format!("the upload {upload} was not completed: {error}")),
        }
    }
}

/// Whether an entry is a version under the key, and whether it has a readable copy of its own.
fn keyed_and_copied(cache_key: Option<&CacheKey>, file_id: Option<&FileId>) -> (bool, bool) {
    (file_id.is_some(), cache_key.is_some() && file_id.is_none())
}
