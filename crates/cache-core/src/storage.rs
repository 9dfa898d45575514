//! The storage port: what core needs from the place where objects are kept.
//!
//! The contract, which `cache_storage::conformance` holds every backend to:
//!
//! - **Whole objects.** A write is all or nothing. No reader ever sees half an object, and an object that was
//!   acknowledged is there for every later read, also after the process is killed.
//! - **A miss is not an error.** [`Storage::get`] and [`Storage::head`] return `None`; a failure is an `Err`.
//! - **Conditional writes are atomic.** Of any number of racing [`PutMode::Create`] on one key, or racing
//!   [`PutMode::Update`] from one version, exactly one succeeds; the others get [`StorageError::Precondition`].
//! - **A version names one state.** Two states of a key with different bytes have different [`Version`]s. Whether equal
//!   bytes have equal versions is left to the backend (on S3 they do: an ETag is a digest). [`Storage::get`],
//!   [`Storage::head`], [`Storage::put`] and [`Storage::list`] return the same version for the same state.
//! - **A conditional read transfers nothing.** [`Storage::get`] of a version that the caller has returns
//!   [`GetResult::NotModified`].
//! - **Deleting is idempotent.** Deleting an absent object succeeds.
//! - **Listings are in key order** (by the bytes of the key) and include every object whose write was acknowledged before
//!   the call.
//! - **A copy is a write of the bytes that the source has**, with a version of its own. On an S3 server other than AWS, which may
//!   not know the condition of a copy, its mode is compared a moment before.
//! - **An object that is written in parts** is there when [`ObjectWriter::create`] returns, and before that nowhere.
//! - **A presigned request obeys the contract.** What is written by a presigned URL is created as by
//!   [`PutMode::Create`], whole or not at all, and only if it has the size and the SHA-256 that were signed.
//! - **[`StorageError::Unavailable`] means that the outcome is unknown**: the call may or may not have taken effect.
//!
//! ```
//! # use std::sync::Arc;
//! # use cache_core::storage::{GetOptions, GetResult, ObjectKey, PutMode, Storage, StorageError};
//! async fn increment(storage: Arc<dyn Storage>, key: &ObjectKey) -> Result<(), StorageError> {
//!     let Some(GetResult::Object(object)) = storage.get(key, &GetOptions::default()).await? else { return Ok(()) };
//!     let count: u64 = std::str::from_utf8(&object.bytes).ok().and_then(|text| text.parse().ok()).unwrap_or(0);
//!     let update = PutMode::Update(object.version);
//!     storage.put(key, (count + 1).to_string().into(), update).await.map(drop)
//! }
//! ```

use std::error::Error;
use std::fmt;
use std::ops::Range;
use std::str::FromStr;
use std::time::Duration;

use async_trait::async_trait;
use bytes::Bytes;
use thiserror::Error;

use crate::digest::Sha256Digest;
use crate::time::UnixMillis;

/// The longest key that any backend has to take, in bytes. It is S3's limit.
pub const MAX_KEY_BYTES: usize = 1024;

/// Keeps bytes under keys. The module's docs are the contract.
#[async_trait]
pub trait Storage: fmt::Debug + Send + Sync + 'static {
    /// Reads an object, a range of it, or nothing if the caller has this version already.
    ///
    /// # Errors
    ///
    /// [`StorageError::Unavailable`] and [`StorageError::Refused`].
    async fn get(&self, key: &ObjectKey, options: &GetOptions) -> Result<Option<GetResult>, StorageError>;

    /// Size and version of an object, without its bytes.
    ///
    /// # Errors
    ///
    /// [`StorageError::Unavailable`] and [`StorageError::Refused`].
    async fn head(&self, key: &ObjectKey) -> Result<Option<ObjectHead>, StorageError>;

    /// Writes an object as `mode` says and returns the version it now has.
    ///
    /// # Errors
    ///
    /// [`StorageError::Precondition`] when the state is not the one that `mode` names, [`StorageError::Full`], and as
    /// [`Storage::get`]. After `Unavailable` the object may have been written.
    async fn put(&self, key: &ObjectKey, bytes: Bytes, mode: PutMode) -> Result<Version, StorageError>;

    /// Writes what is under `from` under `to` as well, as `mode` says, and returns the version of the copy; `None` if there is
    /// nothing under `from`. Backends that can do so copy without having the bytes in memory.
    ///
    /// # Errors
    ///
    /// As [`Storage::put`].
    async fn copy(&self, from: &ObjectKey, to: &ObjectKey, mode: PutMode) -> Result<Option<Version>, StorageError> {
        let source = self.get(from, &GetOptions::default()).await?.and_then(GetResult::into_object);
        match source {
            Some(source) => self.put(to, source.bytes, mode).await.map(Some),
            None => Ok(None),
        }
    }

    /// Removes an object.
    ///
    /// # Errors
    ///
    /// As [`Storage::get`]. After `Unavailable` the object may be gone.
    async fn delete(&self, key: &ObjectKey) -> Result<(), StorageError>;

    /// One page of the keys under a prefix.
    ///
    /// # Errors
    ///
    /// As [`Storage::get`].
    async fn list(&self, request: &ListRequest) -> Result<ListPage, StorageError>;

    /// Whether a range of an object is read without what comes before it. Only then is a large object read in many parts: where
    /// it is not, each part would take as long as all before it.
    fn seeks(&self) -> bool {
        false
    }

    /// How clients can transfer single objects directly, if the backend supports that.
    fn presigner(&self) -> Option<&dyn Presign> {
        None
    }

    /// How an object is written in parts, if the backend supports that.
    fn parts(&self) -> Option<&dyn WriteParts> {
        None
    }
}

