//! Rollback: an older version under a key becomes the newest again, as a new version.

use crate::content::Content;
use crate::error::Error;
use crate::ids::Namespace;
use crate::layout::KeyName;

use super::{Cache, Entry, Selector, StoreRequest, Stored};

impl Cache {
    /// Stores the content of a key's n-th version as its newest; `None` when there is no such version.
    pub async fn rollback(&self, namespace: &Namespace, name: &KeyName, version: u64) -> Result<Option<Stored>, Error> {
        let selector = Selector::Key(name.clone(), Some(version));
        let Some(Entry { record, content }) = self.retrieve(namespace, &selector).await? else { return Ok(None) };
        let request = StoreRequest {
            namespace: namespace.clone(),
            strategy: name.strategy,
            cache_key: Some(name.cache_key.clone()),
            file_id: Some(name.file_id.clone()),
            content: Content::of_entry(&record, content),
        };
        self.store(&request).await.map(Some)
    }
}
