//! Reading byte ranges.

use std::ops::Range;

use cache_core::storage::{GetOptions, GetResult, Object, Storage};

use super::Sandbox;

async fn check_range(storage: &dyn Storage, content: &str, range: Range<u64>, expected: &str) {
    let sandbox = Sandbox::new(storage);
    let version = sandbox.overwrite("a", content.to_owned()).await;
    let slice = sandbox.get_with("a", GetOptions::range(range)).await;
    let size = content.len() as u64;
    assert_eq!(slice, Some(GetResult::Object(Object { bytes: expected.to_owned().into(), size, version })));
}

/// From the start of the range up to, but without, its end.
pub async fn a_range_is_a_slice(storage: &dyn Storage) {
    check_range(storage, "0123456789", 2..5, "234").await;
    check_range(storage, "0123456789", 0..1, "0").await;
    check_range(storage, "0123456789", 9..10, "9").await;
}

/// There is nothing more to give.
pub async fn a_range_beyond_the_end_is_cut(storage: &dyn Storage) {
    check_range(storage, "0123456789", 8..99, "89").await;
    check_range(storage, "0123456789", 0..u64::MAX, "0123456789").await;
}

/// A miss within an object is not an error either.
pub async fn a_range_after_the_end_has_no_bytes(storage: &dyn Storage) {
    check_range(storage, "0123456789", 10..12, "").await;
    check_range(storage, "0123456789", 99..u64::MAX, "").await;
}

/// Also in the middle.
pub async fn an_empty_range_has_no_bytes(storage: &dyn Storage) {
    check_range(storage, "0123456789", 4..4, "").await;
}

/// Its first byte is beyond its end.
pub async fn a_range_of_an_empty_object_has_no_bytes(storage: &dyn Storage) {
    check_range(storage, "", 0..5, "").await;
}

/// A miss stays a miss.
pub async fn a_range_of_an_absent_key_is_none(storage: &dyn Storage) {
    let sandbox = Sandbox::new(storage);
    for range in [0..5, 3..3] {
        assert_eq!(sandbox.get_with("absent", GetOptions::range(range)).await, None);
    }
}
