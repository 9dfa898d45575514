//! Clear: every entry of a namespace is deleted, one by one.

use futures::stream::{self, StreamExt, TryStreamExt};

use crate::error::Error;
use crate::ids::{CacheId, Namespace};
use crate::layout::Layout;

use super::listing::PAGE;
use super::{Cache, Deleted};

/// For how long an entry may be on its way into the index, in milliseconds: as long as Lambda lets anything run.
const STORED_WITHIN_MS: u64 = 15 * 60 * 1000;

/// How many entries are deleted at the same time.
const SIDE_BY_SIDE: usize = 16;

impl Cache {
    /// Deletes all entries of a namespace, and returns how many files that removed. Its settings stay.
    pub async fn clear(&self, namespace: &Namespace) -> Result<usize, Error> {
        let mut removed = 0;
        let mut cursor: Option<String> = None;
        loop {
            let page = self.id_page(namespace, PAGE, cursor.as_deref()).await?;
            let deletes = stream::iter(page.items.into_iter().map(|id| self.delete_stored(namespace, id)));
            let deleted: Vec<_> = deletes.buffer_unordered(SIDE_BY_SIDE).try_collect().await?;
            removed += deleted.into_iter().flatten().map(|deleted| deleted.paths.len()).sum::<usize>();
            match page.next_cursor {
                Some(next) => cursor = Some(next),
                None => return Ok(removed),
            }
        }
    }

    /// Deletes an entry, unless a store is still on its way to list it: that one then comes after the clearing.
    async fn delete_stored(&self, namespace: &Namespace, id: CacheId) -> Result<Option<Deleted>, Error> {
        let Some(record) = self.read_record(&Layout::new(namespace).record(id)).await? else { return Ok(None) };
        let is_young = self.surroundings.now_ms() < record.stored_at.saturating_add(STORED_WITHIN_MS);
        if is_young && !self.is_listed(&record).await? {
            return Ok(None);
        }
        self.delete(namespace, id).await
    }
}
