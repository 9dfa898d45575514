//! Files of the Python service: which belong to an entry, and which do not.

use std::collections::HashSet;

use cache_core::cache::PythonEntryState;
use cache_core::error::Error;
use cache_core::ids::CacheId;
use cache_core::layout::ObjectKind;
use cache_core::python_files::{CONFIG_SUFFIX, METADATA_SUFFIX};

use super::{FindingKind, Space, VerifyReport};
use crate::listing::for_each;
use crate::retry::retry;

impl Space<'_> {
    /// Files of the Python service, compared with its reference files.
    pub(super) async fn python_files(&self, report: &mut VerifyReport) -> Result<(), Error> {
        let entries = match self.cache.python_entries().await {
            Err(Error::Corrupt { object, .. }) => {
                report.find_unreadable(object);
                return Ok(());
            }
            entries => entries?,
        };
        let mut owned: HashSet<String> = HashSet::new();
        for entry in &entries {
            owned.extend(entry.contents.iter().map(ToString::to_string));
            let reference = self.layout().alias(entry.cache_id);
            match entry.state {
                PythonEntryState::Original => {
                    report.python_entries += 1;
                    let content = match entry.contents.first() {
                        Some(content) => retry(|| self.storage.head(content)).await?,
                        None => None,
                    };
                    if content.is_none() {
                        report.find(FindingKind::PythonEntryWithoutContent, &reference, vec![entry.cache_id]);
                    }
                }
                PythonEntryState::InManifest(_) => {}
                PythonEntryState::Deleted => {
                    report.find(FindingKind::PythonLeftover, &reference, vec![entry.cache_id]);
                }
            }
        }
        let originals: HashSet<CacheId> = entries
            .iter()
            .filter(|entry| entry.state == PythonEntryState::Original)
            .map(|entry| entry.cache_id)
            .collect();
        self.python_hash_files(report, &originals).await?;
        for_each(&**self.storage, &format!("{}/data/", self.namespace), |object| {
            let content = [METADATA_SUFFIX, CONFIG_SUFFIX].iter().find_map(|suffix| object.key.strip_suffix(suffix));
            let is_leftover = content.is_some_and(|content| !owned.contains(content));
            if let Some(key) = object.key.parse().ok().filter(|_| is_leftover) {
                report.find(FindingKind::PythonLeftover, &key, Vec::new());
            }
        })
        .await
    }

    async fn python_hash_files(&self, report: &mut VerifyReport, originals: &HashSet<CacheId>) -> Result<(), Error> {
        let mut hashes = Vec::new();
        for_each(&**self.storage, &self.layout().manifests(), |object| {
            if let Some((_, ObjectKind::HashFile(hash))) = object.key.parse().ok().as_ref().and_then(ObjectKind::of) {
                hashes.push(hash);
            }
        })
        .await?;
        for hash in hashes {
            let key = self.layout().hash_reference(&hash);
            match self.cache.python_ids_of(&hash).await {
                Ok(ids) => {
                    let gone: Vec<CacheId> = ids.into_iter().flatten().filter(|id| !originals.contains(id)).collect();
                    if !gone.is_empty() {
                        report.find(FindingKind::PythonLeftover, &key, gone);
                    }
                }
                Err(Error::Corrupt { object, .. }) => {
                    report.find_unreadable(object);
                }
                Err(err) => return Err(err),
            }
        }
        Ok(())
    }
}
