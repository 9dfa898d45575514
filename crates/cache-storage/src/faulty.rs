//! A storage that fails on purpose, for tests of what is built upon it.

use std::fmt;
use std::ops::Range;
use std::sync::{Arc, Mutex, PoisonError};
use std::time::Duration;

use async_trait::async_trait;
use bytes::Bytes;
use cache_core::storage::{
    ListPage, ListRequest, Object, ObjectHead, ObjectKey, Presign, PutMode, Storage, StorageError, Version,
};

pub use crate::verb::Verb;

/// What can go wrong with a call.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Fault {
    /// It takes this much longer, and then succeeds.
    Slow(Duration),
    /// It fails before it has taken effect.
    Lost,
    /// It takes effect, but its answer gets lost: the caller sees a failure.
    ReplyLost,
    /// The caller sees a failure at once, and the call takes effect this much later: a request that was stuck on its way.
    Late(Duration),
    /// It takes no effect and never ends: whoever calls has to lose patience.
    Stuck,
}

/// How often faults happen by chance, each as a probability from 0 to 1.
#[derive(Debug, Clone, Copy, PartialEq, Default)]
pub struct Chances {
    /// Of [`Fault::Slow`], by up to 5 ms.
    pub slow: f64,
    /// Of [`Fault::Lost`].
    pub lost: f64,
    /// Of [`Fault::ReplyLost`].
    pub reply_lost: f64,
    /// Of [`Fault::Late`], by up to 5 ms.
    pub late: f64,
}

/// The longest delay that comes by chance.
const MOST_DELAY_US: u64 = 5_000;

/// Passes calls on to another storage, and lets some of them fail: by chance, or as told by [`Faulty::once`].
pub struct Faulty {
    inner: Arc<dyn Storage>,
    plan: Mutex<Plan>,
}

struct Plan {
    chances: Chances,
    dice: Dice,
    once: Vec<Once>,
}

struct Once {
    verb: Verb,
    key_contains: String,
    fault: Fault,
}

impl Faulty {
    /// Fails only as told by [`Faulty::once`].
    pub fn new(inner: Arc<dyn Storage>) -> Self {
        Self::at_random(inner, Chances::default(), 0)
    }

    /// Fails by chance. The same seed gives the same faults to the same sequence of calls.
    pub fn at_random(inner: Arc<dyn Storage>, chances: Chances, seed: u64) -> Self {
        Self { inner, plan: Mutex::new(Plan { chances, dice: Dice(seed), once: Vec::new() }) }
    }

    /// Gives this fault to the next call of this verb whose key (or prefix) contains this text. Several wait in line.
    pub fn once(&self, verb: Verb, key_contains: &str, fault: Fault) {
        let once = Once { verb, key_contains: key_contains.to_owned(), fault };
        self.plan.lock().unwrap_or_else(PoisonError::into_inner).once.push(once);
    }

    /// Makes a call with the fault that it is to have, if any.
    async fn call<T, F>(&self, verb: Verb, key: &str, call: F) -> Result<T, StorageError>
    where
        T: Send + 'static,
        F: Future<Output = Result<T, StorageError>> + Send + 'static,
    {
        let fault = self.plan.lock().unwrap_or_else(PoisonError::into_inner).next(verb, key);
        let failure = |reason: &str| Err(StorageError::Unavailable { key: key.to_owned(), reason: reason.to_owned() });
        match fault {
            None => call.await,
            Some(Fault::Slow(delay)) => {
                tokio::time::sleep(delay).await;
                call.await
            }
            Some(Fault::Lost) => failure("the call was lost on purpose"),
            Some(Fault::Stuck) => std::future::pending().await,
            Some(Fault::ReplyLost) => {
                call.await?;
                failure("the reply was lost on purpose")
            }
            Some(Fault::Late(delay)) => {
                tokio::spawn(async move {
                    tokio::time::sleep(delay).await;
                    // Nobody is there any more to be told how it ended.
                    let _ = call.await;
                });
                failure("the call was held back on purpose")
            }
        }
    }
}

impl Plan {
    fn next(&mut self, verb: Verb, key: &str) -> Option<Fault> {
        let told = self.once.iter().position(|once| once.verb == verb && key.contains(&once.key_contains));
        told.map(|at| self.once.remove(at).fault).or_else(|| self.by_chance())
    }

    fn by_chance(&mut self) -> Option<Fault> {
        let delay = Duration::from_micros(self.dice.roll() % MOST_DELAY_US);
        let mut roll = self.dice.fraction();
        let Chances { slow, lost, reply_lost, late } = self.chances;
        let faults = [
            (slow, Fault::Slow(delay)),
            (lost, Fault::Lost),
            (reply_lost, Fault::ReplyLost),
            (late, Fault::Late(delay)),
        ];
        for (chance, fault) in faults {
            if roll < chance {
                return Some(fault);
            }
            roll -= chance;
        }
        None
    }
}

