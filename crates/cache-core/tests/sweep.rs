//! What a sweep removes, and what it leaves alone.

#![allow(clippy::unwrap_used, reason = "a test may panic")]

mod listing_world;

use std::collections::BTreeSet;
use std::time::Duration;

use cache_core::cache::{Cache, SWEEP_MIN_AGE, Selector, SweepReport};
use cache_core::content::Content;
use cache_core::entry::Entry;
use cache_core::ids::{BlobToken, CacheId};
use cache_core::layout::KeyRef;
use cache_core::manifest::{Limits, MAX_TOMBSTONE_BYTES};
use cache_core::nonce::Nonce;
use cache_core::settings::{OnExpiry, Settings};
use cache_core::storage::ObjectKey;
use cache_core::strategy::{ContentKind, Strategy};
use cache_core::time::Deadline;
use proptest::prelude::*;
use tokio::runtime::Runtime;

use crate::listing_world::World;

const HOUR: Duration = Duration::from_secs(60 * 60);
const MILLISECOND: Duration = Duration::from_millis(1);

/// Expects this report, first of a preview, which changes nothing.
async fn check(world: &World, expected: SweepReport) {
    let expected = SweepReport { complete: true, ..expected };
    let before = world.objects("").await;
    assert_eq!(world.demo.preview_sweep().await.unwrap(), expected);
    assert_eq!(world.objects("").await, before);
    assert_eq!(world.demo.sweep().await.unwrap(), expected);
}

/// Nothing happens while the object is young; then the sweep reports this, once.
async fn check_when_old(world: &World, expected: SweepReport) {
    world.clock.advance(SWEEP_MIN_AGE - MILLISECOND);
    check(world, SweepReport::default()).await;
    world.clock.advance(MILLISECOND);
    check(world, expected).await;
    check(world, SweepReport::default()).await;
}

fn key_of(entry: &Entry) -> KeyRef {
    entry.key_ref().unwrap()
}

#[tokio::test]
async fn entries_that_live_stay() {
    let world = World::with_small_heads();
    let mut entries = Vec::new();
    for strategy in Strategy::ALL {
        for text in ["a", "b", "a", &"large".repeat(100)] {
            let entry = world.store_as(text, strategy, Some("k"), Some("f")).await;
            entries.push((world.update(entry.cache_id, &format!("{text}, updated")).await, format!("{text}, updated")));
            entries.push((world.store_as(text, strategy, None, None).await, text.to_owned()));
        }
    }
    let objects = world.objects("").await;
    world.clock.advance(10 * SWEEP_MIN_AGE);
    check(&world, SweepReport::default()).await;
    for (entry, text) in entries {
        assert_eq!(world.text_of(&entry).await, Some(text));
    }
    assert_eq!(world.objects("").await.len(), objects.len());
}

#[tokio::test]
async fn an_expired_entry_is_removed_at_once() {
    let world = World::new();
    let settings = Settings { ttl_hours: Some(2), on_expiry: OnExpiry::Delete, ..Settings::default() };
    world.demo.change_settings(&settings).await.unwrap();
    let entry = world.store(&"x".repeat(100_000)).await;
    let sooner = world.store_with_ttl("a", HOUR).await;
    world.clock.advance(HOUR);
    check(&world, SweepReport { expired_entries: 1, ..SweepReport::default() }).await;
    assert_eq!(world.demo.ids().await.unwrap(), [entry.cache_id]);
    world.clock.advance(HOUR);
    assert_eq!((world.text_of(&entry).await, world.text_of(&sooner).await), (None, None));
    check(&world, SweepReport { expired_entries: 1, ..SweepReport::default() }).await;
    assert!(world.objects(&world.layout().blobs()).await.is_empty());
    assert!(world.demo.ids().await.unwrap().is_empty());
}

#[tokio::test]
async fn expired_entries_are_removed_from_pages() {
    let world = World::with_small_heads();
    let mut kept = Vec::new();
    for number in 0..60 {
        if number % 3 == 0 {
            kept.push(world.store("a").await.cache_id);
        } else {
            world.store_with_ttl("a", HOUR).await;
        }
    }
    assert!(!world.objects(&world.layout().pages_of_manifests()).await.is_empty());
    world.clock.advance(HOUR);
    check(&world, SweepReport { expired_entries: 40, ..SweepReport::default() }).await;
    kept.sort();
    assert_eq!(world.demo.ids().await.unwrap(), kept);
}

