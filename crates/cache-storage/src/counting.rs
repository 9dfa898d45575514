//! A storage that keeps a log, for tests that hold the use cases to their budget of calls and rounds. What a round is,
//! `rounds` tells; [`crate::metered`] counts by the same rule in production.

use std::fmt;
use std::ops::Range;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};

use async_trait::async_trait;
use bytes::Bytes;
use cache_core::storage::{
    ListPage, ListRequest, Object, ObjectHead, ObjectKey, Presign, PutMode, Storage, StorageError, Version,
};

use crate::rounds::Rounds;
pub use crate::verb::Verb;

/// Passes calls on to another storage, and keeps a log of them.
pub struct Counting {
    inner: Arc<dyn Storage>,
    log: Mutex<Log>,
}

/// One call that was made.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Call {
    /// The round that it belonged to, from 1.
    pub round: usize,
    /// What was called.
    pub verb: Verb,
    /// The key, or the prefix of a listing.
    pub key: String,
}

#[derive(Default)]
struct Log {
    calls: Vec<Call>,
    rounds: Rounds,
}

impl Counting {
    /// Counts the calls to this storage.
    pub fn new(inner: Arc<dyn Storage>) -> Self {
        Self { inner, log: Mutex::default() }
    }

    /// All calls since the last [`Counting::reset`], in the order in which they began.
    pub fn calls(&self) -> Vec<Call> {
        self.log().calls.clone()
    }

    /// How many calls of this verb there were since the last [`Counting::reset`].
    pub fn count(&self, verb: Verb) -> usize {
        self.log().calls.iter().filter(|call| call.verb == verb).count()
    }

    /// How many rounds there were since the last [`Counting::reset`].
    pub fn rounds(&self) -> usize {
        self.log().rounds.count()
    }

    /// Forgets all calls. Call it when none is in flight.
    pub fn reset(&self) {
        *self.log() = Log::default();
    }

    fn log(&self) -> MutexGuard<'_, Log> {
        self.log.lock().unwrap_or_else(PoisonError::into_inner)
    }

    async fn call<T>(&self, verb: Verb, key: &str, call: impl Future<Output = T>) -> T {
        let round = self.log().begin(verb, key);
        // Without this, a storage that answers at once would end each of several joined calls before the next one begins.
        tokio::task::yield_now().await;
        let answer = call.await;
        self.log().rounds.end(round);
        answer
    }
}

impl Log {
    fn begin(&mut self, verb: Verb, key: &str) -> usize {
        let round = self.rounds.begin();
        self.calls.push(Call { round, verb, key: key.to_owned() });
        round
    }
}

#[async_trait]
impl Storage for Counting {
    async fn get(&self, key: &ObjectKey, range: Option<Range<u64>>) -> Result<Option<Object>, StorageError> {
        self.call(Verb::Get, key.as_str(), self.inner.get(key, range)).await
    }

    async fn head(&self, key: &ObjectKey) -> Result<Option<ObjectHead>, StorageError> {
        self.call(Verb::Head, key.as_str(), self.inner.head(key)).await
    }

    async fn put(&self, key: &ObjectKey, bytes: Bytes, mode: PutMode) -> Result<Version, StorageError> {
        self.call(Verb::Put, key.as_str(), self.inner.put(key, bytes, mode)).await
    }

    async fn delete(&self, key: &ObjectKey) -> Result<(), StorageError> {
        self.call(Verb::Delete, key.as_str(), self.inner.delete(key)).await
    }

    async fn list(&self, request: &ListRequest) -> Result<ListPage, StorageError> {
        self.call(Verb::List, &request.prefix, self.inner.list(request)).await
    }

    /// Signing calls nothing, so it is not counted.
    fn presigner(&self) -> Option<&dyn Presign> {
        self.inner.presigner()
    }
}

impl fmt::Debug for Counting {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Counting").field("inner", &self.inner).finish_non_exhaustive()
    }
}

#[cfg(test)]
mod tests {
    use futures::future::join;

    use super::*;
    use crate::memory::Memory;

    fn counting() -> (Counting, ObjectKey) {
        (Counting::new(Arc::new(Memory::default())), "a".parse().unwrap())
    }

    #[tokio::test]
    async fn calls_one_after_the_other_are_a_round_each() {
        let (counting, key) = counting();
        counting.get(&key, None).await.unwrap();
        counting.put(&key, "x".into(), PutMode::Create).await.unwrap();
        assert_eq!((counting.rounds(), counting.calls().len()), (2, 2));
    }

    #[tokio::test]
    async fn joined_calls_are_one_round() {
        let (counting, key) = counting();
        let two_reads = async || {
            counting.get(&key, None).await.unwrap();
            counting.get(&key, None).await.unwrap();
        };
        join(two_reads(), two_reads()).await;
        assert_eq!((counting.rounds(), counting.count(Verb::Get)), (2, 4));
    }

    #[tokio::test]
    async fn resetting_begins_anew() {
        let (counting, key) = counting();
        counting.delete(&key).await.unwrap();
        counting.reset();
        assert_eq!((counting.rounds(), counting.calls()), (0, vec![]));
        counting.list(&ListRequest { prefix: "p".into(), limit: 1, ..ListRequest::default() }).await.unwrap();
        assert_eq!(counting.calls(), [Call { round: 1, verb: Verb::List, key: "p".into() }]);
    }
}

#[cfg(test)]
crate::conformance!(Counting::new(Arc::new(crate::memory::Memory::default())));
