//! The one loop that changes a manifest or a key index: read, change, compare-and-swap, and again when another writer was
//! faster (optimistic concurrency control). Every change is idempotent: applied to a state that has it already, it changes
//! nothing and returns what it returned before.
//!
//! Changes of one process share a write, see `group_commit`. When several processes change one object at once, those that
//! lose for the second time leave intents, and the next writer commits all of them, see `intents`.

use std::sync::Arc;
use std::time::Duration;

use bytes::Bytes;
use futures::channel::oneshot;

use crate::error::{Error, ErrorKind};
use crate::manifest::{Encoded, MAX_HEAD_BYTES};
use crate::storage::{ObjectKey, PutMode, StorageError, Version};
use crate::time::UnixMillis;

use super::NamespaceCache;
use super::attempt::Attempt;
use super::backoff::Backoff;
use super::group_commit::{Handoff, LeaderGuard, Role};
use super::head::{Applied, Head, Loaded};
use super::intents::Intents;
use super::load::{MAX_READ_ATTEMPTS, Part};
use super::pages::PageMemo;

/// After so many lost races a change leaves an intent.
const LOSSES_BEFORE_INTENT: u32 = 2;
/// Wall time within which the last attempt of an operation starts. A process that was frozen for longer gives up: what it wrote
/// before may have been taken for garbage.
const MAX_OPERATION_TIME: Duration = Duration::from_secs(60);

/// What is known about an operation before its first compare-and-swap.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) struct CommitContext {
    /// Races that were lost.
    pub(super) losses: u32,
    /// Whether the change may have been made already.
    pub(super) check_existing: bool,
    /// When the operation began.
    pub(super) started_at: UnixMillis,
    /// Whether the state was taken from memory, where it may be out of date.
    pub(super) from_memory: bool,
}

impl CommitContext {
    /// No race was lost yet, by an operation that began at this time.
    pub(super) fn since(started_at: UnixMillis) -> Self {
        Self { losses: 0, check_existing: false, started_at, from_memory: false }
    }
}

impl NamespaceCache {
    /// Changes an object, beginning with the state that was `loaded` of it.
    ///
    /// # Errors
    ///
    /// `Unavailable` when the storage does not respond, or others win every race until the deadline; what the change returns.
    pub(super) async fn commit<H: Head>(
        &self,
        key: &ObjectKey,
        loaded: Loaded<H>,
        change: H::Change,
        mut context: CommitContext,
    ) -> Result<Applied<H>, Error> {
        let started_at = context.started_at;
        let join = || {
            self.check_operation_time(started_at)?;
            Ok::<_, Error>(H::group(&self.cache.shared).join(key, &change))
        };
        let mut role = join()?;
        loop {
            role = match role {
                Role::Leader(guard, newer) => {
                    context.from_memory |= newer.is_some();
                    return self.lead(key, guard, newer.unwrap_or(loaded), change, context).await;
                }
                Role::Follower(handoff) => match handoff.await {
                    Ok(Handoff::Done(applied)) => return Ok(applied),
                    Ok(Handoff::Lead(guard, newer)) => Role::Leader(guard, newer),
                    // The leader failed: whether the change was made is unknown, so it is tried again from the start.
                    Err(oneshot::Canceled) => {
                        context.check_existing = true;
                        join()?
                    }
                },
            }
        }
    }

    /// Writes a head for an operation that began at this time. Every write of a head goes through here, because all that a
    /// head references is written before it: the process may have been frozen since, and the sweep have taken it.
    ///
    /// # Errors
    ///
    /// `Unavailable` when the operation began too long ago. What the storage says of the write is the inner result.
    pub(super) async fn put_head<H: Head>(
        &self,
        key: &ObjectKey,
        head: H,
        bytes: Bytes,
        replaced: Option<&Version>,
        started_at: UnixMillis,
    ) -> Result<Result<Loaded<H>, StorageError>, Error> {
        self.check_operation_time(started_at)?;
        let size = bytes.len() as u64;
        let mode = replaced.cloned().map_or(PutMode::Create, PutMode::Update);
        Ok(self.cache.storage.put(key, bytes, mode).await.map(|version| {
            let written = Loaded::at(Arc::new(head), version);
            self.keep(key, &written, size);
            written
        }))
    }

    /// Refuses to go on with an operation that began too long ago.
    pub(super) fn check_operation_time(&self, started_at: UnixMillis) -> Result<(), Error> {
        if self.cache.now().since(started_at) > MAX_OPERATION_TIME {
            return Err(Error::unavailable("the operation was interrupted for more than a minute: retry it"));
        }
        Ok(())
    }

