//! Accepts connections, as many as the process can serve.

use std::io;
use std::net::SocketAddr;
use std::sync::Arc;
use std::time::{Duration, Instant};

use axum::Router;
use tokio::net::{TcpListener, TcpSocket, TcpStream};
use tokio::sync::{Notify, OwnedSemaphorePermit, Semaphore};
use tokio_util::sync::CancellationToken;
use tokio_util::task::TaskTracker;

use super::connection;
use super::descriptors;
use crate::config::limits::Limits;

/// How many connections may wait to be accepted. The system may allow fewer: `net.core.somaxconn` on Linux.
const BACKLOG: u32 = 4096;
/// How long to wait after an error that will not go away at once, such as no free descriptor.
const PAUSE: Duration = Duration::from_millis(200);
/// How many idle connections are closed at once when all are in use, as nginx does, and how often.
const MAX_CLOSED: usize = 32;
const MAKE_ROOM_EVERY: Duration = Duration::from_millis(50);
/// How often the same error is logged.
const LOG_INTERVAL: Duration = Duration::from_secs(60);

/// A listener at this address.
pub(super) fn listen(address: SocketAddr) -> io::Result<TcpListener> {
    let socket = if address.is_ipv4() { TcpSocket::new_v4()? } else { TcpSocket::new_v6()? };
    // Else a restarted server could not listen while connections of the one before are being closed.
    #[cfg(unix)]
    socket.set_reuseaddr(true)?;
    socket.bind(address)?;
    socket.listen(BACKLOG)
}

/// Accepts connections until the server stops. `connections` tracks those that are open.
pub(super) async fn accept(
    listener: TcpListener,
    app: Router,
    limits: &Limits,
    connections: &TaskTracker,
    stopping: &CancellationToken,
) {
    let max = descriptors::connections(limits.max_connections);
    let slots = Arc::new(Semaphore::new(max));
    let wanted = Arc::new(Notify::new());
    let (mut all_in_use, mut not_accepted) = (Seldom::default(), Seldom::default());
    let accept_all = async {
        loop {
            let stream = next(&listener, &mut not_accepted).await;
            let slot = match Arc::clone(&slots).try_acquire_owned() {
                Ok(slot) => slot,
                Err(_) => {
                    all_in_use.log(|| {
                        tracing::warn!(
                            "all {max} connections are in use, so idle ones are closed, and if there are none, new ones wait: raise \
                             CACHE__SERVICE__MAX_CONNECTIONS and the limit of descriptors"
                        );
                    });
                    let Some(slot) = make_room(&slots, &wanted).await else { return };
                    slot
                }
            };
            let serving = connection::serve(stream, app.clone(), limits.clone(), stopping.clone(), Arc::clone(&wanted));
            connections.spawn(keep(slot, serving));
        }
    };
    tokio::select! {
        () = accept_all => {}
        () = stopping.cancelled() => {}
    }
}

/// Closes idle connections until one more can be accepted. `wanted` wakes those first that have waited longest.
async fn make_room(slots: &Arc<Semaphore>, wanted: &Notify) -> Option<OwnedSemaphorePermit> {
    loop {
        for _ in 0..MAX_CLOSED {
            wanted.notify_one();
        }
        let slot = tokio::time::timeout(MAKE_ROOM_EVERY, Arc::clone(slots).acquire_owned()).await;
        if let Ok(slot) = slot {
            // The semaphore is never closed.
            return slot.ok();
        }
    }
}

async fn keep(_slot: OwnedSemaphorePermit, serving: impl Future<Output = ()>) {
    serving.await;
}

/// The next connection, whatever happens meanwhile.
async fn next(listener: &TcpListener, failure_log: &mut Seldom) -> TcpStream {
    loop {
        match listener.accept().await {
            Ok((stream, _)) => return stream,
            // The peer gave up before it was accepted.
            Err(error) if is_of_the_peer(error.kind()) => {}
            Err(error) => {
                failure_log.log(|| tracing::error!(%error, "connections cannot be accepted; trying again"));
                tokio::time::sleep(PAUSE).await;
            }
        }
    }
}

fn is_of_the_peer(kind: io::ErrorKind) -> bool {
    use io::ErrorKind::{ConnectionAborted, ConnectionRefused, ConnectionReset};
    matches!(kind, ConnectionAborted | ConnectionRefused | ConnectionReset)
}

/// Logs the same thing once a minute at most.
#[derive(Default)]
struct Seldom(Option<Instant>);

impl Seldom {
    fn log(&mut self, log: impl FnOnce()) {
        if self.0.is_none_or(|last| last.elapsed() >= LOG_INTERVAL) {
            self.0 = Some(Instant::now());
            log();
        }
    }
}
