//! Where the servers of this crate listen.

use std::net::{Ipv4Addr, SocketAddr};

use tokio::net::{TcpListener, TcpSocket};

/// Connections that may wait to be accepted. [`TcpListener::bind`] allows 128: of a hundred processes that connect at once some
/// would be dropped, and try again after a second.
const BACKLOG: u32 = 4096;

/// Listens on a free port of the loopback interface.
///
/// # Panics
///
/// If no port is free.
pub(crate) fn listen() -> (TcpListener, SocketAddr) {
    let listener = TcpSocket::new_v4().and_then(|socket| {
        socket.bind((Ipv4Addr::LOCALHOST, 0).into())?;
        socket.listen(BACKLOG)
    });
    let listener = listener.expect("a port of the loopback interface is free");
    let address = listener.local_addr().expect("a bound socket has an address");
    (listener, address)
}
