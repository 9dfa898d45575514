//! The sources of the console: the libraries are those that their list names, nothing is larger than it may be, and nothing
//! makes HTML of a text.

#![allow(clippy::unwrap_used, reason = "a test that cannot go on panics")]

use std::collections::BTreeSet;
use std::fs;
use std::path::{Path, PathBuf};

use sha2::{Digest, Sha256};

/// The largest that all files may be together, as they are sent.
const MAX_BYTES: usize = 80 * 1024;
/// The longest that a file may be, in lines of code.
const MAX_LINES: usize = 300;
/// What makes HTML or code of a text, and styles that the policy of the page refuses.
const FORBIDDEN: [&str; 12] = [
    "innerHTML",
    "outerHTML",
    "insertAdjacentHTML",
    "dangerouslySetInnerHTML",
    "document.write",
    "createContextualFragment",
    "srcdoc",
    "eval(",
    "new Function",
    "javascript:",
    "style=\"",
    "allow-scripts",
];

fn assets() -> PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR")).join("assets")
}

/// The files below a folder, by their path.
fn files(folder: &Path) -> BTreeSet<PathBuf> {
    let entries = fs::read_dir(folder).unwrap().map(|entry| entry.unwrap().path());
    entries.flat_map(|path| if path.is_dir() { files(&path) } else { BTreeSet::from([path]) }).collect()
}

/// The files that are ours.
fn own() -> BTreeSet<PathBuf> {
    let vendor = assets().join("vendor");
    files(&assets()).into_iter().filter(|path| !path.starts_with(&vendor)).collect()
}

#[test]
fn the_libraries_are_those_of_their_list() {
    let list = fs::read_to_string(assets().join("vendor/README.md")).unwrap();
    let mut listed = BTreeSet::from([assets().join("vendor/README.md")]);
    for row in list.lines().filter(|line| line.starts_with("| `")) {
        let cells: Vec<&str> = row.trim_matches('|').split('|').map(|cell| cell.trim().trim_matches('`')).collect();
        let [name, _, _, licence, digest] = cells[..] else { panic!("{row}") };
        let path = assets().join("vendor").join(name);
        let bytes = fs::read(&path).unwrap();
        assert_eq!(hex::encode(Sha256::digest(&bytes)), digest, "{name}");
        assert!(["MIT", "Apache-2.0"].contains(&licence), "{name}");
        let text = String::from_utf8_lossy(&bytes);
        let named = if licence == "MIT" { "MIT License" } else { "Apache License" };
        assert!(!name.starts_with("LICENSE") || text.contains(named), "{name} is not {licence}");
        listed.insert(path);
    }
    assert_eq!(files(&assets().join("vendor")), listed);
}

#[test]
fn the_whole_console_is_small() {
    let page = cache_console::PAGE.gzip.len();
    let all: usize = cache_console::files().iter().map(|file| file.gzip.len()).sum();
    assert!(page + all <= MAX_BYTES, "{} bytes", page + all);
}

#[test]
fn no_source_makes_html_of_a_text() {
    for path in own() {
        let source = fs::read_to_string(&path).unwrap();
        for word in FORBIDDEN {
            assert!(!source.contains(word), "{word} is in {}", path.display());
        }
    }
}

#[test]
fn no_source_names_another_origin() {
    for path in own() {
        let source = fs::read_to_string(&path).unwrap().replace("http://www.w3.org/2000/svg", "");
        assert!(!source.contains("http:") && !source.contains("https:"), "{}", path.display());
    }
}

#[test]
fn no_source_is_long() {
    for path in own() {
        let source = fs::read_to_string(&path).unwrap();
        let is_code = |line: &&str| !line.trim().is_empty() && !line.trim_start().starts_with(['/', '*']);
        let lines = source.lines().filter(is_code).count();
        assert!(lines <= MAX_LINES, "{} has {lines} lines", path.display());
    }
}

#[test]
fn a_module_imports_only_files_that_are_served() {
    for path in own().iter().filter(|path| path.extension().is_some_and(|extension| extension == "js")) {
        let source = fs::read_to_string(path).unwrap();
        for line in source.lines().filter(|line| line.starts_with("import ") || line.starts_with("export {")) {
            let Some((_, from)) = line.split_once(" from '") else { continue };
            let target = path.parent().unwrap().join(from.trim_end_matches("';"));
            let target = target.canonicalize().unwrap_or_else(|_| panic!("{}: {line}", path.display()));
            let name = target.strip_prefix(assets().canonicalize().unwrap()).unwrap().to_str().unwrap();
            assert!(cache_console::file(name).is_some(), "{}: {line}", path.display());
        }
    }
}
