//! Files as the admin routes show them: rendered from manifests, or the objects themselves.

#![allow(clippy::unwrap_used, reason = "a test may panic")]

mod listing_world;

use std::collections::BTreeSet;
use std::time::Duration;

use bytes::Bytes;
use cache_core::cache::{FileDeleted, ListFiles, Paths};
use cache_core::content::Content;
use cache_core::entry::Entry;
use cache_core::ids::CacheId;
use cache_core::settings::Settings;
use cache_core::strategy::{ContentKind, Strategy};
use proptest::prelude::*;
use serde_json::{Value, json};
use tokio::runtime::Runtime;

use crate::listing_world::World;

async fn read(world: &World, path: &str) -> Option<Bytes> {
    world.cache.file(&path.parse().unwrap(), false).await.unwrap().map(|file| file.bytes)
}

async fn read_json(world: &World, path: &str) -> Value {
    serde_json::from_slice(&read(world, path).await.unwrap()).unwrap()
}

async fn delete(world: &World, path: &str, force: bool) -> FileDeleted {
    world.cache.delete_file(&path.parse().unwrap(), force).await.unwrap()
}

fn list<'a>(folder: &'a str, recursive: bool, physical: bool) -> ListFiles<'a> {
    ListFiles { folder, recursive, limit: None, cursor: None, physical }
}

async fn files(world: &World, folder: &str, recursive: bool) -> Vec<String> {
    world.cache.files(&list(folder, recursive, false)).await.unwrap().items
}

async fn folders(world: &World, folder: &str, recursive: bool) -> Vec<String> {
    world.cache.folders(&list(folder, recursive, false)).await.unwrap().items
}

#[tokio::test]
async fn an_entry_is_shown_under_the_paths_of_its_store() {
    let world = World::new();
    for strategy in Strategy::ALL {
        for (key, file) in [(None, None), (Some("k/l"), None), (Some("k/l"), Some("my-file"))] {
            let entry = world.store_as("text", strategy, key, file).await;
            let paths = Paths::of(&entry);
            for path in paths.data.iter().chain(&paths.by_hash).chain(&paths.by_id) {
                assert!(world.cache.file_exists(&path.parse().unwrap(), false).await.unwrap(), "{path}");
                assert!(files(&world, "demo", true).await.contains(path), "{path}");
            }
            for path in &paths.data {
                assert_eq!(read(&world, path).await.unwrap(), "text", "{path}");
            }
        }
    }
}

#[tokio::test]
async fn the_reference_file_of_an_entry_is_that_of_the_python_service() {
    let world = World::new();
    let entry = world.store_as("text", Strategy::KeyBased, Some("k/l"), Some("f")).await;
    let path = world.layout().alias(entry.cache_id).to_string();
    let by_hash = world.layout().hash_reference(&entry.cache_hash).to_string();
    let children = world.layout().children(entry.cache_id, None);
    let expected = json!({
        "all_paths": { "data": ["demo/data/key-based/k/l/f.txt"], "by_hash": [by_hash], "by_id": [path] },
        "cache_id": entry.cache_id,
        "cache_hash": entry.cache_hash,
        "file_paths": {
            "content_files": ["demo/data/key-based/k/l/f.txt"],
            "data_folders": [children.trim_end_matches('/')],
        },
        "file_type": "json",
        "namespace": "demo",
        "strategy": "key_based",
        "timestamp": entry.stored_at,
    });
    assert_eq!(read_json(&world, &path).await, expected);
    let text = read(&world, &path).await.unwrap();
    assert!(text.starts_with(b"{\n  \"all_paths\": {\n    \"data\": ["), "{text:?}");
}

#[tokio::test]
async fn the_reference_file_of_a_hash_lists_its_entries() {
    let world = World::with_small_heads();
    let mut ids = Vec::new();
    for _ in 0..40 {
        world.clock.advance(Duration::from_secs(1));
        let Entry { cache_id, stored_at, .. } = world.store("a").await;
        ids.push(json!({ "cache_id": cache_id, "timestamp": stored_at }));
    }
    let entry = world.store("a").await;
    ids.push(json!({ "cache_id": entry.cache_id, "timestamp": entry.stored_at }));
    let path = world.layout().hash_reference(&entry.cache_hash).to_string();
    let expected =
        json!({ "cache_hash": entry.cache_hash, "cache_ids": ids, "latest_id": entry.cache_id, "total_versions": 41 });
    assert_eq!(read_json(&world, &path).await, expected);
}

