//! Listing a folder tree in key order, a page at a time.
//!
//! A page reads only the folders that it needs: those on the way to `start_after` and those that its keys lie in. Of such
//! a folder it reads all names, for the file system keeps no order.

use std::fs;
use std::io::{self, ErrorKind};
use std::ops::ControlFlow;
use std::path::{Path, PathBuf};

use cache_core::storage::{ListPage, ListRequest, ListedObject, ObjectKey};

use super::path_encoding::{self, Name};
use super::version::version_of;
use crate::list_page::ListPageBuilder;
use crate::system::unix_millis;

/// One page of the objects below the root.
pub(super) fn list(root: &Path, request: &ListRequest) -> io::Result<ListPage> {
    let mut page = ListPageBuilder::new(request);
    match request.prefix.rsplit_once('/') {
        None => _ = walk(root, "", &mut page)?,
        Some((folder, _)) if folder.parse::<ObjectKey>().is_ok() => {
            _ = walk(&root.join(path_encoding::folder_path(folder)), &format!("{folder}/"), &mut page)?;
        }
        // No key starts with such a prefix.
        Some(_) => {}
    }
    Ok(page.build())
}

/// A file or folder: its full key, for a folder with a `/` at the end, and where it lies.
struct Entry {
    key: String,
    path: PathBuf,
}

impl Entry {
    fn is_folder(&self) -> bool {
        self.key.ends_with('/')
    }
}

/// Feeds everything below a folder to the page. `base` is what the keys of the folder start with.
fn walk(folder: &Path, base: &str, page: &mut ListPageBuilder<'_>) -> io::Result<ControlFlow<()>> {
    for Entry { key, path } in entries(folder, base, page)? {
        let full = if !key.ends_with('/') {
            listed(key, &path)?.map_or(ControlFlow::Continue(()), |object| page.push_object(object))
        } else if page.folder_of(&key).is_none() {
            walk(&path, &key, page)?
        } else if has_objects(&path, &key, page)? {
            page.push_folder(&key)
        } else {
            ControlFlow::Continue(())
        };
        if full.is_break() {
            return Ok(full);
        }
    }
    Ok(ControlFlow::Continue(()))
}

/// Whether any object below this folder belongs to the listing. Folders can be empty while something is written or deleted.
fn has_objects(folder: &Path, base: &str, page: &ListPageBuilder<'_>) -> io::Result<bool> {
    for entry in entries(folder, base, page)? {
        if !entry.is_folder() || has_objects(&entry.path, &entry.key, page)? {
            return Ok(true);
        }
    }
    Ok(false)
}

/// Those entries of a folder that the listing can need, in key order.
fn entries(folder: &Path, base: &str, page: &ListPageBuilder<'_>) -> io::Result<Vec<Entry>> {
    let mut entries = Vec::new();
    collect(folder, base, &mut entries)?;
    entries.retain(|entry| if entry.is_folder() { page.reaches(&entry.key) } else { page.covers(&entry.key) });
    entries.sort_unstable_by(|one, other| one.key.cmp(&other.key));
    Ok(entries)
}

/// Reads a folder, and those inside of it that continue a long segment: in key order, their names mix with its own.
fn collect(folder: &Path, base: &str, entries: &mut Vec<Entry>) -> io::Result<()> {
    let reading = match fs::read_dir(folder) {
        Err(err) if matches!(err.kind(), ErrorKind::NotFound | ErrorKind::NotADirectory) => return Ok(()),
        reading => reading?,
    };
    for entry in reading {
        let entry = entry?;
        let (kind, path) = (entry.file_type()?, entry.path());
        if !kind.is_dir() && !kind.is_file() {
            continue;
        }
        match entry.file_name().to_str().and_then(|name| path_encoding::decode(name, kind.is_dir())) {
            Some(Name::File(segment)) => entries.push(Entry { key: format!("{base}{segment}"), path }),
            Some(Name::Folder(segment)) => entries.push(Entry { key: format!("{base}{segment}/"), path }),
            Some(Name::Beginning(segment)) => collect(&path, &format!("{base}{segment}"), entries)?,
            None => {}
        }
    }
    Ok(())
}

