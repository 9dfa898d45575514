//! Listings are right whatever the catalog holds, and cheap when it is up to date.

#![allow(clippy::unwrap_used, reason = "a test may panic")]

mod listing_world;

use std::collections::{BTreeMap, BTreeSet};
use std::time::Duration;

use bytes::Bytes;
use cache_core::cache::{DatedEntry, EntriesRequest, Stats};
use cache_core::catalog::MAX_SHARD_BYTES;
use cache_core::content::Content;
use cache_core::entry::Entry;
use cache_core::error::ErrorKind;
use cache_core::ids::{CacheHash, CacheId};
use cache_core::manifest::{Contents, EntryRow, Manifest, Page, RevisionPage};
use cache_core::nonce::Nonce;
use cache_core::storage::ObjectKey;
use cache_core::strategy::Strategy;
use cache_storage::operation::StorageOp;
use proptest::prelude::*;
use proptest::strategy::Strategy as Generator;
use tokio::runtime::Runtime;

use crate::listing_world::World;

/// As many contents as it takes for the catalog to be written.
const CONTENTS: usize = 130;

#[derive(Debug, Clone)]
enum Step {
    Store {
        content: usize,
        times: usize,
        strategy: usize,
        has_file_id: bool,
    },
    StoreForeign {
        content: usize,
        id: u128,
    },
    Delete(prop::sample::Index),
    /// Updates an entry so many times, each time to a longer content.
    Update(prop::sample::Index, usize),
    /// Lists in pages of this size, and all at once.
    List(usize),
    Damage(Damage),
    Restart,
}

#[derive(Debug, Clone)]
enum Damage {
    /// All shards as they were at the last one of these.
    Rewind,
    Truncate(prop::sample::Index),
    FlipBit(prop::sample::Index),
    Remove,
}

fn steps() -> impl Generator<Value = Vec<Step>> {
    let damage = prop_oneof![
        Just(Damage::Rewind),
        any::<prop::sample::Index>().prop_map(Damage::Truncate),
        any::<prop::sample::Index>().prop_map(Damage::FlipBit),
        Just(Damage::Remove),
    ];
    let store = (0..CONTENTS, prop_oneof![4 => Just(1), 1 => 2..40usize], 0..5usize, any::<bool>());
    let step = prop_oneof![
        4 => store.prop_map(|(content, times, strategy, has_file_id)| Step::Store { content, times, strategy, has_file_id }),
        1 => (0..CONTENTS, any::<u128>()).prop_map(|(content, id)| Step::StoreForeign { content, id }),
        4 => any::<prop::sample::Index>().prop_map(Step::Delete),
        1 => (any::<prop::sample::Index>(), 1..6usize).prop_map(|(at, times)| Step::Update(at, times)),
        3 => (1..60usize).prop_map(Step::List),
        2 => damage.prop_map(Step::Damage),
        1 => Just(Step::Restart),
    ];
    proptest::collection::vec(step, 1..40)
}

/// What entries are updated to, once or repeated: longer than all that is stored.
const UPDATED: &str = "updated";

fn bytes_of(contents: &Contents) -> u64 {
    contents.iter().map(|content| content.size).sum()
}

/// A world, and what it has to list.
struct Checked {
    world: World,
    entries: BTreeMap<CacheId, Entry>,
    /// The contents that entries were updated to, by their size.
    updated: BTreeSet<(CacheId, u64)>,
    old_shards: Vec<(ObjectKey, Bytes)>,
}

impl Checked {
    async fn new() -> Self {
        let world = World::with_small_heads();
        let mut checked = Self { world, entries: BTreeMap::new(), updated: BTreeSet::new(), old_shards: Vec::new() };
        for content in 0..CONTENTS {
            let entry = checked.world.store(&content.to_string()).await;
            checked.entries.insert(entry.cache_id, entry);
        }
        checked
    }

    fn pick(&self, at: &prop::sample::Index) -> Option<CacheId> {
        (!self.entries.is_empty()).then(|| *self.entries.keys().nth(at.index(self.entries.len())).unwrap())
    }

