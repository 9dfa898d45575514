//! Admin: files as clients of the Python service know them, and the objects themselves.
//!
//! | path below `{namespace}/` | what is shown |
//! |---|---|
//! | `refs/by-id/…/{cache_id}.json` | the reference file of an entry, rendered from its manifest |
//! | `refs/by-hash/…/{cache_hash}.json` | the reference file of a hash, rendered from its manifest |
//! | `data/direct/…` | the content of an entry of the strategy `direct` |
//! | dated and latest views | the content that their entry has now |
//! | readable copies, children, settings, what is not ours | the object as it is |
//! | all of these, of an entry of the Python service | the object as it is |
//! | manifests, pages, blobs, intents, key indexes, catalog shards, aliases | nothing, unless physical objects are asked for |
//!
//! Physical objects are what the storage holds, byte for byte. What lies under [`RESERVED_FOLDER`] is never shown.

mod delete;
mod listing;
mod path_kind;
mod reference_files;

use bytes::Bytes;

use crate::entry::Entry;
use crate::error::Error;
use crate::ids::CacheId;
use crate::key_index::KeyIndex;
use crate::layout::{KeyRef, RESERVED_FOLDER};
use crate::storage::{GetOptions, GetResult, ObjectKey};
use crate::strategy::{ContentKind, Strategy};

use self::path_kind::PathKind;
use super::listing::MAX_LISTED;
use super::load::Part;
use super::views::Pointer;
use super::{Cache, NamespaceCache, Retrieved, Selector, VersionsOf};

pub use self::delete::FileDeleted;
pub use self::listing::ListFiles;

/// A file as it is shown.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct AdminFile {
    /// Its bytes.
    pub bytes: Bytes,
    /// The kind of content, when the path led to an entry.
    pub kind: Option<ContentKind>,
}

impl Cache {
    /// Reads what is shown under a path, or with `physical` the object under it; `None` when there is nothing.
    ///
    /// The content of an entry of the strategy `direct` with a file id is found by going through all entries of the namespace.
    ///
    /// # Errors
    ///
    /// `TooLarge` when it cannot be held in memory; `Corrupt` when what is stored cannot be read.
    pub async fn file(&self, path: &ObjectKey, physical: bool) -> Result<Option<AdminFile>, Error> {
        if physical {
            return self.object(path).await;
        }
        match PathKind::of(path) {
            PathKind::Reserved | PathKind::Physical(_) => Ok(None),
            PathKind::Object | PathKind::Readable { .. } | PathKind::Child | PathKind::Settings => {
                self.object(path).await
            }
            PathKind::View { .. } | PathKind::Latest { .. } => self.pointed_at(path).await,
            PathKind::ById { namespace, cache_id } => {
                let cache = self.namespace(&namespace);
                let entry = cache.entry(&Selector::Id(cache_id)).await?;
                if entry.as_ref().is_some_and(is_python_entry) {
                    return self.object(path).await;
                }
                Ok(entry.map(|entry| AdminFile { bytes: cache.id_reference(&entry), kind: None }))
            }
            PathKind::ByHash { namespace, cache_hash } => {
                let of = VersionsOf::Hash(cache_hash.clone());
                let versions = self.namespace(&namespace).versions(&of, None, usize::MAX).await?;
                Ok(versions.map(|versions| AdminFile {
                    bytes: reference_files::hash_reference(&cache_hash, &versions),
                    kind: None,
                }))
            }
            PathKind::DirectContent { namespace, file } => {
                let entry = self.namespace(&namespace).direct_entry(&file).await?;
                match entry.filter(|entry| !is_python_entry(entry)) {
                    Some(entry) => self.namespace(&namespace).content_file(entry.cache_id).await,
                    None => self.object(path).await,
                }
            }
        }
    }

    /// Whether anything is shown under a path, or with `physical` whether there is an object. A view counts also if its entry
    /// is gone.
    ///
    /// # Errors
    ///
    /// `Unavailable` when the storage does not respond.
    pub async fn file_exists(&self, path: &ObjectKey, physical: bool) -> Result<bool, Error> {
        if physical {
            return self.object_exists(path).await;
        }
        match PathKind::of(path) {
            PathKind::Reserved | PathKind::Physical(_) => Ok(false),
            PathKind::Object
            | PathKind::Readable { .. }
            | PathKind::Child
            | PathKind::Settings
            | PathKind::View { .. }
            | PathKind::Latest { .. } => self.object_exists(path).await,
            PathKind::ById { namespace, cache_id } => self.namespace(&namespace).exists(cache_id).await,
            PathKind::ByHash { namespace, cache_hash } => {
                let versions = self.namespace(&namespace).versions(&VersionsOf::Hash(cache_hash), None, 1).await?;
                Ok(versions.is_some())
            }
            PathKind::DirectContent { namespace, file } => {
                let entry = self.namespace(&namespace).direct_entry(&file).await?;
                Ok(entry.is_some() || self.object_exists(path).await?)
            }
        }
    }

