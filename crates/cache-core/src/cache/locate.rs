//! Where an entry is: by what its id says, else by what is under the path of its alias.

use serde::{Deserialize, Serialize};

use crate::error::Error;
use crate::ids::{CacheHash, CacheId};
use crate::python_files::IdFile;
use crate::storage::{GetOptions, GetResult, ListedObject, ObjectKey, Version};

use super::NamespaceCache;
use super::manifest_changes::Target;

/// A reference file of the Python service is always larger than this, and an alias never.
const MAX_ALIAS_BYTES: u64 = 256;
/// What an alias whose entry is gone consists of.
pub(super) const TOMBSTONE: &[u8] = b"{}";

/// Where the entry of an id is.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub(super) struct Alias {
    pub(super) cache_hash: CacheHash,
    pub(super) version: u64,
}

/// What is under the path of an alias.
#[derive(Debug)]
pub(super) enum Reference {
    /// The entry is gone.
    Tombstone,
    /// A manifest lists the entry.
    Alias(Alias),
    /// The Python service stored the entry.
    Python(Box<IdFile>),
}

/// Where an entry is.
#[derive(Debug)]
pub(super) enum EntryLocation {
    /// This manifest may list it, as this version.
    Manifest(CacheHash, Target),
    /// In the files of the Python service.
    PythonFiles(Box<IdFile>),
    /// It was deleted, and files of the Python service are left of it.
    PythonRemains,
    /// It was deleted.
    Gone,
    /// Nothing says so: there is no such entry.
    Unknown,
}

impl NamespaceCache {
    /// Where an entry is: by what its id says, else by what is under the path of its alias.
    pub(super) async fn locate_entry(&self, id: CacheId) -> Result<EntryLocation, Error> {
        if let Some(parts) = id.parts() {
            let target = Target { cache_id: id, version: parts.locator.version() };
            return Ok(EntryLocation::Manifest(parts.cache_hash, target));
        }
        let Some((reference, _)) = self.load_reference(&self.layout().alias(id)).await? else {
            return Ok(EntryLocation::Unknown);
        };
        let in_manifest = |hash, version| EntryLocation::Manifest(hash, Target { cache_id: id, version });
        Ok(match reference {
            Reference::Tombstone => EntryLocation::Gone,
            Reference::Alias(alias) => in_manifest(alias.cache_hash, alias.version),
            Reference::Python(file) if file.is_deleted => EntryLocation::PythonRemains,
            Reference::Python(file) => match file.manifest_version {
                Some(version) => in_manifest(file.cache_hash, version),
                None => EntryLocation::PythonFiles(file),
            },
        })
    }

    /// What is under the path of an alias, and its version.
    pub(super) async fn load_reference(&self, key: &ObjectKey) -> Result<Option<(Reference, Version)>, Error> {
        let found = self.cache.storage.get(key, &GetOptions::default()).await?;
        let Some(object) = found.and_then(GetResult::into_object) else { return Ok(None) };
        if object.bytes == TOMBSTONE {
            return Ok(Some((Reference::Tombstone, object.version)));
        }
        let reference = match serde_json::from_slice(&object.bytes) {
            Ok(file) => Reference::Python(Box::new(file)),
            Err(_) => {
                Reference::Alias(serde_json::from_slice(&object.bytes).map_err(|error| Error::corrupt(key, error))?)
            }
        };
        Ok(Some((reference, object.version)))
    }
}

/// Whether an object under the path of an alias is a reference file of the Python service, whose entry is there unless its delete
/// broke off.
pub(super) fn is_id_file(object: &ListedObject) -> bool {
    object.size > MAX_ALIAS_BYTES
}
