//! A storage inside a deterministic scheduler: every call waits until the scheduler lets it happen, fail, or happen late.

use std::collections::BTreeMap;
use std::hash::{DefaultHasher, Hash, Hasher};
use std::sync::{Arc, Mutex, MutexGuard};
use std::time::Duration;

use async_trait::async_trait;
use bytes::Bytes;
use cache_core::clock::Clock;
use cache_core::storage::{
    GetOptions, GetResult, ListPage, ListRequest, ListedObject, Object, ObjectHead, ObjectKey, PutMode, Storage,
    StorageError, Version,
};
use cache_core::time::UnixMillis;
use futures::channel::oneshot;

/// How often a call that may be repeated is tried before its caller gets the error, as an SDK does.
const TRIES: u32 = 4;
/// A jump within which clients still repeat what they have asked for, longer than any operation may take.
pub const SHORT_JUMP: Duration = Duration::from_secs(25 * 60);
/// How far the clock jumps: longer than anything may take, and than what is recent is remembered.
pub const JUMP: Duration = Duration::from_secs(3 * 3600);
/// A jump after which everything is old enough for the sweep, and no upload can be completed.
pub const LONG_JUMP: Duration = Duration::from_secs(25 * 3600);

/// A call as the storage gets it.
#[derive(Debug, Clone)]
enum Call {
    Get(String),
    Put(String, Bytes, PutMode),
    Delete(String),
    List(ListRequest),
}

#[derive(Debug)]
enum Reply {
    Object(Option<Stored>),
    Written(bool),
    Listed(ListPage),
}

/// The caller does not know whether the call took effect.
#[derive(Debug)]
struct Lost;

#[derive(Debug)]
struct Waiting {
    call: Call,
    reply: oneshot::Sender<Result<Reply, Lost>>,
}

/// An object, and when it was written.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Stored {
    pub bytes: Bytes,
    pub modified: UnixMillis,
}

/// What is stored.
pub type Objects = BTreeMap<String, Stored>;

#[derive(Debug)]
struct Inner {
    rng: fastrand::Rng,
    faults: f64,
    now: u64,
    objects: Objects,
    waiting: Vec<Waiting>,
    late: Vec<Call>,
    timers: Vec<oneshot::Sender<()>>,
    had_late_calls: bool,
    /// Whether every call is printed.
    trace: bool,
}

/// Storage, clock and random numbers of a simulated run. Clones are the same world.
#[derive(Debug, Clone)]
pub struct World(Arc<Mutex<Inner>>);

impl World {
    /// A world whose calls fail with this probability: 40 % of the failures never arrive, 30 % lose their reply, 30 %
    /// arrive some time later.
    pub fn new(seed: u64, faults: f64, objects: Objects) -> Self {
        Self(Arc::new(Mutex::new(Inner {
            rng: fastrand::Rng::with_seed(seed),
            faults,
            now: 1_795_176_411_520,
            objects,
            waiting: Vec::new(),
            late: Vec::new(),
            timers: Vec::new(),
            had_late_calls: false,
            trace: std::env::var_os("SIMULATION_TRACE").is_some(),
        })))
    }

    /// Lets one thing happen: a waiting call, a timer, or a call that is late. `false` when nothing is left to happen but
    /// late calls.
    pub fn step(&self) -> bool {
        let mut inner = self.lock();
        let inner = &mut *inner;
        if !inner.late.is_empty() && inner.rng.usize(..7) == 0 {
            let at = inner.rng.usize(..inner.late.len());
            let call = inner.late.swap_remove(at);
            inner.had_late_calls = true;
            apply(&mut inner.objects, &call, UnixMillis::new(inner.now));
            return true;
        }
        let choices = inner.waiting.len() + inner.timers.len();
        if choices == 0 {
            return false;
        }
        let choice = inner.rng.usize(..choices);
        if choice >= inner.waiting.len() {
            let timer = inner.timers.swap_remove(choice - inner.waiting.len());
            // A process that crashed does not need to be woken.
            let _ = timer.send(());
        } else {
            inner.serve(choice);
        }
        true
    }

