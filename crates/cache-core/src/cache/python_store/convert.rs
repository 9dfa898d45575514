//! All entries that the Python service stored, for those who copy or verify a whole store; and as entries of ours in another one.

use futures::stream::{self, StreamExt, TryStreamExt};

use crate::error::Error;
use crate::ids::{CacheHash, CacheId};
use crate::manifest::ForeignId;
use crate::python_files::{CONFIG_SUFFIX, IdFile, METADATA_SUFFIX};
use crate::storage::ObjectKey;
use crate::time::UnixMillis;

use super::super::alias::ForeignEntry;
use super::super::locate::Reference;
use super::super::{CONCURRENCY, NamespaceCache};
use super::listing::id_of_file;

/// An entry that the Python service stored, as its reference file describes it.
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
    /// What became of it since.
    pub state: PythonEntryState,
    /// The files with its content.
    pub contents: Vec<ObjectKey>,
    /// The folders with its children. They end with `/`.
    pub child_folders: Vec<String>,
}

/// What became of an entry that the Python service stored.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum PythonEntryState {
    /// Nothing.
    Original,
    /// The manifest of its hash lists it as this version.
    InManifest(u64),
    /// It was deleted, but not all of its files are gone.
    Deleted,
}

/// What became of [`NamespaceCache::convert_python_entry`].
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Conversion {
    /// The target lists the entry now. This many bytes were written for it, its children included.
    Converted(u64),
    /// The target had it already.
    Present,
    /// Its content is gone.
    WithoutContent,
}

impl PythonEntry {
    /// Its contents, and the files that accompany them.
    pub fn files(&self) -> impl Iterator<Item = String> {
        self.contents
            .iter()
            .flat_map(|content| ["", CONFIG_SUFFIX, METADATA_SUFFIX].map(|suffix| format!("{content}{suffix}")))
    }
}

impl NamespaceCache {
    /// All entries that the Python service stored, by hash and version.
    ///
    /// # Errors
    ///
    /// `Corrupt` when a reference file cannot be read.
    pub async fn python_entries(&self) -> Result<Vec<PythonEntry>, Error> {
        let mut entries = Vec::new();
        let mut pages = self.list(&self.layout().aliases());
        while let Some(page) = pages.next().await? {
            let reads = page.objects.iter().filter_map(id_of_file).map(async |id| self.python_reference(id).await);
            let found: Vec<_> = stream::iter(reads.collect::<Vec<_>>()).buffered(CONCURRENCY).try_collect().await?;
            entries.extend(found.into_iter().flatten().map(|file| self.described(file)));
        }
        entries.sort_by(|a, b| (&a.cache_hash, a.stored_at).cmp(&(&b.cache_hash, b.stored_at)));
        let hashes = entries.chunk_by_mut(|a, b| a.cache_hash == b.cache_hash).map(async |entries| {
            let file = match entries.first() {
                Some(entry) => self.load_hash_file(&entry.cache_hash).await?,
                None => None,
            };
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

    /// The ids that the reference file of a hash lists; `None` when there is none.
    ///
    /// # Errors
    ///
    /// `Corrupt` when it cannot be read.
    pub async fn python_ids_of(&self, hash: &CacheHash) -> Result<Option<Vec<CacheId>>, Error> {
        let file = self.load_hash_file(hash).await?;
        Ok(file.map(|(file, _)| file.cache_ids.iter().map(|row| row.cache_id).collect()))
    }

    /// Makes an entry of ours, with the same id, in a namespace of another store. Nothing is changed here. Entries with one hash are
    /// converted one after the other, in the order of [`NamespaceCache::python_entries`], so that they keep their versions. They get
    /// their views and are listed under their keys later, by [`NamespaceCache::restore_view`] and
    /// [`NamespaceCache::list_under_its_key`].
    ///
    /// # Errors
    ///
    /// As [`NamespaceCache::retrieve`] and [`NamespaceCache::store`].
    pub async fn convert_python_entry(&self, entry: &PythonEntry, target: &Self) -> Result<Conversion, Error> {
        let (id, hash) = (entry.cache_id, &entry.cache_hash);
        if target.exists(id).await? {
            return Ok(Conversion::Present);
        }
        let Some(file) = self.python_reference(id).await? else { return Ok(Conversion::WithoutContent) };
        let mut size = 0;
        let version = match file.manifest_version {
            Some(version) => version,
            None => {
                let Some(found) = self.find_in_python_files(file, None).await? else {
                    return Ok(Conversion::WithoutContent);
                };
                let Some(bytes) = found.content.bytes() else { return Ok(Conversion::WithoutContent) };
                size += bytes.len() as u64;
                let foreign = ForeignEntry {
                    id: ForeignId { cache_id: id, version: entry.version },
                    nonce: found.entry.nonce,
                    spec: found.entry.spec(),
                };
                target.list_foreign(hash, bytes, &foreign).await?.row.version
            }
        };
        for child in self.children(id, None, true).await?.into_iter().flatten() {
            if let Some(content) = self.retrieve_child(id, &child.name).await? {
                size += content.len() as u64;
                target.write_child(id, &child.name, content).await?;
            }
        }
        // Now the entry is there.
        target.create_alias(id, hash, version).await?;
        Ok(Conversion::Converted(size))
    }

    async fn python_reference(&self, id: CacheId) -> Result<Option<IdFile>, Error> {
        Ok(match self.load_reference(&self.layout().alias(id)).await? {
            Some((Reference::Python(file), _)) => Some(*file),
            Some((Reference::Alias(_) | Reference::Tombstone, _)) | None => None,
        })
    }

    fn described(&self, file: IdFile) -> PythonEntry {
        PythonEntry {
            state: match file.manifest_version {
                _ if file.is_deleted => PythonEntryState::Deleted,
                Some(version) => PythonEntryState::InManifest(version),
                None => PythonEntryState::Original,
            },
            contents: self.python_paths(&file.file_paths.content_files).collect(),
            child_folders: self.python_folders(&file),
            cache_id: file.cache_id,
            cache_hash: file.cache_hash,
            version: None,
            stored_at: file.timestamp,
        }
    }
}
