//! Stores, repeats, uploads, updates, deletes, sweeps and reads under random interleavings, failed calls, lost replies, late
//! duplicates, crashes and frozen processes.
//!
//! Each schedule follows from its seed. `SIMULATION_SCHEDULES` says how many are run (default 1,000), and `SIMULATION_SEED`
//! with which seed to begin: to see a violation again, run one schedule with the seed that was printed. `SIMULATION_TRACE=1`
//! prints every call, `SIMULATION_FAIL_FAST=1` stops at the first violation.

#![allow(clippy::unwrap_used, reason = "a test may panic")]

mod executor;
mod invariants;
mod ledger;
mod operations;
mod world;

use std::sync::atomic::{AtomicU64, Ordering};
use std::sync::{Arc, Mutex};

use bytes::Bytes;
use cache_core::cache::{Cache, CacheConfig, NamespaceCache, Selector, StoreRequest, SweepReport};
use cache_core::ids::{CacheId, Namespace};
use cache_core::manifest::Limits;
use fastrand::Rng;

use crate::executor::Executor;
use crate::ledger::Ledger;
use crate::operations::{Ended, cache_hash, key_ref};
use crate::world::{JUMP, LONG_JUMP, Objects, World};

/// Operations of one schedule, and how many of them run at once.
const OPERATIONS: usize = 20;
const CONCURRENCY: usize = 4;

/// Everything is split early, so that a short schedule meets blobs, pages of several levels, and pages of revisions.
const LIMITS: Limits = Limits {
    max_inline_bytes: 40,
    spill_above_bytes: 1_500,
    keep_row_bytes: 500,
    max_page_refs: 2,
    max_row_revisions: 2,
};

fn namespace() -> Namespace {
    "sim".parse().unwrap()
}

/// How operations are chosen by a number from 0 to 1: an upload or its completion below the first bound, then a store, a
/// delete, an update, else a read.
#[derive(Clone, Copy)]
struct Mix {
    uploads: f64,
    stores: f64,
    deletes: f64,
    updates: f64,
}

/// The first ones delete as much as they can, so that manifests become tombstones again and again; the last one updates the same
/// few entries at the same time.
const MIXES: [Mix; 4] = [
    Mix { uploads: 0.2, stores: 0.55, deletes: 0.8, updates: 0.88 },
    Mix { uploads: 0.2, stores: 0.55, deletes: 0.8, updates: 0.88 },
    Mix { uploads: 0.2, stores: 0.55, deletes: 0.68, updates: 0.86 },
    Mix { uploads: 0.1, stores: 0.3, deletes: 0.36, updates: 0.9 },
];

/// One schedule on its way.
struct Schedule {
    rng: Rng,
    executor: Executor<Ended>,
    ledger: Ledger,
    repeats: Vec<StoreRequest>,
    caches: Vec<NamespaceCache>,
    mix: Mix,
}

/// Two processes on one storage that keep different amounts in memory.
fn caches(world: &World, memory: [u64; 2]) -> Vec<NamespaceCache> {
    let cache = |object_cache_bytes| {
        let config = CacheConfig { object_cache_bytes, limits: LIMITS, ..CacheConfig::default() };
        let world = Arc::new(world.clone());
        Cache::with_config(world.clone(), world.clone(), world, &config).namespace(&namespace())
    };
    memory.map(cache).into()
}

/// Runs one schedule.
fn run(seed: u64, faults: f64, objects: Objects) -> Ledger {
    let world = World::new(seed ^ 0x5eed, faults, objects);
    let mut rng = Rng::with_seed(seed);
    let mix = MIXES[rng.usize(..MIXES.len())];
    let memory = [0, [0, 20_000][rng.usize(..2)]];
    let mut schedule = Schedule {
        caches: caches(&world, memory),
        rng,
        executor: Executor::new(),
        ledger: Ledger::default(),
        repeats: Vec::new(),
        mix,
    };
    schedule.run(&world);
    world.calm_down();
    // The process that checks at the end has nothing in memory that could hide what was lost.
    let reader = caches(&world, [0, 0]).remove(0);
    let mut ledger = schedule.ledger;
    ledger.violations.extend(invariants::check(&world, &reader, &ledger));
    complete_all(&world, &reader, &mut ledger);
    ledger.violations.extend(invariants::check(&world, &reader, &ledger));
    sweep_all(&world, &reader, &mut ledger);
    ledger.violations.extend(invariants::check(&world, &reader, &ledger));
    ledger
}

