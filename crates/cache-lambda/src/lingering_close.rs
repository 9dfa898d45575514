//! Lingering close: drains request bodies that a handler did not read.
//!
//! A server that responds 401 or 413 and closes while the body is still arriving makes the operating system reset the
//! connection. The reset can overtake the response, so the caller sees a broken pipe instead of the reason. So the
//! response is sent at once, and the rest of the body is received and dropped. The timeouts are those of nginx's
//! `lingering_close`.

use std::pin::Pin;
use std::task::{Context, Poll};
use std::time::Duration;

use axum::Error;
use axum::body::{Body, BodyDataStream, HttpBody};
use bytes::Bytes;
use futures::{Stream, StreamExt};
use http::{Request, header};
use tokio::runtime::Handle;
use tokio::time::timeout;

/// How long to wait for the next chunk of the body.
const READ_TIMEOUT: Duration = Duration::from_secs(5);
/// How long to drain one body in total.
const DRAIN_TIMEOUT: Duration = Duration::from_secs(30);

/// The request with a body that is drained when it is dropped.
pub fn drain_unread_body(request: Request<Body>) -> Request<Body> {
    // Such a caller only sends the body once it is read.
    let expects_continue = request.headers().contains_key(header::EXPECT);
    request.map(|body| match body.is_end_stream() {
        true => body,
        false => Body::from_stream(DrainOnDrop { rest: Some(body.into_data_stream()), expects_continue }),
    })
}

/// A body that is drained in the background when it is dropped.
struct DrainOnDrop {
    /// The part that has not been read yet; `None` at the end.
    rest: Option<BodyDataStream>,
    /// Whether the sender waits for the first read (`Expect: 100-continue`).
    expects_continue: bool,
}

impl Stream for DrainOnDrop {
    type Item = Result<Bytes, Error>;

    fn poll_next(mut self: Pin<&mut Self>, context: &mut Context<'_>) -> Poll<Option<Self::Item>> {
        self.expects_continue = false;
        let Some(rest) = &mut self.rest else { return Poll::Ready(None) };
        let next = rest.poll_next_unpin(context);
        if matches!(next, Poll::Ready(None | Some(Err(_)))) {
            self.rest = None;
        }
        next
    }
}

impl Drop for DrainOnDrop {
    fn drop(&mut self) {
        let Some(rest) = self.rest.take().filter(|_| !self.expects_continue) else { return };
        if let Ok(runtime) = Handle::try_current() {
            runtime.spawn(timeout(DRAIN_TIMEOUT, discard(rest)));
        }
    }
}

async fn discard(mut rest: BodyDataStream) {
    while let Ok(Some(Ok(_))) = timeout(READ_TIMEOUT, rest.next()).await {}
}

#[cfg(test)]
mod tests {
    use std::sync::Arc;
    use std::sync::atomic::{AtomicUsize, Ordering};

    use futures::stream;

    use super::*;

    const PARTS: usize = 100;

    /// How many of a body's parts are received when a handler reads `wanted` of them and drops the rest.
    async fn received(wanted: usize, request: http::request::Builder) -> usize {
        let received = Arc::new(AtomicUsize::new(0));
        let counter = Arc::clone(&received);
        let parts = stream::iter(0..PARTS).map(move |_| {
            counter.fetch_add(1, Ordering::Relaxed);
            Ok::<_, Error>(Bytes::from_static(b"part"))
        });
        let request = drain_unread_body(request.body(Body::from_stream(parts)).unwrap());
        let mut body = request.into_body().into_data_stream();
        for _ in 0..wanted {
            body.next().await.unwrap().unwrap();
        }
        drop(body);
        // The test has one thread, so the rest is received here.
        for _ in 0..2 * PARTS {
            tokio::task::yield_now().await;
        }
        received.load(Ordering::Relaxed)
    }

    #[tokio::test]
    async fn an_unread_body_is_drained() {
        assert_eq!(received(0, Request::builder()).await, PARTS);
        assert_eq!(received(7, Request::builder()).await, PARTS);
    }

    #[tokio::test]
    async fn an_unread_body_with_expect_is_not_drained() {
        let asks = || Request::builder().header("expect", "100-continue");
        assert_eq!(received(0, asks()).await, 0);
        assert_eq!(received(1, asks()).await, PARTS, "the body is on its way");
    }
}
