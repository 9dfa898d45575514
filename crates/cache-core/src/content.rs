//! The content of a store request: its bytes, and the hashes that follow from them.
//!
//! | made from | bytes that are stored | what the cache hash is taken over |
//! |---|---|---|
//! | [`Content::string`] | the text in UTF-8 | the same |
//! | [`Content::json`] | the minified text, see [`Document::text`] | the canonical text, see [`JsonValue::canonical_to`] |
//! | [`Content::json_by_field`] | the same | one field, see [`JsonValue::field_to`] |
//! | [`Content::binary`], [`Content::binary_encoded`] | the bytes | the same |
//! | [`Content::gzip`] | the bytes as sent, compressed | the inflated bytes |
//! | [`Content::zip`] | the archive | its members; `archive` computes it |
//!
//! [`JsonValue::canonical_to`]: crate::json::JsonValue::canonical_to
//! [`JsonValue::field_to`]: crate::json::JsonValue::field_to

use std::io::Read;

use bytes::Bytes;
use flate2::bufread::GzDecoder;
use sha2::{Digest as _, Sha256};
use thiserror::Error;

use crate::digest::Sha256Digest;
use crate::entry::Entry;
use crate::ids::CacheHash;
use crate::json::{Document, FieldPath, UnusableField};
use crate::sanitize::sanitize;
use crate::strategy::ContentKind;

/// The only content encoding that is decoded. It must be spelled in lower case.
pub const GZIP: &str = "gzip";

/// The content of an entry, ready to be stored.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Content {
    kind: ContentKind,
    bytes: Bytes,
    content_encoding: Option<String>,
    cache_hash: CacheHash,
    sha256: Sha256Digest,
    json_field_path: Option<FieldPath>,
}

impl Content {
    /// A text. The empty text is refused.
    ///
    /// # Errors
    ///
    /// [`InvalidContent::Empty`].
    pub fn string(text: String) -> Result<Self, InvalidContent> {
        Self::hashed_as_stored(ContentKind::String, text.into())
    }

    /// A JSON document.
    pub fn json(document: Document) -> Self {
        let mut hasher = Sha256::new();
        document.root().canonical_to(&mut |part| hasher.update(part));
        Self::hashed_apart(ContentKind::Json, document.into_text(), CacheHash::from_digest(&hasher.finalize()))
    }

    /// A JSON document that is found by the value of one of its fields.
    ///
    /// # Errors
    ///
    /// [`InvalidContent::Field`]: the document has no such field, or its value is null or empty.
    pub fn json_by_field(document: Document, path: FieldPath) -> Result<Self, InvalidContent> {
        let mut hasher = Sha256::new();
        document.root().field_to(&path, &mut |part| hasher.update(part))?;
        let field_hash = CacheHash::from_digest(&hasher.finalize());
        let content = Self::hashed_apart(ContentKind::Json, document.into_text(), field_hash);
        Ok(Self { json_field_path: Some(path), ..content })
    }

    /// Bytes. No bytes at all are refused.
    ///
    /// # Errors
    ///
    /// [`InvalidContent::Empty`].
    pub fn binary(bytes: Bytes) -> Result<Self, InvalidContent> {
        Self::hashed_as_stored(ContentKind::Binary, bytes)
    }

    /// Bytes with an opaque content encoding, such as `br` or even `GZIP`. The label is sanitized. For [`GZIP`] itself, [`Content::gzip`] is the constructor.
    ///
    /// # Errors
    ///
    /// [`InvalidContent::Empty`].
    pub fn binary_encoded(bytes: Bytes, label: &str) -> Result<Self, InvalidContent> {
        debug_assert_ne!(label, GZIP, "such bytes have to be inflated for their hash");
        Ok(Self { content_encoding: Some(sanitize(label, "")), ..Self::binary(bytes)? })
    }

    /// Bytes that a sender compressed with gzip. They may inflate to nothing, but to `max_inflated` bytes at most.
    ///
    /// # Errors
    ///
    /// [`InvalidContent`]: there are no bytes, they do not inflate, or to too many.
    pub fn gzip(bytes: Bytes, max_inflated: u64) -> Result<Self, InvalidContent> {
        if bytes.is_empty() {
            return Err(InvalidContent::Empty { kind: ContentKind::Binary });
        }
        let inflated = Sha256Digest::of(&inflate(&bytes, max_inflated)?);
        let content = Self::hashed_apart(ContentKind::Binary, bytes, inflated.cache_hash());
        Ok(Self { content_encoding: Some(GZIP.to_owned()), ..content })
    }

    /// A ZIP archive with the hash over its members.
    pub fn zip(bytes: Bytes, cache_hash: CacheHash) -> Self {
        Self::hashed_apart(ContentKind::Zip, bytes, cache_hash)
    }

