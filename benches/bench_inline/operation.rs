//! What is measured.

use std::sync::Arc;
use std::time::{Duration, Instant};

use bytes::Bytes;
use cache_core::cache::{Cache, CacheConfig, NamespaceCache, Selector, StoreRequest, Stored, UpdateRequest};
use cache_core::content::Content;
use cache_core::ids::CacheId;
use cache_core::layout::KeyRef;
use cache_core::manifest::Limits;
use cache_core::storage::Storage;
use cache_core::strategy::{ContentKind, Strategy};
use cache_core::time::Deadline;
use cache_storage::instrumented::{InstrumentedStorage, RequestMetrics};
use cache_storage::operation::StorageOp;
use cache_storage::system::{OsRng, SystemClock};

use super::median;

/// Enough memory for everything.
const MEMORY: u64 = 1 << 30;

/// Two processes with the same limit.
pub struct Side {
    metrics: Arc<RequestMetrics>,
    /// It keeps nothing in memory but the settings of the namespace.
    forgetful: NamespaceCache,
    /// It keeps everything in memory.
    keeping: NamespaceCache,
}

/// What one operation took.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Cost {
    /// From call to return.
    pub time: Duration,
    /// Calls by [`StorageOp`].
    pub calls: [u64; StorageOp::ALL.len()],
    /// How often it waited for the storage.
    pub round_trips: u64,
    /// Bytes that were sent to the storage.
    pub written: u64,
    /// Bytes that came from the storage.
    pub read: u64,
}

/// What is done. Each repetition has a content of its own.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Operation {
    /// A store of a content that is not there.
    New,
    /// A store of a content that another process has stored.
    Known,
    /// A store of a content that the same process has stored.
    InMemory,
    /// A store of a content whose first entry was updated with another content of the same size.
    AfterUpdate,
    /// A store of new content under a key and file id.
    Keyed,
    ByHash,
    ById,
    /// A retrieve of an entry that was updated with another content of the same size.
    Updated,
    ByKey,
    Exists,
}

impl Side {
    /// Keeps every content in its manifest.
    pub async fn inline(storage: &Arc<dyn Storage>) -> Self {
        Self::new(storage, "inline", 1 << 20).await
    }

    /// Keeps every content as a blob.
    pub async fn blob(storage: &Arc<dyn Storage>) -> Self {
        Self::new(storage, "blob", 0).await
    }

    async fn new(storage: &Arc<dyn Storage>, namespace: &str, max_inline_bytes: u64) -> Self {
        let (metrics, clock) = (Arc::new(RequestMetrics::new(Arc::default())), Arc::new(SystemClock));
        let storage = InstrumentedStorage::new(storage.clone(), clock.clone(), Deadline::NEVER, metrics.clone());
        let storage = Arc::new(storage);
        let process = |object_cache_bytes| {
            let limits = Limits { max_inline_bytes, ..Limits::default() };
            let config = CacheConfig { object_cache_bytes, limits, ..CacheConfig::default() };
            let cache = Cache::with_config(storage.clone(), clock.clone(), Arc::new(OsRng), &config);
            cache.namespace(&namespace.parse().unwrap())
        };
        let (forgetful, keeping) = (process(0), process(MEMORY));
        for process in [&forgetful, &keeping] {
            process.settings().await.unwrap();
        }
        Self { metrics, forgetful, keeping }
    }

    /// What this operation takes.
    async fn cost_of(&self, operation: impl Future<Output = ()>) -> Cost {
        let (before, started) = (self.counters(), Instant::now());
        operation.await;
        let time = started.elapsed();
        let after = self.counters();
        let mut calls = after.calls;
        for (calls, before) in calls.iter_mut().zip(before.calls) {
            *calls -= before;
        }
        Cost {
            time,
            calls,
            round_trips: after.round_trips - before.round_trips,
            written: after.written - before.written,
            read: after.read - before.read,
        }
    }

    fn counters(&self) -> Cost {
        let counters = self.metrics.counters();
        Cost {
            time: Duration::ZERO,
            calls: StorageOp::ALL.map(|operation| counters.calls_of(operation)),
            round_trips: counters.round_trips(),
            written: counters.written_bytes(),
            read: counters.read_bytes(),
        }
    }
}

impl Cost {
    /// The median of each figure.
    pub fn median(costs: &[Self]) -> Self {
        let of = |figure: fn(&Self) -> u64| median(costs.iter().map(figure).collect());
        Self {
            time: median(costs.iter().map(|cost| cost.time).collect()),
            calls: std::array::from_fn(|operation| median(costs.iter().map(|cost| cost.calls[operation]).collect())),
            round_trips: of(|cost| cost.round_trips),
            written: of(|cost| cost.written),
            read: of(|cost| cost.read),
        }
    }

