//! The body of a request with a key: its bytes count for the key as they arrive.

use std::pin::Pin;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::task::{Context, Poll, ready};

use axum::body::{Body, HttpBody};
use bytes::Bytes;
use cache_access::limits::Limits;
use cache_access::usage::{Exceeded, KeyUsage};
use cache_core::clock::Clock;
use http_body::{Frame, SizeHint};

/// Counts the bytes of a request, whose key may be found only while they arrive. Clones count together.
#[derive(Debug, Clone)]
pub struct ReceivedBytes {
    clock: Arc<dyn Clock>,
    counter: Arc<Mutex<Counter>>,
}

/// What the bytes are counted for.
#[derive(Debug)]
enum Counter {
    /// Not known yet: so many have arrived.
    Early(u64),
    Key(Arc<KeyUsage>, Limits),
}

impl ReceivedBytes {
    /// Nothing has arrived yet.
    pub fn new(clock: Arc<dyn Clock>) -> Self {
        Self { clock, counter: Arc::new(Mutex::new(Counter::Early(0))) }
    }

    /// A body whose bytes are counted. It fails with [`Exceeded`] at the first byte beyond a limit of the key.
    pub fn count(&self, body: Body) -> Body {
        Body::new(CountedBody { body, received: self.clone() })
    }

    /// Counts for this key what has arrived, and what will. A request has one key.
    pub fn belong_to(&self, usage: Arc<KeyUsage>, limits: Limits) {
        let now = self.clock.now();
        let mut counter = self.counter();
        if let Counter::Early(bytes) = *counter {
            usage.add_bytes(bytes, now);
            *counter = Counter::Key(usage, limits);
        }
    }

    fn add(&self, bytes: u64) -> Result<(), Exceeded> {
        let now = self.clock.now();
        match &mut *self.counter() {
            Counter::Early(early) => {
                *early += bytes;
                Ok(())
            }
            Counter::Key(usage, limits) => {
                let within = usage.receive(bytes, limits, now);
                if limits.report_only { Ok(()) } else { within }
            }
        }
    }

    fn counter(&self) -> MutexGuard<'_, Counter> {
        self.counter.lock().unwrap_or_else(PoisonError::into_inner)
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

#[cfg(test)]
mod tests {
    use std::time::Duration;

    use async_trait::async_trait;
    use cache_core::time::UnixMillis;
    use cache_testing::mock_clock::MockClock;

    use super::*;

    /// A clock during whose first reading more bytes of a request arrive.
    #[derive(Debug, Default)]
    struct ArrivalClock(Mutex<Option<(ReceivedBytes, u64)>>);

    #[async_trait]
    impl Clock for ArrivalClock {
        fn now(&self) -> UnixMillis {
            let arrival = self.0.lock().unwrap().take();
            if let Some((received, bytes)) = arrival {
                received.add(bytes).unwrap();
            }
            MockClock::START
        }

        async fn sleep(&self, _: Duration) {}
    }

    #[test]
    fn bytes_that_arrive_while_the_key_is_named_count_for_it() {
        let clock = Arc::new(ArrivalClock::default());
        let (received, usage) = (ReceivedBytes::new(clock.clone()), Arc::new(KeyUsage::default()));
        received.add(3).unwrap();
        *clock.0.lock().unwrap() = Some((received.clone(), 4));
        received.belong_to(usage.clone(), Limits::default());
        received.add(5).unwrap();
        let is_within =
            |limit| usage.receive(0, &Limits { bytes_per_day: Some(limit), ..Limits::default() }, clock.now()).is_ok();
        assert_eq!([is_within(11), is_within(12)], [false, true]);
    }
}
