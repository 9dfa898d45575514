//! The index of all versions under a hash, or under a key: what it holds and how it changes. Pure; [`crate::cache`] reads
//! and writes it.
//!
//! | part | what |
//! |---|---|
//! | head | the object at [`Layout::hash_index`](crate::layout::Layout::hash_index): counters, the newest versions inline, and names of pages |
//! | page | an object that is never changed: [`INLINE`] versions that rolled away, or the names of [`INLINE`] smaller pages |
//! | tombstone | a head that lists nothing and holds only the counter |
//!
//! The counter only goes up, so no two states of an index are ever equal bytes, and a write that arrives late never finds
//! the state it was meant for again. A tombstone also says that all blob names used so far are burnt.

use serde::{Deserialize, Serialize};

use crate::digest::Sha256Digest;
use crate::ids::{BlobToken, CacheHash, CacheId};
use crate::layout::KeyName;
use crate::record::{Record, to_json};
use crate::strategy::ContentKind;

/// How many versions a head holds inline, how many page names each of its levels, and how many of either fill a page.
///
/// A head then stays under about 30 kB plus 25 kB a level, and two levels reach 16 million versions.
pub const INLINE: usize = 256;

/// The head of an index.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Index {
    /// The number of the next version. Never goes back.
    pub next: u64,
    /// What the index is about, for a person who reads it. Empty in a tombstone.
    #[serde(default, skip_serializing_if = "String::is_empty")]
    pub of: String,
    /// How many versions are listed.
    #[serde(default, skip_serializing_if = "is_zero")]
    pub live: u64,
    /// The blobs that listed versions reference. Empty in a key index.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub blobs: Vec<BlobUse>,
    /// The kinds of content that were ever listed: each has left a view with its own extension. Empty in a hash index.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub kinds: Vec<ContentKind>,
    /// The record of the newest listed version, as long as it is known and was not updated.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub latest: Option<Box<Record>>,
    /// The newest listed versions, oldest first. Not empty while anything is listed.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub versions: Vec<Listed>,
    /// Pages of the versions that rolled away. Level 0 holds pages of versions, level n pages of the pages of level n-1;
    /// higher levels are older.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub pages: Vec<Vec<PageRef>>,
    /// Versions in pages that were deleted, as ranges with both ends.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub removed: Vec<(u64, u64)>,
}

/// One version of an index.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
pub struct Listed {
    /// Its number, from 1, never used twice.
    pub version: u64,
    /// The entry.
    pub cache_id: CacheId,
    /// When it was stored, in milliseconds since 1970 UTC.
    pub timestamp: u64,
    /// When it stops being served, in milliseconds since 1970 UTC, if ever.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub expires_at: Option<u64>,
}

/// A blob and how many listed versions reference it.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
pub struct BlobUse {
    /// The blob.
    pub token: BlobToken,
    /// SHA-256 of its bytes.
    pub sha256: Sha256Digest,
    /// How many versions.
    pub versions: u64,
}

/// The name of a page, and which versions it covers.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct PageRef {
    /// The page, for [`Layout::page`](crate::layout::Layout::page).
    pub name: String,
    /// Its lowest version.
    pub first: u64,
    /// Its highest version.
    pub last: u64,
    /// How many of its versions are still listed.
    pub live: u64,
    /// The earliest timestamp in it.
    pub since: u64,
    /// The latest timestamp in it.
    pub until: u64,
}

/// A page.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Page {
    /// Versions, oldest first.
    Versions(Vec<Listed>),
    /// Names of pages, oldest first.
    Pages(Vec<PageRef>),
}

impl Page {
    /// The page as stored.
    pub fn to_bytes(&self) -> Vec<u8> {
        to_json(self)
    }
}

impl Index {
    /// The index before its first version.
    pub fn new(of: String) -> Self {
        Self {
            next: 1,
            of,
            live: 0,
            blobs: Vec::new(),
            kinds: Vec::new(),
            latest: None,
            versions: Vec::new(),
            pages: Vec::new(),
            removed: Vec::new(),
        }
    }

    /// What a hash index says it is about.
    pub fn of_hash(hash: &CacheHash) -> String {
        hash.to_string()
    }

    /// What a key index says it is about.
    pub fn of_key(name: &KeyName) -> String {
        format!("{}/{}/{}", name.strategy, name.cache_key, name.file_id)
    }

    /// The head as stored: a tombstone when it lists nothing.
    pub fn to_bytes(&self) -> Vec<u8> {
        to_json(self)
    }

    /// Whether it lists nothing.
    pub fn is_tombstone(&self) -> bool {
        self.live == 0
    }

    /// The newest listed version.
    pub fn newest(&self) -> Option<Listed> {
        self.versions.last().copied()
    }

    /// The live blob with these bytes.
    pub fn token_of(&self, sha256: &Sha256Digest) -> Option<BlobToken> {
        self.blobs.iter().find(|blob| blob.sha256 == *sha256).map(|blob| blob.token)
    }

