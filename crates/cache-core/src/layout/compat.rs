//! The paths of the Python service, under which clients and the admin routes show every entry. They are rendered from the
//! manifest: there is no object under them, except for aliases and views.

use crate::entry::Entry;
use crate::ids::CacheHash;
use crate::strategy::ContentKind;

use super::{Layout, shards};

impl Layout<'_> {
    /// The reference file of a hash.
    pub fn hash_reference_path(self, hash: &CacheHash) -> String {
        format!("{}/refs/by-hash/{}/{hash}.json", self.namespace, shards(hash.as_str()))
    }

    /// The file with the content of an entry that has no view: in shards of its file id, or else of its id.
    pub fn content_path(self, entry: &Entry) -> String {
        let name = entry.file_id.as_ref().map_or_else(|| entry.cache_id.to_string(), ToString::to_string);
        let extension = match entry.content.kind {
            ContentKind::Json | ContentKind::String => "json",
            ContentKind::Binary | ContentKind::Zip => "bin",
        };
        let shard = |range: std::ops::Range<usize>| {
            let end = range.end.min(name.len());
            name.get(range.start.min(end)..end).filter(|shard| !shard.is_empty())
        };
        let shards: String = [shard(0..2), shard(2..4)].into_iter().flatten().map(|shard| format!("{shard}/")).collect();
        format!("{}/data/{}/{shards}{name}.{extension}", self.namespace, entry.strategy.folder())
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::ids::Namespace;

    #[test]
    fn a_hash_is_shown_under_the_path_of_the_python_service() {
        let namespace: Namespace = "demo".parse().unwrap();
        let hash = "2cf24dba5fb0a30e".parse().unwrap();
        let path = Layout::new(&namespace).hash_reference_path(&hash);
        assert_eq!(path, "demo/refs/by-hash/2c/f2/2cf24dba5fb0a30e.json");
    }
}
