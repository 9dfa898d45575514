//! Reading and writing the pages of an index.

use crate::error::Error;
use crate::ids::{CacheId, Namespace};
use crate::index::{Index, Listed, Page, PageRef};
use crate::layout::Layout;
use crate::storage::ObjectKey;

use super::Cache;

/// The pages of one index.
#[derive(Debug, Clone, Copy)]
pub(super) struct Pages<'a> {
    cache: &'a Cache,
    namespace: &'a Namespace,
    index: &'a ObjectKey,
}

impl<'a> Pages<'a> {
    /// The pages of the index under this key.
    pub(super) fn new(cache: &'a Cache, namespace: &'a Namespace, index: &'a ObjectKey) -> Self {
        Self { cache, namespace, index }
    }

    /// Makes room for one more inline version. Pages are written under fresh names before any head lists them.
    pub(super) async fn make_room(self, index: &mut Index) -> Result<(), Error> {
        let nonce = self.cache.surroundings.random();
        while let Some((name, page)) = index.roll(|first| format!("{first}-{nonce:016x}")) {
            self.cache.overwrite(&Layout::new(self.namespace).page(self.index, &name), page.to_bytes()).await?;
        }
        Ok(())
    }

    /// Brings versions back from pages when none is inline though some are listed.
    pub(super) async fn refill(self, index: &mut Index) -> Result<(), Error> {
        while index.versions.is_empty() {
            let Some(page) = index.take_newest_page() else { break };
            index.unroll(self.read(&page).await?);
        }
        Ok(())
    }

    /// The version with this number.
    pub(super) async fn version(self, index: &Index, version: u64) -> Result<Option<Listed>, Error> {
        if let Some(listed) = index.versions.iter().find(|listed| listed.version == version) {
            return Ok(Some(*listed));
        }
        if index.is_removed(version) {
            return Ok(None);
        }
        let found = self
            .search(index, |page| (page.first..=page.last).contains(&version), |listed| listed.version == version)
            .await?;
        Ok(found)
    }

    /// The version of an entry whose record says that it was stored at this time.
    pub(super) async fn entry(self, index: &Index, id: CacheId, stored_at: u64) -> Result<Option<Listed>, Error> {
        if let Some(listed) = index.inline(id) {
            return Ok(Some(listed));
        }
        self.search(index, |page| (page.since..=page.until).contains(&stored_at), |listed| listed.cache_id == id).await
    }

    /// The newest `limit` versions below `before`, oldest first.
    pub(super) async fn newest(self, index: &Index, before: u64, limit: usize) -> Result<Vec<Listed>, Error> {
        let mut newest: Vec<Listed> = Vec::new();
        let mut take = |versions: &[Listed]| {
            let wanted = versions.iter().rev().filter(|v| v.version < before && !index.is_removed(v.version));
            newest.extend(wanted.take(limit - newest.len()).copied());
            newest.len() >= limit
        };
        let mut done = take(&index.versions);
        let mut left: Vec<PageRef> = oldest_first(index);
        while let Some(page) = left.pop().filter(|_| !done) {
            if page.first < before {
                match self.read(&page).await? {
                    Page::Versions(versions) => done = take(&versions),
                    Page::Pages(pages) => left.extend(pages),
                }
            }
        }
        newest.reverse();
        Ok(newest)
    }

    /// The listed version that `matches`, in a page that `may_hold` it; newest pages first.
    async fn search(
        self,
        index: &Index,
        may_hold: impl Fn(&PageRef) -> bool,
        matches: impl Fn(&Listed) -> bool,
    ) -> Result<Option<Listed>, Error> {
        let mut left = oldest_first(index);
        while let Some(page) = left.pop() {
            if !may_hold(&page) {
                continue;
            }
            match self.read(&page).await? {
                Page::Pages(pages) => left.extend(pages),
                Page::Versions(versions) => {
                    let found = versions.into_iter().find(|listed| matches(listed));
                    if let Some(listed) = found.filter(|listed| !index.is_removed(listed.version)) {
                        return Ok(Some(listed));
                    }
                }
            }
        }
        Ok(None)
    }

    async fn read(self, page: &PageRef) -> Result<Page, Error> {
        let key = Layout::new(self.namespace).page(self.index, &page.name);
        let Some(bytes) = self.cache.read(&key).await? else {
            return Err(Error::corrupt(key, "a page that an index lists is not there"));
        };
        serde_json::from_slice(&bytes).map_err(|error| Error::corrupt(&key, error))
    }
}

/// The pages in a head, oldest first: higher levels are older.
fn oldest_first(index: &Index) -> Vec<PageRef> {
    index.pages.iter().rev().flatten().cloned().collect()
}
