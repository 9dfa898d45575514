//! Listing a folder tree in key order, a page at a time.
//!
//! A page reads only the folders that it needs: those on the way to `start_after` and those that contain its keys. Of
//! such a folder it reads all names, because the file system keeps no order.

use std::ffi::OsStr;
use std::ops::ControlFlow;
use std::os::fd::OwnedFd;
use std::os::unix::ffi::OsStrExt;
use std::path::{Path, PathBuf};

use cache_core::storage::{ListPage, ListRequest, ListedObject, ObjectHead, ObjectKey};
use rustix::fs::{AtFlags, Dir, DirEntry, FileType, statat};
use rustix::io::Errno;

use super::error::DiskError;
use super::path_encoding::{self, Name};
use super::root::{Root, file_in, is_missing};
use super::store::head_of;
use crate::list_page::ListPageBuilder;

/// The folder that `mkfs.ext4` makes in the root of a volume. Only the superuser may read it.
const LOST_AND_FOUND: &str = "lost+found/";

/// One page of the objects below the root.
pub(super) fn list(root: &Root, request: &ListRequest) -> Result<ListPage, DiskError> {
    let mut page = ListPageBuilder::new(request);
    match request.prefix.rsplit_once('/') {
        None => _ = walk(root, &[PathBuf::new()], "", &mut page)?,
        Some((folder, _)) if folder.parse::<ObjectKey>().is_ok() => {
            let paths = [Some(path_encoding::folder_path(folder)), path_encoding::plain_folder_path(folder)];
            let paths: Vec<PathBuf> = paths.into_iter().flatten().collect();
            _ = walk(root, &paths, &format!("{folder}/"), &mut page)?;
        }
        // No key starts with such a prefix.
        Some(_) => {}
    }
    // Else a volume that is gone would be an empty listing.
    root.check()?;
    Ok(page.build())
}

/// The kind of a folder's entry.
#[derive(Clone, Copy, PartialEq)]
enum Kind {
    File,
    Folder,
    Link,
}

/// An entry of a folder.
struct FolderEntry {
    /// The key; of a folder with a `/` at the end.
    key: String,
    /// The path, relative to the folder that was read.
    path: PathBuf,
    kind: Kind,
}

/// An open folder.
struct Folder<'a> {
    root: &'a Root,
    path: &'a Path,
    folder: OwnedFd,
}

/// Feeds everything below a folder to the page. `base` is the prefix of the keys in the folder, which may be in two places.
fn walk(
    root: &Root,
    paths: &[PathBuf],
    base: &str,
    page: &mut ListPageBuilder<'_>,
) -> Result<ControlFlow<()>, DiskError> {
    let folders = open_all(root, paths, base)?;
    for group in entries_of(&folders, base, page)?.chunk_by(|one, other| one.1.key == other.1.key) {
        let Some((folder, FolderEntry { key, path, kind })) = group.first() else { continue };
        let below = || group.iter().map(|(folder, entry)| folder.path.join(&entry.path)).collect::<Vec<_>>();
        let full = if *kind == Kind::File {
            folder.listed(key.clone(), path)?.map_or(ControlFlow::Continue(()), |object| page.push_object(object))
        } else if page.folder_of(key).is_none() {
            walk(root, &below(), key, page)?
        } else if has_objects(root, &below(), key, page)? {
            page.push_folder(key)
        } else {
            ControlFlow::Continue(())
        };
        if full.is_break() {
            return Ok(full);
        }
    }
    Ok(ControlFlow::Continue(()))
}

/// Whether an object below this folder belongs to the listing. Folders can be empty while something is written or
/// deleted.
fn has_objects(root: &Root, paths: &[PathBuf], base: &str, page: &ListPageBuilder<'_>) -> Result<bool, DiskError> {
    let folders = open_all(root, paths, base)?;
    for (folder, entry) in entries_of(&folders, base, page)? {
        if entry.kind == Kind::File || has_objects(root, &[folder.path.join(entry.path)], &entry.key, page)? {
            return Ok(true);
        }
    }
    Ok(false)
}

fn open_all<'a>(root: &'a Root, paths: &'a [PathBuf], base: &str) -> Result<Vec<Folder<'a>>, DiskError> {
    paths.iter().filter_map(|path| Folder::open(root, path, base).transpose()).collect()
}

