//! The smallest server that speaks S3's protocol, with the faults of real look-alikes: objects in memory, path-style,
//! no signatures. Listings are empty.

use std::collections::BTreeMap;
use std::convert::Infallible;
use std::hash::{DefaultHasher, Hash, Hasher};
use std::net::SocketAddr;
use std::sync::{Arc, Mutex, PoisonError};

use bytes::Bytes;
use http_body_util::{BodyExt, Full};
use hyper::body::Incoming;
use hyper::header::{ETAG, HeaderName, IF_MATCH, IF_NONE_MATCH};
use hyper::service::service_fn;
use hyper::{Method, Request, Response, StatusCode, server};
use hyper_util::rt::TokioIo;
use tokio::net::TcpListener;

/// What the server does otherwise than S3.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub struct Quirks {
    /// `If-None-Match: *` of a PUT is ignored.
    pub ignores_if_none_match: bool,
    /// `If-Match` of a PUT is ignored.
    pub ignores_if_match: bool,
    /// `If-Match` of a PUT is ignored if there is no object.
    pub ignores_if_match_of_absent: bool,
    /// `If-Match` of a PUT is compared with the ETag without its quotes, as Ceph 16 does.
    pub compares_unquoted: bool,
    /// A PUT with `If-Match` is not implemented.
    pub lacks_if_match: bool,
}

/// A running server. It ends with the runtime in which it was started.
#[derive(Debug, Clone)]
pub struct FakeS3 {
    address: SocketAddr,
    quirks: Quirks,
    objects: Arc<Mutex<BTreeMap<String, Bytes>>>,
}

impl FakeS3 {
    /// Starts a server.
    ///
    /// # Panics
    ///
    /// If no port of the loopback interface is free.
    pub async fn start(quirks: Quirks) -> Self {
        let listener = TcpListener::bind("127.0.0.1:0").await.expect("a port of the loopback interface is free");
        let address = listener.local_addr().expect("a bound socket has an address");
        let fake = Self { address, quirks, objects: Arc::default() };
        tokio::spawn(fake.clone().accept(listener));
        fake
    }

    /// The URL of the server.
    pub fn endpoint_url(&self) -> String {
        format!("http://{}", self.address)
    }

    /// The paths of all objects: `/bucket/key`.
    pub fn paths(&self) -> Vec<String> {
        self.objects.lock().unwrap_or_else(PoisonError::into_inner).keys().cloned().collect()
    }

    async fn accept(self, listener: TcpListener) {
        while let Ok((stream, _)) = listener.accept().await {
            let fake = self.clone();
            let service = service_fn(move |request| {
                let fake = fake.clone();
                async move { Ok::<_, Infallible>(fake.respond(request).await) }
            });
            let serving = server::conn::http1::Builder::new().serve_connection(TokioIo::new(stream), service);
            // The client closes the connection when it likes.
            tokio::spawn(async { drop(serving.await) });
        }
    }

    async fn respond(&self, request: Request<Incoming>) -> Response<Full<Bytes>> {
        let (head, body) = request.into_parts();
        let body = body.collect().await.map(|body| body.to_bytes()).unwrap_or_default();
        let path = head.uri.path().to_owned();
        let header = |name: HeaderName| Some(head.headers.get(name)?.to_str().ok()?.to_owned());
        let mut objects = self.objects.lock().unwrap_or_else(PoisonError::into_inner);
        let etag = objects.get(&path).map(etag);
        match head.method {
            Method::PUT => {
                let refusal = self.refusal(etag.as_deref(), header(IF_NONE_MATCH), header(IF_MATCH));
                refusal.unwrap_or_else(|| {
                    objects.insert(path, body.clone());
                    response(StatusCode::OK, Some(&format!("\"{}\"", self::etag(&body))), Bytes::new())
                })
            }
            Method::DELETE => {
                objects.remove(&path);
                response(StatusCode::NO_CONTENT, None, Bytes::new())
            }
            Method::GET if head.uri.query().is_some_and(|query| query.contains("list-type=2")) => {
                let listing = "<ListBucketResult><IsTruncated>false</IsTruncated></ListBucketResult>";
                response(StatusCode::OK, None, listing.into())
            }
            _ => match (etag, objects.get(&path)) {
                (Some(etag), Some(body)) => response(StatusCode::OK, Some(&format!("\"{etag}\"")), body.clone()),
                _ => error(StatusCode::NOT_FOUND, "NoSuchKey"),
            },
        }
    }

    /// Why a PUT is refused, if it is.
    fn refusal(
        &self,
        etag: Option<&str>,
        if_none_match: Option<String>,
        if_match: Option<String>,
    ) -> Option<Response<Full<Bytes>>> {
        if if_none_match.is_some() && etag.is_some() && !self.quirks.ignores_if_none_match {
            return Some(error(StatusCode::PRECONDITION_FAILED, "PreconditionFailed"));
        }
        let if_match = if_match.filter(|_| !self.quirks.ignores_if_match)?;
        if self.quirks.lacks_if_match {
            return Some(error(StatusCode::NOT_IMPLEMENTED, "NotImplemented"));
        }
        let Some(etag) = etag else {
            let ignored = self.quirks.ignores_if_match_of_absent;
            return (!ignored).then(|| error(StatusCode::NOT_FOUND, "NoSuchKey"));
        };
        let expected = if self.quirks.compares_unquoted { etag.to_owned() } else { format!("\"{etag}\"") };
        (if_match != expected).then(|| error(StatusCode::PRECONDITION_FAILED, "PreconditionFailed"))
    }
}

fn etag(body: &Bytes) -> String {
    let mut hasher = DefaultHasher::new();
    body.hash(&mut hasher);
    format!("{:016x}", hasher.finish())
}

fn error(status: StatusCode, code: &str) -> Response<Full<Bytes>> {
    let body = format!("<?xml version=\"1.0\"?><Error><Code>{code}</Code><Message>{code}</Message></Error>");
    response(status, None, body.into())
}

fn response(status: StatusCode, etag: Option<&str>, body: Bytes) -> Response<Full<Bytes>> {
    let mut response = Response::new(Full::new(body));
    *response.status_mut() = status;
    if let Some(etag) = etag.and_then(|etag| etag.parse().ok()) {
        response.headers_mut().insert(ETAG, etag);
    }
    response
}
