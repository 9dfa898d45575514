//! Delete: out of the indexes first, then the record, then everything that nothing refers to any more.
//!
//! The order lets a delete that broke off be repeated: as long as the record is there, its entry can be deleted. A grave
//! takes the record's place, because a create-only write that arrives late must not revive the entry.

use bytes::Bytes;
use futures::future::{OptionFuture, try_join, try_join_all, try_join3};

use crate::error::Error;
use crate::ids::{CacheId, Namespace};
use crate::layout::{KeyName, Layout};
use crate::record::{GRAVE, Record};
use crate::storage::{ObjectKey, PutMode, StorageError, Version};

use super::swap::{Change, Outcome, Pause};
use super::views::{After, unique_view};
use super::{Cache, LoadedIndex};

/// What a delete removed.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Deleted {
    /// The entry.
    pub record: Record,
    /// The objects that are gone.
    pub paths: Vec<String>,
}

impl Cache {
    /// Deletes an entry with its children and revisions; `None` when there is none.
    ///
    /// Its content goes when no other entry shares it. After an error the entry may be partly deleted; deleting it again
    /// finishes the work.
    pub async fn delete(&self, namespace: &Namespace, id: CacheId) -> Result<Option<Deleted>, Error> {
        let cache = self.begin();
        let layout = Layout::new(namespace);
        let record_key = layout.record(id);
        let guess = id.parts().map(|parts| layout.hash_index(&parts.cache_hash));
        let index: OptionFuture<_> = guess.as_ref().map(|key| cache.load_index(key)).into();
        let index = async { index.await.transpose() };
        let (found, loaded) = try_join(cache.load_record(&record_key), index).await?;
        let Some((record, state)) = found else { return Ok(None) };
        let after = match record.key_name() {
            Some(name) => cache.remove_from_key(&record, &name).await?,
            None => None,
        };
        let settle = async {
            match after {
                Some(after) => cache.settle_shared_view(&record, after).await,
                None => Ok(Vec::new()),
            }
        };
        let remove = cache.delete_objects(&record, state, guess, loaded);
        let (removed, views) = try_join(remove, settle).await?;
        let paths = [record_key].into_iter().chain(views).map(|key| key.to_string()).chain(removed).collect();
        Ok(Some(Deleted { record, paths }))
    }

    /// Takes the entry out of its key index. `None`: the shared view shows another entry and stays as it is.
    async fn remove_from_key(&self, record: &Record, name: &KeyName) -> Result<Option<After>, Error> {
        let key = Layout::new(&record.namespace).key_index(name);
        let loaded = self.load_index(&key).await?;
        let outcome = self.swap(&record.namespace, &key, loaded, Change::Remove(Box::new(record.clone()))).await?;
        Ok(match outcome {
            Outcome::Removed { was_newest: false, .. } => None,
            Outcome::Removed { newest, .. } => Some(After::Removed { newest }),
            // An earlier delete may have broken off before it settled the view.
            Outcome::NotListed { .. } | Outcome::Added { .. } | Outcome::StartOver | Outcome::Forgotten => {
                Some(After::Unsure)
            }
        })
    }

    /// Takes the entry out of its hash index, buries its record, and removes what it alone used.
    async fn delete_objects(
        &self,
        record: &Record,
        state: Version,
        guess: Option<ObjectKey>,
        loaded: Option<LoadedIndex>,
    ) -> Result<Vec<String>, Error> {
        let layout = Layout::new(&record.namespace);
        let index_key = layout.hash_index(&record.cache_hash);
        let loaded = match loaded {
            Some(loaded) if guess.as_ref() == Some(&index_key) => loaded,
            _ => self.load_index(&index_key).await?,
        };
        let change = Change::Remove(Box::new(record.clone()));
        let outcome = self.swap(&record.namespace, &index_key, loaded, change).await?;
        let has_revisions = self.bury(record, state).await?;
        let blob_is_free = match outcome {
            Outcome::Removed { blob_in_use, .. } => !blob_in_use,
            Outcome::NotListed { blob_is_burnt } => blob_is_burnt,
            Outcome::Added { .. } | Outcome::StartOver | Outcome::Forgotten => false,
        };
        let own: Vec<ObjectKey> =
            unique_view(record).ok().flatten().into_iter().chain(blob_is_free.then(|| record.blob())).collect();
        let (children, revisions) = (layout.children(record.cache_id, None), layout.revisions(record.cache_id));
        own.iter().for_each(|key| self.blobs.forget(key));
        let revisions: OptionFuture<_> = has_revisions.then(|| self.remove_folder(&revisions)).into();
        let (_, children, revisions) =
            try_join3(try_join_all(own.iter().map(|key| self.remove(key))), self.remove_folder(&children), async {
                revisions.await.transpose()
            })
            .await?;
        let below = children.into_iter().chain(revisions.unwrap_or_default());
        Ok(own.iter().map(ToString::to_string).chain(below).collect())
    }

    /// Puts a grave in the record's place. Says whether the entry was ever updated, maybe just now by somebody else.
    async fn bury(&self, record: &Record, mut state: Version) -> Result<bool, Error> {
        let key = Layout::new(&record.namespace).record(record.cache_id);
        let mut updated = record.revision.is_some();
        let mut pause = Pause::new(self);
        loop {
            match self.storage.put(&key, Bytes::from_static(GRAVE), PutMode::Replace(state)).await {
                Ok(_) => return Ok(updated),
                Err(StorageError::Conflict { .. }) => {}
                Err(error) => return Err(error.into()),
            }
            // It was updated meanwhile, or this grave, or another one, is there already.
            let Some((newer, newer_state)) = self.load_record(&key).await? else { return Ok(updated) };
            (updated, state) = (newer.revision.is_some(), newer_state);
            pause.wait(&key).await?;
        }
    }

    /// Removes every object in a folder, whose name ends with `/`, and returns their keys.
    pub(super) async fn remove_folder(&self, folder: &str) -> Result<Vec<String>, Error> {
        let mut removed = Vec::new();
        let mut pages = self.list(folder);
        while let Some(page) = pages.next().await? {
            let keys: Vec<ObjectKey> = page.objects.iter().filter_map(|object| object.key.parse().ok()).collect();
            try_join_all(keys.iter().map(|key| self.remove(key))).await?;
            removed.extend(keys.iter().map(ToString::to_string));
        }
        Ok(removed)
    }
}
