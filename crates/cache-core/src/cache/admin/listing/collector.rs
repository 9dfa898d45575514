//! The page of a listing on its way: paths are offered from several sources, and the first of them in order stay.

use std::collections::BTreeSet;

use super::super::super::NamePage;
use super::ListFiles;

/// What is listed.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum ItemKind {
    Files,
    Folders,
}

/// The first paths in order of all that were offered.
#[derive(Debug)]
pub(super) struct Collector<'a> {
    /// The folder with a `/` at the end, or nothing for the root.
    pub(super) prefix: String,
    /// Whether what is in folders below counts.
    pub(super) recursive: bool,
    /// Only what comes after this counts.
    pub(super) after: Option<&'a str>,
    /// What is listed.
    pub(super) kind: ItemKind,
    limit: Option<usize>,
    items: BTreeSet<String>,
}

impl<'a> Collector<'a> {
    /// A page as it was asked for, still empty.
    pub(super) fn new(request: &ListFiles<'a>, kind: ItemKind) -> Self {
        let prefix = if request.folder.is_empty() { String::new() } else { format!("{}/", request.folder) };
        let ListFiles { recursive, limit, cursor: after, .. } = *request;
        Self { prefix, recursive, after, kind, limit, items: BTreeSet::new() }
    }

    /// One more than the limit is enough to know that there is a next page.
    pub(super) fn max(&self) -> usize {
        self.limit.map_or(usize::MAX, |limit| limit.saturating_add(1))
    }

    /// Offers a file.
    pub(super) fn offer(&mut self, path: &str) {
        let Some(below) = path.strip_prefix(&self.prefix) else { return };
        match self.kind {
            ItemKind::Files if self.recursive || !below.contains('/') => self.insert(path),
            ItemKind::Files => {}
            ItemKind::Folders => {
                let count = if self.recursive { usize::MAX } else { 1 };
                folders_of(path, &self.prefix).take(count).for_each(|folder| self.insert(folder));
            }
        }
    }

    /// Offers a folder, whose path ends with `/`, of a listing that is not recursive.
    pub(super) fn offer_folder(&mut self, folder: &str) {
        if self.kind == ItemKind::Folders && folder.starts_with(&self.prefix) {
            self.insert(folder);
        }
    }

    /// Whether nothing that comes at or after this path in order can still count.
    pub(super) fn is_complete_before(&self, path: &str) -> bool {
        self.items.len() >= self.max() && self.items.last().is_some_and(|last| last.as_str() < path)
    }

    /// Whether everything in a folder comes before the place to begin after.
    pub(super) fn is_passed(&self, folder: &str) -> bool {
        self.after.is_some_and(|after| folder < after && !after.starts_with(folder))
    }

    /// Whether all that is below a folder comes to one item at most.
    pub(super) fn takes_one_of(&self, folder: &str) -> bool {
        !self.recursive && folder.len() > self.prefix.len()
    }

    /// The page.
    pub(super) fn into_page(self) -> NamePage<String> {
        let mut items: Vec<String> = self.items.into_iter().collect();
        let more = self.limit.filter(|limit| items.len() > *limit);
        if let Some(limit) = more {
            items.truncate(limit);
        }
        NamePage { next_cursor: more.and_then(|_| items.last().cloned()), items }
    }

    fn insert(&mut self, item: &str) {
        let counts = self.after.is_none_or(|after| item > after);
        if counts && !self.is_complete_before(item) && !self.items.contains(item) {
            self.items.insert(item.to_owned());
            if self.items.len() > self.max() {
                self.items.pop_last();
            }
        }
    }
}

/// The folders that a path lies in, from the outermost below `prefix`, each with a `/` at the end.
fn folders_of<'p>(path: &'p str, prefix: &str) -> impl Iterator<Item = &'p str> + use<'p> {
    let from = prefix.len();
    path.match_indices('/').map(|(at, _)| at).filter(move |at| *at >= from).map(|at| &path[..=at])
}

#[cfg(test)]
mod tests {
    use proptest::{prop_assert_eq, proptest};

    use super::*;

    #[test]
    fn the_folders_of_a_path_begin_below_the_prefix() {
        let folders = |prefix| folders_of("a/b/c", prefix).collect::<Vec<_>>();
        assert_eq!(folders(""), ["a/", "a/b/"]);
        assert_eq!(folders("a/"), ["a/b/"]);
        assert_eq!(folders("a/b/"), Vec::<&str>::new());
    }

    proptest! {
        #[test]
        fn pages_joined_are_what_one_page_is(
            paths in proptest::collection::vec("a(/[ab]){0,3}/[ab.-]", 0..12), limit in 1..4usize, recursive: bool, folders: bool,
        ) {
            let kind = if folders { ItemKind::Folders } else { ItemKind::Files };
            let list = |limit, cursor: Option<&str>| {
                let request = ListFiles { folder: "a", recursive, limit, cursor, physical: false };
                let mut found = Collector::new(&request, kind);
                paths.iter().for_each(|path| found.offer(path));
                found.into_page()
            };
            let mut joined = Vec::new();
            let mut cursor: Option<String> = None;
            loop {
                let page = list(Some(limit), cursor.as_deref());
                joined.extend(page.items);
                cursor = page.next_cursor;
                if cursor.is_none() {
                    break;
                }
            }
            prop_assert_eq!(joined, list(None, None).items);
        }
    }
}
