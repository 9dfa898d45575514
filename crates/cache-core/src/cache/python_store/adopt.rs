//! An entry that is about to be changed moves into the manifest of its hash, under its id and version.

use crate::error::Error;
use crate::ids::CacheId;
use crate::manifest::ForeignId;
use crate::python_files::IdFile;
use crate::storage::{PutMode, StorageError};

use super::super::NamespaceCache;
use super::super::alias::ForeignEntry;
use super::super::backoff::Backoff;
use super::super::locate::Reference;
use super::super::manifest_changes::Target;

impl NamespaceCache {
    /// Makes the manifest of its hash list an entry, if it is still in the files of the Python service. These files stay. Several
    /// may do so at the same time.
    pub(in crate::cache) async fn adopt_python_entry(&self, id: CacheId) -> Result<(), Error> {
        let key = self.layout().alias(id);
        let mut backoff = Backoff::new(&self.cache);
        loop {
            let Some((Reference::Python(file), version)) = self.load_reference(&key).await? else { return Ok(()) };
            if file.is_deleted {
                return Ok(());
            }
            if file.manifest_version.is_some() {
                // Who listed it may have been killed before this.
                return self.leave_hash_file(&file).await.map(drop);
            }
            let Some(manifest_version) = self.list_python_entry(&file).await? else { return Ok(()) };
            let listed = IdFile { manifest_version: Some(manifest_version), ..*file };
            match self.cache.storage.put(&key, super::to_json(&listed), PutMode::Update(version)).await {
                Ok(_) => return self.leave_hash_file(&listed).await.map(drop),
                Err(StorageError::Precondition { .. } | StorageError::Unavailable { .. }) => {}
                Err(error) => return Err(error.into()),
            }
            // What became of the reference file decides. If the entry was deleted, it is taken back.
            match self.load_reference(&key).await? {
                Some((Reference::Python(now), _)) if *now == listed => {
                    return self.leave_hash_file(&listed).await.map(drop);
                }
                Some((Reference::Python(now), _)) if !now.is_deleted => {}
                Some(_) | None => {
                    let target = Target { cache_id: id, version: manifest_version };
                    return self.remove_from_manifest(&listed.cache_hash, target).await;
                }
            }
            backoff.wait(&key).await?;
        }
    }

    /// Lists an entry in the manifest of its hash, and returns its version there; `None` when its content is gone.
    async fn list_python_entry(&self, file: &IdFile) -> Result<Option<u64>, Error> {
        let Some(found) = self.find_in_python_files(file.clone(), None).await? else { return Ok(None) };
        let Some(bytes) = found.content.bytes() else { return Ok(None) };
        let entry = &found.entry;
        let foreign = ForeignEntry {
            id: ForeignId { cache_id: entry.cache_id, version: Some(entry.version).filter(|version| *version > 0) },
            nonce: entry.nonce,
            spec: entry.spec(),
        };
        Ok(Some(self.list_foreign(&entry.cache_hash, bytes, &foreign).await?.row.version))
    }
}
