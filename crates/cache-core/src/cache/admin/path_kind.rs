//! What a path shows to clients.

use crate::ids::{CacheHash, CacheId, CacheKey, FileId, Namespace};
use crate::layout::{KeyRef, Layout, ObjectKind};
use crate::storage::ObjectKey;

use super::is_reserved;

/// What a path shows.
pub(super) enum PathKind {
    /// Nothing, ever.
    Reserved,
    /// The reference file of an entry.
    ById { namespace: Namespace, cache_id: CacheId },
    /// The reference file of a hash.
    ByHash { namespace: Namespace, cache_hash: CacheHash },
    /// The content of an entry of the strategy `direct`; `file` is below the folder of that strategy.
    DirectContent { namespace: Namespace, file: String },
    /// A dated view, which leads to an entry.
    View { namespace: Namespace, cache_id: CacheId },
    /// A latest view, which leads to an entry.
    Latest { namespace: Namespace, key: KeyRef },
    /// A readable copy.
    Readable { namespace: Namespace, cache_key: Option<CacheKey>, file_name: FileId },
    /// A child.
    Child,
    /// The settings of a namespace.
    Settings,
    /// An object that is not ours.
    Object,
    /// An object of ours that clients do not know. The text says why it is needed.
    Physical(&'static str),
}

impl PathKind {
    /// What this path shows.
    pub(super) fn of(path: &ObjectKey) -> Self {
        if is_reserved(path.as_str()) {
            return Self::Reserved;
        }
        let Some((namespace, kind)) = ObjectKind::of(path) else { return Self::Object };
        match kind {
            ObjectKind::Alias(cache_id) => Self::ById { namespace, cache_id },
            ObjectKind::Dated { name, .. } => Self::View { namespace, cache_id: name.cache_id },
            ObjectKind::Latest(key) => Self::Latest { namespace, key },
            ObjectKind::Readable { cache_key, file_name } => Self::Readable { namespace, cache_key, file_name },
            ObjectKind::Child(_) => Self::Child,
            ObjectKind::Settings => Self::Settings,
            ObjectKind::Manifest(_) => Self::Physical("it lists the entries of a hash: delete these entries"),
            ObjectKind::HashFile(cache_hash) => Self::ByHash { namespace, cache_hash },
            ObjectKind::KeyIndex => Self::Physical("it lists the entries under a key: delete these entries"),
            ObjectKind::Page => Self::Physical("it lists older entries or revisions: delete these entries"),
            ObjectKind::Blob { .. } => Self::Physical("entries share this content: delete the entries that use it"),
            ObjectKind::Intent => Self::Physical("a store is about to commit it, and the sweep removes it after a day"),
            ObjectKind::Catalog => Self::Physical("it makes listings cheap, and is written again by itself"),
            ObjectKind::Other => Self::of_other(namespace, path.as_str()),
        }
    }

    /// What a path shows that no object of ours has.
    fn of_other(namespace: Namespace, path: &str) -> Self {
        let layout = Layout::new(&namespace);
        if let Some(file) = path.strip_prefix(&layout.direct_contents()) {
            let file = file.to_owned();
            return Self::DirectContent { namespace, file };
        }
        if layout.physical_folders().iter().any(|folder| path.starts_with(folder)) {
            return Self::Physical("it is not a file of this service, and lies among its objects");
        }
        Self::Object
    }
}
