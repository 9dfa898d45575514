//! Every storage key, spelt here and nowhere else.
//!
//! | what | key below `{namespace}/` |
//! |---|---|
//! | content (blob) | `blobs/2c/f2/2cf24dba5fb0a30e`, or `blobs/2c/f2/2cf24dba5fb0a30e-0002a` under a token |
//! | entry record | `refs/by-id/2c/f2/2cf24dba-5fb0-8a30-....json` |
//! | hash index | `refs/by-hash/2c/f2/2cf24dba5fb0a30e.json` |
//! | key index | `refs/by-key/9b/1c/9b1c....json`, 32 hex digits of SHA-256 over strategy, cache key and file id |
//! | index pages | `pages/by-hash/2cf24dba5fb0a30e/{name}.json`, `pages/by-key/9b1c.../{name}.json` |
//! | revisions | `revisions/2c/f2/2cf24dba-5fb0-8a30-.../{n}`, and its description `{n}.json` |
//! | dated view | `data/temporal/2026/11/20/15/5204123-{cache_id}.json` (UTC; minutes, seconds, milliseconds) |
//! | latest view | `data/temporal-latest/latest/{cache_key}/{file_id}.json` |
//! | readable copy | `data/key-based/{cache_key}/{file_id}.json`, `.txt` or `.bin` |
//! | child file | `data/children/2c/f2/2cf24dba-5fb0-8a30-.../data/{data_key}/{data_file_id}.json`, `.txt` or `.bin` |
//! | mark of a completed upload | `uploads/2c/f2/2cf24dba-5fb0-8a30-....json` |
//! | settings | `namespace.json` |

mod place;

use sha2::{Digest, Sha256};

use crate::ids::{BlobToken, CacheHash, CacheId, CacheKey, DataKey, FileId, Namespace};
use crate::storage::{InvalidObjectKey, ObjectKey};
use crate::strategy::{ContentKind, Strategy};

pub use self::place::{Place, classify};
pub(crate) use self::place::{dated_place, parse_dated_place};

/// The keys of one namespace.
#[derive(Debug, Clone, Copy)]
pub struct Layout<'a> {
    namespace: &'a Namespace,
}

/// What a key index is about: the versions stored with one strategy under one cache key and file id.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct KeyName {
    /// The strategy of its entries.
    pub strategy: Strategy,
    /// The path they were stored under.
    pub cache_key: CacheKey,
    /// The file name they were stored with.
    pub file_id: FileId,
}

impl KeyName {
    /// The first 32 hex digits of SHA-256 over strategy, cache key and file id, each ended by a zero byte.
    fn digest(&self) -> String {
        let mut hasher = Sha256::new();
        for part in [self.strategy.name(), self.cache_key.as_str(), self.file_id.as_str()] {
            hasher.update(part);
            hasher.update([0]);
        }
        hex::encode(&hasher.finalize()[..16])
    }
}

impl<'a> Layout<'a> {
    /// The keys below `{namespace}/`.
    pub fn new(namespace: &'a Namespace) -> Self {
        Self { namespace }
    }

    /// The content under a hash and token.
    pub fn blob(self, hash: &CacheHash, token: BlobToken) -> ObjectKey {
        let shards = shards(hash.as_str());
        if token.is_plain() {
            self.short(format_args!("blobs/{shards}/{hash}"))
        } else {
            self.short(format_args!("blobs/{shards}/{hash}-{token}"))
        }
    }

    /// The record of an entry.
    pub fn record(self, id: CacheId) -> ObjectKey {
        self.short(format_args!("refs/by-id/{}/{id}.json", shards(&id.to_string())))
    }

    /// The index of all versions under a hash.
    pub fn hash_index(self, hash: &CacheHash) -> ObjectKey {
        self.short(format_args!("refs/by-hash/{}/{hash}.json", shards(hash.as_str())))
    }

    /// The index of all versions under a key and file id.
    pub fn key_index(self, name: &KeyName) -> ObjectKey {
        let digest = name.digest();
        self.short(format_args!("refs/by-key/{}/{digest}.json", shards(&digest)))
    }

