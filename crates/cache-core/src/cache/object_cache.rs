//! Manifests, key indexes and blobs that this process has read or written, kept in memory.
//!
//! A manifest or key index is never used without asking the storage whether it is still at this version, which transfers
//! nothing if it is (`If-None-Match`), or by a compare-and-swap, which is refused if it is not. A blob never changes, and is used
//! only when its SHA-256 is the one that a manifest names; since that is kept beside the bytes, a hit hashes nothing.

use std::fmt;
use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};

use bytes::Bytes;
use quick_cache::sync::{Cache as Entries, DefaultLifecycle};
use quick_cache::{DefaultHashBuilder, OptionsBuilder, Weighter};

use crate::digest::Sha256Digest;
use crate::key_index::KeyIndex;
use crate::manifest::Manifest;
use crate::storage::{ObjectKey, Version};

/// An object larger than this fraction of the capacity is not kept: it would push out too many others.
const MAX_ENTRY_FRACTION: u64 = 8;
/// What keeping an object takes beside its key and its bytes, in bytes.
const ENTRY_OVERHEAD_BYTES: u64 = 300;
/// How large objects are on average, in bytes. It only sizes the tables at the start.
const ESTIMATED_ENTRY_BYTES: u64 = 16 * 1024;

/// How the objects in memory were used.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub struct ObjectCacheCounts {
    /// How often an object was there.
    pub hits: u64,
    /// How often it was not.
    pub misses: u64,
    /// Bytes that are held now, with what it takes to keep them.
    pub bytes: u64,
}

/// An object in memory.
#[derive(Debug, Clone)]
pub(super) enum CachedObject {
    /// A manifest at a version.
    Manifest(Arc<Manifest>, Version),
    /// A key index at a version.
    KeyIndex(Arc<KeyIndex>, Version),
    /// The bytes of a blob with their SHA-256.
    Blob(Bytes, Sha256Digest),
}

/// Objects by their keys.
#[derive(Default)]
pub(super) struct ObjectCache {
    /// `None` when nothing is to be kept.
    entries: Option<Entries<ObjectKey, Kept, ByWeight>>,
    hits: AtomicU64,
    misses: AtomicU64,
}

#[derive(Clone)]
struct Kept {
    object: CachedObject,
    size: u64,
}

impl ObjectCache {
    /// Keeps up to so many bytes; with 0, nothing.
    pub(super) fn new(capacity: u64) -> Self {
        let estimated = usize::try_from(capacity / ESTIMATED_ENTRY_BYTES).unwrap_or(usize::MAX);
        let mut options = OptionsBuilder::new();
        // One shard, so that an object may be as large as it may: under its lock there are only look-ups. To say so also keeps
        // the library from asking how many processors there are.
        options.shards(1).weight_capacity(capacity).estimated_items_capacity(estimated);
        let options = options.build().ok().filter(|_| capacity > 0);
        let entries = options.map(|options| {
            Entries::with_options(options, ByWeight, DefaultHashBuilder::default(), DefaultLifecycle::default())
        });
        Self { entries, ..Self::default() }
    }

    /// The object under a key, as it was kept.
    pub(super) fn get(&self, key: &ObjectKey) -> Option<CachedObject> {
        let found = self.entries.as_ref()?.get(key);
        let count = if found.is_some() { &self.hits } else { &self.misses };
        count.fetch_add(1, Ordering::Relaxed);
        found.map(|kept| kept.object)
    }

    /// Keeps an object of so many bytes, unless it is too large: then it is not made.
    pub(super) fn keep(&self, key: &ObjectKey, size: u64, object: impl FnOnce() -> CachedObject) {
        let Some(entries) = &self.entries else { return };
        if weight(key, size) <= entries.capacity() / MAX_ENTRY_FRACTION {
            entries.insert(key.clone(), Kept { object: object(), size });
        } else {
            entries.remove(key);
        }
    }

    /// Keeps the bytes of a blob.
    pub(super) fn keep_blob(&self, key: &ObjectKey, bytes: &Bytes, sha256: Sha256Digest) {
        // As a part of a larger buffer, such as that of a connection, they would keep all of that in memory.
        self.keep(key, bytes.len() as u64, || CachedObject::Blob(Bytes::copy_from_slice(bytes), sha256));
    }