    /// The object under a path, if it can be held in memory.
    async fn object(&self, path: &ObjectKey) -> Result<Option<AdminFile>, Error> {
        if is_reserved(path.as_str()) {
            return Ok(None);
        }
        let limit = self.max_in_memory_bytes;
        let options = GetOptions { range: (limit < u64::MAX).then(|| 0..limit + 1), ..GetOptions::default() };
        let object = self.storage.get(path, &options).await?.and_then(GetResult::into_object);
        match object {
            Some(object) if object.size > limit => Err(Error::TooLarge { size: object.size, limit }),
            object => Ok(object.map(|object| AdminFile { bytes: object.bytes, kind: None })),
        }
    }

    async fn object_exists(&self, path: &ObjectKey) -> Result<bool, Error> {
        Ok(!is_reserved(path.as_str()) && self.storage.head(path).await?.is_some())
    }

    /// The content that the entry of a pointer has now. A file that is no pointer is shown as it is.
    async fn pointed_at(&self, path: &ObjectKey) -> Result<Option<AdminFile>, Error> {
        let Some(file) = self.object(path).await? else { return Ok(None) };
        match serde_json::from_slice::<Pointer>(&file.bytes) {
            Ok(pointer) => self.namespace(&pointer.namespace).content_file(pointer.cache_id).await,
            Err(_) => Ok(Some(file)),
        }
    }
}

impl NamespaceCache {
    async fn content_file(&self, id: CacheId) -> Result<Option<AdminFile>, Error> {
        let retrieved = self.retrieve(&Selector::Id(id)).await?;
        Ok(retrieved.map(|Retrieved { entry, bytes }| AdminFile { bytes, kind: Some(entry.content.kind) }))
    }

    /// The entry whose content is shown as a file below the folder of the strategy `direct`: of several with one file id, the
    /// one that was stored last.
    async fn direct_entry(&self, file: &str) -> Result<Option<Entry>, Error> {
        let path = format!("{}{file}", self.layout().direct_contents());
        let name = file.rsplit('/').next().and_then(|name| name.rsplit_once('.')).map(|(name, _)| name);
        if let Some(id) = name.and_then(|name| name.parse().ok())
            && let Some(entry) = self.direct_entry_at(&path, id).await?
        {
            return Ok(Some(entry));
        }
        let mut newest: Option<Entry> = None;
        let mut walk = self.walk_all();
        while let Some(manifests) = walk.next(MAX_LISTED).await? {
            for manifest in manifests.into_iter().filter(|manifest| manifest.row.counts.of(Strategy::Direct) > 0) {
                let entries = self.entries_of(manifest).await?;
                for entry in entries.iter().filter(|entry| entry.direct_file.as_deref() == Some(file)) {
                    let found = self.direct_entry_at(&path, entry.cache_id).await?;
                    newest = newest.into_iter().chain(found).max_by_key(|entry| entry.stored_at);
                }
            }
        }
        walk.finish().await;
        Ok(newest)
    }

    async fn direct_entry_at(&self, path: &str, id: CacheId) -> Result<Option<Entry>, Error> {
        let entry = self.entry(&Selector::Id(id)).await?;
        Ok(entry.filter(|entry| entry.strategy == Strategy::Direct && self.layout().content_path(entry) == path))
    }

    /// The newest version under a key, expired or not.
    pub(super) async fn newest_under(&self, key: &KeyRef) -> Result<Option<CacheId>, Error> {
        let index = self.load::<KeyIndex>(&self.layout().key_index(key), Part::Head).await?.head;
        Ok(index.as_ref().and_then(|index| index.newest_row()).map(|row| row.cache_id))
    }
}

/// Whether there are objects under the paths of an entry, which the Python service wrote.
fn is_python_entry(entry: &Entry) -> bool {
    entry.python_files.is_some()
}

/// Whether a path is in the folder that is never shown.
fn is_reserved(path: &str) -> bool {
    path.starts_with(RESERVED_FOLDER)
}
