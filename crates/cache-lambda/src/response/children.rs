//! The JSON of answers about child data.

use cache_core::cache::{Child, ChildName};
use cache_core::ids::{CacheId, DataKey, FileId, Namespace};
use cache_core::layout::extension;
use cache_core::strategy::ContentKind;
use serde::Serialize;
use utoipa::ToSchema;

/// A child that was stored.
#[derive(Debug, Serialize, ToSchema)]
pub struct ChildStored {
    cache_id: CacheId,
    data_files_created: [String; 1],
    /// Empty without one.
    data_key: String,
    data_type: ContentKind,
    extension: &'static str,
    file_id: FileId,
    file_size: usize,
    namespace: Namespace,
    timestamp: u64,
}

impl ChildStored {
    /// A child of `size` bytes under `path`.
    pub fn new(
        namespace: Namespace,
        cache_id: CacheId,
        name: ChildName,
        path: String,
        size: usize,
        now_ms: u64,
    ) -> Self {
        Self {
            cache_id,
            data_files_created: [path],
            data_key: key_or_empty(name.data_key.as_ref()),
            data_type: name.kind,
            extension: extension(name.kind),
            file_id: name.file_id,
            file_size: size,
            namespace,
            timestamp: now_ms,
        }
    }
}

/// A child that was updated.
#[derive(Debug, Serialize, ToSchema)]
pub struct ChildUpdated {
    success: bool,
    cache_id: CacheId,
    namespace: Namespace,
    data_type: ContentKind,
    /// Empty without one.
    data_key: String,
    data_file_id: FileId,
    file_path: String,
    file_size: usize,
}

impl ChildUpdated {
    /// A child of `size` bytes under `path`.
    pub fn new(namespace: Namespace, cache_id: CacheId, name: ChildName, path: String, size: usize) -> Self {
        Self {
            success: true,
            cache_id,
            namespace,
            data_type: name.kind,
            data_key: key_or_empty(name.data_key.as_ref()),
            data_file_id: name.file_id,
            file_path: path,
            file_size: size,
        }
    }
}

/// Whether a child is there.
#[derive(Debug, Serialize, ToSchema)]
pub struct ChildExists {
    /// The entry.
    pub cache_id: CacheId,
    /// As it was asked for.
    pub data_type: &'static str,
    /// Empty without one.
    pub data_key: String,
    /// Its name.
    pub data_file_id: FileId,
    /// Whether it is there.
    pub exists: bool,
    /// Where the entry lives.
    pub namespace: Namespace,
}

/// The children of an entry.
#[derive(Debug, Serialize, ToSchema)]
pub struct ChildList {
    cache_id: CacheId,
    namespace: Namespace,
    /// Empty for all.
    data_key: String,
    file_count: usize,
    files: Vec<ChildItem>,
    total_size: u64,
}

/// One of them.
#[derive(Debug, Serialize, ToSchema)]
struct ChildItem {
    data_file_id: FileId,
    data_key: String,
    data_type: ContentKind,
    file_path: String,
    file_size: u64,
    extension: &'static str,
}

impl From<Child> for ChildItem {
    fn from(Child { name, path, size }: Child) -> Self {
        Self {
            data_file_id: name.file_id,
            data_key: key_or_empty(name.data_key.as_ref()),
            data_type: name.kind,
            file_path: path,
            file_size: size,
            extension: extension(name.kind),
        }
    }
}

impl ChildList {
    /// The children under a data key, or all.
    pub fn new(namespace: Namespace, cache_id: CacheId, data_key: Option<&DataKey>, children: Vec<Child>) -> Self {
        Self {
            cache_id,
            namespace,
            data_key: key_or_empty(data_key),
            file_count: children.len(),
            total_size: children.iter().map(|child| child.size).sum(),
            files: children.into_iter().map(ChildItem::from).collect(),
        }
    }
}

/// A child that was deleted.
#[derive(Debug, Serialize, ToSchema)]
pub struct ChildDeleted {
    status: &'static str,
    message: &'static str,
    cache_id: CacheId,
    data_file_id: FileId,
    data_type: &'static str,
    data_key: Option<DataKey>,
    namespace: Namespace,
}

impl ChildDeleted {
    /// The one of this name. `data_type` is its kind as it was asked for.
    pub fn new(namespace: Namespace, cache_id: CacheId, name: ChildName, data_type: &'static str) -> Self {
        Self {
            status: "success",
            message: "the child data is deleted",
            cache_id,
            data_file_id: name.file_id,
            data_type,
            data_key: name.data_key,
            namespace,
        }
    }
}

/// What became of deleting all children.
#[derive(Debug, Serialize, ToSchema)]
pub struct ChildrenDeleted {
    status: &'static str,
    message: String,
    cache_id: CacheId,
    deleted_count: usize,
    /// Not there when nothing was deleted.
    #[serde(skip_serializing_if = "Vec::is_empty")]
    deleted_files: Vec<String>,
    data_key: Option<DataKey>,
    namespace: Namespace,
}

impl ChildrenDeleted {
    /// These are gone.
    pub fn new(namespace: Namespace, cache_id: CacheId, data_key: Option<DataKey>, deleted: Vec<String>) -> Self {
        let message = match deleted.len() {
            0 => "there was no child data to delete".to_owned(),
            1 => "1 file of child data is deleted".to_owned(),
            count => format!("{count} files of child data are deleted"),
        };
        Self {
            status: "success",
            message,
            cache_id,
            deleted_count: deleted.len(),
            deleted_files: deleted,
            data_key,
            namespace,
        }
    }
}

/// A data key as answers show it.
pub fn key_or_empty(data_key: Option<&DataKey>) -> String {
    data_key.map(ToString::to_string).unwrap_or_default()
}