    /// Whether a listed version references this blob.
    pub fn references(&self, token: BlobToken) -> bool {
        self.blobs.iter().any(|blob| blob.token == token)
    }

    /// The inline version of an entry.
    pub fn inline(&self, id: CacheId) -> Option<Listed> {
        self.versions.iter().rev().find(|listed| listed.cache_id == id).copied()
    }

    /// Whether a version that rolled away was deleted since.
    pub fn is_removed(&self, version: u64) -> bool {
        self.removed.iter().any(|(first, last)| (*first..=*last).contains(&version))
    }

    fn removed_between(&self, first: u64, last: u64) -> u64 {
        let overlap = |(from, to): &(u64, u64)| (last.min(*to) + 1).saturating_sub(first.max(*from));
        self.removed.iter().map(overlap).sum()
    }

    /// Lists an entry as the newest version and returns its number. The caller has rolled a full head before.
    pub fn add(&mut self, record: &Record, of: &str) -> u64 {
        let version = self.next;
        self.next += 1;
        self.live += 1;
        if self.of.is_empty() {
            self.of = of.to_owned();
        }
        self.versions.push(Listed {
            version,
            cache_id: record.cache_id,
            timestamp: record.stored_at,
            expires_at: record.expires_at,
        });
        self.latest = Some(Box::new(record.clone()));
        version
    }

    /// Notes that a kind of content was listed.
    pub fn note_kind(&mut self, kind: ContentKind) {
        if !self.kinds.contains(&kind) {
            self.kinds.push(kind);
        }
    }

    /// Counts one more version that references a blob.
    pub fn reference(&mut self, token: BlobToken, sha256: Sha256Digest) {
        match self.blobs.iter_mut().find(|blob| blob.token == token) {
            Some(blob) => blob.versions += 1,
            None => self.blobs.push(BlobUse { token, sha256, versions: 1 }),
        }
    }

    /// Counts one version less that references a blob.
    pub fn release(&mut self, token: BlobToken) {
        for blob in self.blobs.iter_mut().filter(|blob| blob.token == token) {
            blob.versions = blob.versions.saturating_sub(1);
        }
        self.blobs.retain(|blob| blob.versions > 0);
    }

    /// Takes a listed version out. The caller has unrolled a page before when this empties the inline versions while
    /// others are listed in pages.
    pub fn remove(&mut self, listed: Listed) {
        match self.versions.iter().position(|inline| inline.version == listed.version) {
            Some(place) => {
                self.versions.remove(place);
            }
            None => self.remove_from_page(listed.version),
        }
        self.live = self.live.saturating_sub(1);
        if self.latest.as_ref().is_some_and(|latest| latest.cache_id == listed.cache_id) {
            self.latest = None;
        }
        if self.live == 0 {
            *self = Self { next: self.next, ..Self::new(String::new()) };
        }
    }

    fn remove_from_page(&mut self, version: u64) {
        self.removed.push((version, version));
        self.removed.sort_unstable();
        let mut merged: Vec<(u64, u64)> = Vec::with_capacity(self.removed.len());
        for (first, last) in self.removed.drain(..) {
            match merged.last_mut() {
                Some(before) if before.1 + 1 >= first => before.1 = before.1.max(last),
                _ => merged.push((first, last)),
            }
        }
        self.removed = merged;
        for level in &mut self.pages {
            for page in level.iter_mut().filter(|page| (page.first..=page.last).contains(&version)) {
                page.live = page.live.saturating_sub(1);
            }
            level.retain(|page| page.live > 0);
        }
        self.forget_removed_outside_pages();
    }

    /// Drops the notes about versions that no page holds any more.
    pub fn forget_removed_outside_pages(&mut self) {
        let pages: Vec<(u64, u64)> = self.pages.iter().flatten().map(|page| (page.first, page.last)).collect();
        self.removed.retain(|(first, last)| pages.iter().any(|(from, to)| first <= to && from <= last));
    }

    /// The page that full inline versions roll into, and its place in the levels. `None` when there is room. The caller
    /// writes the page under `name` before it writes the head; it then asks again, since a level may be full now, too.
    pub fn roll(&mut self, name: impl FnOnce(u64) -> String) -> Option<(String, Page)> {
        if self.versions.len() >= INLINE {
            let versions = std::mem::take(&mut self.versions);
            let name = name(versions[0].version);
            let page = PageRef::of_versions(name.clone(), &versions);
            self.push_page(0, page);
            return Some((name, Page::Versions(versions)));
        }
        let full = self.pages.iter().position(|level| level.len() >= INLINE)?;
        let pages = std::mem::take(&mut self.pages[full]);
        let name = name(pages[0].first);
        let page = PageRef::of_pages(name.clone(), &pages);
        self.push_page(full + 1, page);
        Some((name, Page::Pages(pages)))
    }

    fn push_page(&mut self, level: usize, page: PageRef) {
        while self.pages.len() <= level {
            self.pages.push(Vec::new());
        }
        self.pages[level].push(page);
    }

