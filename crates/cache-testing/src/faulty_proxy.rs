//! S3 behind a faulty network: an HTTP/1.1 proxy on loopback that records calls, delays them, and makes some of them
//! fail.
//!
//! The fate of a call follows from the seed and the number of calls before it. Paths and headers are passed on
//! unchanged, including `Host`, so signatures stay valid. Bodies are held in memory.
//!
//! Each recorded call says whether a PUT carried the SHA-256 of its body: S3 would refuse a wrong one, look-alikes
//! accept it.

use std::io;
use std::net::SocketAddr;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::time::Duration;

use base64::Engine;
use base64::engine::general_purpose::STANDARD;
use bytes::Bytes;
use http_body_util::{BodyExt, Full};
use hyper::body::Incoming;
use hyper::header::{CONNECTION, EXPECT, HeaderMap, TRANSFER_ENCODING};
use hyper::http::request::Parts;
use hyper::service::service_fn;
use hyper::{Method, Request, Response, StatusCode, client, server};
use hyper_util::rt::TokioIo;
use sha2::{Digest, Sha256};
use tokio::net::{TcpListener, TcpStream};
use tokio::time::Instant;

use cache_storage::operation::StorageOp;
use cache_storage::round_trips::RoundTrips;

use crate::loopback;

/// The longest extra delay of a slow call.
const MAX_EXTRA_DELAY: Duration = Duration::from_millis(200);

/// The response of S3 to too many requests.
const SLOW_DOWN: &str = "<?xml version=\"1.0\" encoding=\"UTF-8\"?>\n\
    <Error><Code>SlowDown</Code><Message>Please reduce your request rate.</Message></Error>";

/// The state of the network. The rates are probabilities from 0 to 1; by default nothing fails.
#[derive(Debug, Clone, Copy, PartialEq, Default)]
pub struct Network {
    /// The shortest duration of a call, including the time of the look-alike, so that concurrent calls take no longer
    /// than one, as on S3.
    pub delay: Duration,
    /// The rate of calls that take up to 200 ms longer.
    pub slow: f64,
    /// The rate of calls that get `503 SlowDown` instead of being passed on.
    pub refused: f64,
    /// The rate of calls whose connection is reset before they are passed on.
    pub reset: f64,
    /// The rate of PUTs and DELETEs that are passed on, and whose connection is reset before their response.
    pub response_lost: f64,
}

/// A call that reached the proxy.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Call {
    /// Its round trip, counted from 1, by the rule of [`cache_storage::round_trips`].
    pub round_trip: usize,
    /// The operation.
    pub operation: StorageOp,
    /// Path and query, as in `/bucket/key`.
    pub target: String,
    /// Bytes of its body.
    pub size: usize,
    /// Whether its `x-amz-checksum-sha256` is that of its body.
    pub checksum_fits: bool,
    /// Whether the proxy made it fail.
    pub failed: bool,
}

/// A running proxy. Clones share it; it ends with the runtime in which it was started.
#[derive(Debug, Clone)]
pub struct FaultyProxy {
    address: SocketAddr,
    state: Arc<Mutex<State>>,
}

struct State {
    upstream: String,
    network: Network,
    rng: fastrand::Rng,
    calls: Vec<Call>,
    upstream_times: Vec<Duration>,
    round_trips: RoundTrips,
    in_flight: usize,
    max_in_flight: usize,
}

/// What happens to a call.
struct Fate {
    wait: Duration,
    fault: Option<Fault>,
}

enum Fault {
    Refused,
    Reset,
    ResponseLost,
}

