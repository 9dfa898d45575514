//! What a manifest or a key index leads to, for those who copy or verify a whole store; and what they mend.

use std::collections::HashMap;

use crate::digest::Sha256Digest;
use crate::error::Error;
use crate::ids::{CacheHash, CacheId};
use crate::key_index::KeyIndex;
use crate::key_ref::KeyRef;
use crate::manifest::{ContentNumber, Contents, EntryRow, Location, Manifest, Page};
use crate::storage::ObjectKey;
use crate::time::UnixMillis;

use super::key_index_entries::AddOptions;
use super::load::{Current, Part};
use super::manifest_changes::ListedEntry;
use super::page_tree::Presence;
use super::pages::Pages;
use super::views::{Shown, entry_view};
use super::{NamespaceCache, Retrieved, Selector};

/// A manifest, and everything that it leads to.
#[derive(Debug, Clone, PartialEq)]
pub struct ManifestAudit {
    /// The pages that it leads to, those of revisions included.
    pub pages: Vec<ObjectKey>,
    /// The contents that it and its pages list.
    pub contents: Vec<AuditedContent>,
    /// Its entries.
    pub entries: Vec<AuditedEntry>,
}

/// A content that is listed.
#[derive(Debug, Clone, PartialEq)]
pub struct AuditedContent {
    /// The SHA-256 that is listed for it.
    pub sha256: Sha256Digest,
    /// The size that is listed for it, in bytes.
    pub size: u64,
    /// Where its bytes are.
    pub place: ContentPlace,
    /// The entries that have it, or had it in a revision that can still be read.
    pub entries: Vec<CacheId>,
}

/// Where the bytes of a content are.
#[derive(Debug, Clone, PartialEq)]
pub enum ContentPlace {
    /// In the object that lists it.
    Inline {
        /// Whether they have the SHA-256 that is listed.
        is_intact: bool,
    },
    /// In this blob, which was not looked at.
    Blob(ObjectKey),
}

/// An entry that is listed.
#[derive(Debug, Clone, PartialEq)]
pub struct AuditedEntry {
    /// Its id.
    pub cache_id: CacheId,
    /// When it was stored.
    pub stored_at: UnixMillis,
    /// The key index that should list it, with the key that it is the index of.
    pub key_index: Option<(ObjectKey, KeyRef)>,
    /// The dated view that should show it.
    pub dated_view: Option<ObjectKey>,
}

/// A key index, compared with the manifests of its entries.
#[derive(Debug, Clone, PartialEq, Default)]
pub struct KeyIndexAudit {
    /// The key that it is of.
    pub key: Option<KeyRef>,
    /// The pages that it leads to.
    pub pages: Vec<ObjectKey>,
    /// The latest `stored_at` of all entries that it ever listed.
    pub newest_stored_at: Option<UnixMillis>,
    /// The entries that it lists.
    pub listed: Vec<CacheId>,
    /// Those of them that their manifest does not list.
    pub gone: Vec<CacheId>,
    /// Those of them whose manifest is missing.
    pub unknown: Vec<CacheId>,
}

impl NamespaceCache {
    /// Reads a manifest with all its pages; `None` when there is none.
    ///
    /// # Errors
    ///
    /// `Corrupt` when it or a page cannot be read.
    pub async fn audit_manifest(&self, hash: &CacheHash) -> Result<Option<ManifestAudit>, Error> {
        let key = self.layout().manifest(hash);
        self.retry_replaced(|| self.try_audit_manifest(hash, &key)).await
    }

    async fn try_audit_manifest(&self, hash: &CacheHash, key: &ObjectKey) -> Result<Option<ManifestAudit>, Error> {
        let Some(manifest) = self.load::<Manifest>(key, Part::Whole).await?.head else { return Ok(None) };
        let mut contents = Collected::default();
        contents.add(manifest.contents());
        let (mut rows, mut pages) = (manifest.log().rows().to_vec(), Vec::new());
        let mut left = manifest.log().pages().to_vec();
        while let Some(reference) = left.pop() {
            let page: Page<EntryRow> = Pages::new(self, key).read(&reference.name).await?;
            contents.add(&page.contents);
            rows.extend(page.rows);
            left.extend(page.pages);
            pages.push(self.layout().page(key, &reference.name));
        }
        for row in &rows {
            contents.reference(row.references(), row.cache_id);
            for (name, page) in self.older_revisions(key, row).await? {
                contents.add(&page.contents);
                contents.reference(page.revisions.iter().map(|revision| revision.content), row.cache_id);
                pages.push(self.layout().page(key, &name));
            }
        }
        let entries = rows.iter().map(|row| self.audited_entry(row)).collect();
        let contents = contents.all.into_iter().map(|content| AuditedContent {
            place: match content.location {
                Location::Inline(ref inline) => ContentPlace::Inline { is_intact: inline.is_intact(&content.sha256) },
                Location::Blob(token) => ContentPlace::Blob(self.layout().blob(hash, token)),
            },
            sha256: content.sha256,
            size: content.size,
            entries: content.entries,
        });
        Ok(Some(ManifestAudit { pages, contents: contents.collect(), entries }))
    }

