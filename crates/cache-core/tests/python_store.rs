//! A namespace with entries of the Python service: they are read where they are, joined, changed and removed.

#![allow(clippy::unwrap_used, reason = "a test may panic")]

mod python_entries;
mod shared_storage;

use std::collections::BTreeSet;
use std::time::Duration;

use bytes::Bytes;
use cache_core::cache::{ChildName, FileDeleted, ListFiles, SWEEP_MIN_AGE, Selector, StoreRequest, SweepReport};
use cache_core::ids::CacheId;
use cache_core::layout::KeyRef;
use cache_core::storage::ObjectKey;
use cache_core::strategy::{ContentKind, Strategy};
use cache_storage::operation::StorageOp;
use futures::future::{join, join_all};
use serde_json::Value;
use tokio::time::timeout;

use self::python_entries::*;
use self::shared_storage::*;

fn child(name: &str) -> ChildName {
    let (data_key, file_id) = name.rsplit_once('/').map_or((None, name), |(key, file)| (Some(key), file));
    let data_key = data_key.map(|key| key.parse().unwrap());
    ChildName { data_key, file_id: file_id.parse().unwrap(), kind: ContentKind::String }
}

#[tokio::test]
async fn an_entry_is_read_by_id_hash_and_version() {
    let world = SharedStorage::new();
    let entries = mixed(&world).await;
    let cache = world.new_process();
    for (place, stored) in entries.iter().enumerate() {
        let found = cache.retrieve(&Selector::Id(id(stored.number))).await.unwrap().unwrap();
        assert_eq!((found.bytes, found.entry.content.kind), (Bytes::from("hello"), ContentKind::String));
        assert_eq!((found.entry.strategy, found.entry.version), (stored.strategy, place as u64 + 1));
        assert_eq!(found.entry.file_id.map(|file_id| file_id.to_string()), stored.file_id.map(ToOwned::to_owned));
        let by_version = Selector::Hash(hash(HELLO), Some(place as u64 + 1));
        assert_eq!(cache.entry(&by_version).await.unwrap().unwrap().cache_id, id(stored.number));
        assert!(cache.exists(id(stored.number)).await.unwrap());
    }
    let newest = cache.entry(&Selector::Hash(hash(HELLO), None)).await.unwrap().unwrap();
    assert_eq!(newest.cache_id, id(10));
    assert_eq!(cache.entry(&Selector::Hash(hash(HELLO), Some(11))).await.unwrap(), None);
    assert!(cache.exists_hash(&hash(HELLO)).await.unwrap());
    assert!(!cache.exists(id(77)).await.unwrap());
}

#[tokio::test]
async fn a_store_is_the_version_after_all_of_the_python_service() {
    for new_process in [true, false] {
        for size in [5, 100_000] {
            let world = SharedStorage::new();
            mixed(&world).await;
            let before = keys(&world).await;
            let cache = if new_process { world.new_process() } else { world.process().await };
            let (content, listed) = match size {
                5 => (text("hello"), 10),
                _ => (binary(7, size), 0),
            };
            let stored = store(&cache, &direct(content)).await.entry;
            assert_eq!(stored.version, listed + 1);
            let again = store(&cache, &direct(text("hello"))).await.entry;
            let all = hello_versions(&cache).await;
            assert_eq!((all.len(), all.last().unwrap().1), (all.last().unwrap().0 as usize, again.cache_id));
            let newest = cache.entry(&Selector::Hash(hash(HELLO), None)).await.unwrap().unwrap();
            assert_eq!(newest.cache_id, again.cache_id);
            assert!(keys(&world).await.is_superset(&before));
        }
    }
}

#[tokio::test]
async fn racing_stores_lose_no_version() {
    let world = SharedStorage::new();
    mixed(&world).await;
    let processes = [world.new_process(), world.new_process(), world.process_keeping(1_000_000).await];
    let requests: Vec<StoreRequest> = (0..60).map(|n| StoreRequest::new(Strategy::ALL[n % 5], text("hello"))).collect();
    let stores = requests.iter().enumerate().map(|(n, request)| store(&processes[n % 3], request));
    let stored: BTreeSet<CacheId> = join_all(stores).await.iter().map(|stored| stored.entry.cache_id).collect();
    let cache = world.new_process();
    let listed = hello_versions(&cache).await;
    assert_eq!(listed.iter().map(|(version, _)| *version).collect::<Vec<_>>(), (1..=70).collect::<Vec<_>>());
    let ids: BTreeSet<CacheId> = listed.iter().map(|(_, id)| *id).collect();
    assert_eq!(ids, (1..=10).map(id).chain(stored).collect());
    assert_eq!(cache.ids().await.unwrap().into_iter().collect::<BTreeSet<_>>(), ids);
}