/// The entries of all places of a folder, in key order. Of two with one key, that with the path of ours comes first.
fn entries_of<'f, 'a>(
    folders: &'f [Folder<'a>],
    base: &str,
    page: &ListPageBuilder<'_>,
) -> Result<Vec<(&'f Folder<'a>, FolderEntry)>, DiskError> {
    let mut all = Vec::new();
    for folder in folders {
        all.extend(folder.entries(base, page)?.into_iter().map(|entry| (folder, entry)));
    }
    all.sort_by(|(_, one), (_, other)| one.key.cmp(&other.key).then_with(|| other.path.cmp(&one.path)));
    Ok(all)
}

impl<'a> Folder<'a> {
    /// Opens a folder; `None` if it is gone.
    fn open(root: &'a Root, path: &'a Path, base: &str) -> Result<Option<Self>, DiskError> {
        match root.open_folder(path) {
            Err(errno) if is_missing(errno) || (errno == Errno::ACCESS && base == LOST_AND_FOUND) => Ok(None),
            opened => Ok(Some(Self { root, path, folder: opened? })),
        }
    }

    /// The entries that the listing can need, in key order.
    fn entries(&self, base: &str, page: &ListPageBuilder<'_>) -> Result<Vec<FolderEntry>, DiskError> {
        let mut entries = Vec::new();
        self.collect(Path::new(""), base, &mut entries)?;
        entries
            .retain(|entry| if entry.key.ends_with('/') { page.reaches(&entry.key) } else { page.covers(&entry.key) });
        if entries.iter().any(|entry| entry.kind == Kind::Link) {
            return Err(Errno::LOOP.into());
        }
        entries.sort_unstable_by(|one, other| one.key.cmp(&other.key));
        Ok(entries)
    }

    /// Reads the names of the folder, and of those inside of it that continue a long segment: in key order, they mix.
    fn collect(&self, inside: &Path, base: &str, entries: &mut Vec<FolderEntry>) -> Result<(), DiskError> {
        let names = match self.root.open_folder(&self.path.join(inside)) {
            Err(errno) if is_missing(errno) => return Ok(()),
            opened => Dir::new(opened?)?,
        };
        for entry in names {
            let entry = entry?;
            let path = inside.join(OsStr::from_bytes(entry.file_name().to_bytes()));
            let Some(kind) = self.kind(&entry, &path)? else { continue };
            let Ok(name) = entry.file_name().to_str() else { continue };
            match decode(name, kind) {
                Some(Name::File(segment)) => entries.push(FolderEntry { key: format!("{base}{segment}"), path, kind }),
                Some(Name::Folder(segment)) => {
                    entries.push(FolderEntry { key: format!("{base}{segment}/"), path, kind })
                }
                Some(Name::Beginning(segment)) => self.collect(&path, &format!("{base}{segment}"), entries)?,
                None => {}
            }
        }
        Ok(())
    }

    /// The kind of an entry; `None` if it is neither an object nor a folder, or no longer exists.
    fn kind(&self, entry: &DirEntry, path: &Path) -> Result<Option<Kind>, DiskError> {
        let file_type = match entry.file_type() {
            // Not every file system returns the kind with the name.
            FileType::Unknown => match statat(&self.folder, path, AtFlags::SYMLINK_NOFOLLOW) {
                Err(errno) if is_missing(errno) => return Ok(None),
                found => FileType::from_raw_mode(found?.st_mode),
            },
            file_type => file_type,
        };
        Ok(match file_type {
            FileType::RegularFile => Some(Kind::File),
            FileType::Directory => Some(Kind::Folder),
            FileType::Symlink => Some(Kind::Link),
            _ => None,
        })
    }

    /// An object; `None` if it was deleted since the folder was read.
    fn listed(&self, key: String, path: &Path) -> Result<Option<ListedObject>, DiskError> {
        Ok(file_in(&self.folder, path)?.map(|found| {
            let ObjectHead { size, version, modified, .. } = head_of(&found);
            ListedObject { key, size, version, modified }
        }))
    }
}

/// The meaning of a name. A link could be in the place of a file or of a folder.
fn decode(name: &str, kind: Kind) -> Option<Name> {
    match kind {
        Kind::File => path_encoding::decode(name, false),
        Kind::Folder if path_encoding::is_plain_folder(name) => Some(Name::Folder(name.to_owned())),
        Kind::Folder => path_encoding::decode(name, true),
        Kind::Link => path_encoding::decode(name, false).or_else(|| path_encoding::decode(name, true)),
    }
}

