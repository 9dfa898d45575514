//! The storage port: what core needs from the place where bytes live.
//!
//! The contract, which `cache_storage::conformance` holds every backend to:
//!
//! - **Whole objects.** A write is all or nothing. No reader ever sees half an object, and an object that was
//!   acknowledged is there for every later read, also after the process is killed.
//! - **A miss is not an error.** [`Storage::get`] and [`Storage::head`] answer `None`; trouble is an `Err`.
//! - **Conditional writes are atomic.** Of any number of racing [`PutMode::Create`] on one key, or racing
//!   [`PutMode::Replace`] from one version, exactly one succeeds; the others get [`StorageError::Conflict`].
//! - **Versions follow the content.** A [`Version`] names a state of one object. Equal versions of a key mean equal bytes;
//!   whether equal bytes mean equal versions is left to the backend (on S3 they do: an ETag is a digest).
//! - **Deleting is idempotent.** Deleting what is not there succeeds.
//! - **Listings are in key order** (by the bytes of the key) and see every object whose write was acknowledged before
//!   the call.
//! - **A [`Presign`] is a way around us, not around the contract.** What is written by a signed URL is created as by
//!   [`PutMode::Create`], whole or not at all, and only if it has the size and the SHA-256 that were signed.
//! - **An unclear end is [`StorageError::Unavailable`].** The call may or may not have taken effect.

use std::fmt;
use std::ops::Range;
use std::str::FromStr;
use std::time::Duration;

use async_trait::async_trait;
use bytes::Bytes;
use thiserror::Error;

use crate::content::Digest;

/// The longest key that any backend has to take, in bytes. It is S3's limit.
pub const MAX_KEY_BYTES: usize = 1024;

/// Keeps bytes under keys. The module's docs are the contract.
#[async_trait]
pub trait Storage: fmt::Debug + Send + Sync + 'static {
    /// Reads an object, or the part of it that `range` covers. A range that reaches beyond the end is cut there; one that
    /// starts beyond it yields no bytes. [`Object::size`] is the whole object's size in either case.
    async fn get(&self, key: &ObjectKey, range: Option<Range<u64>>) -> Result<Option<Object>, StorageError>;

    /// Size and version of an object, without its bytes.
    async fn head(&self, key: &ObjectKey) -> Result<Option<ObjectHead>, StorageError>;

    /// Writes an object as `mode` says and returns the version it now has.
    async fn put(&self, key: &ObjectKey, bytes: Bytes, mode: PutMode) -> Result<Version, StorageError>;

    /// Removes an object.
    async fn delete(&self, key: &ObjectKey) -> Result<(), StorageError>;

    /// One page of the keys under a prefix.
    async fn list(&self, request: &ListRequest) -> Result<ListPage, StorageError>;

    /// How clients can reach single objects without us, if the backend knows a way.
    fn presigner(&self) -> Option<&dyn Presign> {
        None
    }
}

/// Makes requests that carry their own permission, for clients that move large contents without us. Nothing is called for
/// it. A backend's credentials may end sooner than the time that is asked for, and the permission with them.
#[async_trait]
pub trait Presign: fmt::Debug + Send + Sync {
    /// A request that creates an object of this size and SHA-256, and nothing else, within this time.
    async fn presigned_put(
        &self,
        key: &ObjectKey,
        size: u64,
        sha256: Digest,
        valid_for: Duration,
    ) -> Result<PresignedRequest, StorageError>;

    /// The URL of a GET that reads an object within this time, or a part of it, and answers with these headers.
    async fn presigned_get(
        &self,
        key: &ObjectKey,
        answer: &AnswerHeaders,
        valid_for: Duration,
    ) -> Result<String, StorageError>;
}

/// What [`Presign::presigned_put`] returns.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct PresignedRequest {
    /// Where to send it. Whoever knows the URL may use it.
    pub url: String,
    /// Headers to send along as they are: the signature covers them.
    pub headers: Vec<(String, String)>,
}

/// The headers with which [`Presign::presigned_get`] is answered.
#[derive(Debug, Clone, PartialEq, Eq, Default)]
pub struct AnswerHeaders {
    /// `Content-Type`.
    pub content_type: &'static str,
    /// `Content-Encoding`, when the bytes are compressed.
    pub content_encoding: Option<&'static str>,
    /// `Content-Disposition`, when a file name is suggested.
    pub content_disposition: Option<String>,
}

/// When a [`Storage::put`] may write.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum PutMode {
    /// Always.
    Overwrite,
    /// Only when there is no object under the key.
    Create,
    /// Only when the object under the key is at this version.
    Replace(Version),
}

/// A state of one object, opaque to core: an ETag, a digest or a counter.
#[derive(Debug, Clone, PartialEq, Eq, Hash)]
pub struct Version(pub String);

/// What [`Storage::get`] returns.
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
    /// The SHA-256 of its bytes, where the backend knows it.
    pub sha256: Option<Digest>,
    /// When it was last written, in milliseconds since 1970 UTC, as the backend's clock saw it.
    pub modified_ms: u64,
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
    /// When it was last written, in milliseconds since 1970 UTC, as the backend's clock saw it.
    pub modified_ms: u64,
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
            return Err(InvalidObjectKey::OddSegment);
        }
        if key.contains(|c: char| c == '\\' || c.is_control()) {
            return Err(InvalidObjectKey::OddCharacter);
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
    OddSegment,
    /// A backslash or a control character.
    #[error("a path must not contain a backslash or control characters")]
    OddCharacter,
}

/// Why a storage call failed.
#[derive(Debug, Error)]
pub enum StorageError {
    /// The mode of a put was not met: the object exists already, or it is not at the version named. Nothing was written by
    /// this call, though an earlier attempt of the same call may have landed.
    #[error("{key} is not in the state that the write asked for")]
    Conflict {
        /// The key of the write.
        key: String,
    },
    /// The storage did not answer, asked for patience, or broke off: the call may or may not have taken effect.
    #[error("the storage did not answer for {key}: {reason}")]
    Unavailable {
        /// The key or prefix of the call.
        key: String,
        /// What happened, for the log.
        reason: String,
    },
    /// The storage refuses the call and will refuse it again: a missing bucket, missing permissions. Nothing was written.
    #[error("the storage refused the call for {key}: {reason}")]
    Refused {
        /// The key or prefix of the call.
        key: String,
        /// What has to change, for the log.
        reason: String,
    },
}
