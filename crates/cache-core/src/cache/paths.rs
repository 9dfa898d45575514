//! The paths of an entry as clients see them: those of the Python service, which the admin routes serve.

use serde::Serialize;

use crate::entry::Entry;
use crate::layout::Layout;
use crate::python_files::AllPaths;

use super::views::{entry_view, key_view};

/// Where an entry can be read by path.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
pub struct Paths {
    /// Its content, or a pointer to it.
    pub data: Vec<String>,
    /// The reference file of its hash.
    pub by_hash: Vec<String>,
    /// Its reference file.
    pub by_id: Vec<String>,
}

impl Paths {
    /// The paths of an entry.
    pub fn of(entry: &Entry) -> Self {
        if let Some(files) = &entry.python_files {
            let AllPaths { data, by_hash, by_id } = files.reference.all_paths.clone();
            return Self { data, by_hash, by_id };
        }
        let layout = Layout::new(&entry.namespace);
        // A stored entry was checked to have valid views.
        let views = [key_view(layout, entry), entry_view(layout, entry)].into_iter().flatten().flatten();
        let views: Vec<String> = views.map(|key| key.to_string()).collect();
        let data = if views.is_empty() { vec![layout.content_path(entry)] } else { views };
        Self {
            data,
            by_hash: vec![layout.hash_reference(&entry.cache_hash).to_string()],
            by_id: vec![layout.alias(entry.cache_id).to_string()],
        }
    }
}
