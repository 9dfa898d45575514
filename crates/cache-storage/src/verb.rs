//! The verbs of the storage port, for whoever counts calls or lets them fail.

/// A verb of [`cache_core::storage::Storage`].
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub enum Verb {
    /// `Storage::get`
    Get,
    /// `Storage::head`
    Head,
    /// `Storage::put`
    Put,
    /// `Storage::delete`
    Delete,
    /// `Storage::list`
    List,
}

impl Verb {
    /// All of them, in the order of their numbers.
    pub const ALL: [Self; 5] = [Self::Get, Self::Head, Self::Put, Self::Delete, Self::List];

    /// As logs and metrics spell it.
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
