//! The smallest server that speaks S3's protocol, with the faults of real look-alikes: objects in memory, path-style,
//! no delimiters, no times, no signatures. Unlike moto it is fast enough for hundreds of clients.

use std::collections::BTreeMap;
use std::convert::Infallible;
use std::fmt::Write;
use std::hash::{DefaultHasher, Hash, Hasher};
use std::net::SocketAddr;
use std::ops::Bound;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::time::Duration;

use bytes::Bytes;
use http_body_util::{BodyExt, Full};
use hyper::body::Incoming;
use hyper::header::{ETAG, HeaderName, IF_MATCH, IF_NONE_MATCH};
use hyper::service::service_fn;
use hyper::{Method, Request, Response, StatusCode, server};
use hyper_util::rt::TokioIo;
use percent_encoding::percent_decode_str;
use tokio::net::TcpListener;

use crate::loopback;

/// A listing has at most so many keys.
const MAX_KEYS: usize = 1000;

/// How long a server that checks first takes until it writes.
const WRITE_DELAY: Duration = Duration::from_millis(2);

/// The differences between the server and S3.
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
    /// A PUT with `If-None-Match: *` looks for the object first and writes afterwards, so that several of those that race
    /// succeed, as s3s-fs does.
    pub checks_then_creates: bool,
    /// So does a PUT with `If-Match`.
    pub checks_then_updates: bool,
}

/// A running server. It ends with the runtime in which it was started.
#[derive(Debug, Clone)]
pub struct FakeS3 {
    address: SocketAddr,
    quirks: Quirks,
    objects: Arc<Mutex<Objects>>,
}

/// By path: `/bucket/key`.
type Objects = BTreeMap<String, Bytes>;

impl FakeS3 {
    /// Starts a server.
    ///
    /// # Panics
    ///
    /// If no port of the loopback interface is free.
    pub async fn start(quirks: Quirks) -> Self {
        let (listener, address) = loopback::listen();
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
        self.objects().keys().cloned().collect()
    }

    fn objects(&self) -> MutexGuard<'_, Objects> {
        self.objects.lock().unwrap_or_else(PoisonError::into_inner)
    }

    async fn accept(self, listener: TcpListener) {
        while let Ok((stream, _)) = listener.accept().await {
            let fake = self.clone();
            // Nagle's algorithm would delay small responses by up to 40 ms.
            drop(stream.set_nodelay(true));
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
        let path = percent_decode_str(head.uri.path()).decode_utf8_lossy().into_owned();
        let header = |name: HeaderName| Some(head.headers.get(name)?.to_str().ok()?.to_owned());
        let checks_first = self.quirks.checks_then_creates && head.headers.contains_key(IF_NONE_MATCH)
            || self.quirks.checks_then_updates && head.headers.contains_key(IF_MATCH);
        if head.method == Method::PUT && checks_first {
            if let Some(refusal) = self.refusal(&self.objects(), &path, header(IF_NONE_MATCH), header(IF_MATCH)) {
                return refusal;
            }
            tokio::time::sleep(WRITE_DELAY).await;
            return put(&mut self.objects(), path, body);
        }
        let mut objects = self.objects();
        let etag = objects.get(&path).map(etag);
        match head.method {
            Method::PUT => self
                .refusal(&objects, &path, header(IF_NONE_MATCH), header(IF_MATCH))
                .unwrap_or_else(|| put(&mut objects, path, body)),
            Method::DELETE => {
                objects.remove(&path);
                response(StatusCode::NO_CONTENT, None, Bytes::new())
            }
            _ => match (etag.map(|etag| format!("\"{etag}\"")), head.uri.query().and_then(Listing::parse)) {
                (_, Some(listing)) => listing.response(&objects, &path),
                (Some(etag), None) if header(IF_NONE_MATCH).as_deref() == Some(&etag) => {
                    response(StatusCode::NOT_MODIFIED, Some(&etag), Bytes::new())
                }
                (Some(etag), None) => response(StatusCode::OK, Some(&etag), objects[&path].clone()),
                (None, None) => error(StatusCode::NOT_FOUND, "NoSuchKey"),
            },
        }
    }

    /// Why a PUT is refused, if it is.
    fn refusal(
        &self,
        objects: &Objects,
        path: &str,
        if_none_match: Option<String>,
        if_match: Option<String>,
    ) -> Option<Response<Full<Bytes>>> {
        let etag = objects.get(path).map(etag);
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
        let expected = if self.quirks.compares_unquoted { etag } else { format!("\"{etag}\"") };
        (if_match != expected).then(|| error(StatusCode::PRECONDITION_FAILED, "PreconditionFailed"))
    }
}

