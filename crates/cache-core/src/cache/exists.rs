//! Exists: whether an entry can be retrieved, in one call (two when the index does not remember its newest record).

use crate::error::Error;
use crate::ids::{CacheHash, CacheId, Namespace};

use super::{Cache, Selector};

impl Cache {
    /// Whether there is an entry with this id.
    pub async fn exists(&self, namespace: &Namespace, id: CacheId) -> Result<bool, Error> {
        Ok(self.record(namespace, &Selector::Id(id)).await?.is_some())
    }

    /// Whether there is any entry with this hash.
    pub async fn exists_hash(&self, namespace: &Namespace, hash: &CacheHash) -> Result<bool, Error> {
        Ok(self.record(namespace, &Selector::Hash(hash.clone(), None)).await?.is_some())
    }
}
