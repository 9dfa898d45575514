//! Entries of the Python service as entries of ours, in another store.

use futures::stream::{self, StreamExt, TryStreamExt};

use crate::error::Error;
use crate::ids::{CacheHash, CacheId};
use crate::manifest::{EntrySpec, ForeignId};
use crate::time::UnixMillis;

use super::super::alias::{ForeignEntry, Place};
use super::super::{CONCURRENCY, NamespaceCache};
use super::listing::id_of_file;

/// An entry of the Python service, as its reference file describes it.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct PythonEntry {
    /// Its id.
    pub cache_id: CacheId,
    /// Its hash.
    pub cache_hash: CacheHash,
    /// Its version under the hash; `None` when the reference file of the hash does not list it.
    pub version: Option<u64>,
    /// When it was stored.
    pub stored_at: UnixMillis,
}

/// What became of [`NamespaceCache::convert_python_entry`].
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Conversion {
    /// The target lists the entry now. It has this many bytes, its children included.
    Converted(u64),
    /// The target had it already.
    Present,
    /// Its content is gone.
    WithoutContent,
}

impl NamespaceCache {
    /// The entries of the Python service that were not changed since, by hash and version.
    ///
    /// # Errors
    ///
    /// `Corrupt` when a reference file cannot be read.
    pub async fn python_entries(&self) -> Result<Vec<PythonEntry>, Error> {
        let mut entries = Vec::new();
        let mut pages = self.list(&self.layout().aliases());
        while let Some(page) = pages.next().await? {
            let reads =
                page.objects.iter().filter_map(id_of_file).map(async |id| self.place_of(id).await).collect::<Vec<_>>();
            let places: Vec<Place> = stream::iter(reads).buffered(CONCURRENCY).try_collect().await?;
            entries.extend(places.into_iter().filter_map(|place| match place {
                Place::PythonFiles(file) => {
                    let (cache_id, cache_hash, stored_at) = (file.cache_id, file.cache_hash, file.timestamp);
                    Some(PythonEntry { cache_id, cache_hash, version: None, stored_at })
                }
                Place::Manifest(..) | Place::PythonRemains | Place::Gone | Place::Unknown => None,
            }));
        }
        entries.sort_by(|a, b| (&a.cache_hash, a.stored_at).cmp(&(&b.cache_hash, b.stored_at)));
        let hashes = entries.chunk_by_mut(|a, b| a.cache_hash == b.cache_hash).map(async |entries| {
            let file = self.load_hash_file(&entries[0].cache_hash).await?;
            for entry in entries.iter_mut() {
                entry.version = file.as_ref().and_then(|(file, _)| file.version_of(entry.cache_id));
            }
            // Those without a version come last, and get the next ones.
            entries.sort_by_key(|entry| entry.version.unwrap_or(u64::MAX));
            Ok::<_, Error>(())
        });
        stream::iter(hashes.collect::<Vec<_>>()).buffered(CONCURRENCY).try_collect::<Vec<()>>().await?;
        Ok(entries)
    }

    /// Makes an entry of ours, with the same id, in a namespace of another store. Nothing is changed here. Entries with one hash are
    /// converted one after the other, in the order of [`NamespaceCache::python_entries`], so that they keep their versions. They are
    /// listed under their keys later, by [`NamespaceCache::list_under_its_key`].
    ///
    /// # Errors
    ///
    /// As [`NamespaceCache::retrieve`] and [`NamespaceCache::store`].
    pub async fn convert_python_entry(&self, entry: &PythonEntry, target: &Self) -> Result<Conversion, Error> {
        let id = entry.cache_id;
        if target.exists(id).await? {
            return Ok(Conversion::Present);
        }
        let Place::PythonFiles(file) = self.place_of(id).await? else { return Ok(Conversion::WithoutContent) };
        let Some(found) = self.find_in_python_files(*file, None).await? else { return Ok(Conversion::WithoutContent) };
        let Some(bytes) = found.content.bytes() else { return Ok(Conversion::WithoutContent) };
        let mut size = bytes.len() as u64;
        for child in self.children(id, None, true).await?.into_iter().flatten() {
            if let Some(content) = self.retrieve_child(id, &child.name).await? {
                size += content.len() as u64;
                target.write_child(id, &child.name, content).await?;
            }
        }
        let foreign = ForeignEntry {
            id: ForeignId { cache_id: id, version: entry.version },
            nonce: found.entry.nonce,
            spec: EntrySpec::of(&found.entry),
        };
        let listed = target.list_foreign(&entry.cache_hash, bytes, &foreign).await?;
        target.create_alias(id, &entry.cache_hash, listed.row.version).await?;
        Ok(Conversion::Converted(size))
    }
}
