//! The older revisions of an entry, which lie in pages of their own once there are more than a row holds. The pages are a
//! list: each names the one before.

use crate::error::Error;
use crate::manifest::{Contents, EntryRow, Manifest, Revision, RevisionPage, StoredContent};
use crate::nonce::Nonce;
use crate::storage::ObjectKey;

use super::NamespaceCache;
use super::attempt::Attempt;
use super::manifest_changes::{ManifestOutcome, Target};
use super::pages::Located;

/// About how many revisions a page gets before the next one is begun.
const REVISIONS_PER_PAGE: usize = 128;
/// How many bytes of inline contents a page gets before the next one is begun.
const MAX_PAGE_CONTENT_BYTES: u64 = 256 * 1024;

impl NamespaceCache {
    /// All pages with older revisions of a row, newest first, each with its name.
    pub(super) async fn older_revisions(
        &self,
        key: &ObjectKey,
        row: &EntryRow,
    ) -> Result<Vec<(String, RevisionPage)>, Error> {
        let mut pages = Vec::new();
        let mut next = row.revision_page.clone();
        while let Some(name) = next {
            let page = self.revision_page(key, &name).await?;
            next = page.previous.clone();
            pages.push((name, page));
        }
        Ok(pages)
    }

    /// A revision of a row with its content, which may be in a page. Number 0 is what the entry was stored with.
    pub(super) async fn revision(
        &self,
        key: &ObjectKey,
        manifest: &Manifest,
        located: &Located<EntryRow>,
        number: u64,
    ) -> Result<Option<(Option<Revision>, StoredContent)>, Error> {
        let row = located.row();
        if number == 0 {
            return Ok(located.content(manifest, row.content).map(|content| (None, content.clone())));
        }
        if let Some(revision) = row.revisions.iter().find(|revision| revision.number == number) {
            let content = located.content(manifest, revision.content);
            return Ok(content.map(|content| (Some(revision.clone()), content.clone())));
        }
        let mut next = row.revision_page.clone();
        while let Some(name) = next {
            let page = self.revision_page(key, &name).await?;
            if let Some(revision) = page.revisions.iter().find(|revision| revision.number == number) {
                let content =
                    page.contents.get(revision.content).or_else(|| located.content(manifest, revision.content));
                return Ok(content.map(|content| (Some(revision.clone()), content.clone())));
            }
            next = page.previous;
        }
        Ok(None)
    }

    /// Whether an update was applied to a row.
    pub(super) async fn has_revision(&self, key: &ObjectKey, row: &EntryRow, nonce: Nonce) -> Result<bool, Error> {
        let is_it = |revision: &Revision| revision.nonce == nonce;
        if row.revisions.iter().any(is_it) {
            return Ok(true);
        }
        match &row.revision_page {
            Some(name) => Ok(self.revision_page(key, name).await?.revisions.iter().any(is_it)),
            None => Ok(false),
        }
    }

    async fn revision_page(&self, key: &ObjectKey, name: &str) -> Result<RevisionPage, Error> {
        let key = self.layout().page(key, name);
        let Some(bytes) = self.cache.read(&key).await? else {
            return Err(Error::corrupt(key, "a page of revisions that is referenced is missing"));
        };
        RevisionPage::parse(&bytes).map_err(|error| Error::corrupt(&key, error))
    }
}

impl Manifest {
    /// Moves the older revisions of an entry into a page, with the contents that only they reference.
    pub(super) async fn roll_revisions(
        &mut self,
        target: Target,
        attempt: &mut Attempt<'_>,
    ) -> Result<ManifestOutcome, Error> {
        let located = attempt.cache.locate(attempt.key, self, target).await?;
        // In a page there is room: it is written again with every update anyway.
        let Some(Located::InHead(mut row)) = located else { return Ok(ManifestOutcome::NotListed) };
        if row.revisions.len() <= 1 {
            return Ok(ManifestOutcome::Changed);
        }
        let moved: Vec<Revision> = row.revisions.drain(..row.revisions.len() - 1).collect();
        let mut page = match &row.revision_page {
            Some(name) => {
                let newest = attempt.cache.revision_page(attempt.key, name).await?;
                if is_full(&newest) {
                    RevisionPage { revisions: Vec::new(), contents: Contents::default(), previous: Some(name.clone()) }
                } else {
                    attempt.obsolete.push(attempt.cache.layout().page(attempt.key, name));
                    newest
                }
            }
            None => RevisionPage { revisions: Vec::new(), contents: Contents::default(), previous: None },
        };
        for content in moved.iter().filter_map(|revision| self.take_exclusive(revision)) {
            row.older_bytes += content.size;
            page.contents.push(content);
        }
        page.revisions.extend(moved);
        let first = page.revisions.first().map_or(0, |revision| revision.number);
        let name = format!("{}-r{first}-{:016x}", row.version, attempt.cache.cache.random());
        attempt.write_page(&name, page.to_bytes()).await?;
        row.revision_page = Some(name);
        if let Some(listed) = self.log_mut().row_mut(row.version) {
            *listed = *row;
        }
        Ok(ManifestOutcome::Changed)
    }
}

fn is_full(page: &RevisionPage) -> bool {
    page.revisions.len() >= REVISIONS_PER_PAGE || page.contents.inline_bytes() >= MAX_PAGE_CONTENT_BYTES
}
