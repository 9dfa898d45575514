//! The cache as one request uses it: with a deadline, and to completion even if the caller hangs up.

use std::convert::Infallible;
use std::future::Future;
use std::ops::Deref;
use std::sync::Arc;
use std::time::Duration;

use axum::extract::FromRequestParts;
use cache_access::keyring::Keyring;
use cache_core::cache::{Cache, NamespaceCache};
use cache_core::error::Error;
use cache_core::time::Deadline;
use cache_storage::instrumented::RequestMetrics;
use futures::future::{Either, select};
use http::Extensions;
use http::request::Parts;
use tokio::runtime::Handle;
use tokio::task::JoinHandle;
use tracing::Instrument;

use crate::compute;
use crate::extract::Params;
use crate::in_flight::BytesPermit;
use crate::problem::Problem;
use crate::state::{AppState, Service};

/// How long after the deadline the response waits for the use case. A use case that is queued behind a request with a
/// later deadline may take longer.
const GRACE: Duration = Duration::from_millis(100);
/// What a whole list counts as while it is read, in bytes: how large it is shows in the end. 100,000 ids take as much.
const WHOLE_LIST_BYTES: u64 = 16 << 20;

/// The cache with the deadline and the storage counters of a request.
#[derive(Debug)]
pub struct RequestCache {
    cache: Cache,
    service: AppState,
    explicit_deadline: Option<Deadline>,
    metrics: Arc<RequestMetrics>,
    permit: Option<BytesPermit>,
}

impl FromRequestParts<AppState> for RequestCache {
    type Rejection = Infallible;

    async fn from_request_parts(parts: &mut Parts, state: &AppState) -> Result<Self, Infallible> {
        Ok(Self::of(&parts.extensions, state))
    }
}

/// The configured deadline of work that starts now.
fn default_deadline(state: &Service) -> Deadline {
    Deadline::at(state.clock.now().plus(state.config.request_timeout))
}

impl Deref for RequestCache {
    type Target = Cache;

    fn deref(&self) -> &Cache {
        &self.cache
    }
}

impl RequestCache {
    /// The cache as a request with these extensions uses it.
    pub fn of(extensions: &Extensions, state: &AppState) -> Self {
        let explicit_deadline = extensions.get().copied();
        let metrics = extensions.get().map_or_else(|| state.metrics.for_request(), Arc::clone);
        let deadline = explicit_deadline.unwrap_or_else(|| default_deadline(state));
        let cache = state.cache_with_deadline(deadline, &metrics);
        let permit = BytesPermit::of(extensions);
        Self { cache, service: Arc::clone(state), explicit_deadline, metrics, permit }
    }

    /// The use cases of the namespace in the path.
    ///
    /// # Errors
    ///
    /// As [`Params::namespace`].
    pub fn namespace_of(&self, params: &Params) -> Result<NamespaceCache, Problem> {
        Ok(self.cache.namespace(&params.namespace()?))
    }

    /// The API keys, with the deadline and the counters of the request.
    pub fn keyring(&self) -> Keyring {
        let deadline = self.explicit_deadline.unwrap_or_else(|| default_deadline(&self.service));
        self.service.keyring_with_deadline(deadline, &self.metrics)
    }

    /// Runs a use case that writes. It continues when the caller hangs up, and a graceful shutdown waits for it.
    ///
    /// # Errors
    ///
    /// Those of the use case; 503 when it is not done at the deadline, and goes on; 500 when the process ends before.
    pub async fn run_to_completion<T, F>(self, job: impl FnOnce(Cache) -> F) -> Result<T, Problem>
    where
        T: Send + 'static,
        F: Future<Output = Result<T, Error>> + Send + 'static,
    {
        let (cache, deadline) = self.start();
        let (job, permit) = (job(cache), self.permit.clone());
        let work = async move {
            // It has the body of the request, even after the caller hung up.
            let _permit = permit;
            job.await
        };
        let task = self.service.background_tasks.spawn(work.in_current_span());
        Ok(self.with_deadline(task, deadline).await??)
    }

