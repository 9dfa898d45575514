//! Deleting by path: through the use cases, so that nothing is left with an entry that is half there.

use crate::entry::Entry;
use crate::error::Error;
use crate::ids::{CacheHash, CacheId, CacheKey, FileId, Namespace};
use crate::layout::KeyRef;
use crate::storage::ObjectKey;
use crate::strategy::Strategy;

use super::super::views::{entry_view, key_view};
use super::super::{Cache, NamespaceCache, Selector, VersionsOf};
use super::path_kind::PathKind;

/// What became of [`Cache::delete_file`].
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum FileDeleted {
    /// It is gone, and with it what belonged to it.
    Deleted,
    /// There was none.
    NotFound,
    /// It stays, because it is needed. The text says what for, and what to do instead.
    InUse(&'static str),
}

impl Cache {
    /// Deletes what a path shows: the entry of a reference file, of a content or of a view; a child; or a file that is not ours.
    /// Physical objects and settings are needed, and deleted only with `force`: then the object alone goes.
    ///
    /// # Errors
    ///
    /// As [`NamespaceCache::delete`].
    pub async fn delete_file(&self, path: &ObjectKey, force: bool) -> Result<FileDeleted, Error> {
        match PathKind::of(path) {
            PathKind::Reserved => Ok(FileDeleted::NotFound),
            PathKind::ById { namespace, cache_id } => self.delete_entry(&namespace, Some(cache_id)).await,
            PathKind::ByHash { namespace, cache_hash } => self.delete_hash(&namespace, cache_hash).await,
            PathKind::DirectContent { namespace, file } => {
                let entry = self.namespace(&namespace).direct_entry(&file).await?;
                match self.delete_entry(&namespace, entry.map(|entry| entry.cache_id)).await? {
                    FileDeleted::NotFound => self.delete_object(path).await,
                    done => Ok(done),
                }
            }
            PathKind::View { namespace, cache_id } => self.delete_view(path, &namespace, Some(cache_id)).await,
            PathKind::Latest { namespace, key } => {
                let newest = self.namespace(&namespace).newest_under(&key).await?;
                self.delete_view(path, &namespace, newest).await
            }
            PathKind::Readable { namespace, cache_key, file_name } => {
                let entry = self.namespace(&namespace).entry_of_copy(path, cache_key.as_ref(), &file_name).await?;
                self.delete_view(path, &namespace, entry).await
            }
            PathKind::Child | PathKind::Object => self.delete_object(path).await,
            PathKind::Settings => {
                let reason = "these are the settings of the namespace: change them with PUT /{namespace}/settings";
                self.delete_needed(path, reason, force).await
            }
            PathKind::Physical(reason) => self.delete_needed(path, reason, force).await,
        }
    }

    async fn delete_entry(&self, namespace: &Namespace, id: Option<CacheId>) -> Result<FileDeleted, Error> {
        let Some(id) = id else { return Ok(FileDeleted::NotFound) };
        let deleted = self.namespace(namespace).delete(id).await?;
        Ok(if deleted.is_some() { FileDeleted::Deleted } else { FileDeleted::NotFound })
    }

    async fn delete_hash(&self, namespace: &Namespace, hash: CacheHash) -> Result<FileDeleted, Error> {
        let versions = self.namespace(namespace).versions(&VersionsOf::Hash(hash), None, 1).await?;
        Ok(match versions {
            Some(_) => FileDeleted::InUse("it lists the entries of a hash: delete these entries"),
            None => FileDeleted::NotFound,
        })
    }

    /// Deletes the entry of a view, or the view alone when its entry is gone.
    async fn delete_view(
        &self,
        path: &ObjectKey,
        namespace: &Namespace,
        entry: Option<CacheId>,
    ) -> Result<FileDeleted, Error> {
        if !self.object_exists(path).await? {
            return Ok(FileDeleted::NotFound);
        }
        match self.delete_entry(namespace, entry).await? {
            FileDeleted::NotFound => self.delete_object(path).await,
            done => Ok(done),
        }
    }

    async fn delete_needed(&self, path: &ObjectKey, reason: &'static str, force: bool) -> Result<FileDeleted, Error> {
        match self.object_exists(path).await? {
            true if !force => Ok(FileDeleted::InUse(reason)),
            true => self.delete_object(path).await,
            false => Ok(FileDeleted::NotFound),
        }
    }

    /// Deletes the object under a path.
    async fn delete_object(&self, path: &ObjectKey) -> Result<FileDeleted, Error> {
        if !self.object_exists(path).await? {
            return Ok(FileDeleted::NotFound);
        }
        self.remove(path).await?;
        self.shared.objects.forget(path);
        Ok(FileDeleted::Deleted)
    }
}

impl NamespaceCache {
    /// The entry that a readable copy shows: the newest under its key, or the one whose id is the name of the file.
    async fn entry_of_copy(
        &self,
        path: &ObjectKey,
        cache_key: Option<&CacheKey>,
        file_name: &FileId,
    ) -> Result<Option<CacheId>, Error> {
        if let Some(cache_key) = cache_key {
            let (cache_key, file_id) = (cache_key.clone(), file_name.clone());
            let newest = self.newest_under(&KeyRef { strategy: Strategy::KeyBased, cache_key, file_id }).await?;
            let view = |entry: &Entry| key_view(self.layout(), entry).ok().flatten();
            if self.entry_or_none(newest).await?.is_some_and(|entry| view(&entry).as_ref() == Some(path)) {
                return Ok(newest);
            }
        }
        let named = self.entry_or_none(file_name.as_str().parse().ok()).await?;
        let view = |entry: &Entry| entry_view(self.layout(), entry).ok().flatten();
        Ok(named.filter(|entry| view(entry).as_ref() == Some(path)).map(|entry| entry.cache_id))
    }

    async fn entry_or_none(&self, id: Option<CacheId>) -> Result<Option<Entry>, Error> {
        match id {
            Some(id) => self.entry(&Selector::Id(id)).await,
            None => Ok(None),
        }
    }
}
