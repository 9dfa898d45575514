//! The entry view of a store: its name has the id of the entry, which is known for certain only after the commit.

use futures::future::{join, join_all};

use crate::entry::Entry;
use crate::error::Error;
use crate::ids::{CacheId, Locator};
use crate::manifest::{Manifest, NewEntry};
use crate::storage::ObjectKey;

use super::super::commit::CommitContext;
use super::super::head::Loaded;
use super::super::views::{Shown, entry_view};
use super::{NonceOrigin, Store};

/// An entry view that is about to be written, for an id that the entry may get.
pub(super) struct NewView {
    key: ObjectKey,
    shown: Shown,
    /// Whether no other store writes a view under this name. A dated view has the nonce in its name, an id of an inline
    /// content has random bits. But two stores that expect the same version for one blob expect the same id.
    is_unique: bool,
}

/// An entry view that is there.
pub(super) struct EntryView {
    key: ObjectKey,
    /// Whether it is garbage if the entry gets another id. One that may be another store's is left, for that store or the sweep.
    is_own: bool,
}

impl Store<'_> {
    /// The view of the entry if it gets this id.
    pub(super) fn view_for(&self, id: CacheId) -> Option<NewView> {
        let entry = self.entry(id, 0);
        let key = entry_view(self.cache.layout(), &entry).ok().flatten()?;
        let is_inline = matches!(id.parts()?.locator, Locator::Inline { .. });
        let shown = self.shown(&entry);
        Some(NewView { key, shown, is_unique: entry.strategy.is_dated() || is_inline })
    }

    /// What a view of the entry holds.
    fn shown(&self, entry: &Entry) -> Shown {
        self.cache.shown(entry, &Shown::Bytes(self.request.content.bytes().clone()))
    }

    /// The view of the entry if it is the next one in a manifest.
    pub(super) fn expected_view(&self, manifest: &Loaded<Manifest>, new: &NewEntry) -> Option<NewView> {
        let hash = self.request.content.cache_hash();
        let predicted = match manifest.head.as_deref() {
            Some(head) if head.next_version() >= self.first_version => head.predict_id(hash, new),
            Some(head) => {
                let mut head = head.clone();
                head.begin_with(self.first_version);
                head.predict_id(hash, new)
            }
            None => Manifest::beginning_with(self.first_version).predict_id(hash, new),
        };
        self.view_for(predicted?)
    }

    /// Writes a view beside a commit, unless this store has written it.
    pub(super) async fn write_view(&self, view: Option<NewView>) -> Result<Option<EntryView>, Error> {
        let Some(NewView { key, shown, is_unique }) = view else { return Ok(None) };
        if self.views.iter().any(|written| written.key == key) {
            return Ok(None);
        }
        // One that is there already is that of a repeat.
        let is_new = self.cache.create_entry_view(&key, shown).await?;
        Ok(Some(EntryView { key, is_own: is_new && is_unique }))
    }

    /// Takes the views of ids that the entry cannot get any more.
    pub(super) fn take_unused_views(&mut self, expected: Option<&NewView>, context: CommitContext) -> Vec<EntryView> {
        // An earlier attempt or a repeat may have committed the entry under one of these ids.
        if self.nonce.origin() != NonceOrigin::Random || context.check_existing {
            return Vec::new();
        }
        self.views.extract_if(.., |view| expected.is_none_or(|expected| expected.key != view.key)).collect()
    }

    /// Writes the entry view of the id that the entry got, and removes those of other ids.
    pub(super) async fn settle_entry_views(&mut self, entry: &Entry) -> Result<(), Error> {
        let view = entry_view(self.cache.layout(), entry).ok().flatten();
        let (written, unused): (Vec<_>, Vec<_>) =
            self.views.drain(..).partition(|written| view.as_ref() == Some(&written.key));
        let write = async {
            match &view {
                Some(view) if written.is_empty() => {
                    let shown = self.shown(entry);
                    self.cache.create_entry_view(view, shown).await.map(drop)
                }
                _ => Ok(()),
            }
        };
        join(write, self.remove_views(unused)).await.0
    }

    /// Removes those that are this store's own.
    pub(super) async fn remove_views(&self, views: Vec<EntryView>) {
        let own = views.iter().filter(|view| view.is_own);
        join_all(own.map(|view| self.cache.cache.remove_garbage(&view.key))).await;
    }
}