    fn audited_entry(&self, row: &EntryRow) -> AuditedEntry {
        let layout = self.layout();
        let spec = &row.spec;
        AuditedEntry {
            cache_id: row.cache_id,
            stored_at: spec.stored_at,
            key_index: spec.key_ref().map(|key| (layout.key_index(&key), key)),
            dated_view: spec
                .strategy
                .is_dated()
                .then(|| layout.dated(spec.strategy, spec.stored_at, row.cache_id, row.nonce)),
        }
    }

    /// Reads a key index with all its pages, and asks the manifests of its entries; `None` when there is none.
    ///
    /// # Errors
    ///
    /// `Corrupt` when it, a page or a manifest cannot be read.
    pub async fn audit_key_index(&self, key: &ObjectKey) -> Result<Option<KeyIndexAudit>, Error> {
        let Some(index) = self.load::<KeyIndex>(key, Part::Head).await?.head else { return Ok(None) };
        let tree = self.retry_replaced(|| async { Pages::new(self, key).tree(index.log()).await }).await?;
        let pages = tree.names.iter().map(|name| self.layout().page(key, name)).collect();
        let newest_stored_at = index.newest_stored_at();
        let mut audit = KeyIndexAudit { key: index.key(), pages, newest_stored_at, ..KeyIndexAudit::default() };
        for row in tree.rows {
            audit.listed.push(row.cache_id);
            match self.presence(row.cache_id).await? {
                Presence::Listed(_) | Presence::InPythonFiles => {}
                Presence::Gone => audit.gone.push(row.cache_id),
                Presence::Unknown => audit.unknown.push(row.cache_id),
            }
        }
        Ok(Some(audit))
    }

    /// Writes the view that only this entry has, if it has one and that is missing.
    ///
    /// # Errors
    ///
    /// As [`NamespaceCache::retrieve`].
    pub async fn restore_view(&self, id: CacheId) -> Result<bool, Error> {
        let Some((_, Retrieved { entry, bytes })) = self.listed_entry(id).await? else { return Ok(false) };
        match entry_view(self.layout(), &entry).ok().flatten() {
            Some(view) => self.create_entry_view(&view, self.shown(&entry, &Shown::Bytes(bytes))).await,
            None => Ok(false),
        }
    }

    /// Lists an entry under its key as the newest version, unless a later one is or was listed there. `false` when that is so,
    /// or when it has no key.
    ///
    /// # Errors
    ///
    /// As [`NamespaceCache::store`].
    pub async fn list_under_its_key(&self, id: CacheId) -> Result<bool, Error> {
        let Some((listed, Retrieved { entry, bytes })) = self.listed_entry(id).await? else { return Ok(false) };
        let Some(key) = entry.key_ref() else { return Ok(false) };
        let index = self.load_key_index(&key, Part::Whole).await?;
        let newest_stored_at = index.head.as_ref().and_then(|index| index.newest_stored_at());
        if newest_stored_at.is_some_and(|newest| newest > entry.stored_at) {
            return Ok(false);
        }
        let options = AddOptions { create_only: false, started_at: self.cache.now() };
        let added = self.add_to_key_index(&listed, entry, Some(index), &Shown::Bytes(bytes), options).await?;
        Ok(added.key_version.is_some())
    }

    /// An entry as its manifest lists it, with the content that it has now.
    async fn listed_entry(&self, id: CacheId) -> Result<Option<(ListedEntry, Retrieved)>, Error> {
        let Some(Current { key, manifest, target, .. }) = self.current(id).await? else { return Ok(None) };
        let Some(head) = &manifest.head else { return Ok(None) };
        let Some(located) = self.locate(&key, head, target).await? else { return Ok(None) };
        let row = located.row().clone();
        let Some(content) = located.content(head, row.current_content()).cloned() else { return Ok(None) };
        let is_shared = content.ref_count > 1;
        let retrieved = self.retrieve_even_expired(&Selector::Id(id)).await?;
        Ok(retrieved.map(|retrieved| (ListedEntry { row, content, is_shared }, retrieved)))
    }

    /// Makes the view of a key show its newest version again.
    pub async fn settle_view(&self, key: &KeyRef) {
        self.settle_key_view(key, None).await;
    }
}

/// The contents of a manifest and its pages, by the numbers that rows call them by.
#[derive(Default)]
struct Collected {
    all: Vec<CollectedContent>,
    by_number: HashMap<ContentNumber, usize>,
}

struct CollectedContent {
    sha256: Sha256Digest,
    size: u64,
    location: Location,
    entries: Vec<CacheId>,
}

impl Collected {
    fn add(&mut self, contents: &Contents) {
        for content in contents.iter() {
            self.by_number.insert(content.number, self.all.len());
            let (sha256, size, location) = (content.sha256, content.size, content.location.clone());
            self.all.push(CollectedContent { sha256, size, location, entries: Vec::new() });
        }
    }

    fn reference(&mut self, numbers: impl Iterator<Item = ContentNumber>, cache_id: CacheId) {
        for number in numbers {
            let content = self.by_number.get(&number).and_then(|at| self.all.get_mut(*at));
            if let Some(content) = content.filter(|content| content.entries.last() != Some(&cache_id)) {
                content.entries.push(cache_id);
            }
        }
    }
}
