//! Bytes to the server, and what it says to them: for requests that no HTTP client would send.

use std::io;
use std::time::Duration;

use tokio::io::{AsyncReadExt as _, AsyncWriteExt as _};
use tokio::net::TcpStream;
use tokio::time::timeout;

use crate::support::{Request, Server};

/// How long a server may think about anything here.
const PATIENCE: Duration = Duration::from_secs(30);

/// A connection that was opened and written to.
pub async fn send(server: &Server, bytes: &[u8]) -> io::Result<TcpStream> {
    let mut stream = TcpStream::connect(server.authority()).await?;
    stream.write_all(bytes).await?;
    Ok(stream)
}

/// The status that some bytes get; `None` when the server hangs up without a word, as it may on what is no HTTP.
pub async fn status(server: &Server, bytes: &[u8]) -> Option<u16> {
    let mut stream = TcpStream::connect(server.authority()).await.unwrap();
    let (mut reading, mut writing) = stream.split();
    let mut answer = Vec::new();
    let talk = async {
        // The server may answer, and hang up, before it has read everything.
        let (_, _) = tokio::join!(writing.write_all(bytes), reading.read_to_end(&mut answer));
    };
    let in_time = timeout(PATIENCE, talk).await;
    assert!(in_time.is_ok(), "no end of the answer: {}", String::from_utf8_lossy(&answer));
    String::from_utf8_lossy(answer.get(9..12)?).parse().ok()
}

/// The head of a request with the key, after which the server is to hang up.
pub fn head(method: &str, target: &str, headers: &str) -> Vec<u8> {
    format!("{method} {target} HTTP/1.1\r\nHost: test\r\nX-API-Key: test-key\r\nConnection: close\r\n{headers}\r\n")
        .into_bytes()
}

/// The server answers as if nothing had been.
pub async fn answers(server: &Server) {
    let reply = timeout(PATIENCE, server.client().send(Request::get("/info/health"))).await.unwrap();
    assert_eq!(reply.status, 200);
}
