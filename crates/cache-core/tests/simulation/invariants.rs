//! What holds at the end of every schedule.

use bytes::Bytes;
use cache_core::cache::{NamespaceCache, Retrieved, Selector, VersionsOf};
use cache_core::ids::CacheId;
use cache_core::layout::ObjectKind;
use cache_core::storage::ObjectKey;

use crate::executor::Executor;
use crate::ledger::Ledger;
use crate::listed::Listed;
use crate::operations::{cache_hash, key_ref};
use crate::world::{Objects, World};

/// All violations in a world that is at rest.
pub fn check(world: &World, cache: &NamespaceCache, ledger: &Ledger) -> Vec<String> {
    let state = match State::read(world, cache) {
        Ok(state) => state,
        Err(unreadable) => return vec![unreadable],
    };
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
    if let Some(manifest) = &state.manifest {
        manifest.check(&state.objects, ledger, &mut hold);
    }
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
    manifest: Option<Listed>,
}

impl State {
    /// An error when something cannot be read.
    fn read(world: &World, cache: &NamespaceCache) -> Result<Self, String> {
        let versions = |of: VersionsOf| {
            let cache = cache.clone();
            let versions = await_at(world, async move { cache.versions(&of, None, usize::MAX).await });
            let Some(versions) = versions.map_err(|error| error.to_string())? else { return Ok(Vec::new()) };
            let numbers: Vec<u64> = versions.versions.iter().map(|version| version.version).collect();
            if versions.count != numbers.len() as u64 || !numbers.is_sorted_by(|a, b| a < b) {
                return Err(format!("{} versions are {numbers:?}", versions.count));
            }
            Ok(versions.versions.iter().map(|version| version.cache_id).collect())
        };
        let (by_hash, by_key) = (versions(VersionsOf::Hash(cache_hash()))?, versions(VersionsOf::Key(key_ref()))?);
        let objects = world.objects();
        let manifest = Listed::read(&objects)?;
        Ok(Self { objects, by_hash, by_key, manifest })
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
