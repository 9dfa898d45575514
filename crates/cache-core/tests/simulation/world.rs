//! A storage inside a deterministic scheduler: every call waits until the scheduler lets it happen, fail, or happen late.

use std::collections::BTreeMap;
use std::sync::{Arc, Mutex, MutexGuard};
use std::time::Duration;

use async_trait::async_trait;
use bytes::Bytes;
use cache_core::content::Digest;
use cache_core::storage::{
    ListPage, ListRequest, ListedObject, Object, ObjectHead, ObjectKey, PutMode, Storage, StorageError, Version,
};
use cache_core::surroundings::Surroundings;
use futures::channel::oneshot;

use crate::chance::Chance;

/// How often a call is tried before its caller hears of the failure, as an SDK does.
const TRIES: u32 = 4;

/// How far the clock jumps, in milliseconds: longer than a completion may take.
const JUMP_MS: u64 = 3 * 60 * 1000;

/// A call as the storage gets it.
#[derive(Debug, Clone)]
enum Call {
    Get(String),
    Put(String, Bytes, PutMode),
    Delete(String),
    List(ListRequest),
}

#[derive(Debug)]
enum Answer {
    Object(Option<Bytes>),
    Written(bool),
    Listed(ListPage),
}

/// The caller does not know whether the call took effect.
#[derive(Debug)]
struct Lost;

#[derive(Debug)]
struct Waiting {
    call: Call,
    reply: oneshot::Sender<Result<Answer, Lost>>,
}

#[derive(Debug)]
struct Inner {
    chance: Chance,
    faults: f64,
    now_ms: u64,
    objects: BTreeMap<String, Bytes>,
    waiting: Vec<Waiting>,
    late: Vec<Call>,
    timers: Vec<oneshot::Sender<()>>,
    late_happened: bool,
}

/// Storage and surroundings of a simulated run. Clones are the same world.
#[derive(Debug, Clone)]
pub struct World(Arc<Mutex<Inner>>);

impl World {
    /// A world whose calls fail with this probability: 40 % of the failures never arrive, 30 % lose their reply, 30 %
    /// arrive some time later.
    pub fn new(seed: u64, faults: f64, objects: BTreeMap<String, Bytes>) -> Self {
        Self(Arc::new(Mutex::new(Inner {
            chance: Chance::new(seed),
            faults,
            now_ms: 1_795_176_411_520,
            objects,
            waiting: Vec::new(),
            late: Vec::new(),
            timers: Vec::new(),
            late_happened: false,
        })))
    }

    /// Lets one thing happen: a waiting call, a timer, or a call that is late. `false` when nothing is left to happen but
    /// late calls.
    pub fn step(&self) -> bool {
        let mut inner = self.lock();
        let inner = &mut *inner;
        if !inner.late.is_empty() && inner.chance.once_in(7) {
            let call = inner.late.swap_remove(inner.chance.below(inner.late.len()));
            inner.late_happened = true;
            apply(&mut inner.objects, &call);
            return true;
        }
        let choices = inner.waiting.len() + inner.timers.len();
        if choices == 0 {
            return false;
        }
        let choice = inner.chance.below(choices);
        if choice >= inner.waiting.len() {
            let timer = inner.timers.swap_remove(choice - inner.waiting.len());
            // Whoever hung up does not need to be woken.
            let _ = timer.send(());
            return true;
        }
        let Waiting { call, reply } = inner.waiting.swap_remove(choice);
        let x = inner.chance.fraction();
        let result = if x < inner.faults * 0.4 {
            Err(Lost)
        } else if x < inner.faults * 0.7 {
            apply(&mut inner.objects, &call);
            Err(Lost)
        } else if x < inner.faults && matches!(call, Call::Put(..) | Call::Delete(_)) {
            inner.late.push(call);
            Err(Lost)
        } else {
            Ok(apply(&mut inner.objects, &call))
        };
        let _ = reply.send(result);
        true
    }

    /// Lets everything that is late happen, and no further call fail.
    pub fn calm_down(&self) {
        self.lock().faults = 0.0;
        self.let_late_calls_happen();
    }

    /// Lets some minutes pass. No call is on its way for that long.
    pub fn jump(&self) {
        self.let_late_calls_happen();
        self.lock().now_ms += JUMP_MS;
    }

