//! Which keys come back, in what order and in what pages.

use cache_core::storage::Storage;
use futures::future::join_all;

use super::{Page, Sandbox, is_recent};

/// These need care: `!` and `.` come before `/`, `0` after it, and capitals before small letters.
const NAMES: [&str; 12] = ["B", "a", "a!", "a!/x", "a.json", "a/b", "a/b/c", "a/b/d.json", "a/e", "a0", "ab/c", "é/ü"];

/// Key order is the order of the bytes, across folders.
pub async fn a_listing_is_in_byte_order(storage: &dyn Storage) {
    let sandbox = Sandbox::new(storage);
    sandbox.overwrite_all(&NAMES).await;
    assert_eq!(sandbox.list().await, NAMES);
}

/// An empty page is a page.
pub async fn a_listing_of_nothing_is_empty(storage: &dyn Storage) {
    let sandbox = Sandbox::new(storage);
    for delimiter in [false, true] {
        assert_eq!(sandbox.page("", None, delimiter, 10).await, Page { names: vec![], next: None });
    }
}

/// A prefix is not a folder unless it ends with a slash.
pub async fn a_prefix_is_compared_by_bytes(storage: &dyn Storage) {
    let sandbox = Sandbox::new(storage);
    sandbox.overwrite_all(&NAMES).await;
    let cases: [(&str, &[&str]); 7] = [
        ("a", &NAMES[1..11]),
        ("a/", &["a/b", "a/b/c", "a/b/d.json", "a/e"]),
        ("a/b", &["a/b", "a/b/c", "a/b/d.json"]),
        ("a/b/", &["a/b/c", "a/b/d.json"]),
        ("a/b/d.j", &["a/b/d.json"]),
        ("a.", &["a.json"]),
        ("c", &[]),
    ];
    for (prefix, expected) in cases {
        assert_eq!(sandbox.pages(prefix, None, false, 100).await, expected, "{prefix}");
    }
}

/// Such a prefix lists nothing; in particular, it does not leave the storage.
pub async fn a_prefix_that_no_key_can_have_is_empty(storage: &dyn Storage) {
    let sandbox = Sandbox::new(storage);
    sandbox.overwrite_all(&NAMES).await;
    for prefix in ["/", "a//", "../", "a/../", "./", "a/./b", "a/b/d.json/"] {
        assert_eq!(sandbox.pages(prefix, None, false, 100).await, [""; 0], "{prefix}");
    }
}

/// It is a sandbox in the order, not an object.
pub async fn start_after_is_exclusive_and_need_not_exist(storage: &dyn Storage) {
    let sandbox = Sandbox::new(storage);
    sandbox.overwrite_all(&NAMES).await;
    for (at, name) in NAMES.iter().enumerate() {
        assert_eq!(sandbox.pages("", Some(name), false, 100).await, NAMES[at + 1..], "after {name}");
    }
    for (after, expected) in [("a/", &NAMES[5..]), ("a/b/cc", &NAMES[7..]), ("a/f", &NAMES[9..]), ("zz", &NAMES[11..])]
    {
        assert_eq!(sandbox.pages("", Some(after), false, 100).await, expected, "after {after}");
    }
}

/// Everything under the prefix is still to come.
pub async fn start_after_before_the_prefix_skips_nothing(storage: &dyn Storage) {
    let sandbox = Sandbox::new(storage);
    sandbox.overwrite_all(&NAMES).await;
    assert_eq!(sandbox.pages("a/b/", Some("a.json"), false, 100).await, ["a/b/c", "a/b/d.json"]);
    assert_eq!(sandbox.pages("a/b/", Some("b"), false, 100).await, [""; 0]);
}

/// Nothing is listed twice or left out where one page ends and the next begins.
pub async fn pages_of_any_size_join_to_the_whole(storage: &dyn Storage) {
    let sandbox = Sandbox::new(storage);
    sandbox.overwrite_all(&NAMES).await;
    for limit in 1..=NAMES.len() + 1 {
        assert_eq!(sandbox.pages("", None, false, limit).await, NAMES, "pages of {limit}");
    }
}

/// The same with folders, which count like objects.
pub async fn pages_with_a_delimiter_join_to_the_whole(storage: &dyn Storage) {
    let sandbox = Sandbox::new(storage);
    sandbox.overwrite_all(&NAMES).await;
    let expected = ["B", "a", "a!", "a!/", "a.json", "a/", "a0", "ab/", "é/"];
    for limit in 1..=expected.len() + 1 {
        assert_eq!(sandbox.pages("", None, true, limit).await, expected, "pages of {limit}");
        assert_eq!(sandbox.pages("a/", None, true, limit).await, ["a/b", "a/b/", "a/e"], "pages of {limit}");
    }
}

/// Each group once, with its slash, and the objects without a further slash.
pub async fn a_delimiter_groups_folders(storage: &dyn Storage) {
    let sandbox = Sandbox::new(storage);
    sandbox.overwrite_all(&NAMES).await;
    let cases: [(&str, &[&str]); 4] = [
        ("a/", &["a/b", "a/b/", "a/e"]),
        ("a", &["a", "a!", "a!/", "a.json", "a/", "a0", "ab/"]),
        ("a/b", &["a/b", "a/b/"]),
        ("a/b/", &["a/b/c", "a/b/d.json"]),
    ];
    for (prefix, expected) in cases {
        assert_eq!(sandbox.pages(prefix, None, true, 100).await, expected, "{prefix}");
    }
}

/// With a delimiter, a folder stands for all that is in it.
pub async fn start_after_a_folder_skips_it(storage: &dyn Storage) {
    let sandbox = Sandbox::new(storage);
    sandbox.overwrite_all(&NAMES).await;
    assert_eq!(sandbox.pages("", Some("a/"), true, 100).await, ["a0", "ab/", "é/"]);
    assert_eq!(sandbox.pages("a/", Some("a/b/"), true, 100).await, ["a/e"]);
    assert_eq!(sandbox.pages("a/", Some("a/b"), true, 100).await, ["a/b/", "a/e"]);
    assert_eq!(sandbox.pages("a/", Some("a/"), true, 100).await, [""; 0]);
}

/// In key order across folders: sizes to the byte, versions as written, times to the minute.
pub async fn a_listing_has_sizes_versions_and_times(storage: &dyn Storage) {
    let sandbox = Sandbox::new(storage);
    let mut written = Vec::new();
    for (size, name) in NAMES.iter().enumerate().rev() {
        let version = sandbox.overwrite(name, vec![b'x'; size * 1_000]).await;
        written.push((format!("{}{name}", sandbox.prefix), size as u64 * 1_000, version));
    }
    written.reverse();
    let objects = sandbox.objects().await;
    assert!(objects.iter().all(|object| is_recent(object.modified)), "{objects:?}");
    let listed: Vec<_> = objects.into_iter().map(|object| (object.key, object.size, object.version)).collect();
    assert_eq!(listed, written);
}

/// Listings do not lag behind.
pub async fn a_listing_sees_every_acknowledged_change(storage: &dyn Storage) {
    let sandbox = Sandbox::new(storage);
    let add_and_look = async |n: usize| {
        let name = format!("folder-{}/{n}", n % 3);
        sandbox.overwrite(&name, "x").await;
        assert!(sandbox.list().await.contains(&name), "{name} was written");
        sandbox.delete(&name).await;
        assert!(!sandbox.list().await.contains(&name), "{name} was deleted");
    };
    join_all((0..12).map(add_and_look)).await;
}
