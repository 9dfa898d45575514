//! The application: every route, and the layers around them.
//!
//! To add a route group, write a file in `routes/` with its router on top, and add one line to `routes()` below.

use std::sync::Arc;

use axum::Router;
use axum::middleware::{from_fn, from_fn_with_state};
use cache_core::cache::Cache;
use cache_core::storage::Storage;
use cache_core::surroundings::Surroundings;
use cache_storage::metered::{Meter, Metered};
use tokio_util::task::TaskTracker;
use tower::ServiceExt;
use uuid::Uuid;

use crate::config::Config;
use crate::problem::Problem;
use crate::signing::UploadKey;
use crate::watching::Metrics;
use crate::{auth, cors, exchange, routes, slashes};

/// What every handler can reach. Cheap to clone.
pub type AppState = Arc<Service>;

/// The parts of a running service.
#[derive(Debug)]
pub struct Service {
    /// The use cases. A request has a [`Session`](crate::session::Session) of its own.
    cache: Cache,
    storage: Arc<dyn Storage>,
    /// The time, and chance.
    pub surroundings: Arc<dyn Surroundings>,
    /// What the environment decided.
    pub config: Config,
    /// The numbers of this process.
    pub metrics: Metrics,
    /// The use cases that run on although their caller may have hung up.
    pub running: TaskTracker,
    /// What signs the URLs at which this process takes uploads itself.
    pub upload_key: UploadKey,
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
            .with_largest_in_memory(config.largest_in_memory());
        Arc::new(Self {
            cache,
            storage,
            metrics: Metrics::default(),
            running: TaskTracker::new(),
            upload_key: UploadKey::draw(surroundings.as_ref()),
            instance_id: Uuid::new_v4(),
            started_ms: surroundings.now_ms(),
            surroundings,
            config,
        })
    }

    /// The cache for a piece of work that ends at `deadline_ms` (milliseconds since 1970, UTC), and whose calls this meter
    /// counts.
    pub fn cache_until(&self, deadline_ms: u64, meter: &Arc<Meter>) -> Cache {
        let (storage, surroundings) = (Arc::clone(&self.storage), Arc::clone(&self.surroundings));
        let metered = Metered::new(storage, surroundings, deadline_ms, Arc::clone(meter));
        self.cache.until(deadline_ms).through(Arc::new(metered))
    }

    /// The cache for questions that need no call to the storage.
    pub fn cache_at_rest(&self) -> &Cache {
        &self.cache
    }
}

/// The whole HTTP interface. Layers run from the last to the first.
pub fn app(state: AppState) -> Router {
    let routed = routes()
        .fallback(async || Problem::no_route())
        .method_not_allowed_fallback(async || Problem::no_method())
        .layer(from_fn_with_state(Arc::clone(&state), auth::require_key))
        .layer(from_fn(exchange::catch_panics))
        .layer(from_fn_with_state(Arc::clone(&state), cors::allow))
        .layer(from_fn_with_state(Arc::clone(&state), exchange::answer))
        .with_state(state);
    // A router's own layers run when the route is found already, so the path is rewritten in front of it.
    Router::new().fallback_service(routed.map_request(slashes::decode))
}

fn routes() -> Router<AppState> {
    Router::new()
        .merge(routes::info::routes())
        .merge(routes::metrics::routes())
        .merge(routes::store::routes())
        .merge(routes::upload::routes())
        .merge(routes::retrieve::routes())
        .merge(routes::entries::routes())
        .merge(routes::versions::routes())
        .merge(routes::update::routes())
        .merge(routes::data::routes())
        .merge(routes::namespace::routes())
        .merge(routes::admin::routes())
        .merge(routes::testing::routes())
        .merge(routes::auth::routes())
        .merge(routes::home::routes())
        .merge(routes::docs::routes())
        .merge(routes::zip::routes())
}

#[cfg(test)]
mod tests {
    use http::Method;

    use crate::testing::{App, Call};

    async fn check(method: Method, path: &str, status: u16, expected: &str) {
        let answer = App::new().send(Call::new(method, path)).await;
        assert_eq!(answer.status, status, "{}", answer.text());
        assert!(answer.text().contains(expected), "{}", answer.text());
        assert_eq!(answer.header("content-type"), Some("application/json"));
        assert!(answer.header("fast-api-request-id").is_some());
    }

    #[tokio::test]
    async fn an_unknown_path_is_404_in_json() {
        for path in ["/nope", "/ns/retrieve", "//info/health", "/info/../docs"] {
            check(Method::GET, path, 404, "{\"detail\":\"Not Found\",\"message\":\"nothing is served").await;
        }
    }

    #[tokio::test]
    async fn a_trailing_slash_is_404() {
        check(Method::GET, "/info/health/", 404, "Not Found").await;
        check(Method::GET, "/ns/exists/hash/2cf24dba5fb0a30e/", 404, "Not Found").await;
    }

    #[tokio::test]
    async fn another_method_is_405_and_names_the_allowed_ones() {
        check(Method::PUT, "/info/health", 405, "{\"detail\":\"Method Not Allowed\",\"message\":").await;
        let answer = App::new().send(Call::new(Method::GET, "/ns/direct/store/string")).await;
        assert_eq!(answer.header("allow"), Some("POST"));
    }

    #[tokio::test]
    async fn head_is_served_wherever_get_is() {
        let answer = App::new().send(Call::new(Method::HEAD, "/info/health")).await;
        assert_eq!((answer.status.as_u16(), answer.text().as_str()), (200, ""));
    }

    #[tokio::test]
    async fn a_request_id_is_fresh_whatever_the_caller_sends() {
        let app = App::new();
        let call = || Call::get("/info/health").header("fast-api-request-id", "mine");
        let (first, second) = (app.send(call()).await, app.send(call()).await);
        let id = first.header("fast-api-request-id").unwrap();
        assert!(uuid::Uuid::try_parse(id).is_ok(), "{id}");
        assert_ne!(id, second.header("fast-api-request-id").unwrap());
    }
}