impl FaultyProxy {
    /// Starts a proxy in front of the server at `endpoint_url`, such as `http://127.0.0.1:5000`.
    ///
    /// # Panics
    ///
    /// If no port of the loopback interface is free.
    pub async fn start(endpoint_url: &str, seed: u64) -> Self {
        let (listener, address) = loopback::listen();
        let state = State {
            upstream: endpoint_url.trim_start_matches("http://").to_owned(),
            network: Network::default(),
            rng: fastrand::Rng::with_seed(seed),
            calls: Vec::new(),
            upstream_times: Vec::new(),
            round_trips: RoundTrips::default(),
            in_flight: 0,
            max_in_flight: 0,
        };
        let proxy = Self { address, state: Arc::new(Mutex::new(state)) };
        tokio::spawn(proxy.clone().accept(listener));
        proxy
    }

    /// The URL of the proxy.
    pub fn endpoint_url(&self) -> String {
        format!("http://{}", self.address)
    }

    /// Changes the network from the next call on.
    pub fn set(&self, network: Network) {
        self.state().network = network;
    }

    /// All calls since the last [`FaultyProxy::reset`], in the order in which they came.
    pub fn calls(&self) -> Vec<Call> {
        self.state().calls.clone()
    }

    /// The greatest number of concurrent calls since the last [`FaultyProxy::reset`].
    pub fn max_in_flight(&self) -> usize {
        self.state().max_in_flight
    }

    /// How long the look-alike itself took for each call since the last [`FaultyProxy::reset`], in the order of its
    /// responses. Times above [`Network::delay`] show that the look-alike is busier than S3 would be.
    pub fn upstream_times(&self) -> Vec<Duration> {
        self.state().upstream_times.clone()
    }

    /// Forgets all calls. Call it when none is in flight.
    pub fn reset(&self) {
        let mut state = self.state();
        state.calls.clear();
        state.upstream_times.clear();
        state.round_trips = RoundTrips::default();
        state.max_in_flight = 0;
    }

    fn state(&self) -> MutexGuard<'_, State> {
        self.state.lock().unwrap_or_else(PoisonError::into_inner)
    }

    async fn accept(self, listener: TcpListener) {
        while let Ok((stream, _)) = listener.accept().await {
            let proxy = self.clone();
            // Nagle's algorithm would delay small responses by up to 40 ms. Without linger, a connection that is
            // dropped early, which is how faults break it, is reset and not closed.
            let prepared = stream.set_nodelay(true).and_then(|()| stream.set_zero_linger());
            let service = service_fn(move |request| {
                let proxy = proxy.clone();
                async move { proxy.respond(request).await }
            });
            if prepared.is_ok() {
                // An error here is an injected fault.
                let serving = server::conn::http1::Builder::new().serve_connection(TokioIo::new(stream), service);
                tokio::spawn(async { drop(serving.await) });
            }
        }
    }

    async fn respond(&self, request: Request<Incoming>) -> io::Result<Response<Full<Bytes>>> {
        let (head, body) = request.into_parts();
        let body = body.collect().await.map_err(io::Error::other)?.to_bytes();
        let (_in_flight, fate) = self.begin(&head, &body);
        let due = Instant::now() + fate.wait;
        let response = match fate.fault {
            None => self.pass_on(head, body).await,
            Some(Fault::Refused) => refusal(&head.method),
            Some(Fault::Reset) => Err(io::Error::other("injected fault: the connection is reset")),
            Some(Fault::ResponseLost) => {
                self.pass_on(head, body).await?;
                Err(io::Error::other("injected fault: the response is lost"))
            }
        };
        tokio::time::sleep_until(due).await;
        response
    }

    /// Records a call and decides what happens to it.
    fn begin(&self, head: &Parts, body: &Bytes) -> (InFlight, Fate) {
        let checksum = head.headers.get("x-amz-checksum-sha256");
        let checksum_fits = checksum.is_some_and(|sent| sent == &STANDARD.encode(Sha256::digest(body)));
        let (operation, target) = (operation(head), head.uri.to_string());
        let mut state = self.state();
        let round_trip = state.round_trips.begin();
        let fate = state.fate(operation);
        let failed = fate.fault.is_some();
        state.calls.push(Call { round_trip, operation, target, size: body.len(), checksum_fits, failed });
        state.in_flight += 1;
        state.max_in_flight = state.max_in_flight.max(state.in_flight);
        (InFlight { proxy: self.clone(), round_trip }, fate)
    }

    /// On a new connection: the server could close an idle one in the moment of the next call, which would be a fault
    /// that was not injected.
    async fn pass_on(&self, mut head: Parts, body: Bytes) -> io::Result<Response<Full<Bytes>>> {
        let started = Instant::now();
        let upstream = self.state().upstream.clone();
        let stream = TcpStream::connect(upstream).await?;
        stream.set_nodelay(true)?;
        let (mut sender, connection) =
            client::conn::http1::handshake(TokioIo::new(stream)).await.map_err(io::Error::other)?;
        let driver = tokio::spawn(connection);
        remove_hop_by_hop_headers(&mut head.headers);
        let response =
            sender.send_request(Request::from_parts(head, Full::new(body))).await.map_err(io::Error::other)?;
        let (mut head, body) = response.into_parts();
        let body = body.collect().await.map_err(io::Error::other)?.to_bytes();
        driver.abort();
        self.state().upstream_times.push(started.elapsed());
        remove_hop_by_hop_headers(&mut head.headers);
        Ok(Response::from_parts(head, Full::new(body)))
    }
}