impl Schedule {
    fn run(&mut self, world: &World) {
        let mut left = OPERATIONS;
        loop {
            for ended in self.executor.poll_ready(&mut self.rng) {
                let before = self.ledger.violations.len();
                self.ledger.note(ended);
                // Beside the trace of calls: here it happened.
                self.ledger.violations[before..].iter().for_each(|violation| eprintln!("violation: {violation}"));
            }
            if left > 0 && self.executor.running() < CONCURRENCY && self.rng.bool() {
                left -= 1;
                self.start();
            } else if self.executor.running() > 0 && self.rng.usize(..200) == 0 {
                self.executor.crash_one(&mut self.rng);
                self.ledger.failed = true;
            } else if self.rng.usize(..400) == 0 {
                let jump = [JUMP, LONG_JUMP][self.rng.usize(..2)];
                world.freeze(jump);
                self.ledger.frozen = true;
                self.ledger.aged |= jump == LONG_JUMP;
                // Nobody repeats a store after more than an hour, or begins to complete an upload that is that old.
                self.repeats.clear();
            } else if !world.step() && self.executor.running() == 0 && left == 0 {
                return;
            }
        }
    }

    fn start(&mut self) {
        let cache = self.caches[self.rng.usize(..self.caches.len())].clone();
        let choice = self.rng.f64();
        let ids: Vec<CacheId> = self.ledger.stored.keys().copied().collect();
        if self.rng.usize(..10) == 0 {
            self.executor.spawn(operations::sweep(cache));
        } else if choice < self.mix.uploads {
            self.start_upload(cache);
        } else if choice < self.mix.stores || ids.is_empty() {
            let request = operations::store_request(&mut self.rng, &mut self.repeats);
            self.executor.spawn(operations::store(cache, request));
        } else {
            let id = ids[self.rng.usize(..ids.len())];
            self.start_on(cache, id, choice);
        }
    }

    /// Begins a delete, an update, or a read of an entry.
    fn start_on(&mut self, cache: NamespaceCache, id: CacheId, choice: f64) {
        if choice < self.mix.deletes {
            self.ledger.deleting.insert(id);
            self.executor.spawn(operations::delete(cache, id));
        } else if choice < self.mix.updates {
            let padding = "x".repeat([0, 0, 60][self.rng.usize(..3)]);
            let content = Bytes::from(format!("\"update {}{padding}\"", self.rng.u32(..)));
            self.ledger.updates.entry(id).or_default().insert(content.clone(), false);
            self.executor.spawn(operations::update(cache, id, content));
        } else if self.rng.bool() {
            let keyed = self.ledger.stored[&id].keyed;
            let selector = if keyed { Selector::Key(key_ref(), None) } else { Selector::Hash(cache_hash(), None) };
            let there = self.ledger.live(keyed);
            self.executor.spawn(operations::read_newest(cache, selector, there));
        } else {
            let updated = self.ledger.is_updated(id);
            self.executor.spawn(operations::read(cache, id, updated));
        }
    }

    /// Sends a content, or completes one that was sent: often the first one again, so that several do so at the same time.
    fn start_upload(&mut self, cache: NamespaceCache) {
        let uploads: Vec<_> = self.ledger.uploads.iter().collect();
        if uploads.is_empty() || self.rng.usize(..4) == 0 {
            let request = operations::upload_request(&mut self.rng);
            self.executor.spawn(operations::send(cache, request));
            return;
        }
        let choice = if self.rng.bool() { 0 } else { self.rng.usize(..uploads.len()) };
        let (id, request) = (*uploads[choice].0, uploads[choice].1.clone());
        self.executor.spawn(operations::complete(cache, id, request));
    }
}