    /// Takes the newest page out of the levels, to be read and [unrolled](Index::unroll).
    pub fn take_newest_page(&mut self) -> Option<PageRef> {
        let page = self.pages.iter_mut().find_map(Vec::pop)?;
        while self.pages.last().is_some_and(Vec::is_empty) {
            self.pages.pop();
        }
        Some(page)
    }

    /// Puts the content of a page that was taken out back into the head.
    pub fn unroll(&mut self, page: Page) {
        match page {
            Page::Versions(versions) => {
                self.versions = versions.into_iter().filter(|listed| !self.is_removed(listed.version)).collect();
            }
            Page::Pages(mut pages) => {
                for page in &mut pages {
                    page.live = page.live.saturating_sub(self.removed_between(page.first, page.last));
                }
                pages.retain(|page| page.live > 0);
                if self.pages.is_empty() {
                    self.pages.push(Vec::new());
                }
                self.pages[0] = pages;
            }
        }
        self.forget_removed_outside_pages();
    }
}

impl PageRef {
    fn of_versions(name: String, versions: &[Listed]) -> Self {
        let stamps = || versions.iter().map(|listed| listed.timestamp);
        Self {
            name,
            first: versions.first().map_or(0, |listed| listed.version),
            last: versions.last().map_or(0, |listed| listed.version),
            live: versions.len() as u64,
            since: stamps().min().unwrap_or(0),
            until: stamps().max().unwrap_or(0),
        }
    }

    fn of_pages(name: String, pages: &[Self]) -> Self {
        Self {
            name,
            first: pages.first().map_or(0, |page| page.first),
            last: pages.last().map_or(0, |page| page.last),
            live: pages.iter().map(|page| page.live).sum(),
            since: pages.iter().map(|page| page.since).min().unwrap_or(0),
            until: pages.iter().map(|page| page.until).max().unwrap_or(0),
        }
    }
}

#[allow(clippy::trivially_copy_pass_by_ref, reason = "serde asks with a reference")]
fn is_zero(n: &u64) -> bool {
    *n == 0
}

#[cfg(test)]
mod tests {
    use std::collections::HashMap;

    use super::*;

    fn record() -> Record {
        serde_json::from_value(serde_json::json!({
            "cache_id": "2cf24dba-5fb0-8a30-8000-000000000001", "cache_hash": "2cf24dba5fb0a30e", "token": 0,
            "sha256": Sha256Digest::of(b"x").to_string(), "size": 1, "namespace": "demo", "strategy": "direct",
            "kind": "string", "stored_at": 1,
        }))
        .unwrap()
    }

    /// All versions that a head and its pages list, oldest first.
    fn all(index: &Index, pages: &HashMap<String, Page>) -> Vec<u64> {
        fn below(page: &PageRef, pages: &HashMap<String, Page>, all: &mut Vec<u64>) {
            match &pages[&page.name] {
                Page::Versions(versions) => all.extend(versions.iter().map(|listed| listed.version)),
                Page::Pages(refs) => refs.iter().for_each(|page| below(page, pages, all)),
            }
        }
        let mut versions = Vec::new();
        index.pages.iter().rev().flatten().for_each(|page| below(page, pages, &mut versions));
        versions.extend(index.versions.iter().map(|listed| listed.version));
        versions
    }

    #[test]
    fn a_head_stays_small_over_more_versions_than_one_level_of_pages_holds() {
        const VERSIONS: u64 = (INLINE * INLINE + 2 * INLINE + 3) as u64;
        let (mut index, mut pages, record) = (Index::new("x".into()), HashMap::new(), record());
        for _ in 0..VERSIONS {
            while let Some((name, page)) = index.roll(|first| format!("{first}-{}", pages.len())) {
                pages.insert(name, page);
            }
            index.add(&record, "x");
        }
        assert_eq!(index.pages.len(), 2, "levels");
        assert_eq!(all(&index, &pages), (1..=VERSIONS).collect::<Vec<_>>());
        assert!(index.to_bytes().len() < 100_000, "{} bytes", index.to_bytes().len());

        // And back: the newest pages are unrolled one after the other.
        while let Some(page) = index.take_newest_page() {
            index.versions.clear();
            index.unroll(pages[&page.name].clone());
            assert!(index.versions.len() <= INLINE && index.pages.iter().all(|level| level.len() <= INLINE));
        }
        assert_eq!(index.versions.first().map(|listed| listed.version), Some(1));
    }

    #[test]
    fn live_indexes_and_records_are_larger_than_what_stands_for_deleted() {
        let mut index = Index::new("2cf24dba5fb0a30e".into());
        let id = index.add(&record(), "");
        assert!(index.to_bytes().len() as u64 >= crate::record::DELETED_BELOW_BYTES);
        assert!(record().to_bytes().len() as u64 >= crate::record::DELETED_BELOW_BYTES);
        index.next = u64::MAX;
        let listed = index.versions[0];
        assert_eq!(listed.version, id);
        index.remove(listed);
        assert!(index.is_tombstone() && (index.to_bytes().len() as u64) < crate::record::DELETED_BELOW_BYTES);
    }
}
