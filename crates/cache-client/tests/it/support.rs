//! A transport that remembers which operations it has sent, and a server that answers as it is told.

use std::net::SocketAddr;
use std::sync::{Arc, Mutex};

use futures::future::BoxFuture;
use http::{Request, Response};
use mgraph_cache_client::operations::Operation;
use mgraph_cache_client::{Body, Transport, TransportError};
use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::net::TcpListener;

/// Passes requests on, and remembers their operations.
#[derive(Debug)]
pub struct Recorder {
    inner: Arc<dyn Transport>,
    seen: Mutex<Vec<Operation>>,
}

impl Recorder {
    pub fn new(inner: Arc<dyn Transport>) -> Arc<Self> {
        Arc::new(Self { inner, seen: Mutex::default() })
    }

    pub fn seen(&self) -> Vec<Operation> {
        self.seen.lock().unwrap().clone()
    }
}

impl Transport for Recorder {
    fn send(&self, request: Request<Body>) -> BoxFuture<'_, Result<Response<Body>, TransportError>> {
        self.seen.lock().unwrap().extend(request.extensions().get::<Operation>().cloned());
        self.inner.send(request)
    }
}

/// A server on loopback that answers each connection with the next of these texts, keeps the last one up, and counts.
/// An answer that ends with `…` is not completed: the connection stays open.
pub async fn scripted(answers: Vec<String>) -> (String, Arc<Mutex<Vec<String>>>) {
    let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
    let address: SocketAddr = listener.local_addr().unwrap();
    let requests = Arc::new(Mutex::new(Vec::new()));
    let received = Arc::clone(&requests);
    tokio::spawn(async move {
        let mut answers = answers.into_iter().peekable();
        while let Ok((mut stream, _)) = listener.accept().await {
            let answer = if answers.peek().is_some() { answers.next().unwrap_or_default() } else { return };
            let received = Arc::clone(&received);
            tokio::spawn(async move {
                let mut buffer = vec![0; 65536];
                let read = stream.read(&mut buffer).await.unwrap_or(0);
                received.lock().unwrap().push(String::from_utf8_lossy(&buffer[..read]).into_owned());
                let stalls = answer.ends_with('…');
                // Fails only when the client has gone.
                let _ = stream.write_all(answer.trim_end_matches('…').as_bytes()).await;
                if stalls {
                    std::future::pending::<()>().await;
                }
            });
        }
    });
    (format!("http://{address}"), requests)
}

/// A response with a body.
pub fn answer(status: &str, headers: &str, body: &str) -> String {
    let length = body.len();
    format!("HTTP/1.1 {status}\r\n{headers}content-length: {length}\r\nconnection: close\r\n\r\n{body}")
}
