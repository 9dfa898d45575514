//! The files that the Python service 0.14 keeps of an entry. Pure; `cache::python_store` reads and writes them.
//!
//! | file below `{namespace}/` | what it is |
//! |---|---|
//! | `refs/by-id/7d/d9/{cache_id}.json` | [`IdFile`]: where the entry is. The entry exists while it is there |
//! | `refs/by-hash/2c/f2/{cache_hash}.json` | [`HashFile`]: the ids with a hash, oldest first |
//! | `data/{strategy}/…/{name}.json`, `.bin` | the content: of a text its JSON string, of JSON the value, else the bytes |
//! | the same with `.metadata` | [`MetadataFile`]: what the store was asked for |
//! | the same with `.config` | nothing that the others do not say |
//! | `data/{strategy}/…/{name}/data/…` | children |
//!
//! This service adds a few fields to the first two when an entry is changed. The Python service overlooks them.

use bytes::Bytes;
use serde::{Deserialize, Serialize};

use crate::ids::{CacheHash, CacheId};
use crate::json::Document;
use crate::strategy::{ContentKind, Strategy};
use crate::time::UnixMillis;

/// What stands behind the name of a content in the name of its [`MetadataFile`].
pub const METADATA_SUFFIX: &str = ".metadata";
/// The same for the file that says how a content is kept.
pub const CONFIG_SUFFIX: &str = ".config";

/// The reference file of an entry.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct IdFile {
    /// All files of the entry.
    pub all_paths: AllPaths,
    /// Its id.
    pub cache_id: CacheId,
    /// The hash that it is found by.
    pub cache_hash: CacheHash,
    /// Its contents and its children.
    pub file_paths: FilePaths,
    /// `json` or `binary`.
    pub file_type: String,
    /// Its namespace.
    pub namespace: String,
    /// Its strategy.
    pub strategy: Strategy,
    /// When it was stored.
    pub timestamp: UnixMillis,
    /// Added by this service: the entry was changed, and the manifest of its hash lists it as this version.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub manifest_version: Option<u64>,
    /// Added by this service: the entry was deleted, and its files are about to go.
    #[serde(default, skip_serializing_if = "std::ops::Not::not")]
    pub is_deleted: bool,
}

/// The files of an entry.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct AllPaths {
    /// Its contents, and what accompanies them.
    pub data: Vec<String>,
    /// The reference file of its hash.
    pub by_hash: Vec<String>,
    /// Its reference file.
    pub by_id: Vec<String>,
}

/// The contents of an entry, and the folders of its children. Of either, all are equal, and the first counts.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct FilePaths {
    /// The files with its content.
    pub content_files: Vec<String>,
    /// The folders with its children.
    pub data_folders: Vec<String>,
}

/// The reference file of a hash.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct HashFile {
    /// The hash.
    pub cache_hash: CacheHash,
    /// The entries, oldest first.
    pub cache_ids: Vec<HashFileRow>,
    /// The newest one.
    pub latest_id: Option<CacheId>,
    /// How many there are.
    pub total_versions: u64,
    /// Added by this service: the version that comes next, once it is not the number of rows any more.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub next_version: Option<u64>,
}

/// An entry in a [`HashFile`].
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct HashFileRow {
    /// Its id.
    pub cache_id: CacheId,
    /// When it was stored.
    pub timestamp: UnixMillis,
    /// Added by this service: its version, once that is not its place any more.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub version: Option<u64>,
}

/// What accompanies a content. Of several entries that share a file it describes the one that was stored last.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct MetadataFile {
    /// The first 10 hex digits of the MD5 of the file.
    #[serde(default, rename = "content__hash")]
    pub content_hash: String,
    /// Bytes of the file.
    #[serde(default, rename = "content__size")]
    pub content_size: u64,
    /// When it was written.
    pub timestamp: UnixMillis,
    /// What the store was asked for.
    pub data: StoreData,
}

/// What a store was asked for.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct StoreData {
    /// The entry.
    pub cache_id: CacheId,
    /// The key as it was sent; empty without one.
    #[serde(default)]
    pub cache_key: String,
    /// The file id, or the cache id without one.
    #[serde(default)]
    pub file_id: String,
    /// The `Content-Encoding` of the request.
    pub content_encoding: Option<String>,
    /// The field that made the hash. Empty when there could have been one.
    pub json_field_path: Option<String>,
}

/// What is known of an entry from its files.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct PythonFiles {
    /// Its reference file.
    pub reference: IdFile,
    /// What accompanies its content; `None` when that is missing.
    pub metadata: Option<MetadataFile>,
}

impl IdFile {
    /// Whether the file with the content is the content: bytes are kept as they are, JSON and texts are not.
    pub fn is_kept_as_bytes(&self) -> bool {
        self.file_paths.content_files.first().is_some_and(|path| path.ends_with(".bin"))
    }
}

