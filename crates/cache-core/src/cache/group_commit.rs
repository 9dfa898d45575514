//! Group commit within a process: changes to one object that are in flight at the same time share one write.
//!
//! The first one *leads*; the others queue up as its followers. When the leader is done, the next one in the queue leads for
//! all that gathered meanwhile. A leader that fails, panics or is cancelled passes the lead on when it is dropped.

use std::collections::{HashMap, VecDeque};
use std::fmt::Debug;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};

use futures::channel::oneshot;

use crate::storage::ObjectKey;

/// What can be written together.
pub(super) trait Grouped {
    /// What one caller wants to change.
    type Change: Clone + Debug;
    /// What becomes of a change.
    type Applied: Debug;
    /// The state that a write leaves.
    type State: Clone + Debug;
}

/// The operations of this process that change an object right now, by its key. A key has a queue exactly while it has a leader.
#[derive(Debug)]
pub(super) struct GroupCommit<G: Grouped> {
    queues: Mutex<HashMap<ObjectKey, VecDeque<Follower<G>>>>,
}

/// A change that waits for the leader, and where to send what becomes of it.
pub(super) type Follower<G> = (<G as Grouped>::Change, oneshot::Sender<Handoff<G>>);

/// What a change does on its way to the storage.
#[derive(Debug)]
pub(super) enum Role<G: Grouped> {
    /// It writes, for itself and for its followers. A state newer than its own may be known.
    Leader(LeaderGuard<G>, Option<G::State>),
    /// It waits for the leader.
    Follower(oneshot::Receiver<Handoff<G>>),
}

/// What a leader tells a follower.
#[derive(Debug)]
pub(super) enum Handoff<G: Grouped> {
    /// Its change was written.
    Done(G::Applied),
    /// It leads now.
    Lead(LeaderGuard<G>, Option<G::State>),
}

impl<G: Grouped> Default for GroupCommit<G> {
    fn default() -> Self {
        Self { queues: Mutex::default() }
    }
}

impl<G: Grouped> GroupCommit<G> {
    /// Leads if nobody does, else queues up.
    pub(super) fn join(self: &Arc<Self>, key: &ObjectKey, change: &G::Change) -> Role<G> {
        let mut queues = self.lock();
        if let Some(queue) = queues.get_mut(key) {
            let (sender, receiver) = oneshot::channel();
            queue.push_back((change.clone(), sender));
            return Role::Follower(receiver);
        }
        queues.insert(key.clone(), VecDeque::new());
        Role::Leader(LeaderGuard::new(self, key), None)
    }

    fn lock(&self) -> MutexGuard<'_, HashMap<ObjectKey, VecDeque<Follower<G>>>> {
        // The map is never left half changed, so a panic elsewhere does not spoil it.
        self.queues.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

/// The right to lead for one key. It passes on when dropped, so that no panic or cancelled request blocks a queue.
#[derive(Debug)]
pub(super) struct LeaderGuard<G: Grouped> {
    group: Arc<GroupCommit<G>>,
    key: ObjectKey,
    handed_over: bool,
}

impl<G: Grouped> LeaderGuard<G> {
    fn new(group: &Arc<GroupCommit<G>>, key: &ObjectKey) -> Self {
        Self { group: Arc::clone(group), key: key.clone(), handed_over: false }
    }

    /// Takes all who wait, to write their changes as well.
    pub(super) fn drain_followers(&mut self) -> VecDeque<Follower<G>> {
        self.group.lock().get_mut(&self.key).map(std::mem::take).unwrap_or_default()
    }

    /// Lets the next one lead, and tells it the newest state if that is known.
    pub(super) fn hand_over(&mut self, newest: Option<&G::State>) {
        self.handed_over = true;
        while let Some((_, follower)) = self.next_or_close() {
            let guard = Self::new(&self.group, &self.key);
            match follower.send(Handoff::Lead(guard, newest.cloned())) {
                Ok(()) => return,
                // It hung up. Its guard must not pass the lead on as well.
                Err(Handoff::Lead(mut guard, _)) => guard.handed_over = true,
                Err(Handoff::Done(_)) => {}
            }
        }
    }

    /// The next follower; closes the queue when there is none. The lock is not held while handoffs are sent, because dropping
    /// an unread one drops the guard in it, which takes the lock.
    fn next_or_close(&self) -> Option<Follower<G>> {
        let mut queues = self.group.lock();
        let next = queues.get_mut(&self.key).and_then(VecDeque::pop_front);
        if next.is_none() {
            queues.remove(&self.key);
        }
        next
    }
}

impl<G: Grouped> Drop for LeaderGuard<G> {
    fn drop(&mut self) {
        if !self.handed_over {
            self.hand_over(None);
        }
    }
}
