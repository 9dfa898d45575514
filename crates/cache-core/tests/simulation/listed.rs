//! What the manifest lists in its head and in all of its pages, as it is stored.

use std::collections::{BTreeMap, BTreeSet, HashSet};

use cache_core::digest::Sha256Digest;
use cache_core::ids::CacheId;
use cache_core::layout::Layout;
use cache_core::manifest::{ContentNumber, Contents, EntryRow, Location, Manifest, Page};

use crate::ledger::Ledger;
use crate::operations::cache_hash;
use crate::world::{Objects, World};

/// The manifest with its pages.
pub struct Listed {
    manifest: Manifest,
    pages: Vec<Page<EntryRow>>,
}

/// The entry that was listed last, acknowledged or not: a read by hash returns its id.
pub fn newest(world: &World) -> Option<CacheId> {
    let bytes = world.bytes(Layout::new(&crate::namespace()).manifest(&cache_hash()).as_str())?;
    Some(Manifest::parse(&bytes, false).ok()?.log().rows().last()?.cache_id)
}

impl Listed {
    /// `None` when there is no manifest, an error when it or a page is missing or cannot be read.
    pub fn read(objects: &Objects) -> Result<Option<Self>, String> {
        let namespace = crate::namespace();
        let layout = Layout::new(&namespace);
        let key = layout.manifest(&cache_hash());
        let Some(stored) = objects.get(key.as_str()) else { return Ok(None) };
        let manifest = Manifest::parse(&stored.bytes, false).map_err(|error| format!("{key}: {error}"))?;
        let (mut pages, mut left) = (Vec::new(), manifest.log().pages().to_vec());
        while let Some(reference) = left.pop() {
            let page = layout.page(&key, &reference.name);
            let stored = objects.get(page.as_str()).ok_or_else(|| format!("{page} is referenced and missing"))?;
            let page = Page::parse(&stored.bytes).map_err(|error| format!("{page}: {error}"))?;
            left.extend(page.pages.iter().cloned());
            pages.push(page);
        }
        Ok(Some(Self { manifest, pages }))
    }

    /// Head and pages agree, no store is listed twice, and every content is there.
    pub fn check(&self, objects: &Objects, ledger: &Ledger, hold: &mut impl FnMut(bool, String)) {
        let (counted, listed) = (self.manifest.counts().total(), self.rows().count() as u64);
        hold(counted == listed, format!("the head counts {counted} entries, and {listed} are listed"));
        let head_len = self.manifest.encode().head_len;
        hold(head_len < 6_000, format!("the head has {head_len} bytes"));
        let mut nonces = HashSet::new();
        for row in self.rows() {
            hold(nonces.insert(row.nonce), format!("{} is the second entry of one store", row.cache_id));
            let acknowledged = ledger.stored_at(row.spec.stored_at).unwrap_or(row.cache_id);
            hold(acknowledged == row.cache_id, format!("{acknowledged} is listed as {}", row.cache_id));
        }
        self.check_contents(objects, hold);
        if self.rows().all(|row| row.revision_page.is_none()) {
            self.check_references(hold);
        }
    }

    fn rows(&self) -> impl Iterator<Item = &EntryRow> {
        self.manifest.log().rows().iter().chain(self.pages.iter().flat_map(|page| &page.rows))
    }

    /// The contents that the head lists, and those that each page does.
    fn contents(&self) -> impl Iterator<Item = &Contents> {
        [self.manifest.contents()].into_iter().chain(self.pages.iter().map(|page| &page.contents))
    }

    /// Each is intact, and no blob and no content of one object is listed twice.
    fn check_contents(&self, objects: &Objects, hold: &mut impl FnMut(bool, String)) {
        let namespace = crate::namespace();
        let (layout, hash) = (Layout::new(&namespace), cache_hash());
        let mut blobs = HashSet::new();
        for contents in self.contents() {
            let digests: BTreeSet<Sha256Digest> = contents.iter().map(|content| content.sha256).collect();
            hold(digests.len() == contents.len(), "equal content is listed twice".to_owned());
            for content in contents.iter() {
                let intact = match &content.location {
                    Location::Inline(inline) => inline.is_intact(&content.sha256),
                    Location::Blob(token) => {
                        hold(blobs.insert(*token), format!("the blob {token} is listed twice"));
                        let stored = objects.get(layout.blob(&hash, *token).as_str());
                        stored.is_some_and(|stored| Sha256Digest::of(&stored.bytes) == content.sha256)
                    }
                };
                hold(intact, format!("the content {content:?} is missing or damaged"));
            }
        }
    }

    /// Rows reference a content of their own page, else of the head, which counts that.
    fn check_references(&self, hold: &mut impl FnMut(bool, String)) {
        let mut of_head: BTreeMap<ContentNumber, u64> = BTreeMap::new();
        for number in self.manifest.log().rows().iter().flat_map(EntryRow::references) {
            *of_head.entry(number).or_default() += 1;
        }
        for page in &self.pages {
            let mut of_page: BTreeMap<ContentNumber, u64> = BTreeMap::new();
            for number in page.rows.iter().flat_map(EntryRow::references) {
                let counts = if page.contents.get(number).is_some() { &mut of_page } else { &mut of_head };
                *counts.entry(number).or_default() += 1;
            }
            check_counts(&page.contents, &of_page, hold);
        }
        check_counts(self.manifest.contents(), &of_head, hold);
    }
}

fn check_counts(contents: &Contents, found: &BTreeMap<ContentNumber, u64>, hold: &mut impl FnMut(bool, String)) {
    let counted: BTreeMap<_, _> = contents.iter().map(|content| (content.number, content.ref_count)).collect();
    hold(counted == *found, format!("{counted:?} references are counted, and there are {found:?}"));
}
