//! The one loop that changes an index: read, change, compare-and-swap, and again when somebody else was faster.
//!
//! Changes to one index that are in flight in one process at the same time share one write: the first one *leads*, the
//! others wait in its *lane*; when it is done, the next of them leads for all that gathered meanwhile.

use std::collections::{HashMap, VecDeque};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::time::Duration;

use futures::channel::oneshot;

use crate::error::{Error, ErrorKind};
use crate::ids::{CacheId, Namespace};
use crate::index::Index;
use crate::record::Record;
use crate::storage::{ObjectKey, PutMode, StorageError, Version};

use super::pages::Pages;
use super::{Cache, LoadedIndex};

/// The first pause after a lost race; each further one is twice as long.
const FIRST_PAUSE: Duration = Duration::from_millis(25);
/// The longest pause.
const LONGEST_PAUSE: Duration = Duration::from_secs(1);

/// A change to an index. Each is idempotent: applied to a state that has it already, it changes nothing.
#[derive(Debug, Clone)]
pub(super) enum Change {
    /// Lists an entry as the newest version.
    Add(Box<Addition>),
    /// Takes an entry out.
    Remove(Box<Record>),
    /// Forgets the record of an entry that is about to be updated.
    Forget(CacheId),
}

/// What [`Change::Add`] adds.
#[derive(Debug, Clone)]
pub(super) struct Addition {
    /// The entry, whose record is written already.
    pub(super) record: Record,
    /// What the index is about.
    pub(super) of: String,
    /// How the entry came by its blob, judged by the index as it was then.
    pub(super) claim: Claim,
    /// The state of that index; `None` when there was none.
    pub(super) base: Option<Version>,
    /// The next version of that index. If an earlier attempt landed, it got this number or a higher one.
    pub(super) floor: u64,
    /// Whether another request may be listing the same entry, so that it is looked for first.
    pub(super) again: bool,
}

/// How an entry came by the blob that its record names.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Claim {
    /// Others may know the blob's name, so a delete may have taken it since.
    Shared,
    /// Nobody else knows the blob's name.
    Private,
    /// The index keeps no blobs: it is a key index.
    Unchecked,
}

/// What became of a [`Change`].
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Outcome {
    /// The entry is listed as this version.
    Added {
        /// Its number.
        version: u64,
    },
    /// The blob may be gone, or the same bytes are there under another name: begin the store anew.
    StartOver,
    /// The entry is not listed any more.
    Removed {
        /// Whether a listed version still references its blob.
        blob_in_use: bool,
        /// Whether it was the newest version.
        was_newest: bool,
        /// The newest entry that is left.
        newest: Option<CacheId>,
    },
    /// The entry was not listed.
    NotListed {
        /// Whether the name of its blob is burnt: there is an index, and it does not reference the blob.
        blob_is_burnt: bool,
    },
    /// The index does not remember the record of the entry.
    Forgotten,
}

impl Cache {
    /// Changes an index, beginning with the state that was `loaded` of it.
    pub(super) async fn swap(
        &self,
        namespace: &Namespace,
        key: &ObjectKey,
        loaded: LoadedIndex,
        change: Change,
    ) -> Result<Outcome, Error> {
        let mut unsure = false;
        let mut turn = self.lanes.enter(key, &change);
        loop {
            turn = match turn {
                Turn::Lead(lane, newer) => {
                    return self.lead(namespace, key, lane, newer.map_or(loaded, |newer| *newer), change, unsure).await;
                }
                Turn::Wait(reply) => match reply.await {
                    Ok(Reply::Done(outcome)) => return Ok(outcome),
                    Ok(Reply::Lead(lane, newer)) => Turn::Lead(lane, newer),
                    // The leader failed: what became of the change is not known, so it is tried again from the start.
                    Err(oneshot::Canceled) => {
                        unsure = true;
                        self.lanes.enter(key, &change)
                    }
                },
            }
        }
    }

    async fn lead(
        &self,
        namespace: &Namespace,
        key: &ObjectKey,
        mut lane: LaneGuard,
        loaded: LoadedIndex,
        own: Change,
        unsure: bool,
    ) -> Result<Outcome, Error> {
        let (mut changes, replies): (Vec<Change>, Vec<_>) = lane.take_waiting().into_iter().unzip();
        changes.push(own);
        // Whoever waits came after its own trouble, if any: to look for an earlier landing costs little.
        let unsure = unsure || changes.len() > 1;
        let (mut outcomes, newer) = self.swap_all(namespace, key, loaded, &changes, unsure).await?;
        let own = outcomes.pop().expect("one outcome for each change, and the leader's own is the last");
        for (reply, outcome) in replies.into_iter().zip(outcomes) {
            // A waiter that hung up does not need its outcome.
            let _ = reply.send(Reply::Done(outcome));
        }
        lane.hand_over(Some(Box::new(newer)));
        Ok(own)
    }

