//! Within this process: the service as a function from requests to responses, without a socket.

use std::convert::Infallible;
use std::fmt;
use std::sync::Mutex;

use axum::Router;
use bytes::Bytes;
use futures::FutureExt;
use futures::future::BoxFuture;
use http::{HeaderValue, Request, Response, header};
use http_body_util::BodyExt;
use tower::ServiceExt;

use super::{Transport, TransportError};
use crate::body::{Body, of_bytes};
use crate::error::BoxError;

/// A service in this process.
pub(crate) struct InProcess(Mutex<Router>);

impl InProcess {
    pub(crate) fn new(router: Router) -> Self {
        Self(Mutex::new(router))
    }
}

impl fmt::Debug for InProcess {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("InProcess")
    }
}

impl Transport for InProcess {
    fn send(&self, mut request: Request<Body>) -> BoxFuture<'_, Result<Response<Body>, TransportError>> {
        // A router is cheap to clone, but cannot be called through a shared reference.
        let router = self.0.lock().unwrap_or_else(std::sync::PoisonError::into_inner).clone();
        async move {
            // As a connection would have it: the service names itself by the host.
            if let Some(host) = request.uri().authority().and_then(|host| HeaderValue::from_str(host.as_str()).ok()) {
                request.headers_mut().insert(header::HOST, host);
            }
            let response: Result<_, Infallible> = router.oneshot(request.map(axum::body::Body::new)).await;
            let response = response.unwrap_or_else(|never| match never {});
            let (parts, body) = response.into_parts();
            let body: Result<Bytes, BoxError> = body.collect().await.map(|body| body.to_bytes()).map_err(Into::into);
            Ok(Response::from_parts(parts, of_bytes(body.map_err(TransportError::Lost)?)))
        }
        .boxed()
    }
}
