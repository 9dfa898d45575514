//! Byte ranges of objects.

use std::ops::Range;

use bytes::Bytes;
use cache_core::storage::{Object, Version};

/// The object with these bytes, or the range of it that was asked for.
pub(crate) fn slice_object(whole: Bytes, version: Version, range: Option<&Range<u64>>) -> Object {
    let size = whole.len() as u64;
    let bytes = match range {
        None => whole,
        Some(range) => {
            let range = clamp(range, size);
            // Both ends are at most the length, which is a usize.
            whole.slice(range.start as usize..range.end as usize)
        }
    };
    Object { bytes, size, version }
}

/// The part of a range that lies within an object of this size. Its start is never greater than its end.
pub(crate) fn clamp(range: &Range<u64>, size: u64) -> Range<u64> {
    let end = range.end.min(size);
    range.start.min(end)..end
}
