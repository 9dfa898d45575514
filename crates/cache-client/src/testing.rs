//! A service for tests: in this process, or behind a socket of its own. Nothing of it is left when it is dropped.

use std::fmt;
use std::net::{Ipv4Addr, SocketAddr};
use std::sync::Arc;

use axum::Router;
use cache_core::storage::Storage;
use cache_lambda::config::Config;
use cache_lambda::state::Service;
use cache_storage::memory::Memory;
use cache_storage::system::{OsRng, SystemClock};
use tokio::net::TcpListener;
use tokio::runtime::{Builder, Runtime};

use crate::client::{Client, ClientBuilder};
use crate::error::{Error, Failure};
use crate::transport::{InProcess, Transport};

/// Where a service in this process seems to be.
const IN_PROCESS_URL: &str = "http://localhost";

/// A service in memory, within this process: no socket, no port, no waiting.
///
/// ```
/// # tokio::runtime::Runtime::new()?.block_on(async {
/// let cache = mgraph_cache_client::testing::in_memory()?.namespace("demo")?;
/// let stored = cache.store_text("hello").send().await?;
/// assert_eq!(cache.get(&stored.cache_id).await?.expect("stored").text()?, "hello");
/// # Ok::<(), mgraph_cache_client::Error>(())
/// # })?;
/// # Ok::<(), Box<dyn std::error::Error>>(())
/// ```
///
/// # Errors
///
/// None: it is a `Result` as [`ClientBuilder::build`] is.
pub fn in_memory() -> Result<Client, Error> {
    over(Arc::new(Memory::default())).build()
}

/// A client of a service within this process, over any storage.
pub fn over(storage: Arc<dyn Storage>) -> ClientBuilder {
    Client::builder(IN_PROCESS_URL).transport(transport(storage, &[]))
}

/// The way to a service within this process. `settings` are environment variables of the server.
///
/// # Panics
///
/// When a setting cannot be used.
pub fn transport(storage: Arc<dyn Storage>, settings: &[(&str, &str)]) -> Arc<dyn Transport> {
    Arc::new(InProcess::new(router(storage, settings)))
}

/// The service as a function from requests to responses. `settings` are environment variables of the server.
fn router(storage: Arc<dyn Storage>, settings: &[(&str, &str)]) -> Router {
    let base = [("CACHE__SERVICE__STORAGE_MODE", "memory"), ("CACHE__SERVICE__TEST_ROUTES", "true")];
    let lookup = |name: &str| {
        let mut all = settings.iter().chain(&base);
        all.find(|(known, _)| *known == name).map(|(_, value)| (*value).to_owned())
    };
    let config = Config::read(&lookup).unwrap_or_else(|errors| {
        let errors: Vec<String> = errors.0.iter().map(ToString::to_string).collect();
        panic!("the settings of the test server: {}", errors.join("; "))
    });
    cache_lambda::app::app(Service::new(storage, Arc::new(SystemClock), Arc::new(OsRng), config))
}

/// A service on a free port of the loopback interface. It has a thread of its own, so it goes on while a test blocks, and
/// stops with its connections when this is dropped.
pub struct LocalServer {
    address: SocketAddr,
    runtime: Option<Runtime>,
}

impl LocalServer {
    /// A service in memory.
    ///
    /// # Errors
    ///
    /// When no port is free.
    pub fn start() -> Result<Self, Error> {
        Self::over(Arc::new(Memory::default()), &[])
    }

    /// A service over any storage. `settings` are environment variables of the server, such as those of its API key.
    ///
    /// # Errors
    ///
    /// When no port is free.
    ///
    /// # Panics
    ///
    /// When a setting cannot be used.
    pub fn over(storage: Arc<dyn Storage>, settings: &[(&str, &str)]) -> Result<Self, Error> {
        let failed = |error| Error::File(Failure::new("starting a server", format!("{error}")).with_source(error));
        let runtime = Builder::new_multi_thread().worker_threads(1).enable_all().build().map_err(failed)?;
        let listener = std::net::TcpListener::bind((Ipv4Addr::LOCALHOST, 0)).map_err(failed)?;
        let address = listener.local_addr().map_err(failed)?;
        listener.set_nonblocking(true).map_err(failed)?;
        let _within = runtime.enter();
        let listener = TcpListener::from_std(listener).map_err(failed)?;
        runtime.spawn(axum::serve(listener, router(storage, settings)).into_future());
        Ok(Self { address, runtime: Some(runtime) })
    }

    /// As in `http://127.0.0.1:40123`.
    pub fn url(&self) -> String {
        format!("http://{}", self.address)
    }

    /// A client of it, to be configured further.
    pub fn client(&self) -> ClientBuilder {
        Client::builder(self.url())
    }
}

impl Drop for LocalServer {
    fn drop(&mut self) {
        if let Some(runtime) = self.runtime.take() {
            // Ends all tasks where they wait. Dropping a runtime would block, which an async test must not.
            runtime.shutdown_background();
        }
    }
}

impl fmt::Debug for LocalServer {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("LocalServer").field("address", &self.address).finish_non_exhaustive()
    }
}
