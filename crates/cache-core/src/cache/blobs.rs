//! Contents that this process has read or stored, kept in memory so that the next read of them needs no transfer.
//!
//! What lies under the key of a blob never changes, so nothing here gets stale. Whether there still is an entry with this
//! content is for the storage to say: the record or index is read each time. A content is used only when its SHA-256 is
//! the one that the record names, and since that is kept beside the bytes, a hit hashes nothing.

use std::fmt;
use std::sync::atomic::{AtomicU64, Ordering};

use bytes::Bytes;
use quick_cache::sync::{Cache as Shelf, DefaultLifecycle};
use quick_cache::{DefaultHashBuilder, OptionsBuilder, Weighter};

use crate::content::Digest;
use crate::storage::ObjectKey;

/// A content larger than this part of the capacity is not kept: it would push out too many others.
const LARGEST_PART: u64 = 8;
/// What keeping a content takes beside its key and its bytes, in bytes: about the size of its place in the tables.
const PLACE_BYTES: u64 = 200;
/// How large contents are on average, in bytes. It only sizes the tables at the start.
const USUAL_BYTES: u64 = 64 * 1024;

/// How the cache of contents in this process has fared.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub struct BlobCacheCounts {
    /// How often a content was there.
    pub hits: u64,
    /// How often it had to be read from the storage.
    pub misses: u64,
    /// Bytes that are held now, with what it takes to keep them.
    pub bytes: u64,
}

/// A content with its SHA-256.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) struct Blob {
    /// The bytes.
    pub(super) bytes: Bytes,
    /// The SHA-256 of the bytes.
    pub(super) sha256: Digest,
}

impl Blob {
    /// Bytes whose SHA-256 is not known yet.
    pub(super) fn of(bytes: Bytes) -> Self {
        Self { sha256: Digest::of(&bytes), bytes }
    }
}

/// Contents by the keys of their objects.
#[derive(Default)]
pub(super) struct BlobCache {
    /// `None` when nothing is to be kept.
    shelf: Option<Shelf<ObjectKey, Blob, ByWeight>>,
    hits: AtomicU64,
    misses: AtomicU64,
}

impl BlobCache {
    /// Keeps up to so many bytes; with 0, nothing.
    pub(super) fn new(capacity: u64) -> Self {
        let usual = usize::try_from(capacity / USUAL_BYTES).unwrap_or(usize::MAX);
        let mut options = OptionsBuilder::new();
        // In one piece, so that a content may be as large as it may: under its lock there are only look-ups. To say so also
        // keeps the library from asking how many processors there are.
        options.shards(1).weight_capacity(capacity).estimated_items_capacity(usual);
        let options = options.build().ok().filter(|_| capacity > 0);
        let shelf = options.map(|options| {
            Shelf::with_options(options, ByWeight, DefaultHashBuilder::default(), DefaultLifecycle::default())
        });
        Self { shelf, ..Self::default() }
    }

    /// What is kept under a key. It may be another content than the caller expects.
    pub(super) fn get(&self, key: &ObjectKey) -> Option<Blob> {
        let found = self.shelf.as_ref()?.get(key);
        let count = if found.is_some() { &self.hits } else { &self.misses };
        count.fetch_add(1, Ordering::Relaxed);
        found
    }

    /// Keeps a content, unless it is too large.
    pub(super) fn keep(&self, key: &ObjectKey, blob: &Blob) {
        let Some(shelf) = &self.shelf else { return };
        let fits = ByWeight.weight(key, blob) <= shelf.capacity() / LARGEST_PART;
        if fits && shelf.peek(key).is_none_or(|kept| kept.sha256 != blob.sha256) {
            // As a part of a larger buffer, such as that of a connection, it would keep all of that in memory.
            let bytes = Bytes::copy_from_slice(&blob.bytes);
            shelf.insert(key.clone(), Blob { bytes, sha256: blob.sha256 });
        }
    }

