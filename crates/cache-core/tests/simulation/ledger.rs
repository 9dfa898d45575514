//! What was acknowledged, and what may be going on.

use std::collections::{BTreeMap, BTreeSet};

use bytes::Bytes;
use cache_core::cache::{StoreRequest, UploadRequest};
use cache_core::error::Error;
use cache_core::ids::{CacheId, CacheKey, FileId};
use cache_core::time::UnixMillis;

use crate::operations::{Acknowledged, Announcement, Ended, content};
use crate::schedule::REPEATED_FOR;

/// An entry that was acknowledged.
#[derive(Debug, Clone)]
pub struct StoredEntry {
    pub content: Bytes,
    /// Whether it is a version under the key.
    pub keyed: bool,
    /// The version under the key, as it was acknowledged.
    pub key_version: Option<u64>,
    /// Whether it was to be stored only if no other version lives under the key.
    pub only_first: bool,
    /// Whether it has a readable copy of its own.
    pub copied: bool,
    /// Whether it has a time to live.
    pub expires: bool,
}

/// What is known of all announcements with one idempotency key.
#[derive(Debug, Default)]
struct Sent {
    /// The upload that the first one became, and when that one began.
    first: Option<(CacheId, UnixMillis)>,
    /// How many have begun and not succeeded. Such a one may have become another upload, if a window of time has ended since.
    open: usize,
    /// Whether there were any such when the first one ended.
    is_unsure: bool,
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
    /// The idempotency keys of stores that were refused.
    refused: BTreeSet<String>,
    /// The entries that have had each version under the hash, and under the key.
    versions: BTreeMap<u64, CacheId>,
    key_versions: BTreeMap<u64, CacheId>,
    /// The entries by the times of their stores.
    by_time: BTreeMap<UnixMillis, CacheId>,
    /// The uploads that idempotent announcements became.
    sent: BTreeMap<String, Sent>,
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

    /// The entry that was acknowledged to the store of this time.
    pub fn stored_at(&self, time: UnixMillis) -> Option<CacheId> {
        self.by_time.get(&time).copied()
    }

    /// Whether an entry may have this content: what it was stored with as long as it is not `updated`, or what an update has
    /// asked to update it with.
    pub fn explains(&self, id: CacheId, content: Option<&Bytes>, updated: bool) -> bool {
        let (Some(content), Some(stored)) = (content, self.stored.get(&id)) else { return false };
        let asked = self.updates.get(&id).is_some_and(|updates| updates.contains_key(content));
        (*content == stored.content && !updated) || asked
    }

    /// Takes note of an operation that ended at this time, and of what it violates.
    pub fn note(&mut self, ended: Ended, now: UnixMillis) {
        match ended {
            Ended::Store(Ok(acknowledged), request) => self.note_store(acknowledged, &request),
            Ended::Store(Err(Error::PreconditionFailed(_)), request) if request.if_none_match => {
                self.note_refusal(&request);
            }
            Ended::Send(Ok(id), announcement, began_at) => self.note_send(id, announcement, began_at, now),
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
                if self.stored.contains_key(&id) && !self.deleting.contains(&id) && !may_have_expired {
                    self.violations.push(format!("{id} was not found by an update"));
                }
            }
            Ended::Store(Err(error), ..)
            | Ended::Send(Err(error), ..)
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
        let Acknowledged { id, key_version, .. } = acknowledged;
        let (keyed, copied) = keyed_and_copied(request.cache_key.as_ref(), request.file_id.as_ref());
        if let Some(key) = &request.idempotency_key {
            let key = format!("{key:?}");
            if self.refused.contains(&key) {
                self.violations.push(format!("{id} was acknowledged, and a repeat of its store was refused before"));
            }
            let before = *self.by_idempotency_key.entry(key).or_insert(acknowledged);
            if before.id != id {
                self.violations.push(format!("one idempotent store became {} and {id}", before.id));
            }
        }
        if keyed && key_version.is_none() && !self.deleting.contains(&id) {
            self.violations.push(format!("{id} was acknowledged without a version under its key"));
        }
        let (content, expires) = (request.content.bytes().clone(), request.ttl.is_some());
        let only_first = request.if_none_match;
        self.note_entry(acknowledged, StoredEntry { content, keyed, key_version, only_first, copied, expires });
    }

    /// A conditional store was refused. With an idempotency key that decides about all repeats.
    fn note_refusal(&mut self, request: &StoreRequest) {
        let Some(key) = request.idempotency_key.as_ref().map(|key| format!("{key:?}")) else { return };
        if let Some(before) = self.by_idempotency_key.get(&key).filter(|before| self.must_be_there(before.id)) {
            self.violations.push(format!("{} was acknowledged, and then a repeat of its store was refused", before.id));
        }
        self.refused.insert(key);
    }

    fn note_entry(&mut self, acknowledged: Acknowledged, mut stored: StoredEntry) {
        let Acknowledged { id, stored_at, version, key_version } = acknowledged;
        self.by_time.insert(stored_at, id);
        let under_key = key_version.map(|version| *self.key_versions.entry(version).or_insert(id));
        for other in [Some(*self.versions.entry(version).or_insert(id)), under_key].into_iter().flatten() {
            if other != id {
                self.violations.push(format!("{other} and {id} were acknowledged with one version"));
            }
        }
        if let Some(before) = self.stored.get(&id) {
            stored.key_version = before.key_version.or(key_version);
        }
        self.stored.insert(id, stored);
        self.check_first(id);
    }

    /// Where an entry was to be the first under the key, no older version of those may live that nobody has asked to delete.
    fn check_first(&mut self, id: CacheId) {
        let under_key = |id: &CacheId| self.stored[id].key_version.map(|version| (version, *id));
        let Some(this) = under_key(&id) else { return };
        for other in self.stored.keys().filter(|other| **other != id).filter_map(under_key) {
            let (older, newer) = (this.min(other).1, this.max(other).1);
            if self.stored[&newer].only_first && self.must_be_there(older) {
                self.violations.push(format!("{newer} was to be the first under the key, and {older} lives"));
                return;
            }
        }
    }

    /// Takes note that a content is being announced.
    pub fn begin_send(&mut self, announcement: &Announcement) {
        if let Some(key) = &announcement.idempotency_key {
            self.sent.entry(format!("{key:?}")).or_default().open += 1;
        }
    }

    /// A content was sent. The announcement may be a repeat, which has to lead to the same upload.
    fn note_send(&mut self, id: CacheId, announcement: Announcement, began_at: UnixMillis, now: UnixMillis) {
        self.uploads.insert(id, announcement.request);
        let Some(key) = announcement.idempotency_key else { return };
        let sent = self.sent.entry(format!("{key:?}")).or_default();
        sent.open -= 1;
        match sent.first {
            None => (sent.first, sent.is_unsure) = (Some((id, began_at)), sent.open > 0),
            Some((first, first_at)) => {
                if id != first && !sent.is_unsure && now.since(first_at) <= REPEATED_FOR {
                    self.violations.push(format!("one announcement became the uploads {first} and {id}"));
                }
            }
        }
    }

    fn note_completion(&mut self, upload: CacheId, completed: Result<Acknowledged, Error>) {
        let before = self.completed.get(&upload).copied();
        let lives = before.is_some_and(|before| !self.deleting.contains(&before.id));
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
                let key_version = completed.key_version;
                let entry = StoredEntry { content, keyed, key_version, only_first: false, copied, expires: false };
                self.note_entry(completed, entry);
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
