//! Entries that the Python service stored. They are served from the files that it wrote (see [`crate::python_files`]), and
//! joined by entries of ours.
//!
//! **Which namespaces.** One that has anything below `refs/by-id/`, which one LIST tells for each process, beside the first read of
//! the settings. All others make no call for this.
//!
//! **What is the truth.** An entry exists while its reference file (`refs/by-id/…/{cache_id}.json`) is there. That file is changed by
//! compare-and-swap, so of a delete and an update at the same time one is first:
//!
//! | state | what it means |
//! |---|---|
//! | as the Python service wrote it | the content is in its files |
//! | with `manifest_version` | the entry was updated: the manifest of its hash lists it, under its id. Its old files stay until it is deleted |
//! | with `is_deleted` | the entry is gone, and its files are about to go; a repeat of the delete or the sweep finishes that |
//!
//! **Versions.** The reference file of a hash (`refs/by-hash/…/{cache_hash}.json`) lists the versions 1 to n. A manifest of that hash
//! begins with n + 1, so both together are all versions, and no store waits for the old ones to be read. An entry that is updated
//! moves into the manifest and keeps its version.
//!
//! **Files that entries share.** The Python service writes entries with one key and file id into the same files. A delete leaves
//! files that belong to another entry by now, and no readable copy of ours replaces a file of it.
//!
//! Nobody but this service may write to the namespace meanwhile: the Python service takes no part in the compare-and-swap.

mod adopt;
mod children;
mod convert;
mod delete;
mod entry;
mod keys;
mod listing;
mod versions;

use std::collections::HashMap;
use std::sync::{Mutex, PoisonError};

use bytes::Bytes;
use serde::Serialize;

use crate::error::Error;
use crate::ids::Namespace;
use crate::python_files::METADATA_SUFFIX;
use crate::storage::ObjectKey;

pub use self::convert::{Conversion, PythonEntry, PythonEntryState};

use super::NamespaceCache;

/// How many namespaces are remembered. Beyond it all are forgotten, which costs each one LIST.
const MAX_NAMESPACES: usize = 10_000;

/// Stands between the path of a content, without its extension, and the names of its children.
const CHILD_FOLDER: &str = "/data/";

/// A reference file as the Python service writes it.
fn to_json(file: &impl Serialize) -> Bytes {
    serde_json::to_vec_pretty(file).expect("plain structs always serialize").into()
}

/// Which namespaces may hold entries of the Python service, as far as this process has looked.
#[derive(Debug, Default)]
pub(super) struct PythonNamespaces(Mutex<HashMap<Namespace, bool>>);

impl PythonNamespaces {
    fn get(&self, namespace: &Namespace) -> Option<bool> {
        self.0.lock().unwrap_or_else(PoisonError::into_inner).get(namespace).copied()
    }

    fn put(&self, namespace: &Namespace, may_hold: bool) {
        let mut namespaces = self.0.lock().unwrap_or_else(PoisonError::into_inner);
        if namespaces.len() >= MAX_NAMESPACES {
            namespaces.clear();
        }
        namespaces.insert(namespace.clone(), may_hold);
    }
}

impl NamespaceCache {
    /// Whether the namespace may hold entries of the Python service. The first answer takes a LIST, and is remembered.
    pub(super) async fn may_hold_python_entries(&self) -> Result<bool, Error> {
        if let Some(known) = self.cache.shared.python_namespaces.get(&self.namespace) {
            return Ok(known);
        }
        let page = self.list(&self.layout().aliases()).of_at_most(1).next().await?;
        let may_hold = page.is_some_and(|page| !page.objects.is_empty());
        self.cache.shared.python_namespaces.put(&self.namespace, may_hold);
        Ok(may_hold)
    }

    /// The paths among these that an entry of this namespace can have. What leads elsewhere is left out.
    pub(super) fn python_paths(&self, paths: &[String]) -> impl Iterator<Item = ObjectKey> {
        let folder = format!("{}/data/", self.namespace);
        paths.iter().filter(move |path| path.starts_with(&folder)).filter_map(|path| path.parse().ok())
    }

    /// Whether the Python service wrote the file under the path of a view: a content, or a child of one.
    pub(super) async fn is_python_file(&self, path: &ObjectKey) -> Result<bool, Error> {
        if !self.may_hold_python_entries().await? {
            return Ok(false);
        }
        let mut contents = vec![path.to_string()];
        if let Some((content, _)) = path.as_str().rsplit_once(CHILD_FOLDER) {
            contents.extend([format!("{content}.json"), format!("{content}.bin")]);
        }
        for content in contents {
            let Ok(metadata) = format!("{content}{METADATA_SUFFIX}").parse() else { continue };
            if self.cache.storage.head(&metadata).await?.is_some() {
                return Ok(true);
            }
        }
        Ok(false)
    }
}