    /// A content whose cache hash is the beginning of its SHA-256.
    fn hashed_as_stored(kind: ContentKind, bytes: Bytes) -> Result<Self, InvalidContent> {
        if bytes.is_empty() {
            return Err(InvalidContent::Empty { kind });
        }
        let sha256 = Sha256Digest::of(&bytes);
        Ok(Self::new(kind, bytes, sha256, sha256.cache_hash()))
    }

    /// A content whose cache hash is not taken over the stored bytes.
    fn hashed_apart(kind: ContentKind, bytes: Bytes, cache_hash: CacheHash) -> Self {
        let sha256 = Sha256Digest::of(&bytes);
        Self::new(kind, bytes, sha256, cache_hash)
    }

    fn new(kind: ContentKind, bytes: Bytes, sha256: Sha256Digest, cache_hash: CacheHash) -> Self {
        Self { kind, bytes, content_encoding: None, cache_hash, sha256, json_field_path: None }
    }

    /// The content that an entry has, to be stored once more.
    pub(crate) fn of_entry(entry: &Entry, bytes: Bytes) -> Self {
        let content = Self::new(entry.content.kind, bytes, entry.content.sha256, entry.cache_hash.clone());
        Self {
            content_encoding: entry.content.content_encoding.clone(),
            json_field_path: entry.json_field_path.as_deref().and_then(|path| path.parse().ok()),
            ..content
        }
    }

    /// The kind of content.
    pub fn kind(&self) -> ContentKind {
        self.kind
    }

    /// The bytes as they are stored.
    pub fn bytes(&self) -> &Bytes {
        &self.bytes
    }

    /// The content encoding of the stored bytes, as the sender named it.
    pub fn content_encoding(&self) -> Option<&str> {
        self.content_encoding.as_deref()
    }

    /// The hash that the content is found by.
    pub fn cache_hash(&self) -> &CacheHash {
        &self.cache_hash
    }

    /// SHA-256 of the stored bytes.
    pub fn sha256(&self) -> Sha256Digest {
        self.sha256
    }

    /// The field that the cache hash was taken over; `None` when it was the whole content.
    pub fn json_field_path(&self) -> Option<&FieldPath> {
        self.json_field_path.as_ref()
    }
}

/// Why something cannot be stored as an entry's content.
#[derive(Debug, Clone, PartialEq, Eq, Error)]
pub enum InvalidContent {
    /// Nothing to store.
    #[error("the {} must not be empty", kind.name())]
    Empty {
        /// The kind that was asked for.
        kind: ContentKind,
    },
    /// Not what the content encoding promises.
    #[error(
        "the body is no complete gzip stream ({0}): compress it again, or send it without 'Content-Encoding: gzip'"
    )]
    Gzip(String),
    /// The inflated body is too large.
    #[error("the body inflates to more than the limit of {limit} bytes")]
    TooLarge {
        /// The limit in bytes.
        limit: u64,
    },
    /// The field to hash is not there, or has no usable value.
    #[error(transparent)]
    Field(#[from] UnusableField),
}

impl From<InflateError> for InvalidContent {
    fn from(err: InflateError) -> Self {
        match err {
            InflateError::BadStream(reason) => Self::Gzip(reason),
            InflateError::TooLarge { limit } => Self::TooLarge { limit },
        }
    }
}

/// Why gzip bytes do not inflate.
#[derive(Debug, Clone, PartialEq, Eq, Error)]
pub enum InflateError {
    /// Not gzip, cut off, or damaged.
    #[error("the gzip stream is broken: {0}")]
    BadStream(String),
    /// More bytes than allowed; reading stopped there.
    #[error("the gzip stream inflates to more than the limit of {limit} bytes")]
    TooLarge {
        /// The limit in bytes.
        limit: u64,
    },
}

/// Inflates a gzip stream of one or several members, with zero bytes after each of them, as Python's `gzip` module does.
pub(crate) fn inflate(gzip: &[u8], limit: u64) -> Result<Bytes, InflateError> {
    let mut inflated = Vec::new();
    let mut rest = gzip;
    loop {
        let mut member = GzDecoder::new(rest).take(limit.saturating_add(1) - inflated.len() as u64);
        member.read_to_end(&mut inflated).map_err(|err| InflateError::BadStream(err.to_string()))?;
        if inflated.len() as u64 > limit {
            return Err(InflateError::TooLarge { limit });
        }
        rest = member.into_inner().into_inner();
        match rest.iter().position(|&byte| byte != 0) {
            Some(next) => rest = &rest[next..],
            None => return Ok(inflated.into()),
        }
    }
}

#[cfg(test)]
mod tests {
    use std::io::Write;

    use flate2::Compression;
    use flate2::write::GzEncoder;
    use proptest::prelude::*;

