//! Listings, page by page.

use crate::error::Error;
use crate::storage::{ListPage, ListRequest};

use super::{Cache, NamespaceCache};

/// How many objects one page asks for: the most that S3 gives.
pub(super) const MAX_LISTED: usize = 1000;

/// One page of names, and the cursor of the next.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct NamePage<T> {
    /// The names, in order.
    pub items: Vec<T>,
    /// What to pass for the next page; `None` on the last.
    pub next_cursor: Option<String>,
}

/// A listing, with the pages that are still to come.
pub(super) struct Listing<'a> {
    cache: &'a Cache,
    /// `None` after the last page.
    request: Option<ListRequest>,
}

impl Cache {
    /// Everything below a folder, whose name ends with `/` or is empty.
    pub(super) fn list(&self, folder: &str) -> Listing<'_> {
        let request = ListRequest { prefix: folder.to_owned(), limit: MAX_LISTED, ..ListRequest::default() };
        Listing { cache: self, request: Some(request) }
    }
}

impl NamespaceCache {
    /// Everything below a folder of this namespace, whose name ends with `/`.
    pub(super) fn list(&self, folder: &str) -> Listing<'_> {
        self.cache.list(folder)
    }
}

impl Listing<'_> {
    /// Only what comes after this key.
    pub(super) fn after(self, start_after: Option<String>) -> Self {
        self.changed(|request| ListRequest { start_after, ..request })
    }

    /// Only what is directly in the folder, and the folders there.
    pub(super) fn flat(self, flat: bool) -> Self {
        self.changed(|request| ListRequest { delimiter: flat, ..request })
    }

    /// Pages of at most this many objects.
    pub(super) fn of_at_most(self, objects: usize) -> Self {
        self.changed(|request| ListRequest { limit: objects.min(MAX_LISTED), ..request })
    }

    fn changed(self, change: impl FnOnce(ListRequest) -> ListRequest) -> Self {
        Self { request: self.request.map(change), ..self }
    }

    /// The next page; `None` after the last.
    pub(super) async fn next(&mut self) -> Result<Option<ListPage>, Error> {
        let Some(request) = self.request.take() else { return Ok(None) };
        let mut page = self.cache.storage.list(&request).await?;
        self.request = page.next.take().map(|next| ListRequest { start_after: Some(next), ..request });
        Ok(Some(page))
    }
}
