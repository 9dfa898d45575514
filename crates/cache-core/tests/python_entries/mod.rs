//! Entries as the Python service stores them, for tests of what becomes of them.

#![allow(dead_code, reason = "each test uses its own part")]
#![allow(clippy::unwrap_used, reason = "a test may panic")]

use std::collections::BTreeSet;

use cache_core::cache::{NamespaceCache, StoreRequest, Versions, VersionsOf};
use cache_core::ids::{CacheHash, CacheId};
use cache_core::layout::KeyRef;
use cache_core::storage::ObjectKey;
use cache_core::strategy::Strategy;
use serde_json::{Value, json};

use crate::shared_storage::{SharedStorage, text};

/// SHA-256 of `hello`.
pub const HELLO: &str = "2cf24dba5fb0a30e";

/// What the Python service is asked to store.
#[derive(Clone, Copy)]
pub struct Stored<'a> {
    pub number: u64,
    pub strategy: Strategy,
    pub hash: &'a str,
    /// The file with the content.
    pub content: &'a [u8],
    pub key: &'a str,
    pub file_id: Option<&'a str>,
}

pub const PLAIN: Stored<'static> =
    Stored { number: 1, strategy: Strategy::Direct, hash: HELLO, content: br#""hello""#, key: "", file_id: None };

/// A random UUID, as the Python service draws them.
pub fn id(number: u64) -> CacheId {
    format!("{number:08x}-0000-4000-8000-{number:012x}").parse().unwrap()
}

impl Stored<'_> {
    fn name(&self) -> String {
        self.file_id.map_or_else(|| id(self.number).to_string(), str::to_owned)
    }

    fn folders(&self) -> Vec<String> {
        let base = format!("demo/data/{}", self.strategy.folder());
        let hour = format!("{base}/2026/11/20/15");
        let name = self.name();
        match self.strategy {
            Strategy::Direct => vec![format!("{base}/{}/{}", &name[..2], &name[2..4])],
            Strategy::Temporal => vec![hour],
            Strategy::TemporalLatest => vec![format!("{base}/latest"), hour],
            Strategy::TemporalVersioned => vec![hour, format!("{base}/latest"), format!("{base}/versions/v1")],
            Strategy::KeyBased => vec![format!("{base}/{}", self.key)],
        }
    }

    /// Its files with contents.
    pub fn contents(&self) -> Vec<String> {
        self.folders().iter().map(|folder| format!("{folder}/{}.json", self.name())).collect()
    }

    pub fn id_path(&self) -> String {
        let id = id(self.number).to_string();
        format!("demo/refs/by-id/{}/{}/{id}.json", &id[..2], &id[2..4])
    }

    pub fn hash_path(&self) -> String {
        format!("demo/refs/by-hash/{}/{}/{}.json", &self.hash[..2], &self.hash[2..4], self.hash)
    }

    /// Writes its files, as the Python service does.
    pub async fn write(&self, world: &SharedStorage) {
        let (cache_id, timestamp) = (id(self.number), 1_790_000_000_000 + self.number);
        let contents = self.contents();
        let metadata = json!({
            "content__hash": "5deaee1c13", "chain_hash": null, "previous_version_path": null,
            "content__size": self.content.len(), "tags": [], "timestamp": timestamp,
            "data": {
                "cache_hash": self.hash, "cache_key": self.key, "cache_id": cache_id.to_string(), "content_encoding": null,
                "file_id": self.name(), "file_type": "json", "json_field_path": null, "namespace": "demo",
                "stored_at": timestamp, "strategy": self.strategy.name(),
            },
        });
        for path in &contents {
            put(world, path, self.content.to_vec()).await;
            put(world, &format!("{path}.config"), b"{}".to_vec()).await;
            put(world, &format!("{path}.metadata"), to_bytes(&metadata)).await;
        }
        let hash_path = self.hash_path().parse().unwrap();
        let mut listed = match world.get(&hash_path).await {
            Some(bytes) => serde_json::from_slice::<Value>(&bytes).unwrap()["cache_ids"].as_array().unwrap().clone(),
            None => Vec::new(),
        };
        listed.push(json!({"cache_id": cache_id.to_string(), "timestamp": timestamp}));
        let by_hash = json!({
            "cache_hash": self.hash, "total_versions": listed.len(), "cache_ids": listed,
            "latest_id": cache_id.to_string(),
        });
        put(world, hash_path.as_str(), to_bytes(&by_hash)).await;
        let beside = |path: &String| [path.clone(), format!("{path}.config"), format!("{path}.metadata")];
        let folders: Vec<String> =
            contents.iter().map(|path| format!("{}/data", path.strip_suffix(".json").unwrap())).collect();
        let by_id = json!({
            "all_paths": {
                "data": contents.iter().flat_map(beside).collect::<Vec<_>>(),
                "by_hash": [self.hash_path()], "by_id": [self.id_path()],
            },
            "cache_id": cache_id.to_string(), "cache_hash": self.hash,
            "file_paths": {"content_files": contents, "data_folders": folders},
            "file_type": "json", "namespace": "demo", "strategy": self.strategy.name(), "timestamp": timestamp,
        });
        put(world, &self.id_path(), to_bytes(&by_id)).await;
    }

    /// Writes a child, as the Python service does.
    pub async fn write_child(&self, world: &SharedStorage, name: &str, content: &str) {
        for path in self.contents() {
            put(world, &format!("{}/data/{name}", path.strip_suffix(".json").unwrap()), content.as_bytes().to_vec())
                .await;
        }
    }
}