    async fn run(&mut self, step: &Step) {
        match step {
            Step::Store { content, times, strategy, has_file_id } => {
                let file_id = has_file_id.then_some("f-1");
                for _ in 0..*times {
                    let strategy = Strategy::ALL[*strategy];
                    let entry = self.world.store_as(&content.to_string(), strategy, Some("k"), file_id).await;
                    self.entries.insert(entry.cache_id, entry);
                }
            }
            Step::StoreForeign { content, id } => {
                let id = CacheId::from_u128(*id);
                let content = Content::string(content.to_string()).unwrap();
                if id.parts().is_none()
                    && let Some(entry) = self.world.demo.store_with_id(id, content).await.unwrap()
                {
                    self.entries.insert(id, entry);
                }
            }
            Step::Delete(at) => {
                if let Some(id) = self.pick(at) {
                    self.world.delete(&self.entries.remove(&id).unwrap()).await;
                }
            }
            Step::Update(at, times) => {
                let Some(id) = self.pick(at) else { return };
                for words in 1..=*times {
                    let text = UPDATED.repeat(words);
                    self.world.update(id, &text).await;
                    self.updated.insert((id, text.len() as u64));
                }
            }
            Step::List(limit) => self.check(*limit).await,
            Step::Damage(damage) => self.damage(damage).await,
            Step::Restart => self.world.restart(),
        }
    }

    async fn damage(&mut self, damage: &Damage) {
        let mut shards = Vec::new();
        for object in self.world.objects(&self.world.layout().catalog()).await {
            let key: ObjectKey = object.key.parse().unwrap();
            let bytes = self.world.get(&key).await.unwrap();
            let mut changed = bytes.to_vec();
            match damage {
                Damage::Remove => self.world.remove(&key).await,
                Damage::Truncate(at) => self.world.put(&key, bytes.slice(..at.index(bytes.len()))).await,
                Damage::FlipBit(at) => {
                    changed[at.index(bytes.len())] ^= 4;
                    self.world.put(&key, changed).await;
                }
                Damage::Rewind => {}
            }
            shards.push((key, bytes));
        }
        if matches!(damage, Damage::Rewind) {
            for (key, bytes) in std::mem::replace(&mut self.old_shards, shards) {
                self.world.put(&key, bytes).await;
            }
        }
    }

    /// Bytes of the contents that the manifests of these hashes and their pages hold; at least those of each entry, once.
    async fn stored_bytes(&self, hashes: &[CacheHash]) -> u64 {
        let (layout, mut bytes) = (self.world.layout(), 0);
        for hash in hashes {
            let key = layout.manifest(hash);
            let manifest = Manifest::parse(&self.world.get(&key).await.unwrap(), false).unwrap();
            bytes += bytes_of(manifest.contents());
            let (mut pages, mut rows) = (manifest.log().pages().to_vec(), manifest.log().rows().to_vec());
            while let Some(reference) = pages.pop() {
                let page = self.world.get(&layout.page(&key, &reference.name)).await.unwrap();
                let page = Page::<EntryRow>::parse(&page).unwrap();
                bytes += bytes_of(&page.contents);
                pages.extend(page.pages);
                rows.extend(page.rows);
            }
            for row in rows {
                let mut next = row.revision_page;
                while let Some(name) = next {
                    let page = RevisionPage::parse(&self.world.get(&layout.page(&key, &name)).await.unwrap()).unwrap();
                    bytes += bytes_of(&page.contents);
                    next = page.previous;
                }
            }
        }
        // Contents of one hash with the same size are the same.
        let mut contents: BTreeSet<_> =
            self.entries.values().map(|entry| (&entry.cache_hash, entry.content.size)).collect();
        let updated = self.updated.iter().filter_map(|(id, size)| Some((&self.entries.get(id)?.cache_hash, *size)));
        contents.extend(updated);
        let least = contents.into_iter().map(|(_, size)| size).sum();
        assert!(bytes >= least, "{bytes} bytes are stored, {least} are listed");
        bytes
    }

    async fn check(&self, limit: usize) {
        let demo = &self.world.demo;
        let ids: Vec<CacheId> = self.entries.keys().copied().collect();
        let hashes: BTreeSet<_> = self.entries.values().map(|entry| entry.cache_hash.clone()).collect();
        let hashes: Vec<_> = hashes.into_iter().collect();
        let mut stats = Stats { hashes: hashes.len() as u64, ids: ids.len() as u64, ..Stats::default() };
        self.entries.values().for_each(|entry| stats.entries[entry.strategy as usize] += 1);
        stats.bytes = self.stored_bytes(&hashes).await;
        assert_eq!(demo.stats().await.unwrap(), stats);
        assert_eq!(demo.ids().await.unwrap(), ids);
        assert_eq!(demo.hashes().await.unwrap(), hashes);
        let (mut paged_ids, mut paged_hashes) = (Vec::new(), Vec::new());
        let mut cursor = None;
        loop {
            let page = demo.id_page(limit, cursor.as_deref()).await.unwrap();
            assert!(page.items.len() == limit || page.next_cursor.is_none());
            paged_ids.extend(page.items);
            cursor = page.next_cursor;
            if cursor.is_none() {
                break;
            }
        }
        loop {
            let page = demo.hash_page(limit, cursor.as_deref()).await.unwrap();
            paged_hashes.extend(page.items);
            cursor = page.next_cursor;
            if cursor.is_none() {
                break;
            }
        }
        assert_eq!((paged_ids, paged_hashes), (ids, hashes));
    }
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(32))]
    #[test]
    fn listings_are_right_whatever_the_catalog_holds(steps in steps()) {
        Runtime::new().unwrap().block_on(async {
            let mut checked = Checked::new().await;
            for step in &steps {
                checked.run(step).await;
            }
            checked.check(50).await;
        });
    }
}

