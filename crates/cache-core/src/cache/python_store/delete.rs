//! Delete: out of the key index, then the reference file says that the entry is gone, then it leaves manifest and reference
//! file of its hash, then its files go, then the reference file.

use futures::future::try_join_all;

use crate::entry::Entry;
use crate::error::Error;
use crate::ids::{CacheHash, CacheId};
use crate::key_index::KeyIndex;
use crate::manifest::Manifest;
use crate::python_files::{CONFIG_SUFFIX, HashFile, IdFile, METADATA_SUFFIX, PythonFiles};
use crate::storage::{ObjectKey, PutMode, StorageError, Version};
use crate::time::UnixMillis;

use super::super::backoff::Backoff;
use super::super::head::Loaded;
use super::super::load::Part;
use super::super::locate::Reference;
use super::super::manifest_changes::Target;
use super::super::{Deleted, NamespaceCache};

impl NamespaceCache {
    /// Deletes an entry that is in the files of the Python service, or finishes that; `None` when there is none.
    pub(in crate::cache) async fn delete_python_entry(&self, id: CacheId) -> Result<Option<Deleted>, Error> {
        let started_at = self.cache.now();
        let key = self.layout().alias(id);
        let mut backoff = Backoff::new(&self.cache);
        let mut is_ours = false;
        loop {
            let Some((Reference::Python(file), version)) = self.load_reference(&key).await? else { return Ok(None) };
            if file.manifest_version.is_some() {
                // It was updated meanwhile.
                return self.delete(id).await;
            }
            if is_ours || !file.is_deleted {
                let metadata = match self.python_paths(&file.file_paths.content_files).next() {
                    Some(content) => self.load_metadata_file(&content).await?,
                    None => None,
                };
                let entry = self.python_entry((*file).clone(), metadata, 0);
                let index = self.unlist_python_entry(&entry, started_at).await?;
                match self.remove_python_files(*file, version).await {
                    Ok(mut paths) => {
                        // Its files may have been in the place of a view.
                        let views = self.settle_view_after_unlisting(&entry, index).await;
                        paths.extend(views.iter().map(ToString::to_string));
                        return Ok(Some(Deleted { entry, paths }));
                    }
                    Err(Error::Unavailable { .. }) if !self.cache.is_past_deadline() => is_ours = true,
                    Err(error) => return Err(error),
                }
                backoff.wait(&key).await?;
                continue;
            }
            self.remove_python_files(*file, version).await?;
            return Ok(None);
        }
    }

    /// Takes an entry out of the index of its key, which is returned; `None` if there is no index that could list it.
    async fn unlist_python_entry(
        &self,
        entry: &Entry,
        started_at: UnixMillis,
    ) -> Result<Option<Loaded<KeyIndex>>, Error> {
        let Some(key) = entry.key_ref() else { return Ok(None) };
        match self.load_key_index(&key, Part::Head).await?.head {
            Some(_) => self.remove_from_key_index(entry, started_at).await,
            None => Ok(None),
        }
    }

    /// Removes all files of an entry that is gone, or is to be, and returns their paths.
    ///
    /// # Errors
    ///
    /// `Unavailable` also when the reference file has another version by now.
    pub(in crate::cache) async fn remove_python_files(
        &self,
        file: IdFile,
        version: Version,
    ) -> Result<Vec<String>, Error> {
        let key = self.layout().alias(file.cache_id);
        let file = IdFile { is_deleted: true, ..file };
        self.cache.storage.put(&key, super::to_json(&file), PutMode::Update(version)).await?;
        let emptied = self.leave_hash_file(&file).await?;
        let mut removed = self.remove_data_files(&file).await?;
        removed.extend(emptied.then(|| self.layout().hash_reference(&file.cache_hash).to_string()));
        self.cache.remove(&key).await?;
        removed.push(key.to_string());
        removed.sort();
        Ok(removed)
    }

    /// Removes contents, what accompanies them, and children, unless another entry was stored into the same files since.
    async fn remove_data_files(&self, file: &IdFile) -> Result<Vec<String>, Error> {
        let contents: Vec<ObjectKey> = self.python_paths(&file.file_paths.content_files).collect();
        let metadata = match contents.first() {
            Some(content) => self.load_metadata_file(content).await?,
            None => None,
        };
        let files = PythonFiles { reference: file.clone(), metadata };
        if !files.owns_files() {
            return Ok(Vec::new());
        }
        let mut removed = Vec::new();
        for folder in self.python_folders(file) {
            removed.extend(self.remove_folder(&folder).await?);
        }
        // What tells whose files they are goes last.
        for suffix in ["", CONFIG_SUFFIX, METADATA_SUFFIX] {
            let paths: Vec<ObjectKey> =
                contents.iter().filter_map(|content| format!("{content}{suffix}").parse().ok()).collect();
            try_join_all(paths.iter().map(|path| self.cache.remove(path))).await?;
            removed.extend(paths.iter().map(ToString::to_string));
        }
        Ok(removed)
    }

    /// Takes an entry out of the reference file of its hash; `true` when that file is gone. A deleted one leaves the manifest
    /// first, which lists it if an update broke off.
    pub(super) async fn leave_hash_file(&self, file: &IdFile) -> Result<bool, Error> {
        let (hash, cache_id, key) = (&file.cache_hash, file.cache_id, self.layout().hash_reference(&file.cache_hash));
        let mut backoff = Backoff::new(&self.cache);
        loop {
            let Some((listed, version)) = self.load_hash_file(hash).await? else { return Ok(false) };
            if let Some(version) = listed.version_of(cache_id).filter(|_| file.is_deleted) {
                self.remove_from_manifest(hash, Target { cache_id, version }).await?;
            }
            let Some(left) = listed.without(cache_id) else { return Ok(false) };
            if left.cache_ids.is_empty() {
                self.keep_versions(hash, &left).await?;
                self.cache.remove(&key).await?;
                return Ok(true);
            }
            match self.cache.storage.put(&key, super::to_json(&left), PutMode::Update(version)).await {
                Ok(_) => return Ok(false),
                Err(StorageError::Precondition { .. } | StorageError::Unavailable { .. }) => backoff.wait(&key).await?,
                Err(error) => return Err(error.into()),
            }
        }
    }

    /// Creates the manifest of a hash that has none, so that the versions of the reference file are not given again.
    async fn keep_versions(&self, hash: &CacheHash, file: &HashFile) -> Result<(), Error> {
        let key = self.layout().manifest(hash);
        if self.cache.storage.head(&key).await?.is_some() {
            return Ok(());
        }
        let now = self.cache.now();
        let mut manifest = Manifest::beginning_with(file.next_version());
        manifest.prepare_write(now);
        let bytes = manifest.encode().bytes;
        match self.put_head(&key, manifest, bytes, None, now).await? {
            // Who created it has read the reference file, too.
            Ok(_) | Err(StorageError::Precondition { .. }) => Ok(()),
            Err(error) => Err(error.into()),
        }
    }
}
