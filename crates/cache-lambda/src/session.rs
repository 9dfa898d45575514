//! The cache as one request uses it: until its deadline, and to the end even when the caller hangs up.

use std::convert::Infallible;
use std::future::Future;
use std::ops::Deref;
use std::panic;

use axum::extract::FromRequestParts;
use cache_core::cache::Cache;
use cache_core::error::Error;
use http::request::Parts;
use tokio::runtime::Handle;
use tokio::task::JoinError;
use tokio_util::task::TaskTracker;
use tracing::{Instrument, Span};

use crate::app::AppState;
use crate::problem::Problem;

/// When a request has to be answered, in milliseconds since 1970 UTC. Whoever knows better than the configuration puts it
/// into the request's extensions.
#[derive(Debug, Clone, Copy)]
pub struct Deadline(pub u64);

/// The cache with the deadline of a request.
#[derive(Debug)]
pub struct Session {
    cache: Cache,
    running: TaskTracker,
}

impl FromRequestParts<AppState> for Session {
    type Rejection = Infallible;

    async fn from_request_parts(parts: &mut Parts, state: &AppState) -> Result<Self, Infallible> {
        let configured = || {
            let patience = u64::try_from(state.config.request_timeout.as_millis()).unwrap_or(u64::MAX);
            Deadline(state.surroundings.now_ms().saturating_add(patience))
        };
        let Deadline(deadline_ms) = parts.extensions.get().copied().unwrap_or_else(configured);
        Ok(Self { cache: state.cache.until(deadline_ms), running: state.running.clone() })
    }
}

impl Deref for Session {
    type Target = Cache;

    fn deref(&self) -> &Cache {
        &self.cache
    }
}

impl Session {
    /// Runs a use case that writes. It goes on when the caller hangs up, and a server that shuts down waits for it.
    pub async fn to_the_end<T, F>(self, job: impl FnOnce(Cache) -> F) -> Result<T, Problem>
    where
        T: Send + 'static,
        F: Future<Output = Result<T, Error>> + Send + 'static,
    {
        Ok(outcome(self.running.spawn(job(self.cache).in_current_span()).await)??)
    }

    /// As [`Session::to_the_end`], for a use case that computes for long between its calls to the storage: on a thread of its
    /// own it does not hold up other requests.
    pub async fn on_own_thread<T, F>(self, job: impl FnOnce(Cache) -> F + Send + 'static) -> Result<T, Problem>
    where
        T: Send + 'static,
        F: Future<Output = T>,
    {
        let (runtime, span) = (Handle::current(), Span::current());
        let work = move || runtime.block_on(job(self.cache).instrument(span));
        outcome(self.running.spawn_blocking(work).await)
    }
}

/// What a task came to; a panic goes on in whoever waits for it.
fn outcome<T>(done: Result<T, JoinError>) -> Result<T, Problem> {
    done.or_else(|error| match error.try_into_panic() {
        Ok(panicked) => panic::resume_unwind(panicked),
        Err(cancelled) => Err(Problem::internal(cancelled.to_string())),
    })
}

#[cfg(test)]
mod tests {
    use std::pin::pin;
    use std::time::Duration;

    use tower::ServiceExt;

    use crate::testing::{App, Call};

    #[tokio::test]
    async fn a_store_runs_to_its_end_when_the_caller_hangs_up() {
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
    async fn a_use_case_on_its_own_thread_runs_to_its_end_as_well() {
        let app = App::new();
        {
            let request = Call::post("/ns/direct/zip/create/k/f", "").request();
            let mut call = pin!(app.router().oneshot(request));
            // The thread may even be done by now: then there is nothing left to be given up.
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
