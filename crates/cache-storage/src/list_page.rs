//! The rules of a listing, independent of the backend: which keys belong to it, how they are grouped, when a page is
//! full.

use std::ops::ControlFlow;

use cache_core::storage::{ListPage, ListRequest, ListedObject};

/// Builds one page. Feed it objects and folders in key order until it returns [`ControlFlow::Break`].
pub(crate) struct ListPageBuilder<'a> {
    request: &'a ListRequest,
    page: ListPage,
    last: Option<String>,
}

impl<'a> ListPageBuilder<'a> {
    pub(crate) fn new(request: &'a ListRequest) -> Self {
        Self { request, page: ListPage::default(), last: None }
    }

    /// Whether this key belongs to the listing, on this page or a later one.
    pub(crate) fn covers(&self, key: &str) -> bool {
        let after = self.request.start_after.as_deref();
        key.starts_with(&self.request.prefix) && after.is_none_or(|after| key > after) && !self.skips(key)
    }

    /// Whether a key below this folder can belong to the listing. `folder` ends with `/`.
    pub(crate) fn reaches(&self, folder: &str) -> bool {
        let prefix = &self.request.prefix;
        let after = self.request.start_after.as_deref();
        (folder.starts_with(prefix) || prefix.starts_with(folder))
            && after.is_none_or(|after| folder > after || after.starts_with(folder))
            && !self.skips(folder)
    }

    /// The folder that stands for this key: everything up to the first `/` after the prefix, including that `/`.
    pub(crate) fn folder_of<'k>(&self, key: &'k str) -> Option<&'k str> {
        if !self.request.delimiter {
            return None;
        }
        let rest = key.strip_prefix(&self.request.prefix)?;
        let end = rest.find('/')? + 1;
        Some(&key[..self.request.prefix.len() + end])
    }

    pub(crate) fn push_object(&mut self, object: ListedObject) -> ControlFlow<()> {
        self.make_room(&object.key)?;
        self.page.objects.push(object);
        ControlFlow::Continue(())
    }

    pub(crate) fn push_folder(&mut self, folder: &str) -> ControlFlow<()> {
        self.make_room(folder)?;
        self.page.folders.push(folder.to_owned());
        ControlFlow::Continue(())
    }

    pub(crate) fn build(self) -> ListPage {
        self.page
    }

    /// When folders are listed, a `start_after` that names a folder skips everything in it.
    fn skips(&self, key: &str) -> bool {
        let after = self.request.start_after.as_deref();
        self.request.delimiter && after.is_some_and(|after| after.ends_with('/') && key.starts_with(after))
    }

    /// Breaks when the page is full. Only then is it known that there is more, so only then is the next page named.
    fn make_room(&mut self, name: &str) -> ControlFlow<()> {
        if self.page.objects.len() + self.page.folders.len() >= self.request.limit.max(1) {
            self.page.next = self.last.take();
            return ControlFlow::Break(());
        }
        self.last = Some(name.to_owned());
        ControlFlow::Continue(())
    }
}