impl State {
    fn fate(&mut self, operation: StorageOp) -> Fate {
        let Network { delay, slow, refused, reset, response_lost } = self.network;
        // Always the same number of draws, so that a seed has the same sequence at all rates.
        let (slowness, extra, mut drawn) = (self.rng.f64(), self.rng.f64(), self.rng.f64());
        let wait = if slowness < slow { delay + MAX_EXTRA_DELAY.mul_f64(extra) } else { delay };
        let writes = matches!(operation, StorageOp::Put | StorageOp::Delete);
        let faults = [
            (refused, Fault::Refused),
            (reset, Fault::Reset),
            (if writes { response_lost } else { 0.0 }, Fault::ResponseLost),
        ];
        for (rate, fault) in faults {
            if drawn < rate {
                return Fate { wait, fault: Some(fault) };
            }
            drawn -= rate;
        }
        Fate { wait, fault: None }
    }
}

/// A call in flight. It ends with its response, or when its caller closes the connection.
struct InFlight {
    proxy: FaultyProxy,
    round_trip: usize,
}

impl Drop for InFlight {
    fn drop(&mut self) {
        let mut state = self.proxy.state();
        state.in_flight -= 1;
        state.round_trips.end(self.round_trip);
    }
}

fn operation(head: &Parts) -> StorageOp {
    match head.method {
        Method::HEAD => StorageOp::Head,
        Method::PUT => StorageOp::Put,
        Method::DELETE => StorageOp::Delete,
        _ if head.uri.query().is_some_and(|query| query.contains("list-type=")) => StorageOp::List,
        _ => StorageOp::Get,
    }
}

fn refusal(method: &Method) -> io::Result<Response<Full<Bytes>>> {
    let body = if method == Method::HEAD { "" } else { SLOW_DOWN };
    let refusal = Response::builder().status(StatusCode::SERVICE_UNAVAILABLE).header("content-type", "application/xml");
    refusal.body(Full::new(body.into())).map_err(io::Error::other)
}

fn remove_hop_by_hop_headers(headers: &mut HeaderMap) {
    for name in [CONNECTION, EXPECT, TRANSFER_ENCODING] {
        headers.remove(name);
    }
}

impl std::fmt::Debug for State {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("State")
            .field("upstream", &self.upstream)
            .field("network", &self.network)
            .finish_non_exhaustive()
    }
}

#[cfg(test)]
mod tests;

#[cfg(test)]
cache_storage::conformance!(let Some(server) = crate::s3_server::S3Server::shared(); {
    let proxy = FaultyProxy::start(&server.endpoint_url(), 0).await;
    server.storage_at(proxy.endpoint_url(), "behind-a-proxy").await
});
