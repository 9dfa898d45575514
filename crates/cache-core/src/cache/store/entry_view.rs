//! The entry view of a store: its name has the id of the entry, which is known for certain only after the commit.

use bytes::Bytes;
use futures::future::{join, join_all};

use crate::entry::Entry;
use crate::error::Error;
use crate::manifest::{Manifest, NewEntry};
use crate::storage::ObjectKey;

use super::super::head::Loaded;
use super::super::manifest_changes::ListedEntry;
use super::super::views::entry_view;
use super::Store;

/// An entry view that was written for an id that the entry may get.
pub(super) struct EntryView {
    pub(super) key: ObjectKey,
    /// Whether this store has created it. Otherwise it is that of a repeat of this store.
    pub(super) is_new: bool,
}

impl Store<'_> {
    pub(super) fn expected_view(&self, manifest: &Loaded<Manifest>, new: &NewEntry) -> Option<(ObjectKey, Bytes)> {
        let hash = self.request.content.cache_hash();
        let id = manifest.head.as_deref().unwrap_or(&Manifest::new()).predict_id(hash, new)?;
        let entry = self.entry(id, 0);
        let view = entry_view(self.cache.layout(), &entry).ok().flatten()?;
        let bytes = self.cache.view_bytes(&entry, self.request.content.bytes());
        Some((view, bytes))
    }

    pub(super) fn entry_view(&self, listed: &ListedEntry) -> Option<ObjectKey> {
        entry_view(self.cache.layout(), &listed.entry(&self.cache.namespace, self.request.content.cache_hash()))
            .ok()
            .flatten()
    }

    /// Writes a view beside a commit; `true` if it was not there.
    pub(super) async fn write_entry_view(&self, view: Option<&ObjectKey>, listed: &ListedEntry) -> Result<bool, Error> {
        let Some(view) = view else { return Ok(false) };
        let entry = listed.entry(&self.cache.namespace, self.request.content.cache_hash());
        let bytes = self.cache.view_bytes(&entry, self.request.content.bytes());
        self.cache.create_entry_view(view, bytes).await
    }

    /// Writes the entry view of the id that the entry got, and removes those of other ids that this store has created.
    pub(super) async fn settle_entry_views(&mut self, entry: &Entry) -> Result<(), Error> {
        let view = entry_view(self.cache.layout(), entry).ok().flatten();
        let (written, others): (Vec<_>, Vec<_>) =
            self.views.drain(..).partition(|written| view.as_ref() == Some(&written.key));
        let write = async {
            match &view {
                Some(view) if written.is_empty() => {
                    let bytes = self.cache.view_bytes(entry, self.request.content.bytes());
                    self.cache.create_entry_view(view, bytes).await.map(drop)
                }
                _ => Ok(()),
            }
        };
        join(write, self.remove_views(others)).await.0
    }

    /// Removes what this store has created.
    pub(super) async fn remove_views(&self, views: Vec<EntryView>) {
        let created = views.iter().filter(|view| view.is_new);
        join_all(created.map(|view| self.cache.cache.remove_garbage(&view.key))).await;
    }
}
