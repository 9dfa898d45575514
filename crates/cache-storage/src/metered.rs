//! A storage as one request uses it: every call is counted, and none outlasts the request's deadline.
//!
//! A call that is still open at the deadline ends as [`StorageError::Unavailable`]: it may or may not take effect. A call that
//! would begin after it is not made.
//!
//! What a round is, `rounds` tells. A storage that is as near as memory or a disk may end each of several joined calls before
//! the next one begins: there, every call can be a round.

use std::fmt;
use std::future::poll_fn;
use std::ops::Range;
use std::pin::pin;
use std::sync::atomic::{AtomicU64, Ordering};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::task::Poll;
use std::time::Duration;

use async_trait::async_trait;
use bytes::Bytes;
use cache_core::storage::{
    ListPage, ListRequest, Object, ObjectHead, ObjectKey, Presign, PutMode, Storage, StorageError, Version,
};
use cache_core::surroundings::Surroundings;

use crate::rounds::Rounds;
use crate::verb::Verb;

/// Numbers that only grow. Threads may add to it at once.
#[derive(Debug, Default)]
pub struct Tally {
    calls: [AtomicU64; Verb::ALL.len()],
    rounds: AtomicU64,
    read_bytes: AtomicU64,
    written_bytes: AtomicU64,
}

impl Tally {
    /// How many calls of this verb there were.
    pub fn calls_of(&self, verb: Verb) -> u64 {
        self.calls[verb as usize].load(Ordering::Relaxed)
    }

    /// How many calls there were.
    pub fn calls(&self) -> u64 {
        Verb::ALL.into_iter().map(|verb| self.calls_of(verb)).sum()
    }

    /// How many rounds there were.
    pub fn rounds(&self) -> u64 {
        self.rounds.load(Ordering::Relaxed)
    }

    /// How many bytes of objects were read.
    pub fn read_bytes(&self) -> u64 {
        self.read_bytes.load(Ordering::Relaxed)
    }

    /// How many bytes were given to be written, whether or not they were taken.
    pub fn written_bytes(&self) -> u64 {
        self.written_bytes.load(Ordering::Relaxed)
    }
}

/// What one request asks of the storage, also added to what all requests ask of it.
#[derive(Debug)]
pub struct Meter {
    own: Tally,
    all: Arc<Tally>,
    rounds: Mutex<Rounds>,
}

impl Meter {
    /// A meter at zero, whose counts go into `all` as well.
    pub fn new(all: Arc<Tally>) -> Self {
        Self { own: Tally::default(), all, rounds: Mutex::default() }
    }

    /// What was counted so far. Calls that go on after the answer are still added.
    pub fn tally(&self) -> &Tally {
        &self.own
    }

    fn begin(&self, verb: Verb) -> Open<'_> {
        let (round, is_new) = {
            let mut rounds = self.rounds();
            let before = rounds.count();
            let round = rounds.begin();
            (round, round > before)
        };
        self.add(1, |tally| &tally.calls[verb as usize]);
        self.add(u64::from(is_new), |tally| &tally.rounds);
        Open { meter: self, round }
    }

    fn add(&self, amount: u64, to: impl Fn(&Tally) -> &AtomicU64) {
        to(&self.own).fetch_add(amount, Ordering::Relaxed);
        to(&self.all).fetch_add(amount, Ordering::Relaxed);
    }

    fn rounds(&self) -> MutexGuard<'_, Rounds> {
        self.rounds.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

/// A call in flight. Its end is its drop, since whoever makes it may give it up.
struct Open<'a> {
    meter: &'a Meter,
    round: usize,
}

impl Drop for Open<'_> {
    fn drop(&mut self) {
        self.meter.rounds().end(self.round);
    }
}

/// Passes calls on to another storage. The module's docs tell what it adds.
pub struct Metered {
    inner: Arc<dyn Storage>,
    surroundings: Arc<dyn Surroundings>,
    deadline_ms: u64,
    meter: Arc<Meter>,
}

impl Metered {
    /// The storage for a request that ends at `deadline_ms` (milliseconds since 1970, UTC).
    pub fn new(
        inner: Arc<dyn Storage>,
        surroundings: Arc<dyn Surroundings>,
        deadline_ms: u64,
        meter: Arc<Meter>,
    ) -> Self {
        Self { inner, surroundings, deadline_ms, meter }
    }

    async fn call<T>(
        &self,
        verb: Verb,
        key: &str,
        call: impl Future<Output = Result<T, StorageError>> + Send,
    ) -> Result<T, StorageError> {
        let too_late = |reason: &str| StorageError::Unavailable { key: key.to_owned(), reason: reason.to_owned() };
        let left = self.deadline_ms.saturating_sub(self.surroundings.now_ms());
        if left == 0 {
            return Err(too_late("the request's time was up before the call"));
        }
        let open = self.meter.begin(verb);
        tracing::debug!(verb = verb.name(), key, round = open.round, "storage call");
        let mut call = pin!(call);
        // Made when it is needed: most calls of a local storage are answered at once.
        let mut timer = None;
        poll_fn(|context| {
            if let Poll::Ready(answer) = call.as_mut().poll(context) {
                return Poll::Ready(answer);
            }
            let timer = timer.get_or_insert_with(|| self.surroundings.sleep(Duration::from_millis(left)));
            timer.as_mut().poll(context).map(|()| Err(too_late("it was silent until the request's time was up")))
        })
        .await
    }
}