    /// A page of the index at `index`, which is a key that [`Layout::hash_index`] or [`Layout::key_index`] made.
    pub fn page(self, index: &ObjectKey, name: &str) -> ObjectKey {
        let below = index.as_str().trim_start_matches(self.namespace.as_str());
        let folder = if below.starts_with("/refs/by-hash/") { "by-hash" } else { "by-key" };
        let stem = below.rsplit('/').next().unwrap_or_default().trim_end_matches(".json");
        self.short(format_args!("pages/{folder}/{stem}/{name}.json"))
    }

    /// The content of an entry's n-th revision.
    pub fn revision(self, id: CacheId, n: u64) -> ObjectKey {
        self.short(format_args!("revisions/{}/{id}/{n}", shards(&id.to_string())))
    }

    /// What describes an entry's n-th revision.
    pub fn revision_description(self, id: CacheId, n: u64) -> ObjectKey {
        self.short(format_args!("revisions/{}/{id}/{n}.json", shards(&id.to_string())))
    }

    /// Where the dated view points to an entry. `strategy` is one that [`Strategy::is_dated`].
    pub fn dated(self, strategy: Strategy, stored_at_ms: u64, id: CacheId) -> ObjectKey {
        self.short(format_args!("data/{}/{}-{id}.json", strategy.folder(), dated_place(stored_at_ms)))
    }

    /// The folder of the dated view of a strategy. It ends with `/`.
    pub fn dated_folder(self, strategy: Strategy) -> String {
        format!("{}/data/{}/", self.namespace, strategy.folder())
    }

    /// Where the latest view points to the newest entry under a key and file id.
    pub fn latest(self, name: &KeyName) -> Result<ObjectKey, InvalidObjectKey> {
        self.long(format_args!("data/temporal-latest/latest/{}/{}.json", name.cache_key, name.file_id))
    }

    /// The readable copy of an entry: under its key, or directly in the folder when it has none.
    pub fn readable(
        self,
        key: Option<&CacheKey>,
        file_name: &str,
        kind: ContentKind,
    ) -> Result<ObjectKey, InvalidObjectKey> {
        let extension = extension(kind);
        match key {
            Some(key) => self.long(format_args!("data/key-based/{key}/{file_name}.{extension}")),
            None => self.long(format_args!("data/key-based/{file_name}.{extension}")),
        }
    }

    /// The folder of an entry's children, or of those under a data key. It ends with `/`.
    pub fn children(self, id: CacheId, data_key: Option<&DataKey>) -> String {
        let folder = format!("{}/data/children/{}/{id}/data/", self.namespace, shards(&id.to_string()));
        match data_key {
            Some(data_key) => format!("{folder}{data_key}/"),
            None => folder,
        }
    }

    /// A child file of an entry.
    pub fn child(
        self,
        id: CacheId,
        data_key: Option<&DataKey>,
        file_id: &FileId,
        kind: ContentKind,
    ) -> Result<ObjectKey, InvalidObjectKey> {
        format!("{}{file_id}.{}", self.children(id, data_key), extension(kind)).parse()
    }

    /// The folder of all revisions of an entry. It ends with `/`.
    pub fn revisions(self, id: CacheId) -> String {
        format!("{}/revisions/{}/{id}/", self.namespace, shards(&id.to_string()))
    }

    /// The mark of a completed upload.
    pub fn upload_mark(self, upload: CacheId) -> ObjectKey {
        self.short(format_args!("uploads/{}/{upload}.json", shards(&upload.to_string())))
    }

    /// The folder of the marks of all completed uploads. It ends with `/`.
    pub fn upload_marks(self) -> String {
        format!("{}/uploads/", self.namespace)
    }

    /// The folder of the children of all entries. It ends with `/`.
    pub fn all_children(self) -> String {
        format!("{}/data/children/", self.namespace)
    }

    /// The folder of the revisions of all entries. It ends with `/`.
    pub fn all_revisions(self) -> String {
        format!("{}/revisions/", self.namespace)
    }

    /// The folder of all entry records. It ends with `/`.
    pub fn records(self) -> String {
        format!("{}/refs/by-id/", self.namespace)
    }

