//! Aliases: ids that do not say which manifest lists their entry, because this service did not make them.
//!
//! The manifest lists the entry first, under its own id; then the alias says where. An alias whose entry is gone becomes a
//! tombstone, and may be replaced: ids of fixtures are used again and again.
//!
//! The Python service keeps the reference file of an entry under the same path: see `python_store`.

use std::sync::Arc;

use bytes::Bytes;

use crate::content::Content;
use crate::digest::Sha256Digest;
use crate::entry::Entry;
use crate::error::Error;
use crate::ids::{CacheHash, CacheId};
use crate::manifest::codec::to_json;
use crate::manifest::{ContentSource, EntrySpec, ForeignId, InsertError, Manifest, NewContent, NewEntry};
use crate::nonce::Nonce;
use crate::python_files::IdFile;
use crate::storage::{PutMode, StorageError};
use crate::strategy::Strategy;
use crate::time::UnixMillis;

use super::NamespaceCache;
use super::backoff::Backoff;
use super::commit::CommitContext;
use super::load::Part;
use super::locate::{Alias, Reference, TOMBSTONE};
use super::manifest_changes::{Insert, ListedEntry, ManifestChange, ManifestOutcome, Target};

/// How often an entry looks for a place for its content.
const MAX_PLACES: usize = 8;

/// An entry with an id that this service did not make.
pub(super) struct ForeignEntry {
    pub(super) id: ForeignId,
    /// Equal for all that try to list it.
    pub(super) nonce: Nonce,
    pub(super) spec: EntrySpec,
}

impl NamespaceCache {
    /// Stores a content by the strategy `direct` under a given id; `None` when there is an entry with that id.
    ///
    /// # Errors
    ///
    /// As [`NamespaceCache::store`].
    pub async fn store_with_id(&self, id: CacheId, content: Content) -> Result<Option<Entry>, Error> {
        let this = self.with_default_deadline();
        let alias_key = this.layout().alias(id);
        let mut backoff = Backoff::new(&this.cache);
        loop {
            let existing = this.load_reference(&alias_key).await?;
            match &existing {
                Some((Reference::Alias(alias), _)) if this.is_alias_live(id, alias).await? => return Ok(None),
                Some((Reference::Python(file), _)) if this.is_python_entry_live(file).await? => return Ok(None),
                Some(_) | None => {}
            }
            let foreign = ForeignEntry {
                id: ForeignId { cache_id: id, version: None },
                nonce: Nonce::from_random(this.cache.random()),
                spec: fixture_spec(&content, this.cache.now()),
            };
            let listed = this.list_foreign(content.cache_hash(), content.bytes(), &foreign).await?;
            let alias = Alias { cache_hash: content.cache_hash().clone(), version: listed.row.version };
            let mode = existing.map_or(PutMode::Create, |(_, version)| PutMode::Update(version));
            match this.cache.storage.put(&alias_key, to_json(&alias).into(), mode).await {
                Ok(_) => return Ok(Some(listed.entry(&self.namespace, content.cache_hash()))),
                Err(StorageError::Precondition { .. } | StorageError::Unavailable { .. }) => {}
                Err(error) => return Err(error.into()),
            }
            // What became of the alias decides: if it names this entry, all is well; else the entry is taken back.
            if let Some((Reference::Alias(now), _)) = this.load_reference(&alias_key).await?
                && now == alias
            {
                return Ok(Some(listed.entry(&self.namespace, content.cache_hash())));
            }
            this.remove_from_manifest(content.cache_hash(), Target { cache_id: id, version: alias.version }).await?;
            backoff.wait(&alias_key).await?;
        }
    }

    async fn is_alias_live(&self, id: CacheId, alias: &Alias) -> Result<bool, Error> {
        self.is_in_manifest(&alias.cache_hash, Target { cache_id: id, version: alias.version }).await
    }

