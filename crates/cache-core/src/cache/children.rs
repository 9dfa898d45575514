//! Child data: small files under an entry, each under a file id and, if wanted, a data key. They live and die with their
//! entry; storing one again overwrites it. One that is written while its entry is deleted is garbage, which no read returns and
//! the sweep removes.

use bytes::Bytes;
use futures::future::try_join;

use crate::digest::Sha256Digest;
use crate::error::Error;
use crate::ids::{CacheId, DataKey, FileId, Namespace};
use crate::layout::{Layout, extension};
use crate::storage::ObjectKey;
use crate::strategy::ContentKind;

use super::{IdempotencyKey, NamespaceCache};

/// Which child of an entry. Its kind is part of its name: one of each kind can stand side by side.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct ChildName {
    /// The folder below the entry.
    pub data_key: Option<DataKey>,
    /// Its name in that folder.
    pub file_id: FileId,
    /// JSON, string or binary.
    pub kind: ContentKind,
}

/// A child as a listing shows it.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Child {
    /// Its name.
    pub name: ChildName,
    /// The object that holds it.
    pub path: String,
    /// Bytes.
    pub size: u64,
}

impl IdempotencyKey {
    /// The file id that all repeats of a request give to a child without a name. Another content gets another one.
    pub fn child_file_id(&self, namespace: &Namespace, parent: CacheId, kind: ContentKind, content: &[u8]) -> FileId {
        let sha256 = Sha256Digest::of(content);
        let parts: [&[u8]; 4] = [b"child", parent.as_bytes(), kind.name().as_bytes(), sha256.as_bytes()];
        let name = format!("{:016x}", self.nonce(namespace, &parts).bits());
        name.parse().expect("hex digits are a file id")
    }
}

impl NamespaceCache {
    /// Writes a child and returns its path; `None` when there is no such entry.
    ///
    /// # Errors
    ///
    /// `Invalid` when the data key leads to a path that is too long.
    pub async fn store_child(&self, id: CacheId, name: &ChildName, content: Bytes) -> Result<Option<String>, Error> {
        let key = child_key(self.layout(), id, name)?;
        let (entry, _) = try_join(self.exists(id), self.cache.overwrite(&key, content)).await?;
        if !entry {
            // Nobody ever reads it, because a read looks for the entry as well.
            self.cache.remove_garbage(&key).await;
            return Ok(None);
        }
        Ok(Some(key.to_string()))
    }

    /// Writes a child that is there already and returns its path; `None` when there is no such entry or child.
    ///
    /// # Errors
    ///
    /// As [`NamespaceCache::store_child`].
    pub async fn update_child(&self, id: CacheId, name: &ChildName, content: Bytes) -> Result<Option<String>, Error> {
        if !self.child_exists(id, name).await? {
            return Ok(None);
        }
        let key = child_key(self.layout(), id, name)?;
        self.cache.overwrite(&key, content).await?;
        Ok(Some(key.to_string()))
    }

    /// The content of a child; `None` when there is no such entry or child.
    ///
    /// # Errors
    ///
    /// As [`NamespaceCache::store_child`].
    pub async fn retrieve_child(&self, id: CacheId, name: &ChildName) -> Result<Option<Bytes>, Error> {
        let key = child_key(self.layout(), id, name)?;
        let (entry, content) = try_join(self.exists(id), self.cache.read(&key)).await?;
        match content {
            None if entry => self.retrieve_python_child(id, name).await,
            content => Ok(content.filter(|_| entry)),
        }
    }

    /// Whether there is such a child.
    ///
    /// # Errors
    ///
    /// As [`NamespaceCache::store_child`].
    pub async fn child_exists(&self, id: CacheId, name: &ChildName) -> Result<bool, Error> {
        let key = child_key(self.layout(), id, name)?;
        let head = async { Ok(self.cache.storage.head(&key).await?) };
        let (entry, child) = try_join(self.exists(id), head).await?;
        Ok(entry && (child.is_some() || self.python_child_exists(id, name).await?))
    }

