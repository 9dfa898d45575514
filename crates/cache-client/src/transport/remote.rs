//! Over the network: HTTP/1.1, or HTTP/2 where TLS negotiates it.

use std::error::Error as StdError;
use std::io;
use std::iter::successors;
use std::time::Duration;

use futures::FutureExt;
use futures::future::BoxFuture;
use http::{Request, Response};
use http_body_util::BodyExt;
use http_body_util::combinators::BoxBody;

use super::{Transport, TransportError};
use crate::body::Body;
use crate::error::{BoxError, Error, Failure, causes};

/// The network. Connections are kept and shared.
#[derive(Debug, Clone)]
pub struct Remote(reqwest::Client);

impl Remote {
    /// The way to a URL, with this limit for making a connection. For `https` it reads the certificate authorities of the
    /// machine, or those in `SSL_CERT_FILE`. A container often has none, so for `http` they are not needed.
    ///
    /// # Errors
    ///
    /// When the URL is `https`, and there are no certificate authorities.
    pub fn new(url: &str, connect_timeout: Duration) -> Result<Self, Error> {
        // The provider of the process, if the program has chosen one; else ring. Losing the race to another one is fine.
        if rustls::crypto::CryptoProvider::get_default().is_none() {
            let _ = rustls::crypto::ring::default_provider().install_default();
        }
        let is_tls = url.starts_with("https://");
        let builder = reqwest::Client::builder();
        let builder = if is_tls { builder } else { builder.tls_certs_only([]) };
        let client = builder
            .user_agent(concat!("mgraph-cache-client/", env!("CARGO_PKG_VERSION")))
            .connect_timeout(connect_timeout)
            // A redirect leads to the storage, where the API key must not go; and each retry is decided here.
            .redirect(reqwest::redirect::Policy::none())
            .retry(reqwest::retry::never())
            .build();
        let failed = |error| {
            let message = format!("install ca-certificates, or set SSL_CERT_FILE{}", causes(&error));
            Error::File(Failure::new("reading certificate authorities", message).with_source(error))
        };
        client.map(Self).map_err(failed)
    }
}

impl Transport for Remote {
    fn send(&self, request: Request<Body>) -> BoxFuture<'_, Result<Response<Body>, TransportError>> {
        async move {
            let request = request.map(reqwest::Body::wrap);
            let request = reqwest::Request::try_from(request).map_err(|error| TransportError::Connect(error.into()))?;
            let response = self.0.execute(request).await.map_err(|error| match error.is_connect() {
                true if is_refused_by_tls(&error) => TransportError::Tls(error.into()),
                true => TransportError::Connect(error.into()),
                false => TransportError::Lost(error.into()),
            })?;
            Ok(Response::<reqwest::Body>::from(response).map(|body| BoxBody::new(body.map_err(BoxError::from))))
        }
        .boxed()
    }
}

/// Whether another attempt would end in the same way.
fn is_refused_by_tls(error: &(dyn StdError + 'static)) -> bool {
    // An I/O error is not the cause of what it holds: it stands for it. The TLS connector puts one into another.
    let held = |mut cause: &(dyn StdError + 'static)| {
        while let Some(held) = cause.downcast_ref::<io::Error>().and_then(io::Error::get_ref) {
            cause = held;
        }
        cause.downcast_ref::<rustls::Error>().cloned()
    };
    let lasts = |error: rustls::Error| {
        use rustls::Error::{InvalidCertificate, InvalidMessage, NoCertificatesPresented, PeerIncompatible};
        matches!(error, InvalidCertificate(_) | InvalidMessage(_) | NoCertificatesPresented | PeerIncompatible(_))
    };
    successors(Some(error), |cause| (*cause).source()).filter_map(held).any(lasts)
}
