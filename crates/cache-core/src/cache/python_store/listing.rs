//! What a namespace holds: hashes and counts. Ids are listed beside those of aliases, which lie under the same paths.

use std::collections::BTreeSet;

use futures::stream::{self, StreamExt, TryStreamExt};

use crate::error::Error;
use crate::ids::{CacheHash, CacheId};
use crate::layout::ObjectKind;
use crate::manifest::Manifest;
use crate::storage::ListedObject;

use super::super::load::Part;
use super::super::locate::{EntryLocation, is_id_file};
use super::super::namespaces::Stats;
use super::super::{CONCURRENCY, NamespaceCache};

impl NamespaceCache {
    /// Hashes with a reference file after this one, at most `max`.
    pub(in crate::cache) async fn python_hashes(
        &self,
        after: Option<&CacheHash>,
        max: usize,
    ) -> Result<BTreeSet<CacheHash>, Error> {
        let mut hashes = BTreeSet::new();
        if !self.may_hold_python_entries().await? {
            return Ok(hashes);
        }
        let layout = self.layout();
        let mut pages = self.list(&layout.manifests()).after(after.map(|hash| layout.hash_reference(hash).to_string()));
        while let Some(page) = pages.next().await?.filter(|_| hashes.len() < max) {
            hashes.extend(page.objects.iter().filter_map(hash_of_file));
        }
        Ok(hashes)
    }

    /// Adds the entries of the Python service to counts of the others. Each reference file is read.
    pub(in crate::cache) async fn add_python_stats(&self, stats: &mut Stats) -> Result<(), Error> {
        if !self.may_hold_python_entries().await? {
            return Ok(());
        }
        let mut pages = self.list(&self.layout().aliases());
        while let Some(page) = pages.next().await? {
            let reads = page.objects.iter().filter_map(id_of_file).map(async |id| self.locate_entry(id).await);
            let locations = stream::iter(reads.collect::<Vec<_>>()).buffered(CONCURRENCY);
            let locations: Vec<EntryLocation> = locations.try_collect().await?;
            for location in locations {
                if let EntryLocation::PythonFiles(file) = location {
                    stats.entries[file.strategy as usize] += 1;
                    stats.ids += 1;
                }
            }
        }
        for hash in self.python_hashes(None, usize::MAX).await? {
            // Those with entries of ours as well are counted already.
            let manifest = self.load::<Manifest>(&self.layout().manifest(&hash), Part::Head).await?.head;
            stats.hashes += u64::from(manifest.is_none_or(|manifest| manifest.counts().is_zero()));
        }
        Ok(())
    }
}

/// The id whose reference file of the Python service this may be.
pub(super) fn id_of_file(object: &ListedObject) -> Option<CacheId> {
    let (_, ObjectKind::Alias(id)) = ObjectKind::of(&object.key.parse().ok()?)? else { return None };
    (id.parts().is_none() && is_id_file(object)).then_some(id)
}

fn hash_of_file(object: &ListedObject) -> Option<CacheHash> {
    let (_, ObjectKind::HashFile(hash)) = ObjectKind::of(&object.key.parse().ok()?)? else { return None };
    Some(hash)
}
