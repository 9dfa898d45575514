//! Memoisation: a function is run once for its arguments, in whichever process and language, and its value is kept in the
//! cache.
//!
//! ```
//! # use mgraph_cache_client::testing::in_memory;
//! # tokio::runtime::Runtime::new()?.block_on(async {
//! # let cache = in_memory()?.namespace("demo")?;
//! let memo = cache.memo().version(2).ttl(std::time::Duration::from_secs(3600)).build();
//! let score = async |name: &str| -> Result<u64, std::io::Error> {
//!     memo.call("score", &serde_json::json!({"name": name}), || async { Ok(name.len() as u64) }).await
//! };
//! assert_eq!((score("Ada").await?, score("Ada").await?), (3, 3));
//! assert_eq!(memo.stats()["score"].misses, 1);
//! # Ok::<(), Box<dyn std::error::Error>>(())
//! # })?;
//! # Ok::<(), Box<dyn std::error::Error>>(())
//! ```
//!
//! | file | what |
//! |---|---|
//! | `mod.rs` | [`Memo::call`]: where a value comes from |
//! | `options.rs` | [`MemoBuilder`] |
//! | `key.rs` | [`CallKey`], the same in every language |
//! | `arguments.rs` | [`Arguments`], for the macro `memoize` |
//! | `finite.rs` | finds numbers that JSON does not have |
//! | `value.rs` | a value as it is stored |
//! | `local.rs` | what this process remembers, and which calls are running in it |
//! | `remote.rs` | values and leases in the service |
//! | `stats.rs` | counters |

mod arguments;
mod finite;
mod key;
mod local;
mod options;
mod remote;
mod stats;
mod value;

use std::collections::BTreeMap;
use std::fmt;
use std::sync::Arc;
use std::time::Duration;

use serde::Serialize;
use serde::de::DeserializeOwned;
use tokio::time::{Instant, sleep};

use self::local::{Local, Turn};
use self::options::Options;
use self::remote::{Lease, Remote};
use self::stats::Counters;
use self::value::Value;
use crate::entry::Entry;
use crate::error::Error;

pub use arguments::Arguments;
#[cfg(feature = "macros")]
pub use cache_client_macros::memoize;
pub use key::CallKey;
pub use options::{MODE_VARIABLE, MemoBuilder, Mode};
pub use stats::FunctionStats;

/// The first pause between two looks for a value that another process computes; doubled each time.
const FIRST_POLL: Duration = Duration::from_millis(50);
/// The longest such pause.
const MAX_POLL: Duration = Duration::from_secs(1);

/// Memoises functions in a namespace. Cheap to clone; clones share what they remember.
#[derive(Clone)]
pub struct Memo {
    options: Arc<Options>,
    shared: Arc<Shared>,
}

struct Shared {
    local: Local,
    remote: Remote,
    counters: Counters,
}

/// Where a value was found.
enum Source {
    Here,
    Service,
}

/// What is known after a look into the cache.
struct Looked {
    /// A value that can be returned if the function fails.
    stale: Option<Arc<Value>>,
}

impl MemoBuilder {
    /// The memoisation.
    pub fn build(self) -> Memo {
        let Self { namespace, options, timeout, local_bytes } = self;
        let (local, remote) = (Local::new(local_bytes), Remote::new(namespace, timeout));
        let shared = Shared { local, remote, counters: Counters::default() };
        Memo { options: Arc::new(options), shared: Arc::new(shared) }
    }
}

impl Memo {
    /// The same memoisation with another time to live. It shares what is remembered.
    pub fn with_ttl(&self, ttl: Duration) -> Self {
        let mut options = self.options.as_ref().clone();
        options.ttl = Some(ttl);
        Self { options: Arc::new(options), shared: Arc::clone(&self.shared) }
    }

    fn parts(&self) -> (&Options, &Shared) {
        (&self.options, &self.shared)
    }

    /// The value of a call: a stored one, or that of `function`, which is then stored.
    ///
    /// `name` and `arguments` make the key; `arguments` should be an object or struct that names each of them, as other
    /// languages name theirs. An `Err` is not stored; `None` is. If the cache cannot be used, the function is run:
    /// a failing cache never fails a call.
    ///
    /// # Errors
    ///
    /// Those of the function, unless a value of the time before is still allowed to be returned.
    pub async fn call<T, E, F>(
        &self,
        name: &str,
        arguments: &(impl Serialize + ?Sized),
        function: impl FnOnce() -> F,
    ) -> Result<T, E>
    where
        T: Serialize + DeserializeOwned,
        F: Future<Output = Result<T, E>>,
    {
        if self.options.mode == Mode::Off {
            return function().await;
        }
        self.call_with_key(name, self.key(name, None, arguments), function).await
    }

