//! The responses to requests about child data.

use cache_api::children::{ChildDeleted, ChildItem, ChildList, ChildStored, ChildUpdated, ChildrenDeleted};
use cache_core::cache::{Child, ChildName};
use cache_core::ids::{CacheId, DataKey, Namespace};
use cache_core::layout::extension;

use super::wire::{content_kind, name};

/// A child of `size` bytes was stored under `path`.
pub fn child_stored(
    namespace: &Namespace,
    cache_id: CacheId,
    child: &ChildName,
    path: String,
    size: usize,
    now_ms: u64,
) -> ChildStored {
    ChildStored {
        cache_id: name(&cache_id),
        data_files_created: [path],
        data_key: key_or_empty(child.data_key.as_ref()),
        data_type: content_kind(child.kind),
        extension: extension(child.kind).to_owned(),
        file_id: name(&child.file_id),
        file_size: size,
        namespace: name(namespace),
        timestamp: now_ms,
    }
}

/// A child of `size` bytes was updated under `path`.
pub fn child_updated(
    namespace: &Namespace,
    cache_id: CacheId,
    child: &ChildName,
    path: String,
    size: usize,
) -> ChildUpdated {
    ChildUpdated {
        success: true,
        cache_id: name(&cache_id),
        namespace: name(namespace),
        data_type: content_kind(child.kind),
        data_key: key_or_empty(child.data_key.as_ref()),
        data_file_id: name(&child.file_id),
        file_path: path,
        file_size: size,
    }
}

/// The children under a data key, or all.
pub fn child_list(
    namespace: &Namespace,
    cache_id: CacheId,
    data_key: Option<&DataKey>,
    children: Vec<Child>,
) -> ChildList {
    ChildList {
        cache_id: name(&cache_id),
        namespace: name(namespace),
        data_key: key_or_empty(data_key),
        file_count: children.len(),
        total_size: children.iter().map(|child| child.size).sum(),
        files: children.into_iter().map(child_item).collect(),
    }
}

fn child_item(Child { name: child, path, size }: Child) -> ChildItem {
    ChildItem {
        data_file_id: name(&child.file_id),
        data_key: key_or_empty(child.data_key.as_ref()),
        data_type: content_kind(child.kind),
        file_path: path,
        file_size: size,
        extension: extension(child.kind).to_owned(),
    }
}

/// A child was deleted. `data_type` is its kind as it was asked for.
pub fn child_deleted(namespace: &Namespace, cache_id: CacheId, child: &ChildName, data_type: &str) -> ChildDeleted {
    ChildDeleted {
        status: "success".to_owned(),
        message: "Data file deleted successfully".to_owned(),
        cache_id: name(&cache_id),
        data_file_id: name(&child.file_id),
        data_type: data_type.to_owned(),
        data_key: child.data_key.as_ref().map(name),
        namespace: name(namespace),
    }
}

/// These files of children were deleted.
pub fn children_deleted(
    namespace: &Namespace,
    cache_id: CacheId,
    data_key: Option<&DataKey>,
    deleted: Vec<String>,
) -> ChildrenDeleted {
    let message = match deleted.len() {
        0 => "No data files to delete".to_owned(),
        count => format!("Deleted {count} data files"),
    };
    ChildrenDeleted {
        status: "success".to_owned(),
        message,
        cache_id: name(&cache_id),
        deleted_count: deleted.len(),
        deleted_files: deleted,
        data_key: data_key.map(name),
        namespace: name(namespace),
    }
}

/// A data key as responses show it.
pub fn key_or_empty(data_key: Option<&DataKey>) -> String {
    data_key.map(ToString::to_string).unwrap_or_default()
}
