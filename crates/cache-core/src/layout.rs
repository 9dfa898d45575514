//! Every storage key, spelled here and nowhere else.
//!
//! | what | key below `{namespace}/` |
//! |---|---|
//! | manifest of a cache hash | `refs/by-hash/2c/f2/2cf24dba5fb0a30e` |
//! | key index | `refs/by-key/9b/1c/9b1c...`, 32 hex digits of SHA-256 over strategy, cache key and file id |
//! | page of either | `pages/by-hash/2cf24dba5fb0a30e/{name}`, `pages/by-key/9b1c.../{name}` |
//! | blob | `blobs/2c/f2/2cf24dba5fb0a30e-0002a` |
//! | intent of a group commit | `intents/2c/f2/2cf24dba5fb0a30e/{name}`, with the name of the key index for one of a key |
//! | alias of an id that names no hash | `refs/by-id/00/00/00000000-0000-....json` |
//! | reference files of the Python service | the same path as an alias, and `refs/by-hash/2c/f2/2cf24dba5fb0a30e.json` |
//! | dated view | `data/temporal/2026/11/20/15/5204123-{cache_id}-{nonce}.json` (UTC; minutes, seconds, milliseconds) |
//! | latest view | `data/temporal-latest/latest/{cache_key}/{file_id}.json` |
//! | readable copy | `data/key-based/{cache_key}/{file_id}.json`, `.txt` or `.bin` |
//! | child file | `data/children/2c/f2/2cf24dba-5fb0-8a30-.../data/{data_key}/{data_file_id}.json`, `.txt` or `.bin` |
//! | catalog shard | `catalog/{first digits of the hashes in it}`, `catalog/all` for the one with any |
//! | settings | `namespace.json` |

mod compat;
mod dated;
mod parse;
pub mod reserved;

use crate::ids::{BlobToken, CacheHash, CacheId, CacheKey, DataKey, FileId, Namespace};
use crate::nonce::Nonce;
use crate::storage::{InvalidObjectKey, ObjectKey};
use crate::strategy::{ContentKind, Strategy};
use crate::time::UnixMillis;

pub use self::compat::content_file;
pub use self::dated::DatedName;
pub use self::parse::ObjectKind;
pub use crate::key_ref::KeyRef;

/// Names the shard of the catalog that has no prefix.
const ALL_HASHES: &str = "all";

/// Outside of every namespace: what the service keeps for itself. [`reserved`] has its keys.
pub const RESERVED_FOLDER: &str = ".mgraph-cache/";

/// The keys of one namespace.
#[derive(Debug, Clone, Copy)]
pub struct Layout<'a> {
    namespace: &'a Namespace,
}

/// What a page belongs to.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum PageOwner {
    /// The manifest under this key.
    Manifest(ObjectKey),
    /// The key index under this key.
    KeyIndex(ObjectKey),
}

impl<'a> Layout<'a> {
    /// The keys below `{namespace}/`.
    pub fn new(namespace: &'a Namespace) -> Self {
        Self { namespace }
    }

    /// The manifest of a hash.
    pub fn manifest(self, hash: &CacheHash) -> ObjectKey {
        self.short(format_args!("refs/by-hash/{}/{hash}", shards(hash.as_str())))
    }

    /// The folder of all manifests. It ends with `/`.
    pub fn manifests(self) -> String {
        self.folder("refs/by-hash/")
    }

    /// A position in the listing of all manifests, before those whose hashes begin as this id, or come later.
    pub fn manifests_from(self, id: CacheId) -> String {
        let digits = hex::encode(&id.as_bytes()[..6]);
        format!("{}{}/{digits}", self.manifests(), shards(&digits))
    }

    /// The index of all versions under a key and file id.
    pub fn key_index(self, key: &KeyRef) -> ObjectKey {
        self.key_index_of_digest(&key.digest())
    }

    fn key_index_of_digest(self, digest: &str) -> ObjectKey {
        self.short(format_args!("refs/by-key/{}/{digest}", shards(digest)))
    }

    /// The folder of all key indexes. It ends with `/`.
    pub fn key_indexes(self) -> String {
        self.folder("refs/by-key/")
    }

    /// A page of the manifest or key index at `head`, which is a key that [`Layout::manifest`] or [`Layout::key_index`] made.
    pub fn page(self, head: &ObjectKey, name: &str) -> ObjectKey {
        self.short(format_args!("{}{name}", self.pages_of(head)))
    }

