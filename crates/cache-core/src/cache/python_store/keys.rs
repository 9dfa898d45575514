//! What the Python service stored under a key and file id. It has no index of keys, but a path that follows from the key, and
//! beside the content a file that says for which key and entry it was last written.
//!
//! A key index begins with these entries as its first versions, in the order of time. So what is stored later continues
//! their numbers, and a delete of one of them takes it out like any other.

use std::sync::Arc;

use futures::future::{try_join, try_join_all};

use crate::error::Error;
use crate::ids::{CacheKey, FileId};
use crate::key_index::{KeyIndex, KeyRow};
use crate::layout::KeyRef;
use crate::python_files::StoreData;
use crate::storage::ObjectKey;
use crate::strategy::ContentKind;

use super::super::NamespaceCache;
use super::super::head::Loaded;
use super::super::load::Part;
use super::super::locate::Reference;

impl NamespaceCache {
    /// The index of a key. Before it is first written, it is what [`NamespaceCache::first_key_index`] says.
    pub(in crate::cache) async fn load_key_index(&self, key: &KeyRef, part: Part) -> Result<Loaded<KeyIndex>, Error> {
        let written = self.load::<KeyIndex>(&self.layout().key_index(key), part).await?;
        if written.head.is_some() {
            return Ok(written);
        }
        let first = self.first_key_index(key).await?;
        Ok(Loaded { head: (!first.log().is_empty()).then(|| Arc::new(first)), version: None })
    }

    /// The index of a key before its first write: it lists what the Python service stored under the key.
    pub(in crate::cache) async fn first_key_index(&self, key: &KeyRef) -> Result<KeyIndex, Error> {
        if !self.may_hold_python_entries().await? {
            return Ok(KeyIndex::new(key));
        }
        // On the heap, so that it does not swell the futures of all stores and reads.
        Box::pin(self.python_key_index(key)).await
    }

    async fn python_key_index(&self, key: &KeyRef) -> Result<KeyIndex, Error> {
        let mut index = KeyIndex::new(key);
        let contents = self.layout().python_contents(key);
        let found = try_join_all(contents.iter().map(|content| self.python_key_row(key, content))).await?;
        let mut rows: Vec<(KeyRow, ContentKind)> = found.into_iter().flatten().collect();
        rows.sort_by_key(|(row, _)| row.stored_at);
        for (row, kind) in rows {
            index.list_row(row, kind, None);
        }
        Ok(index)
    }

    /// The entry whose content is in this file, if it was stored under this key; and a kind with the extension of the file.
    async fn python_key_row(&self, key: &KeyRef, content: &ObjectKey) -> Result<Option<(KeyRow, ContentKind)>, Error> {
        let Some(metadata) = self.load_metadata_file(content).await? else { return Ok(None) };
        if !is_stored_under(&metadata.data, key) {
            return Ok(None);
        }
        let cache_id = metadata.data.cache_id;
        let reference = self.layout().alias(cache_id);
        let content = async { Ok::<_, Error>(self.cache.storage.head(content).await?) };
        let read = try_join(self.load_reference(&reference), content).await?;
        let (Some((Reference::Python(file), _)), Some(_)) = read else { return Ok(None) };
        if file.is_deleted {
            return Ok(None);
        }
        let row = KeyRow { version: 0, cache_id, stored_at: file.timestamp, expires_at: None };
        let kind = if file.is_kept_as_bytes() { ContentKind::Binary } else { ContentKind::Json };
        Ok(Some((row, kind)))
    }
}

fn is_stored_under(data: &StoreData, key: &KeyRef) -> bool {
    let has_key = data.cache_key.parse::<CacheKey>().is_ok_and(|cache_key| cache_key == key.cache_key);
    has_key && data.file_id.parse::<FileId>().is_ok_and(|file_id| file_id == key.file_id)
}