/// The query of a `ListObjectsV2`.
#[derive(Default)]
struct Listing {
    prefix: String,
    start_after: String,
    max_keys: usize,
    has_delimiter: bool,
}

impl Listing {
    /// `None` if this is the query of something else.
    fn parse(query: &str) -> Option<Self> {
        let (mut listing, mut is_list) = (Self { max_keys: MAX_KEYS, ..Self::default() }, false);
        for (name, value) in query.split('&').filter_map(|pair| pair.split_once('=')) {
            let value = percent_decode_str(value).decode_utf8_lossy().into_owned();
            match name {
                "list-type" => is_list = true,
                "prefix" => listing.prefix = value,
                "start-after" => listing.start_after = value,
                "max-keys" => listing.max_keys = value.parse().map_or(MAX_KEYS, |keys: usize| keys.min(MAX_KEYS)),
                "delimiter" => listing.has_delimiter = true,
                _ => {}
            }
        }
        is_list.then_some(listing)
    }

    /// `bucket` is a path, with or without a slash at its end.
    fn response(&self, objects: &Objects, bucket: &str) -> Response<Full<Bytes>> {
        if self.has_delimiter {
            return error(StatusCode::NOT_IMPLEMENTED, "NotImplemented");
        }
        let bucket = format!("{}/", bucket.trim_end_matches('/'));
        let (prefix, start_after) = (format!("{bucket}{}", self.prefix), format!("{bucket}{}", self.start_after));
        let from = if start_after < prefix { Bound::Included(&prefix) } else { Bound::Excluded(&start_after) };
        let mut found =
            objects.range::<String, _>((from, Bound::Unbounded)).take_while(|(path, _)| path.starts_with(&prefix));
        let mut contents = String::new();
        for (path, body) in found.by_ref().take(self.max_keys) {
            let (key, etag, size) = (escape(&path[bucket.len()..]), etag(body), body.len());
            // Nothing fails to be written to a string.
            let _ = write!(contents, "<Contents><Key>{key}</Key><ETag>\"{etag}\"</ETag><Size>{size}</Size></Contents>");
        }
        let truncated = found.next().is_some();
        let body = format!("<ListBucketResult><IsTruncated>{truncated}</IsTruncated>{contents}</ListBucketResult>");
        response(StatusCode::OK, None, body.into())
    }
}

fn put(objects: &mut Objects, path: String, body: Bytes) -> Response<Full<Bytes>> {
    let etag = format!("\"{}\"", etag(&body));
    objects.insert(path, body);
    response(StatusCode::OK, Some(&etag), Bytes::new())
}

fn escape(text: &str) -> String {
    text.replace('&', "&amp;").replace('<', "&lt;").replace('>', "&gt;")
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

#[cfg(test)]
mod tests {
    use cache_storage::conformance;
    use cache_storage::s3::{S3, S3Config};

    use super::*;

    async fn storage() -> S3 {
        let fake = FakeS3::start(Quirks::default()).await;
        let config = S3Config { endpoint_url: Some(fake.endpoint_url()), ..S3Config::new("bucket") };
        S3::with_keys(config, "id", "secret")
    }

    #[tokio::test]
    async fn listings_without_a_delimiter_are_those_of_s3() {
        let storage = storage().await;
        conformance::a_listing_is_in_byte_order(&storage).await;
        conformance::a_prefix_is_compared_by_bytes(&storage).await;
        conformance::start_after_is_exclusive_and_need_not_exist(&storage).await;
        conformance::pages_of_any_size_join_to_the_whole(&storage).await;
        conformance::a_listing_sees_every_acknowledged_change(&storage).await;
    }

    #[tokio::test]
    async fn conditions_are_those_of_s3() {
        let storage = storage().await;
        conformance::a_known_version_is_not_modified(&storage).await;
        conformance::an_overwritten_object_is_modified(&storage).await;
        conformance::one_of_32_racing_creates_wins(&storage).await;
        conformance::one_of_32_racing_updates_wins(&storage).await;
        conformance::racing_compare_and_swaps_lose_no_update(&storage).await;
    }
}
