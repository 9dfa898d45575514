//! Upload: a content that is sent to the storage directly, and then becomes an entry.
//!
//! 1. *Begin* draws an upload id. The hash of a string or of bytes is the beginning of their SHA-256, which the client
//!    announces; together with a new token in the id it names the blob. So the id says everything, and nothing is written yet.
//!    With an `Idempotency-Key` the id is derived instead of drawn, so a repeat leads to the same blob and the same entry.
//! 2. The client sends the content, create-only and bound to the announced size and SHA-256: directly to the storage by a
//!    presigned request where the backend supports that, else to the service ([`NamespaceCache::receive_upload`], or in parts
//!    [`NamespaceCache::receive_in_parts`]).
//! 3. *Complete* checks what is there and lists the entry as a store does, with a nonce that follows from the upload id. So
//!    completing it again, also at the same time, finds the same entry.
//!
//! A blob that is never completed belongs to nothing, and the sweep removes it when it is old.

mod check;
mod complete;
mod receive;
mod repeat;

use std::time::Duration;

use crate::digest::Sha256Digest;
use crate::entry::{ContentInfo, Entry};
use crate::error::Error;
use crate::ids::{BlobToken, CacheHash, CacheId, CacheKey, FileId, IdParts, Locator, Namespace};
use crate::manifest::EntrySpec;
use crate::nonce::{Nonce, NonceOrigin};
use crate::storage::PresignedRequest;
use crate::strategy::{ContentKind, Strategy};
use crate::time::UnixMillis;

pub use self::receive::Receiving;

use super::{IdempotencyKey, NamespaceCache};

/// How long a client may take until it begins to send.
const PRESIGNED_PUT_TTL: Duration = Duration::from_secs(60 * 60);
/// How long after that a content may arrive at the service. Afterwards the sweep may have removed a content that was sent under
/// the same id before, and the name of a blob must not be used again.
const MAX_SENDING: Duration = Duration::from_secs(60 * 60);

/// The largest string, in bytes. Completing reads it, to see that it is UTF-8, and has to get that done within a request: at
/// 60 MB/s this takes 9 seconds.
pub const MAX_TEXT_UPLOAD_BYTES: u64 = 512 * 1024 * 1024;

/// What is uploaded, and how it is to be found.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct UploadRequest {
    /// How it can be found beside its id and hash.
    pub strategy: Strategy,
    /// The readable path it is stored under.
    pub cache_key: Option<CacheKey>,
    /// Its file name under that path. Without a key it has no effect.
    pub file_id: Option<FileId>,
    /// String or binary.
    pub kind: ContentKind,
    /// SHA-256 of its bytes.
    pub sha256: Sha256Digest,
    /// Its bytes.
    pub size: u64,
}

/// How large an upload may be.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct UploadLimits {
    /// The largest content, in bytes.
    pub content: u64,
    /// The largest content that is also written as a readable copy, in bytes: storages that cannot copy an object themselves hold
    /// it in memory for that.
    pub copy: u64,
}

/// An upload that may begin.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Upload {
    /// What it is completed by. It is made as the id of an entry is, and names the blob.
    pub upload_id: CacheId,
    /// The request with which the content goes straight to the storage. `None`: the service has to receive it.
    pub direct: Option<PresignedRequest>,
    /// Until when sending may begin.
    pub expires_at: UnixMillis,
}