#[tokio::test]
async fn a_tombstone_forgets_when_all_has_run_out() {
    let world = World::new();
    let entry = world.store("a").await;
    world.delete(&entry).await;
    let manifest = world.layout().manifest(&entry.cache_hash);
    world.clock.advance(Duration::from_secs(5 * 60) - MILLISECOND);
    check(&world, SweepReport::default()).await;
    assert!(world.get(&manifest).await.unwrap().len() as u64 >= MAX_TOMBSTONE_BYTES);
    world.clock.advance(MILLISECOND);
    check(&world, SweepReport { emptied_tombstones: 1, ..SweepReport::default() }).await;
    assert!((world.get(&manifest).await.unwrap().len() as u64) < MAX_TOMBSTONE_BYTES);
    check(&world, SweepReport::default()).await;
    let again = world.store("a").await;
    assert_eq!(again.version, entry.version + 1, "versions are never given twice");
}

#[tokio::test]
async fn a_blob_that_nothing_references_goes_when_it_is_old() {
    let world = World::new();
    let entry = world.store("a").await;
    let stray = world.layout().blob(&entry.cache_hash, BlobToken::from_random(7));
    world.put(&stray, "x").await;
    check_when_old(&world, SweepReport { unreferenced_blobs: 1, ..SweepReport::default() }).await;
    assert!(!world.exists(&stray).await);
    assert!(world.text_of(&entry).await.is_some());
}