fn listed(key: String, path: &Path) -> io::Result<Option<ListedObject>> {
    match fs::metadata(path) {
        // Deleted since the folder was read.
        Err(err) if err.kind() == ErrorKind::NotFound => Ok(None),
        found => {
            let found = found?;
            Ok(Some(ListedObject {
                key,
                size: found.len(),
                version: version_of(&found),
                modified: unix_millis(found.modified()?),
            }))
        }
    }
}

#[cfg(test)]
mod tests {
    use proptest::collection::btree_set;
    use proptest::option;
    use proptest::prelude::*;

    use super::*;

    fn tree(keys: &[&str]) -> tempfile::TempDir {
        let root = tempfile::tempdir().unwrap();
        for key in keys {
            let path = root.path().join(path_encoding::path(key));
            fs::create_dir_all(path.parent().unwrap()).unwrap();
            fs::write(path, key).unwrap();
        }
        root
    }

    fn keys(page: &ListPage) -> Vec<&str> {
        page.objects.iter().map(|object| object.key.as_str()).collect()
    }

    #[test]
    fn foreign_files_and_the_stores_own_are_not_listed() {
        let root = tree(&["a/b.json"]);
        fs::write(root.path().join("notes"), "").unwrap();
        fs::create_dir_all(root.path().join(".mgraph/locks")).unwrap();
        fs::write(root.path().join(".mgraph/locks/x.json"), "").unwrap();
        let page = list(root.path(), &ListRequest { limit: 9, ..ListRequest::default() }).unwrap();
        assert_eq!(keys(&page), ["a/b.json"]);
    }

    #[test]
    fn an_empty_folder_is_no_group() {
        let root = tree(&["a/b.json"]);
        fs::create_dir_all(root.path().join("empty/inside")).unwrap();
        let request = ListRequest { delimiter: true, limit: 9, ..ListRequest::default() };
        assert_eq!(list(root.path(), &request).unwrap().folders, ["a/"]);
    }

    #[test]
    fn folders_before_start_after_are_not_entered() {
        let root = tree(&["a/1.json", "b/1.json", "c/1.json"]);
        let request = ListRequest { start_after: Some("b/1.json".into()), limit: 9, ..ListRequest::default() };
        let entered = entries(root.path(), "", &ListPageBuilder::new(&request)).unwrap();
        assert_eq!(entered.iter().map(|entry| entry.key.as_str()).collect::<Vec<_>>(), ["b/", "c/"]);
    }

    /// The page, worked out from all keys at once.
    fn expected(mut keys: Vec<String>, request: &ListRequest) -> (Vec<String>, Option<String>) {
        let page = ListPageBuilder::new(request);
        keys.retain(|key| page.covers(key));
        let mut names: Vec<_> = keys.iter().map(|key| page.folder_of(key).unwrap_or(key).to_owned()).collect();
        names.sort();
        names.dedup();
        let more = names.len() > request.limit;
        names.truncate(request.limit);
        let next = names.last().filter(|_| more).cloned();
        (names, next)
    }

    proptest! {
        #![proptest_config(ProptestConfig::with_cases(64))]

        #[test]
        fn a_page_is_what_sorting_all_keys_gives(
            keys in btree_set("[a-c.!](/?[a-c.!]){0,4}|[ab]{249}[a.]{0,3}(/a)?", 1..12),
            prefix in "|[a-c](/?[a-c.!]){0,3}/?",
            start_after in option::of("[a-c.!](/?[a-c.!]){0,3}/?|[ab]{249}a?"),
            delimiter: bool,
            limit in 1..5_usize,
        ) {
            let keys: Vec<_> = keys.into_iter().filter(|key| key.parse::<ObjectKey>().is_ok()).collect();
            let root = tree(&keys.iter().map(String::as_str).collect::<Vec<_>>());
            let request = ListRequest { prefix, start_after, delimiter, limit };
            let page = list(root.path(), &request).unwrap();
            let mut names: Vec<_> = page.objects.into_iter().map(|object| object.key).chain(page.folders).collect();
            names.sort();
            prop_assert_eq!((names, page.next), expected(keys, &request));
        }
    }
}