#[cfg(test)]
mod tests {
    use std::fs;

    use proptest::collection::btree_set;
    use proptest::option;
    use proptest::prelude::*;

    use super::*;

    fn tree(keys: &[&str]) -> (tempfile::TempDir, Root) {
        let folder = tempfile::tempdir().unwrap();
        let root = Root::open(folder.path().to_owned()).unwrap();
        for key in keys {
            let path = root.path().join(path_encoding::path(key));
            fs::create_dir_all(path.parent().unwrap()).unwrap();
            fs::write(path, key).unwrap();
        }
        (folder, root)
    }

    fn keys(page: &ListPage) -> Vec<&str> {
        page.objects.iter().map(|object| object.key.as_str()).collect()
    }

    #[test]
    fn foreign_files_and_the_working_folder_are_not_listed() {
        let (_folder, root) = tree(&["a/b.json"]);
        fs::write(root.path().join("notes"), "").unwrap();
        fs::create_dir_all(root.path().join(".mgraph/locks")).unwrap();
        fs::write(root.path().join(".mgraph/locks/x.json"), "").unwrap();
        let page = list(&root, &ListRequest { limit: 9, ..ListRequest::default() }).unwrap();
        assert_eq!(keys(&page), ["a/b.json"]);
    }

    #[test]
    fn an_empty_folder_is_no_group() {
        let (_folder, root) = tree(&["a/b.json"]);
        fs::create_dir_all(root.path().join("empty/inside")).unwrap();
        let request = ListRequest { delimiter: true, limit: 9, ..ListRequest::default() };
        assert_eq!(list(&root, &request).unwrap().folders, ["a/"]);
    }

    #[test]
    fn folders_before_start_after_are_not_entered() {
        let (_folder, root) = tree(&["a/1.json", "b/1.json", "c/1.json"]);
        let request = ListRequest { start_after: Some("b/1.json".into()), limit: 9, ..ListRequest::default() };
        let folder = Folder::open(&root, Path::new(""), "").unwrap().unwrap();
        let entered = folder.entries("", &ListPageBuilder::new(&request)).unwrap();
        assert_eq!(entered.iter().map(|entry| entry.key.as_str()).collect::<Vec<_>>(), ["b/", "c/"]);
    }

    #[test]
    fn folders_of_the_python_service_are_listed_with_those_of_ours() {
        let (_folder, root) = tree(&["n/a.b/1.json", "n/a.b/3.json", "n/a.c.json"]);
        for plain in ["n/a.b/2.json", "n/a.b/3.json", "n/a.b/d.e/4.json", "n/z.z/5.json"] {
            let path = root.path().join(plain);
            fs::create_dir_all(path.parent().unwrap()).unwrap();
            fs::write(path, "python").unwrap();
        }
        let all = ["n/a.b/1.json", "n/a.b/2.json", "n/a.b/3.json", "n/a.b/d.e/4.json", "n/a.c.json", "n/z.z/5.json"];
        for limit in 1..8 {
            let (mut listed, mut start_after) = (Vec::new(), None);
            loop {
                let page =
                    list(&root, &ListRequest { prefix: "n/".into(), start_after, delimiter: false, limit }).unwrap();
                listed.extend(page.objects.iter().map(|object| (object.key.clone(), object.size)));
                start_after = page.next;
                if start_after.is_none() {
                    break;
                }
            }
            let (keys, sizes): (Vec<_>, Vec<_>) = listed.into_iter().unzip();
            assert_eq!(keys, all);
            assert_eq!(sizes[2], "n/a.b/3.json".len() as u64, "ours comes first");
        }
        let below = list(&root, &ListRequest { prefix: "n/a.b/".into(), limit: 9, ..ListRequest::default() }).unwrap();
        assert_eq!(keys(&below), all[..4]);
        let flat = ListRequest { prefix: "n/".into(), delimiter: true, limit: 9, ..ListRequest::default() };
        assert_eq!(list(&root, &flat).unwrap().folders, ["n/a.b/", "n/z.z/"]);
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
            let (_folder, root) = tree(&keys.iter().map(String::as_str).collect::<Vec<_>>());
            let request = ListRequest { prefix, start_after, delimiter, limit };
            let page = list(&root, &request).unwrap();
            let mut names: Vec<_> = page.objects.into_iter().map(|object| object.key).chain(page.folders).collect();
            names.sort();
            prop_assert_eq!((names, page.next), expected(keys, &request));
        }
    }
}
