//! Upload: a content that takes another way into the storage than through the service, and then becomes an entry.
//!
//! 1. *Begin* draws an id. The hash of a string or of bytes is the beginning of their SHA-256, which the client announces;
//!    together with a fresh token in the id it names the blob. So the id says everything, and nothing is written yet.
//! 2. The client sends the content, create-only and bound to the announced size and SHA-256: straight to the storage by a
//!    signed request where the backend knows such, else to the service ([`Cache::receive_upload`]).
//! 3. *Complete* checks what is there and lists the entry by the protocol of `store`.
//!
//! A blob that is never completed belongs to nothing, and the sweep removes it when it is old.

mod check;
mod complete;

use std::time::Duration;

use bytes::Bytes;

use crate::content::Digest;
use crate::error::Error;
use crate::ids::{BlobToken, CacheHash, CacheId, CacheKey, FileId, IdParts, Namespace};
use crate::layout::Layout;
use crate::record::Record;
use crate::storage::PresignedRequest;
use crate::strategy::{ContentKind, Strategy};

use super::Cache;
use super::store::{check_strategy, check_views};

/// How long a client may take until it begins to send.
const VALID_FOR: Duration = Duration::from_secs(60 * 60);

/// The largest string, in bytes. Completing reads it, to see that it is UTF-8, and has to get that done within a request: at
/// 60 MB/s this takes 9 seconds.
pub const LARGEST_TEXT_BYTES: u64 = 512 * 1024 * 1024;

/// What is uploaded, and how it is to be found.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct UploadRequest {
    /// Where it lives.
    pub namespace: Namespace,
    /// How it can be found beside its id and hash.
    pub strategy: Strategy,
    /// The readable path it is stored under.
    pub cache_key: Option<CacheKey>,
    /// Its file name under that path. Without a key it has no effect.
    pub file_id: Option<FileId>,
    /// String or binary.
    pub kind: ContentKind,
    /// SHA-256 of its bytes.
    pub sha256: Digest,
    /// Its bytes.
    pub size: u64,
}

/// How large an upload may be.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct UploadLimits {
    /// The largest content, in bytes.
    pub content: u64,
    /// The largest content that is also written as a readable copy, in bytes: it is held in memory for that.
    pub copy: u64,
}

/// An upload that may begin.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Upload {
    /// What it is completed by. It is made as the id of an entry is, and names the blob.
    pub upload_id: CacheId,
    /// The request with which the content goes straight to the storage. `None`: the service has to receive it.
    pub direct: Option<PresignedRequest>,
    /// Until when sending may begin, in milliseconds since 1970 UTC.
    pub expires_at: u64,
}

impl Cache {
    /// Draws an id for a content that is going to be uploaded, and signs the request for it where the storage can.
    ///
    /// Errors: `Invalid` when the content could not become an entry.
    pub async fn begin_upload(&self, request: &UploadRequest, limits: UploadLimits) -> Result<Upload, Error> {
        let cache = self.begin();
        request.check(limits)?;
        let settings = match cache.remembered_settings(&request.namespace) {
            Some(settings) => settings,
            None => cache.settings(&request.namespace).await?,
        };
        check_strategy(&settings, &request.namespace, request.strategy)?;
        let token = BlobToken::fresh(cache.surroundings.random());
        let upload_id = request.draw_id(token, cache.surroundings.random());
        check_views(&request.record(upload_id, BlobToken::PLAIN))?;
        let direct = match (cache.storage.presigner(), upload_id.parts()) {
            (Some(presigner), Some(parts)) => {
                let blob = Layout::new(&request.namespace).blob(&parts.cache_hash, parts.token);
                Some(presigner.presigned_put(&blob, request.size, request.sha256, VALID_FOR).await?)
            }
            _ => None,
        };
        let expires_at = cache.surroundings.now_ms().saturating_add(VALID_FOR.as_millis() as u64);
        Ok(Upload { upload_id, direct, expires_at })
    }

