//! The versions that a manifest or a key index lists: the newest as rows in the head, older ones in pages.
//!
//! A page is an object that never changes. A change of a row in a page writes the page again under a new name, and with it
//! the pages that lead to it (copy on write, as in a B-tree). So a head is always one consistent state of all its versions.
//!
//! | part | what |
//! |---|---|
//! | rows | the newest versions, oldest first |
//! | pages | references to pages, oldest first: of level 0 with rows, of level n with references to pages of level n-1 |

use serde::de::DeserializeOwned;
use serde::{Deserialize, Serialize};

use crate::time::UnixMillis;

/// One version.
pub trait Row: Clone + std::fmt::Debug + PartialEq + Serialize + DeserializeOwned + Send + Sync + 'static {
    /// Its number, from 1, never given twice.
    fn version(&self) -> u64;
    /// When it was stored.
    fn stored_at(&self) -> UnixMillis;
    /// When it expires, if ever.
    fn expires_at(&self) -> Option<UnixMillis>;
    /// Whether a client may repeat its store and name it by an idempotency key or an upload.
    fn is_repeatable(&self) -> bool;
    /// About how many bytes of JSON it takes.
    fn weight(&self) -> usize;
    /// Bytes of the contents that only pages of its own have.
    fn older_bytes(&self) -> u64 {
        0
    }
}

/// The versions of one head.
#[derive(Debug, Clone, PartialEq)]
pub struct VersionLog<R> {
    rows: Vec<R>,
    pages: Vec<PageRef>,
}

/// A reference to a page, with what is needed to know whether it is worth reading.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct PageRef {
    /// The last segment of its key.
    pub name: String,
    /// 0 for a page with rows, n for one with references to pages of level n-1.
    #[serde(default, skip_serializing_if = "is_zero_level")]
    pub level: u8,
    /// Its lowest version.
    pub min_version: u64,
    /// Its highest version.
    pub max_version: u64,
    /// The earliest `stored_at` in it.
    pub min_stored_at: UnixMillis,
    /// The latest `stored_at` in it.
    pub max_stored_at: UnixMillis,
    /// How many versions it lists.
    pub live_count: u64,
    /// How many of them never expire.
    #[serde(default, skip_serializing_if = "is_zero")]
    pub lasting_count: u64,
    /// How many of them a client may repeat.
    #[serde(default, skip_serializing_if = "is_zero")]
    pub repeatable_count: u64,
    /// Bytes of the contents that it and the pages below have.
    #[serde(default, skip_serializing_if = "is_zero")]
    pub content_bytes: u64,
}

impl<R: Row> VersionLog<R> {
    /// Rows in the head and references to pages, both oldest first.
    pub fn new(rows: Vec<R>, pages: Vec<PageRef>) -> Self {
        Self { rows, pages }
    }

    /// The rows in the head, oldest first.
    pub fn rows(&self) -> &[R] {
        &self.rows
    }

    /// The references to pages, oldest first.
    pub fn pages(&self) -> &[PageRef] {
        &self.pages
    }

    /// Whether it lists nothing.
    pub fn is_empty(&self) -> bool {
        self.rows.is_empty() && self.pages.is_empty()
    }

    /// How many versions it lists.
    pub fn len(&self) -> u64 {
        self.rows.len() as u64 + self.pages.iter().map(|page| page.live_count).sum::<u64>()
    }

    /// Adds the newest version.
    pub fn push(&mut self, row: R) {
        self.rows.push(row);
    }

    /// Adds a version that is newer than all in pages.
    pub fn insert(&mut self, row: R) {
        let at = self.rows.partition_point(|other| other.version() < row.version());
        self.rows.insert(at, row);
    }

    /// The row of a version, if it is in the head.
    pub fn row(&self, version: u64) -> Option<&R> {
        let at = self.rows.binary_search_by_key(&version, R::version).ok()?;
        self.rows.get(at)
    }

    /// The row of a version, if it is in the head, to be changed.
    pub fn row_mut(&mut self, version: u64) -> Option<&mut R> {
        let at = self.rows.binary_search_by_key(&version, R::version).ok()?;
        self.rows.get_mut(at)
    }

