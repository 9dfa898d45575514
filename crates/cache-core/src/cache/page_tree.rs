//! Everything that a manifest or key index lists, with all its pages: for listings, and for the sweep.

use std::collections::BTreeSet;
use std::sync::Arc;

use futures::stream::{self, StreamExt, TryStreamExt};

use crate::error::Error;
use crate::ids::{BlobToken, CacheId};
use crate::manifest::{EntryRow, Manifest};
use crate::storage::ObjectKey;
use crate::version_log::{PageRef, Row, VersionLog};

use super::load::Part;
use super::locate::EntryLocation;
use super::pages::Pages;
use super::{CONCURRENCY, NamespaceCache};

/// All pages of one head.
#[derive(Debug)]
pub(super) struct PageTree<R> {
    /// All rows, those in the head included, in no order.
    pub(super) rows: Vec<R>,
    /// The names of the pages.
    pub(super) names: BTreeSet<String>,
    /// The blobs that the pages reference.
    pub(super) blobs: BTreeSet<BlobToken>,
}

/// A manifest with all its pages.
#[derive(Debug)]
pub(super) struct ManifestTree {
    /// The head.
    pub(super) manifest: Arc<Manifest>,
    /// The pages with entries.
    pub(super) pages: PageTree<EntryRow>,
}

/// What became of an entry.
#[derive(Debug)]
pub(super) enum Presence {
    /// Its manifest lists it.
    Listed(Box<EntryRow>),
    /// The Python service stored it, and it was not changed since.
    InPythonFiles,
    /// Its manifest does not list it.
    Gone,
    /// There is no manifest, or no alias, that could say so.
    Unknown,
}

impl Pages<'_> {
    /// Reads all pages.
    pub(super) async fn tree<R: Row>(self, log: &VersionLog<R>) -> Result<PageTree<R>, Error> {
        let mut tree = PageTree { rows: log.rows().to_vec(), names: BTreeSet::new(), blobs: BTreeSet::new() };
        let mut left: Vec<PageRef> = log.pages().to_vec();
        while !left.is_empty() {
            let reads = stream::iter(left.iter().map(|page| self.read::<R>(&page.name)).collect::<Vec<_>>());
            let pages: Vec<_> = reads.buffered(CONCURRENCY).try_collect().await?;
            tree.names.extend(left.drain(..).map(|page| page.name));
            for page in pages {
                tree.rows.extend(page.rows);
                tree.blobs.extend(page.contents.blobs());
                left.extend(page.pages);
            }
        }
        Ok(tree)
    }
}

impl NamespaceCache {
    /// A manifest with all its pages but those of revisions; `None` when there is none.
    ///
    /// # Errors
    ///
    /// `Corrupt` when it or a page cannot be read.
    pub(super) async fn manifest_tree(&self, key: &ObjectKey) -> Result<Option<ManifestTree>, Error> {
        self.retry_replaced(|| async {
            let Some(manifest) = self.load::<Manifest>(key, Part::Head).await?.head else { return Ok(None) };
            let pages = Pages::new(self, key).tree(manifest.log()).await?;
            Ok(Some(ManifestTree { manifest, pages }))
        })
        .await
    }

    /// What its manifest says about an entry.
    ///
    /// # Errors
    ///
    /// `Corrupt` when the manifest cannot be read.
    pub(super) async fn presence(&self, id: CacheId) -> Result<Presence, Error> {
        let (hash, target) = match self.locate_entry(id).await? {
            EntryLocation::Manifest(hash, target) => (hash, target),
            EntryLocation::PythonFiles(_) => return Ok(Presence::InPythonFiles),
            EntryLocation::PythonRemains | EntryLocation::Gone => return Ok(Presence::Gone),
            EntryLocation::Unknown => return Ok(Presence::Unknown),
        };
        let key = self.layout().manifest(&hash);
        self.retry_replaced(|| async {
            let Some(manifest) = self.load::<Manifest>(&key, Part::Head).await?.head else {
                return Ok(Presence::Unknown);
            };
            let located = self.locate(&key, &manifest, target).await?;
            Ok(located.map_or(Presence::Gone, |located| Presence::Listed(Box::new(located.row().clone()))))
        })
        .await
    }
}
