//! Values and leases in the cache service, with a limit on how long it may take, and a circuit breaker.

use std::sync::{Mutex, PoisonError};
use std::time::Duration;

use cache_api::kinds::Strategy;
use serde_json::json;
use tokio::time::{Instant, timeout};

use super::key::{CallKey, function_folder};
use super::value::Value;
use crate::admin::ListOptions;
use crate::entry::Entry;
use crate::error::{Error, Failure};
use crate::namespace::Namespace;
use crate::selector::Selector;

/// How long the cache is left out after an error (the breaker is open), so that calls do not wait for what is down.
const PAUSE: Duration = Duration::from_secs(5);
/// How often errors are logged, at most.
const LOG_INTERVAL: Duration = Duration::from_secs(60);
/// The folder of a key-based entry's readable copy, below its namespace.
const VIEWS: &str = "data/key-based";
/// How many versions one request lists.
const PAGE: usize = 1000;

/// The values of memoised functions in a namespace.
#[derive(Debug)]
pub(super) struct Remote {
    namespace: Namespace,
    limit: Duration,
    breaker: Mutex<Breaker>,
}

#[derive(Debug, Default)]
struct Breaker {
    open_until: Option<Instant>,
    logged: Option<Instant>,
}

/// Who may run a call.
pub(super) enum Lease {
    /// This process, until the entry ends or is deleted.
    Held(Entry),
    /// Another process.
    Taken,
}

impl Remote {
    pub(super) fn new(namespace: Namespace, limit: Duration) -> Self {
        Self { namespace, limit, breaker: Mutex::default() }
    }

    /// The stored value of a call. A value that is not understood is none: it may be one of a later version.
    pub(super) async fn get(&self, key: &CallKey) -> Result<Option<Value>, Error> {
        let selector = selector(key.cache_key(), key);
        let found = self.limited(self.namespace.get(selector)).await?;
        Ok(found.and_then(|found| found.json::<Value>().ok()).filter(|value| value.is_of(key.digest())))
    }

    pub(super) async fn put(&self, key: &CallKey, value: &Value, ttl: Option<Duration>) -> Result<(), Error> {
        let mut store = self.namespace.store_json(value).strategy(Strategy::KeyBased);
        store = store.key(key.cache_key()).file_id(key.file_id());
        if let Some(ttl) = ttl {
            store = store.ttl(ttl);
        }
        self.limited(store.send()).await.map(drop)
    }

    /// Takes the lease of a call, unless it is taken.
    pub(super) async fn lease(&self, key: &CallKey, limit: Duration) -> Result<Lease, Error> {
        // The same for each holder: then a call has one manifest for all its leases, of which a few bytes stay for ever. Who
        // holds it is told by the entry's id.
        let content = json!({"lease": key.digest()});
        let store = self.namespace.store_json(&content).strategy(Strategy::KeyBased);
        let store = store.key(lease_key(key)).file_id(key.file_id()).ttl(limit).if_absent();
        match self.limited(store.send()).await {
            Ok(stored) => Ok(Lease::Held(self.namespace.entry(stored.cache_id.as_str()))),
            Err(Error::Conflict(_)) => Ok(Lease::Taken),
            Err(error) => Err(error),
        }
    }

    /// Gives a lease back. If that fails, it ends by itself.
    pub(super) async fn release(&self, lease: &Entry) -> Result<(), Error> {
        self.limited(lease.delete()).await.map(drop)
    }

    /// Deletes the value of one call: all its versions, the newest last, so that no older one is seen meanwhile.
    pub(super) async fn delete(&self, cache_key: &str, file_id: &str) -> Result<(), Error> {
        let versions = self.namespace.by_key(Strategy::KeyBased, cache_key, file_id);
        let mut found = Vec::new();
        let mut before = None;
        while let Some(page) = versions.versions(PAGE, before).await? {
            let Some(oldest) = page.versions.first() else { break };
            before = Some(match oldest.number {
                cache_api::versions::VersionNumber::Version(number)
                | cache_api::versions::VersionNumber::KeyVersion(number) => number,
            });
            let complete = page.versions.len() < PAGE;
            found.splice(0..0, page.versions);
            if complete || before == Some(1) {
                break;
            }
        }
        for version in found {
            self.namespace.entry(version.cache_id.as_str()).delete().await?;
        }
        Ok(())
    }

    /// Deletes the values of all calls of a function, of all its versions. Returns how many.
    pub(super) async fn clear(&self, function: &str) -> Result<usize, Error> {
        let admin = self.namespace.client().admin();
        let root = format!("{}/{VIEWS}/", self.namespace.name());
        let folder = format!("{root}{}", function_folder(function));
        let (mut files, mut cursor) = (Vec::new(), None);
        loop {
            let options =
                ListOptions { recursive: true, full_paths: true, limit: Some(PAGE), cursor: cursor.as_deref() };
            let page = admin.files(&folder, options).await?;
            files.extend(page.items);
            match page.next_cursor {
                Some(next) => cursor = Some(next),
                None => break,
            }
        }
        let mut count = 0;
        for file in &files {
            // `{root}memo/{function}/{version}/{file id}.json`; other files beside it are about the same entry.
            let place = file.strip_prefix(&root).and_then(|path| path.rsplit_once('/'));
            let Some((cache_key, name)) = place else { continue };
            let Some(file_id) = name.strip_suffix(".json").filter(|id| !id.contains('.')) else { continue };
            self.delete(cache_key, file_id).await?;
            count += 1;
        }
        Ok(count)
    }

    /// Whether the cache is left out, because of an error a moment ago.
    pub(super) fn is_open(&self) -> bool {
        self.breaker().open_until.is_some_and(|until| until > Instant::now())
    }

    /// Leaves the cache out for a while, and logs the error unless that was done within the last minute.
    pub(super) fn report(&self, error: &Error) {
        let now = Instant::now();
        let log = {
            let mut breaker = self.breaker();
            if error.is_temporary() {
                breaker.open_until = Some(now + PAUSE);
            }
            let log = breaker.logged.is_none_or(|logged| now - logged >= LOG_INTERVAL);
            if log {
                breaker.logged = Some(now);
            }
            log
        };
        if log {
            tracing::warn!(%error, "the cache cannot be used; functions are run without it");
        }
    }

    fn breaker(&self) -> std::sync::MutexGuard<'_, Breaker> {
        self.breaker.lock().unwrap_or_else(PoisonError::into_inner)
    }

    async fn limited<T>(&self, work: impl Future<Output = Result<T, Error>>) -> Result<T, Error> {
        timeout(self.limit, work).await.unwrap_or_else(|_| {
            let message = format!("the cache did not answer within {:.1} s", self.limit.as_secs_f64());
            Err(Error::Temporary(Failure::new("a memoised call", message)))
        })
    }
}

fn selector(cache_key: &str, key: &CallKey) -> Selector {
    Selector::key(Strategy::KeyBased, cache_key, key.file_id())
}

/// Apart from the values, so that a listing of these shows no leases.
fn lease_key(key: &CallKey) -> String {
    format!("lease/{}", key.cache_key())
}
