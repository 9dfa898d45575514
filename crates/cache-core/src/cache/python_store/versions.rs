//! The versions under a hash: those of the Python service come before those of the manifest.

use futures::stream::{self, StreamExt, TryStreamExt};

use crate::error::Error;
use crate::ids::CacheHash;
use crate::python_files::{HashFile, HashFileRow, IdFile};
use crate::storage::{GetOptions, GetResult, Version};
use crate::strategy::Strategy;

use super::super::locate::EntryLocation;
use super::super::versions::{ListedVersion, Versions};
use super::super::{CONCURRENCY, NamespaceCache};

impl NamespaceCache {
    /// The entries of the Python service with a hash, as far as they were not changed; `None` when there are none.
    pub(in crate::cache) async fn python_versions(&self, hash: &CacheHash) -> Result<Option<HashFile>, Error> {
        if !self.may_hold_python_entries().await? {
            return Ok(None);
        }
        Ok(self.load_hash_file(hash).await?.map(|(file, _)| file))
    }

    /// The first version under a hash that is not one of the Python service's.
    pub(in crate::cache) async fn first_version(&self, hash: &CacheHash) -> Result<u64, Error> {
        Ok(self.python_versions(hash).await?.map_or(1, |file| file.next_version()))
    }

    /// The reference file of a hash, and its version in the storage.
    pub(super) async fn load_hash_file(&self, hash: &CacheHash) -> Result<Option<(HashFile, Version)>, Error> {
        let key = self.layout().hash_reference(hash);
        let found = self.cache.storage.get(&key, &GetOptions::default()).await?;
        let Some(object) = found.and_then(GetResult::into_object) else { return Ok(None) };
        let file = serde_json::from_slice(&object.bytes).map_err(|error| Error::corrupt(&key, error))?;
        Ok(Some((file, object.version)))
    }

    /// The entry of a version, or with `None` the newest one above a version that was found elsewhere.
    pub(in crate::cache) async fn select_in_python_files(
        &self,
        file: &HashFile,
        version: Option<u64>,
        above: u64,
    ) -> Result<Option<IdFile>, Error> {
        for (_, row) in file.versions().rev().filter(|(listed, _)| match version {
            Some(version) => *listed == version && above == 0,
            None => *listed > above,
        }) {
            if let EntryLocation::PythonFiles(file) = self.locate_entry(row.cache_id).await? {
                return Ok(Some(*file));
            }
        }
        Ok(None)
    }

    /// Adds the entries of the Python service to a page of versions that the manifest lists.
    pub(in crate::cache) async fn join_python_versions(
        &self,
        listed: Option<Versions>,
        file: &HashFile,
        before: Option<u64>,
        limit: usize,
    ) -> Result<Option<Versions>, Error> {
        let before = before.unwrap_or(u64::MAX);
        let wanted = file.versions().rev().filter(|(version, _)| *version < before).take(limit);
        let found = wanted.map(|(version, row)| self.python_version(version, row)).collect::<Vec<_>>();
        let found: Vec<_> = stream::iter(found).buffered(CONCURRENCY).try_collect().await?;
        let of_manifest = listed.as_ref().map_or(&[][..], |listed| &listed.versions);
        let mut versions: Vec<ListedVersion> = found.into_iter().flatten().chain(of_manifest.iter().copied()).collect();
        versions.sort_by_key(|listed| listed.version);
        let count = file.cache_ids.len() as u64 + listed.as_ref().map_or(0, |listed| listed.count);
        let above = listed.as_ref().map_or(0, |listed| listed.latest.version);
        let newest = match self.select_in_python_files(file, None, above).await? {
            Some(newest) => {
                let row = file.versions().find(|(_, row)| row.cache_id == newest.cache_id);
                row.map(|(version, row)| of_python(version, row, newest.strategy))
            }
            None => None,
        };
        let Some(latest) = newest.or(listed.map(|listed| listed.latest)) else { return Ok(None) };
        let versions = versions.split_off(versions.len().saturating_sub(limit));
        Ok(Some(Versions { count, versions, latest }))
    }

    async fn python_version(&self, version: u64, row: &HashFileRow) -> Result<Option<ListedVersion>, Error> {
        let EntryLocation::PythonFiles(file) = self.locate_entry(row.cache_id).await? else { return Ok(None) };
        Ok(Some(of_python(version, row, file.strategy)))
    }
}

fn of_python(version: u64, row: &HashFileRow, strategy: Strategy) -> ListedVersion {
    let HashFileRow { cache_id, timestamp: stored_at, .. } = *row;
    ListedVersion { version, cache_id, stored_at, expires_at: None, strategy: Some(strategy) }
}