#[tokio::test]
async fn of_contents_with_one_file_id_the_last_one_is_shown() {
    let world = World::new();
    world.store_as("first", Strategy::Direct, Some("k"), Some("my-file")).await;
    world.clock.advance(Duration::from_secs(1));
    let second = world.store_as("second", Strategy::Direct, Some("l"), Some("my-file")).await;
    let path = "demo/data/direct/my/-f/my-file.json";
    assert_eq!(read(&world, path).await.unwrap(), "second");
    assert_eq!(files(&world, "demo/data/direct", true).await, [path]);
    world.update(second.cache_id, "updated").await;
    assert_eq!(read(&world, path).await.unwrap(), "updated");
    assert_eq!(delete(&world, path, false).await, FileDeleted::Deleted);
    assert_eq!(read(&world, path).await.unwrap(), "first");
    assert_eq!(delete(&world, path, false).await, FileDeleted::Deleted);
    assert_eq!((read(&world, path).await, delete(&world, path, false).await), (None, FileDeleted::NotFound));
    assert!(world.demo.ids().await.unwrap().is_empty());
}

#[tokio::test]
async fn deleting_what_shows_an_entry_deletes_the_entry() {
    let world = World::new();
    for strategy in Strategy::ALL {
        for file_id in [None, Some("f")] {
            let kept = world.store_as("text", strategy, Some("kept"), Some("kept")).await;
            let mut nth = 0;
            loop {
                let entry = world.store_as("text", strategy, Some("k"), file_id).await;
                let paths = Paths::of(&entry);
                let Some(path) = paths.data.iter().chain(&paths.by_id).nth(nth) else { break };
                assert_eq!(delete(&world, path, false).await, FileDeleted::Deleted, "{path}");
                assert_eq!(world.text_of(&entry).await, None, "{path}");
                nth += 1;
            }
            assert!(nth >= 2 && world.text_of(&kept).await.is_some());
        }
    }
}

#[tokio::test]
async fn what_others_need_is_in_use() {
    let world = World::with_small_heads();
    let entry = world.store_as(&"x".repeat(1000), Strategy::Direct, Some("k"), Some("f")).await;
    world.demo.change_settings(&Settings::default()).await.unwrap();
    world.put(&world.layout().catalog_shard("2c"), "x").await;
    let blob = world.layout().blob(&entry.cache_hash, entry.content.blob.unwrap());
    let by_hash = world.layout().hash_reference(&entry.cache_hash).to_string();
    let mut needed: Vec<String> = world.objects("demo/").await.into_iter().map(|object| object.key).collect();
    assert_eq!(needed.len(), 5, "manifest, blob, key index, shard and settings: {needed:?}");
    needed.push(by_hash.clone());
    for path in &needed {
        assert!(matches!(delete(&world, path, false).await, FileDeleted::InUse(_)), "{path}");
    }
    assert!(world.text_of(&entry).await.is_some());
    assert_eq!(delete(&world, blob.as_str(), true).await, FileDeleted::Deleted);
    assert!(!world.exists(&blob).await);
    assert!(matches!(delete(&world, &by_hash, true).await, FileDeleted::InUse(_)), "there is no object to be forced");
}

#[tokio::test]
async fn a_child_is_deleted_alone() {
    let world = World::new();
    let entry = world.store("a").await;
    let child = world.layout().child(entry.cache_id, None, &"f".parse().unwrap(), ContentKind::String).unwrap();
    world.put(&child, "child").await;
    assert_eq!(read(&world, child.as_str()).await.unwrap(), "child");
    assert_eq!(delete(&world, child.as_str(), false).await, FileDeleted::Deleted);
    assert!(world.text_of(&entry).await.is_some() && !world.exists(&child).await);
}

#[tokio::test]
async fn a_view_whose_entry_is_gone_can_be_deleted() {
    let world = World::new();
    let entry = world.store_as("a", Strategy::Temporal, None, None).await;
    let view = Paths::of(&entry).data[0].parse().unwrap();
    let pointer = world.get(&view).await.unwrap();
    world.delete(&entry).await;
    world.put(&view, pointer).await;
    assert_eq!(read(&world, view.as_str()).await, None);
    assert_eq!(delete(&world, view.as_str(), false).await, FileDeleted::Deleted);
    assert_eq!(delete(&world, view.as_str(), false).await, FileDeleted::NotFound);
}

