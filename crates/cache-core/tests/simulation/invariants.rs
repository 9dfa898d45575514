//! What holds at the end of every schedule.

use std::collections::BTreeMap;

use bytes::Bytes;
use cache_core::cache::{Cache, Of, Selector};
use cache_core::ids::CacheId;
use cache_core::index::{Index, Listed};
use cache_core::layout::Layout;
use cache_core::record::{Record, RecordState};

use crate::chance::Chance;
use crate::executor::Executor;
use crate::world::World;
use crate::{Ledger, cache_hash, key_name, namespace};

/// All violations in a world that is at rest.
pub fn check(world: &World, cache: &Cache, ledger: &Ledger) -> Vec<String> {
    let state = State::read(world, cache);
    let mut found = Vec::new();
    let mut hold = |holds: bool, what: String| {
        if !holds {
            found.push(what);
        }
    };
    for (id, (_, keyed)) in ledger.stored.iter().filter(|(id, _)| !ledger.deleting.contains(id)) {
        let read = await_at(world, retrieve(cache.clone(), Selector::Id(*id)));
        hold(
            ledger.explains(*id, read.as_ref(), ledger.is_updated(*id)),
            format!("{id} was acknowledged and reads as {read:?}"),
        );
        let by_hash = count(&state.by_hash, *id);
        hold(by_hash == 1, format!("the hash index lists the acknowledged {id} {by_hash} times"));
        let by_key = count(&state.by_key, *id);
        hold(by_key == usize::from(*keyed), format!("the key index lists the acknowledged {id} {by_key} times"));
    }
    for id in &ledger.deleted {
        hold(count(&state.by_hash, *id) + count(&state.by_key, *id) == 0, format!("the deleted {id} is listed"));
        hold(state.record(*id).is_none(), format!("the record of the deleted {id} came back"));
    }
    for listed in state.by_key.iter().chain(&state.by_hash) {
        let id = listed.cache_id;
        hold(state.record(id).is_some(), format!("an index lists {id}, which has no record"));
    }
    for (name, versions) in [("hash", &state.by_hash), ("key", &state.by_key)] {
        let ascending = versions.windows(2).all(|pair| pair[0].version < pair[1].version);
        hold(ascending, format!("the versions of the {name} index are not in order"));
    }
    for (newest, selector) in [
        (state.by_hash.last(), Selector::Hash(cache_hash(), None)),
        (state.by_key.last(), Selector::Key(key_name(), None)),
    ] {
        let Some(newest) = newest.filter(|newest| !ledger.deleting.contains(&newest.cache_id)) else { continue };
        let by_id = await_at(world, retrieve(cache.clone(), Selector::Id(newest.cache_id)));
        let by_index = await_at(world, retrieve(cache.clone(), selector.clone()));
        hold(by_id == by_index, format!("{selector:?} reads as {by_index:?}, its newest entry as {by_id:?}"));
    }
    state.check_head(&mut hold);
    if !world.had_late_calls() && !ledger.failed {
        state.check_view(&mut hold);
    }
    found
}

struct State {
    objects: BTreeMap<String, Bytes>,
    by_hash: Vec<Listed>,
    by_key: Vec<Listed>,
}

impl State {
    fn read(world: &World, cache: &Cache) -> Self {
        let versions = |of: Of| {
            let cache = cache.clone();
            let versions = await_at(world, async move { cache.versions(&namespace(), &of, None, usize::MAX).await });
            versions.unwrap().map_or_else(Vec::new, |versions| {
                assert_eq!(versions.count, versions.versions.len() as u64, "the index miscounts its versions");
                versions.versions
            })
        };
        Self {
            by_hash: versions(Of::Hash(cache_hash())),
            by_key: versions(Of::Key(key_name())),
            objects: world.objects(),
        }
    }

    fn record(&self, id: CacheId) -> Option<Record> {
        let bytes = self.objects.get(Layout::new(&namespace()).record(id).as_str())?;
        match RecordState::parse(bytes).unwrap() {
            RecordState::Live(record) => Some(*record),
            RecordState::Grave => None,
        }
    }

    /// The head counts right, and keeps one copy of equal content.
    fn check_head(&self, hold: &mut impl FnMut(bool, String)) {
        let key = Layout::new(&namespace()).hash_index(&cache_hash());
        let Some(head) = self.objects.get(key.as_str()) else { return };
        let head: Index = serde_json::from_slice(head).unwrap();
        let mut uses = BTreeMap::new();
        for listed in &self.by_hash {
            let parts = listed.cache_id.parts().unwrap();
            *uses.entry(parts.token).or_insert(0) += 1;
        }
        let counted: BTreeMap<_, _> = head.blobs.iter().map(|blob| (blob.token, blob.versions)).collect();
        hold(counted == uses, format!("the head counts {counted:?}, its versions use {uses:?}"));
        for blob in &head.blobs {
            let key = Layout::new(&namespace()).blob(&cache_hash(), blob.token);
            hold(self.objects.contains_key(key.as_str()), format!("the head references {key}, which is gone"));
        }
        let mut contents: Vec<_> = head.blobs.iter().map(|blob| blob.sha256).collect();
        contents.sort();
        contents.dedup();
        hold(contents.len() == head.blobs.len(), "equal content is kept twice".to_owned());
    }

    /// The readable copy is the newest version under the key, and there is no other one.
    fn check_view(&self, hold: &mut impl FnMut(bool, String)) {
        let newest = self.by_key.last().and_then(|listed| self.record(listed.cache_id));
        let content = newest.and_then(|record| self.objects.get(record.current().key.as_str()).cloned());
        let copies: Vec<&Bytes> =
            self.objects.iter().filter(|(key, _)| key.contains("/data/key-based/")).map(|(_, bytes)| bytes).collect();
        let expected: Vec<&Bytes> = content.iter().collect();
        hold(copies == expected, format!("the readable copies are {copies:?}, the newest version is {expected:?}"));
    }
}

fn count(versions: &[Listed], id: CacheId) -> usize {
    versions.iter().filter(|listed| listed.cache_id == id).count()
}

async fn retrieve(cache: Cache, selector: Selector) -> Option<Bytes> {
    cache.retrieve(&namespace(), &selector).await.ok().flatten().map(|entry| entry.content)
}

/// Runs one operation alone to its end.
pub fn await_at<T: 'static>(world: &World, operation: impl Future<Output = T> + 'static) -> T {
    let mut executor = Executor::new();
    executor.spawn(operation);
    loop {
        if let Some((_, output)) = executor.poll_ready(&mut Chance::new(0)).pop() {
            return output;
        }
        world.step();
    }
}