#[tokio::test]
async fn blobs_in_pages_and_of_revisions_stay() {
    let world = World::with_small_heads();
    let field = |number: usize| {
        let text = format!(r#"{{"same":"hash","other":"{}"}}"#, number.to_string().repeat(80));
        let document = cache_core::json::Document::parse(&text.into()).unwrap();
        Content::json_by_field(document, "same".parse().unwrap()).unwrap()
    };
    let mut entries = Vec::new();
    for number in 0..40 {
        let request = cache_core::cache::StoreRequest::new(Strategy::Direct, field(number));
        entries.push(world.demo.store(&request).await.unwrap().entry);
    }
    let updated = world.store("updated").await;
    for number in 0..20 {
        world.update(updated.cache_id, &format!("{number}").repeat(100)).await;
    }
    let blobs = world.objects(&world.layout().blobs()).await.len();
    assert!(blobs >= 60, "{blobs}");
    let pages = world.objects(&world.layout().pages_of_manifests()).await.len();
    assert!(pages > 3, "{pages}");
    world.clock.advance(SWEEP_MIN_AGE);
    check(&world, SweepReport::default()).await;
    for entry in entries {
        assert!(world.text_of(&entry).await.is_some());
    }
    for revision in 0..20 {
        let found = world.demo.retrieve_revision(&Selector::Id(updated.cache_id), revision, u64::MAX).await.unwrap();
        assert!(found.is_some(), "revision {revision}");
    }
}

#[tokio::test]
async fn what_belongs_to_a_missing_manifest_is_reported() {
    let world = World::new();
    let entry = world.store_as(&"x".repeat(100_000), Strategy::Temporal, Some("k"), Some("f")).await;
    let id: CacheId = "96952918-3669-4537-9d7e-95c35b35fd12".parse().unwrap();
    let foreign = world.demo.store_with_id(id, Content::string("a".to_owned()).unwrap()).await.unwrap().unwrap();
    let child = |id| world.layout().child(id, None, &"f".parse().unwrap(), ContentKind::String).unwrap();
    let page = world.layout().page(&world.layout().manifest(&entry.cache_hash), "1-000000000000002a");
    for key in [&child(entry.cache_id), &child(id), &page] {
        world.put(key, "x").await;
    }
    for hash in [&entry.cache_hash, &foreign.cache_hash] {
        world.remove(&world.layout().manifest(hash)).await;
    }
    let damaged: Vec<String> = world.objects("").await.into_iter().map(|object| object.key).collect();
    assert_eq!(damaged.len(), 7, "blob, two children, view, page, alias and key index: {damaged:?}");
    world.clock.advance(SWEEP_MIN_AGE);
    check(&world, SweepReport { damaged: damaged.clone(), ..SweepReport::default() }).await;
    assert_eq!(world.objects("").await.len(), damaged.len());
}

#[tokio::test]
async fn an_intent_goes_when_it_is_old() {
    let world = World::new();
    let entry = world.store("a").await;
    let folder = world.layout().intents_of(&world.layout().manifest(&entry.cache_hash));
    world.put(&format!("{folder}1795176411520-0000000000000001-body").parse().unwrap(), "x").await;
    check_when_old(&world, SweepReport { stale_intents: 1, ..SweepReport::default() }).await;
}

#[tokio::test]
async fn children_go_when_their_entry_is_gone_and_they_are_old() {
    let world = World::new();
    let (kept, deleted) = (world.store("a").await, world.store("b").await);
    world.delete(&deleted).await;
    let child = |entry: &Entry, name: &str| {
        world.layout().child(entry.cache_id, None, &name.parse().unwrap(), ContentKind::String).unwrap()
    };
    for entry in [&kept, &deleted] {
        world.put(&child(entry, "f"), "x").await;
        world.put(&child(entry, "g"), "x").await;
    }
    world.clock.advance(HOUR);
    check(&world, SweepReport { emptied_tombstones: 1, ..SweepReport::default() }).await;
    world.clock.advance(SWEEP_MIN_AGE - HOUR);
    check(&world, SweepReport { orphaned_children: 2, ..SweepReport::default() }).await;
    assert!(world.exists(&child(&kept, "f")).await && !world.exists(&child(&deleted, "f")).await);
}

#[tokio::test]
async fn the_alias_of_an_entry_that_is_gone_becomes_a_tombstone() {
    let world = World::new();
    let id: CacheId = "96952918-3669-4537-9d7e-95c35b35fd12".parse().unwrap();
    let store = async || {
        world.demo.store_with_id(id, Content::string("a".to_owned()).unwrap()).await.unwrap().unwrap();
        world.get(&world.layout().alias(id)).await.unwrap()
    };
    let alias = store().await;
    world.clock.advance(SWEEP_MIN_AGE);
    check(&world, SweepReport::default()).await;
    world.demo.delete(id).await.unwrap().unwrap();
    // As if the delete had broken off before it came to the alias.
    world.put(&world.layout().alias(id), alias).await;
    world.clock.advance(SWEEP_MIN_AGE);
    check(&world, SweepReport { orphaned_aliases: 1, ..SweepReport::default() }).await;
    assert_eq!(world.get(&world.layout().alias(id)).await.unwrap(), "{}");
    check(&world, SweepReport::default()).await;
    store().await;
    assert_eq!(world.demo.ids().await.unwrap(), [id]);
}

#[tokio::test]
async fn pages_that_nothing_leads_to_go_when_they_are_old() {
    let world = World::with_small_heads();
    for _ in 0..60 {
        world.store_as("a", Strategy::Direct, Some("k"), Some("f")).await;
    }
    let entry = world.store_as("a", Strategy::Direct, Some("k"), Some("f")).await;
    let heads = [world.layout().manifest(&entry.cache_hash), world.layout().key_index(&key_of(&entry))];
    let strays = heads.map(|head| world.layout().page(&head, "1-000000000000002a"));
    for stray in &strays {
        world.put(stray, "x").await;
    }
    assert!(world.objects(&world.layout().pages_of_key_indexes()).await.len() > 1);
    check_when_old(&world, SweepReport { orphaned_pages: 2, ..SweepReport::default() }).await;
    assert_eq!(world.demo.ids().await.unwrap().len(), 61);
}

#[tokio::test]
async fn a_key_row_whose_entry_is_gone_goes_at_once() {
    let world = World::new();
    let (kept, deleted) = (
        world.store_as("a", Strategy::KeyBased, Some("k"), Some("f")).await,
        world.store_as("b", Strategy::KeyBased, Some("k"), Some("f")).await,
    );
    let index_key = world.layout().key_index(&key_of(&kept));
    let index = world.get(&index_key).await.unwrap();
    world.delete(&deleted).await;
    // As if a listing had come after the delete.
    world.put(&index_key, index).await;
    check(&world, SweepReport { orphaned_key_rows: 1, ..SweepReport::default() }).await;
    check(&world, SweepReport::default()).await;
    let found = world.demo.retrieve(&Selector::Key(key_of(&kept), None)).await.unwrap().unwrap();
    assert_eq!((found.entry.cache_id, &found.bytes[..]), (kept.cache_id, &b"a"[..]));
}

#[tokio::test]
async fn a_copy_that_is_out_of_date_goes_at_once() {
    let world = World::new();
    let entry = world.store_as("old", Strategy::Direct, Some("k"), Some("f")).await;
    let index_key = world.layout().key_index(&key_of(&entry));
    let index = world.get(&index_key).await.unwrap();
    world.update(entry.cache_id, "new").await;
    world.put(&index_key, index).await;
    check(&world, SweepReport { orphaned_key_rows: 1, ..SweepReport::default() }).await;
    check(&world, SweepReport::default()).await;
    let found = world.demo.retrieve(&Selector::Key(key_of(&entry), None)).await.unwrap().unwrap();
    assert_eq!(found.bytes, "new");
}

#[tokio::test]
async fn views_whose_entry_is_gone_go_when_they_are_old() {
    let world = World::new();
    let mut views: Vec<(ObjectKey, bytes::Bytes)> = Vec::new();
    for strategy in [Strategy::Temporal, Strategy::TemporalLatest, Strategy::TemporalVersioned, Strategy::KeyBased] {
        world.store_as("kept", strategy, Some("kept"), Some("f")).await;
        world.store_as("kept", strategy, Some("kept"), None).await;
        let before: BTreeSet<String> = world.objects("demo/data/").await.into_iter().map(|view| view.key).collect();
        let entries = [
            world.store_as("gone", strategy, Some("gone"), Some("f")).await,
            world.store_as("gone", strategy, Some("gone"), None).await,
        ];
        for view in world.objects("demo/data/").await.into_iter().filter(|view| !before.contains(&view.key)) {
            let key = view.key.parse().unwrap();
            let bytes = world.get(&key).await.unwrap();
            views.push((key, bytes));
        }
        for entry in entries {
            world.delete(&entry).await;
        }
    }
    assert_eq!(views.len(), 9);
    world.clock.advance(HOUR);
    check(&world, SweepReport { emptied_tombstones: 1, ..SweepReport::default() }).await;
    // As if the deletes had broken off before they came to the views.
    for (view, bytes) in &views {
        assert!(!world.exists(view).await, "{view}");
        world.put(view, bytes.clone()).await;
    }
    let kept = world.objects("demo/data/").await.len() - views.len();
    check_when_old(&world, SweepReport { orphaned_views: 9, ..SweepReport::default() }).await;
    assert_eq!(world.objects("demo/data/").await.len(), kept);
}

#[tokio::test]
async fn a_copy_of_another_kind_than_the_newest_version_goes() {
    let world = World::new();
    let entry = world.store_as("a", Strategy::KeyBased, Some("k"), Some("f")).await;
    let copy = |kind| world.layout().readable(entry.cache_key.as_ref(), "f", kind).unwrap();
    world.put(&copy(ContentKind::Binary), "x").await;
    check_when_old(&world, SweepReport { orphaned_views: 1, ..SweepReport::default() }).await;
    assert!(world.exists(&copy(ContentKind::String)).await && !world.exists(&copy(ContentKind::Binary)).await);
}

#[tokio::test]
async fn the_view_of_another_attempt_goes() {
    let world = World::new();
    let entry = world.store_as("a", Strategy::Temporal, None, None).await;
    let stray = world.layout().dated(Strategy::Temporal, entry.stored_at, entry.cache_id, Nonce::from_random(3));
    world.put(&stray, "x").await;
    check_when_old(&world, SweepReport { orphaned_views: 1, ..SweepReport::default() }).await;
    assert!(!world.exists(&stray).await);
    assert_eq!(world.objects(&world.layout().dated_folder(Strategy::Temporal)).await.len(), 1);
}

#[tokio::test]
async fn what_cannot_be_read_is_reported_and_the_rest_is_swept() {
    let world = World::new();
    let (broken, deleted) = (world.store("a").await, world.store("b").await);
    let manifest = world.layout().manifest(&broken.cache_hash);
    let child = world.layout().child(broken.cache_id, None, &"f".parse().unwrap(), ContentKind::String).unwrap();
    let blob = world.layout().blob(&broken.cache_hash, BlobToken::from_random(7));
    for key in [&child, &blob] {
        world.put(key, "x").await;
    }
    world.put(&manifest, vec![b'{'; 100]).await;
    world.delete(&deleted).await;
    world.clock.advance(SWEEP_MIN_AGE);
    let damaged = vec![manifest.to_string()];
    check(&world, SweepReport { emptied_tombstones: 1, damaged, ..SweepReport::default() }).await;
    for key in [&manifest, &child, &blob] {
        assert!(world.exists(key).await, "a person has to look at {key}");
    }
}

#[tokio::test]
async fn files_that_are_not_ours_stay() {
    let world = World::new();
    let files = [
        "demo/blobs/x",
        "demo/refs/by-hash/2c/f2/2cf24dba5fb0a30e.json",
        "demo/data/temporal/2026/11/20/15/x.json",
        "demo/data/key-based/k/f.json",
        "demo/data/key-based/f.json",
        "demo/data/direct/x",
        "demo/x",
    ];
    for file in files {
        world.put(&file.parse().unwrap(), "x").await;
    }
    world.clock.advance(SWEEP_MIN_AGE);
    check(&world, SweepReport::default()).await;
    assert_eq!(world.objects("demo/").await.len(), files.len());
}

#[tokio::test]
async fn a_sweep_that_comes_to_its_deadline_is_not_complete() {
    let world = World::new();
    for number in 0..20 {
        world.store_with_ttl(&number.to_string(), HOUR).await;
    }
    world.clock.advance(HOUR);
    let until = |cache: &Cache, time| cache.with_deadline(Deadline::at(time)).namespace(world.demo.name());
    let now = cache_core::clock::Clock::now(&*world.clock);
    let report = until(&world.cache, now).sweep().await.unwrap();
    assert!(!report.complete);
    check(&world, SweepReport { expired_entries: 20 - report.expired_entries, ..SweepReport::default() }).await;
}

#[tokio::test]
async fn a_fresh_catalog_saves_the_sweep_reading_manifests() {
    let world = World::new();
    for number in 0..130 {
        world.store(&number.to_string()).await;
    }
    let nothing = SweepReport { complete: true, ..SweepReport::default() };
    assert_eq!(world.demo.sweep().await.unwrap(), nothing);
    world.storage.reset();
    assert_eq!(world.demo.sweep().await.unwrap(), nothing);
    let reads = world.storage.calls().iter().filter(|call| call.key.contains("/by-hash/")).count();
    assert!(reads <= 4, "the manifests and pages are listed from a place and around: {reads}");
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(48))]
    #[test]
    fn a_sweep_takes_nothing_from_entries_that_live(
        steps in proptest::collection::vec((0..6u8, 0..4usize, 0..5usize, any::<bool>(), any::<prop::sample::Index>()), 1..60),
        max_inline_bytes in prop_oneof![Just(0u64), Just(64), Just(10_000)],
    ) {
        Runtime::new().unwrap().block_on(async {
            let limits = Limits { max_inline_bytes, ..World::with_small_heads().limits };
            let world = World::with_limits(limits);
            let mut live: Vec<(Entry, String)> = Vec::new();
            for (step, content, strategy, has_key, at) in steps {
                let text = content.to_string().repeat(60);
                match step {
                    0..3 => {
                        let (key, file) = if has_key { (Some("k"), Some("f")) } else { (None, None) };
                        let entry = world.store_as(&text, Strategy::ALL[strategy], key, file).await;
                        live.push((entry, text));
                    }
                    3 if !live.is_empty() => {
                        let at = at.index(live.len());
                        let text = format!("{text}, updated");
                        world.update(live[at].0.cache_id, &text).await;
                        live[at].1 = text;
                    }
                    4 if !live.is_empty() => world.delete(&live.swap_remove(at.index(live.len())).0).await,
                    _ => {
                        world.clock.advance(SWEEP_MIN_AGE);
                        let report = world.demo.sweep().await.unwrap();
                        let SweepReport { emptied_tombstones, .. } = report;
                        // Whatever came to its end has cleaned up behind it.
                        assert_eq!(report, SweepReport { emptied_tombstones, complete: true, ..SweepReport::default() });
                    }
                }
            }
            for (entry, text) in &live {
                assert_eq!(world.text_of(entry).await.as_ref(), Some(text));
            }
            let mut ids: Vec<CacheId> = live.iter().map(|(entry, _)| entry.cache_id).collect();
            ids.sort();
            assert_eq!(world.demo.ids().await.unwrap(), ids);
        });
    }
}