#[tokio::test]
async fn lists_and_counts_have_both_kinds() {
    let world = SharedStorage::new();
    mixed(&world).await;
    let other = Stored { number: 30, hash: "0123456789abcdef", content: br#"{"a": 1}"#, ..PLAIN };
    other.write(&world).await;
    let cache = world.new_process();
    let ours = [store_text(&cache, "hello").await, store_text(&cache, "ours").await];
    let mut ids: Vec<CacheId> = (1..=10).chain([30]).map(id).chain(ours.iter().map(|entry| entry.cache_id)).collect();
    ids.sort();
    assert_eq!(cache.ids().await.unwrap(), ids);
    let mut hashes = vec![hash(HELLO), hash(other.hash), ours[1].cache_hash.clone()];
    hashes.sort();
    assert_eq!(cache.hashes().await.unwrap(), hashes);
    let stats = cache.stats().await.unwrap();
    assert_eq!((stats.ids, stats.hashes, stats.entries), (13, 3, [5, 2, 2, 2, 2]));
    let (mut paged, mut cursor) = (Vec::new(), None);
    loop {
        let page = cache.id_page(4, cursor.as_deref()).await.unwrap();
        paged.extend(page.items);
        cursor = page.next_cursor;
        if cursor.is_none() {
            break;
        }
    }
    assert_eq!(paged, ids);
    let strategies =
        versions(&cache, HELLO).await.unwrap().versions.iter().map(|listed| listed.strategy).collect::<Vec<_>>();
    assert_eq!(strategies[..3], [Some(Strategy::Direct), Some(Strategy::Temporal), Some(Strategy::TemporalLatest)]);
}

#[tokio::test]
async fn an_update_keeps_id_hash_version_and_the_first_content() {
    let world = SharedStorage::new();
    mixed(&world).await;
    let cache = world.new_process();
    let ours = store_text(&cache, "hello").await;
    for number in [4, 1, 10] {
        let updated = update(&cache, id(number), "other").await.unwrap();
        assert_eq!((updated.cache_id, updated.version), (id(number), number));
        assert_eq!(updated.cache_hash, hash(HELLO));
        assert_eq!(read_id(&cache, id(number)).await.as_deref(), Some("other"));
        let first = cache.retrieve_revision(&Selector::Id(id(number)), 0, u64::MAX).await.unwrap().unwrap();
        assert_eq!(first.entry().content.size, 5);
        assert_eq!(update(&cache, id(number), "third").await.unwrap().revision.unwrap().number, 2);
    }
    let expected: Vec<(u64, CacheId)> = (1..=10).map(|n| (n, id(n))).chain([(11, ours.cache_id)]).collect();
    assert_eq!(hello_versions(&cache).await, expected);
    assert_eq!(cache.ids().await.unwrap().len(), 11);
    assert_eq!(cache.stats().await.unwrap().ids, 11);
    let second = cache.entry(&Selector::Hash(hash(HELLO), Some(4))).await.unwrap().unwrap();
    assert_eq!((second.cache_id, second.revision.map(|revision| revision.number)), (id(4), Some(2)));
    assert_eq!(read(&cache, &Selector::Hash(hash(HELLO), None)).await.as_deref(), Some("hello"));
    assert_eq!(update(&cache, id(77), "nobody").await, None);
}

#[tokio::test]
async fn racing_updates_and_deletes_of_one_entry_leave_one_state() {
    for round in 0..20 {
        let world = SharedStorage::new();
        mixed(&world).await;
        let processes = [world.new_process(), world.new_process()];
        let (updated, deleted) = match round % 2 {
            0 => join(update(&processes[0], id(3), "other"), delete(&processes[1], id(3))).await,
            _ => {
                let (deleted, updated) =
                    join(delete(&processes[1], id(3)), update(&processes[0], id(3), "other")).await;
                (updated, deleted)
            }
        };
        let cache = world.new_process();
        // An update that was first may be undone by the delete.
        assert!(deleted || updated.is_some());
        let is_there = read_id(&cache, id(3)).await;
        if deleted {
            assert_eq!(is_there, None);
        }
        assert_eq!(hello_versions(&cache).await.iter().any(|(_, listed)| *listed == id(3)), is_there.is_some());
    }
}

#[tokio::test]
async fn a_delete_removes_all_files_of_the_entry_and_no_others() {
    for (place, changed) in (0..10).flat_map(|place| [(place, false), (place, true)]) {
        let world = SharedStorage::new();
        let entries = mixed(&world).await;
        for entry in &entries {
            entry.write_child(&world, "a/b/c.txt", "child").await;
        }
        let cache = world.new_process();
        let stored = &entries[place];
        if changed {
            update(&cache, id(stored.number), "other").await.unwrap();
        }
        let before = keys(&world).await;
        assert!(delete(&cache, id(stored.number)).await);
        let after = keys(&world).await;
        let is_of_it = |key: &&String| {
            key.contains(&id(stored.number).to_string())
                || stored.contents().iter().any(|path| key.starts_with(path.strip_suffix("json").unwrap()))
                || stored.contents().iter().any(|path| key.starts_with(&path.replace(".json", "/data/")))
        };
        let left: Vec<_> = after.iter().filter(is_of_it).collect();
        assert!(left.is_empty(), "{place}: {left:?}");
        let gone: Vec<_> = before.difference(&after).filter(|key| !is_of_it(key)).collect();
        assert!(gone.is_empty(), "{place}: {gone:?}");
        assert!(!delete(&cache, id(stored.number)).await);
        let expected: Vec<u64> = (1..=10).filter(|number| *number != stored.number).collect();
        assert_eq!(hello_versions(&cache).await.iter().map(|(version, _)| *version).collect::<Vec<_>>(), expected);
        for number in expected {
            assert_eq!(read_id(&cache, id(number)).await.as_deref(), Some("hello"));
        }
    }
}

#[tokio::test]
async fn clear_leaves_nothing_but_tombstones_and_versions_go_on() {
    let world = SharedStorage::new();
    let entries = mixed(&world).await;
    entries[4].write_child(&world, "c.txt", "child").await;
    let cache = world.new_process();
    store_text(&cache, "hello").await;
    update(&cache, id(2), "other").await.unwrap();
    cache.clear().await.unwrap();
    assert_eq!(cache.ids().await.unwrap(), []);
    let left: Vec<String> = keys(&world).await.into_iter().filter(|key| !key.contains("/refs/by-")).collect();
    assert_eq!(left, Vec::<String>::new());
    assert!(!keys(&world).await.iter().any(|key| key.ends_with(".json")), "{:?}", keys(&world).await);
    assert_eq!(store_text(&world.new_process(), "hello").await.version, 12);
}

#[tokio::test]
async fn the_last_entry_of_the_python_service_leaves_its_version_behind() {
    let world = SharedStorage::new();
    PLAIN.write(&world).await;
    let cache = world.new_process();
    assert!(delete(&cache, id(1)).await);
    assert_eq!(store_text(&cache, "hello").await.version, 2);
}

#[tokio::test]
async fn a_delete_that_broke_off_is_finished_by_a_repeat_or_the_sweep() {
    for by_sweep in [true, false] {
        for calls in 0.. {
            let world = SharedStorage::new();
            mixed(&world).await;
            let cache = world.process().await;
            // As for a process that is killed.
            world.faults.stop_after(calls);
            let deleted = timeout(Duration::from_millis(100), cache.delete(id(4))).await;
            world.faults.resume();
            if deleted.is_ok() {
                assert!(calls > 10, "it takes {calls} calls");
                break;
            }
            let next = world.new_process();
            let is_gone = read_id(&next, id(4)).await.is_none();
            if by_sweep {
                world.clock.advance(2 * SWEEP_MIN_AGE);
                next.sweep().await.unwrap();
                assert_eq!(read_id(&next, id(4)).await.is_none(), is_gone, "the sweep deletes nothing that is there");
            } else {
                next.delete(id(4)).await.unwrap();
            }
            if is_gone || !by_sweep {
                assert!(!keys(&world).await.iter().any(|key| key.contains(&id(4).to_string())));
                assert!(!hello_versions(&next).await.iter().any(|(_, listed)| *listed == id(4)));
            }
        }
    }
}

#[tokio::test]
async fn an_update_that_broke_off_is_undone_by_a_delete_and_finished_by_a_repeat() {
    for deletes in [true, false] {
        for calls in 0.. {
            let world = SharedStorage::new();
            mixed(&world).await;
            let cache = world.process().await;
            // As for a process that is killed.
            world.faults.stop_after(calls);
            let updated = timeout(Duration::from_millis(100), update(&cache, id(4), "other")).await;
            world.faults.resume();
            if updated.is_ok() {
                assert!(calls > 8, "it takes {calls} calls");
                break;
            }
            let next = world.new_process();
            let is_listed = if deletes {
                assert!(delete(&next, id(4)).await);
                assert_eq!(next.entry(&Selector::Hash(hash(HELLO), Some(4))).await.unwrap(), None, "{calls}");
                0
            } else {
                update(&next, id(4), "other").await.unwrap();
                1
            };
            let versions = hello_versions(&next).await;
            assert_eq!(versions.iter().filter(|(_, listed)| *listed == id(4)).count(), is_listed, "{calls}");
            assert_eq!(next.stats().await.unwrap().ids, 9 + is_listed as u64, "{calls}");
        }
    }
}

#[tokio::test]
async fn a_sweep_leaves_what_the_python_service_stored() {
    let world = SharedStorage::new();
    let entries = mixed(&world).await;
    for entry in &entries {
        entry.write_child(&world, "a/c.txt", "child").await;
        entry.write_child(&world, "01234567-0000-4000-8000-000000000000.txt", "child").await;
    }
    let cache = world.new_process();
    // Of other kinds and names, under the keys of theirs.
    for stored in &entries {
        let mut request = StoreRequest::new(stored.strategy, text("ours"));
        request.cache_key = Some("my/key".parse().unwrap());
        request.file_id = Some(stored.file_id.unwrap_or("f").parse().unwrap());
        store(&cache, &request).await;
    }
    update(&cache, id(5), "other").await.unwrap();
    let before = keys(&world).await;
    world.clock.advance(2 * SWEEP_MIN_AGE);
    assert_eq!(cache.sweep().await.unwrap(), SweepReport { complete: true, ..SweepReport::default() });
    assert_eq!(keys(&world).await, before);
}

#[tokio::test]
async fn an_entry_that_its_hash_does_not_list_is_there_by_id() {
    let world = SharedStorage::new();
    PLAIN.write(&world).await;
    let path = PLAIN.hash_path().parse().unwrap();
    let only_first = world.get(&path).await.unwrap();
    Stored { number: 2, ..PLAIN }.write(&world).await;
    world.put(&path, only_first).await;
    let cache = world.new_process();
    assert_eq!(read_id(&cache, id(2)).await.as_deref(), Some("hello"));
    assert_eq!(cache.ids().await.unwrap(), [id(1), id(2)]);
    assert_eq!(update(&cache, id(2), "other").await.unwrap().version, 2);
    assert_eq!(hello_versions(&cache).await, [(1, id(1)), (2, id(2))]);
    assert!(delete(&cache, id(2)).await);
}

#[tokio::test]
async fn admin_paths_show_the_files_of_the_python_service() {
    let world = SharedStorage::new();
    let entries = mixed(&world).await;
    let cache = world.new_process();
    let admin = world.admin();
    store_text(&cache, "ours").await;
    let all = ListFiles { folder: "demo", recursive: true, limit: None, cursor: None, physical: false };
    let listed: BTreeSet<String> = admin.files(&all).await.unwrap().items.into_iter().collect();
    for stored in &entries {
        for path in stored.contents().into_iter().chain([stored.id_path()]) {
            assert!(listed.contains(&path), "{path}");
            let path: ObjectKey = path.parse().unwrap();
            assert_eq!(
                admin.file(&path, false).await.unwrap().map(|file| file.bytes),
                world.get(&path).await,
                "{path}"
            );
        }
    }
    let by_hash: ObjectKey = PLAIN.hash_path().parse().unwrap();
    assert!(listed.contains(by_hash.as_str()) && admin.file_exists(&by_hash, false).await.unwrap());
    let shown: Value = serde_json::from_slice(&admin.file(&by_hash, false).await.unwrap().unwrap().bytes).unwrap();
    assert_eq!(shown, serde_json::from_slice::<Value>(&world.get(&by_hash).await.unwrap()).unwrap());
    assert_eq!(admin.delete_file(&entries[0].id_path().parse().unwrap(), false).await.unwrap(), FileDeleted::Deleted);
    assert!(!cache.exists(id(1)).await.unwrap());
}

#[tokio::test]
async fn children_of_both_kinds_are_one_list() {
    let world = SharedStorage::new();
    for stored in mixed(&world).await {
        let parent = id(stored.number);
        stored.write_child(&world, "a/b/c.txt", "child").await;
        stored.write_child(&world, "d.txt", "other").await;
        stored.write_child(&world, "sp-ace/e.txt", "spaces").await;
        let cache = world.new_process();
        let read = async |name: &str| cache.retrieve_child(parent, &child(name)).await.unwrap();
        assert_eq!(read("a/b/c").await, Some(Bytes::from("child")));
        assert!(cache.child_exists(parent, &child("d")).await.unwrap());
        cache.update_child(parent, &child("d"), "new".into()).await.unwrap().unwrap();
        cache.store_child(parent, &child("a/ours"), "ours".into()).await.unwrap().unwrap();
        assert_eq!(read("sp ace/e").await, Some(Bytes::from("spaces")), "its paths have no spaces");
        cache.update_child(parent, &child("sp ace/e"), "changed".into()).await.unwrap().unwrap();
        assert_eq!((read("d").await, read("a/ours").await), (Some("new".into()), Some("ours".into())));
        let names = async || {
            let children = cache.children(parent, None, true).await.unwrap().unwrap();
            children.into_iter().map(|child| (child.name.file_id.to_string(), child.size)).collect::<BTreeSet<_>>()
        };
        let expected = [("c".to_owned(), 5), ("d".to_owned(), 3), ("e".to_owned(), 7), ("ours".to_owned(), 4)];
        assert_eq!(names().await, expected.clone().into());
        update(&cache, parent, "changed").await.unwrap();
        assert_eq!(names().await, expected.into(), "an update of the entry leaves them");
        assert!(cache.delete_child(parent, &child("d")).await.unwrap());
        assert_eq!(read("d").await, None, "no copy comes to light again");
        assert!(!cache.delete_children(parent, None).await.unwrap().is_empty());
        assert_eq!(names().await, BTreeSet::new());
    }
}

#[tokio::test]
async fn a_namespace_without_such_entries_makes_one_list_for_all_use_cases() {
    let world = SharedStorage::new();
    let cache = world.new_process();
    let stored = store(&cache, &keyed(Strategy::KeyBased, text("hello"))).await.entry;
    let lists = || world.storage.calls().iter().filter(|call| call.key.contains("refs/by-id")).count();
    assert_eq!((lists(), world.storage.count(StorageOp::List)), (1, 1));
    read(&cache, &Selector::Hash(hash(HELLO), None)).await;
    hello_versions(&cache).await;
    update(&cache, stored.cache_id, "other").await;
    cache.retrieve_child(stored.cache_id, &child("a")).await.unwrap();
    assert_eq!(lists(), 1);
}

#[tokio::test]
async fn reading_costs_few_round_trips() {
    let world = SharedStorage::new();
    mixed(&world).await;
    let cache = world.process().await;
    let cost = async |selector: Selector| world.cost_of(read(&cache, &selector)).await.1;
    assert_eq!(cost(Selector::Id(id(3))).await, "4 GET (2)");
    assert_eq!(cost(Selector::Hash(hash(HELLO), None)).await, "6 GET (3)");
    let key = KeyRef {
        strategy: Strategy::TemporalVersioned,
        cache_key: "my/key".parse().unwrap(),
        file_id: "file8".parse().unwrap(),
    };
    assert_eq!(cost(Selector::Key(key.clone(), None)).await, "8 GET+HEAD (5)");
    store(&cache, &store_request_under(&key, "ours")).await;
    assert_eq!(cost(Selector::Key(key, None)).await, "GET (1)");
    let (_, store_cost) = world.cost_of(store_text(&cache, "hello")).await;
    assert_eq!(store_cost, "PUT+2 GET (2)");
    let (_, exists) = world.cost_of(cache.exists(id(3))).await;
    assert_eq!(exists, "GET (1)");
}
