//! Child data: small files under an entry.

use serde::{Deserialize, Serialize};

use crate::kinds::ContentKind;
use crate::names::{CacheId, DataKey, FileId, Namespace};

/// A child that was stored.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[cfg_attr(feature = "openapi", derive(utoipa::ToSchema))]
pub struct ChildStored {
    /// The entry.
    pub cache_id: CacheId,
    /// The child's file.
    pub data_files_created: [String; 1],
    /// Empty without one.
    pub data_key: String,
    /// The kind of its content.
    pub data_type: ContentKind,
    /// The extension of the file, without the dot.
    pub extension: String,
    /// The name of the child.
    pub file_id: FileId,
    /// Bytes of its content.
    pub file_size: usize,
    /// Where the entry lives.
    pub namespace: Namespace,
    /// When it was stored, in milliseconds since 1970 UTC.
    pub timestamp: u64,
}

/// A child that was updated.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[cfg_attr(feature = "openapi", derive(utoipa::ToSchema))]
pub struct ChildUpdated {
    /// Always true: an update that fails is an error.
    pub success: bool,
    /// The entry.
    pub cache_id: CacheId,
    /// Where the entry lives.
    pub namespace: Namespace,
    /// The kind of its content.
    pub data_type: ContentKind,
    /// Empty without one.
    pub data_key: String,
    /// The name of the child.
    pub data_file_id: FileId,
    /// The child's file.
    pub file_path: String,
    /// Bytes of its content.
    pub file_size: usize,
}

/// Whether a child is there.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[cfg_attr(feature = "openapi", derive(utoipa::ToSchema))]
pub struct ChildExists {
    /// The entry.
    pub cache_id: CacheId,
    /// As it was asked for.
    pub data_type: String,
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
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[cfg_attr(feature = "openapi", derive(utoipa::ToSchema))]
pub struct ChildList {
    /// The entry.
    pub cache_id: CacheId,
    /// Where the entry lives.
    pub namespace: Namespace,
    /// Empty for all.
    pub data_key: String,
    /// How many there are.
    pub file_count: usize,
    /// The children.
    pub files: Vec<ChildItem>,
    /// Bytes of all of them.
    pub total_size: u64,
}

/// One of them.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[cfg_attr(feature = "openapi", derive(utoipa::ToSchema))]
pub struct ChildItem {
    /// The name of the child.
    pub data_file_id: FileId,
    /// Empty without one.
    pub data_key: String,
    /// The kind of its content.
    pub data_type: ContentKind,
    /// The child's file.
    pub file_path: String,
    /// Bytes of its content.
    pub file_size: u64,
    /// The extension of the file, without the dot.
    pub extension: String,
}

/// A child that was deleted.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[cfg_attr(feature = "openapi", derive(utoipa::ToSchema))]
pub struct ChildDeleted {
    /// Always `success`: there is an error for a child that is not there.
    pub status: String,
    /// What happened.
    pub message: String,
    /// The entry.
    pub cache_id: CacheId,
    /// The name of the child.
    pub data_file_id: FileId,
    /// As it was asked for.
    pub data_type: String,
    /// Its folder.
    pub data_key: Option<DataKey>,
    /// Where the entry lives.
    pub namespace: Namespace,
}

/// The outcome of deleting all children.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[cfg_attr(feature = "openapi", derive(utoipa::ToSchema))]
pub struct ChildrenDeleted {
    /// Always `success`.
    pub status: String,
    /// What happened.
    pub message: String,
    /// The entry.
    pub cache_id: CacheId,
    /// How many were deleted.
    pub deleted_count: usize,
    /// Not there when nothing was deleted.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub deleted_files: Vec<String>,
    /// Their folder.
    pub data_key: Option<DataKey>,
    /// Where the entry lives.
    pub namespace: Namespace,
}