    use super::*;

    fn gzipped(bytes: &[u8]) -> Vec<u8> {
        let mut encoder = GzEncoder::new(Vec::new(), Compression::default());
        encoder.write_all(bytes).unwrap();
        encoder.finish().unwrap()
    }

    fn document(text: &str) -> Document {
        Document::parse(&Bytes::copy_from_slice(text.as_bytes())).unwrap()
    }

    #[test]
    fn json_is_stored_minified_and_hashed_canonically() {
        let content = Content::json(document("{ \"b\" : 1.50, \"a\": 2 }"));
        assert_eq!(content.kind(), ContentKind::Json);
        assert_eq!(content.bytes(), "{\"b\":1.50,\"a\":2}");
        assert_eq!(content.sha256(), Sha256Digest::of(content.bytes()));
        assert_eq!(content.cache_hash(), Content::string("{\"a\": 2, \"b\": 1.5}".to_owned()).unwrap().cache_hash());
    }

    #[test]
    fn a_field_path_changes_the_hash_and_nothing_else() {
        let path: FieldPath = "user.id".parse().unwrap();
        let whole = Content::json(document("{\"user\":{\"id\":\"x\"}}"));
        let by_field = Content::json_by_field(document("{\"user\":{\"id\":\"x\"}}"), path.clone()).unwrap();
        assert_eq!(by_field.json_field_path(), Some(&path));
        assert_eq!(by_field.cache_hash().as_str(), "2d711642b726b044");
        assert_eq!((by_field.bytes(), by_field.sha256()), (whole.bytes(), whole.sha256()));
    }

    #[test]
    fn nothing_is_no_content() {
        let empty = |kind| Err(InvalidContent::Empty { kind });
        assert_eq!(Content::string(String::new()), empty(ContentKind::String));
        assert_eq!(Content::binary(Bytes::new()), empty(ContentKind::Binary));
        assert_eq!(Content::binary_encoded(Bytes::new(), "br"), empty(ContentKind::Binary));
        assert_eq!(Content::gzip(Bytes::new(), 10), empty(ContentKind::Binary));
        assert_eq!(Content::gzip(gzipped(b"").into(), 10).unwrap().cache_hash().as_str(), "e3b0c44298fc1c14");
    }

    #[test]
    fn another_encoding_is_a_label_only() {
        let content = Content::binary_encoded("abc".into(), "br!#").unwrap();
        assert_eq!(content.content_encoding(), Some("br__"));
        assert_eq!(content.cache_hash(), Content::binary("abc".into()).unwrap().cache_hash());
    }

    #[test]
    fn gzip_is_stored_as_sent_and_hashed_inflated() {
        let sent = Bytes::from(gzipped(b"{\"a\": 1}"));
        let content = Content::gzip(sent.clone(), 8).unwrap();
        assert_eq!((content.kind(), content.content_encoding()), (ContentKind::Binary, Some("gzip")));
        assert_eq!((content.bytes(), content.sha256()), (&sent, Sha256Digest::of(&sent)));
        assert_eq!(content.cache_hash().as_str(), "f9d86028c6e0d64e");
    }

    #[test]
    fn gzip_members_and_zeros_after_them_are_one_stream() {
        let stream = [&gzipped(b"one "), &[0, 0][..], &gzipped(b""), &gzipped(b"two"), &[0; 9]].concat();
        assert_eq!(inflate(&stream, 7).unwrap(), "one two");
        assert_eq!(inflate(&stream, 6), Err(InflateError::TooLarge { limit: 6 }));
    }

    #[test]
    fn a_broken_gzip_stream_is_refused() {
        let whole = gzipped(b"some text that is worth compressing");
        let mut damaged = whole.clone();
        let checksum = damaged.len() - 5;
        damaged[checksum] ^= 1;
        for stream in [&b"plain"[..], &whole[..whole.len() - 1], &damaged, &[&whole[..], b"tail"].concat()] {
            let refused = Content::gzip(Bytes::copy_from_slice(stream), 1000);
            assert!(matches!(refused, Err(InvalidContent::Gzip(_))), "{refused:?}");
        }
    }

    #[test]
    fn a_bomb_is_not_inflated_beyond_the_limit() {
        let bomb = Bytes::from(gzipped(&vec![0; 10_000_000]));
        assert_eq!(Content::gzip(bomb, 1_000_000), Err(InvalidContent::TooLarge { limit: 1_000_000 }));
    }

    proptest! {
        #[test]
        fn whatever_was_compressed_inflates_again(bytes: Vec<u8>) {
            let limit = bytes.len() as u64;
            prop_assert_eq!(inflate(&gzipped(&bytes), limit).unwrap(), bytes);
        }
    }
}