#[tokio::test]
async fn an_id_of_others_is_shown_through_its_alias() {
    let world = World::new();
    let id: CacheId = "96952918-3669-4537-9d7e-95c35b35fd12".parse().unwrap();
    world.demo.store_with_id(id, Content::string("a".to_owned()).unwrap()).await.unwrap().unwrap();
    let path = "demo/refs/by-id/96/95/96952918-3669-4537-9d7e-95c35b35fd12.json";
    assert_eq!(read_json(&world, path).await["cache_id"], id.to_string());
    assert_eq!(files(&world, "demo/refs/by-id", true).await, [path]);
    let content = "demo/data/direct/96/95/96952918-3669-4537-9d7e-95c35b35fd12.json";
    assert_eq!(
        (read(&world, content).await.unwrap(), files(&world, "demo/data", true).await),
        ("a".into(), vec![content.to_owned()])
    );
    assert_eq!(delete(&world, path, false).await, FileDeleted::Deleted);
    assert!(files(&world, "demo", true).await.is_empty());
    assert_eq!((read(&world, path).await, delete(&world, path, false).await), (None, FileDeleted::NotFound));
}

#[tokio::test]
async fn physical_objects_are_shown_on_demand() {
    let world = World::with_small_heads();
    let entry = world.store_as(&"x".repeat(1000), Strategy::KeyBased, Some("k"), Some("f")).await;
    let objects: Vec<String> = world.objects("").await.into_iter().map(|object| object.key).collect();
    let physical = world.cache.files(&list("", true, true)).await.unwrap().items;
    assert_eq!(physical, objects);
    let manifest = world.layout().manifest(&entry.cache_hash);
    assert_eq!(read(&world, manifest.as_str()).await, None);
    let shown = world.cache.file(&manifest, true).await.unwrap().unwrap().bytes;
    assert_eq!(Some(shown), world.get(&manifest).await);
    let shown: BTreeSet<String> = files(&world, "", true).await.into_iter().collect();
    let paths = Paths::of(&entry);
    assert_eq!(shown, paths.data.into_iter().chain(paths.by_hash).chain(paths.by_id).collect());
}

#[tokio::test]
async fn what_the_service_keeps_for_itself_is_never_shown() {
    let world = World::new();
    let key = ".mgraph-cache/keys/x.json".parse().unwrap();
    world.put(&key, "secret").await;
    for physical in [false, true] {
        assert_eq!(world.cache.file(&key, physical).await.unwrap(), None);
        assert!(!world.cache.file_exists(&key, physical).await.unwrap());
        for folder in ["", ".mgraph-cache", ".mgraph-cache/keys"] {
            for recursive in [false, true] {
                let request = list(folder, recursive, physical);
                assert!(world.cache.files(&request).await.unwrap().items.is_empty(), "{request:?}");
                assert!(world.cache.folders(&request).await.unwrap().items.is_empty(), "{request:?}");
            }
        }
        assert_eq!(delete(&world, key.as_str(), physical).await, FileDeleted::NotFound);
    }
    assert!(world.exists(&key).await);
}

#[tokio::test]
async fn what_is_not_ours_is_shown_as_it_is() {
    let world = World::new();
    let paths = ["demo/notes/a.txt", "demo/x", "not a namespace/x", "x"];
    for path in paths {
        world.put(&path.parse().unwrap(), "theirs").await;
        assert_eq!(read(&world, path).await.unwrap(), "theirs");
    }
    assert_eq!(files(&world, "", true).await, paths);
    assert_eq!(files(&world, "", false).await, ["x"]);
    assert_eq!(folders(&world, "", true).await, ["demo/", "demo/notes/", "not a namespace/"]);
    for path in paths {
        assert_eq!(delete(&world, path, false).await, FileDeleted::Deleted);
    }
    assert!(files(&world, "", true).await.is_empty());
}

#[tokio::test]
async fn a_folder_shows_what_is_in_it() {
    let world = World::new();
    let entry = world.store("a").await;
    world.store_as("b", Strategy::KeyBased, Some("k"), Some("f")).await;
    assert_eq!(folders(&world, "", false).await, ["demo/"]);
    assert_eq!(folders(&world, "demo", false).await, ["demo/data/", "demo/refs/"]);
    assert_eq!(folders(&world, "demo/refs", false).await, ["demo/refs/by-hash/", "demo/refs/by-id/"]);
    assert_eq!(folders(&world, "demo/data", false).await, ["demo/data/direct/", "demo/data/key-based/"]);
    assert_eq!(files(&world, "demo/data/key-based/k", false).await, ["demo/data/key-based/k/f.txt"]);
    let path = world.layout().alias(entry.cache_id).to_string();
    let folder = path.rsplit_once('/').unwrap().0;
    assert_eq!(files(&world, folder, false).await, [path]);
    assert!(files(&world, "demo/refs/by-id", false).await.is_empty());
}

