//! Shared by the tests of this crate: the whole application over memory, and calls to it.

use std::io::Write;
use std::sync::Arc;

use axum::Router;
use axum::body::Body;
use bytes::Bytes;
use cache_core::storage::Storage;
use cache_storage::memory::Memory;
use cache_storage::system::{OsRng, SystemClock};
use flate2::Compression;
use flate2::write::GzEncoder;
use http::{HeaderMap, Method, Request, StatusCode};
use http_body_util::BodyExt;
use serde_json::Value;
use tower::ServiceExt;

use crate::app;
use crate::config::Config;
use crate::config::auth::Auth;
use crate::state::{AppState, Service};

/// The configuration of an empty environment, but in memory.
pub(crate) fn config() -> Config {
    let memory = |name: &str| (name == "CACHE__SERVICE__STORAGE_MODE").then(|| "memory".to_owned());
    Config::read(&memory).unwrap()
}

/// The header that [`keyed_config`] asks for, as the sample events have it.
pub(crate) const KEY: (&str, &str) = ("x-api-key", "sample-key");

/// As [`config`], with a key.
pub(crate) fn keyed_config() -> Config {
    let (name, value) = KEY;
    let auth = Auth::ApiKey { name: name.parse().unwrap(), cookie: name.to_owned(), value: value.to_owned() };
    Config { auth, ..config() }
}

/// The application with its own storage.
#[derive(Clone)]
pub(crate) struct App(Router);

impl App {
    pub(crate) fn new() -> Self {
        Self::with(config())
    }

    pub(crate) fn with(config: Config) -> Self {
        Self::over(Arc::new(Memory::default()), config)
    }

    pub(crate) fn over(storage: Arc<dyn Storage>, config: Config) -> Self {
        Self(app::app(Service::new(storage, Arc::new(SystemClock), Arc::new(OsRng), config)))
    }

    /// The state of an application over memory.
    pub(crate) fn state_with(config: Config) -> AppState {
        Service::new(Arc::new(Memory::default()), Arc::new(SystemClock), Arc::new(OsRng), config)
    }

    /// Another application than the whole one.
    pub(crate) fn around(router: Router) -> Self {
        Self(router)
    }

    pub(crate) async fn send(&self, call: Call) -> Answer {
        let response = self.0.clone().oneshot(call.request()).await.unwrap();
        let (parts, body) = response.into_parts();
        Answer { status: parts.status, headers: parts.headers, body: body.collect().await.unwrap().to_bytes() }
    }

    pub(crate) async fn get(&self, path: &str) -> Answer {
        self.send(Call::get(path)).await
    }

    /// The JSON of a response that is 200.
    pub(crate) async fn json(&self, call: Call) -> Value {
        let answer = self.send(call).await;
        assert_eq!(answer.status, StatusCode::OK, "{}", answer.text());
        answer.json()
    }

    /// The service itself, for tests of how it is called.
    pub(crate) fn router(&self) -> Router {
        self.0.clone()
    }
}

/// Bytes as a gzip stream.
pub(crate) fn gzipped(bytes: &[u8]) -> Vec<u8> {
    let mut encoder = GzEncoder::new(Vec::new(), Compression::default());
    encoder.write_all(bytes).unwrap();
    encoder.finish().unwrap()
}

/// A request.
pub(crate) struct Call {
    method: Method,
    path: String,
    headers: Vec<(&'static str, String)>,
    body: Bytes,
}

impl Call {
    pub(crate) fn new(method: Method, path: &str) -> Self {
        Self { method, path: path.to_owned(), headers: Vec::new(), body: Bytes::new() }
    }

    pub(crate) fn get(path: &str) -> Self {
        Self::new(Method::GET, path)
    }

    /// A POST without a Content-Type.
    pub(crate) fn post(path: &str, body: impl Into<Bytes>) -> Self {
        Self { body: body.into(), ..Self::new(Method::POST, path) }
    }

    pub(crate) fn post_json(path: &str, body: impl Into<Bytes>) -> Self {
        Self::post(path, body).header("content-type", "application/json")
    }

    pub(crate) fn body(self, body: impl Into<Bytes>) -> Self {
        Self { body: body.into(), ..self }
    }

    pub(crate) fn method(self, method: Method) -> Self {
        Self { method, ..self }
    }

    /// The same request to another path.
    pub(crate) fn at(self, path: &str) -> Self {
        Self { path: path.to_owned(), ..self }
    }

    pub(crate) fn header(mut self, name: &'static str, value: &str) -> Self {
        self.headers.push((name, value.to_owned()));
        self
    }

    pub(crate) fn request(self) -> Request<Body> {
        let mut builder = Request::builder().method(self.method).uri(self.path);
        for (name, value) in self.headers {
            builder = builder.header(name, value);
        }
        builder.body(Body::from(self.body)).unwrap()
    }
}

/// A response.
pub(crate) struct Answer {
    pub(crate) status: StatusCode,
    pub(crate) headers: HeaderMap,
    pub(crate) body: Bytes,
}

impl Answer {
    pub(crate) fn text(&self) -> String {
        String::from_utf8_lossy(&self.body).into_owned()
    }

    pub(crate) fn json(&self) -> Value {
        serde_json::from_slice(&self.body).unwrap_or_else(|error| panic!("{error}: {}", self.text()))
    }

    pub(crate) fn header(&self, name: &str) -> Option<&str> {
        self.headers.get(name).map(|value| value.to_str().unwrap())
    }
}
