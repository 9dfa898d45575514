//! What all requests share: the use cases over the storage, the configuration, and the metrics of the process.

use std::sync::Arc;

use cache_core::cache::{Cache, CacheConfig};
use cache_core::clock::Clock;
use cache_core::rng::Rng;
use cache_core::storage::Storage;
use cache_core::time::Deadline;
use cache_storage::instrumented::{InstrumentedStorage, RequestMetrics};
use tokio_util::task::TaskTracker;
use uuid::Uuid;

use crate::config::Config;
use crate::telemetry::metrics::Metrics;
use crate::upload_url::UploadSigningKey;

/// What every handler can reach. Cheap to clone.
pub type AppState = Arc<Service>;

/// The parts of a running service.
#[derive(Debug)]
pub struct Service {
    /// The use cases. A request has a `RequestCache` of its own.
    cache: Cache,
    storage: Arc<dyn Storage>,
    /// The wall clock.
    pub clock: Arc<dyn Clock>,
    /// Random numbers.
    pub rng: Arc<dyn Rng>,
    /// What the environment decided.
    pub config: Config,
    /// The numbers of this process.
    pub metrics: Metrics,
    /// The use cases that run on although their caller may have hung up.
    pub background_tasks: TaskTracker,
    /// What signs the URLs at which this process takes uploads itself.
    pub upload_signing_key: UploadSigningKey,
    /// A name of this process that no other has.
    pub instance_id: Uuid,
    /// When the process started, in milliseconds since 1970 UTC.
    pub started_ms: u64,
}

impl Service {
    /// A service over a storage.
    pub fn new(storage: Arc<dyn Storage>, clock: Arc<dyn Clock>, rng: Arc<dyn Rng>, config: Config) -> AppState {
        let cache_config = CacheConfig {
            object_cache_bytes: config.object_cache_bytes,
            default_ttl_hours: config.ttl_hours,
            max_in_memory_bytes: config.max_in_memory_bytes(),
            ..CacheConfig::default()
        };
        let cache = Cache::with_config(Arc::clone(&storage), Arc::clone(&clock), Arc::clone(&rng), &cache_config);
        Arc::new(Self {
            cache,
            storage,
            metrics: Metrics::default(),
            background_tasks: TaskTracker::new(),
            upload_signing_key: UploadSigningKey::generate(rng.as_ref()),
            instance_id: Uuid::new_v4(),
            started_ms: clock.now().get(),
            clock,
            rng,
            config,
        })
    }

    /// The cache for a piece of work that ends at this deadline, and whose storage calls these metrics count.
    pub fn cache_with_deadline(&self, deadline: Deadline, metrics: &Arc<RequestMetrics>) -> Cache {
        let (storage, clock) = (Arc::clone(&self.storage), Arc::clone(&self.clock));
        let instrumented = InstrumentedStorage::new(storage, clock, deadline, Arc::clone(metrics));
        self.cache.with_deadline(deadline).with_storage(Arc::new(instrumented))
    }

    /// The current time, in milliseconds since 1970 UTC.
    pub fn now_ms(&self) -> u64 {
        self.clock.now().get()
    }

    /// The cache for questions that need no call to the storage.
    pub fn cache(&self) -> &Cache {
        &self.cache
    }
}