    /// Takes a version out of the head; `None` if it is not there.
    pub fn remove(&mut self, version: u64) -> Option<R> {
        let at = self.rows.binary_search_by_key(&version, R::version).ok()?;
        Some(self.rows.remove(at))
    }

    /// Puts another reference in the place of the one with this name, or takes that out.
    pub fn replace_page(&mut self, name: &str, replacement: Option<PageRef>) {
        replace(&mut self.pages, name, replacement);
    }

    /// Takes the oldest rows out of the head, but keeps the newest, up to `keep_bytes` of them and at least one.
    pub fn take_oldest_rows(&mut self, keep_bytes: usize) -> Vec<R> {
        let mut kept = 0;
        let keep = self.rows.iter().rev().take_while(|row| {
            kept += row.weight();
            kept <= keep_bytes
        });
        let keep = keep.count().max(1);
        let newest = self.rows.split_off(self.rows.len().saturating_sub(keep));
        std::mem::replace(&mut self.rows, newest)
    }

    /// Bytes of the contents that its pages have.
    pub fn content_bytes(&self) -> u64 {
        let of_pages = self.pages.iter().map(|page| page.content_bytes);
        of_pages.chain(self.rows.iter().map(R::older_bytes)).sum()
    }

    /// About how many bytes of JSON its rows take.
    pub fn rows_weight(&self) -> usize {
        self.rows.iter().map(R::weight).sum()
    }

    /// Notes a page that was made of the oldest rows.
    pub fn push_page(&mut self, page: PageRef) {
        self.pages.push(page);
    }

    /// Takes out the references that have to go into a page of the next level: the older two thirds of a level that has more
    /// than `max_page_refs`.
    pub fn take_full_level(&mut self, max_page_refs: usize) -> Option<Vec<PageRef>> {
        let is_full = |level: &u8| self.pages.iter().filter(|page| page.level == *level).count() > max_page_refs;
        let level = (0..=u8::MAX).find(is_full)?;
        let (mut taken, per_page) = (0, max_page_refs * 2 / 3 + 1);
        let oldest = |page: &mut PageRef| {
            let take = page.level == level && taken < per_page;
            taken += usize::from(take);
            take
        };
        Some(self.pages.extract_if(.., oldest).collect())
    }

    /// Puts the reference to a page of references in the place of what [`VersionLog::take_full_level`] took out.
    pub fn insert_page(&mut self, page: PageRef) {
        let at = self.pages.partition_point(|other| other.max_version < page.min_version);
        self.pages.insert(at, page);
    }
}

impl PageRef {
    /// The reference to a page with these rows, which are not empty, and with so many bytes of contents.
    pub fn of_rows<R: Row>(name: String, rows: &[R], content_bytes: u64) -> Self {
        let times = || rows.iter().map(R::stored_at);
        let count = |test: fn(&R) -> bool| rows.iter().filter(|row| test(row)).count() as u64;
        Self {
            name,
            level: 0,
            min_version: rows.first().map_or(0, R::version),
            max_version: rows.last().map_or(0, R::version),
            min_stored_at: times().min().unwrap_or_default(),
            max_stored_at: times().max().unwrap_or_default(),
            live_count: rows.len() as u64,
            lasting_count: count(|row| row.expires_at().is_none()),
            repeatable_count: count(R::is_repeatable),
            content_bytes: content_bytes + rows.iter().map(R::older_bytes).sum::<u64>(),
        }
    }

    /// The reference to a page with these references, which are not empty and of one level.
    pub fn of_pages(name: String, pages: &[Self]) -> Self {
        let sum = |number: fn(&Self) -> u64| pages.iter().map(number).sum();
        Self {
            name,
            level: pages.first().map_or(0, |page| page.level) + 1,
            min_version: pages.iter().map(|page| page.min_version).min().unwrap_or(0),
            max_version: pages.iter().map(|page| page.max_version).max().unwrap_or(0),
            min_stored_at: pages.iter().map(|page| page.min_stored_at).min().unwrap_or_default(),
            max_stored_at: pages.iter().map(|page| page.max_stored_at).max().unwrap_or_default(),
            live_count: sum(|page| page.live_count),
            lasting_count: sum(|page| page.lasting_count),
            repeatable_count: sum(|page| page.repeatable_count),
            content_bytes: sum(|page| page.content_bytes),
        }
    }