    /// Writes an uploaded content to where its id says; `false` when something was uploaded under this id before.
    ///
    /// Errors: `Invalid` when it is not the content that was announced, or the id is of no upload.
    pub async fn receive_upload(&self, id: CacheId, announced: &UploadRequest, content: Bytes) -> Result<bool, Error> {
        let token = announced.token_in(id)?;
        announced.check_size(content.len() as u64)?;
        announced.check_digest(Digest::of(&content))?;
        let blob = Layout::new(&announced.namespace).blob(&announced.sha256.cache_hash(), token);
        self.create(&blob, content).await
    }
}

impl UploadRequest {
    /// The hash that the entry is going to be found by.
    pub fn cache_hash(&self) -> CacheHash {
        self.sha256.cache_hash()
    }

    /// Refuses what could not become an entry.
    fn check(&self, limits: UploadLimits) -> Result<(), Error> {
        match self.kind {
            ContentKind::String | ContentKind::Binary => {}
            ContentKind::Json | ContentKind::Zip => {
                let message = format!(
                    "{} content cannot be uploaded, because its hash does not follow from the SHA-256 of its bytes: use \
                     'string' or 'binary', or store it",
                    self.kind.name()
                );
                return Err(Error::Invalid { field: "data_type", message });
            }
        }
        let too_large = |limit: u64, advice: &str| {
            let message = format!("is {}, and the limit is {limit} bytes{advice}", self.size);
            Err(Error::Invalid { field: "size", message })
        };
        if self.size == 0 {
            let message = "must be the number of bytes, at least 1: nothing is stored of an empty content".to_owned();
            return Err(Error::Invalid { field: "size", message });
        }
        if self.size > limits.content {
            return too_large(limits.content, " for an upload");
        }
        if self.kind == ContentKind::String && self.size > LARGEST_TEXT_BYTES {
            return too_large(LARGEST_TEXT_BYTES, " for a string: upload it as 'binary'");
        }
        if self.strategy == Strategy::KeyBased && self.size > limits.copy {
            return too_large(
                limits.copy,
                " with key_based, which keeps a readable copy: use another strategy, with a key",
            );
        }
        Ok(())
    }

    fn check_size(&self, size: u64) -> Result<(), Error> {
        if size == self.size {
            return Ok(());
        }
        let message = format!("was announced as {}, but {size} bytes were uploaded: begin a new upload", self.size);
        Err(Error::Invalid { field: "size", message })
    }

    fn check_digest(&self, sha256: Digest) -> Result<(), Error> {
        if sha256 == self.sha256 {
            return Ok(());
        }
        let message = format!(
            "was announced as {}, but the bytes that were uploaded have {sha256}: begin a new upload",
            self.sha256
        );
        Err(Error::Invalid { field: "sha256", message })
    }

    fn draw_id(&self, token: BlobToken, random: u64) -> CacheId {
        let parts = IdParts { cache_hash: self.sha256.cache_hash(), token, strategy: self.strategy, kind: self.kind };
        CacheId::new(&parts, random).expect("the hash of a SHA-256 has 16 digits")
    }

    /// The token of the blob that an upload goes to. The id has to be one that [`Cache::begin_upload`] could have drawn.
    fn token_in(&self, id: CacheId) -> Result<BlobToken, Error> {
        let fits = |parts: &IdParts| {
            parts.cache_hash == self.sha256.cache_hash()
                && parts.strategy == self.strategy
                && parts.kind == self.kind
                && !parts.token.is_plain()
        };
        id.parts().filter(fits).map(|parts| parts.token).ok_or_else(|| Error::Invalid {
            field: "upload_id",
            message: format!(
                "{id} is of no upload of {} content with strategy {} and this sha256: send what POST …/upload answered",
                self.kind.name(),
                self.strategy
            ),
        })
    }

    /// The entry, as it is but for the times.
    fn record(&self, cache_id: CacheId, token: BlobToken) -> Record {
        Record {
            cache_id,
            cache_hash: self.sha256.cache_hash(),
            token,
            sha256: self.sha256,
            size: self.size,
            namespace: self.namespace.clone(),
            strategy: self.strategy,
            kind: self.kind,
            cache_key: self.cache_key.clone(),
            file_id: self.file_id.clone().filter(|_| self.cache_key.is_some()),
            json_field_path: None,
            content_encoding: None,
            stored_at: 0,
            expires_at: None,
            revision: None,
        }
    }
}
