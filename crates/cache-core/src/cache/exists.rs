//! Exists: whether an entry can be retrieved, in one GET of at most 40 KiB.

use crate::error::Error;
use crate::ids::{CacheHash, CacheId};

use super::locate::EntryLocation;
use super::{NamespaceCache, Selector};

impl NamespaceCache {
    /// Whether there is an entry with this id.
    ///
    /// # Errors
    ///
    /// As [`NamespaceCache::entry`].
    pub async fn exists(&self, id: CacheId) -> Result<bool, Error> {
        // The content of an entry of the Python service need not be read for this.
        if id.parts().is_none() && matches!(self.locate_entry(id).await?, EntryLocation::PythonFiles(_)) {
            return Ok(true);
        }
        Ok(self.entry(&Selector::Id(id)).await?.is_some())
    }

    /// Whether there is any entry with this hash.
    ///
    /// # Errors
    ///
    /// As [`NamespaceCache::entry`].
    pub async fn exists_hash(&self, hash: &CacheHash) -> Result<bool, Error> {
        Ok(self.entry(&Selector::Hash(hash.clone(), None)).await?.is_some())
    }
}