/// The gets of manifests and of shards, and the lists, that listing all ids takes.
async fn cost_of_ids(world: &World) -> (usize, usize, usize) {
    world.storage.reset();
    world.demo.ids().await.unwrap();
    let is_shard = |call: &&cache_testing::recording::Call| call.key.contains("/catalog/");
    let calls = world.storage.calls();
    let gets: Vec<_> = calls.iter().filter(|call| call.operation == StorageOp::Get).collect();
    let shards = gets.iter().filter(|call| is_shard(call)).count();
    (gets.len() - shards, shards, world.storage.count(StorageOp::List))
}

#[tokio::test]
async fn a_fresh_catalog_saves_reading_manifests() {
    let mut world = World::new();
    for content in 0..CONTENTS {
        world.store(&content.to_string()).await;
    }
    world.restart();
    assert_eq!(cost_of_ids(&world).await, (CONTENTS, 0, 3), "manifests, catalog and aliases are listed");
    assert_eq!(cost_of_ids(&world).await, (0, 1, 3));
    world.store("one more").await;
    world.store("1").await;
    assert_eq!(cost_of_ids(&world).await, (2, 1, 3), "only what was written since is read");
}

#[tokio::test]
async fn the_catalog_of_a_large_namespace_has_several_shards() {
    let world = World::new();
    let file_id = "f".repeat(128);
    for content in 0..4_800 {
        let text = content.to_string();
        world.store_as(&text, Strategy::Direct, Some(&text), Some(&file_id)).await;
    }
    world.demo.stats().await.unwrap();
    let shards = world.objects(&world.layout().catalog()).await;
    let names: Vec<&str> = shards.iter().map(|shard| shard.key.rsplit('/').next().unwrap()).collect();
    assert_eq!(names, ["0", "1", "2", "3", "4", "5", "6", "7", "8", "9", "a", "b", "c", "d", "e", "f"]);
    assert!(shards.iter().all(|shard| shard.size < MAX_SHARD_BYTES as u64));
    assert_eq!(cost_of_ids(&world).await, (0, 16, 5 + 2));
    world.put(&world.layout().catalog_shard(""), "left behind").await;
    assert_eq!(cost_of_ids(&world).await, (0, 16, 5 + 2), "the longest prefix counts");
    world.put(&world.layout().catalog_shard("00"), "damaged").await;
    let (manifests, shards, _) = cost_of_ids(&world).await;
    assert!((1..100).contains(&manifests) && shards == 17, "{manifests} of the hashes that begin with 00 are read");
}

#[tokio::test]
async fn a_manifest_that_cannot_be_read_is_left_out() {
    let world = World::new();
    let (broken, kept) = (world.store("a").await, world.store("b").await);
    world.put(&world.layout().manifest(&broken.cache_hash), vec![b'{'; 100]).await;
    assert_eq!(world.demo.ids().await.unwrap(), [kept.cache_id]);
    assert_eq!(world.demo.stats().await.unwrap().ids, 1);
}

#[tokio::test]
async fn what_is_not_ours_among_the_manifests_is_no_hash() {
    let world = World::new();
    let entry = world.store("a").await;
    world.put(&world.layout().hash_reference(&entry.cache_hash), vec![b' '; 100]).await;
    assert_eq!(world.demo.hashes().await.unwrap(), [entry.cache_hash]);
}

#[tokio::test]
async fn an_expired_entry_is_listed_until_the_sweep() {
    let world = World::new();
    let entry = world.store_with_ttl("a", Duration::from_secs(60)).await;
    world.clock.advance(Duration::from_secs(60));
    assert_eq!(world.text_of(&entry).await, None);
    assert_eq!(world.demo.ids().await.unwrap(), [entry.cache_id]);
    world.demo.sweep().await.unwrap();
    assert_eq!(world.demo.ids().await.unwrap(), []);
}

