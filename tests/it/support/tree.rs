//! A picture of a folder: which files lie below it, and how big they are.

use std::collections::BTreeMap;
use std::fs;
use std::path::{Path, PathBuf};

/// Every file below `root` with its size in bytes. A folder that is not there is empty.
pub fn files(root: &Path) -> BTreeMap<PathBuf, u64> {
    let mut found = BTreeMap::new();
    let mut folders = vec![root.to_owned()];
    while let Some(folder) = folders.pop() {
        for entry in fs::read_dir(&folder).into_iter().flatten().flatten() {
            let kind = entry.file_type().unwrap();
            if kind.is_dir() {
                folders.push(entry.path());
            } else {
                // A file that vanishes between the listing and this look was a temporary one.
                found.extend(entry.metadata().ok().map(|metadata| (entry.path(), metadata.len())));
            }
        }
    }
    found
}