/// Writes objects whose bytes come in parts, and are never in memory as a whole.
#[async_trait]
pub trait WriteParts: Send + Sync {
    /// Begins an object that has no bytes and no key yet.
    ///
    /// # Errors
    ///
    /// As [`Storage::get`], and [`StorageError::Full`].
    async fn begin(&self) -> Result<Box<dyn ObjectWriter>, StorageError>;
}

/// An object that is being written. If it is dropped, nothing is left of it.
#[async_trait]
pub trait ObjectWriter: Send {
    /// Appends bytes.
    ///
    /// # Errors
    ///
    /// As [`WriteParts::begin`]. Afterwards the object is lost.
    async fn append(&mut self, part: Bytes) -> Result<(), StorageError>;

    /// Puts the object under a key as [`PutMode::Create`] does, and returns its version.
    ///
    /// # Errors
    ///
    /// As [`Storage::put`].
    async fn create(self: Box<Self>, key: &ObjectKey) -> Result<Version, StorageError>;
}

/// Creates presigned requests, so that clients can transfer large contents directly. Signing is local. A presigned request
/// expires early if the credentials that signed it do.
#[async_trait]
pub trait Presign: fmt::Debug + Send + Sync {
    /// A request that creates an object of this size and SHA-256, and nothing else, within this time.
    ///
    /// # Errors
    ///
    /// When there are no credentials to sign with.
    async fn presigned_put(
        &self,
        key: &ObjectKey,
        size: u64,
        sha256: Sha256Digest,
        valid_for: Duration,
    ) -> Result<PresignedRequest, StorageError>;

    /// The URL of a GET that reads an object or a range of it within this time, and sends these headers.
    ///
    /// # Errors
    ///
    /// When there are no credentials to sign with.
    async fn presigned_get(
        &self,
        key: &ObjectKey,
        headers: &ResponseHeaders,
        valid_for: Duration,
    ) -> Result<String, StorageError>;
}

/// What [`Presign::presigned_put`] returns.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct PresignedRequest {
    /// Where to send it. Everyone who knows the URL may use it.
    pub url: String,
    /// Headers to send along as they are: the signature covers them.
    pub headers: Vec<(String, String)>,
}

/// The headers that the response to [`Presign::presigned_get`] carries.
#[derive(Debug, Clone, PartialEq, Eq, Default)]
pub struct ResponseHeaders {
    /// `Content-Type`.
    pub content_type: &'static str,
    /// `Content-Encoding`, when the bytes are compressed.
    pub content_encoding: Option<&'static str>,
    /// `Content-Disposition`, when a file name is suggested.
    pub content_disposition: Option<String>,
}

/// What [`Storage::get`] reads. The default is the whole object, whatever its version.
#[derive(Debug, Clone, PartialEq, Eq, Default)]
pub struct GetOptions {
    /// Only these bytes. A range that ends beyond the object is cut there; one that starts beyond it yields no bytes.
    pub range: Option<Range<u64>>,
    /// Nothing if the object is at this version (`If-None-Match`).
    pub if_none_match: Option<Version>,
}

impl GetOptions {
    /// The bytes of this range.
    pub fn range(range: Range<u64>) -> Self {
        Self { range: Some(range), ..Self::default() }
    }

    /// The whole object, unless it is at this version.
    pub fn unless(version: Version) -> Self {
        Self { if_none_match: Some(version), ..Self::default() }
    }
}

/// What [`Storage::get`] returns of an object that exists.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum GetResult {
    /// The bytes asked for.
    Object(Object),
    /// The object is at the version that the caller has.
    NotModified,
}

impl GetResult {
    /// The object; `None` if it was not modified.
    pub fn into_object(self) -> Option<Object> {
        match self {
            Self::Object(object) => Some(object),
            Self::NotModified => None,
        }
    }
}

/// When a [`Storage::put`] may write.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum PutMode {
    /// Always.
    Overwrite,
    /// Only when there is no object under the key (`If-None-Match: *`).
    Create,
    /// Only when the object under the key is at this version (`If-Match`).
    Update(Version),
}

/// A state of one object, opaque to core: an ETag, a counter, or a stamp of a file. Without quotes.
#[derive(Debug, Clone, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub struct Version(String);

impl Version {
    /// The version that a backend gives to a state.
    pub fn new(version: impl Into<String>) -> Self {
        Self(version.into())
    }

