//! Moving what is old out of a head that has grown too large, into a page.

use std::collections::BTreeMap;

use super::Manifest;
use super::contents::{ContentNumber, Contents, StoredContent};
use super::limits::Limits;
use super::page::Page;
use super::rows::EntryRow;
use crate::version_log::PageRef;

/// A page that has to be written under this name before the head that references it.
#[derive(Debug)]
pub struct Spilled {
    /// The last segment of its key.
    pub name: String,
    /// The page.
    pub page: Page<EntryRow>,
}

impl Manifest {
    /// Moves the oldest rows, or the oldest references to pages, into a page. `None` when there is nothing to move. `nonce`
    /// makes the name of the page unique.
    pub fn spill(&mut self, nonce: u64, limits: &Limits) -> Option<Spilled> {
        if let Some(pages) = self.log.take_full_level(limits.max_page_refs) {
            let first = pages.first().map_or(0, |page| page.min_version);
            let name = format!("{first}-{nonce:016x}");
            self.log.insert_page(PageRef::of_pages(name.clone(), &pages));
            return Some(Spilled { name, page: Page::of_pages(pages) });
        }
        if self.log.rows_weight() <= limits.keep_row_bytes {
            return None;
        }
        let rows = self.log.take_oldest_rows(limits.keep_row_bytes);
        let first = rows.first()?.version;
        let contents = self.take_exclusive_contents(&rows);
        let name = format!("{first}-{nonce:016x}");
        let page = Page { rows, pages: Vec::new(), contents };
        self.log.push_page(page.reference(name.clone())?);
        Some(Spilled { name, page })
    }

    /// Takes out the contents that only these rows reference. So `contents` does not grow with the number of versions.
    fn take_exclusive_contents(&mut self, rows: &[EntryRow]) -> Contents {
        let mut references: BTreeMap<ContentNumber, u64> = BTreeMap::new();
        for number in rows.iter().flat_map(EntryRow::references) {
            *references.entry(number).or_default() += 1;
        }
        let is_exclusive = |(number, count): &(ContentNumber, u64)| {
            self.contents.get(*number).is_some_and(|content| content.ref_count == *count)
        };
        let exclusive: Vec<(ContentNumber, u64)> = references.into_iter().filter(is_exclusive).collect();
        let taken = exclusive.into_iter().filter_map(|(number, count)| {
            let content = self.contents.release(number, count)?;
            Some(StoredContent { ref_count: count, ..content })
        });
        Contents::new(taken.collect())
    }
}
