//! The rules of a listing, independent of the backend: which keys belong to it, how they are grouped, when a page is
//! full.

use std::ops::ControlFlow;

use cache_core::storage::{ListPage, ListRequest, ListedObject};

/// What a backend with an ordered index lists: `scan` visits its objects in key order, from this text on, until it is
/// told to stop. A folder is not walked through: the scan goes on behind it.
pub(crate) fn list_index<E>(
    request: &ListRequest,
    mut scan: impl FnMut(&str, &mut dyn FnMut(ListedObject) -> ControlFlow<()>) -> Result<(), E>,
) -> Result<ListPage, E> {
    let mut page = ListPageBuilder::new(request);
    let mut next = Some(page.first());
    while let Some(from) = next.take() {
        scan(&from, &mut |object| {
            if !page.covers(&object.key) {
                // Only the first object can lie before the listing: the one that `start_after` names.
                return if object.key.starts_with(&request.prefix) {
                    ControlFlow::Continue(())
                } else {
                    ControlFlow::Break(())
                };
            }
            let Some(folder) = page.folder_of(&object.key).map(str::to_owned) else { return page.push_object(object) };
            page.push_folder(&folder)?;
            next = Some(first_after(&folder));
            ControlFlow::Break(())
        })?;
    }
    Ok(page.build())
}

/// The first text after all keys of this folder, which ends with `/`: `0` is the character after `/`.
fn first_after(folder: &str) -> String {
    format!("{}0", folder.strip_suffix('/').unwrap_or(folder))
}

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

    /// The first text that a key of the listing can be.
    fn first(&self) -> String {
        let ListRequest { prefix, start_after, delimiter, .. } = self.request;
        match start_after.as_deref() {
            Some(after) if *delimiter && after.ends_with('/') => prefix.clone().max(first_after(after)),
            Some(after) => prefix.clone().max(after.to_owned()),
            None => prefix.clone(),
        }
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

#[cfg(test)]
mod tests {
    use std::convert::Infallible;

    use cache_core::storage::Version;
    use cache_core::time::UnixMillis;

    use super::*;

    #[test]
    fn a_folder_is_skipped_not_walked_through() {
        let keys: Vec<_> = (0..9_000).map(|n| format!("{}/{n:04}", n / 3_000)).collect();
        let request =
            ListRequest { delimiter: true, start_after: Some("0/".to_owned()), limit: 9, ..ListRequest::default() };
        let mut visited = 0;
        let page = list_index(&request, |from, visit| {
            for key in &keys[keys.partition_point(|key| key.as_str() < from)..] {
                visited += 1;
                let (size, version, modified) = (0, Version::new("1"), UnixMillis::new(0));
                if visit(ListedObject { key: key.clone(), size, version, modified }).is_break() {
                    break;
                }
            }
            Ok::<_, Infallible>(())
        });
        assert_eq!(page.unwrap().folders, ["1/", "2/"]);
        assert_eq!(visited, 2);
    }
}
