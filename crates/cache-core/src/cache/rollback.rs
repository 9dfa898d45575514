//! Rollback: an older version under a key becomes the newest again, as a new version.

use crate::content::Content;
use crate::error::Error;
use crate::layout::KeyRef;

use super::{IdempotencyKey, NamespaceCache, Retrieved, Selector, StoreRequest, Stored};

impl NamespaceCache {
    /// Stores the content of a key's n-th version as its newest; `None` when there is no such version.
    ///
    /// # Errors
    ///
    /// As [`NamespaceCache::retrieve`] and [`NamespaceCache::store`].
    pub async fn rollback(
        &self,
        key: &KeyRef,
        version: u64,
        idempotency_key: Option<IdempotencyKey>,
    ) -> Result<Option<Stored>, Error> {
        let selector = Selector::Key(key.clone(), Some(version));
        let Some(Retrieved { entry, bytes }) = self.retrieve(&selector).await? else { return Ok(None) };
        let content = Content::of_entry(&entry, bytes);
        let request = StoreRequest {
            cache_key: Some(key.cache_key.clone()),
            file_id: Some(key.file_id.clone()),
            idempotency_key,
            ..StoreRequest::new(key.strategy, content)
        };
        self.store(&request).await.map(Some)
    }
}