    /// The version as text.
    pub fn as_str(&self) -> &str {
        &self.0
    }
}

impl fmt::Display for Version {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.0)
    }
}

/// The bytes of an object.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Object {
    /// The bytes asked for.
    pub bytes: Bytes,
    /// Size of the whole object in bytes.
    pub size: u64,
    /// The state that was read.
    pub version: Version,
}

/// What [`Storage::head`] returns.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct ObjectHead {
    /// Size of the whole object in bytes.
    pub size: u64,
    /// The state that was seen.
    pub version: Version,
    /// The SHA-256 of its bytes, where the backend knows it without reading them.
    pub sha256: Option<Sha256Digest>,
    /// When it was last written, by the backend's clock.
    pub modified: UnixMillis,
}

/// Which keys [`Storage::list`] returns.
#[derive(Debug, Clone, PartialEq, Eq, Default)]
pub struct ListRequest {
    /// Only keys that start with this text. It is compared byte by byte: callers who mean a folder end it with `/`.
    pub prefix: String,
    /// Only keys after this one, in byte order. With `delimiter`, a value that ends with `/` also skips every key below it.
    pub start_after: Option<String>,
    /// Groups the keys that have a further `/` after the prefix, and lists each group once in [`ListPage::folders`].
    pub delimiter: bool,
    /// At most this many keys and folders together, at least 1. A backend may return fewer and still name a `next`.
    pub limit: usize,
}

/// One page of a listing.
#[derive(Debug, Clone, PartialEq, Eq, Default)]
pub struct ListPage {
    /// Objects in key order.
    pub objects: Vec<ListedObject>,
    /// Groups in order, each with its full prefix and a `/` at the end. Empty without a delimiter.
    pub folders: Vec<String>,
    /// The `start_after` of the next page; `None` on the last.
    pub next: Option<String>,
}

/// One object of a listing.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct ListedObject {
    /// The key as it was written.
    pub key: String,
    /// Size in bytes.
    pub size: u64,
    /// The state that was listed.
    pub version: Version,
    /// When it was last written, by the backend's clock.
    pub modified: UnixMillis,
}

/// The key of an object: 1 to [`MAX_KEY_BYTES`] bytes, segments separated by `/`, none of them empty, `.` or `..`, and no
/// backslash or control character anywhere. So no key can leave a folder that it is joined to.
#[derive(Debug, Clone, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub struct ObjectKey(String);

impl ObjectKey {
    /// The key as text.
    pub fn as_str(&self) -> &str {
        &self.0
    }
}

impl fmt::Display for ObjectKey {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.0)
    }
}

impl FromStr for ObjectKey {
    type Err = InvalidObjectKey;

    fn from_str(key: &str) -> Result<Self, InvalidObjectKey> {
        if key.len() > MAX_KEY_BYTES {
            return Err(InvalidObjectKey::TooLong(key.len()));
        }
        if key.split('/').any(|segment| matches!(segment, "" | "." | "..")) {
            return Err(InvalidObjectKey::InvalidSegment);
        }
        if key.contains(|c: char| c == '\\' || c.is_control()) {
            return Err(InvalidObjectKey::InvalidCharacter);
        }
        Ok(Self(key.to_owned()))
    }
}

/// Why a text is not an [`ObjectKey`].
#[derive(Debug, Clone, PartialEq, Eq, Error)]
pub enum InvalidObjectKey {
    /// Longer than [`MAX_KEY_BYTES`].
    #[error("the storage path would have {0} bytes, the limit is {MAX_KEY_BYTES}: use a shorter name")]
    TooLong(usize),
    /// An empty, `.` or `..` segment.
    #[error("a path must not have empty, '.' or '..' segments, nor begin or end with '/'")]
    InvalidSegment,
    /// A backslash or a control character.
    #[error("a path must not contain a backslash or control characters")]
    InvalidCharacter,
}

/// The cause of a [`StorageError`], as the backend reported it.
pub type Source = Box<dyn Error + Send + Sync>;

/// Why a storage call failed.
#[derive(Debug, Error)]
pub enum StorageError {
    /// The mode of a put was not met: the object exists already, or it is not at the version named. Nothing was written by
    /// this call: a backend does not send a conditional write again once its outcome is unknown.
    #[error("{key} is not in the state that the write requires")]
    Precondition {
        /// The key of the write.
        key: String,
    },
    /// The storage did not respond, throttled the call, or the connection broke: the outcome is unknown.
    #[error("the storage did not respond for {key}")]
    Unavailable {
        /// The key or prefix of the call.
        key: String,
        /// What happened.
        source: Source,
    },
    /// The storage is full. Nothing was written.
    #[error("the storage is full: {key} was not written")]
    Full {
        /// The key of the write.
        key: String,
        /// What the storage reported.
        source: Source,
    },
    /// The storage refuses the call and will refuse it again: a missing bucket, missing permissions. Nothing was written.
    #[error("the storage refused the call for {key}")]
    Refused {
        /// The key or prefix of the call.
        key: String,
        /// What has to change.
        source: Source,
    },
}