    /// Drops what was kept of an object that is gone.
    pub(super) fn forget(&self, key: &ObjectKey) {
        if let Some(entries) = &self.entries {
            entries.remove(key);
        }
    }

    /// Hits, misses and bytes so far.
    pub(super) fn counts(&self) -> ObjectCacheCounts {
        ObjectCacheCounts {
            hits: self.hits.load(Ordering::Relaxed),
            misses: self.misses.load(Ordering::Relaxed),
            bytes: self.entries.as_ref().map_or(0, Entries::weight),
        }
    }
}

impl fmt::Debug for ObjectCache {
    /// Leaves out the objects.
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        self.counts().fmt(f)
    }
}

/// What an object takes of the capacity, in bytes.
#[derive(Clone)]
struct ByWeight;

impl Weighter<ObjectKey, Kept> for ByWeight {
    fn weight(&self, key: &ObjectKey, kept: &Kept) -> u64 {
        weight(key, kept.size)
    }
}

fn weight(key: &ObjectKey, size: u64) -> u64 {
    key.as_str().len() as u64 + size + ENTRY_OVERHEAD_BYTES
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    fn key(number: u8) -> ObjectKey {
        format!("demo/blobs/{number}").parse().unwrap()
    }

    fn keep(cache: &ObjectCache, number: u8, bytes: impl Into<Bytes>) {
        let bytes = bytes.into();
        cache.keep_blob(&key(number), &bytes, Sha256Digest::of(&bytes));
    }

    fn get(cache: &ObjectCache, number: u8) -> Option<Bytes> {
        match cache.get(&key(number))? {
            CachedObject::Blob(bytes, sha256) => (Sha256Digest::of(&bytes) == sha256).then_some(bytes),
            CachedObject::Manifest(..) | CachedObject::KeyIndex(..) => None,
        }
    }

    #[test]
    fn what_is_kept_is_found_until_it_is_forgotten() {
        let cache = ObjectCache::new(20_000);
        assert_eq!(get(&cache, 1), None);
        keep(&cache, 1, "one");
        keep(&cache, 1, "two");
        assert_eq!((get(&cache, 1), get(&cache, 2)), (Some("two".into()), None));
        cache.forget(&key(1));
        assert_eq!(get(&cache, 1), None);
        assert_eq!(cache.counts(), ObjectCacheCounts { hits: 1, misses: 3, bytes: 0 });
    }

    #[test]
    fn an_object_of_more_than_an_eighth_of_the_capacity_is_not_kept() {
        let cache = ObjectCache::new(8_000);
        let max = 1_000 - ENTRY_OVERHEAD_BYTES as usize - key(1).as_str().len();
        keep(&cache, 1, vec![0; max]);
        keep(&cache, 2, vec![0; max + 1]);
        assert!(get(&cache, 1).is_some() && get(&cache, 2).is_none());
        keep(&cache, 1, vec![0; max + 1]);
        assert!(get(&cache, 1).is_none(), "what was there is out of date");
        cache.keep(&key(2), 1_000_000, || panic!("a large object is not copied to be left out"));
    }

    #[test]
    fn without_capacity_nothing_is_kept_or_counted() {
        let cache = ObjectCache::new(0);
        keep(&cache, 1, "one");
        assert_eq!((get(&cache, 1), cache.counts()), (None, ObjectCacheCounts::default()));
    }

    #[test]
    fn a_part_of_a_larger_buffer_does_not_keep_the_buffer() {
        let cache = ObjectCache::new(10_000);
        let buffer = Bytes::from(vec![7; 1_000_000]);
        keep(&cache, 1, buffer.slice(..3));
        let kept = get(&cache, 1).unwrap();
        assert!(!buffer.as_ptr_range().contains(&kept.as_ptr()));
    }

    proptest! {
        #[test]
        fn the_capacity_holds_whatever_is_kept(
            capacity in 0..20_000_u64,
            uses in proptest::collection::vec((0..40_u8, 0..3_000_usize, any::<bool>()), 0..300),
        ) {
            let cache = ObjectCache::new(capacity);
            for (number, size, read_only) in uses {
                if read_only {
                    get(&cache, number);
                } else {
                    keep(&cache, number, vec![number; size]);
                }
                prop_assert!(cache.counts().bytes <= capacity);
            }
        }
    }
}
