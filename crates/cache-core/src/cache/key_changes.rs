//! The changes of a key index.

use std::sync::Arc;

use bytes::Bytes;

use crate::error::Error;
use crate::ids::{CacheHash, CacheId};
use crate::key_index::{KeyIndex, KeyRow};
use crate::layout::KeyRef;
use crate::manifest::{DecodeError, Encoded, EntryRow, EntrySpec, Limits, RecentIsFull, StoredContent};
use crate::storage::Version;
use crate::strategy::ContentKind;
use crate::time::UnixMillis;
use crate::version_log::Row;

use super::attempt::Attempt;
use super::group_commit::GroupCommit;
use super::head::Head;
use super::intents::{IntentEntry, IntentPayload};
use super::object_cache::CachedObject;
use super::pages::Located;
use super::{NamespaceCache, Shared};

/// A change of a key index.
#[derive(Debug, Clone)]
pub(super) enum KeyChange {
    /// Lists an entry as the newest version.
    List(Arc<List>),
    /// Takes an entry out that is about to be deleted, and notes that. It is written also if the entry is not listed, so that a
    /// listing that is still on its way is refused.
    Unlist {
        /// The key.
        key: KeyRef,
        /// The entry.
        cache_id: CacheId,
        /// When it was stored.
        stored_at: UnixMillis,
    },
    /// Takes out the copy of an entry that is about to be updated, and notes that.
    NoteUpdate {
        /// The key.
        key: KeyRef,
        /// The entry.
        cache_id: CacheId,
        /// The kind of its new content, if there is one.
        kind: Option<ContentKind>,
    },
}

/// Lists an entry under its key.
#[derive(Debug)]
pub(super) struct List {
    /// The key.
    pub(super) key: KeyRef,
    /// The hash whose manifest lists the entry.
    pub(super) cache_hash: CacheHash,
    /// The entry.
    pub(super) row: EntryRow,
    /// Its content, which may be copied.
    pub(super) content: StoredContent,
    /// Whether it is listed only if there is no other live version.
    pub(super) create_only: bool,
}

/// What a change of a key index comes to.
#[derive(Debug, Clone)]
pub(super) enum KeyOutcome {
    /// The entry is listed.
    Listed {
        /// Its number under the key.
        version: u64,
    },
    /// The entry was deleted before it could be listed.
    Gone,
    /// Another live version is listed.
    Refused,
    /// The entry is not listed any more, or its copy is gone.
    Done,
}

impl KeyChange {
    fn key(&self) -> &KeyRef {
        match self {
            Self::List(list) => &list.key,
            Self::Unlist { key, .. } | Self::NoteUpdate { key, .. } => key,
        }
    }
}

impl Head for KeyIndex {
    type Change = KeyChange;
    type Outcome = KeyOutcome;

    async fn absent(change: &KeyChange, cache: &NamespaceCache) -> Result<Self, Error> {
        cache.first_key_index(change.key()).await
    }

    fn parse(bytes: &Bytes, head_only: bool) -> Result<Self, DecodeError> {
        Self::parse(bytes, head_only)
    }

    fn encode(&self) -> Encoded {
        self.encode()
    }

    fn prepare_write(&mut self, now: UnixMillis) {
        self.prepare_write(now);
    }

    fn spill(&mut self, nonce: u64, limits: &Limits) -> Option<(String, Bytes)> {
        self.spill(nonce, limits).map(|(name, page)| (name, page.to_bytes()))
    }

    async fn apply(&mut self, change: &KeyChange, attempt: &mut Attempt<'_>) -> Result<KeyOutcome, Error> {
        match change {
            KeyChange::List(list) => self.apply_list(list, attempt).await,
            KeyChange::Unlist { cache_id, stored_at, .. } => {
                self.apply_unlist(*cache_id, *stored_at, attempt).await?;
                self.note_removed(*cache_id, attempt.now).map_err(too_much_happened)?;
                Ok(KeyOutcome::Done)
            }
            KeyChange::NoteUpdate { cache_id, kind, .. } => {
                self.note_updated(*cache_id, *kind, attempt.now).map_err(too_much_happened)?;
                Ok(KeyOutcome::Done)
            }
        }
    }

