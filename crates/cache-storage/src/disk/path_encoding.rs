//! Keys as paths on disk, and back.
//!
//! Each segment of a key becomes one name. Ordinary names stay exactly as they are, so that the store can be read with
//! `ls` and `cat`. A name is changed if it could collide with another name, or if the file system would refuse it:
//!
//! | in the key | on disk | because |
//! |---|---|---|
//! | `demo/data/key-based/daily.json` | `demo/data/key-based/daily.json` | a file has a dot in its name, a folder has none: they never collide |
//! | a file without a dot: `blobs/3fe6` | `blobs/3fe6%` | there may also be keys below `blobs/3fe6/` |
//! | a folder with a dot: `v1.2/daily.json` | `v1.2%/daily.json` | there may also be a file `v1.2` |
//! | `%` | `%25` | `%` is the sign for all of these |
//! | a dot at the start: `.hidden` | `%2Ehidden` | names with a dot at the start are the store's own (`.mgraph`), or mean something else (`..`) |
//! | a segment over 250 bytes: `aaa…aaaz` | `aaa…aaa%+/z%` | file systems take names of 255 bytes; `%+` means that the segment continues in the next name |
//!
//! The path depends on the key alone, so it never changes. [`decode`] accepts only paths that [`path`] returns; any
//! other file in the folder is not an object. There is one exception: the Python service writes folders with a dot under their own
//! names, so an object that is not under its path may be under its [`plain_path`].

use std::path::PathBuf;

/// The most bytes of a segment that share one name. With `%+` at its end, such a name stays below 255 bytes.
const CHUNK_BYTES: usize = 250;
/// The longest text that stands for one character in a name: four bytes of UTF-8.
const MAX_PIECE_BYTES: usize = 4;

/// Continues in the names inside of this folder.
const GOES_ON: &str = "%+";
/// A file without a dot, or a folder with one.
const UNUSUAL: &str = "%";

/// The meaning of a name on disk.
#[derive(Debug, PartialEq, Eq)]
pub(super) enum Name {
    /// The last segment of a key, or the end of it.
    File(String),
    /// A segment of a key that others follow, or the end of it.
    Folder(String),
    /// The beginning of a long segment.
    Beginning(String),
}

/// The path of an object, relative to the root.
pub(super) fn path(key: &str) -> PathBuf {
    match key.rsplit_once('/') {
        None => segment_path(key, false),
        Some((folder, file)) => folder_path(folder).join(segment_path(file, false)),
    }
}

/// The path of the folder of all objects whose keys start with `folder` and a `/`, relative to the root.
pub(super) fn folder_path(folder: &str) -> PathBuf {
    folder.split('/').map(|segment| segment_path(segment, true)).collect()
}

/// The path of an object that the Python service wrote, if it has another one: its folders have the names of the segments.
pub(super) fn plain_path(key: &str) -> Option<PathBuf> {
    let (folder, file) = key.rsplit_once('/')?;
    Some(plain_folder_path(folder)?.join(segment_path(file, false)))
}

/// The same of a folder, as [`folder_path`].
pub(super) fn plain_folder_path(folder: &str) -> Option<PathBuf> {
    let is_one = |segment: &str| !segment.contains('.') && !segment.contains('%') || is_plain_folder(segment);
    (folder.contains('.') && folder.split('/').all(is_one)).then(|| PathBuf::from(folder))
}

/// Whether the Python service may have written a folder with this name, which [`decode`] does not accept.
pub(super) fn is_plain_folder(name: &str) -> bool {
    name.contains('.') && !name.starts_with('.') && !name.contains('%') && name.len() <= CHUNK_BYTES
}

/// The meaning of a name, or `None` when no key leads to it.
pub(super) fn decode(name: &str, is_folder: bool) -> Option<Name> {
    if let Some(beginning) = name.strip_suffix(GOES_ON).filter(|_| is_folder) {
        let full = beginning.len() <= CHUNK_BYTES && beginning.len() + MAX_PIECE_BYTES > CHUNK_BYTES;
        return full.then(|| unescape(beginning)).flatten().map(Name::Beginning);
    }
    let escaped = name.strip_suffix(UNUSUAL).unwrap_or(name);
    let segment = unescape(escaped).filter(|segment| !segment.is_empty() && escaped.len() <= CHUNK_BYTES)?;
    if is_unusual(&segment, is_folder) != (escaped.len() < name.len()) {
        return None;
    }
    Some(if is_folder { Name::Folder(segment) } else { Name::File(segment) })
}

fn segment_path(segment: &str, is_folder: bool) -> PathBuf {
    let mut path = PathBuf::new();
    let mut rest = segment;
    loop {
        let (mut name, beyond) = escape_chunk(rest);
        if beyond.is_empty() {
            name.push_str(if is_unusual(rest, is_folder) { UNUSUAL } else { "" });
            path.push(name);
            return path;
        }
        name.push_str(GOES_ON);
        path.push(name);
        rest = beyond;
    }
}

