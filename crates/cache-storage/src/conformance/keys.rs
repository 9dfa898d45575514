//! Which keys there can be.

use std::collections::BTreeSet;

use cache_core::storage::{MAX_KEY_BYTES, PutMode, Storage};

use super::Sandbox;

/// Writes objects with their name as content, and expects to find, list and delete each of them.
async fn check_names(storage: &dyn Storage, names: &[&str]) {
    let sandbox = Sandbox::new(storage);
    for name in names {
        sandbox.put(name, name.to_string(), PutMode::Create).await.unwrap();
    }
    let mut left: BTreeSet<_> = names.iter().copied().collect();
    for name in names {
        assert_eq!(sandbox.text(name).await.as_deref(), Some(*name));
        assert_eq!(sandbox.list().await, left.iter().copied().collect::<Vec<_>>());
        sandbox.delete(name).await;
        assert_eq!(sandbox.get(name).await, None);
        left.remove(name);
    }
}

/// `a` and `a/b` are two objects like any other.
pub async fn a_key_may_be_a_file_and_a_folder(storage: &dyn Storage) {
    check_names(storage, &["a", "a/b", "a/b/c", "x.json/y.json/z.json", "x.json/y.json", "x.json"]).await;
}

/// A segment may be nearly as long as a key.
pub async fn long_segments_are_kept(storage: &dyn Storage) {
    let long = |end: &str| format!("{}{end}", "a".repeat(250));
    let names = [
        "b".repeat(255),
        "b".repeat(256),
        "c".repeat(900),
        "ü".repeat(300),
        long(""),
        long("!"),
        long("/a"),
        long("."),
        long(".."),
        long("b"),
        long("b/c"),
        "a".repeat(249),
    ];
    check_names(storage, &names.each_ref().map(String::as_str)).await;
}

/// 1,024 bytes, in one segment or in five hundred.
pub async fn the_longest_key_is_kept(storage: &dyn Storage) {
    let room = MAX_KEY_BYTES - Sandbox::new(storage).prefix.len();
    check_names(storage, &[&"a".repeat(room)]).await;
    let deep = format!("{}{}", "a/".repeat(room / 2 - 1), "a".repeat(2 - room % 2));
    check_names(storage, &[&deep]).await;
}

/// No character means anything but itself, and a slash parts folders.
pub async fn odd_names_are_kept(storage: &dyn Storage) {
    let names = [
        " leading and trailing ",
        "%",
        "%25",
        "a%",
        "a%/b",
        "%2Ehidden",
        ".hidden",
        ".mgraph/locks/000",
        "...",
        "..a/..b",
        "a+b",
        "a b",
        "a&b=c",
        "a?b",
        "a#b",
        "a'b\"c",
        "a<b>",
        "a~b",
        "a*b",
        "a|b",
        "a:b",
        "a;b,c",
        "$(a)",
        "{a}[b]",
        "grün",
        "gru\u{308}n",
        "日本",
        "🦀",
        "CON",
        "nul.txt",
    ];
    check_names(storage, &names).await;
}

/// A key is bytes.
pub async fn keys_that_differ_in_case_are_two(storage: &dyn Storage) {
    check_names(storage, &["Readme.json", "readme.json", "Folder/a", "folder/a"]).await;
}
