//! Aliases: ids that do not say which manifest lists their entry, because this service did not make them.
//!
//! The manifest lists the entry first, under its own id; then the alias says where. An alias whose entry is gone becomes a
//! tombstone, and may be replaced: ids of fixtures are used again and again.

use std::sync::Arc;

use serde::{Deserialize, Serialize};

use crate::content::Content;
use crate::entry::Entry;
use crate::error::Error;
use crate::ids::{CacheHash, CacheId};
use crate::manifest::codec::to_json;
use crate::manifest::{ContentSource, EntrySpec, InsertError, Manifest, NewContent, NewEntry};
use crate::nonce::Nonce;
use crate::storage::{GetOptions, GetResult, ObjectKey, PutMode, StorageError, Version};
use crate::strategy::Strategy;

use super::NamespaceCache;
use super::backoff::Backoff;
use super::commit::History;
use super::load::Part;
use super::manifest_changes::{Insert, ListedEntry, ManifestChange, ManifestOutcome, Target};

/// What an alias whose entry is gone consists of.
const TOMBSTONE: &[u8] = b"{}";
/// How often an entry looks for a place for its content.
const MAX_PLACES: usize = 8;

/// Where the entry of an id is.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
struct Alias {
    cache_hash: CacheHash,
    version: u64,
}

impl NamespaceCache {
    /// Which manifest may list an entry, and as which version: by what its id says, else by its alias. `None` when there is no
    /// such entry.
    pub(super) async fn place_of(&self, id: CacheId) -> Result<Option<(CacheHash, Target)>, Error> {
        if let Some(parts) = id.parts() {
            return Ok(Some((parts.cache_hash, Target { cache_id: id, version: parts.locator.version() })));
        }
        let alias = self.load_alias(&self.layout().alias(id)).await?.and_then(|(alias, _)| alias);
        Ok(alias.map(|alias| (alias.cache_hash, Target { cache_id: id, version: alias.version })))
    }

    /// An alias and its version; the alias is `None` when its entry is gone.
    async fn load_alias(&self, key: &ObjectKey) -> Result<Option<(Option<Alias>, Version)>, Error> {
        let found = self.cache.storage.get(key, &GetOptions::default()).await?;
        let Some(object) = found.and_then(GetResult::into_object) else { return Ok(None) };
        if object.bytes == TOMBSTONE {
            return Ok(Some((None, object.version)));
        }
        let alias = serde_json::from_slice(&object.bytes).map_err(|error| Error::corrupt(key, error))?;
        Ok(Some((Some(alias), object.version)))
    }

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
            let existing = this.load_alias(&alias_key).await?;
            if let Some((Some(alias), _)) = &existing
                && this.is_alias_live(id, alias).await?
            {
                return Ok(None);
            }
            let listed = this.insert_with_id(id, &content).await?;
            let alias = Alias { cache_hash: content.cache_hash().clone(), version: listed.row.version };
            let mode = existing.map_or(PutMode::Create, |(_, version)| PutMode::Update(version));
            match this.cache.storage.put(&alias_key, to_json(&alias).into(), mode).await {
                Ok(_) => return Ok(Some(listed.entry(&self.namespace, content.cache_hash()))),
                Err(StorageError::Precondition { .. } | StorageError::Unavailable { .. }) => {}
                Err(error) => return Err(error.into()),
            }
            // What became of the alias decides: if it names this entry, all is well; else the entry is taken back.
            let now = this.load_alias(&alias_key).await?.and_then(|(alias, _)| alias);
            if now.as_ref() == Some(&alias) {
                return Ok(Some(listed.entry(&self.namespace, content.cache_hash())));
            }
            this.remove_from_manifest(content.cache_hash(), Target { cache_id: id, version: alias.version }).await?;
            backoff.wait(&alias_key).await?;
        }
    }

    async fn is_alias_live(&self, id: CacheId, alias: &Alias) -> Result<bool, Error> {
        self.is_in_manifest(&alias.cache_hash, Target { cache_id: id, version: alias.version }).await
    }

    async fn insert_with_id(&self, id: CacheId, content: &Content) -> Result<ListedEntry, Error> {
        let key = self.layout().manifest(content.cache_hash());
        let mut loaded = self.load::<Manifest>(&key, Part::Whole).await?;
        let size = content.bytes().len() as u64;
        let mut source = match size <= self.cache.shared.limits.max_inline_bytes {
            true => self.inline_source(content.bytes()),
            false => ContentSource::Listed,
        };
        let spec = EntrySpec {
            strategy: Strategy::Direct,
            kind: content.kind(),
            cache_key: None,
            file_id: None,
            json_field_path: content.json_field_path().map(ToString::to_string),
            content_encoding: content.content_encoding().map(ToOwned::to_owned),
            stored_at: self.cache.now(),
            expires_at: None,
        };
        let nonce = Nonce::from_random(self.cache.random());
        for _ in 0..MAX_PLACES {
            let content_ref = NewContent { sha256: content.sha256(), size, source };
            let entry = NewEntry { nonce, spec: spec.clone(), content: content_ref, foreign_id: Some(id) };
            let insert = Insert { cache_hash: content.cache_hash().clone(), entry };
            let applied = self
                .commit(&key, loaded, ManifestChange::Insert(Arc::new(insert)), History::since(self.cache.now()))
                .await?;
            match applied.outcome {
                ManifestOutcome::Listed(listed) => return Ok(*listed),
                ManifestOutcome::NoPlace(
                    InsertError::NeedsBlob
                    | InsertError::TokenRetired
                    | InsertError::ContentMissing
                    | InsertError::VersionsExhausted,
                ) => source = ContentSource::Blob(self.write_blob(content.cache_hash(), content.bytes()).await?),
                ManifestOutcome::AlreadyRemoved(_)
                | ManifestOutcome::Removed { .. }
                | ManifestOutcome::NotListed
                | ManifestOutcome::Revised(_)
                | ManifestOutcome::KindRefused(_)
                | ManifestOutcome::Changed => break,
            }
            loaded = applied.state;
        }
        Err(Error::unavailable(format!("{key} could not list the entry {id}: retry later")))
    }

    /// Makes a tombstone of the alias of an entry that is gone.
    pub(super) async fn retire_alias(&self, id: CacheId) -> Result<(), Error> {
        let key = self.layout().alias(id);
        let Some((Some(alias), version)) = self.load_alias(&key).await? else { return Ok(()) };
        if self.is_alias_live(id, &alias).await? {
            return Ok(());
        }
        match self.cache.storage.put(&key, TOMBSTONE.into(), PutMode::Update(version)).await {
            // Refused: it names another entry by now.
            Ok(_) | Err(StorageError::Precondition { .. }) => Ok(()),
            Err(error) => Err(error.into()),
        }
    }
}
