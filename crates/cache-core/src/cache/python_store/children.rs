//! Children that the Python service wrote. Ours lie elsewhere, come first, and are what a write writes.

use std::collections::BTreeMap;

use bytes::Bytes;
use futures::future::try_join_all;

use crate::error::Error;
use crate::ids::{CacheId, DataKey};
use crate::python_files::IdFile;
use crate::storage::ObjectKey;

use super::super::NamespaceCache;
use super::super::children::{Child, ChildName, file_name, parse_name};
use super::super::locate::Reference;

impl NamespaceCache {
    /// The content of a child in the first folder that has it.
    pub(in crate::cache) async fn retrieve_python_child(
        &self,
        id: CacheId,
        name: &ChildName,
    ) -> Result<Option<Bytes>, Error> {
        for path in self.python_child_paths(id, name).await? {
            if let Some(bytes) = self.cache.read(&path).await? {
                return Ok(Some(bytes));
            }
        }
        Ok(None)
    }

    /// Whether any folder has a child.
    pub(in crate::cache) async fn python_child_exists(&self, id: CacheId, name: &ChildName) -> Result<bool, Error> {
        let paths = self.python_child_paths(id, name).await?;
        let heads = try_join_all(paths.iter().map(|path| self.cache.storage.head(path))).await?;
        Ok(heads.iter().any(Option::is_some))
    }

    /// Removes a child from all folders.
    pub(in crate::cache) async fn remove_python_child(&self, id: CacheId, name: &ChildName) -> Result<(), Error> {
        let paths = self.python_child_paths(id, name).await?;
        try_join_all(paths.iter().map(|path| self.cache.remove(path))).await.map(drop)
    }

    /// Adds children to a list of ours, as far as that has none of their names. Copies in several folders are one child.
    pub(in crate::cache) async fn add_python_children(
        &self,
        id: CacheId,
        data_key: Option<&DataKey>,
        recursive: bool,
        children: &mut Vec<Child>,
    ) -> Result<(), Error> {
        let mut found = BTreeMap::new();
        for folder in self.python_folders_of(id).await?.iter().rev() {
            let mut pages = self.list(&below(folder, data_key)).flat(!recursive);
            while let Some(page) = pages.next().await? {
                for object in page.objects {
                    let Some(name) = object.key.strip_prefix(folder.as_str()).and_then(parse_name) else { continue };
                    found.insert(
                        object.key.strip_prefix(folder.as_str()).map(ToOwned::to_owned),
                        Child { name, size: object.size, path: object.key },
                    );
                }
            }
        }
        let is_same = |ours: &Child, child: &Child| {
            let folder = |child: &Child| below("", child.name.data_key.as_ref());
            (folder(ours), file_name(&ours.name)) == (folder(child), file_name(&child.name))
        };
        found.retain(|_, child| !children.iter().any(|ours| is_same(ours, child)));
        children.extend(found.into_values());
        Ok(())
    }

    /// Removes all children, or those under a data key, from all folders, and returns their paths.
    pub(in crate::cache) async fn remove_python_children(
        &self,
        id: CacheId,
        data_key: Option<&DataKey>,
    ) -> Result<Vec<String>, Error> {
        let mut removed = Vec::new();
        for folder in self.python_folders_of(id).await? {
            removed.extend(self.remove_folder(&below(&folder, data_key)).await?);
        }
        Ok(removed)
    }

    /// The folders with children of an entry. They end with `/`.
    pub(super) fn python_folders(&self, file: &IdFile) -> Vec<String> {
        self.python_paths(&file.file_paths.data_folders).map(|folder| format!("{folder}/")).collect()
    }

    async fn python_folders_of(&self, id: CacheId) -> Result<Vec<String>, Error> {
        if id.parts().is_some() {
            return Ok(Vec::new());
        }
        Ok(match self.load_reference(&self.layout().alias(id)).await? {
            Some((Reference::Python(file), _)) if !file.is_deleted => self.python_folders(&file),
            Some(_) | None => Vec::new(),
        })
    }

    async fn python_child_paths(&self, id: CacheId, name: &ChildName) -> Result<Vec<ObjectKey>, Error> {
        if id.parts().is_some() {
            return Ok(Vec::new());
        }
        let mut folders = self.python_folders_of(id).await?;
        // Where a child is that was converted: only its name in the path was known then.
        folders.push(self.layout().children(id, None));
        let paths =
            folders.iter().map(|folder| format!("{}{}", below(folder, name.data_key.as_ref()), file_name(name)));
        Ok(paths.filter_map(|path| path.parse().ok()).collect())
    }
}

/// The folder of the children under a data key, named as the Python service does: what its paths do not allow is a `-`.
fn below(folder: &str, data_key: Option<&DataKey>) -> String {
    let Some(data_key) = data_key else { return folder.to_owned() };
    let is_kept = |c: char| c.is_ascii_alphanumeric() || "-_.".contains(c);
    let mut path = folder.to_owned();
    for segment in data_key.as_str().split('/') {
        let mut in_gap = false;
        for c in segment.chars() {
            if is_kept(c) {
                path.push(c);
            } else if !in_gap {
                path.push('-');
            }
            in_gap = !is_kept(c);
        }
        path.push('/');
    }
    path
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_data_key_leads_to_the_folder_of_the_python_service() {
        let folder = |key: &str| below("f/", Some(&key.parse().unwrap()));
        assert_eq!(folder("a/b.c"), "f/a/b.c/");
        assert_eq!(folder("sp  ace/x_-y"), "f/sp-ace/x_-y/");
        assert_eq!(below("f/", None), "f/");
    }
}
