//! The operations of the storage port, for code that counts calls or makes them fail.

use std::fmt;

/// An operation of [`cache_core::storage::Storage`].
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub enum StorageOp {
    /// `Storage::get`
    Get,
    /// `Storage::head`
    Head,
    /// `Storage::put`, and `Storage::copy`, which is a PUT for S3
    Put,
    /// `Storage::delete`
    Delete,
    /// `Storage::list`
    List,
}

impl StorageOp {
    /// All operations, in the order of their discriminants.
    pub const ALL: [Self; 5] = [Self::Get, Self::Head, Self::Put, Self::Delete, Self::List];

    /// The name in logs and metrics.
    pub const fn name(self) -> &'static str {
        match self {
            Self::Get => "get",
            Self::Head => "head",
            Self::Put => "put",
            Self::Delete => "delete",
            Self::List => "list",
        }
    }
}

impl fmt::Display for StorageOp {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(self.name())
    }
}
