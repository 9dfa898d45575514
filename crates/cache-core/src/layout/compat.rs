//! The paths of the Python service, under which clients and the admin routes show every entry. They are rendered from the
//! manifest: there is no object under them, except for aliases, views, and what the Python service itself has stored.

use std::ops::Range;

use crate::entry::Entry;
use crate::ids::{CacheHash, CacheId, FileId};
use crate::storage::ObjectKey;
use crate::strategy::{ContentKind, Strategy};

use super::{Layout, shards};

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

/// The file with a content, below the folder of its strategy: in shards of its file id, or else of its id.
pub fn content_file(file_id: Option<&FileId>, cache_id: CacheId, kind: ContentKind) -> String {
    let name = file_id.map_or_else(|| cache_id.to_string(), ToString::to_string);
    let extension = match kind {
        ContentKind::Json | ContentKind::String => "json",
        ContentKind::Binary | ContentKind::Zip => "bin",
    };
    let shard = |range: Range<usize>| {
        let end = range.end.min(name.len());
        name.get(range.start.min(end)..end).filter(|shard| !shard.is_empty())
    };
    let shards: String = [shard(0..2), shard(2..4)].into_iter().flatten().map(|shard| format!("{shard}/")).collect();
    format!("{shards}{name}.{extension}")
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
}