#[tokio::test]
async fn a_cursor_that_no_page_named_is_invalid() {
    let world = World::new();
    let request = EntriesRequest { strategy: None, from: None, to: None, limit: 1, cursor: Some("x") };
    let errors = [
        world.demo.id_page(1, Some("x")).await.unwrap_err(),
        world.demo.hash_page(1, Some("x")).await.unwrap_err(),
        world.demo.entries(&request).await.unwrap_err(),
    ];
    assert!(errors.iter().all(|error| error.kind() == ErrorKind::Invalid));
}

#[tokio::test]
async fn namespaces_are_the_folders_of_the_root() {
    let world = World::new();
    world.store("a").await;
    for key in ["a-b/namespace.json", "a/namespace.json", ".mgraph-cache/keys/x.json", "no namespace/x", "file"] {
        world.put(&key.parse().unwrap(), "x").await;
    }
    let names: Vec<String> = world.cache.namespaces().await.unwrap().iter().map(ToString::to_string).collect();
    assert_eq!(names, ["a", "a-b", "demo"]);
}

/// Entries of a request, page by page.
async fn entries(world: &World, request: EntriesRequest<'_>) -> Vec<DatedEntry> {
    let mut found = Vec::new();
    let mut cursor: Option<String> = None;
    loop {
        let request = EntriesRequest { cursor: cursor.as_deref(), ..request };
        let (page, next) = world.demo.entries(&request).await.unwrap();
        assert!(page.len() == request.limit || next.is_none());
        found.extend(page);
        cursor = next;
        if cursor.is_none() {
            return found;
        }
    }
}

#[tokio::test]
async fn the_view_of_another_attempt_is_no_entry() {
    let world = World::new();
    let Entry { cache_id, stored_at, strategy, .. } = world.store_as("a", Strategy::Temporal, None, None).await;
    let stray = world.layout().dated(strategy, stored_at, cache_id, Nonce::from_random(3));
    world.put(&stray, "x").await;
    let request = EntriesRequest { strategy: None, from: None, to: None, limit: 5, cursor: None };
    assert_eq!(entries(&world, request).await, [DatedEntry { cache_id, strategy, stored_at }]);
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(64))]
    #[test]
    fn entries_are_those_that_live_in_the_order_of_time(
        stores in proptest::collection::vec((0..5usize, 0..4usize, 0..90u64, any::<bool>(), any::<bool>()), 0..25),
        limit in 1..6usize, from in 0..1000u64, length in 0..2000u64, only in proptest::option::of(1..4usize),
    ) {
        Runtime::new().unwrap().block_on(async {
            let world = World::with_small_heads();
            let start = cache_testing::mock_clock::MockClock::START;
            let mut expected = Vec::new();
            for (strategy, content, pause, is_deleted, leaves_view) in stores {
                world.clock.advance(Duration::from_secs(pause));
                let strategy = Strategy::ALL[strategy];
                let entry = world.store_as(&content.to_string(), strategy, None, None).await;
                let Entry { cache_id, stored_at, .. } = entry;
                if is_deleted {
                    let views = world.objects(&world.layout().dated_folder(strategy)).await;
                    world.delete(&entry).await;
                    // As if the delete had broken off.
                    for view in views.iter().filter(|view| leaves_view && view.key.contains(&cache_id.to_string())) {
                        world.put(&view.key.parse().unwrap(), "x").await;
                    }
                } else if strategy.is_dated() {
                    expected.push(DatedEntry { cache_id, strategy, stored_at });
                }
            }
            let from = start.plus(Duration::from_secs(from));
            let to = from.plus(Duration::from_secs(length));
            let strategy = only.map(|only| Strategy::ALL[only]);
            expected.retain(|entry| (from..to).contains(&entry.stored_at) && strategy.is_none_or(|only| only == entry.strategy));
            expected.sort_by_key(|entry| (entry.stored_at, entry.cache_id));
            let request = EntriesRequest { strategy, from: Some(from), to: Some(to), limit, cursor: None };
            let found = entries(&world, request).await;
            assert!(found.is_sorted_by_key(|entry| entry.stored_at));
            let mut found_in_order = found;
            found_in_order.sort_by_key(|entry| (entry.stored_at, entry.cache_id));
            assert_eq!(found_in_order, expected);
        });
    }
}