    /// The key of a call, by which [`Memo::call_with_key`] finds its value. `version` is the one of [`MemoBuilder::version`]
    /// without it.
    ///
    /// # Errors
    ///
    /// As [`CallKey::new`].
    pub fn key(
        &self,
        name: &str,
        version: Option<u32>,
        arguments: &(impl Serialize + ?Sized),
    ) -> Result<CallKey, Error> {
        CallKey::new(name, version.unwrap_or(self.options.version), arguments, &self.options.ignored)
    }

    /// The same as [`Memo::call`], for a function that takes its arguments by value: they are gone when it runs. A call
    /// without a key is run.
    ///
    /// # Errors
    ///
    /// As [`Memo::call`].
    pub async fn call_with_key<T, E, F>(
        &self,
        name: &str,
        key: Result<CallKey, Error>,
        function: impl FnOnce() -> F,
    ) -> Result<T, E>
    where
        T: Serialize + DeserializeOwned,
        F: Future<Output = Result<T, E>>,
    {
        let (options, Shared { local, .. }) = self.parts();
        if options.mode == Mode::Off {
            return function().await;
        }
        let key = match key {
            Ok(key) => key,
            Err(error) => {
                self.record_error(name, &error);
                return self.run(name, function).await.map(|(value, _)| value);
            }
        };
        if let Some(value) = self.remembered(name, &key) {
            return Ok(value);
        }
        let turn = local.turn(key.digest()).await;
        // The one before may have had it.
        if let Some(value) = self.remembered(name, &key) {
            return Ok(value);
        }
        let looked = match self.look(name, &key).await {
            Ok(value) => return Ok(value),
            Err(looked) => looked,
        };
        let lease = match self.wait_for_lease(name, &key).await {
            Ok(lease) => lease,
            Err(value) => return Ok(value),
        };
        let ran = self.run(name, function).await;
        self.finish(name, &key, ran, looked, lease, turn).await
    }

    /// Forgets the value of one call, here and in the service. Other processes may remember it up to
    /// [`MemoBuilder::local_ttl`].
    ///
    /// # Errors
    ///
    /// When the service cannot be used, or the arguments make no key.
    pub async fn invalidate(&self, name: &str, arguments: &(impl Serialize + ?Sized)) -> Result<(), Error> {
        let Shared { local, remote, .. } = self.shared.as_ref();
        let key = self.key(name, None, arguments)?;
        local.remove(key.digest());
        remote.delete(key.cache_key(), key.file_id()).await
    }

    /// Forgets the values of all calls of a function, whatever their version. Returns how many were in the service.
    ///
    /// # Errors
    ///
    /// When the service cannot be used.
    pub async fn clear(&self, name: &str) -> Result<usize, Error> {
        let Shared { local, remote, .. } = self.shared.as_ref();
        local.clear();
        remote.clear(name).await
    }

    /// What memoisation has brought so far, by function.
    pub fn stats(&self) -> BTreeMap<String, FunctionStats> {
        self.shared.counters.all()
    }

    fn remembered<T: DeserializeOwned>(&self, name: &str, key: &CallKey) -> Option<T> {
        let (options, Shared { local, .. }) = self.parts();
        // A refresh computes each value once more, for this process as well.
        let value = local.get(key.digest()).filter(|_| options.mode != Mode::Refresh)?;
        self.hit(name, &value, &Source::Here)
    }

    /// Counts a value, unless it is not one of the type that is wanted.
    fn hit<T: DeserializeOwned>(&self, name: &str, value: &Value, from: &Source) -> Option<T> {
        let read = value.read().ok()?;
        self.shared.counters.count(name, |stats| {
            match from {
                Source::Here => stats.local_hits += 1,
                Source::Service => stats.hits += 1,
            }
            stats.saved += value.took();
        });
        Some(read)
    }

    /// Looks into the service.
    async fn look<T: DeserializeOwned>(&self, name: &str, key: &CallKey) -> Result<T, Looked> {
        let (options, Shared { local, remote, .. }) = self.parts();
        if options.mode == Mode::Refresh {
            return Err(Looked { stale: None });
        }
        if remote.is_open() {
            self.shared.counters.count(name, |stats| stats.errors += 1);
            return Err(Looked { stale: None });
        }
        let found = match remote.get(key).await {
            Ok(found) => found.map(Arc::new),
            Err(error) => {
                self.record_error(name, &error);
                None
            }
        };
        let Some(value) = found else { return Err(Looked { stale: None }) };
        let age = value.age();
        if let Some(left) = options.left(age)
            && let Some(read) = self.hit(name, &value, &Source::Service)
        {
            local.put(key.digest(), value, left);
            return Ok(read);
        }
        Err(Looked { stale: options.may_be_stale(age).then_some(value) })
    }

