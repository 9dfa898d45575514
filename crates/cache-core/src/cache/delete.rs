//! Delete: out of the key index first, then out of the manifest, then everything that nothing references any more.
//!
//! The entry exists until its manifest does not list it any more. If a delete breaks off before that, deleting the entry again
//! finishes it; if it breaks off later, what is left is garbage for the sweep.

use futures::future::{join, join_all, join3, try_join, try_join_all};

use crate::entry::Entry;
use crate::error::Error;
use crate::ids::{BlobToken, CacheHash, CacheId};
use crate::key_index::KeyIndex;
use crate::manifest::Manifest;
use crate::storage::{ListPage, ObjectKey};

use super::commit::CommitContext;
use super::head::Loaded;
use super::load::{Current, Part};
use super::locate::EntryLocation;
use super::manifest_changes::{ManifestChange, ManifestOutcome, Target};
use super::views::entry_view;
use super::{NamespaceCache, Paths};

/// What a delete removed.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Deleted {
    /// The entry.
    pub entry: Entry,
    /// The paths that are gone, in order.
    pub paths: Vec<String>,
}

/// What a manifest does not need any more after an entry was taken out.
#[derive(Debug, Default)]
pub(super) struct Freed {
    blobs: Vec<BlobToken>,
    pages: Vec<String>,
}

impl NamespaceCache {
    /// Deletes an entry with its children and revisions; `None` when there is none. Its content goes when no other entry
    /// references it.
    ///
    /// # Errors
    ///
    /// `Unavailable` when the storage does not respond, or others win every race until the deadline.
    pub async fn delete(&self, id: CacheId) -> Result<Option<Deleted>, Error> {
        let this = self.with_default_deadline();
        Box::pin(this.delete_before_deadline(id)).await
    }

    async fn delete_before_deadline(&self, id: CacheId) -> Result<Option<Deleted>, Error> {
        let started_at = self.cache.now();
        if let EntryLocation::PythonFiles(_) | EntryLocation::PythonRemains = self.locate_entry(id).await? {
            return self.delete_python_entry(id).await;
        }
        let folder = self.layout().children(id, None);
        let children = async { self.list(&folder).next().await };
        let (current, children) = try_join(self.current(id), children).await?;
        let Some(Current { cache_hash: hash, target, key, manifest: loaded, entry }) = current else { return Ok(None) };
        let index = self.remove_from_key_index(&entry, started_at).await?;
        let change = ManifestChange::Remove(target);
        let commit = self.commit(&key, loaded, change, CommitContext::since(started_at));
        // The view of the key follows the key index, which does not list the entry any more.
        let (applied, key_views) = join(commit, self.settle_view_after_unlisting(&entry, index)).await;
        let freed = Freed::of(applied?.outcome);
        let remains = match id.parts() {
            None => self.retire_alias(id).await?,
            Some(_) => Vec::new(),
        };
        let own_view = self.remove_entry_view(&entry);
        let (blobs, own_view, children) =
            join3(self.remove_freed(&key, &hash, freed), own_view, self.remove_children(children)).await;
        let views = key_views.into_iter().chain(own_view).collect();
        let mut paths = self.removed_paths(&entry, blobs, views, children?);
        paths.extend(remains);
        paths.sort();
        paths.dedup();
        Ok(Some(Deleted { entry, paths }))
    }

    /// Takes an entry out of its manifest alone.
    pub(super) async fn remove_from_manifest(&self, hash: &CacheHash, target: Target) -> Result<(), Error> {
        let key = self.layout().manifest(hash);
        let loaded = self.load::<Manifest>(&key, Part::Whole).await?;
        let applied =
            self.commit(&key, loaded, ManifestChange::Remove(target), CommitContext::since(self.cache.now())).await?;
        self.remove_freed(&key, hash, Freed::of(applied.outcome)).await;
        Ok(())
    }

