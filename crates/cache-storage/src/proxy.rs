//! S3 behind a bad network: an HTTP/1.1 proxy on loopback that counts the calls, delays them, and lets some of them fail.
//!
//! What becomes of a call follows from the seed and from how many calls came before it. Paths and headers are passed on as
//! they come, the `Host` included, so signatures stay right. Bodies are held in memory as a whole.
//!
//! Whether a PUT carries the SHA-256 of its body is noted with each call: S3 would refuse a wrong one, look-alikes take it.

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

use crate::faulty::{Dice, Verb};
use crate::rounds::Rounds;

/// How much longer than the others a slow call takes at most.
const LONGEST_HICCUP: Duration = Duration::from_millis(200);

/// What S3 says when it is asked too much.
const SLOW_DOWN: &str = "<?xml version=\"1.0\" encoding=\"UTF-8\"?>\n\
    <Error><Code>SlowDown</Code><Message>Please reduce your request rate.</Message></Error>";

/// How the network is. The shares are probabilities from 0 to 1; by default all is well.
#[derive(Debug, Clone, Copy, PartialEq, Default)]
pub struct Network {
    /// How long each call takes at least. What the look-alike takes itself is part of it, so that calls in flight together
    /// do not seem to wait for each other, which S3 would not make them.
    pub delay: Duration,
    /// The share of calls that take up to 200 ms more.
    pub slow: f64,
    /// The share of calls that are answered `503 SlowDown` instead of being passed on.
    pub refused: f64,
    /// The share of calls whose connection is reset before they are passed on.
    pub reset: f64,
    /// The share of PUTs and DELETEs that are passed on, and whose connection is reset instead of an answer.
    pub reply_lost: f64,
}

/// A call that came through.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Call {
    /// The round that it belonged to, from 1, by the same rule as in [`crate::counting`].
    pub round: usize,
    /// What was called.
    pub verb: Verb,
    /// Path and query, as in `/bucket/key`.
    pub target: String,
    /// Bytes of its body.
    pub size: usize,
    /// Whether its `x-amz-checksum-sha256` is the one of its body.
    pub checksum_fits: bool,
    /// Whether it was made to fail.
    pub failed: bool,
}

/// A running proxy. Clones are the same one; it ends with the runtime in which it was started.
#[derive(Debug, Clone)]
pub struct Proxy {
    address: SocketAddr,
    state: Arc<Mutex<State>>,
}

struct State {
    upstream: String,
    network: Network,
    dice: Dice,
    calls: Vec<Call>,
    rounds: Rounds,
    in_flight: usize,
    most_in_flight: usize,
}

/// What becomes of a call.
struct Fate {
    wait: Duration,
    fault: Option<Fault>,
}

enum Fault {
    Refused,
    Reset,
    ReplyLost,
}

impl Proxy {
    /// Starts a proxy in front of the server at `endpoint_url`, as in `http://127.0.0.1:5000`.
    ///
    /// # Panics
    ///
    /// When no port of the loopback is free.
    pub async fn start(endpoint_url: &str, seed: u64) -> Self {
        let listener = TcpListener::bind("127.0.0.1:0").await.expect("a port of the loopback is free");
        let state = State {
            upstream: endpoint_url.trim_start_matches("http://").to_owned(),
            network: Network::default(),
            dice: Dice::new(seed),
            calls: Vec::new(),
            rounds: Rounds::default(),
            in_flight: 0,
            most_in_flight: 0,
        };
        let address = listener.local_addr().expect("a bound socket has an address");
        let proxy = Self { address, state: Arc::new(Mutex::new(state)) };
        tokio::spawn(proxy.clone().accept(listener));
        proxy
    }

    /// Where it listens.
    pub fn endpoint_url(&self) -> String {
        format!("http://{}", self.address)
    }

    /// Changes the network from the next call on.
    pub fn set(&self, network: Network) {
        self.state().network = network;
    }

    /// All calls since the last [`Proxy::reset`], in the order in which they came.
    pub fn calls(&self) -> Vec<Call> {
        self.state().calls.clone()
    }

    /// How many calls were under way at once at most, since the last [`Proxy::reset`].
    pub fn most_in_flight(&self) -> usize {
        self.state().most_in_flight
    }

    /// Forgets all calls. Call it when none is under way.
    pub fn reset(&self) {
        let mut state = self.state();
        state.calls.clear();
        state.rounds = Rounds::default();
        state.most_in_flight = 0;
    }