#[tokio::test]
async fn a_flat_listing_does_not_go_through_what_is_below() {
    let world = World::new();
    for number in 0..1_500 {
        world.put(&format!("demo/data/temporal/2026/{number:04}").parse().unwrap(), "x").await;
    }
    world.store("a").await;
    world.storage.reset();
    assert_eq!(folders(&world, "demo/data", false).await, ["demo/data/direct/", "demo/data/temporal/"]);
    assert!(world.storage.calls().len() <= 5, "{:?}", world.storage.calls());
}

const FOLDERS: [&str; 12] = [
    "",
    "demo",
    "demo/refs",
    "demo/refs/by-id",
    "demo/refs/by-hash",
    "demo/data",
    "demo/data/direct",
    "demo/data/temporal",
    "demo/data/key-based",
    "demo/refs/by-hash/5f",
    "demo/refs/by-id/5f/ec",
    "demo/data/direct/my",
];

proptest! {
    #![proptest_config(ProptestConfig::with_cases(24))]
    #[test]
    fn any_listing_is_a_part_of_the_whole(
        stores in proptest::collection::vec((0..12usize, 0..5usize, 0..3usize, any::<bool>(), 1..3usize), 0..20),
        foreign in proptest::collection::vec(any::<u128>(), 0..4), limit in 1..6usize,
    ) {
        Runtime::new().unwrap().block_on(async {
            let world = World::with_small_heads();
            let mut expected: BTreeSet<String> = BTreeSet::new();
            for path in ["x", "demo-2/y", "demo/z", "a b/z"] {
                world.put(&path.parse().unwrap(), "x").await;
                expected.insert(path.to_owned());
            }
            let mut live = Vec::new();
            for (content, strategy, key, is_deleted, times) in stores {
                let (key, file) = [(None, None), (Some("k"), None), (Some("k"), Some("my-f"))][key];
                for _ in 0..times * 9 {
                    world.clock.advance(Duration::from_millis(1));
                    let entry = world.store_as(&content.to_string(), Strategy::ALL[strategy], key, file).await;
                    if is_deleted { world.delete(&entry).await } else { live.push(entry) }
                }
            }
            for id in foreign.into_iter().map(CacheId::from_u128).filter(|id| id.parts().is_none()) {
                live.extend(world.demo.store_with_id(id, Content::string("0".to_owned()).unwrap()).await.unwrap());
            }
            for entry in &live {
                let paths = Paths::of(entry);
                expected.extend(paths.data.into_iter().chain(paths.by_hash).chain(paths.by_id));
            }
            for folder in FOLDERS {
                for recursive in [false, true] {
                    check_listing(&world, &expected, folder, recursive, limit).await;
                }
            }
        });
    }
}

/// Compares a listing, whole and in pages, with what it has to be when all paths are these.
async fn check_listing(world: &World, all: &BTreeSet<String>, folder: &str, recursive: bool, limit: usize) {
    let prefix = if folder.is_empty() { String::new() } else { format!("{folder}/") };
    let below: Vec<&String> = all.iter().filter(|path| path.starts_with(&prefix)).collect();
    let is_here = |path: &&&String| recursive || !path[prefix.len()..].contains('/');
    let expected_files: Vec<String> = below.iter().filter(is_here).map(ToString::to_string).collect();
    let mut expected_folders = BTreeSet::new();
    for path in &below {
        let ends = path.match_indices('/').map(|(at, _)| at).filter(|at| *at >= prefix.len());
        expected_folders.extend(ends.take(if recursive { 99 } else { 1 }).map(|at| path[..=at].to_owned()));
    }
    let (mut paged_files, mut paged_folders) = (Vec::new(), Vec::new());
    for (paged, is_files) in [(&mut paged_files, true), (&mut paged_folders, false)] {
        let mut cursor: Option<String> = None;
        loop {
            let request =
                ListFiles { folder, recursive, limit: Some(limit), cursor: cursor.as_deref(), physical: false };
            let page = if is_files { world.cache.files(&request).await } else { world.cache.folders(&request).await };
            let page = page.unwrap();
            paged.extend(page.items);
            cursor = page.next_cursor;
            if cursor.is_none() {
                break;
            }
        }
    }
    let expected_folders: Vec<String> = expected_folders.into_iter().collect();
    assert_eq!(files(world, folder, recursive).await, expected_files, "{folder} {recursive}");
    assert_eq!(folders(world, folder, recursive).await, expected_folders, "{folder} {recursive}");
    assert_eq!(paged_files, expected_files, "{folder} {recursive}, by {limit}");
    assert_eq!(paged_folders, expected_folders, "{folder} {recursive}, by {limit}");
}