    /// Waits until this process may run the call, or another one has its value. Trouble is no reason to wait.
    async fn wait_for_lease<T: DeserializeOwned>(&self, name: &str, key: &CallKey) -> Result<Option<Entry>, T> {
        let (options, Shared { remote, .. }) = self.parts();
        let Some(limit) = options.lease.filter(|_| options.mode.stores() && !remote.is_open()) else {
            return Ok(None);
        };
        let began = Instant::now();
        let mut pause = FIRST_POLL;
        // A holder that died is waited for until its lease has ended. One that takes longer is not waited for.
        while began.elapsed() < limit + MAX_POLL {
            match remote.lease(key, limit).await {
                Ok(Lease::Held(lease)) => {
                    // The holder before may have finished between the look and now.
                    return match self.look(name, key).await {
                        Ok(value) => {
                            self.release(name, &lease).await;
                            Err(value)
                        }
                        Err(_) => Ok(Some(lease)),
                    };
                }
                Ok(Lease::Taken) => {}
                Err(error) => {
                    self.record_error(name, &error);
                    return Ok(None);
                }
            }
            sleep(jittered(pause)).await;
            pause = (pause * 2).min(MAX_POLL);
            if let Ok(value) = self.look(name, key).await {
                return Err(value);
            }
        }
        Ok(None)
    }

    async fn run<T, E, F>(&self, name: &str, function: impl FnOnce() -> F) -> Result<(T, Duration), E>
    where
        F: Future<Output = Result<T, E>>,
    {
        self.shared.counters.count(name, |stats| stats.misses += 1);
        let began = Instant::now();
        let value = function().await?;
        Ok((value, began.elapsed()))
    }

    /// Stores a value, or returns an older one in place of an error. A lease is given back either way.
    async fn finish<T: Serialize + DeserializeOwned, E>(
        &self,
        name: &str,
        key: &CallKey,
        ran: Result<(T, Duration), E>,
        looked: Looked,
        lease: Option<Entry>,
        turn: Turn<'_>,
    ) -> Result<T, E> {
        let outcome = match ran {
            Ok((value, took)) => {
                match Value::new(key.digest(), &value, took) {
                    Ok(kept) => self.keep(name, key, kept).await,
                    Err(error) => {
                        let message = format!("the value of {name} has no form in JSON: {error}");
                        turn.failed();
                        self.record_error(name, &Error::argument("the value", message));
                    }
                }
                Ok(value)
            }
            Err(error) => match looked.stale.and_then(|stale| stale.read().ok()) {
                Some(value) => {
                    self.shared.counters.count(name, |stats| stats.stale += 1);
                    Ok(value)
                }
                None => {
                    turn.failed();
                    Err(error)
                }
            },
        };
        if let Some(lease) = lease {
            self.release(name, &lease).await;
        }
        outcome
    }

    async fn keep(&self, name: &str, key: &CallKey, value: Value) {
        let (options, Shared { local, remote, .. }) = self.parts();
        let value = Arc::new(value);
        local.put(key.digest(), Arc::clone(&value), options.left(Duration::ZERO).unwrap_or_default());
        if options.mode.stores()
            && !remote.is_open()
            && let Err(error) = remote.put(key, &value, options.kept_for()).await
        {
            self.record_error(name, &error);
        }
    }

    async fn release(&self, name: &str, lease: &Entry) {
        if let Err(error) = self.shared.remote.release(lease).await {
            self.record_error(name, &error);
        }
    }

    fn record_error(&self, name: &str, error: &Error) {
        self.shared.counters.count(name, |stats| stats.errors += 1);
        self.shared.remote.report(error);
    }
}

impl fmt::Debug for Memo {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Memo")
            .field("options", &self.options)
            .field("remote", &self.shared.remote)
            .finish_non_exhaustive()
    }
}

/// Between half of a pause and all of it.
fn jittered(pause: Duration) -> Duration {
    let random = uuid::Uuid::new_v4().as_u128() % 1000;
    pause.mul_f64(0.5 + random as f64 / 2000.0)
}