    /// Removes the blobs and pages that nothing references any more, and returns the blobs.
    pub(super) async fn remove_freed(&self, head: &ObjectKey, hash: &CacheHash, freed: Freed) -> Vec<ObjectKey> {
        let blobs: Vec<ObjectKey> = freed.blobs.iter().map(|token| self.layout().blob(hash, *token)).collect();
        let pages: Vec<ObjectKey> = freed.pages.iter().map(|name| self.layout().page(head, name)).collect();
        join_all(blobs.iter().chain(&pages).map(|key| self.cache.remove_garbage(key))).await;
        blobs.iter().for_each(|key| self.cache.shared.objects.forget(key));
        blobs
    }

    /// Brings the view of the entry's key up to date with the key index that was just written, and returns what it removed.
    pub(super) async fn settle_view_after_unlisting(
        &self,
        entry: &Entry,
        index: Option<Loaded<KeyIndex>>,
    ) -> Vec<ObjectKey> {
        match (entry.key_ref(), index) {
            (Some(key), Some(index)) => self.settle_key_view_from(&key, index).await,
            (None, _) | (_, None) => Vec::new(),
        }
    }

    /// Removes the view that only this entry has.
    async fn remove_entry_view(&self, entry: &Entry) -> Option<ObjectKey> {
        let view = entry_view(self.layout(), entry).ok().flatten()?;
        self.cache.remove_garbage(&view).await;
        Some(view)
    }

    /// Removes the children on this page of their listing, and all that follow.
    async fn remove_children(&self, page: Option<ListPage>) -> Result<Vec<ObjectKey>, Error> {
        let Some(page) = page.filter(|page| !page.objects.is_empty()) else { return Ok(Vec::new()) };
        let mut removed = self.remove_listed(&page).await?;
        if let Some(next) = page.next {
            let folder = next.rsplit_once("/data/").map_or(next.clone(), |(entry, _)| format!("{entry}/data/"));
            let mut rest = self.list(&folder).after(Some(next));
            while let Some(page) = rest.next().await? {
                removed.extend(self.remove_listed(&page).await?);
            }
        }
        Ok(removed)
    }

    async fn remove_listed(&self, page: &ListPage) -> Result<Vec<ObjectKey>, Error> {
        let keys: Vec<ObjectKey> = page.objects.iter().filter_map(|object| object.key.parse().ok()).collect();
        try_join_all(keys.iter().map(|key| self.cache.remove(key))).await?;
        Ok(keys)
    }

    /// Removes every object in a folder, whose name ends with `/`, and returns their keys.
    pub(super) async fn remove_folder(&self, folder: &str) -> Result<Vec<String>, Error> {
        let mut removed = Vec::new();
        let mut pages = self.list(folder);
        while let Some(page) = pages.next().await? {
            removed.extend(self.remove_listed(&page).await?.iter().map(ToString::to_string));
        }
        Ok(removed)
    }

    /// The paths that were removed, as clients know them. A blob has none: the path of its content stands for it.
    fn removed_paths(
        &self,
        entry: &Entry,
        blobs: Vec<ObjectKey>,
        views: Vec<ObjectKey>,
        children: Vec<ObjectKey>,
    ) -> Vec<String> {
        drop(blobs);
        let paths = Paths::of(entry);
        let of_entry = paths.by_id.into_iter().chain(paths.data);
        let objects = views.into_iter().chain(children).map(|key| key.to_string());
        let mut removed: Vec<String> = of_entry.chain(objects).collect();
        removed.sort();
        removed.dedup();
        removed
    }
}

impl Freed {
    /// What the removal of an entry has freed. Of one that another delete has removed, only that delete knows it.
    fn of(outcome: ManifestOutcome) -> Self {
        match outcome {
            ManifestOutcome::Removed { freed, pages } => Self { blobs: freed, pages },
            ManifestOutcome::NotListed
            | ManifestOutcome::Listed(_)
            | ManifestOutcome::AlreadyRemoved(_)
            | ManifestOutcome::NoPlace(_)
            | ManifestOutcome::Revised(_)
            | ManifestOutcome::KindRefused(_)
            | ManifestOutcome::Changed => Self::default(),
        }
    }
}
