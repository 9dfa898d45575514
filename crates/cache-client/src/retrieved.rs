//! What a read returns: an entry with its metadata, and its content.

use bytes::Bytes;
use cache_api::contents::Metadata;
use cache_api::kinds::ContentKind;
use serde::de::DeserializeOwned;
use serde_json::value::RawValue;
use sha2::{Digest, Sha256};

use crate::entry::Entry;
use crate::error::{Error, Failure};

/// The only content encoding that the service and this client undo.
pub(crate) const GZIP: &str = "gzip";

/// What a read says about an entry besides its content.
#[derive(Debug, Clone)]
pub struct EntryInfo {
    /// The entry, for further calls.
    pub entry: Entry,
    /// Its kind of content; an archive is bytes.
    pub kind: ContentKind,
    /// Its version under its hash.
    pub version: u64,
    /// SHA-256 of the stored bytes, in 64 hex digits.
    pub sha256: String,
    /// What accompanies the content.
    pub metadata: Metadata,
}

/// An entry with its content, which has the SHA-256 that the service names.
#[derive(Debug, Clone)]
pub struct Retrieved {
    /// What is known about the entry.
    pub info: EntryInfo,
    /// Its content.
    pub content: Content,
}

/// A content in the form in which it was stored; gzip is undone.
#[derive(Debug, Clone)]
pub enum Content {
    /// A text.
    Text(String),
    /// A JSON document, in the sender's spelling.
    Json(Box<RawValue>),
    /// Bytes, or a ZIP archive.
    Bytes(Bytes),
}

impl Content {
    /// Stored bytes as what they are.
    pub(crate) fn of_bytes(kind: ContentKind, bytes: Bytes) -> Result<Self, Error> {
        let text = |bytes: Bytes| {
            let text = String::from_utf8(bytes.into());
            text.map_err(|error| Error::unreadable("reading a content", "a text is not UTF-8", error))
        };
        Ok(match kind {
            ContentKind::String => Self::Text(text(bytes)?),
            ContentKind::Json => Self::Json(
                RawValue::from_string(text(bytes)?)
                    .map_err(|error| Error::unreadable("reading a content", "a document is no JSON", error))?,
            ),
            ContentKind::Binary | ContentKind::Zip => Self::Bytes(bytes),
        })
    }
}

impl Retrieved {
    /// A text or a document as text.
    ///
    /// # Errors
    ///
    /// When it is bytes that are not UTF-8.
    pub fn text(&self) -> Result<&str, Error> {
        match &self.content {
            Content::Text(text) => Ok(text),
            Content::Json(json) => Ok(json.get()),
            Content::Bytes(bytes) => std::str::from_utf8(bytes).map_err(|error| {
                Error::unreadable("reading a content", "the content is bytes that are not UTF-8", error)
            }),
        }
    }

    /// A content that is JSON as a value.
    ///
    /// # Errors
    ///
    /// When it is no JSON of this type.
    pub fn json<T: DeserializeOwned>(&self) -> Result<T, Error> {
        let source = self.bytes();
        serde_json::from_slice(&source).map_err(|error| {
            Error::unreadable("reading a content", format!("the content is no JSON of this type: {error}"), error)
        })
    }

    /// The content as bytes.
    pub fn bytes(&self) -> Bytes {
        match &self.content {
            Content::Text(text) => Bytes::copy_from_slice(text.as_bytes()),
            Content::Json(json) => Bytes::copy_from_slice(json.get().as_bytes()),
            Content::Bytes(bytes) => bytes.clone(),
        }
    }

    /// The entry, for further calls.
    pub fn entry(&self) -> &Entry {
        &self.info.entry
    }
}

/// SHA-256 of bytes, in hex digits.
pub(crate) fn sha256_hex(bytes: &[u8]) -> String {
    hex::encode(Sha256::digest(bytes))
}

/// The error for bytes that are not those that were named.
pub(crate) fn wrong_bytes(what: &str, expected: &str, was: &str) -> Error {
    Error::Integrity(Failure::new(what, format!("the bytes have the SHA-256 {was}, not {expected}")))
}
