//! What a connection is doing, which decides how long it may wait for its peer.

use std::pin::Pin;
use std::sync::Arc;
use std::sync::atomic::{AtomicU8, AtomicU64, Ordering};
use std::task::{Context, Poll};
use std::time::{Duration, Instant};

use axum::body::{Body, HttpBody};
use bytes::Bytes;
use http::{Request, Response};
use hyper::body::{Frame, Incoming, SizeHint};

use crate::guarded_body::GuardedBody;

/// Bytes of the next request's line and headers were received.
const HEAD: u8 = 1;
/// A body is being received.
const BODY: u8 = 2;
/// A request waits for the end of its response.
const REQUEST: u8 = 4;

/// What a connection is waiting for.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Waiting {
    /// A request.
    Idle,
    /// The rest of a request's line and headers.
    Head,
    /// More of a body.
    Body,
    /// Nothing that the peer owes: a request is being answered.
    Nothing,
}

/// What a connection is doing. Clones share it.
#[derive(Debug, Clone)]
pub(super) struct Activity(Arc<State>);

#[derive(Debug)]
struct State {
    flags: AtomicU8,
    opened: Instant,
    /// When the last response ended, in milliseconds since the connection was opened.
    idle_since_ms: AtomicU64,
}

impl Default for Activity {
    fn default() -> Self {
        let (flags, idle_since_ms) = (AtomicU8::default(), AtomicU64::default());
        Self(Arc::new(State { flags, opened: Instant::now(), idle_since_ms }))
    }
}

impl Activity {
    /// What the peer is expected to send.
    pub(super) fn waiting(&self) -> Waiting {
        let flags = self.0.flags.load(Ordering::Relaxed);
        match (flags & BODY != 0, flags & REQUEST != 0, flags & HEAD != 0) {
            (true, ..) => Waiting::Body,
            (false, true, _) => Waiting::Nothing,
            (false, false, true) => Waiting::Head,
            (false, false, false) => Waiting::Idle,
        }
    }

    /// How long it has waited for a request; `None` if it does not.
    pub(super) fn idle_for(&self) -> Option<Duration> {
        let since = Duration::from_millis(self.0.idle_since_ms.load(Ordering::Relaxed));
        (self.waiting() == Waiting::Idle).then(|| self.0.opened.elapsed().saturating_sub(since))
    }

    /// Bytes were received.
    pub(super) fn received(&self) {
        if self.waiting() == Waiting::Idle {
            self.set(HEAD);
        }
    }

    /// A request has begun: its body and its response keep this up to date.
    pub(super) fn begin(&self, request: Request<Incoming>) -> Request<Body> {
        self.0.flags.store(REQUEST, Ordering::Relaxed);
        request.map(|body| match body.is_end_stream() {
            true => Body::empty(),
            false => {
                self.set(BODY);
                Body::new(RequestBody { body, activity: self.clone() })
            }
        })
    }

    /// The response of the request that has begun.
    pub(super) fn respond(&self, response: Response<Body>) -> Response<GuardedBody<RequestGuard>> {
        response.map(|body| GuardedBody::new(body, RequestGuard(self.clone())))
    }

    fn set(&self, flag: u8) {
        self.0.flags.fetch_or(flag, Ordering::Relaxed);
    }

    fn clear(&self, flag: u8) {
        self.0.flags.fetch_and(!flag, Ordering::Relaxed);
    }
}

/// A body that is being received, until it is dropped.
struct RequestBody {
    body: Incoming,
    activity: Activity,
}

impl HttpBody for RequestBody {
    type Data = Bytes;
    type Error = hyper::Error;

    fn poll_frame(
        mut self: Pin<&mut Self>,
        context: &mut Context<'_>,
    ) -> Poll<Option<Result<Frame<Bytes>, hyper::Error>>> {
        let frame = Pin::new(&mut self.body).poll_frame(context);
        if matches!(frame, Poll::Ready(None | Some(Err(_)))) || self.body.is_end_stream() {
            self.activity.clear(BODY);
        }
        frame
    }

    fn is_end_stream(&self) -> bool {
        self.body.is_end_stream()
    }

    fn size_hint(&self) -> SizeHint {
        self.body.size_hint()
    }
}

impl Drop for RequestBody {
    fn drop(&mut self) {
        self.activity.clear(BODY);
    }
}

/// Ends the request when it is dropped, with the body of the response.
pub(super) struct RequestGuard(Activity);

impl Drop for RequestGuard {
    fn drop(&mut self) {
        let activity = &self.0;
        let now_ms = u64::try_from(activity.0.opened.elapsed().as_millis()).unwrap_or(u64::MAX);
        activity.0.idle_since_ms.store(now_ms, Ordering::Relaxed);
        activity.clear(REQUEST);
    }
}
