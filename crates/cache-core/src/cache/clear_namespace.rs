//! Clear: every entry of a namespace is deleted, one by one. Its settings stay.

use futures::stream::{self, StreamExt, TryStreamExt};

use crate::error::Error;

use super::listing::MAX_LISTED;
use super::{CONCURRENCY, Deleted, NamespaceCache};

impl NamespaceCache {
    /// Deletes all entries that are listed when it comes to them, and returns how many files that removed.
    ///
    /// # Errors
    ///
    /// As [`NamespaceCache::delete`]. What was deleted before stays deleted.
    pub async fn clear(&self) -> Result<usize, Error> {
        let mut removed = 0;
        let mut cursor: Option<String> = None;
        loop {
            let page = self.id_page(MAX_LISTED, cursor.as_deref()).await?;
            let deletes = stream::iter(page.items.into_iter().map(|id| self.delete(id)).collect::<Vec<_>>());
            let deleted: Vec<Option<Deleted>> = deletes.buffer_unordered(CONCURRENCY).try_collect().await?;
            removed += deleted.into_iter().flatten().map(|deleted| deleted.paths.len()).sum::<usize>();
            match page.next_cursor {
                Some(next) => cursor = Some(next),
                None => return Ok(removed),
            }
        }
    }
}