    /// Lets everything that is late happen, and no further call fail.
    pub fn calm_down(&self) {
        self.lock().faults = 0.0;
        self.land_late_calls();
    }

    /// Freezes every process for as long. Calls that were sent happen before that, or never.
    pub fn freeze(&self, jump: Duration) {
        {
            let mut inner = self.lock();
            while !inner.waiting.is_empty() {
                inner.serve(0);
            }
        }
        self.land_late_calls();
        self.lock().now += jump.as_millis() as u64;
    }

    fn land_late_calls(&self) {
        let mut inner = self.lock();
        let inner = &mut *inner;
        for call in std::mem::take(&mut inner.late) {
            inner.had_late_calls = true;
            apply(&mut inner.objects, &call, UnixMillis::new(inner.now));
        }
    }

    /// What time it is. To ask for it does not change the schedule.
    pub fn time(&self) -> UnixMillis {
        UnixMillis::new(self.lock().now)
    }

    /// Whether any call ever arrived late.
    pub fn had_late_calls(&self) -> bool {
        self.lock().had_late_calls
    }

    /// The bytes that are stored under a key.
    pub fn bytes(&self, key: &str) -> Option<Bytes> {
        self.lock().objects.get(key).map(|stored| stored.bytes.clone())
    }

    /// What is stored.
    pub fn objects(&self) -> Objects {
        self.lock().objects.clone()
    }

    fn lock(&self) -> MutexGuard<'_, Inner> {
        self.0.lock().unwrap()
    }

    async fn call(&self, call: Call, tries: u32) -> Result<Reply, StorageError> {
        for _ in 0..tries {
            let (reply, receiver) = oneshot::channel();
            self.lock().waiting.push(Waiting { call: call.clone(), reply });
            if let Ok(Ok(reply)) = receiver.await {
                return Ok(reply);
            }
        }
        Err(StorageError::Unavailable { key: format!("{call:?}"), source: "lost".into() })
    }
}

impl Inner {
    /// Lets a waiting call happen, or fail.
    fn serve(&mut self, at: usize) {
        let Waiting { call, reply } = self.waiting.swap_remove(at);
        let (x, now) = (self.rng.f64(), UnixMillis::new(self.now));
        let traced = self.trace.then(|| format!("{call:?}"));
        let result = if x < self.faults * 0.4 {
            Err(Lost)
        } else if x < self.faults * 0.7 {
            apply(&mut self.objects, &call, now);
            Err(Lost)
        } else if x < self.faults && matches!(call, Call::Put(..) | Call::Delete(_)) {
            self.late.push(call);
            Err(Lost)
        } else {
            Ok(apply(&mut self.objects, &call, now))
        };
        if let Some(call) = traced {
            eprintln!("{now} {call}\n    -> {result:?}");
        }
        let _ = reply.send(result);
    }
}

/// Conditional writes compare contents, as S3's ETags do: equal content, equal version.
fn apply(objects: &mut Objects, call: &Call, now: UnixMillis) -> Reply {
    match call {
        Call::Get(key) => Reply::Object(objects.get(key).cloned()),
        Call::Delete(key) => {
            objects.remove(key);
            Reply::Written(true)
        }
        Call::Put(key, bytes, mode) => {
            let current = objects.get(key).map(|stored| version(&stored.bytes));
            let allowed = match mode {
                PutMode::Overwrite => true,
                PutMode::Create => current.is_none(),
                PutMode::Update(wanted) => current.as_ref() == Some(wanted),
            };
            if allowed {
                objects.insert(key.clone(), Stored { bytes: bytes.clone(), modified: now });
            }
            Reply::Written(allowed)
        }
        Call::List(request) => {
            let start_after = request.start_after.clone().unwrap_or_default();
            let matching = objects
                .range(request.prefix.clone()..)
                .take_while(|(key, _)| key.starts_with(&request.prefix))
                .filter(|(key, _)| **key > start_after);
            let listed = |(key, stored): (&String, &Stored)| ListedObject {
                key: key.clone(),
                size: stored.bytes.len() as u64,
                version: version(&stored.bytes),
                modified: stored.modified,
            };
            let mut found: Vec<ListedObject> = matching.take(request.limit + 1).map(listed).collect();
            let more = found.len() > request.limit;
            found.truncate(request.limit);
            let next = found.last().map(|object| object.key.clone()).filter(|_| more);
            Reply::Listed(ListPage { objects: found, next, ..ListPage::default() })
        }
    }
}

