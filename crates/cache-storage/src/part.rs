//! A whole object, cut down to the part that was asked for.

use std::ops::Range;

use bytes::Bytes;
use cache_core::storage::{Object, Version};

/// The object with these bytes, or the part of it that `range` covers.
pub(crate) fn part(whole: Bytes, version: Version, range: Option<Range<u64>>) -> Object {
    let size = whole.len() as u64;
    let bytes = match range {
        None => whole,
        Some(range) => {
            let end = range.end.min(size);
            let start = range.start.min(end);
            // Both are at most the length, which is a usize.
            whole.slice(start as usize..end as usize)
        }
    };
    Object { bytes, size, version }
}
