//! What holds at the end of every schedule.

use std::collections::BTreeMap;

use bytes::Bytes;
use cache_core::cache::{NamespaceCache, Retrieved, Selector, VersionsOf};
use cache_core::ids::CacheId;
use cache_core::layout::{Layout, ObjectKind};
use cache_core::manifest::{ContentNumber, Location, Manifest};
use cache_core::storage::ObjectKey;

use crate::executor::Executor;
use crate::ledger::Ledger;
use crate::operations::{cache_hash, key_ref};
use crate::world::{Objects, World};

/// All violations in a world that is at rest.
pub fn check(world: &World, cache: &NamespaceCache, ledger: &Ledger) -> Vec<String> {
    let state = State::read(world, cache);
    let mut violations = Vec::new();
    let mut hold = |holds: bool, what: String| {
        if !holds {
            violations.push(what);
        }
    };
    for (id, stored) in ledger.stored.iter().filter(|(id, _)| ledger.must_be_there(**id)) {
        let read = retrieve(world, cache, Selector::Id(*id)).map(|retrieved| retrieved.bytes);
        let expected = ledger.explains(*id, read.as_ref(), ledger.is_updated(*id));
        hold(expected, format!("{id} was acknowledged and reads as {read:?}"));
        let by_hash = count(&state.by_hash, *id);
        hold(by_hash == 1, format!("the manifest lists the acknowledged {id} {by_hash} times"));
        let by_key = count(&state.by_key, *id);
        hold(by_key == usize::from(stored.keyed), format!("the key lists the acknowledged {id} {by_key} times"));
    }
    for id in &ledger.deleted {
        hold(count(&state.by_hash, *id) == 0, format!("the manifest lists the deleted {id}"));
        hold(retrieve(world, cache, Selector::Id(*id)).is_none(), format!("the deleted {id} is read"));
    }
    for id in &state.by_key {
        hold(count(&state.by_hash, *id) == 1, format!("the key lists {id}, which the manifest does not list"));
    }
    for (newest, selector) in [
        (state.by_hash.last(), Selector::Hash(cache_hash(), None)),
        (state.by_key.last(), Selector::Key(key_ref(), None)),
    ] {
        let Some(newest) = newest.filter(|newest| ledger.must_be_there(**newest)) else { continue };
        let by_id = retrieve(world, cache, Selector::Id(*newest));
        let by_index = retrieve(world, cache, selector.clone());
        hold(by_id == by_index, format!("{selector:?} reads as {by_index:?}, its newest entry as {by_id:?}"));
    }
    state.check_manifest(&mut hold);
    if !world.had_late_calls() && !ledger.failed {
        state.check_garbage(&mut hold);
        state.check_view(world, cache, ledger, &mut hold);
    }
    violations
}

struct State {
    objects: Objects,
    by_hash: Vec<CacheId>,
    by_key: Vec<CacheId>,
    manifest: Option<Manifest>,
}

impl State {
    fn read(world: &World, cache: &NamespaceCache) -> Self {
        let versions = |of: VersionsOf| {
            let cache = cache.clone();
            let versions = await_at(world, async move { cache.versions(&of, None, usize::MAX).await }).unwrap();
            versions.map_or_else(Vec::new, |versions| {
                assert_eq!(versions.count, versions.versions.len() as u64, "the versions are miscounted");
                let numbers: Vec<u64> = versions.versions.iter().map(|version| version.version).collect();
                assert!(numbers.is_sorted_by(|a, b| a < b), "the versions {numbers:?} are not in order");
                versions.versions.iter().map(|version| version.cache_id).collect()
            })
        };
        let (by_hash, by_key) = (versions(VersionsOf::Hash(cache_hash())), versions(VersionsOf::Key(key_ref())));
        let objects = world.objects();
        let key = Layout::new(cache.name()).manifest(&cache_hash());
        let manifest = objects.get(key.as_str()).map(|stored| Manifest::parse(&stored.bytes, false).unwrap());
        Self { objects, by_hash, by_key, manifest }
    }