impl PythonFiles {
    /// Whether no other entry was stored into the same files later.
    pub fn owns_files(&self) -> bool {
        self.metadata.as_ref().is_none_or(|metadata| metadata.data.cache_id == self.reference.cache_id)
    }
}

impl HashFile {
    /// The entries with their versions, oldest first.
    pub fn versions(&self) -> impl DoubleEndedIterator<Item = (u64, &HashFileRow)> {
        self.cache_ids.iter().enumerate().map(|(place, row)| (row.version.unwrap_or(place as u64 + 1), row))
    }

    /// The version of an entry.
    pub fn version_of(&self, id: CacheId) -> Option<u64> {
        self.versions().find(|(_, row)| row.cache_id == id).map(|(version, _)| version)
    }

    /// The version that the next entry with the hash gets.
    pub fn next_version(&self) -> u64 {
        self.next_version.unwrap_or(self.cache_ids.len() as u64 + 1)
    }

    /// The same without an entry; `None` when it does not list it. The others keep their versions.
    #[must_use]
    pub fn without(&self, id: CacheId) -> Option<Self> {
        self.version_of(id)?;
        let left = self.versions().filter(|(_, row)| row.cache_id != id);
        let cache_ids: Vec<HashFileRow> =
            left.map(|(version, row)| HashFileRow { version: Some(version), ..row.clone() }).collect();
        Some(Self {
            latest_id: cache_ids.last().map(|row| row.cache_id),
            total_versions: cache_ids.len() as u64,
            next_version: Some(self.next_version()),
            cache_ids,
            cache_hash: self.cache_hash.clone(),
        })
    }
}

/// The content in a file with this path, as this service keeps it. The Python service tells texts from JSON by the file, too.
///
/// What it wrote and JSON does not allow, such as `NaN`, is a text.
pub fn read_content(path: &str, file: &Bytes) -> (ContentKind, Bytes) {
    if path.ends_with(".bin") {
        return (ContentKind::Binary, file.clone());
    }
    match Document::parse(file) {
        Ok(document) => match document.root().as_string() {
            Some(text) => (ContentKind::String, text.into_owned().into()),
            None => (ContentKind::Json, document.into_text()),
        },
        Err(_) if std::str::from_utf8(file).is_ok() => (ContentKind::String, file.clone()),
        Err(_) => (ContentKind::Binary, file.clone()),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const HASH_FILE: &str = r#"{
  "cache_hash": "2cf24dba5fb0a30e",
  "cache_ids": [
    {"cache_id": "a2505104-b733-4dfd-9e8f-5debc83ccbc6", "timestamp": 1},
    {"cache_id": "bdf99719-1ce8-472f-b4a8-c7227b3c2d0d", "timestamp": 2},
    {"cache_id": "7dd92262-4ce4-4fa4-8da2-24c58e22639c", "timestamp": 3}
  ],
  "latest_id": "7dd92262-4ce4-4fa4-8da2-24c58e22639c",
  "total_versions": 3
}"#;

    fn versions(file: &HashFile) -> Vec<(u64, u64)> {
        file.versions().map(|(version, row)| (version, row.timestamp.get())).collect()
    }

    #[test]
    fn versions_stay_when_an_entry_is_taken_out() {
        let file: HashFile = serde_json::from_str(HASH_FILE).unwrap();
        assert_eq!((versions(&file), file.next_version()), (vec![(1, 1), (2, 2), (3, 3)], 4));
        let left = file.without(file.cache_ids[0].cache_id).unwrap();
        let left = left.without(file.cache_ids[2].cache_id).unwrap();
        let left: HashFile = serde_json::from_slice(&serde_json::to_vec(&left).unwrap()).unwrap();
        assert_eq!((versions(&left), left.next_version()), (vec![(2, 2)], 4));
        assert_eq!((left.latest_id, left.total_versions), (Some(file.cache_ids[1].cache_id), 1));
        assert_eq!(left.without(file.cache_ids[2].cache_id), None);
    }

    #[test]
    fn the_file_tells_what_kind_of_content_it_is() {
        let read = |path: &str, file: &'static [u8]| {
            let (kind, bytes) = read_content(path, &Bytes::from_static(file));
            (kind, bytes.to_vec())
        };
        assert_eq!(read("a.json", br#""caf\u00e9""#), (ContentKind::String, "café".as_bytes().to_vec()));
        assert_eq!(read("a.json", b"{\n  \"a\": 1\n}"), (ContentKind::Json, br#"{"a":1}"#.to_vec()));
        assert_eq!(read("a.bin", b"{}"), (ContentKind::Binary, b"{}".to_vec()));
        assert_eq!(read("a.json", b"{\n  \"a\": NaN\n}"), (ContentKind::String, b"{\n  \"a\": NaN\n}".to_vec()));
        assert_eq!(read("a.json", b"\x00\xff"), (ContentKind::Binary, b"\x00\xff".to_vec()));
    }
}