    async fn lead<H: Head>(
        &self,
        key: &ObjectKey,
        mut guard: LeaderGuard<H>,
        loaded: Loaded<H>,
        own: H::Change,
        mut context: CommitContext,
    ) -> Result<Applied<H>, Error> {
        let (mut changes, followers): (Vec<H::Change>, Vec<_>) = guard.drain_followers().into_iter().unzip();
        changes.push(own);
        // A follower may have written before it queued; checking for that is cheap. And it may have seen a newer state.
        context.check_existing |= changes.len() > 1;
        let is_current = changes.len() == 1 && !context.from_memory;
        let memo = PageMemo::default();
        let mut write =
            Write { cache: self, key, changes: &changes, context, is_current, is_ambiguous: false, memo: &memo };
        let Written { mut applied, head_len } = write.run(loaded).await?;
        let own = applied.pop().expect("one for each change, and the leader's own is the last");
        for (follower, applied) in followers.into_iter().zip(applied) {
            // One that hung up does not need it.
            let _ = follower.send(Handoff::Done(applied));
        }
        let is_large = head_len.is_some_and(|head_len| head_len > self.cache.shared.limits.spill_above_bytes);
        let state = if is_large { self.spill_once(key, own.state.clone()).await } else { own.state.clone() };
        guard.hand_over(Some(&state));
        Ok(own)
    }

    /// Moves what is old out of a head that has grown too large. It is tried once: the next writer tries again. It is done
    /// after the commit, so that those who lose a race leave no pages.
    async fn spill_once<H: Head>(&self, key: &ObjectKey, state: Loaded<H>) -> Loaded<H> {
        let (Some(head), Some(version)) = (&state.head, &state.version) else { return state };
        match self.spill(key, H::clone(head), version).await {
            Ok(spilled) => spilled,
            Err(error) => {
                tracing::info!(%key, %error, "the head was not made smaller");
                state
            }
        }
    }

    async fn spill<H: Head>(&self, key: &ObjectKey, mut head: H, version: &Version) -> Result<Loaded<H>, Error> {
        let memo = PageMemo::default();
        let mut attempt = Attempt::new(self, key, &memo);
        head.prepare_write(attempt.now);
        let encoded = shrink(&mut head, &mut attempt, self.cache.shared.limits.spill_above_bytes).await?;
        if attempt.written.is_empty() {
            return Err(Error::full("nothing can be moved into a page"));
        }
        match self.put_head(key, head, encoded.bytes, Some(version), attempt.now).await? {
            Ok(spilled) => Ok(spilled),
            Err(error) => {
                attempt.discard(&error).await;
                Err(error.into())
            }
        }
    }
}

/// What became of changes that were written together.
struct Written<H: Head> {
    /// One for each change, in order.
    applied: Vec<Applied<H>>,
    /// How large the head is, if one was written.
    head_len: Option<usize>,
}

/// Changes that are written together.
struct Write<'a, H: Head> {
    cache: &'a NamespaceCache,
    key: &'a ObjectKey,
    changes: &'a [H::Change],
    context: CommitContext,
    /// Whether the state was read from the storage after all changes were decided on. A change that finds nothing to do is
    /// done only by such a state; a write proves itself, since it is refused otherwise.
    is_current: bool,
    is_ambiguous: bool,
    memo: &'a PageMemo,
}

