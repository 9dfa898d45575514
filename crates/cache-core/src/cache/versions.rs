//! Versions: what an index lists, in order.

use crate::error::Error;
use crate::ids::{CacheHash, CacheId, Namespace};
use crate::index::Listed;
use crate::layout::{KeyName, Layout};

use super::Cache;
use super::pages::Pages;

/// Whose versions.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Of {
    /// Of all entries with a hash.
    Hash(CacheHash),
    /// Of all entries under a key and file id.
    Key(KeyName),
}

/// A page of versions.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Versions {
    /// How many are listed in all.
    pub count: u64,
    /// The newest that were asked for, oldest first.
    pub versions: Vec<Listed>,
    /// The newest entry of all.
    pub latest: CacheId,
}

impl Cache {
    /// The newest `limit` versions below `before` (or of all), oldest first; `None` when nothing is listed.
    pub async fn versions(
        &self,
        namespace: &Namespace,
        of: &Of,
        before: Option<u64>,
        limit: usize,
    ) -> Result<Option<Versions>, Error> {
        let layout = Layout::new(namespace);
        let key = match of {
            Of::Hash(hash) => layout.hash_index(hash),
            Of::Key(name) => layout.key_index(name),
        };
        let Some(index) = self.load_index(&key).await?.index else { return Ok(None) };
        let Some(newest) = index.newest() else { return Ok(None) };
        let versions = Pages::new(self, namespace, &key).newest(&index, before.unwrap_or(u64::MAX), limit).await?;
        Ok(Some(Versions { count: index.live, versions, latest: newest.cache_id }))
    }
}