    /// The folder of all blobs. It ends with `/`.
    pub fn blobs(self) -> String {
        format!("{}/blobs/", self.namespace)
    }

    /// The folder of all hash indexes. It ends with `/`.
    pub fn hash_indexes(self) -> String {
        format!("{}/refs/by-hash/", self.namespace)
    }

    /// The settings of the namespace.
    pub fn settings(self) -> ObjectKey {
        self.short(format_args!("namespace.json"))
    }

    /// A key whose parts are all of bounded length, so that it is always valid.
    fn short(self, below: std::fmt::Arguments<'_>) -> ObjectKey {
        self.long(below).expect("a namespace of 128 characters, hashes and ids stay below the limit")
    }

    /// A key with a name in it that may be too long.
    fn long(self, below: std::fmt::Arguments<'_>) -> Result<ObjectKey, InvalidObjectKey> {
        format!("{}/{below}", self.namespace).parse()
    }
}

/// The extension of readable copies and child files.
pub fn extension(kind: ContentKind) -> &'static str {
    match kind {
        ContentKind::Json => "json",
        ContentKind::String => "txt",
        ContentKind::Binary | ContentKind::Zip => "bin",
    }
}

/// The first two pairs of hex digits, as folders.
fn shards(hex: &str) -> String {
    format!("{}/{}", &hex[..2], &hex[2..4])
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn keys_are_spelt_as_the_table_says() {
        let namespace: Namespace = "demo".parse().unwrap();
        let layout = Layout::new(&namespace);
        let hash: CacheHash = "2cf24dba5fb0a30e".parse().unwrap();
        let id: CacheId = "2cf24dba-5fb0-8a30-8000-000000000001".parse().unwrap();
        let name =
            KeyName { strategy: Strategy::KeyBased, cache_key: "a/b".parse().unwrap(), file_id: "f".parse().unwrap() };
        let index = layout.hash_index(&hash);
        assert_eq!(index.as_str(), "demo/refs/by-hash/2c/f2/2cf24dba5fb0a30e.json");
        assert_eq!(layout.page(&index, "256-9").as_str(), "demo/pages/by-hash/2cf24dba5fb0a30e/256-9.json");
        assert_eq!(layout.blob(&hash, BlobToken::PLAIN).as_str(), "demo/blobs/2c/f2/2cf24dba5fb0a30e");
        assert_eq!(layout.blob(&hash, BlobToken::fresh(41)).as_str(), "demo/blobs/2c/f2/2cf24dba5fb0a30e-0002a");
        assert_eq!(layout.record(id).as_str(), "demo/refs/by-id/2c/f2/2cf24dba-5fb0-8a30-8000-000000000001.json");
        let dated = layout.dated(Strategy::TemporalLatest, 1_795_176_411_520, id);
        assert_eq!(
            dated.as_str(),
            "demo/data/temporal-latest/2026/11/20/12/0651520-2cf24dba-5fb0-8a30-8000-000000000001.json"
        );
        let copy = layout.readable(Some(&name.cache_key), "f", ContentKind::String).unwrap();
        assert_eq!(copy.as_str(), "demo/data/key-based/a/b/f.txt");
        let key_index = layout.key_index(&name);
        assert!(layout.page(&key_index, "1-2").as_str().starts_with("demo/pages/by-key/"), "{key_index}");
    }

    #[test]
    fn names_that_differ_only_in_where_they_are_split_have_different_key_indexes() {
        let namespace: Namespace = "refs".parse().unwrap();
        let index = |key: &str, file: &str| {
            let name =
                KeyName { strategy: Strategy::Direct, cache_key: key.parse().unwrap(), file_id: file.parse().unwrap() };
            Layout::new(&namespace).key_index(&name)
        };
        assert_ne!(index("a", "bc"), index("ab", "c"));
    }

    #[test]
    fn a_path_beyond_the_limit_is_refused() {
        let namespace: Namespace = "demo".parse().unwrap();
        let key: CacheKey = "k".repeat(1020).parse().unwrap();
        let copy = Layout::new(&namespace).readable(Some(&key), "f", ContentKind::Json);
        assert!(matches!(copy, Err(InvalidObjectKey::TooLong(_))));
    }
}
