//! Listing files and folders: what is rendered comes from the catalog, the rest from a LIST.

mod collector;
mod rendered;

use crate::error::Error;
use crate::ids::Namespace;
use crate::layout::Layout;
use crate::storage::ListPage;

use super::super::namespaces::{invalid_cursor, namespace_of};
use super::super::{Cache, NamePage};
use super::is_reserved;

use self::collector::{Collector, ItemKind};

/// Comes after the names of all objects of ours in a folder.
pub(super) const AFTER_ALL: &str = "~";

/// Which paths [`Cache::files`] and [`Cache::folders`] return.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct ListFiles<'a> {
    /// Those in this folder; all when it is empty. Without a `/` at the end.
    pub folder: &'a str,
    /// Whether those in folders below count, too.
    pub recursive: bool,
    /// At most so many, at least 1; `None` for all.
    pub limit: Option<usize>,
    /// After this place: the cursor of the page before.
    pub cursor: Option<&'a str>,
    /// The objects in the storage instead of what clients are shown.
    pub physical: bool,
}

impl Cache {
    /// The paths of files, in order. Those of expired entries are listed until the sweep.
    ///
    /// A page of the folder of contents of the strategy `direct` goes through all entries of the namespace.
    ///
    /// # Errors
    ///
    /// `Invalid` when the cursor is not in the folder; `Unavailable` when the storage does not respond.
    pub async fn files(&self, request: &ListFiles<'_>) -> Result<NamePage<String>, Error> {
        self.list_paths(request, ItemKind::Files).await
    }

    /// The paths of folders, in order and with a `/` at the end.
    ///
    /// # Errors
    ///
    /// As [`Cache::files`].
    pub async fn folders(&self, request: &ListFiles<'_>) -> Result<NamePage<String>, Error> {
        self.list_paths(request, ItemKind::Folders).await
    }

    async fn list_paths(&self, request: &ListFiles<'_>, kind: ItemKind) -> Result<NamePage<String>, Error> {
        let mut found = Collector::new(request, kind);
        if request.cursor.is_some_and(|cursor| !cursor.starts_with(&found.prefix)) {
            return Err(invalid_cursor("is not in this folder"));
        }
        let prefix = found.prefix.clone();
        match prefix.split_once('/') {
            _ if request.physical => self.list_objects(&prefix, &[], &mut found).await?,
            None => self.list_root(&mut found).await?,
            Some((namespace, _)) => self.list_below(namespace, &mut found).await?,
        }
        Ok(found.into_page())
    }

    /// The root: files that are in no namespace, and all namespaces.
    async fn list_root(&self, found: &mut Collector<'_>) -> Result<(), Error> {
        let mut pages = self.list("").flat(true);
        while let Some(page) = pages.next().await? {
            for folder in page.folders.iter().filter(|folder| !is_reserved(folder)) {
                if found.is_complete_before(folder) {
                    break;
                }
                if !found.recursive {
                    found.offer_folder(folder);
                } else if !found.is_passed(folder) {
                    Box::pin(self.list_below(folder.trim_end_matches('/'), found)).await?;
                }
            }
            page.objects.iter().for_each(|object| found.offer(&object.key));
        }
        Ok(())
    }

    /// What is below a folder of the root, which is a namespace or not ours.
    async fn list_below(&self, folder: &str, found: &mut Collector<'_>) -> Result<(), Error> {
        let whole = format!("{folder}/");
        let prefix = if found.prefix.len() > whole.len() { found.prefix.clone() } else { whole.clone() };
        let Some(namespace) = namespace_of(&whole) else {
            return match is_reserved(&whole) {
                true => Ok(()),
                false => self.list_objects(&prefix, &[], found).await,
            };
        };
        let hidden = Layout::new(&namespace).physical_folders();
        if !hidden.iter().any(|folder| prefix.starts_with(folder)) {
            self.list_objects(&prefix, &hidden, found).await?;
        }
        self.list_rendered(&namespace, found).await
    }

    async fn list_rendered(&self, namespace: &Namespace, found: &mut Collector<'_>) -> Result<(), Error> {
        let cache = self.namespace(namespace);
        cache.list_hash_references(found).await?;
        cache.list_id_references(found).await?;
        cache.list_direct_contents(found).await
    }

    /// The objects below a prefix, without those in hidden folders.
    async fn list_objects(&self, prefix: &str, hidden: &[String], found: &mut Collector<'_>) -> Result<(), Error> {
        let mut after = found.after.map(ToOwned::to_owned);
        loop {
            let mut pages = self.list(prefix).after(after.take()).flat(!found.recursive);
            while let Some(page) = pages.next().await? {
                after = offer_page(&page, hidden, found);
                if page.objects.last().is_some_and(|last| found.is_complete_before(&last.key)) {
                    return Ok(());
                }
                if after.is_some() {
                    break;
                }
            }
            if after.is_none() {
                return Ok(());
            }
        }
    }
}

/// Offers what is on a page. Returns where to go on if a hidden folder is to be left out.
fn offer_page(page: &ListPage, hidden: &[String], found: &mut Collector<'_>) -> Option<String> {
    let is_hidden = |path: &str| hidden.iter().find(|folder| path.starts_with(folder.as_str()));
    for folder in page.folders.iter().filter(|folder| is_hidden(folder).is_none() && !is_reserved(folder)) {
        found.offer_folder(folder);
    }
    for object in &page.objects {
        match is_hidden(&object.key) {
            None if is_reserved(&object.key) => {}
            None => found.offer(&object.key),
            Some(folder) => {
                let behind = format!("{folder}{AFTER_ALL}");
                if object.key < behind {
                    return Some(behind);
                }
            }
        }
    }
    None
}