    /// Applies changes in one write and returns their outcomes in order, and the state that was written.
    async fn swap_all(
        &self,
        namespace: &Namespace,
        key: &ObjectKey,
        mut loaded: LoadedIndex,
        changes: &[Change],
        mut unsure: bool,
    ) -> Result<(Vec<Outcome>, LoadedIndex), Error> {
        let mut pause = Pause::new(self);
        loop {
            let (index, outcomes) = self.apply_all(namespace, key, &loaded, changes, unsure).await?;
            let Some(index) = index else { return Ok((outcomes, loaded)) };
            let mode = loaded.state.take().map_or(PutMode::Create, PutMode::Replace);
            match self.storage.put(key, index.to_bytes().into(), mode).await {
                Ok(state) => return Ok((outcomes, LoadedIndex { index: Some(index), state: Some(state) })),
                Err(StorageError::Conflict { .. } | StorageError::Unavailable { .. }) => {}
                Err(error @ StorageError::Refused { .. }) => return Err(error.into()),
            }
            unsure = true;
            loaded = loop {
                pause.wait(key).await?;
                match self.load_index(key).await {
                    Err(error) if error.kind() == ErrorKind::Unavailable => {}
                    loaded => break loaded?,
                }
            };
        }
    }

    /// The index after all changes, `None` when they change nothing, and the outcome of each.
    async fn apply_all(
        &self,
        namespace: &Namespace,
        key: &ObjectKey,
        loaded: &LoadedIndex,
        changes: &[Change],
        unsure: bool,
    ) -> Result<(Option<Index>, Vec<Outcome>), Error> {
        let pages = Pages::new(self, namespace, key);
        let mut index = loaded.index.clone().unwrap_or_else(|| Index::new(String::new()));
        let mut outcomes = Vec::with_capacity(changes.len());
        for change in changes {
            outcomes.push(match change {
                Change::Add(addition) => add(pages, &mut index, addition, &loaded.state, unsure).await?,
                Change::Remove(record) => remove(pages, &mut index, record, loaded.index.is_some()).await?,
                Change::Forget(id) => {
                    index.latest.take_if(|latest| latest.cache_id == *id);
                    Outcome::Forgotten
                }
            });
        }
        settle_blobs(&index, changes, &mut outcomes);
        let unchanged = loaded.index.as_ref().map_or(index.next == 1, |before| *before == index);
        Ok(((!unchanged).then_some(index), outcomes))
    }
}

async fn add(
    pages: Pages<'_>,
    index: &mut Index,
    addition: &Addition,
    state: &Option<Version>,
    unsure: bool,
) -> Result<Outcome, Error> {
    let record = &addition.record;
    if (unsure || addition.again)
        && let Some(version) = landed(pages, index, addition).await?
    {
        return Ok(Outcome::Added { version });
    }
    if addition.claim == Claim::Unchecked {
        index.note_kind(record.kind);
    } else {
        let elsewhere = index.token_of(&record.sha256).is_some_and(|token| token != record.token);
        let judged_by_this_state = addition.base == *state;
        let sure = addition.claim == Claim::Private || judged_by_this_state || index.references(record.token);
        if elsewhere || !sure {
            return Ok(Outcome::StartOver);
        }
        index.reference(record.token, record.sha256);
    }
    pages.make_room(index).await?;
    Ok(Outcome::Added { version: index.add(record, &addition.of) })
}

/// The version that an earlier attempt gave the entry, if one landed though its reply was lost.
async fn landed(pages: Pages<'_>, index: &Index, addition: &Addition) -> Result<Option<u64>, Error> {
    let rolled = index.versions.first().is_none_or(|oldest| oldest.version > addition.floor);
    let id = addition.record.cache_id;
    let listed = match index.inline(id) {
        None if rolled => pages.entry(index, id, addition.record.stored_at).await?,
        inline => inline,
    };
    Ok(listed.map(|listed| listed.version))
}

async fn remove(pages: Pages<'_>, index: &mut Index, record: &Record, exists: bool) -> Result<Outcome, Error> {
    let Some(listed) = pages.entry(index, record.cache_id, record.stored_at).await? else {
        return Ok(Outcome::NotListed { blob_is_burnt: exists && !index.references(record.token) });
    };
    let was_newest = index.newest() == Some(listed);
    index.release(record.token);
    index.remove(listed);
    pages.refill(index).await?;
    let newest = index.newest().map(|listed| listed.cache_id);
    Ok(Outcome::Removed { blob_in_use: index.references(record.token), was_newest, newest })
}

/// Whether a blob is still in use is known only when all changes of the write are applied: a later one may add a reference.
fn settle_blobs(index: &Index, changes: &[Change], outcomes: &mut [Outcome]) {
    for (change, outcome) in changes.iter().zip(outcomes) {
        let Change::Remove(record) = change else { continue };
        let in_use = index.references(record.token);
        match outcome {
            Outcome::Removed { blob_in_use, .. } => *blob_in_use = in_use,
            Outcome::NotListed { blob_is_burnt } => *blob_is_burnt &= !in_use,
            Outcome::Added { .. } | Outcome::StartOver | Outcome::Forgotten => {}
        }
    }
}