#[async_trait]
impl Storage for Metered {
    async fn get(&self, key: &ObjectKey, range: Option<Range<u64>>) -> Result<Option<Object>, StorageError> {
        let object = self.call(Verb::Get, key.as_str(), self.inner.get(key, range)).await?;
        let read = object.as_ref().map_or(0, |object| object.bytes.len() as u64);
        self.meter.add(read, |tally| &tally.read_bytes);
        Ok(object)
    }

    async fn head(&self, key: &ObjectKey) -> Result<Option<ObjectHead>, StorageError> {
        self.call(Verb::Head, key.as_str(), self.inner.head(key)).await
    }

    async fn put(&self, key: &ObjectKey, bytes: Bytes, mode: PutMode) -> Result<Version, StorageError> {
        self.meter.add(bytes.len() as u64, |tally| &tally.written_bytes);
        self.call(Verb::Put, key.as_str(), self.inner.put(key, bytes, mode)).await
    }

    async fn delete(&self, key: &ObjectKey) -> Result<(), StorageError> {
        self.call(Verb::Delete, key.as_str(), self.inner.delete(key)).await
    }

    async fn list(&self, request: &ListRequest) -> Result<ListPage, StorageError> {
        self.call(Verb::List, &request.prefix, self.inner.list(request)).await
    }

    fn presigner(&self) -> Option<&dyn Presign> {
        self.inner.presigner()
    }
}

impl fmt::Debug for Metered {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Metered")
            .field("inner", &self.inner)
            .field("deadline_ms", &self.deadline_ms)
            .finish_non_exhaustive()
    }
}

#[cfg(test)]
mod tests {
    use futures::future::join;

    use super::*;
    use crate::counting::Counting;
    use crate::faulty::{Fault, Faulty};
    use crate::impatience::Impatience;
    use crate::memory::Memory;
    use crate::system::System;

    /// Storage for a request that has all the time it wants, and what all requests have asked of it.
    fn metered(inner: Arc<dyn Storage>) -> (Metered, Arc<Tally>) {
        until(inner, Arc::new(System), u64::MAX)
    }

    fn until(inner: Arc<dyn Storage>, clock: Arc<dyn Surroundings>, deadline_ms: u64) -> (Metered, Arc<Tally>) {
        let all = Arc::new(Tally::default());
        (Metered::new(inner, clock, deadline_ms, Arc::new(Meter::new(all.clone()))), all)
    }

    fn key() -> ObjectKey {
        "a".parse().unwrap()
    }

    #[tokio::test]
    async fn calls_rounds_and_bytes_are_counted_for_the_request_and_for_all() {
        // This one lets others take their turn during a call, as a storage far away does.
        let far = Arc::new(Counting::new(Arc::new(Memory::default())));
        let (metered, all) = metered(far.clone());
        let key = key();
        metered.put(&key, "four".into(), PutMode::Create).await.unwrap();
        let (one, other) = join(metered.get(&key, None), metered.get(&key, Some(0..1))).await;
        assert!(one.unwrap().is_some() && other.unwrap().is_some());
        for tally in [metered.meter.tally(), &all] {
            assert_eq!((tally.calls(), tally.calls_of(Verb::Get), tally.rounds()), (3, 2, 2));
            assert_eq!((tally.written_bytes(), tally.read_bytes()), (4, 5));
        }
        assert_eq!((far.calls().len(), far.rounds()), (3, 2));
    }

    #[tokio::test]
    async fn a_call_that_is_given_up_ends_its_round() {
        let faulty = Arc::new(Faulty::new(Arc::new(Memory::default())));
        faulty.once(Verb::Get, "a", Fault::Stuck);
        let (metered, all) = metered(faulty);
        let key = key();
        let mut given_up = Box::pin(metered.get(&key, None));
        assert!(futures::poll!(given_up.as_mut()).is_pending());
        drop(given_up);
        metered.head(&key).await.unwrap();
        assert_eq!((all.calls(), all.rounds()), (2, 2));
    }

    #[tokio::test]
    async fn a_call_without_an_answer_ends_at_the_deadline() {
        let faulty = Arc::new(Faulty::new(Arc::new(Memory::default())));
        faulty.once(Verb::Put, "a", Fault::Stuck);
        let clock = Arc::new(Impatience::default());
        let deadline_ms = clock.now_ms() + 5_000;
        let (metered, all) = until(faulty, clock.clone(), deadline_ms);
        let failed = metered.put(&key(), "x".into(), PutMode::Create).await;
        assert!(matches!(&failed, Err(StorageError::Unavailable { key, .. }) if key == "a"), "{failed:?}");
        assert_eq!(clock.now_ms(), deadline_ms);
        // The next one would come too late, whatever the storage says by now.
        let failed = metered.head(&key()).await;
        assert!(matches!(failed, Err(StorageError::Unavailable { .. })), "{failed:?}");
        assert_eq!(all.calls(), 1);
    }
}

#[cfg(test)]
crate::conformance!(Metered::new(
    Arc::new(crate::memory::Memory::default()),
    Arc::new(crate::system::System),
    u64::MAX,
    Arc::new(Meter::new(Arc::default()))
));