/// A digest that is quick to compute: a collision of the keys' counters in 64 bits is not to be expected.
fn version(bytes: &Bytes) -> Version {
    let mut hasher = DefaultHasher::new();
    bytes.hash(&mut hasher);
    Version::new(format!("{:016x}", hasher.finish()))
}

#[async_trait]
impl Storage for World {
    async fn get(&self, key: &ObjectKey, options: &GetOptions) -> Result<Option<GetResult>, StorageError> {
        let Reply::Object(Some(stored)) = self.call(Call::Get(key.to_string()), TRIES).await? else { return Ok(None) };
        let (version, size) = (version(&stored.bytes), stored.bytes.len() as u64);
        if options.if_none_match.as_ref() == Some(&version) {
            return Ok(Some(GetResult::NotModified));
        }
        let bytes = match &options.range {
            Some(range) => stored.bytes.slice(range.start.min(size) as usize..range.end.min(size) as usize),
            None => stored.bytes,
        };
        Ok(Some(GetResult::Object(Object { bytes, size, version })))
    }

    async fn head(&self, key: &ObjectKey) -> Result<Option<ObjectHead>, StorageError> {
        let Reply::Object(stored) = self.call(Call::Get(key.to_string()), TRIES).await? else { return Ok(None) };
        Ok(stored.map(|Stored { bytes, modified }| ObjectHead {
            size: bytes.len() as u64,
            version: version(&bytes),
            sha256: None,
            modified,
        }))
    }

    /// A conditional write is tried once, so that a refusal is certain.
    async fn put(&self, key: &ObjectKey, bytes: Bytes, mode: PutMode) -> Result<Version, StorageError> {
        let written = version(&bytes);
        let tries = if mode == PutMode::Overwrite { TRIES } else { 1 };
        match self.call(Call::Put(key.to_string(), bytes, mode), tries).await? {
            Reply::Written(true) => Ok(written),
            Reply::Written(false) | Reply::Object(_) | Reply::Listed(_) => {
                Err(StorageError::Precondition { key: key.to_string() })
            }
        }
    }

    async fn delete(&self, key: &ObjectKey) -> Result<(), StorageError> {
        self.call(Call::Delete(key.to_string()), TRIES).await.map(drop)
    }

    async fn list(&self, request: &ListRequest) -> Result<ListPage, StorageError> {
        match self.call(Call::List(request.clone()), TRIES).await? {
            Reply::Listed(page) => Ok(page),
            Reply::Object(_) | Reply::Written(_) => Ok(ListPage::default()),
        }
    }
}

#[async_trait]
impl Clock for World {
    fn now(&self) -> UnixMillis {
        let mut inner = self.lock();
        inner.now += 1;
        UnixMillis::new(inner.now)
    }

    async fn sleep(&self, duration: Duration) {
        let (timer, woken) = oneshot::channel();
        {
            let mut inner = self.lock();
            inner.now += duration.as_millis() as u64;
            inner.timers.push(timer);
        }
        // A world that ends wakes nobody.
        let _ = woken.await;
    }
}

impl cache_core::rng::Rng for World {
    fn next_u64(&self) -> u64 {
        self.lock().rng.u64(..)
    }
}