    /// Whether the page may list this version.
    pub fn may_list(&self, version: u64) -> bool {
        (self.min_version..=self.max_version).contains(&version)
    }

    /// Whether the page may list a version that was stored at this time.
    pub fn may_list_time(&self, stored_at: UnixMillis) -> bool {
        (self.min_stored_at..=self.max_stored_at).contains(&stored_at)
    }
}

/// Puts another reference in the place of the one with this name, or takes that out.
pub fn replace(pages: &mut Vec<PageRef>, name: &str, replacement: Option<PageRef>) {
    let Some(at) = pages.iter().position(|page| page.name == name) else { return };
    match replacement {
        Some(page) => pages[at] = page,
        None => drop(pages.remove(at)),
    }
}

/// Whether a number is left out of JSON.
#[allow(clippy::trivially_copy_pass_by_ref, reason = "serde asks with a reference")]
pub(crate) const fn is_zero(number: &u64) -> bool {
    *number == 0
}

#[allow(clippy::trivially_copy_pass_by_ref, reason = "serde asks with a reference")]
fn is_zero_level(level: &u8) -> bool {
    *level == 0
}

#[cfg(test)]
mod tests {
    use std::collections::HashMap;

    use super::*;

    #[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
    struct Number(u64);

    impl Row for Number {
        fn version(&self) -> u64 {
            self.0
        }
        fn stored_at(&self) -> UnixMillis {
            UnixMillis::new(self.0)
        }
        fn expires_at(&self) -> Option<UnixMillis> {
            None
        }
        fn is_repeatable(&self) -> bool {
            false
        }
        fn weight(&self) -> usize {
            10
        }
    }

    enum Page {
        Rows(Vec<Number>),
        Refs(Vec<PageRef>),
    }

    fn all(refs: &[PageRef], pages: &HashMap<String, Page>, found: &mut Vec<u64>) {
        for page in refs {
            match &pages[&page.name] {
                Page::Rows(rows) => found.extend(rows.iter().map(Row::version)),
                Page::Refs(refs) => all(refs, pages, found),
            }
        }
    }

    #[test]
    fn a_head_stays_small_over_several_levels_of_pages() {
        const VERSIONS: u64 = 80_000;
        const MAX_PAGE_REFS: usize = 96;
        let (mut log, mut pages) = (VersionLog::new(Vec::new(), Vec::new()), HashMap::new());
        for version in 1..=VERSIONS {
            log.push(Number(version));
            if log.rows_weight() > 100 {
                let rows = log.take_oldest_rows(50);
                let name = format!("{version}-rows");
                log.push_page(PageRef::of_rows(name.clone(), &rows, 0));
                pages.insert(name, Page::Rows(rows));
            }
            while let Some(refs) = log.take_full_level(MAX_PAGE_REFS) {
                let name = format!("{version}-refs-{}", pages.len());
                log.insert_page(PageRef::of_pages(name.clone(), &refs));
                pages.insert(name, Page::Refs(refs));
            }
            assert!(log.rows().len() <= 11 && log.pages().len() <= 3 * MAX_PAGE_REFS);
        }
        assert_eq!(log.len(), VERSIONS);
        assert_eq!(log.pages().iter().map(|page| page.level).max(), Some(2), "levels");
        let mut found = Vec::new();
        all(log.pages(), &pages, &mut found);
        found.extend(log.rows().iter().map(Row::version));
        assert_eq!(found, (1..=VERSIONS).collect::<Vec<_>>());
    }

    #[test]
    fn the_newest_row_always_stays_in_the_head() {
        let mut log = VersionLog::new(vec![Number(1), Number(2)], Vec::new());
        assert_eq!(log.take_oldest_rows(0), [Number(1)]);
        assert_eq!(log.rows(), [Number(2)]);
        assert_eq!((log.row(2), log.row(1)), (Some(&Number(2)), None));
        assert_eq!(log.remove(2), Some(Number(2)));
        assert!(log.is_empty());
    }
}