    /// Lists an entry under an id that does not follow from its hash.
    pub(super) async fn list_foreign(
        &self,
        cache_hash: &CacheHash,
        bytes: &Bytes,
        foreign: &ForeignEntry,
    ) -> Result<ListedEntry, Error> {
        let ForeignEntry { id, nonce, spec } = foreign;
        let key = self.layout().manifest(cache_hash);
        let first_version = self.first_version(cache_hash).await?;
        let mut loaded = self.load::<Manifest>(&key, Part::Whole).await?;
        let (sha256, size) = (Sha256Digest::of(bytes), bytes.len() as u64);
        let mut source = match size <= self.cache.shared.limits.max_inline_bytes {
            true => self.inline_source(bytes),
            false => ContentSource::Listed,
        };
        // An earlier call may have listed it.
        let context = CommitContext { check_existing: true, ..CommitContext::since(self.cache.now()) };
        for _ in 0..MAX_PLACES {
            let content = NewContent { sha256, size, source };
            let entry = NewEntry { nonce: *nonce, spec: spec.clone(), content, foreign_id: Some(*id) };
            let insert = Insert { cache_hash: cache_hash.clone(), entry, first_version };
            let change = ManifestChange::Insert(Arc::new(insert));
            let applied = self.commit(&key, loaded, change, context).await?;
            match applied.outcome {
                ManifestOutcome::Listed(listed) => return Ok(*listed),
                ManifestOutcome::NoPlace(
                    InsertError::NeedsBlob
                    | InsertError::TokenRetired
                    | InsertError::ContentMissing
                    | InsertError::VersionsExhausted,
                ) => source = ContentSource::Blob(self.write_blob(cache_hash, bytes).await?),
                ManifestOutcome::AlreadyRemoved(_)
                | ManifestOutcome::Removed { .. }
                | ManifestOutcome::NotListed
                | ManifestOutcome::Revised(_)
                | ManifestOutcome::KindRefused(_)
                | ManifestOutcome::Changed => break,
            }
            loaded = applied.state;
        }
        Err(Error::unavailable(format!("{key} could not list the entry {}: retry later", id.cache_id)))
    }

    /// Makes an alias lead to an entry, unless there is one.
    pub(super) async fn create_alias(&self, id: CacheId, hash: &CacheHash, version: u64) -> Result<bool, Error> {
        let alias = Alias { cache_hash: hash.clone(), version };
        self.cache.create(&self.layout().alias(id), to_json(&alias)).await
    }

    /// Whether the Python service's reference file leads to an entry that is there.
    async fn is_python_entry_live(&self, file: &IdFile) -> Result<bool, Error> {
        match file.manifest_version {
            _ if file.is_deleted => Ok(false),
            Some(version) => self.is_in_manifest(&file.cache_hash, Target { cache_id: file.cache_id, version }).await,
            None => Ok(true),
        }
    }

    /// Makes a tombstone of the alias of an entry that is gone. The files of the Python service go, if there are any; their paths
    /// are returned.
    pub(super) async fn retire_alias(&self, id: CacheId) -> Result<Vec<String>, Error> {
        let key = self.layout().alias(id);
        match self.load_reference(&key).await? {
            Some((Reference::Alias(alias), version)) if !self.is_alias_live(id, &alias).await? => {
                match self.cache.storage.put(&key, TOMBSTONE.into(), PutMode::Update(version)).await {
                    // Refused: it names another entry by now.
                    Ok(_) | Err(StorageError::Precondition { .. }) => Ok(Vec::new()),
                    Err(error) => Err(error.into()),
                }
            }
            Some((Reference::Python(file), version)) if !self.is_python_entry_live(&file).await? => {
                self.remove_python_files(*file, version).await
            }
            Some(_) | None => Ok(Vec::new()),
        }
    }
}

fn fixture_spec(content: &Content, stored_at: UnixMillis) -> EntrySpec {
    EntrySpec {
        strategy: Strategy::Direct,
        kind: content.kind(),
        cache_key: None,
        file_id: None,
        json_field_path: content.json_field_path().map(ToString::to_string),
        content_encoding: content.content_encoding().map(ToOwned::to_owned),
        stored_at,
        expires_at: None,
    }
}