/// Waits between the attempts of one operation, longer each time, until its deadline.
#[derive(Debug)]
pub(super) struct Pause<'a> {
    cache: &'a Cache,
    next: Duration,
}

impl<'a> Pause<'a> {
    /// The pauses of an operation of this cache.
    pub(super) fn new(cache: &'a Cache) -> Self {
        Self { cache, next: FIRST_PAUSE }
    }

    /// Waits for a random time up to the current pause, at least half of it; fails when the deadline would pass.
    pub(super) async fn wait(&mut self, key: &ObjectKey) -> Result<(), Error> {
        let surroundings = &self.cache.surroundings;
        let half = self.next / 2;
        let jitter = half.mul_f64((surroundings.random() >> 11) as f64 / (1u64 << 53) as f64);
        let pause = half + jitter;
        let deadline = self.cache.deadline_ms.unwrap_or(u64::MAX);
        if surroundings.now_ms().saturating_add(pause.as_millis() as u64) >= deadline {
            return Err(Error::Unavailable(format!("{key} could not be written in time: try again")));
        }
        surroundings.sleep(pause).await;
        self.next = (self.next * 2).min(LONGEST_PAUSE);
        Ok(())
    }
}

/// Who changes which index in this process right now. A key has a lane exactly while somebody leads for it.
#[derive(Debug, Default)]
pub(super) struct Lanes {
    lanes: Mutex<HashMap<ObjectKey, VecDeque<Waiting>>>,
}

type Waiting = (Change, oneshot::Sender<Reply>);

/// What a change does on its way to an outcome.
#[derive(Debug)]
enum Turn {
    /// Writes, for itself and all who wait. A state newer than its own may be known.
    Lead(LaneGuard, Option<Box<LoadedIndex>>),
    /// Waits for whoever leads.
    Wait(oneshot::Receiver<Reply>),
}

/// What a leader says to one who waits.
#[derive(Debug)]
enum Reply {
    /// Its change is written.
    Done(Outcome),
    /// It leads now.
    Lead(LaneGuard, Option<Box<LoadedIndex>>),
}

impl Lanes {
    fn enter(self: &Arc<Self>, key: &ObjectKey, change: &Change) -> Turn {
        let mut lanes = self.lock();
        if let Some(lane) = lanes.get_mut(key) {
            let (sender, receiver) = oneshot::channel();
            lane.push_back((change.clone(), sender));
            return Turn::Wait(receiver);
        }
        lanes.insert(key.clone(), VecDeque::new());
        Turn::Lead(LaneGuard::new(self, key), None)
    }

    fn lock(&self) -> MutexGuard<'_, HashMap<ObjectKey, VecDeque<Waiting>>> {
        // The map is never left half changed, so a panic elsewhere does not spoil it.
        self.lanes.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

/// The right to lead for one key. It passes on when dropped, so that no panic or cancelled request blocks a lane.
#[derive(Debug)]
struct LaneGuard {
    lanes: Arc<Lanes>,
    key: ObjectKey,
    passed_on: bool,
}

impl LaneGuard {
    fn new(lanes: &Arc<Lanes>, key: &ObjectKey) -> Self {
        Self { lanes: Arc::clone(lanes), key: key.clone(), passed_on: false }
    }

    fn take_waiting(&mut self) -> VecDeque<Waiting> {
        self.lanes.lock().get_mut(&self.key).map(std::mem::take).unwrap_or_default()
    }

    /// Lets the next one lead, and tells it the newest state if that is known.
    fn hand_over(&mut self, newer: Option<Box<LoadedIndex>>) {
        self.passed_on = true;
        while let Some((_, reply)) = self.next_or_close() {
            let guard = Self::new(&self.lanes, &self.key);
            match reply.send(Reply::Lead(guard, newer.clone())) {
                Ok(()) => return,
                // It hung up. Its guard must not pass on as well.
                Err(Reply::Lead(mut guard, _)) => guard.passed_on = true,
                Err(Reply::Done(_)) => {}
            }
        }
    }

    /// The next one that waits; closes the lane when there is none. The lock is not held while replies are sent, because
    /// dropping an unread reply drops the guard in it, which takes the lock.
    fn next_or_close(&self) -> Option<Waiting> {
        let mut lanes = self.lanes.lock();
        let next = lanes.get_mut(&self.key).and_then(VecDeque::pop_front);
        if next.is_none() {
            lanes.remove(&self.key);
        }
        next
    }
}

impl Drop for LaneGuard {
    fn drop(&mut self) {
        if !self.passed_on {
            self.hand_over(None);
        }
    }
}
