//! What is reported.

use std::collections::BTreeSet;

use cache_core::ids::CacheId;
use cache_core::storage::ObjectKey;
use serde::Serialize;

/// What is wrong with an object. The docs of [`crate::verify`](mod@crate::verify) have a table.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Serialize)]
#[serde(rename_all = "snake_case")]
pub enum FindingKind {
    /// An entry's content is gone.
    MissingContent,
    /// A content does not have the SHA-256 that is listed.
    DamagedContent,
    /// A manifest, page or index cannot be read.
    Unreadable,
    /// Its manifest is missing.
    WithoutManifest,
    /// Nothing references this blob.
    UnreferencedBlob,
    /// Nothing leads to this page.
    OrphanedPage,
    /// The entry of this view is gone.
    OrphanedView,
    /// A key index lists an entry that is gone.
    KeyRowWithoutEntry,
    /// A key index does not list an entry, and never listed a later one.
    NotUnderItsKey,
    /// A view is missing.
    MissingView,
    /// A file of the Python service belongs to no entry.
    PythonLeftover,
    /// The content of an entry of the Python service is gone.
    PythonEntryWithoutContent,
}

impl FindingKind {
    /// What it means, and what a repair does about it.
    pub fn meaning(self) -> &'static str {
        match self {
            Self::MissingContent => "the content is gone: restore it from a copy of the store, or delete the entries",
            Self::DamagedContent => {
                "the content has another SHA-256: restore it from a copy of the store, or delete the entries"
            }
            Self::Unreadable => "it cannot be read: restore it from a copy of the store",
            Self::WithoutManifest => {
                "its manifest is missing: restore that from a copy of the store, or remove the object"
            }
            Self::UnreferencedBlob | Self::OrphanedPage | Self::OrphanedView => {
                "it belongs to nothing, and costs only room: --repair removes it"
            }
            Self::KeyRowWithoutEntry => "the key index lists entries that are gone: --repair takes them out",
            Self::NotUnderItsKey => {
                "the key index does not list the entries, and never listed later ones: --repair lists them"
            }
            Self::MissingView => "the view is missing: --repair writes it",
            Self::PythonLeftover => {
                "a file of the Python service that belongs to no entry: --repair finishes deletes that broke off, the rest is yours to remove"
            }
            Self::PythonEntryWithoutContent => {
                "an entry of the Python service whose content a delete of another one has removed: delete it, or leave it"
            }
        }
    }
}

/// One finding.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord, Serialize)]
pub struct Finding {
    /// What is wrong.
    pub kind: FindingKind,
    /// The object.
    pub object: String,
    /// The entries that are affected.
    #[serde(skip_serializing_if = "Vec::is_empty")]
    pub entries: Vec<CacheId>,
}

/// What a store has, and what is wrong with it.
#[derive(Debug, Clone, PartialEq, Eq, Default, Serialize)]
pub struct VerifyReport {
    /// Namespaces.
    pub namespaces: u64,
    /// Manifests, tombstones included.
    pub manifests: u64,
    /// Entries that manifests list.
    pub entries: u64,
    /// Entries of the Python service that were not changed. The SHA-256 of their contents is not known.
    pub python_entries: u64,
    /// Contents whose SHA-256 was compared.
    pub contents: u64,
    /// Their bytes.
    pub content_bytes: u64,
    /// Key indexes.
    pub key_indexes: u64,
    /// Shards of the catalog that are out of date, or cannot be read. They are no findings.
    pub stale_catalogs: u64,
    /// Entries that are no version under their key, which lists later ones, or did: their stores or deletes broke off before
    /// they were acknowledged. They are no findings.
    pub unlisted_entries: BTreeSet<CacheId>,
    /// What is wrong, sorted.
    pub findings: BTreeSet<Finding>,
}

impl VerifyReport {
    /// Whether nothing is wrong.
    pub fn is_clean(&self) -> bool {
        self.findings.is_empty()
    }

    pub(super) fn find(&mut self, kind: FindingKind, object: &ObjectKey, entries: Vec<CacheId>) {
        self.findings.insert(Finding { kind, object: object.to_string(), entries });
    }

    pub(super) fn find_unreadable(&mut self, object: String) {
        self.findings.insert(Finding { kind: FindingKind::Unreadable, object, entries: Vec::new() });
    }
}
