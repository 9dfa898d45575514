//! Raw bytes to the server and its response, for requests that no HTTP client would send.

use std::io;
use std::time::Duration;

use tokio::io::{AsyncReadExt as _, AsyncWriteExt as _};
use tokio::net::TcpStream;
use tokio::time::timeout;

use crate::support::{Request, Server};

/// How long any of these requests may take.
const TIMEOUT: Duration = Duration::from_secs(30);

/// A connection that was opened and written to.
pub async fn send(server: &Server, bytes: &[u8]) -> io::Result<TcpStream> {
    let mut stream = TcpStream::connect(server.authority()).await?;
    stream.write_all(bytes).await?;
    Ok(stream)
}

/// The status of the response to some bytes; `None` if the server closes the connection without one, as it may if they
/// are not HTTP.
pub async fn status(server: &Server, bytes: &[u8]) -> Option<u16> {
    let mut stream = TcpStream::connect(server.authority()).await.unwrap();
    let (mut reading, mut writing) = stream.split();
    let mut answer = Vec::new();
    let talk = async {
        // The server may answer, and hang up, before it has read everything.
        let (_, _) = tokio::join!(writing.write_all(bytes), reading.read_to_end(&mut answer));
    };
    let in_time = timeout(TIMEOUT, talk).await;
    assert!(in_time.is_ok(), "no end of the answer: {}", String::from_utf8_lossy(&answer));
    String::from_utf8_lossy(answer.get(9..12)?).parse().ok()
}

/// The head of a request with the key and `Connection: close`.
pub fn head(method: &str, target: &str, headers: &str) -> Vec<u8> {
    format!("{method} {target} HTTP/1.1\r\nHost: test\r\nX-API-Key: test-key\r\nConnection: close\r\n{headers}\r\n")
        .into_bytes()
}

/// Checks that the server still responds.
pub async fn answers(server: &Server) {
    let reply = timeout(TIMEOUT, server.client().send(Request::get("/info/health"))).await.unwrap();
    assert_eq!(reply.status, 200);
}
