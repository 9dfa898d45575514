//! Entries in the key index of their key: added by one compare-and-swap, beside which the view of the key is written; removed
//! before a delete; their copy removed before an update.
//!
//! The manifest lists an entry before it is added here. A delete or update in between has left a note in the key index before (see
//! [`KeyIndex`]), so the manifest need not be read again.

use std::sync::Arc;

use futures::future::{OptionFuture, join};

use crate::entry::Entry;
use crate::error::Error;
use crate::ids::CacheHash;
use crate::key_index::{KeyIndex, KeyRow};
use crate::manifest::Manifest;
use crate::storage::ObjectKey;
use crate::strategy::ContentKind;
use crate::time::UnixMillis;

use super::NamespaceCache;
use super::commit::CommitContext;
use super::head::Loaded;
use super::key_changes::{KeyChange, KeyOutcome, List};
use super::load::Part;
use super::locate::EntryLocation;
use super::manifest_changes::{ListedEntry, Target};
use super::pages::Pages;
use super::views::{Shown, has_key_view};

/// How an entry is added to its key index.
#[derive(Debug, Clone, Copy)]
pub(super) struct AddOptions {
    /// Only if there is no other live version.
    pub(super) create_only: bool,
    /// When the operation began.
    pub(super) started_at: UnixMillis,
}

/// What became of an entry under its key.
#[derive(Debug)]
pub(super) struct AddedUnderKey {
    /// The entry.
    pub(super) entry: Entry,
    /// Its number under the key; `None` when it has no key, or was deleted since.
    pub(super) key_version: Option<u64>,
    /// Whether there is another live version, and the entry was to be the first.
    pub(super) is_refused: bool,
}

impl NamespaceCache {
    /// Adds an entry to the key index of its key, if it has one, and brings the view of the key up to date. `index` is the key
    /// index as it was read before.
    pub(super) async fn add_to_key_index(
        &self,
        listed: &ListedEntry,
        entry: Entry,
        index: Option<Loaded<KeyIndex>>,
        content: &Shown,
        options: AddOptions,
    ) -> Result<AddedUnderKey, Error> {
        let Some(key) = entry.key_ref() else {
            return Ok(AddedUnderKey { entry, key_version: None, is_refused: false });
        };
        let index_key = self.layout().key_index(&key);
        let index = match index {
            Some(index) => index,
            None => self.load(&index_key, Part::Whole).await?,
        };
        let list = List {
            key: key.clone(),
            cache_hash: entry.cache_hash.clone(),
            row: listed.row.clone(),
            content: listed.content.clone(),
            create_only: options.create_only,
        };
        // The index may have been read long before the entry was committed.
        let context = CommitContext { from_memory: true, ..CommitContext::since(options.started_at) };
        let commit = self.commit(&index_key, index, KeyChange::List(Arc::new(list)), context);
        // Of an entry that is found again, maybe updated since, the view is left to be settled.
        let writes_view = has_key_view(key.strategy) && listed.row.revisions.is_empty() && !options.create_only;
        let view: OptionFuture<_> = writes_view.then(|| self.write_key_view(&entry, content)).into();
        let (committed, view) = join(commit, view).await;
        let outcome = committed?.outcome;
        self.settle_key_view(&key, view.flatten()).await;
        let (key_version, is_refused) = match outcome {
            KeyOutcome::Listed { version } => (Some(version), false),
            KeyOutcome::Refused => (None, true),
            KeyOutcome::Gone | KeyOutcome::Done => (None, false),
        };
        Ok(AddedUnderKey { entry, key_version, is_refused })
    }

    /// Removes an entry that is about to be deleted from its key index, which is returned; `None` if it has none.
    pub(super) async fn remove_from_key_index(
        &self,
        entry: &Entry,
        started_at: UnixMillis,
    ) -> Result<Option<Loaded<KeyIndex>>, Error> {
        let Some(key) = entry.key_ref() else { return Ok(None) };
        let index_key = self.layout().key_index(&key);
        let index = self.load::<KeyIndex>(&index_key, Part::Whole).await?;
        let change = KeyChange::Unlist { key, cache_id: entry.cache_id, stored_at: entry.stored_at };
        let applied = self.commit(&index_key, index, change, CommitContext::since(started_at)).await?;
        Ok(Some(applied.state))
    }

    /// Removes the copy of an entry that is about to be updated with a content of this kind from its key index, which is returned;
    /// `None` if it has none.
    pub(super) async fn note_update_in_key_index(
        &self,
        entry: &Entry,
        kind: ContentKind,
        started_at: UnixMillis,
    ) -> Result<Option<Loaded<KeyIndex>>, Error> {
        let Some(key) = entry.key_ref() else { return Ok(None) };
        let index_key = self.layout().key_index(&key);
        let index = self.load::<KeyIndex>(&index_key, Part::Whole).await?;
        let change = KeyChange::NoteUpdate { key, cache_id: entry.cache_id, kind: Some(kind) };
        let applied = self.commit(&index_key, index, change, CommitContext::since(started_at)).await?;
        Ok(Some(applied.state))
    }

    /// The key index of an entry, if it has one.
    pub(super) async fn load_index(&self, index_key: Option<&ObjectKey>) -> Result<Option<Loaded<KeyIndex>>, Error> {
        match index_key {
            Some(key) => self.load(key, Part::Whole).await.map(Some),
            None => Ok(None),
        }
    }

    /// The newest version under a key that has neither expired nor been deleted.
    pub(super) async fn live_version(&self, index_key: &ObjectKey, index: &KeyIndex) -> Result<Option<KeyRow>, Error> {
        let newest = Pages::new(self, index_key).newest_live(index.log(), self.cache.now()).await?;
        let Some(row) = newest.map(|newest| newest.row().clone()) else { return Ok(None) };
        let is_there = match self.locate_entry(row.cache_id).await? {
            EntryLocation::Manifest(cache_hash, target) => self.is_in_manifest(&cache_hash, target).await?,
            EntryLocation::PythonFiles(_) => true,
            EntryLocation::PythonRemains | EntryLocation::Gone | EntryLocation::Unknown => false,
        };
        Ok(Some(row).filter(|_| is_there))
    }

    /// Whether the manifest of a hash lists an entry.
    pub(super) async fn is_in_manifest(&self, cache_hash: &CacheHash, target: Target) -> Result<bool, Error> {
        let key = self.layout().manifest(cache_hash);
        self.retry_replaced(|| async {
            let Some(manifest) = self.load::<Manifest>(&key, Part::Head).await?.head else { return Ok(false) };
            Ok(self.locate(&key, &manifest, target).await?.is_some())
        })
        .await
    }
}
