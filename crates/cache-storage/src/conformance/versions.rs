//! Versions, and conditional reads.

use std::collections::HashSet;

use cache_core::storage::{GetOptions, GetResult, PutMode, Storage, Version};

use super::Sandbox;

/// How many states of one key are compared.
const STATES: usize = 1_000;

async fn get_unless(sandbox: &Sandbox<'_>, version: &Version) -> Option<GetResult> {
    sandbox.get_with("a", GetOptions::unless(version.clone())).await
}

async fn assert_modified(sandbox: &Sandbox<'_>, version: &Version, expected: &str) {
    let object = get_unless(sandbox, version).await.unwrap().into_object();
    assert_eq!(object.map(|object| object.bytes), Some(expected.to_owned().into()));
}

/// A caller that has the object gets nothing.
pub async fn a_known_version_is_not_modified(storage: &dyn Storage) {
    let sandbox = Sandbox::new(storage);
    for content in ["hello", ""] {
        let version = sandbox.overwrite("a", content).await;
        assert_eq!(get_unless(&sandbox, &version).await, Some(GetResult::NotModified), "{content:?}");
    }
}

/// The condition is evaluated before any range.
pub async fn a_known_version_is_not_modified_in_any_range(storage: &dyn Storage) {
    let sandbox = Sandbox::new(storage);
    let other = sandbox.overwrite("a", "world").await;
    let version = sandbox.overwrite("a", "hello").await;
    for (range, expected) in [(1..3, "el"), (2..2, ""), (5..9, ""), (3..u64::MAX, "lo")] {
        let options =
            |version: &Version| GetOptions { range: Some(range.clone()), ..GetOptions::unless(version.clone()) };
        let known = sandbox.get_with("a", options(&version)).await;
        assert_eq!(known, Some(GetResult::NotModified), "{range:?}");
        let unknown = sandbox.get_with("a", options(&other)).await.unwrap().into_object().unwrap();
        assert_eq!((unknown.bytes, unknown.size), (expected.into(), 5), "{range:?}");
    }
}

/// Another state has another version, also when only the bytes differ.
pub async fn an_overwritten_object_is_modified(storage: &dyn Storage) {
    let sandbox = Sandbox::new(storage);
    let first = sandbox.overwrite("a", "first").await;
    let second = sandbox.put("a", "other", PutMode::Update(first.clone())).await.unwrap();
    assert_modified(&sandbox, &first, "other").await;
    sandbox.overwrite("a", "third").await;
    assert_modified(&sandbox, &second, "third").await;
}

/// An absent object is a miss, even with a condition.
pub async fn a_deleted_object_is_none_not_unmodified(storage: &dyn Storage) {
    let sandbox = Sandbox::new(storage);
    let version = sandbox.overwrite("a", "hello").await;
    sandbox.delete("a").await;
    assert_eq!(get_unless(&sandbox, &version).await, None);
    let options = GetOptions { range: Some(0..1), ..GetOptions::unless(version) };
    assert_eq!(sandbox.get_with("a", options).await, None);
}

/// A key that was deleted does not get an old version back with other bytes.
pub async fn a_recreated_object_is_modified(storage: &dyn Storage) {
    let sandbox = Sandbox::new(storage);
    let first = sandbox.put("a", "first", PutMode::Create).await.unwrap();
    sandbox.delete("a").await;
    sandbox.put("a", "other", PutMode::Create).await.unwrap();
    assert_modified(&sandbox, &first, "other").await;
}

/// However a caller learns a version, it is the same.
pub async fn get_head_put_and_list_agree_on_the_version(storage: &dyn Storage) {
    let sandbox = Sandbox::new(storage);
    let mut version = sandbox.put("a", "first", PutMode::Create).await.unwrap();
    for content in ["hello", "world", ""] {
        version = sandbox.put("a", content, PutMode::Update(version)).await.unwrap();
        let head = sandbox.head("a").await.unwrap();
        let whole = sandbox.get("a").await.unwrap();
        let slice = sandbox.get_with("a", GetOptions::range(1..2)).await.unwrap().into_object().unwrap();
        let listed = sandbox.objects().await;
        let sizes = [head.size, whole.size, slice.size, listed[0].size];
        assert_eq!(sizes, [content.len() as u64; 4]);
        assert_eq!([&head.version, &whole.version, &slice.version, &listed[0].version], [&version; 4]);
    }
}

/// A thousand states of one size, each written right after the one before: by overwrite, by update, and by create after
/// a delete.
pub async fn different_bytes_never_have_equal_versions(storage: &dyn Storage) {
    let sandbox = Sandbox::new(storage);
    let mut last = sandbox.overwrite("a", "none").await;
    let mut versions = HashSet::from([last.clone()]);
    for n in 1..STATES {
        let mode = match n % 3 {
            0 => PutMode::Overwrite,
            1 => PutMode::Update(last),
            _ => {
                sandbox.delete("a").await;
                PutMode::Create
            }
        };
        last = sandbox.put("a", format!("{n:04}"), mode).await.unwrap();
        versions.insert(last.clone());
    }
    assert_eq!(versions.len(), STATES);
}
