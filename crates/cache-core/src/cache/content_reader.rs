//! Reads a large content in parts, so that it is never in memory as a whole.

use std::ops::Range;

use bytes::Bytes;

use crate::digest::{Sha256Digest, Sha256Hasher};
use crate::entry::Entry;
use crate::error::Error;
use crate::ids::CacheId;
use crate::storage::{GetOptions, GetResult, ObjectKey, Version};

use super::NamespaceCache;
use super::content::ContentError;

/// The size of a part in bytes: small enough for many readers at once, large enough that its round trip counts little.
pub const PART_BYTES: u64 = 4 << 20;

/// Reads the content of an entry, or a range of it, part by part.
///
/// All parts are of one state of the object. The last part of a whole content is returned only if the SHA-256 of all parts is
/// that of the entry. A range is not compared, for that would need all other bytes.
#[derive(Debug)]
pub struct ContentReader {
    cache_id: CacheId,
    object: ObjectKey,
    size: u64,
    rest: Range<u64>,
    /// The state that the first part was read from.
    version: Option<Version>,
    /// `None` for a range.
    comparison: Option<(Sha256Hasher, Sha256Digest)>,
}

impl NamespaceCache {
    /// Begins to read the content of an entry, or a range of it in bytes; `None` when it is not a blob. Nothing is read yet.
    pub fn content_reader(&self, entry: &Entry, range: Option<Range<u64>>) -> Option<ContentReader> {
        let (object, size) = (self.layout().blob(&entry.cache_hash, entry.content.blob?), entry.content.size);
        let comparison = range.is_none().then(|| (Sha256Hasher::default(), entry.content.sha256));
        let rest = range.map_or(0..size, |range| range.start..range.end.min(size));
        Some(ContentReader { cache_id: entry.cache_id, object, size, rest, version: None, comparison })
    }
}

impl ContentReader {
    /// How many bytes are still to be read.
    pub fn remaining(&self) -> u64 {
        self.rest.end.saturating_sub(self.rest.start)
    }

    /// The next part, of up to [`PART_BYTES`]; `None` when all were read. It is read through this cache, which may have another
    /// deadline for each part.
    ///
    /// # Errors
    ///
    /// `Corrupt` when the content is missing, has been replaced since the first part, or is not what was stored; `Unavailable`
    /// when the storage does not respond. After an error the bytes that were read are not to be used.
    pub async fn next_part(&mut self, cache: &NamespaceCache) -> Result<Option<Bytes>, Error> {
        if self.rest.is_empty() {
            return Ok(None);
        }
        let range = self.rest.start..self.rest.end.min(self.rest.start + PART_BYTES);
        let found = cache.cache.storage.get(&self.object, &GetOptions::range(range.clone())).await?;
        let Some(object) = found.and_then(GetResult::into_object) else {
            return Err(self.corrupt(ContentError::Missing));
        };
        let is_same = self.version.as_ref().is_none_or(|version| *version == object.version);
        if !is_same || object.size != self.size || object.bytes.len() as u64 != range.end - range.start {
            return Err(self.corrupt(ContentError::Damaged));
        }
        self.version = Some(object.version);
        self.rest.start = range.end;
        if let Some((hasher, _)) = &mut self.comparison {
            hasher.update(&object.bytes);
        }
        if self.rest.is_empty()
            && let Some((hasher, expected)) = self.comparison.take()
            && hasher.finish() != expected
        {
            return Err(self.corrupt(ContentError::Damaged));
        }
        Ok(Some(object.bytes))
    }

    fn corrupt(&self, error: ContentError) -> Error {
        Error::corrupt(format_args!("{} (entry {})", self.object, self.cache_id), error)
    }
}