    /// The folder of the pages of the manifest or key index at `head`, below the namespace.
    fn pages_of(self, head: &ObjectKey) -> String {
        let (folder, name) = self.head_name(head);
        format!("pages/{folder}/{name}/")
    }

    /// The folder of the pages of all manifests. It ends with `/`.
    pub fn pages_of_manifests(self) -> String {
        self.folder("pages/by-hash/")
    }

    /// The folder of the pages of all key indexes. It ends with `/`.
    pub fn pages_of_key_indexes(self) -> String {
        self.folder("pages/by-key/")
    }

    /// What a page belongs to.
    pub fn page_owner(self, page: &ObjectKey) -> Option<PageOwner> {
        let owner = |folder: &str| page.as_str().strip_prefix(folder)?.split_once('/').map(|(owner, _)| owner);
        if let Some(hash) = owner(&self.pages_of_manifests()) {
            return Some(PageOwner::Manifest(self.manifest(&hash.parse().ok()?)));
        }
        let digest = owner(&self.pages_of_key_indexes()).filter(|digest| parse::is_key_digest(digest))?;
        Some(PageOwner::KeyIndex(self.key_index_of_digest(digest)))
    }

    /// The folder of the intents to change the manifest or key index at `head`. It ends with `/`.
    pub fn intents_of(self, head: &ObjectKey) -> String {
        let (_, name) = self.head_name(head);
        format!("{}/intents/{}/{name}/", self.namespace, shards(name))
    }

    /// The folder of all intents. It ends with `/`.
    pub fn intents(self) -> String {
        self.folder("intents/")
    }

    /// A blob under a hash.
    pub fn blob(self, hash: &CacheHash, token: BlobToken) -> ObjectKey {
        self.short(format_args!("blobs/{}/{hash}-{token}", shards(hash.as_str())))
    }

    /// The folder of all blobs. It ends with `/`.
    pub fn blobs(self) -> String {
        self.folder("blobs/")
    }

    /// The alias of an id that does not name its hash. Clients of the Python service find every entry under this path.
    pub fn alias(self, id: CacheId) -> ObjectKey {
        self.short(format_args!("refs/by-id/{}/{id}.json", shards(&id.to_string())))
    }

    /// The folder of all aliases. It ends with `/`.
    pub fn aliases(self) -> String {
        self.folder("refs/by-id/")
    }

    /// The dated view of an entry. `strategy` is one that [`Strategy::is_dated`].
    pub fn dated(self, strategy: Strategy, stored_at: UnixMillis, id: CacheId, nonce: Nonce) -> ObjectKey {
        let name = DatedName { stored_at, cache_id: id, nonce };
        self.short(format_args!("data/{}/{name}", strategy.folder()))
    }

    /// The folder of the dated views of a strategy. It ends with `/`.
    pub fn dated_folder(self, strategy: Strategy) -> String {
        format!("{}/data/{}/", self.namespace, strategy.folder())
    }

    /// The latest view: a pointer to the newest entry under a key and file id.
    ///
    /// # Errors
    ///
    /// When the key makes the path too long.
    pub fn latest(self, key: &KeyRef) -> Result<ObjectKey, InvalidObjectKey> {
        self.long(format_args!("data/temporal-latest/latest/{}/{}.json", key.cache_key.as_str(), key.file_id))
    }

    /// The readable copy of an entry: under its key, or directly in the folder when it has none.
    ///
    /// # Errors
    ///
    /// When the key makes the path too long.
    pub fn readable(
        self,
        key: Option<&CacheKey>,
        file_name: &str,
        kind: ContentKind,
    ) -> Result<ObjectKey, InvalidObjectKey> {
        let extension = extension(kind);
        match key {
            Some(key) => self.long(format_args!("data/key-based/{}/{file_name}.{extension}", key.as_str())),
            None => self.long(format_args!("data/key-based/{file_name}.{extension}")),
        }
    }

    /// The folder of an entry's children, or of those under a data key. It ends with `/`.
    pub fn children(self, id: CacheId, data_key: Option<&DataKey>) -> String {
        let folder = format!("{}/data/children/{}/{id}/data/", self.namespace, shards(&id.to_string()));
        match data_key {
            Some(data_key) => format!("{folder}{}/", data_key.as_str()),
            None => folder,
        }
    }

    /// A child file of an entry.
    ///
    /// # Errors
    ///
    /// When the data key makes the path too long.
    pub fn child(
        self,
        id: CacheId,
        data_key: Option<&DataKey>,
        file_id: &FileId,
        kind: ContentKind,
    ) -> Result<ObjectKey, InvalidObjectKey> {
        format!("{}{file_id}.{}", self.children(id, data_key), extension(kind)).parse()
    }

