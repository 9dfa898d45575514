//! A storage that fails on purpose.

use std::fmt;
use std::sync::{Arc, Mutex, PoisonError};
use std::time::Duration;

use async_trait::async_trait;
use bytes::Bytes;
use cache_core::storage::{
    GetOptions, GetResult, ListPage, ListRequest, ObjectHead, ObjectKey, Presign, PutMode, Storage, StorageError,
    Version,
};
use cache_storage::operation::StorageOp;

/// A fault of a call.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Fault {
    /// It takes this much longer, and then succeeds.
    Slow(Duration),
    /// It takes effect at once, and its response takes this much longer.
    SlowResponse(Duration),
    /// It fails before it has taken effect.
    Lost,
    /// It takes effect, but its response is lost: the caller sees a failure.
    ResponseLost,
    /// The caller sees a failure at once, and the call takes effect this much later: a request that was delayed on its
    /// way.
    Late(Duration),
    /// It never completes and has no effect; only a timeout ends it.
    Stuck,
}

/// How often faults occur at random, each as a probability from 0 to 1. By default none occurs.
#[derive(Debug, Clone, Copy, PartialEq, Default)]
pub struct FaultRates {
    /// Of [`Fault::Slow`], by up to 5 ms.
    pub slow: f64,
    /// Of [`Fault::Lost`].
    pub lost: f64,
    /// Of [`Fault::ResponseLost`].
    pub response_lost: f64,
    /// Of [`Fault::Late`], by up to 5 ms.
    pub late: f64,
}

/// The longest random delay.
const MAX_DELAY_MICROS: u64 = 5_000;

/// Passes calls on to another storage, and makes some of them fail: at random, or as planned by
/// [`FaultInjectingStorage::once`].
pub struct FaultInjectingStorage {
    inner: Arc<dyn Storage>,
    plan: Mutex<Plan>,
}

struct Plan {
    rates: FaultRates,
    rng: fastrand::Rng,
    once: Vec<PlannedFault>,
    /// How many calls are answered before all others are stuck.
    calls_left: Option<usize>,
}

struct PlannedFault {
    operation: StorageOp,
    key_contains: String,
    fault: Fault,
}

impl FaultInjectingStorage {
    /// Fails only as planned by [`FaultInjectingStorage::once`].
    pub fn new(inner: Arc<dyn Storage>) -> Self {
        Self::at_random(inner, FaultRates::default(), 0)
    }

    /// Fails at random. The same seed gives the same faults to the same sequence of calls.
    pub fn at_random(inner: Arc<dyn Storage>, rates: FaultRates, seed: u64) -> Self {
        let plan = Plan { rates, rng: fastrand::Rng::with_seed(seed), once: Vec::new(), calls_left: None };
        Self { inner, plan: Mutex::new(plan) }
    }

    /// Plans this fault for the next call of this operation whose key (or prefix) contains this text. Several faults of
    /// one operation and key are a queue.
    pub fn once(&self, operation: StorageOp, key_contains: &str, fault: Fault) {
        let planned = PlannedFault { operation, key_contains: key_contains.to_owned(), fault };
        self.plan.lock().unwrap_or_else(PoisonError::into_inner).once.push(planned);
    }

    /// From now on, all calls after so many are stuck: for their callers it is as if the process had been killed.
    pub fn stop_after(&self, calls: usize) {
        self.plan.lock().unwrap_or_else(PoisonError::into_inner).calls_left = Some(calls);
    }

    /// Ends [`FaultInjectingStorage::stop_after`].
    pub fn resume(&self) {
        self.plan.lock().unwrap_or_else(PoisonError::into_inner).calls_left = None;
    }

    /// Makes a call with the fault that it gets, if any.
    async fn call<T, F>(&self, operation: StorageOp, key: &str, call: F) -> Result<T, StorageError>
    where
        T: Send + 'static,
        F: Future<Output = Result<T, StorageError>> + Send + 'static,
    {
        let fault = self.plan.lock().unwrap_or_else(PoisonError::into_inner).next(operation, key);
        let failure = |reason: &str| Err(StorageError::Unavailable { key: key.to_owned(), source: reason.into() });
        match fault {
            None => call.await,
            Some(Fault::Slow(delay)) => {
                tokio::time::sleep(delay).await;
                call.await
            }
            Some(Fault::SlowResponse(delay)) => {
                let response = call.await;
                tokio::time::sleep(delay).await;
                response
            }
            Some(Fault::Lost) => failure("injected fault: the request is lost"),
            Some(Fault::Stuck) => std::future::pending().await,
            Some(Fault::ResponseLost) => {
                call.await?;
                failure("injected fault: the response is lost")
            }
            Some(Fault::Late(delay)) => {
                tokio::spawn(async move {
                    tokio::time::sleep(delay).await;
                    // The caller has its failure already.
                    drop(call.await);
                });
                failure("injected fault: the request is late")
            }
        }
    }
}

impl Plan {
    fn next(&mut self, operation: StorageOp, key: &str) -> Option<Fault> {
        match &mut self.calls_left {
            Some(0) => return Some(Fault::Stuck),
            Some(left) => *left -= 1,
            None => {}
        }
        let matches = |fault: &PlannedFault| fault.operation == operation && key.contains(&fault.key_contains);
        let planned = self.once.iter().position(matches);
        planned.map(|at| self.once.remove(at).fault).or_else(|| self.at_random())
    }

