//! Clear: every entry of a namespace is deleted, one by one.

use futures::stream::{self, StreamExt, TryStreamExt};

use crate::error::Error;
use crate::ids::Namespace;

use super::Cache;
use super::listing::PAGE;

/// How many entries are deleted at the same time.
const SIDE_BY_SIDE: usize = 16;

impl Cache {
    /// Deletes all entries of a namespace, and returns how many files that removed. Its settings stay.
    pub async fn clear(&self, namespace: &Namespace) -> Result<usize, Error> {
        let mut removed = 0;
        let mut cursor: Option<String> = None;
        loop {
            let page = self.id_page(namespace, PAGE, cursor.as_deref()).await?;
            let deletes = stream::iter(page.items.into_iter().map(|id| self.delete(namespace, id)));
            let deleted: Vec<_> = deletes.buffer_unordered(SIDE_BY_SIDE).try_collect().await?;
            removed += deleted.into_iter().flatten().map(|deleted| deleted.paths.len()).sum::<usize>();
            match page.next_cursor {
                Some(next) => cursor = Some(next),
                None => return Ok(removed),
            }
        }
    }
}
