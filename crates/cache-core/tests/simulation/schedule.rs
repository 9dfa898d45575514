//! One schedule on its way: which operations begin, in which order they go on, and when processes crash or freeze.

use std::time::Duration;

use cache_core::cache::{NamespaceCache, Selector, StoreRequest};
use cache_core::ids::CacheId;
use cache_core::time::UnixMillis;
use fastrand::Rng;

use crate::executor::Executor;
use crate::ledger::Ledger;
use crate::listed;
use crate::operations::{self, Announcement, Ended, cache_hash, key_ref};
use crate::world::{JUMP, LONG_JUMP, SHORT_JUMP, World};

/// Operations of one schedule, and how many of them run at once.
const OPERATIONS: usize = 20;
const CONCURRENCY: usize = 4;
/// For how long clients repeat a request.
pub const REPEATED_FOR: Duration = Duration::from_secs(3600);
/// An upload that is older than this may be too old to be completed.
const UPLOAD_LIFE: Duration = Duration::from_secs(12 * 3600);

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
pub struct Schedule {
    rng: Rng,
    executor: Executor<Ended>,
    ledger: Ledger,
    /// Stores and announcements with an idempotency key, and when they were asked for first.
    repeated_stores: Vec<(StoreRequest, UnixMillis)>,
    repeated_announcements: Vec<(Announcement, UnixMillis)>,
    caches: Vec<NamespaceCache>,
    mix: Mix,
    /// For how long the world was frozen in all.
    frozen_for: Duration,
}

impl Schedule {
    /// A schedule that follows from the random numbers. Each operation goes to one of the processes.
    pub fn new(mut rng: Rng, caches: Vec<NamespaceCache>) -> Self {
        let mix = MIXES[rng.usize(..MIXES.len())];
        Self {
            rng,
            executor: Executor::new(),
            ledger: Ledger::default(),
            repeated_stores: Vec::new(),
            repeated_announcements: Vec::new(),
            caches,
            mix,
            frozen_for: Duration::ZERO,
        }
    }

    /// Runs until all operations have ended, and returns what they came to.
    pub fn run(mut self, world: &World) -> Ledger {
        let mut left = OPERATIONS;
        loop {
            for ended in self.executor.poll_ready(&mut self.rng) {
                let before = self.ledger.violations.len();
                self.ledger.note(ended, world.time());
                // Beside the trace of calls: here it happened.
                self.ledger.violations[before..].iter().for_each(|violation| eprintln!("violation: {violation}"));
            }
            if left > 0 && self.executor.running() < CONCURRENCY && self.rng.bool() {
                left -= 1;
                self.start(world);
            } else if self.executor.running() > 0 && self.rng.usize(..200) == 0 {
                self.executor.crash_one(&mut self.rng);
                self.ledger.failed = true;
            } else if self.rng.usize(..400) == 0 {
                self.freeze(world);
            } else if !world.step() && self.executor.running() == 0 && left == 0 {
                return self.ledger;
            }
        }
    }

    fn freeze(&mut self, world: &World) {
        let jump = [SHORT_JUMP, JUMP, LONG_JUMP][self.rng.usize(..3)];
        world.freeze(jump);
        self.frozen_for += jump;
        self.ledger.frozen = true;
        self.ledger.aged |= self.frozen_for >= UPLOAD_LIFE;
        let now = world.time();
        self.repeated_stores.retain(|(_, first_at)| now.since(*first_at) < REPEATED_FOR);
        self.repeated_announcements.retain(|(_, first_at)| now.since(*first_at) < REPEATED_FOR);
    }

    fn start(&mut self, world: &World) {
        let cache = self.caches[self.rng.usize(..self.caches.len())].clone();
        let (choice, now) = (self.rng.f64(), world.time());
        let ids: Vec<CacheId> = self.ledger.stored.keys().copied().collect();
        if self.rng.usize(..10) == 0 {
            self.executor.spawn(operations::sweep(cache));
        } else if choice < self.mix.uploads {
            self.start_upload(cache, now);
        } else if choice < self.mix.stores || ids.is_empty() {
            let request = self.store_request(now);
            self.executor.spawn(operations::store(cache, request));
        } else {
            let acknowledged = ids[self.rng.usize(..ids.len())];
            // Nobody has to wait for the store of an entry that is listed.
            let is_change = choice < self.mix.updates && self.rng.usize(..4) == 0;
            let listed = is_change.then(|| listed::newest(world)).flatten();
            self.start_on(cache, listed.unwrap_or(acknowledged), choice);
        }
    }

    /// Begins a delete, an update, or a read of an entry.
    fn start_on(&mut self, cache: NamespaceCache, id: CacheId, choice: f64) {
        if choice < self.mix.deletes {
            self.ledger.deleting.insert(id);
            self.executor.spawn(operations::delete(cache, id));
        } else if choice < self.mix.updates {
            let content = operations::update_content(&mut self.rng);
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

    /// A store, new or repeated.
    fn store_request(&mut self, now: UnixMillis) -> StoreRequest {
        if !self.repeated_stores.is_empty() && self.rng.usize(..6) == 0 {
            return self.repeated_stores[self.rng.usize(..self.repeated_stores.len())].0.clone();
        }
        let request = operations::store_request(&mut self.rng);
        if request.idempotency_key.is_some() {
            self.repeated_stores.push((request.clone(), now));
        }
        request
    }

    /// Sends a content, or completes one that was sent: often the first one again, so that several do so at the same time.
    fn start_upload(&mut self, cache: NamespaceCache, now: UnixMillis) {
        let uploads: Vec<_> = self.ledger.uploads.iter().collect();
        if uploads.is_empty() || self.rng.usize(..4) == 0 {
            let announcement = self.announcement(now);
            self.ledger.begin_send(&announcement);
            self.executor.spawn(operations::send(cache, announcement, now));
            return;
        }
        let choice = if self.rng.bool() { 0 } else { self.rng.usize(..uploads.len()) };
        let (id, request) = (*uploads[choice].0, uploads[choice].1.clone());
        self.executor.spawn(operations::complete(cache, id, request));
    }

    /// An announcement, new or repeated.
    fn announcement(&mut self, now: UnixMillis) -> Announcement {
        if !self.repeated_announcements.is_empty() && self.rng.bool() {
            return self.repeated_announcements[self.rng.usize(..self.repeated_announcements.len())].0.clone();
        }
        let announcement = operations::announcement(&mut self.rng);
        if announcement.idempotency_key.is_some() {
            self.repeated_announcements.push((announcement.clone(), now));
        }
        announcement
    }
}