    fn state(&self) -> MutexGuard<'_, State> {
        self.state.lock().unwrap_or_else(PoisonError::into_inner)
    }

    async fn accept(self, listener: TcpListener) {
        while let Ok((stream, _)) = listener.accept().await {
            let proxy = self.clone();
            // Else the kernel holds small answers back for up to 40 ms. And a connection that is dropped early, which
            // happens to those that are to break, is then reset and not closed.
            let prepared = stream.set_nodelay(true).and_then(|()| stream.set_zero_linger());
            let service = service_fn(move |request| {
                let proxy = proxy.clone();
                async move { proxy.answer(request).await }
            });
            if prepared.is_ok() {
                // The error is the one by which a call was made to fail.
                let serving = server::conn::http1::Builder::new().serve_connection(TokioIo::new(stream), service);
                tokio::spawn(async { drop(serving.await) });
            }
        }
    }

    async fn answer(&self, request: Request<Incoming>) -> io::Result<Response<Full<Bytes>>> {
        let (head, body) = request.into_parts();
        let body = body.collect().await.map_err(io::Error::other)?.to_bytes();
        let (_under_way, fate) = self.begin(&head, &body);
        let due = Instant::now() + fate.wait;
        let answer = match fate.fault {
            None => self.pass_on(head, body).await,
            Some(Fault::Refused) => refusal(&head.method),
            Some(Fault::Reset) => Err(io::Error::other("reset on purpose")),
            Some(Fault::ReplyLost) => {
                self.pass_on(head, body).await?;
                Err(io::Error::other("the reply was lost on purpose"))
            }
        };
        tokio::time::sleep_until(due).await;
        answer
    }

    /// Notes a call, and decides what becomes of it.
    fn begin(&self, head: &Parts, body: &Bytes) -> (UnderWay, Fate) {
        let checksum = head.headers.get("x-amz-checksum-sha256");
        let checksum_fits = checksum.is_some_and(|sent| sent == &STANDARD.encode(Sha256::digest(body)));
        let (verb, target) = (verb(head), head.uri.to_string());
        let mut state = self.state();
        let round = state.rounds.begin();
        let fate = state.fate(verb);
        state.calls.push(Call { round, verb, target, size: body.len(), checksum_fits, failed: fate.fault.is_some() });
        state.in_flight += 1;
        state.most_in_flight = state.most_in_flight.max(state.in_flight);
        (UnderWay { proxy: self.clone(), round }, fate)
    }

    /// On a connection of its own: one that idles could be closed by the other side in the very moment of the next call,
    /// which would be a fault that nobody asked for.
    async fn pass_on(&self, mut head: Parts, body: Bytes) -> io::Result<Response<Full<Bytes>>> {
        let upstream = self.state().upstream.clone();
        let stream = TcpStream::connect(upstream).await?;
        stream.set_nodelay(true)?;
        let (mut sender, connection) =
            client::conn::http1::handshake(TokioIo::new(stream)).await.map_err(io::Error::other)?;
        let driver = tokio::spawn(connection);
        remove_what_is_for_one_connection(&mut head.headers);
        let answer = sender.send_request(Request::from_parts(head, Full::new(body))).await.map_err(io::Error::other)?;
        let (mut head, body) = answer.into_parts();
        let body = body.collect().await.map_err(io::Error::other)?.to_bytes();
        driver.abort();
        remove_what_is_for_one_connection(&mut head.headers);
        Ok(Response::from_parts(head, Full::new(body)))
    }
}

impl State {
    fn fate(&mut self, verb: Verb) -> Fate {
        let Network { delay, slow, refused, reset, reply_lost } = self.network;
        // Always as many rolls, so that the same seed means the same for each call whatever the shares are.
        let (slowness, hiccup, mut roll) = (self.dice.fraction(), self.dice.fraction(), self.dice.fraction());
        let wait = if slowness < slow { delay + LONGEST_HICCUP.mul_f64(hiccup) } else { delay };
        let writes = matches!(verb, Verb::Put | Verb::Delete);
        let faults = [
            (refused, Fault::Refused),
            (reset, Fault::Reset),
            (if writes { reply_lost } else { 0.0 }, Fault::ReplyLost),
        ];
        for (share, fault) in faults {
            if roll < share {
                return Fate { wait, fault: Some(fault) };
            }
            roll -= share;
        }
        Fate { wait, fault: None }
    }
}

/// A call that has not ended: neither with an answer nor because its caller hung up.
struct UnderWay {
    proxy: Proxy,
    round: usize,
}

impl Drop for UnderWay {
    fn drop(&mut self) {
        let mut state = self.proxy.state();
        state.in_flight -= 1;
        state.rounds.end(self.round);
    }
}

fn verb(head: &Parts) -> Verb {
    match head.method {
        Method::HEAD => Verb::Head,
        Method::PUT => Verb::Put,
        Method::DELETE => Verb::Delete,
        _ if head.uri.query().is_some_and(|query| query.contains("list-type=")) => Verb::List,
        _ => Verb::Get,
    }
}

fn refusal(method: &Method) -> io::Result<Response<Full<Bytes>>> {
    let body = if method == Method::HEAD { "" } else { SLOW_DOWN };
    let refusal = Response::builder().status(StatusCode::SERVICE_UNAVAILABLE).header("content-type", "application/xml");
    refusal.body(Full::new(body.into())).map_err(io::Error::other)
}

fn remove_what_is_for_one_connection(headers: &mut HeaderMap) {
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
crate::conformance!(let Some(moto) = crate::moto::Moto::shared(); {
    let proxy = Proxy::start(&moto.endpoint_url(), 0).await;
    moto.storage_at(proxy.endpoint_url(), "behind-a-proxy").await
});