    /// The children of an entry, or those under a data key, in the order of their paths; `None` when there is no such entry.
    /// Without `recursive` only those directly in that folder.
    ///
    /// # Errors
    ///
    /// When the storage fails.
    pub async fn children(
        &self,
        id: CacheId,
        data_key: Option<&DataKey>,
        recursive: bool,
    ) -> Result<Option<Vec<Child>>, Error> {
        let (entry, mut children) = try_join(self.exists(id), self.list_children(id, data_key, recursive)).await?;
        if !entry {
            return Ok(None);
        }
        self.add_python_children(id, data_key, recursive, &mut children).await?;
        Ok(Some(children))
    }

    /// Removes a child; `false` when there is no such entry or child.
    ///
    /// # Errors
    ///
    /// As [`NamespaceCache::store_child`].
    pub async fn delete_child(&self, id: CacheId, name: &ChildName) -> Result<bool, Error> {
        if !self.child_exists(id, name).await? {
            return Ok(false);
        }
        self.cache.remove(&child_key(self.layout(), id, name)?).await?;
        self.remove_python_child(id, name).await?;
        Ok(true)
    }

    /// Removes all children of an entry, or those under a data key, and returns their paths.
    ///
    /// # Errors
    ///
    /// When the storage fails. What was removed before stays removed.
    pub async fn delete_children(&self, id: CacheId, data_key: Option<&DataKey>) -> Result<Vec<String>, Error> {
        let mut removed = self.remove_folder(&self.layout().children(id, data_key)).await?;
        removed.extend(self.remove_python_children(id, data_key).await?);
        Ok(removed)
    }

    /// Writes a child of an entry that is about to be listed.
    pub(super) async fn write_child(&self, id: CacheId, name: &ChildName, content: Bytes) -> Result<(), Error> {
        self.cache.overwrite(&child_key(self.layout(), id, name)?, content).await.map(drop)
    }

    async fn list_children(
        &self,
        id: CacheId,
        data_key: Option<&DataKey>,
        recursive: bool,
    ) -> Result<Vec<Child>, Error> {
        let layout = self.layout();
        let folder = layout.children(id, data_key);
        let all = layout.children(id, None);
        let mut children = Vec::new();
        let mut pages = self.list(&folder).flat(!recursive);
        while let Some(page) = pages.next().await? {
            children.extend(page.objects.into_iter().filter_map(|object| {
                let name = parse_name(object.key.strip_prefix(&all)?)?;
                Some(Child { name, path: object.key, size: object.size })
            }));
        }
        Ok(children)
    }
}

fn child_key(layout: Layout<'_>, id: CacheId, name: &ChildName) -> Result<ObjectKey, Error> {
    let key = layout.child(id, name.data_key.as_ref(), &name.file_id, name.kind);
    key.map_err(|error| Error::too_long("data_key", &error))
}

/// The name of the file of a child.
pub(super) fn file_name(name: &ChildName) -> String {
    format!("{}.{}", name.file_id, extension(name.kind))
}

/// The inverse of what [`Layout::child`] writes below the folder of all children.
pub(super) fn parse_name(below: &str) -> Option<ChildName> {
    let (stem, extension) = below.rsplit_once('.')?;
    let kind = match extension {
        "json" => ContentKind::Json,
        "txt" => ContentKind::String,
        "bin" => ContentKind::Binary,
        _ => return None,
    };
    let (data_key, file_id) = match stem.rsplit_once('/') {
        Some((data_key, file_id)) => (Some(data_key.parse().ok()?), file_id),
        None => (None, stem),
    };
    Some(ChildName { data_key, file_id: file_id.parse().ok()?, kind })
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::ids::Namespace;

    #[test]
    fn a_child_name_is_read_back_from_its_path() {
        let namespace: Namespace = "demo".parse().unwrap();
        let id = CacheId::from_u128(1);
        let layout = Layout::new(&namespace);
        for data_key in [None, Some("a/b.c/d e")] {
            for kind in [ContentKind::Json, ContentKind::String, ContentKind::Binary] {
                let data_key = data_key.map(|key| key.parse().unwrap());
                let name = ChildName { data_key, file_id: "f-1".parse().unwrap(), kind };
                let key = child_key(layout, id, &name).unwrap();
                let below = key.as_str().strip_prefix(&layout.children(id, None)).unwrap();
                assert_eq!(parse_name(below), Some(name));
            }
        }
    }
}