impl<H: Head> Write<'_, H> {
    /// Writes all changes, and returns what became of each, in order.
    async fn run(&mut self, mut loaded: Loaded<H>) -> Result<Written<H>, Error> {
        let mut backoff = Backoff::new(&self.cache.cache);
        let mut intents = Intents::new(self.cache, self.key);
        let mut unreadable = 0;
        loop {
            let mut attempt = self.attempt();
            let (head, results) = match self.apply_all(&loaded, &intents, &mut attempt).await {
                // A page may have been replaced since the head was read.
                Err(Error::Corrupt { .. }) if unreadable < MAX_READ_ATTEMPTS => {
                    unreadable += 1;
                    loaded = self.cache.load(self.key, Part::Whole).await?;
                    continue;
                }
                applied => applied?,
            };
            if head.is_none() && !self.is_current {
                loaded = self.cache.load(self.key, Part::Whole).await?;
                self.is_current = true;
                continue;
            }
            let Some(mut head) = head else {
                intents.withdraw().await;
                return Ok(Written { applied: self.applied(results, &loaded), head_len: None });
            };
            head.prepare_write(attempt.now);
            let encoded = shrink(&mut head, &mut attempt, MAX_HEAD_BYTES).await?;
            let replaced = loaded.version.as_ref();
            match self.cache.put_head(self.key, head, encoded.bytes, replaced, self.context.started_at).await? {
                Ok(state) => {
                    attempt.clean_up().await;
                    intents.withdraw().await;
                    let head_len = Some(encoded.head_len);
                    return Ok(Written { applied: self.applied(results, &state), head_len });
                }
                Err(error) => {
                    attempt.discard(&error).await;
                    self.note(error)?;
                }
            }
            loaded = self.reload(&loaded, &mut backoff, &mut intents).await?;
        }
    }

    fn attempt(&self) -> Attempt<'_> {
        let mut attempt = Attempt::new(self.cache, self.key, self.memo);
        attempt.check_existing = self.context.check_existing;
        attempt.is_ambiguous = self.is_ambiguous;
        attempt
    }

    /// The state after all changes, `None` when they change nothing, and what became of each.
    async fn apply_all(
        &self,
        loaded: &Loaded<H>,
        intents: &Intents<'_>,
        attempt: &mut Attempt<'_>,
    ) -> Result<(Option<H>, Vec<(H::Outcome, bool)>), Error> {
        let first = self.changes.first().expect("a write has at least one change");
        let before = match &loaded.head {
            Some(head) => Arc::clone(head),
            None => Arc::new(H::absent(first, self.cache).await?),
        };
        let mut head = H::clone(&before);
        let mut results = Vec::with_capacity(self.changes.len());
        for change in self.changes {
            attempt.found = false;
            let outcome = head.apply(change, attempt).await?;
            results.push((outcome, attempt.found));
        }
        // Without a change of its own this process has nothing to write, and leaves the others to those that have.
        if head != *before {
            for intent in intents.of_others() {
                head.apply_intent(intent, attempt).await?;
            }
        }
        Ok(((head != *before).then_some(head), results))
    }

    fn applied(&self, results: Vec<(H::Outcome, bool)>, state: &Loaded<H>) -> Vec<Applied<H>> {
        let is_ambiguous = self.is_ambiguous;
        let applied = |(outcome, found)| Applied { outcome, is_ambiguous, found, state: state.clone() };
        results.into_iter().map(applied).collect()
    }

    /// Takes note of a write that failed, or fails if another attempt is useless.
    fn note(&mut self, error: StorageError) -> Result<(), Error> {
        match error {
            StorageError::Precondition { .. } => self.context.losses += 1,
            StorageError::Unavailable { .. } => self.is_ambiguous = true,
            StorageError::Full { .. } | StorageError::Refused { .. } => return Err(error.into()),
        }
        // Also after a refusal: an earlier try of the same call may have been applied, its reply lost.
        self.context.check_existing = true;
        self.is_current = true;
        Ok(())
    }

    /// Waits, and reads the object again. Leaves intents when too many others are changing it.
    async fn reload(
        &mut self,
        last: &Loaded<H>,
        backoff: &mut Backoff<'_>,
        intents: &mut Intents<'_>,
    ) -> Result<Loaded<H>, Error> {
        if self.context.losses >= LOSSES_BEFORE_INTENT && intents.are_absent() {
            let last = last.head.as_deref();
            let own = self.changes.iter().filter_map(|change| H::intent(change, last)).collect();
            // Others commit an intent by the time in its name, which is that of its writing.
            self.cache.check_operation_time(self.context.started_at)?;
            intents.leave(own).await?;
        } else if intents.are_absent() {
            backoff.wait(self.key).await?;
        }
        loop {
            match self.load_with_intents(backoff, intents).await {
                Err(error) if error.kind() == ErrorKind::Unavailable => backoff.wait(self.key).await?,
                loaded => return loaded,
            }
        }
    }

    /// Reads the object, and beside it the intents of others. The first in the list goes on at once, the others after a
    /// while, and read again: by then the first has probably committed them.
    async fn load_with_intents(&self, backoff: &Backoff<'_>, intents: &mut Intents<'_>) -> Result<Loaded<H>, Error> {
        if intents.are_absent() {
            return self.cache.load(self.key, Part::Whole).await;
        }
        let (loaded, ()) = futures::future::try_join(self.cache.load(self.key, Part::Whole), intents.list()).await?;
        let Some(delay) = intents.delay() else { return Ok(loaded) };
        backoff.wait_up_to(delay, self.key).await?;
        self.cache.load(self.key, Part::Whole).await
    }
}

/// Moves what is old into pages until the head has at most so many bytes, or nothing is left to move.
async fn shrink<H: Head>(head: &mut H, attempt: &mut Attempt<'_>, max_head_bytes: usize) -> Result<Encoded, Error> {
    loop {
        let encoded = head.encode();
        if encoded.head_len <= max_head_bytes {
            return Ok(encoded);
        }
        let cache = &attempt.cache.cache;
        let Some((name, page)) = head.spill(cache.random(), &cache.shared.limits) else {
            let message = "there are too many different contents or revisions under one hash";
            return if encoded.head_len <= MAX_HEAD_BYTES { Ok(encoded) } else { Err(Error::full(message)) };
        };
        attempt.write_page(&name, page).await?;
    }
}
