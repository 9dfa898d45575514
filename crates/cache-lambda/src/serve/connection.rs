//! One connection: reads requests, lets the application answer them, and ends on time.

use std::sync::Arc;
use std::time::Duration;

use axum::Router;
use axum::body::Body;
use http::Request;
use hyper::body::Incoming;
use hyper::server::conn::http1;
use hyper::service::service_fn;
use hyper_util::rt::TokioIo;
use tokio::net::TcpStream;
use tokio::sync::Notify;
use tokio_util::sync::CancellationToken;
use tower::ServiceExt;

use super::activity::Activity;
use super::timed_stream::TimedStream;
use crate::config::limits::Limits;
use crate::http_validation::OverHttp;
use crate::lingering_close;

/// A connection is closed for another one only after it was idle for so long: a request may be on its way.
const MIN_IDLE: Duration = Duration::from_secs(1);
/// How long the request line and headers may be, in bytes: 128 KiB. A longer one is 431.
const MAX_HEAD_BYTES: usize = 128 << 10;

/// Serves a connection until its peer closes it, a limit is reached, or the server stops.
///
/// `wanted` is notified when the place of an idle connection is wanted for another one.
pub(super) async fn serve(
    stream: TcpStream,
    app: Router,
    limits: Limits,
    stopping: CancellationToken,
    wanted: Arc<Notify>,
) {
    // Responses are written as a whole; waiting to fill a packet only delays them.
    let _ = stream.set_nodelay(true);
    let activity = Activity::default();
    let stream = TimedStream::new(stream, activity.clone(), limits);
    let at = activity.clone();
    let service = service_fn(move |request: Request<Incoming>| {
        let mut request: Request<Body> = activity.begin(request);
        request.extensions_mut().insert(OverHttp);
        let (app, activity) = (app.clone(), activity.clone());
        async move {
            let response = app.oneshot(lingering_close::drain_unread_body(request)).await?;
            Ok::<_, std::convert::Infallible>(activity.respond(response))
        }
    });
    let mut builder = http1::Builder::new();
    let connection = builder.max_buf_size(MAX_HEAD_BYTES).serve_connection(TokioIo::new(stream), service);
    let mut connection = std::pin::pin!(connection);
    let ended = loop {
        tokio::select! {
            ended = connection.as_mut() => break ended,
            () = stopping.cancelled() => {
                connection.as_mut().graceful_shutdown();
                break connection.await;
            }
            // Of a request that arrives just now the client sees what it sees at the end of any keep-alive, and sends it again.
            () = wanted.notified() => if at.idle_for().is_some_and(|idle_for| idle_for >= MIN_IDLE) {
                return;
            },
        }
    };
    if let Err(error) = ended {
        tracing::debug!(%error, "a connection ended early");
    }
}
