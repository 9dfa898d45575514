//! The blob of a store: its own, or that of another store with the same content.

use futures::future::OptionFuture;

use crate::error::Error;
use crate::ids::BlobToken;
use crate::manifest::{Location, Manifest, StoredContent};

use super::super::content::OwnBlob;
use super::super::head::Loaded;
use super::super::manifest_changes::ListedEntry;
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
    /// damaged. Removes its own if it is not needed. `intact` is one that was found intact beside the commit.
    pub(super) async fn check_blob(
        &mut self,
        mut listed: ListedEntry,
        is_ambiguous: bool,
        intact: Option<BlobToken>,
    ) -> Result<ListedEntry, Error> {
        let (hash, sha256) = (self.request.content.cache_hash(), self.request.content.sha256());
        match self.cache.own_blob(hash, sha256, self.own_blob, &listed, is_ambiguous, intact).await? {
            OwnBlob::Referenced => self.keep_blob(),
            OwnBlob::Kept => {}
            OwnBlob::Unused => self.remove_own_blob().await,
            OwnBlob::Replaces(damaged) => {
                let replacement = match self.own_blob {
                    Some(own) => own,
                    None => self.cache.write_blob(hash, self.request.content.bytes()).await?,
                };
                self.own_blob = Some(replacement);
                self.cache.replace_blob(hash, sha256, damaged, replacement).await?;
                listed.content.location = Location::Blob(replacement);
            }
        }
        Ok(listed)
    }

    /// Keeps the own blob in memory.
    fn keep_blob(&self) {
        let (Some(token), content) = (self.own_blob, &self.request.content) else { return };
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
