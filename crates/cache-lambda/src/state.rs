//! What all requests share: the use cases over the storage, the configuration, and the metrics of the process.

use std::sync::Arc;

use cache_access::keyring::Keyring;
use cache_core::cache::{Cache, CacheConfig};
use cache_core::clock::Clock;
use cache_core::rng::Rng;
use cache_core::storage::Storage;
use cache_core::time::Deadline;
use cache_storage::instrumented::{InstrumentedStorage, RequestMetrics};
use tokio_util::task::TaskTracker;
use uuid::Uuid;

use crate::access::public_read::PublicReads;
use crate::config::Config;
use crate::in_flight::InFlightBytes;
use crate::readiness::Readiness;
use crate::telemetry::metrics::Metrics;
use crate::upload_url::UploadSigningKey;

/// What every handler can reach. Cheap to clone.
pub type AppState = Arc<Service>;

/// A running service.
#[derive(Debug)]
pub struct Service {
    /// The use cases. Each request uses them through a `RequestCache`.
    cache: Cache,
    /// The API keys.
    keyring: Keyring,
    storage: Arc<dyn Storage>,
    /// The wall clock.
    pub clock: Arc<dyn Clock>,
    /// Random numbers.
    pub rng: Arc<dyn Rng>,
    /// The configuration.
    pub config: Config,
    /// The metrics of this process.
    pub metrics: Metrics,
    /// Which namespaces everybody may read, as far as it is remembered.
    pub public_reads: PublicReads,
    /// Whether the storage answers.
    readiness: Readiness,
    /// The bytes that all requests together may hold in memory.
    pub in_flight: InFlightBytes,
    /// Use cases that run to completion even if their caller hangs up.
    pub background_tasks: TaskTracker,
    /// Signs the URLs at which this process itself receives uploads.
    pub upload_signing_key: UploadSigningKey,
    /// A unique id of this process.
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
        let instance_id = Uuid::new_v4();
        let keyring = Keyring::new(Arc::clone(&storage), Arc::clone(&clock), Arc::clone(&rng), instance_id.to_string());
        Arc::new(Self {
            cache,
            keyring,
            storage,
            metrics: Metrics::default(),
            public_reads: PublicReads::default(),
            readiness: Readiness::default(),
            in_flight: InFlightBytes::new(config.limits.max_in_flight_bytes),
            background_tasks: TaskTracker::new(),
            upload_signing_key: UploadSigningKey::generate(rng.as_ref()),
            instance_id,
            started_ms: clock.now().get(),
            clock,
            rng,
            config,
        })
    }

    /// The cache for work that has to end at this deadline. `metrics` counts its storage calls.
    pub fn cache_with_deadline(&self, deadline: Deadline, metrics: &Arc<RequestMetrics>) -> Cache {
        self.cache.with_deadline(deadline).with_storage(self.instrumented(deadline, metrics))
    }

    /// The API keys, for work that has to end at this deadline. `metrics` counts its storage calls.
    pub fn keyring_with_deadline(&self, deadline: Deadline, metrics: &Arc<RequestMetrics>) -> Keyring {
        self.keyring.with_storage(self.instrumented(deadline, metrics))
    }

    /// The API keys, for what needs no storage call.
    pub fn keyring(&self) -> &Keyring {
        &self.keyring
    }

    fn instrumented(&self, deadline: Deadline, metrics: &Arc<RequestMetrics>) -> Arc<dyn Storage> {
        let (storage, clock) = (Arc::clone(&self.storage), Arc::clone(&self.clock));
        Arc::new(InstrumentedStorage::new(storage, clock, deadline, Arc::clone(metrics)))
    }

    /// Whether the storage answers.
    pub async fn is_ready(&self) -> bool {
        self.readiness.check(self.storage.as_ref()).await
    }

    /// The current time, in milliseconds since 1970 UTC.
    pub fn now_ms(&self) -> u64 {
        self.clock.now().get()
    }

    /// The cache without a deadline, for questions that need no storage call.
    pub fn cache(&self) -> &Cache {
        &self.cache
    }
}
