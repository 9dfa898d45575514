//! The body of a request with a key: its bytes count for the key as they arrive.

use std::pin::Pin;
use std::sync::atomic::{AtomicU64, Ordering};
use std::sync::{Arc, OnceLock};
use std::task::{Context, Poll, ready};

use axum::body::{Body, HttpBody};
use bytes::Bytes;
use cache_access::limits::Limits;
use cache_access::usage::{Exceeded, KeyUsage};
use cache_core::clock::Clock;
use http_body::{Frame, SizeHint};

/// Counts the bytes of a request, whose key may be found only while they arrive. Clones count together.
#[derive(Debug, Clone)]
pub struct ReceivedBytes(Arc<State>);

#[derive(Debug)]
struct State {
    clock: Arc<dyn Clock>,
    key: OnceLock<(Arc<KeyUsage>, Limits)>,
    /// What arrived before the key was known.
    early: AtomicU64,
}

impl ReceivedBytes {
    /// Nothing has arrived yet.
    pub fn new(clock: Arc<dyn Clock>) -> Self {
        Self(Arc::new(State { clock, key: OnceLock::new(), early: AtomicU64::new(0) }))
    }

    /// A body whose bytes are counted. It fails with [`Exceeded`] at the first byte beyond a limit of the key.
    pub fn count(&self, body: Body) -> Body {
        Body::new(CountedBody { body, received: self.clone() })
    }

    /// Counts for this key what has arrived, and what will.
    pub fn belong_to(&self, usage: Arc<KeyUsage>, limits: Limits) {
        usage.add_bytes(self.0.early.swap(0, Ordering::Relaxed), self.0.clock.now());
        // A request has one key.
        let _ = self.0.key.set((usage, limits));
    }

    fn add(&self, bytes: u64) -> Result<(), Exceeded> {
        let Some((usage, limits)) = self.0.key.get() else {
            self.0.early.fetch_add(bytes, Ordering::Relaxed);
            return Ok(());
        };
        let within = usage.receive(bytes, limits, self.0.clock.now());
        if limits.report_only { Ok(()) } else { within }
    }
}

struct CountedBody {
    body: Body,
    received: ReceivedBytes,
}

impl HttpBody for CountedBody {
    type Data = Bytes;
    type Error = axum::Error;

    fn poll_frame(
        mut self: Pin<&mut Self>,
        context: &mut Context<'_>,
    ) -> Poll<Option<Result<Frame<Bytes>, axum::Error>>> {
        let next = ready!(Pin::new(&mut self.body).poll_frame(context));
        if let Some(Ok(frame)) = &next
            && let Some(data) = frame.data_ref()
            && let Err(exceeded) = self.received.add(data.len() as u64)
        {
            return Poll::Ready(Some(Err(axum::Error::new(exceeded))));
        }
        Poll::Ready(next)
    }

    fn is_end_stream(&self) -> bool {
        self.body.is_end_stream()
    }

    fn size_hint(&self) -> SizeHint {
        self.body.size_hint()
    }
}