impl NamespaceCache {
    /// Draws an id for a content that is going to be uploaded, and signs the request for it where the storage can. All repeats
    /// with one idempotency key get the same id.
    ///
    /// # Errors
    ///
    /// `Invalid` when the content could not become an entry; `Unavailable` when the storage does not respond, or the process was
    /// frozen meanwhile.
    pub async fn begin_upload(
        &self,
        request: &UploadRequest,
        limits: UploadLimits,
        idempotency_key: Option<&IdempotencyKey>,
    ) -> Result<Upload, Error> {
        request.check(limits)?;
        let started_at = self.cache.now();
        let settings = match self.cached_settings() {
            Some(cached) => cached.settings,
            None => self.settings().await?,
        };
        self.check_strategy(&settings, request.strategy)?;
        self.check_quota(&settings, request.size).await?;
        let upload_id = match idempotency_key {
            Some(key) => self.repeatable_id(request, key).await?,
            None => request.make_id(self.cache.random()),
        };
        let token = request.token_in(upload_id)?;
        let now = self.cache.now();
        self.check_views(&request.entry(&self.namespace, upload_id, now))?;
        let direct = match self.cache.storage.presigner() {
            Some(presigner) => {
                let blob = self.layout().blob(&request.cache_hash(), token);
                Some(presigner.presigned_put(&blob, request.size, request.sha256, PRESIGNED_PUT_TTL).await?)
            }
            None => None,
        };
        // A derived id is that of the window in which it was derived. Who is told it long after that would send to a blob which the
        // sweep may have removed.
        self.check_operation_time(started_at)?;
        Ok(Upload { upload_id, direct, expires_at: now.plus(PRESIGNED_PUT_TTL) })
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
        if self.kind == ContentKind::String && self.size > MAX_TEXT_UPLOAD_BYTES {
            return too_large(MAX_TEXT_UPLOAD_BYTES, " for a string: upload it as 'binary'");
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

    fn check_digest(&self, sha256: Sha256Digest) -> Result<(), Error> {
        if sha256 == self.sha256 {
            return Ok(());
        }
        let message = format!(
            "was announced as {}, but the bytes that were uploaded have {sha256}: begin a new upload",
            self.sha256
        );
        Err(Error::Invalid { field: "sha256", message })
    }

    /// Everything that makes it this upload and no other one of the same caller.
    fn id_parts(&self) -> [&[u8]; 6] {
        [
            b"upload",
            self.sha256.as_bytes(),
            self.strategy.name().as_bytes(),
            self.kind.name().as_bytes(),
            self.cache_key.as_ref().map_or("", CacheKey::as_str).as_bytes(),
            self.file_id.as_ref().map_or("", FileId::as_str).as_bytes(),
        ]
    }

    /// The id with these bits, of which it takes 52: 32 in the place of the version, and the 20 above them as the token.
    fn make_id(&self, bits: u64) -> CacheId {
        let token = BlobToken::from_random(bits >> 32);
        let locator = Locator::Blob { version: bits & Locator::MAX_BLOB_VERSION, token };
        let parts = IdParts { cache_hash: self.cache_hash(), strategy: self.strategy, kind: self.kind, locator };
        CacheId::new(&parts).expect("the hash of a SHA-256 has 16 digits, and the random bits fit")
    }

    /// The token of the blob that an upload goes to. The id has to be one that [`NamespaceCache::begin_upload`] could have
    /// drawn.
    fn token_in(&self, upload_id: CacheId) -> Result<BlobToken, Error> {
        let fits = |parts: &IdParts| {
            parts.cache_hash == self.cache_hash() && parts.strategy == self.strategy && parts.kind == self.kind
        };
        let token = upload_id.parts().filter(fits).and_then(|parts| parts.locator.token());
        token.ok_or_else(|| {
            let message = format!(
                "{upload_id} does not match this data_type, strategy and sha256: use the upload_id returned by POST …/upload"
            );
            Error::invalid("upload_id", message)
        })
    }

    /// The nonce of all completions of an upload.
    fn nonce(upload_id: CacheId) -> Nonce {
        Nonce::derived(NonceOrigin::Upload, &[upload_id.as_bytes()])
    }

    fn spec(&self, stored_at: UnixMillis, expires_at: Option<UnixMillis>) -> EntrySpec {
        EntrySpec {
            strategy: self.strategy,
            kind: self.kind,
            cache_key: self.cache_key.clone(),
            file_id: self.file_id.clone().filter(|_| self.cache_key.is_some()),
            json_field_path: None,
            content_encoding: None,
            stored_at,
            expires_at,
        }
    }

    /// The entry as it would be, to check its paths.
    fn entry(&self, namespace: &Namespace, cache_id: CacheId, stored_at: UnixMillis) -> Entry {
        let spec = self.spec(stored_at, None);
        Entry {
            namespace: namespace.clone(),
            cache_id,
            cache_hash: self.cache_hash(),
            version: 0,
            strategy: spec.strategy,
            cache_key: spec.cache_key,
            file_id: spec.file_id,
            json_field_path: None,
            stored_at,
            expires_at: None,
            content: ContentInfo {
                kind: self.kind,
                sha256: self.sha256,
                size: self.size,
                content_encoding: None,
                blob: None,
            },
            revision: None,
            python_files: None,
            nonce: Self::nonce(cache_id),
        }
    }
}
