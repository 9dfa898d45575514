//! The blob of a store: its own, or that of another store with the same content.

use futures::future::OptionFuture;

use crate::error::Error;
use crate::ids::BlobToken;
use crate::manifest::{Location, Manifest, StoredContent};

use super::super::commit::History;
use super::super::load::Loaded;
use super::super::manifest_changes::{ListedEntry, ManifestChange};
use super::Store;

impl Store<'_> {
    pub(super) async fn write_blob_if(&self, wanted: bool) -> Result<Option<BlobToken>, Error> {
        let content = &self.request.content;
        let blob: OptionFuture<_> = wanted.then(|| self.cache.write_blob(content.cache_hash(), content.bytes())).into();
        blob.await.transpose()
    }

    /// The blob of another store that a manifest lists for this content.
    pub(super) fn known_blob(&self, manifest: &Loaded<Manifest>) -> Option<(BlobToken, StoredContent)> {
        let contents = manifest.head.as_ref()?.contents();
        let content = contents.with_sha256(&self.request.content.sha256())?;
        match content.location {
            Location::Blob(token) if self.own_blob != Some(token) => Some((token, content.clone())),
            Location::Blob(_) | Location::Inline(_) => None,
        }
    }

    /// Checks a blob that this store references but did not write, and puts its own in the place of one that is missing or
    /// damaged. Removes its own if it is not needed. `checked` is one that was found intact beside the commit.
    pub(super) async fn check_blob(
        &mut self,
        mut listed: ListedEntry,
        is_ambiguous: bool,
        checked: Option<BlobToken>,
    ) -> Result<ListedEntry, Error> {
        if listed.content.sha256 != self.request.content.sha256() {
            // An update has given the entry another content since.
            return Ok(listed);
        }
        let Location::Blob(token) = listed.content.location else {
            if !is_ambiguous {
                self.remove_own_blob().await;
            }
            return Ok(listed);
        };
        if self.own_blob == Some(token) {
            self.keep_blob(token);
            return Ok(listed);
        }
        let hash = self.request.content.cache_hash().clone();
        let is_intact = match checked {
            Some(checked) if checked == token => true,
            Some(_) | None => self.cache.is_blob_intact(&hash, token, &listed.content).await?,
        };
        if is_intact {
            if !is_ambiguous {
                self.remove_own_blob().await;
            }
            return Ok(listed);
        }
        tracing::error!(namespace = %self.cache.namespace, cache_hash = %hash, %token, "a blob is missing or damaged, and is replaced");
        let replacement = match self.own_blob {
            Some(own) => own,
            None => self.cache.write_blob(&hash, self.request.content.bytes()).await?,
        };
        self.own_blob = Some(replacement);
        let change = ManifestChange::ReplaceBlob { sha256: listed.content.sha256, damaged: token, replacement };
        let manifest = self.load_manifest().await?;
        self.cache.commit(&self.manifest_key, manifest, change, History::since(self.cache.cache.now())).await?;
        listed.content.location = Location::Blob(replacement);
        Ok(listed)
    }

    fn keep_blob(&self, token: BlobToken) {
        let content = &self.request.content;
        let key = self.cache.layout().blob(content.cache_hash(), token);
        self.cache.cache.shared.objects.keep_blob(&key, content.bytes(), content.sha256());
    }

    pub(super) async fn remove_own_blob(&mut self) {
        if let Some(token) = self.own_blob.take() {
            let key = self.cache.layout().blob(self.request.content.cache_hash(), token);
            self.cache.cache.remove_garbage(&key).await;
        }
    }
}
