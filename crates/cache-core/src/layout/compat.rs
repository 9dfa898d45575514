//! The paths of the Python service, under which clients and the admin routes show every entry. They are rendered from the
//! manifest: there is no object under them, except for aliases, views, and what the Python service itself has stored.

use std::ops::Range;

use crate::entry::Entry;
use crate::ids::{CacheHash, CacheId, FileId};
use crate::storage::ObjectKey;
use crate::strategy::{ContentKind, Strategy};

use super::{KeyRef, Layout, shards};

impl Layout<'_> {
    /// The reference file of a hash. Where the Python service has stored entries, it is an object.
    pub fn hash_reference(self, hash: &CacheHash) -> ObjectKey {
        self.short(format_args!("refs/by-hash/{}/{hash}.json", shards(hash.as_str())))
    }

    /// The hash whose reference file has this path.
    pub fn parse_hash_reference(self, path: &str) -> Option<CacheHash> {
        let hash = path.rsplit('/').next()?.strip_suffix(".json")?.parse().ok()?;
        (self.hash_reference(&hash).as_str() == path).then_some(hash)
    }

    /// The file with the content of an entry that has no view.
    pub fn content_path(self, entry: &Entry) -> String {
        let file = content_file(entry.file_id.as_ref(), entry.cache_id, entry.content.kind);
        format!("{}/data/{}/{file}", self.namespace, entry.strategy.folder())
    }

    /// The folder of the contents of all entries of the strategy `direct`. It ends with `/`.
    pub fn direct_contents(self) -> String {
        format!("{}/data/{}/", self.namespace, Strategy::Direct.folder())
    }
}

impl Layout<'_> {
    /// The files of which the Python service wrote one when it last stored under a key and file id: a `.json` for JSON and texts, a
    /// `.bin` for bytes. None for `temporal`, whose files lie in folders of the hour; nor where the key makes the path too long.
    pub fn python_contents(self, key: &KeyRef) -> Vec<ObjectKey> {
        let folder = match key.strategy {
            Strategy::Direct => name_shards(key.file_id.as_str()),
            Strategy::TemporalLatest | Strategy::TemporalVersioned => "latest/".to_owned(),
            Strategy::KeyBased => format!("{}/", key.cache_key.as_str()),
            Strategy::Temporal => return Vec::new(),
        };
        let (strategy, file_id) = (key.strategy.folder(), &key.file_id);
        let file = |extension| self.long(format_args!("data/{strategy}/{folder}{file_id}.{extension}")).ok();
        ["json", "bin"].into_iter().filter_map(file).collect()
    }
}

/// The file with a content, below the folder of its strategy: in shards of its file id, or else of its id.
pub fn content_file(file_id: Option<&FileId>, cache_id: CacheId, kind: ContentKind) -> String {
    let name = file_id.map_or_else(|| cache_id.to_string(), ToString::to_string);
    let extension = match kind {
        ContentKind::Json | ContentKind::String => "json",
        ContentKind::Binary | ContentKind::Zip => "bin",
    };
    format!("{}{name}.{extension}", name_shards(&name))
}

/// The first two pairs of characters, as folders; fewer for a short name.
fn name_shards(name: &str) -> String {
    let shard = |range: Range<usize>| {
        let end = range.end.min(name.len());
        name.get(range.start.min(end)..end).filter(|shard| !shard.is_empty())
    };
    [shard(0..2), shard(2..4)].into_iter().flatten().map(|shard| format!("{shard}/")).collect()
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::ids::Namespace;

    #[test]
    fn a_hash_is_shown_under_the_path_of_the_python_service() {
        let namespace: Namespace = "demo".parse().unwrap();
        let hash: CacheHash = "2cf24dba5fb0a30e".parse().unwrap();
        let path = Layout::new(&namespace).hash_reference(&hash);
        assert_eq!(path.as_str(), "demo/refs/by-hash/2c/f2/2cf24dba5fb0a30e.json");
        assert_eq!(Layout::new(&namespace).parse_hash_reference(path.as_str()), Some(hash));
    }

    #[test]
    fn the_shards_of_a_short_name_are_short() {
        let file = |name: &str| content_file(Some(&name.parse().unwrap()), CacheId::from_u128(0), ContentKind::String);
        assert_eq!([file("a"), file("abc"), file("my-file")], ["a/a.json", "ab/c/abc.json", "my/-f/my-file.json"]);
    }

    #[test]
    fn a_key_leads_to_the_newest_files_of_the_python_service() {
        let namespace: Namespace = "demo".parse().unwrap();
        let files = |strategy| {
            let key = KeyRef { strategy, cache_key: "my//key".parse().unwrap(), file_id: "abc".parse().unwrap() };
            Layout::new(&namespace).python_contents(&key).iter().map(ToString::to_string).collect::<Vec<_>>()
        };
        assert_eq!(files(Strategy::Direct), ["demo/data/direct/ab/c/abc.json", "demo/data/direct/ab/c/abc.bin"]);
        assert_eq!(files(Strategy::TemporalLatest)[0], "demo/data/temporal-latest/latest/abc.json");
        assert_eq!(files(Strategy::TemporalVersioned)[0], "demo/data/temporal-versioned/latest/abc.json");
        assert_eq!(files(Strategy::KeyBased)[0], "demo/data/key-based/my/key/abc.json");
        assert_eq!(files(Strategy::Temporal), Vec::<String>::new());
    }
}