    /// Makes room in memory for so many bytes of a content that is read next.
    ///
    /// # Errors
    ///
    /// 503 when there is no room in time.
    pub async fn reserve(&self, bytes: u64) -> Result<(), Problem> {
        match &self.permit {
            Some(permit) => permit.reserve(bytes).await,
            None => Ok(()),
        }
    }

    /// The cache for reads while the response is being sent: each call returns it with the configured timeout from then on.
    pub fn while_sending(&self) -> impl Fn() -> Cache + Send + use<> {
        let (service, metrics) = (Arc::clone(&self.service), Arc::clone(&self.metrics));
        move || service.cache_with_deadline(default_deadline(&service), &metrics)
    }

    /// Makes room in memory for a list that is read as a whole.
    ///
    /// # Errors
    ///
    /// As [`RequestCache::reserve`].
    pub async fn reserve_whole_list(&self) -> Result<(), Problem> {
        self.reserve(WHOLE_LIST_BYTES).await
    }

    /// As [`RequestCache::run_to_completion`], for a use case that computes for long between its storage calls: it runs
    /// on a blocking thread when it is its turn, so that it does not delay other requests.
    ///
    /// # Errors
    ///
    /// 503 when it is not done at the deadline, and goes on; 500 when the process ends before.
    pub async fn run_blocking<T, F>(self, job: impl FnOnce(Cache) -> F + Send + 'static) -> Result<T, Problem>
    where
        T: Send + 'static,
        F: Future<Output = T>,
    {
        let runtime = Handle::current();
        let (cache, deadline) = self.start();
        let permit = self.permit.clone();
        let work = compute::on_archive(move || {
            let _permit = permit;
            runtime.block_on(job(cache))
        });
        let task = self.service.background_tasks.spawn(work.in_current_span());
        self.with_deadline(task, deadline).await?
    }

    /// The cache for work that starts now. A configured timeout starts here, when the body has been received: a slow
    /// upload leaves as much time for the storage as a fast one.
    fn start(&self) -> (Cache, Deadline) {
        match self.explicit_deadline {
            Some(deadline) => (self.cache.clone(), deadline),
            None => {
                let deadline = default_deadline(&self.service);
                (self.service.cache_with_deadline(deadline, &self.metrics), deadline)
            }
        }
    }

    /// The result of a task. A task that is still running after the deadline continues, but its caller gets a 503.
    async fn with_deadline<T>(&self, task: JoinHandle<T>, deadline: Deadline) -> Result<T, Problem> {
        let clock = &self.service.clock;
        let left = deadline.remaining(clock.now()).saturating_add(GRACE);
        match select(task, clock.sleep(left)).await {
            Either::Left((done, _)) => compute::joined(done),
            Either::Right(_) => Err(Problem::unavailable("request deadline exceeded while queued")),
        }
    }
}

#[cfg(test)]
mod tests {
    use std::pin::pin;
    use std::sync::Arc;
    use std::time::Duration;

    use cache_core::clock::Clock;
    use cache_storage::memory::Memory;
    use cache_storage::operation::StorageOp;
    use cache_storage::system::{OsRng, SystemClock};
    use cache_testing::fault_injection::{Fault, FaultInjectingStorage};
    use cache_testing::mock_clock::MockClock;
    use tower::ServiceExt;

    use super::Deadline;
    use crate::app;
    use crate::state::{AppState, Service};
    use crate::test_support::{App, Call, config};

    /// A service over a storage that never answers the next call of this kind.
    fn over_stuck(operation: StorageOp, key_contains: &str, clock: Arc<dyn Clock>) -> AppState {
        let storage = FaultInjectingStorage::new(Arc::new(Memory::default()));
        storage.once(operation, key_contains, Fault::Stuck);
        Service::new(Arc::new(storage), clock, Arc::new(OsRng), config())
    }

