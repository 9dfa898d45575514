//! Group commit within a process: changes to one object that are in flight at the same time share one write.
//!
//! The first one *leads*; the others queue up as its followers. When the leader is done, the next one in the queue leads for
//! all that gathered meanwhile. A leader that fails, panics or is cancelled passes the lead on when it is dropped.

use std::collections::{HashMap, VecDeque};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};

use futures::channel::oneshot;

use crate::storage::ObjectKey;

use super::commit::{Applied, Head};
use super::load::Loaded;

/// The operations of this process that change an object right now, by its key. A key has a queue exactly while it has a leader.
#[derive(Debug)]
pub(super) struct GroupCommit<H: Head> {
    queues: Mutex<HashMap<ObjectKey, VecDeque<Follower<H>>>>,
}

/// A change that waits for the leader, and where to send what becomes of it.
pub(super) type Follower<H> = (<H as Head>::Change, oneshot::Sender<Handoff<H>>);

/// What a change does on its way to the storage.
#[derive(Debug)]
pub(super) enum Role<H: Head> {
    /// It writes, for itself and for its followers. A state newer than its own may be known.
    Leader(LeaderGuard<H>, Option<Loaded<H>>),
    /// It waits for the leader.
    Follower(oneshot::Receiver<Handoff<H>>),
}

/// What a leader tells a follower.
#[derive(Debug)]
pub(super) enum Handoff<H: Head> {
    /// Its change was written.
    Done(Applied<H>),
    /// It leads now.
    Lead(LeaderGuard<H>, Option<Loaded<H>>),
}

impl<H: Head> Default for GroupCommit<H> {
    fn default() -> Self {
        Self { queues: Mutex::default() }
    }
}

impl<H: Head> GroupCommit<H> {
    /// Leads if nobody does, else queues up.
    pub(super) fn join(self: &Arc<Self>, key: &ObjectKey, change: &H::Change) -> Role<H> {
        let mut queues = self.lock();
        if let Some(queue) = queues.get_mut(key) {
            let (sender, receiver) = oneshot::channel();
            queue.push_back((change.clone(), sender));
            return Role::Follower(receiver);
        }
        queues.insert(key.clone(), VecDeque::new());
        Role::Leader(LeaderGuard::new(self, key), None)
    }

    fn lock(&self) -> MutexGuard<'_, HashMap<ObjectKey, VecDeque<Follower<H>>>> {
        // The map is never left half changed, so a panic elsewhere does not spoil it.
        self.queues.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

/// The right to lead for one key. It passes on when dropped, so that no panic or cancelled request blocks a queue.
#[derive(Debug)]
pub(super) struct LeaderGuard<H: Head> {
    group: Arc<GroupCommit<H>>,
    key: ObjectKey,
    handed_over: bool,
}

impl<H: Head> LeaderGuard<H> {
    fn new(group: &Arc<GroupCommit<H>>, key: &ObjectKey) -> Self {
        Self { group: Arc::clone(group), key: key.clone(), handed_over: false }
    }

    /// Takes all who wait, to write their changes as well.
    pub(super) fn drain_followers(&mut self) -> VecDeque<Follower<H>> {
        self.group.lock().get_mut(&self.key).map(std::mem::take).unwrap_or_default()
    }

    /// Lets the next one lead, and tells it the newest state if that is known.
    pub(super) fn hand_over(&mut self, newest: Option<&Loaded<H>>) {
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
    fn next_or_close(&self) -> Option<Follower<H>> {
        let mut queues = self.group.lock();
        let next = queues.get_mut(&self.key).and_then(VecDeque::pop_front);
        if next.is_none() {
            queues.remove(&self.key);
        }
        next
    }
}

impl<H: Head> Drop for LeaderGuard<H> {
    fn drop(&mut self) {
        if !self.handed_over {
            self.hand_over(None);
        }
    }
}
