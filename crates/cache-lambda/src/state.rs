//! What all requests share: the use cases over the storage, the configuration, and the metrics of the process.

use std::sync::Arc;

use cache_core::cache::Cache;
use cache_core::storage::Storage;
use cache_core::surroundings::Surroundings;
use cache_storage::metered::{Meter, Metered};
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
    /// The time, and chance.
    pub surroundings: Arc<dyn Surroundings>,
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
    pub fn new(storage: Arc<dyn Storage>, surroundings: Arc<dyn Surroundings>, config: Config) -> AppState {
        let cache = Cache::new(Arc::clone(&storage), Arc::clone(&surroundings))
            .with_default_ttl_hours(config.ttl_hours)
            .with_blob_cache(config.blob_cache_bytes)
            .with_largest_in_memory(config.max_in_memory_bytes());
        Arc::new(Self {
            cache,
            storage,
            metrics: Metrics::default(),
            background_tasks: TaskTracker::new(),
            upload_signing_key: UploadSigningKey::generate(surroundings.as_ref()),
            instance_id: Uuid::new_v4(),
            started_ms: surroundings.now_ms(),
            surroundings,
            config,
        })
    }

    /// The cache for a piece of work that ends at `deadline_ms` (milliseconds since 1970, UTC), and whose calls this meter
    /// counts.
    pub fn cache_with_deadline(&self, deadline_ms: u64, meter: &Arc<Meter>) -> Cache {
        let (storage, surroundings) = (Arc::clone(&self.storage), Arc::clone(&self.surroundings));
        let metered = Metered::new(storage, surroundings, deadline_ms, Arc::clone(meter));
        self.cache.until(deadline_ms).through(Arc::new(metered))
    }

    /// The cache for questions that need no call to the storage.
    pub fn cache(&self) -> &Cache {
        &self.cache
    }
}