    /// The head counts right, and every content that it lists is there, once.
    fn check_manifest(&self, hold: &mut impl FnMut(bool, String)) {
        let Some(manifest) = &self.manifest else { return };
        let counted = manifest.counts().total();
        let listed = self.by_hash.len() as u64;
        hold(counted == listed, format!("the head counts {counted} entries, and lists {listed}"));
        hold(manifest.encode().head_len < 6_000, format!("the head has {} bytes", manifest.encode().head_len));
        let layout_blob = |token| {
            let namespace = crate::namespace();
            self.objects.get(Layout::new(&namespace).blob(&cache_hash(), token).as_str()).cloned()
        };
        let mut contents: Vec<_> = manifest.contents().iter().map(|content| content.sha256).collect();
        contents.sort();
        contents.dedup();
        hold(contents.len() == manifest.contents().len(), "equal content is listed twice".to_owned());
        for content in manifest.contents().iter() {
            let intact = match &content.location {
                Location::Inline(inline) => inline.is_intact(&content.sha256),
                Location::Blob(token) => layout_blob(*token)
                    .is_some_and(|stored| cache_core::digest::Sha256Digest::of(&stored.bytes) == content.sha256),
            };
            hold(intact, format!("the content {content:?} is missing or damaged"));
        }
        if manifest.log().pages().is_empty() {
            self.check_references(manifest, hold);
        }
    }

    fn check_references(&self, manifest: &Manifest, hold: &mut impl FnMut(bool, String)) {
        if manifest.log().rows().iter().any(|row| row.revision_page.is_some()) {
            return;
        }
        let mut references: BTreeMap<ContentNumber, u64> = BTreeMap::new();
        for number in manifest.log().rows().iter().flat_map(|row| row.references().collect::<Vec<_>>()) {
            *references.entry(number).or_default() += 1;
        }
        let counted: BTreeMap<_, _> =
            manifest.contents().iter().map(|content| (content.number, content.ref_count)).collect();
        hold(counted == references, format!("the head counts {counted:?} references, its rows have {references:?}"));
    }

    /// When every call came to a clear end, nothing is left that belongs to nothing.
    fn check_garbage(&self, hold: &mut impl FnMut(bool, String)) {
        let keys = self.objects.keys().filter_map(|key| key.parse::<ObjectKey>().ok());
        for key in keys {
            let kind = ObjectKind::of(&key).map(|(_, kind)| kind);
            hold(kind != Some(ObjectKind::Intent), format!("{key} was left behind"));
        }
    }

    /// The readable copy of the key is its newest version, and there is no other one. An entry with a copy of its own is what
    /// that copy shows.
    fn check_view(&self, world: &World, cache: &NamespaceCache, ledger: &Ledger, hold: &mut impl FnMut(bool, String)) {
        if ledger.frozen {
            return;
        }
        let copies_named = |name: &str| -> Vec<&Bytes> {
            let prefix = format!("{}/data/key-based/reports/daily/{name}.", cache.name());
            self.objects
                .range(prefix.clone()..)
                .take_while(|(key, _)| key.starts_with(&prefix))
                .map(|(_, stored)| &stored.bytes)
                .collect()
        };
        for (id, _) in ledger.stored.iter().filter(|(id, stored)| stored.copied && ledger.must_be_there(**id)) {
            let copies = copies_named(&id.to_string());
            let read = retrieve(world, cache, Selector::Id(*id));
            let expected: Vec<&Bytes> = read.iter().map(|retrieved| &retrieved.bytes).collect();
            hold(copies == expected, format!("the readable copies of {id} are {copies:?}, it is {expected:?}"));
        }
        let copies = copies_named("summary");
        let newest = self.by_key.last().and_then(|id| retrieve(world, cache, Selector::Id(*id)));
        let expected: Vec<&Bytes> = newest.iter().map(|retrieved| &retrieved.bytes).collect();
        hold(copies == expected, format!("the readable copies are {copies:?}, the newest version is {expected:?}"));
    }
}

fn count(ids: &[CacheId], id: CacheId) -> usize {
    ids.iter().filter(|listed| **listed == id).count()
}

fn retrieve(world: &World, cache: &NamespaceCache, selector: Selector) -> Option<Retrieved> {
    let cache = cache.clone();
    await_at(world, async move { cache.retrieve(&selector).await.ok().flatten() })
}

/// Runs one operation alone to its end.
pub fn await_at<T: 'static>(world: &World, operation: impl Future<Output = T> + 'static) -> T {
    let mut executor = Executor::new();
    executor.spawn(operation);
    loop {
        if let Some(output) = executor.poll_ready(&mut fastrand::Rng::with_seed(0)).pop() {
            return output;
        }
        world.step();
    }
}