    fn let_late_calls_happen(&self) {
        let mut inner = self.lock();
        let inner = &mut *inner;
        for call in std::mem::take(&mut inner.late) {
            inner.late_happened = true;
            apply(&mut inner.objects, &call);
        }
    }

    /// Whether any call ever arrived late.
    pub fn had_late_calls(&self) -> bool {
        self.lock().late_happened
    }

    /// What is stored.
    pub fn objects(&self) -> BTreeMap<String, Bytes> {
        self.lock().objects.clone()
    }

    fn lock(&self) -> MutexGuard<'_, Inner> {
        self.0.lock().unwrap()
    }

    async fn call(&self, call: Call) -> Result<Answer, StorageError> {
        for _ in 0..TRIES {
            let (reply, receiver) = oneshot::channel();
            self.lock().waiting.push(Waiting { call: call.clone(), reply });
            if let Ok(Ok(answer)) = receiver.await {
                return Ok(answer);
            }
        }
        Err(StorageError::Unavailable { key: format!("{call:?}"), reason: "lost".into() })
    }
}

/// Conditional writes compare contents, as S3's ETags do: equal content, equal version.
fn apply(objects: &mut BTreeMap<String, Bytes>, call: &Call) -> Answer {
    match call {
        Call::Get(key) => Answer::Object(objects.get(key).cloned()),
        Call::Delete(key) => {
            objects.remove(key);
            Answer::Written(true)
        }
        Call::Put(key, bytes, mode) => {
            let current = objects.get(key).map(version);
            let allowed = match mode {
                PutMode::Overwrite => true,
                PutMode::Create => current.is_none(),
                PutMode::Replace(wanted) => current.as_ref() == Some(wanted),
            };
            if allowed {
                objects.insert(key.clone(), bytes.clone());
            }
            Answer::Written(allowed)
        }
        Call::List(request) => {
            let listed = objects
                .range(request.prefix.clone()..)
                .take_while(|(key, _)| key.starts_with(&request.prefix))
                .map(|(key, bytes)| ListedObject { key: key.clone(), size: bytes.len() as u64, modified_ms: 0 });
            Answer::Listed(ListPage { objects: listed.collect(), ..ListPage::default() })
        }
    }
}

fn version(bytes: &Bytes) -> Version {
    Version(Digest::of(bytes).to_string())
}

#[async_trait]
impl Storage for World {
    async fn get(&self, key: &ObjectKey, _range: Option<std::ops::Range<u64>>) -> Result<Option<Object>, StorageError> {
        match self.call(Call::Get(key.to_string())).await? {
            Answer::Object(Some(bytes)) => {
                Ok(Some(Object { size: bytes.len() as u64, version: version(&bytes), bytes }))
            }
            _ => Ok(None),
        }
    }

    async fn head(&self, key: &ObjectKey) -> Result<Option<ObjectHead>, StorageError> {
        let object = self.get(key, None).await?;
        let modified_ms = self.now_ms();
        let head =
            |object: Object| ObjectHead { size: object.size, version: object.version, sha256: None, modified_ms };
        Ok(object.map(head))
    }

    async fn put(&self, key: &ObjectKey, bytes: Bytes, mode: PutMode) -> Result<Version, StorageError> {
        let written = version(&bytes);
        match self.call(Call::Put(key.to_string(), bytes, mode)).await? {
            Answer::Written(true) => Ok(written),
            _ => Err(StorageError::Conflict { key: key.to_string() }),
        }
    }

    async fn delete(&self, key: &ObjectKey) -> Result<(), StorageError> {
        self.call(Call::Delete(key.to_string())).await.map(drop)
    }

    async fn list(&self, request: &ListRequest) -> Result<ListPage, StorageError> {
        match self.call(Call::List(request.clone())).await? {
            Answer::Listed(page) => Ok(page),
            _ => Ok(ListPage::default()),
        }
    }
}

#[async_trait]
impl Surroundings for World {
    fn now_ms(&self) -> u64 {
        let mut inner = self.lock();
        inner.now_ms += 1;
        inner.now_ms
    }

    fn random(&self) -> u64 {
        self.lock().chance.bits()
    }

    async fn sleep(&self, duration: Duration) {
        let (timer, woken) = oneshot::channel();
        {
            let mut inner = self.lock();
            inner.now_ms += duration.as_millis() as u64;
            inner.timers.push(timer);
        }
        // A world that ends wakes nobody.
        let _ = woken.await;
    }
}
