//! Receiving an upload that the storage signs no request for, in one piece or in parts.

use bytes::Bytes;

use crate::digest::{Sha256Digest, Sha256Hasher};
use crate::error::Error;
use crate::ids::CacheId;
use crate::storage::{ObjectKey, ObjectWriter, StorageError};
use crate::time::UnixMillis;

use super::super::NamespaceCache;
use super::{MAX_SENDING, UploadRequest};

impl NamespaceCache {
    /// Writes an uploaded content to the blob that its id names; `false` when something was uploaded under this id before.
    /// `expires_at` is that of the [`Upload`](super::Upload).
    ///
    /// # Errors
    ///
    /// `Invalid` when it is not the content that was announced, the id is not of this upload, or sending took more than an hour.
    pub async fn receive_upload(
        &self,
        upload_id: CacheId,
        announced: &UploadRequest,
        expires_at: UnixMillis,
        content: Bytes,
    ) -> Result<bool, Error> {
        let token = announced.token_in(upload_id)?;
        self.check_sending_time(expires_at)?;
        announced.check_size(content.len() as u64)?;
        announced.check_digest(Sha256Digest::of(&content))?;
        self.cache.create(&self.layout().blob(&announced.cache_hash(), token), content).await
    }

    /// As [`NamespaceCache::receive_upload`], for a content that comes in parts; `None` when the storage takes it only as a whole.
    ///
    /// # Errors
    ///
    /// `Invalid` when the id is not of this upload; `Unavailable` when the storage does not respond.
    pub async fn receive_in_parts(
        &self,
        upload_id: CacheId,
        announced: &UploadRequest,
        expires_at: UnixMillis,
    ) -> Result<Option<Receiving>, Error> {
        let token = announced.token_in(upload_id)?;
        let Some(parts) = self.cache.storage.parts() else { return Ok(None) };
        let blob = self.layout().blob(&announced.cache_hash(), token);
        let writer = parts.begin().await?;
        let (cache, announced) = (self.clone(), announced.clone());
        Ok(Some(Receiving { cache, announced, expires_at, blob, writer, sha256: Sha256Hasher::default(), size: 0 }))
    }

    fn check_sending_time(&self, expires_at: UnixMillis) -> Result<(), Error> {
        if self.cache.now() >= expires_at.plus(MAX_SENDING) {
            let message = "was announced too long ago for a content that arrives now: begin a new upload";
            return Err(Error::invalid("upload_id", message));
        }
        Ok(())
    }
}

/// An upload that is being received. If it is dropped, nothing is left of it.
pub struct Receiving {
    cache: NamespaceCache,
    announced: UploadRequest,
    expires_at: UnixMillis,
    blob: ObjectKey,
    writer: Box<dyn ObjectWriter>,
    sha256: Sha256Hasher,
    size: u64,
}

impl Receiving {
    /// Appends bytes, which may be more than were announced: that shows in the end.
    ///
    /// # Errors
    ///
    /// Those of the storage. Then the upload is lost.
    pub async fn append(&mut self, part: Bytes) -> Result<(), Error> {
        self.size += part.len() as u64;
        self.sha256.update(&part);
        Ok(self.writer.append(part).await?)
    }

    /// Writes the content to its blob; `false` when something was uploaded under this id before.
    ///
    /// # Errors
    ///
    /// `Invalid` when it is not the content that was announced, or sending took more than an hour.
    pub async fn finish(self) -> Result<bool, Error> {
        self.cache.check_sending_time(self.expires_at)?;
        self.announced.check_size(self.size)?;
        self.announced.check_digest(self.sha256.finish())?;
        match self.writer.create(&self.blob).await {
            Ok(_) => Ok(true),
            Err(StorageError::Precondition { .. }) => Ok(false),
            Err(error) => Err(error.into()),
        }
    }
}
