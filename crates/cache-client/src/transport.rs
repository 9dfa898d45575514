//! How a request reaches the service: over the network, or within this process.

use std::fmt;

use futures::future::BoxFuture;
use http::{Request, Response};

use crate::body::Body;
use crate::error::BoxError;

mod remote;
#[cfg(feature = "testing")]
mod service;

pub use remote::Remote;
#[cfg(feature = "testing")]
pub(crate) use service::InProcess;

/// Sends one request, once. Timeouts and retries are above it.
///
/// The request has an absolute URL, and in its extensions the [`Operation`](crate::operations::Operation) that it is.
pub trait Transport: fmt::Debug + Send + Sync + 'static {
    /// Sends a request, and returns the response as soon as its headers are there.
    fn send(&self, request: Request<Body>) -> BoxFuture<'_, Result<Response<Body>, TransportError>>;
}

/// Why there is no response.
#[derive(Debug, thiserror::Error)]
pub enum TransportError {
    /// No connection was made, so the service has not seen the request.
    #[error("no connection to the service")]
    Connect(#[source] BoxError),
    /// No connection was made, and none will be: the certificate of the service is refused, or it does not speak TLS as we do.
    #[error("no secure connection to the service")]
    Tls(#[source] BoxError),
    /// The request may or may not have been carried out.
    #[error("the connection broke before the answer was complete")]
    Lost(#[source] BoxError),
}