    fn at_random(&mut self) -> Option<Fault> {
        let delay = Duration::from_micros(self.rng.u64(..MAX_DELAY_MICROS));
        let mut drawn = self.rng.f64();
        let FaultRates { slow, lost, response_lost, late } = self.rates;
        let faults = [
            (slow, Fault::Slow(delay)),
            (lost, Fault::Lost),
            (response_lost, Fault::ResponseLost),
            (late, Fault::Late(delay)),
        ];
        for (rate, fault) in faults {
            if drawn < rate {
                return Some(fault);
            }
            drawn -= rate;
        }
        None
    }
}

#[async_trait]
impl Storage for FaultInjectingStorage {
    async fn get(&self, key: &ObjectKey, options: &GetOptions) -> Result<Option<GetResult>, StorageError> {
        let (inner, own, options) = (self.inner.clone(), key.clone(), options.clone());
        self.call(StorageOp::Get, key.as_str(), async move { inner.get(&own, &options).await }).await
    }

    async fn head(&self, key: &ObjectKey) -> Result<Option<ObjectHead>, StorageError> {
        let (inner, own) = (self.inner.clone(), key.clone());
        self.call(StorageOp::Head, key.as_str(), async move { inner.head(&own).await }).await
    }

    async fn put(&self, key: &ObjectKey, bytes: Bytes, mode: PutMode) -> Result<Version, StorageError> {
        let (inner, own) = (self.inner.clone(), key.clone());
        self.call(StorageOp::Put, key.as_str(), async move { inner.put(&own, bytes, mode).await }).await
    }

    async fn copy(&self, from: &ObjectKey, to: &ObjectKey, mode: PutMode) -> Result<Option<Version>, StorageError> {
        let (inner, source, own) = (self.inner.clone(), from.clone(), to.clone());
        self.call(StorageOp::Put, to.as_str(), async move { inner.copy(&source, &own, mode).await }).await
    }

    async fn delete(&self, key: &ObjectKey) -> Result<(), StorageError> {
        let (inner, own) = (self.inner.clone(), key.clone());
        self.call(StorageOp::Delete, key.as_str(), async move { inner.delete(&own).await }).await
    }

    async fn list(&self, request: &ListRequest) -> Result<ListPage, StorageError> {
        let (inner, own) = (self.inner.clone(), request.clone());
        self.call(StorageOp::List, &request.prefix, async move { inner.list(&own).await }).await
    }

    fn seeks(&self) -> bool {
        self.inner.seeks()
    }

    /// Signing makes no storage call, so it never fails.
    fn presigner(&self) -> Option<&dyn Presign> {
        self.inner.presigner()
    }
}

impl fmt::Debug for FaultInjectingStorage {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("FaultInjectingStorage").field("inner", &self.inner).finish_non_exhaustive()
    }
}

#[cfg(test)]
mod tests {
    use cache_storage::memory::Memory;

    use super::*;

    async fn put_with(fault: Fault) -> (FaultInjectingStorage, ObjectKey) {
        let (storage, key) = (FaultInjectingStorage::new(Arc::new(Memory::default())), "a/b".parse().unwrap());
        storage.once(StorageOp::Put, "b", fault);
        let failed = storage.put(&key, "x".into(), PutMode::Create).await;
        assert!(matches!(failed, Err(StorageError::Unavailable { .. })));
        (storage, key)
    }

    #[tokio::test]
    async fn a_lost_call_has_no_effect_and_the_next_one_works() {
        let (storage, key) = put_with(Fault::Lost).await;
        assert_eq!(storage.head(&key).await.unwrap(), None);
        storage.put(&key, "x".into(), PutMode::Create).await.unwrap();
    }

    #[tokio::test]
    async fn a_lost_response_leaves_the_effect() {
        let (storage, key) = put_with(Fault::ResponseLost).await;
        assert!(storage.head(&key).await.unwrap().is_some());
    }

    #[tokio::test(start_paused = true)]
    async fn a_late_call_takes_effect_after_its_failure() {
        let (storage, key) = put_with(Fault::Late(Duration::from_millis(5))).await;
        assert_eq!(storage.head(&key).await.unwrap(), None);
        tokio::time::sleep(Duration::from_millis(50)).await;
        assert!(storage.head(&key).await.unwrap().is_some());
    }

    #[tokio::test]
    async fn random_faults_keep_their_rate_and_repeat_with_the_seed() {
        let failures = async |seed| {
            let rates = FaultRates { lost: 0.25, ..FaultRates::default() };
            let storage = FaultInjectingStorage::at_random(Arc::new(Memory::default()), rates, seed);
            let mut failures = Vec::new();
            for n in 0..400 {
                if storage.head(&"a".parse().unwrap()).await.is_err() {
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
cache_storage::conformance!(FaultInjectingStorage::at_random(
    Arc::new(cache_storage::memory::Memory::default()),
    FaultRates { slow: 0.05, ..FaultRates::default() },
    1
));
