//! The contents that the entries of a manifest or of a page reference: inline bytes, or blobs.

use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};

use bytes::Bytes;
use serde::{Deserialize, Serialize};

use crate::digest::Sha256Digest;
use crate::ids::BlobToken;

/// What a row calls a content by: unique among all contents that a manifest and its pages ever referenced together.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
#[serde(transparent)]
pub struct ContentNumber(pub u64);

/// One content, kept once for all rows that reference it.
#[derive(Debug, Clone, PartialEq)]
pub struct StoredContent {
    /// What rows call it by.
    pub number: ContentNumber,
    /// SHA-256 of its bytes.
    pub sha256: Sha256Digest,
    /// How many bytes it has.
    pub size: u64,
    /// How many rows and revisions reference it.
    pub ref_count: u64,
    /// Where its bytes are.
    pub location: Location,
}

impl StoredContent {
    /// The bytes, if they are inline and were read.
    pub fn bytes(&self) -> Option<&Bytes> {
        match &self.location {
            Location::Inline(inline) => inline.bytes(),
            Location::Blob(_) => None,
        }
    }
}

/// Where the bytes of a content are.
#[derive(Debug, Clone, PartialEq)]
pub enum Location {
    /// In the object that lists the content.
    Inline(Inline),
    /// In a blob under the same hash.
    Blob(BlobToken),
}

impl Location {
    /// The blob, if it is one.
    pub fn token(&self) -> Option<BlobToken> {
        match self {
            Self::Inline(_) => None,
            Self::Blob(token) => Some(*token),
        }
    }
}

/// Bytes in the object that lists them, and whether their SHA-256 was compared.
#[derive(Debug, Clone)]
pub struct Inline {
    bytes: Option<Bytes>,
    verified: Arc<AtomicBool>,
}

impl Inline {
    /// Bytes whose SHA-256 is known to be right.
    pub fn verified(bytes: Bytes) -> Self {
        Self { bytes: Some(bytes), verified: Arc::new(AtomicBool::new(true)) }
    }

    /// Bytes as they were read.
    pub(super) fn unverified(bytes: Bytes) -> Self {
        Self { bytes: Some(bytes), verified: Arc::default() }
    }

    /// Bytes that were not read, because only the head was.
    pub(super) fn not_loaded() -> Self {
        Self { bytes: None, verified: Arc::default() }
    }

    /// The bytes; `None` when only the head was read.
    pub fn bytes(&self) -> Option<&Bytes> {
        self.bytes.as_ref()
    }

    /// Whether the bytes have this SHA-256. It is computed once and remembered by all copies of this value.
    pub fn is_intact(&self, sha256: &Sha256Digest) -> bool {
        let Some(bytes) = &self.bytes else { return false };
        if !self.verified.load(Ordering::Relaxed) && Sha256Digest::of(bytes) == *sha256 {
            self.verified.store(true, Ordering::Relaxed);
        }
        self.verified.load(Ordering::Relaxed)
    }
}

impl PartialEq for Inline {
    fn eq(&self, other: &Self) -> bool {
        self.bytes == other.bytes
    }
}

/// The contents of one object, few enough to be searched one by one.
#[derive(Debug, Clone, PartialEq, Default)]
pub struct Contents(Vec<StoredContent>);

impl Contents {
    /// These contents.
    pub fn new(contents: Vec<StoredContent>) -> Self {
        Self(contents)
    }

    /// All contents, in the order in which their inline bytes are written.
    pub fn iter(&self) -> impl Iterator<Item = &StoredContent> {
        self.0.iter()
    }

    /// Whether there are none.
    pub fn is_empty(&self) -> bool {
        self.0.is_empty()
    }

    /// How many there are.
    pub fn len(&self) -> usize {
        self.0.len()
    }

    /// The content that rows call by this number.
    pub fn get(&self, number: ContentNumber) -> Option<&StoredContent> {
        self.0.iter().find(|content| content.number == number)
    }

    /// The content with this SHA-256.
    pub fn with_sha256(&self, sha256: &Sha256Digest) -> Option<&StoredContent> {
        self.0.iter().find(|content| content.sha256 == *sha256)
    }

    /// The blobs that contents are in.
    pub fn blobs(&self) -> impl Iterator<Item = BlobToken> {
        self.0.iter().filter_map(|content| content.location.token())
    }

    /// Whether any content is in this blob.
    pub fn has_blob(&self, token: BlobToken) -> bool {
        self.0.iter().any(|content| content.location == Location::Blob(token))
    }

    /// How many bytes they have together.
    pub fn bytes(&self) -> u64 {
        self.0.iter().map(|content| content.size).sum()
    }

    /// How many bytes are inline.
    pub fn inline_bytes(&self) -> u64 {
        let inline = |content: &StoredContent| match content.location {
            Location::Inline(_) => content.size,
            Location::Blob(_) => 0,
        };
        self.0.iter().map(inline).sum()
    }

    /// Adds a content.
    pub fn push(&mut self, content: StoredContent) {
        self.0.push(content);
    }

    /// Changes the number of references to a content.
    pub fn reference(&mut self, number: ContentNumber, count: u64) {
        for content in self.0.iter_mut().filter(|content| content.number == number) {
            content.ref_count += count;
        }
    }

    /// Takes away references to a content, and returns the content if none is left.
    pub fn release(&mut self, number: ContentNumber, count: u64) -> Option<StoredContent> {
        let at = self.0.iter().position(|content| content.number == number)?;
        self.0[at].ref_count = self.0[at].ref_count.saturating_sub(count);
        (self.0[at].ref_count == 0).then(|| self.0.remove(at))
    }

    /// Puts a content into another place, such as another blob.
    pub fn relocate(&mut self, number: ContentNumber, location: Location) {
        for content in self.0.iter_mut().filter(|content| content.number == number) {
            content.location = location.clone();
        }
    }
}