/// Completes every upload once more, in a world at rest: what was acknowledged returns the same again.
fn complete_all(world: &World, cache: &NamespaceCache, ledger: &mut Ledger) {
    for (upload, request) in ledger.uploads.clone() {
        let ended = invariants::await_at(world, operations::complete(cache.clone(), upload, request));
        if let Ended::Complete(Err(error @ cache_core::error::Error::Unavailable { .. }), _) = &ended {
            ledger.violations.push(format!("the upload {upload} is neither completed nor refused: {error}"));
        }
        ledger.note(ended);
    }
}

/// Sweeps when everything is old. The second sweep takes what the first one had passed when it deleted an expired entry, the
/// third one finds nothing. Nothing is damaged but what belongs to a manifest that was never written.
fn sweep_all(world: &World, cache: &NamespaceCache, ledger: &mut Ledger) {
    world.freeze(LONG_JUMP);
    ledger.frozen = true;
    ledger.aged = true;
    for is_last in [false, false, true] {
        let Ended::Sweep(Ok(report)) = invariants::await_at(world, operations::sweep(cache.clone())) else {
            ledger.violations.push("a sweep failed in a world at rest".to_owned());
            return;
        };
        let has_manifest = world.objects().keys().any(|key| key.contains("refs/by-hash/"));
        let damaged = if has_manifest { Vec::new() } else { report.damaged.clone() };
        let nothing = SweepReport { damaged, complete: true, ..SweepReport::default() };
        if (is_last && report != nothing) || report.damaged != nothing.damaged {
            ledger.violations.push(format!("a sweep found {report:?}"));
        }
    }
}

/// What the schedules of one run came to.
#[derive(Default)]
struct Totals {
    stores: usize,
    completions: usize,
    deletes: usize,
    violated: usize,
}

/// Which schedules to run: seeds from `next` to `end`, each taken by one of the threads.
struct Schedules {
    first: u64,
    end: u64,
    next: AtomicU64,
    fail_fast: bool,
    totals: Mutex<Totals>,
}

impl Schedules {
    fn run(&self) {
        loop {
            let seed = self.next.fetch_add(1, Ordering::Relaxed);
            if seed >= self.end {
                return;
            }
            let ledger = run(seed, [0.0, 0.05, 0.25][(seed % 3) as usize], Objects::new());
            self.note(seed, &ledger);
        }
    }

    fn note(&self, seed: u64, ledger: &Ledger) {
        let mut totals = self.totals.lock().unwrap();
        totals.stores += ledger.stored.len() - ledger.completed.len();
        totals.completions += ledger.completed.len();
        totals.deletes += ledger.deleted.len();
        if ledger.violations.is_empty() {
            return;
        }
        totals.violated += 1;
        if self.fail_fast {
            eprintln!("SIMULATION_SEED={seed}: the first violation, after {} schedules", seed - self.first + 1);
            self.next.store(self.end, Ordering::Relaxed);
        } else if totals.violated <= 5 {
            eprintln!("SIMULATION_SEED={seed} SIMULATION_SCHEDULES=1: {:#?}", ledger.violations);
        }
    }
}

#[test]
fn no_schedule_violates_an_invariant() {
    let from_env = |name: &str| std::env::var(name).ok().map(|value| value.parse::<u64>().unwrap());
    let first = from_env("SIMULATION_SEED").unwrap_or(1_000_003);
    let count = from_env("SIMULATION_SCHEDULES").unwrap_or(1_000);
    let fail_fast = std::env::var_os("SIMULATION_FAIL_FAST").is_some();
    let next = AtomicU64::new(first);
    let schedules = Schedules { first, end: first + count, next, fail_fast, totals: Mutex::default() };
    let threads = std::thread::available_parallelism().map_or(1, usize::from);
    std::thread::scope(|scope| {
        for _ in 0..threads {
            scope.spawn(|| schedules.run());
        }
    });
    let Totals { stores, completions, deletes, violated } = schedules.totals.into_inner().unwrap();
    eprintln!(
        "{count} schedules, {stores} stores, {completions} completions and {deletes} deletes acknowledged, \
         {violated} with violations"
    );
    assert_eq!(violated, 0);
}