    /// Drops what was kept of an object that is gone.
    pub(super) fn forget(&self, key: &ObjectKey) {
        if let Some(shelf) = &self.shelf {
            shelf.remove(key);
        }
    }

    /// Hits, misses and bytes so far.
    pub(super) fn counts(&self) -> BlobCacheCounts {
        BlobCacheCounts {
            hits: self.hits.load(Ordering::Relaxed),
            misses: self.misses.load(Ordering::Relaxed),
            bytes: self.shelf.as_ref().map_or(0, Shelf::weight),
        }
    }
}

impl fmt::Debug for BlobCache {
    /// Leaves out the contents.
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        self.counts().fmt(f)
    }
}

/// What a content takes of the capacity, in bytes.
#[derive(Clone)]
struct ByWeight;

impl Weighter<ObjectKey, Blob> for ByWeight {
    fn weight(&self, key: &ObjectKey, blob: &Blob) -> u64 {
        key.as_str().len() as u64 + blob.bytes.len() as u64 + PLACE_BYTES
    }
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    fn key(number: u8) -> ObjectKey {
        format!("demo/blobs/{number}").parse().unwrap()
    }

    fn blob(content: impl Into<Bytes>) -> Blob {
        Blob::of(content.into())
    }

    #[test]
    fn what_is_kept_is_found_until_it_is_forgotten() {
        let cache = BlobCache::new(10_000);
        assert_eq!(cache.get(&key(1)), None);
        cache.keep(&key(1), &blob("one"));
        assert_eq!(cache.get(&key(1)), Some(blob("one")));
        assert_eq!(cache.get(&key(2)), None);
        cache.forget(&key(1));
        assert_eq!(cache.get(&key(1)), None);
        assert_eq!(cache.counts(), BlobCacheCounts { hits: 1, misses: 3, bytes: 0 });
    }

    #[test]
    fn another_content_under_a_key_takes_the_place_of_the_first() {
        let cache = BlobCache::new(10_000);
        cache.keep(&key(1), &blob("one"));
        cache.keep(&key(1), &blob("two"));
        assert_eq!(cache.get(&key(1)), Some(blob("two")));
    }

    #[test]
    fn a_content_of_more_than_an_eighth_of_the_capacity_is_not_kept() {
        let cache = BlobCache::new(8_000);
        let largest = 1_000 - PLACE_BYTES as usize - key(1).as_str().len();
        cache.keep(&key(1), &blob(vec![0; largest]));
        cache.keep(&key(2), &blob(vec![0; largest + 1]));
        assert!(cache.get(&key(1)).is_some() && cache.get(&key(2)).is_none());
    }

    #[test]
    fn without_capacity_nothing_is_kept_or_counted() {
        let cache = BlobCache::new(0);
        cache.keep(&key(1), &blob(""));
        assert_eq!((cache.get(&key(1)), cache.counts()), (None, BlobCacheCounts::default()));
    }

    #[test]
    fn a_part_of_a_larger_buffer_does_not_keep_the_buffer() {
        let cache = BlobCache::new(10_000);
        let buffer = Bytes::from(vec![7; 1_000_000]);
        cache.keep(&key(1), &blob(buffer.slice(..3)));
        let kept = cache.get(&key(1)).unwrap().bytes;
        assert!(!buffer.as_ptr_range().contains(&kept.as_ptr()));
    }

    proptest! {
        #[test]
        fn the_capacity_holds_whatever_is_kept(
            capacity in 0..20_000_u64,
            uses in proptest::collection::vec((0..40_u8, 0..3_000_usize, any::<bool>()), 0..300),
        ) {
            let cache = BlobCache::new(capacity);
            for (number, size, read_only) in uses {
                let content = blob(vec![number; size]);
                if !read_only {
                    cache.keep(&key(number), &content);
                } else if let Some(kept) = cache.get(&key(number)) {
                    prop_assert_eq!(Digest::of(&kept.bytes), kept.sha256);
                }
                prop_assert!(cache.counts().bytes <= capacity);
            }
        }
    }
}