    fn intent(change: &KeyChange, _: Option<&Self>) -> Option<IntentEntry> {
        let KeyChange::List(list) = change else { return None };
        // Only the process that stores can answer a refusal.
        if list.create_only {
            return None;
        }
        let EntryRow { cache_id, nonce, spec, .. } = &list.row;
        let EntrySpec { stored_at, expires_at, kind, .. } = *spec;
        let payload = IntentPayload::Key { cache_id: *cache_id, stored_at, expires_at, kind };
        Some(IntentEntry { nonce: *nonce, payload, body: None })
    }

    async fn apply_intent(&mut self, intent: &IntentEntry, attempt: &mut Attempt<'_>) -> Result<(), Error> {
        let IntentPayload::Key { cache_id, stored_at, expires_at, kind } = &intent.payload else { return Ok(()) };
        let row = KeyRow { version: 0, cache_id: *cache_id, stored_at: *stored_at, expires_at: *expires_at };
        if !self.is_removed(*cache_id) && self.find(*cache_id, *stored_at, attempt).await?.is_none() {
            self.list_row(row, *kind, None);
        }
        Ok(())
    }

    fn group(shared: &Shared) -> &Arc<GroupCommit<Self>> {
        &shared.key_indexes
    }

    fn from_cached(object: CachedObject) -> Option<(Arc<Self>, Version)> {
        match object {
            CachedObject::KeyIndex(index, version) => Some((index, version)),
            CachedObject::Manifest(..) | CachedObject::Blob(..) => None,
        }
    }

    fn into_cached(head: Arc<Self>, version: Version) -> CachedObject {
        CachedObject::KeyIndex(head, version)
    }
}

impl KeyIndex {
    /// The row of an entry that was stored at this time, in the head or in a page.
    async fn find(
        &self,
        cache_id: CacheId,
        stored_at: UnixMillis,
        attempt: &Attempt<'_>,
    ) -> Result<Option<Located<KeyRow>>, Error> {
        if let Some(row) = self.row_of(cache_id) {
            return Ok(Some(Located::InHead(Box::new(row.clone()))));
        }
        let is_it = |row: &KeyRow| row.cache_id == cache_id;
        let found = attempt.pages().find(self.log(), |page| page.may_list_time(stored_at), is_it, usize::MAX).await?;
        Ok(found.map(|found| Located::InPage(Box::new(found))))
    }

    async fn apply_list(&mut self, list: &List, attempt: &mut Attempt<'_>) -> Result<KeyOutcome, Error> {
        let EntryRow { cache_id, nonce, ref spec, .. } = list.row;
        // A store that is refused deletes its entry, so this comes first.
        if self.is_refused(nonce) {
            return Ok(KeyOutcome::Refused);
        }
        if self.is_removed(cache_id) {
            return Ok(KeyOutcome::Gone);
        }
        if let Some(found) = self.find(cache_id, spec.stored_at, attempt).await? {
            attempt.found = true;
            return Ok(KeyOutcome::Listed { version: found.row().version });
        }
        if list.create_only && attempt.cache.live_version(attempt.key, self).await?.is_some() {
            if list.row.is_repeatable() {
                self.note_refused(nonce, attempt.now).map_err(too_much_happened)?;
            }
            return Ok(KeyOutcome::Refused);
        }
        let row = KeyRow { version: 0, cache_id, stored_at: spec.stored_at, expires_at: spec.expires_at };
        let may_copy = list.row.revisions.is_empty() && !self.is_updated(cache_id);
        let copy = may_copy.then(|| (list.cache_hash.clone(), list.row.clone(), list.content.clone()));
        let version = self.list_row(row, spec.kind, copy);
        Ok(KeyOutcome::Listed { version })
    }

    async fn apply_unlist(
        &mut self,
        cache_id: CacheId,
        stored_at: UnixMillis,
        attempt: &mut Attempt<'_>,
    ) -> Result<(), Error> {
        match self.find(cache_id, stored_at, attempt).await? {
            None => {}
            Some(Located::InHead(_)) => self.unlist(cache_id),
            Some(Located::InPage(mut found)) => {
                found.page.rows.retain(|row| row.cache_id != cache_id);
                attempt.rewrite_page(*found, self.log_mut()).await?;
            }
        }
        Ok(())
    }
}

fn too_much_happened(_: RecentIsFull) -> Error {
    Error::unavailable("too many entries under this key were deleted or updated lately: retry later")
}

/// The kinds whose readable copies have other names than one of `kind`.
pub(super) fn other_kinds(kinds: &[ContentKind], kind: ContentKind) -> impl Iterator<Item = ContentKind> {
    let extension = crate::layout::extension;
    kinds.iter().copied().filter(move |other| extension(*other) != extension(kind))
}