fn to_bytes(value: &Value) -> Vec<u8> {
    serde_json::to_vec_pretty(value).unwrap()
}

async fn put(world: &SharedStorage, path: &str, bytes: Vec<u8>) {
    world.put(&path.parse().unwrap(), bytes).await;
}

pub async fn keys(world: &SharedStorage) -> BTreeSet<String> {
    world.keys("").await.iter().map(ObjectKey::to_string).collect()
}

pub fn hash(text: &str) -> CacheHash {
    text.parse().unwrap()
}

pub async fn versions(cache: &NamespaceCache, of: &str) -> Option<Versions> {
    cache.versions(&VersionsOf::Hash(hash(of)), None, 1000).await.unwrap()
}

/// The versions under the hash of `hello`, with the ids.
pub async fn hello_versions(cache: &NamespaceCache) -> Vec<(u64, CacheId)> {
    let found = versions(cache, HELLO).await;
    let found = found.map(|found| {
        assert_eq!((found.count as usize, Some(&found.latest)), (found.versions.len(), found.versions.last()));
        found.versions.iter().map(|listed| (listed.version, listed.cache_id)).collect()
    });
    found.unwrap_or_default()
}

/// Entries of all strategies; those with an even number have a key and a file id.
pub async fn mixed(world: &SharedStorage) -> Vec<Stored<'static>> {
    const FILE_IDS: [&str; 10] =
        ["file0", "file1", "file2", "file3", "file4", "file5", "file6", "file7", "file8", "file9"];
    let mut entries = Vec::new();
    for (number, file_id) in FILE_IDS.iter().enumerate() {
        let strategy = Strategy::ALL[number % 5];
        let is_keyed = number % 2 == 0 || strategy == Strategy::KeyBased;
        let entry = Stored {
            number: number as u64 + 1,
            strategy,
            key: if is_keyed { "my/key" } else { "" },
            file_id: is_keyed.then_some(file_id),
            ..PLAIN
        };
        entry.write(world).await;
        entries.push(entry);
    }
    entries
}

pub fn store_request_under(key: &KeyRef, content: &str) -> StoreRequest {
    let mut request = StoreRequest::new(key.strategy, text(content));
    request.cache_key = Some(key.cache_key.clone());
    request.file_id = Some(key.file_id.clone());
    request
}
