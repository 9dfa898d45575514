//! Batch reads: many entries at once, each with its own result, over requests that are made side by side.

use futures::stream::{self, StreamExt};

use crate::entry::Entry;
use crate::error::Error;

use super::{CONCURRENCY, NamespaceCache, RetrievedOrTooLarge, Selector};

/// How many entries one batch may name.
pub const MAX_BATCH_ITEMS: usize = 1_000;

/// What became of one item of a batch: `None` is a miss.
pub type BatchItem<T> = Result<Option<T>, Error>;

impl NamespaceCache {
    /// The entries with contents of up to `max` bytes each, in the order of the selectors.
    ///
    /// # Errors
    ///
    /// `Invalid` when there are more than [`MAX_BATCH_ITEMS`]. The failure of one item is its own result.
    pub async fn retrieve_batch(
        &self,
        selectors: &[Selector],
        max: u64,
    ) -> Result<Vec<BatchItem<RetrievedOrTooLarge>>, Error> {
        check_items(selectors)?;
        let reads = selectors.iter().map(|selector| self.retrieve_up_to(selector, max));
        Ok(stream::iter(reads.collect::<Vec<_>>()).buffered(CONCURRENCY).collect().await)
    }

    /// The entries without their contents, in the order of the selectors.
    ///
    /// # Errors
    ///
    /// As [`NamespaceCache::retrieve_batch`].
    pub async fn entry_batch(&self, selectors: &[Selector]) -> Result<Vec<BatchItem<Entry>>, Error> {
        check_items(selectors)?;
        let reads = selectors.iter().map(|selector| self.entry(selector));
        Ok(stream::iter(reads.collect::<Vec<_>>()).buffered(CONCURRENCY).collect().await)
    }
}

fn check_items(selectors: &[Selector]) -> Result<(), Error> {
    if selectors.len() <= MAX_BATCH_ITEMS {
        return Ok(());
    }
    let message = format!("has {} items, and the limit is {MAX_BATCH_ITEMS}: split the batch", selectors.len());
    Err(Error::invalid("items", message))
}