    /// The folder of the children of all entries. It ends with `/`.
    pub fn all_children(self) -> String {
        self.folder("data/children/")
    }

    /// The shard of the catalog with the hashes that begin with `prefix`, which may be empty.
    pub fn catalog_shard(self, prefix: &str) -> ObjectKey {
        let name = if prefix.is_empty() { ALL_HASHES } else { prefix };
        self.short(format_args!("catalog/{name}"))
    }

    /// The prefix of the shard of the catalog under a key.
    pub fn parse_catalog_shard(self, key: &str) -> Option<&str> {
        match key.strip_prefix(&self.catalog())? {
            ALL_HASHES => Some(""),
            prefix => parse::is_hex(prefix).then_some(prefix),
        }
    }

    /// The folder of the catalog. It ends with `/`.
    pub fn catalog(self) -> String {
        self.folder("catalog/")
    }

    /// The folders with objects that only this service needs. They end with `/`.
    pub fn physical_folders(self) -> [String; 5] {
        ["blobs/", "catalog/", "intents/", "pages/", "refs/"].map(|folder| self.folder(folder))
    }

    /// The settings of the namespace.
    pub fn settings(self) -> ObjectKey {
        self.short(format_args!("namespace.json"))
    }

    /// `by-hash` or `by-key`, and the last segment of a manifest's or key index's key.
    fn head_name(self, head: &ObjectKey) -> (&'static str, &str) {
        let below = head.as_str().trim_start_matches(self.namespace.as_str());
        let folder = if below.starts_with("/refs/by-hash/") { "by-hash" } else { "by-key" };
        (folder, head.as_str().rsplit('/').next().unwrap_or_default())
    }

    fn folder(self, below: &str) -> String {
        format!("{}/{below}", self.namespace)
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
    fn keys_are_spelled_as_the_table_says() {
        let namespace: Namespace = "demo".parse().unwrap();
        let layout = Layout::new(&namespace);
        let hash: CacheHash = "2cf24dba5fb0a30e".parse().unwrap();
        let id: CacheId = "2cf24dba-5fb0-8a30-8000-000000000001".parse().unwrap();
        let key =
            KeyRef { strategy: Strategy::KeyBased, cache_key: "a/b".parse().unwrap(), file_id: "f".parse().unwrap() };
        let manifest = layout.manifest(&hash);
        assert_eq!(manifest.as_str(), "demo/refs/by-hash/2c/f2/2cf24dba5fb0a30e");
        assert_eq!(layout.page(&manifest, "256-9").as_str(), "demo/pages/by-hash/2cf24dba5fb0a30e/256-9");
        assert_eq!(layout.intents_of(&manifest), "demo/intents/2c/f2/2cf24dba5fb0a30e/");
        let blob = layout.blob(&hash, BlobToken::from_random(42));
        assert_eq!(blob.as_str(), "demo/blobs/2c/f2/2cf24dba5fb0a30e-0002a");
        assert_eq!(layout.alias(id).as_str(), "demo/refs/by-id/2c/f2/2cf24dba-5fb0-8a30-8000-000000000001.json");
        let dated =
            layout.dated(Strategy::TemporalLatest, UnixMillis::new(1_795_176_411_520), id, Nonce::from_random(42));
        assert_eq!(
            dated.as_str(),
            "demo/data/temporal-latest/2026/11/20/12/0651520-2cf24dba-5fb0-8a30-8000-000000000001-000000000000002a.json"
        );
        let copy = layout.readable(Some(&key.cache_key), "f", ContentKind::String).unwrap();
        assert_eq!(copy.as_str(), "demo/data/key-based/a/b/f.txt");
        let key_index = layout.key_index(&key);
        let page = layout.page(&key_index, "1-2");
        assert!(page.as_str().starts_with("demo/pages/by-key/"), "{key_index}");
        assert_eq!(layout.page_owner(&page), Some(PageOwner::KeyIndex(key_index)));
        assert_eq!(layout.page_owner(&layout.page(&manifest, "1-2")), Some(PageOwner::Manifest(manifest)));
    }

    #[test]
    fn names_that_are_split_differently_have_different_key_indexes() {
        let namespace: Namespace = "refs".parse().unwrap();
        let index = |key: &str, file: &str| {
            let key =
                KeyRef { strategy: Strategy::Direct, cache_key: key.parse().unwrap(), file_id: file.parse().unwrap() };
            Layout::new(&namespace).key_index(&key)
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
