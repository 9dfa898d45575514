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

/// A running service.
#[derive(Debug)]
pub struct Service {
    /// The use cases. Each request uses them through a `RequestCache`.
    cache: Cache,
    storage: Arc<dyn Storage>,
    /// The clock and the RNG.
    pub surroundings: Arc<dyn Surroundings>,
    /// The configuration.
    pub config: Config,
    /// The metrics of this process.
    pub metrics: Metrics,
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

    /// The cache for work that has to end at `deadline_ms` (milliseconds since 1970 UTC). `meter` counts its storage
    /// calls.
    pub fn cache_with_deadline(&self, deadline_ms: u64, meter: &Arc<Meter>) -> Cache {
        let (storage, surroundings) = (Arc::clone(&self.storage), Arc::clone(&self.surroundings));
        let metered = Metered::new(storage, surroundings, deadline_ms, Arc::clone(meter));
        self.cache.until(deadline_ms).through(Arc::new(metered))
    }

    /// The cache without a deadline, for questions that need no storage call.
    pub fn cache(&self) -> &Cache {
        &self.cache
    }
}
