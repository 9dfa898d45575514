//! Compares the catalog with the manifests.

use std::collections::HashMap;

use cache_core::catalog::Shard;
use cache_core::error::Error;
use cache_core::ids::CacheHash;
use cache_core::storage::{ObjectKey, Version};

use super::Space;
use crate::listing::{for_each, read};

impl Space<'_> {
    /// The shards of the catalog with a row of another version than its manifest has.
    pub(super) async fn stale_catalogs(&self, versions: &HashMap<CacheHash, Version>) -> Result<Vec<ObjectKey>, Error> {
        let mut shards = Vec::new();
        for_each(&**self.storage, &self.layout().catalog(), |object| shards.extend(object.key.parse::<ObjectKey>()))
            .await?;
        let mut stale = Vec::new();
        for key in shards {
            let Some(object) = read(&**self.storage, &key).await? else { continue };
            let is_fresh = Shard::parse(&object.bytes)
                .is_some_and(|shard| shard.versions().all(|(hash, version)| versions.get(hash) == Some(version)));
            if !is_fresh {
                stale.push(key);
            }
        }
        Ok(stale)
    }
}