fn is_unusual(segment: &str, is_folder: bool) -> bool {
    segment.contains('.') == is_folder
}

/// The part of a segment that fits into one name, and the rest.
fn escape_chunk(segment: &str) -> (String, &str) {
    let mut name = String::with_capacity(segment.len());
    for (at, char) in segment.char_indices() {
        let mut buffer = [0; MAX_PIECE_BYTES];
        let piece = match char {
            '%' => "%25",
            '.' if at == 0 => "%2E",
            _ => char.encode_utf8(&mut buffer),
        };
        if name.len() + piece.len() > CHUNK_BYTES {
            return (name, &segment[at..]);
        }
        name.push_str(piece);
    }
    (name, "")
}

fn unescape(name: &str) -> Option<String> {
    let (start, rest) = match name.strip_prefix("%2E") {
        Some(rest) => (".", rest),
        None if name.starts_with('.') => return None,
        None => ("", name),
    };
    let mut pieces = rest.split('%');
    let mut text = format!("{start}{}", pieces.next().unwrap_or_default());
    for piece in pieces {
        text.push('%');
        text.push_str(piece.strip_prefix("25")?);
    }
    Some(text)
}

#[cfg(test)]
mod tests {
    use std::path::Path;

    use proptest::prelude::*;

    use super::*;

    fn check(key: &str, expected: &str) {
        assert_eq!(path(key), Path::new(expected), "{key}");
        assert_eq!(key_of(Path::new(expected)).as_deref(), Some(key), "{expected}");
    }

    /// Reads a path back, name by name.
    fn key_of(path: &Path) -> Option<String> {
        let names: Vec<_> = path.iter().map(|name| name.to_str()).collect::<Option<_>>()?;
        let mut key = String::new();
        for (at, name) in names.iter().enumerate() {
            match decode(name, at + 1 < names.len())? {
                Name::File(segment) | Name::Beginning(segment) => key.push_str(&segment),
                Name::Folder(segment) => key.push_str(&format!("{segment}/")),
            }
        }
        Some(key)
    }

    #[test]
    fn ordinary_keys_are_their_own_path() {
        let key = "demo/data/key-based/reports/2025/sales/daily.json";
        check(key, key);
    }

    #[test]
    fn the_table_of_the_docs_holds() {
        check("blobs/3fe6", "blobs/3fe6%");
        check("v1.2/daily.json", "v1.2%/daily.json");
        check("100%/a.b", "100%25/a.b");
        check(".hidden", "%2Ehidden");
        check("..a/..b", "%2E.a%/%2E.b");
        let long = "a".repeat(CHUNK_BYTES);
        check(&format!("{long}z"), &format!("{long}%+/z%"));
        check(&format!("{long}.."), &format!("{long}%+/%2E."));
    }

    #[test]
    fn foreign_names_are_no_objects() {
        for name in ["notes", ".mgraph", "a.json%", "%", "", "%41.x", "a%2.x", "%2e.x", "a.b%2Ec"] {
            assert_eq!(decode(name, false), None, "{name}");
        }
        for name in ["v1.2", "a%", ".git", "a%+", "%+"] {
            assert_eq!(decode(name, true), None, "{name}");
        }
    }

    fn any_key() -> impl Strategy<Value = String> {
        let segment =
            prop_oneof!["[a-c.%+]{1,4}", "[a-z0-9_-]{1,12}(\\.json)?", "[^/\\\\\\pC]{1,90}", "[a%.é🦀]{240,330}",];
        proptest::collection::vec(segment, 1..4)
            .prop_map(|segments| segments.join("/"))
            .prop_filter("a valid key", |key| key.parse::<cache_core::storage::ObjectKey>().is_ok())
    }

    proptest! {
        #[test]
        fn a_path_leads_back_to_its_key(key in any_key()) {
            let path = path(&key);
            prop_assert_eq!(key_of(&path), Some(key));
        }

        #[test]
        fn every_name_fits_and_stays_below_the_root(key in any_key()) {
            for name in &path(&key) {
                let name = name.to_str().unwrap();
                prop_assert!(name.len() <= 255 && !name.starts_with('.'), "{}", name);
            }
        }

        #[test]
        fn a_file_and_a_folder_never_meet(key in any_key()) {
            prop_assert_ne!(path(&key), folder_path(&key));
        }

        #[test]
        fn whatever_decodes_encodes_to_the_same(name in "[ab.%+25E]{1,6}", is_folder: bool) {
            if let Some(Name::File(segment) | Name::Folder(segment)) = decode(&name, is_folder) {
                prop_assert_eq!(segment_path(&segment, is_folder), Path::new(&name));
            }
        }
    }
}