    /// What S3 asks for a million of these, in dollars: 5.00 for a million PUTs or LISTs, 0.40 for a million GETs or
    /// HEADs.
    pub fn dollars_per_million(&self) -> f64 {
        let prices = StorageOp::ALL.map(|operation| match operation {
            StorageOp::Put | StorageOp::List => 5.0,
            StorageOp::Get | StorageOp::Head => 0.4,
            StorageOp::Delete => 0.0,
        });
        self.calls.iter().zip(prices).map(|(calls, price)| *calls as f64 * price).sum()
    }

    /// What goes over the line in both directions.
    pub fn bytes(&self) -> u64 {
        self.written + self.read
    }
}

impl Operation {
    /// All of them, in the order of the report.
    pub const ALL: [Self; 10] = [
        Self::New,
        Self::Known,
        Self::InMemory,
        Self::AfterUpdate,
        Self::Keyed,
        Self::ByHash,
        Self::ById,
        Self::Updated,
        Self::ByKey,
        Self::Exists,
    ];

    /// As it stands in the report.
    pub fn name(self) -> &'static str {
        match self {
            Self::New => "store, new",
            Self::Known => "store, known",
            Self::InMemory => "store, known, manifest in memory",
            Self::AfterUpdate => "store, known, first entry updated",
            Self::Keyed => "store under a key, new",
            Self::ByHash => "retrieve by hash",
            Self::ById => "retrieve by id",
            Self::Updated => "retrieve by id, updated",
            Self::ByKey => "retrieve by key",
            Self::Exists => "exists",
        }
    }

    /// Prepares and measures it once, with a content of so many KiB.
    pub async fn measure(self, side: &Side, kib: usize) -> Cost {
        let Side { forgetful, keeping, .. } = side;
        let content = Content::binary(random_bytes(kib)).unwrap();
        let direct = StoreRequest::new(Strategy::Direct, content.clone());
        match self {
            Self::New => side.cost_of(stored(forgetful, &direct)).await,
            Self::Known => {
                store(forgetful, &direct).await;
                side.cost_of(stored(forgetful, &direct)).await
            }
            Self::InMemory => {
                // The second one, because what the first one read concurrently with its PUT may be older than that.
                store(keeping, &direct).await;
                store(keeping, &direct).await;
                side.cost_of(stored(keeping, &direct)).await
            }
            Self::AfterUpdate => {
                store_and_update(forgetful, &direct).await;
                side.cost_of(stored(forgetful, &direct)).await
            }
            Self::Keyed => side.cost_of(stored(forgetful, &keyed(&content))).await,
            Self::ByHash => {
                store(forgetful, &direct).await;
                side.cost_of(retrieved(forgetful, Selector::Hash(content.cache_hash().clone(), None))).await
            }
            Self::ById => {
                let id = store(forgetful, &direct).await.entry.cache_id;
                side.cost_of(retrieved(forgetful, Selector::Id(id))).await
            }
            Self::Updated => {
                let id = store_and_update(forgetful, &direct).await;
                side.cost_of(retrieved(forgetful, Selector::Id(id))).await
            }
            Self::ByKey => {
                store(forgetful, &keyed(&content)).await;
                side.cost_of(retrieved(forgetful, Selector::Key(key_of(&content), None))).await
            }
            Self::Exists => {
                let id = store(forgetful, &direct).await.entry.cache_id;
                side.cost_of(async { assert!(forgetful.exists(id).await.unwrap()) }).await
            }
        }
    }
}

async fn store(cache: &NamespaceCache, request: &StoreRequest) -> Stored {
    cache.store(request).await.unwrap()
}

async fn stored(cache: &NamespaceCache, request: &StoreRequest) {
    store(cache, request).await;
}

/// Stores, and updates the entry with another content of the same size.
async fn store_and_update(cache: &NamespaceCache, request: &StoreRequest) -> CacheId {
    let cache_id = store(cache, request).await.entry.cache_id;
    let content = random_bytes(request.content.bytes().len() / 1024);
    let update = UpdateRequest { cache_id, kind: ContentKind::Binary, content, idempotency_key: None };
    cache.update(&update).await.unwrap().unwrap();
    cache_id
}

async fn retrieved(cache: &NamespaceCache, selector: Selector) {
    cache.retrieve(&selector).await.unwrap().unwrap();
}

/// A store under a key of this content.
fn keyed(content: &Content) -> StoreRequest {
    let KeyRef { strategy, cache_key, file_id } = key_of(content);
    StoreRequest { cache_key: Some(cache_key), file_id: Some(file_id), ..StoreRequest::new(strategy, content.clone()) }
}

fn key_of(content: &Content) -> KeyRef {
    let cache_key = content.cache_hash().to_string().parse().unwrap();
    KeyRef { strategy: Strategy::Direct, cache_key, file_id: "f".parse().unwrap() }
}

/// Bytes that are not stored yet.
pub fn random_bytes(kib: usize) -> Bytes {
    let mut bytes = vec![0; kib * 1024];
    fastrand::fill(&mut bytes);
    bytes.into()
}