    /// The status and the advice that a store gets which has to be answered in so many milliseconds.
    async fn store_within(state: &AppState, milliseconds: u64) -> (u16, Option<String>) {
        let mut request = Call::post("/ns/direct/store/string", "hello").request();
        request.extensions_mut().insert(Deadline::at(SystemClock.now().plus(Duration::from_millis(milliseconds))));
        let answer = app::app(state.clone()).oneshot(request).await.unwrap();
        let advice = answer.headers().get("retry-after").map(|value| value.to_str().unwrap().to_owned());
        (answer.status().as_u16(), advice)
    }

    fn try_later() -> (u16, Option<String>) {
        (503, Some("1".to_owned()))
    }

    #[tokio::test]
    async fn an_unanswered_read_is_503_at_the_deadline() {
        let clock = Arc::new(MockClock::default());
        let start = clock.now();
        let state = over_stuck(StorageOp::Get, "refs/by-hash", clock.clone());
        let timeout = state.config.request_timeout;
        let answer = App::around(app::app(state)).get("/ns/retrieve/hash/2cf24dba5fb0a30e/string").await;
        assert_eq!((answer.status.as_u16(), answer.header("retry-after")), (503, Some("1")), "{}", answer.text());
        assert_eq!(clock.now(), start.plus(timeout));
    }

    #[tokio::test]
    async fn an_unanswered_write_is_503_and_stops() {
        let state = over_stuck(StorageOp::Put, "refs/by-hash", Arc::new(SystemClock));
        assert_eq!(store_within(&state, 50).await, try_later());
        state.background_tasks.close();
        let stopped = tokio::time::timeout(Duration::from_secs(20), state.background_tasks.wait()).await;
        assert!(stopped.is_ok(), "the store hangs on although it was answered");
    }

    #[tokio::test]
    async fn a_queued_store_is_503_at_its_own_deadline() {
        let storage = Arc::new(FaultInjectingStorage::new(Arc::new(Memory::default())));
        let state = Service::new(storage.clone(), Arc::new(SystemClock), Arc::new(OsRng), config());
        assert_eq!(store_within(&state, 3_600_000).await, (200, None));
        storage.once(StorageOp::Put, "refs/by-hash", Fault::Stuck);
        let mut leader = pin!(store_within(&state, 3_600_000));
        for _ in 0..100 {
            assert!(futures::poll!(leader.as_mut()).is_pending(), "its write of the index never ends");
            tokio::task::yield_now().await;
        }
        assert_eq!(store_within(&state, 50).await, try_later());
    }

    #[tokio::test]
    async fn a_store_completes_when_the_caller_hangs_up() {
        let app = App::new();
        {
            let request = Call::post("/ns/direct/store/string", "hello").request();
            let mut call = pin!(app.router().oneshot(request));
            assert!(futures::poll!(call.as_mut()).is_pending(), "the store is under way");
        }
        // The test has one thread, so the store gets its turns here.
        for _ in 0..100 {
            tokio::task::yield_now().await;
        }
        let exists = app.json(Call::get("/ns/exists/hash/2cf24dba5fb0a30e")).await;
        assert_eq!(exists["exists"], true);
    }

    #[tokio::test]
    async fn a_blocking_use_case_runs_to_completion() {
        let app = App::new();
        {
            let request = Call::post("/ns/direct/zip/create/k/f", "").request();
            let mut call = pin!(app.router().oneshot(request));
            // The thread may already be done; then there is nothing left to cancel.
            let _ = futures::poll!(call.as_mut());
        }
        let exists = async || app.json(Call::get("/ns/exists/hash/e3b0c44298fc1c14")).await["exists"] == true;
        for _ in 0..1000 {
            if exists().await {
                return;
            }
            tokio::time::sleep(Duration::from_millis(5)).await;
        }
        panic!("the store was given up");
    }
}