#[async_trait]
impl Storage for Faulty {
    async fn get(&self, key: &ObjectKey, range: Option<Range<u64>>) -> Result<Option<Object>, StorageError> {
        let (inner, own) = (self.inner.clone(), key.clone());
        self.call(Verb::Get, key.as_str(), async move { inner.get(&own, range).await }).await
    }

    async fn head(&self, key: &ObjectKey) -> Result<Option<ObjectHead>, StorageError> {
        let (inner, own) = (self.inner.clone(), key.clone());
        self.call(Verb::Head, key.as_str(), async move { inner.head(&own).await }).await
    }

    async fn put(&self, key: &ObjectKey, bytes: Bytes, mode: PutMode) -> Result<Version, StorageError> {
        let (inner, own) = (self.inner.clone(), key.clone());
        self.call(Verb::Put, key.as_str(), async move { inner.put(&own, bytes, mode).await }).await
    }

    async fn delete(&self, key: &ObjectKey) -> Result<(), StorageError> {
        let (inner, own) = (self.inner.clone(), key.clone());
        self.call(Verb::Delete, key.as_str(), async move { inner.delete(&own).await }).await
    }

    async fn list(&self, request: &ListRequest) -> Result<ListPage, StorageError> {
        let (inner, own) = (self.inner.clone(), request.clone());
        self.call(Verb::List, &request.prefix, async move { inner.list(&own).await }).await
    }

    /// Signing calls nothing, so nothing fails.
    fn presigner(&self) -> Option<&dyn Presign> {
        self.inner.presigner()
    }
}

impl fmt::Debug for Faulty {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Faulty").field("inner", &self.inner).finish_non_exhaustive()
    }
}

/// SplitMix64 (Steele, Lea, Flood: "Fast splittable pseudorandom number generators", 2014): chance that can be repeated.
#[derive(Debug, Clone)]
pub struct Dice(u64);

impl Dice {
    /// The chance that follows from a seed.
    pub fn new(seed: u64) -> Self {
        Self(seed)
    }

    /// A number from 0 to `limit`, which is not 0 and not included.
    pub fn below(&mut self, limit: usize) -> usize {
        (self.roll() % limit as u64) as usize
    }

    /// A number from 0 to 1.
    pub fn fraction(&mut self) -> f64 {
        // The upper 53 bits: as many as a float between 0 and 1 holds.
        (self.roll() >> 11) as f64 / (1_u64 << 53) as f64
    }

    fn roll(&mut self) -> u64 {
        self.0 = self.0.wrapping_add(0x9e37_79b9_7f4a_7c15);
        let mut bits = self.0;
        bits = (bits ^ (bits >> 30)).wrapping_mul(0xbf58_476d_1ce4_e5b9);
        bits = (bits ^ (bits >> 27)).wrapping_mul(0x94d0_49bb_1331_11eb);
        bits ^ (bits >> 31)
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::memory::Memory;

    async fn put_with(fault: Fault) -> (Faulty, ObjectKey) {
        let (faulty, key) = (Faulty::new(Arc::new(Memory::default())), "a/b".parse().unwrap());
        faulty.once(Verb::Put, "b", fault);
        let failed = faulty.put(&key, "x".into(), PutMode::Create).await;
        assert!(matches!(failed, Err(StorageError::Unavailable { .. })));
        (faulty, key)
    }

    #[tokio::test]
    async fn a_lost_call_has_no_effect_and_the_next_one_works() {
        let (faulty, key) = put_with(Fault::Lost).await;
        assert_eq!(faulty.head(&key).await.unwrap(), None);
        faulty.put(&key, "x".into(), PutMode::Create).await.unwrap();
    }

    #[tokio::test]
    async fn a_lost_reply_leaves_the_effect() {
        let (faulty, key) = put_with(Fault::ReplyLost).await;
        assert!(faulty.head(&key).await.unwrap().is_some());
    }

    #[tokio::test]
    async fn a_late_call_takes_effect_after_its_failure() {
        let (faulty, key) = put_with(Fault::Late(Duration::from_millis(5))).await;
        assert_eq!(faulty.head(&key).await.unwrap(), None);
        tokio::time::sleep(Duration::from_millis(50)).await;
        assert!(faulty.head(&key).await.unwrap().is_some());
    }

    #[tokio::test]
    async fn chances_are_kept_and_repeat_with_the_seed() {
        let failures = async |seed| {
            let chances = Chances { lost: 0.25, ..Chances::default() };
            let faulty = Faulty::at_random(Arc::new(Memory::default()), chances, seed);
            let mut failures = Vec::new();
            for n in 0..400 {
                if faulty.head(&"a".parse().unwrap()).await.is_err() {
                    failures.push(n);
                }
            }
            failures
        };
        let first = failures(7).await;
        assert!((60..140).contains(&first.len()), "{}", first.len());
        assert_eq!(first, failures(7).await);
        assert_ne!(first, failures(8).await);
    }
}

#[cfg(test)]
crate::conformance!(Faulty::at_random(
    Arc::new(crate::memory::Memory::default()),
    Chances { slow: 0.5, ..Chances::default() },
    1
));
