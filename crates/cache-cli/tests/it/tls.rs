//! `https`: HTTP/2 where the server offers it, and a certificate that is refused.

use std::convert::Infallible;
use std::path::PathBuf;
use std::sync::{Arc, Mutex};

use cache_client::testing::transport;
use cache_client::{BoxError, Transport};
use cache_storage::memory::Memory;
use http_body_util::BodyExt;
use hyper::body::Incoming;
use hyper::server::conn::{http1, http2};
use hyper::service::service_fn;
use hyper::{Request, Version};
use hyper_util::rt::{TokioExecutor, TokioIo};
use tempfile::TempDir;
use tokio::net::{TcpListener, TcpStream};
use tokio_rustls::TlsAcceptor;
use tokio_rustls::rustls::ServerConfig;
use tokio_rustls::rustls::crypto::ring::default_provider;

use crate::support::{Ran, bare, finish};

/// The cache behind TLS, and what was seen of its connections.
struct TlsServer {
    port: u16,
    folder: TempDir,
    /// The protocol of each request.
    versions: Arc<Mutex<Vec<Version>>>,
    /// One for each connection, complete or not.
    connections: Arc<Mutex<usize>>,
}

impl TlsServer {
    /// A server that offers these protocols (ALPN), with a certificate for `localhost` that signs itself.
    async fn start(protocols: &[&str]) -> Self {
        let signed = rcgen::generate_simple_self_signed(["localhost".to_owned()]).unwrap();
        let folder = tempfile::tempdir().unwrap();
        std::fs::write(folder.path().join("authority.pem"), signed.cert.pem()).unwrap();
        let key = signed.signing_key.serialize_der().try_into().unwrap();
        let config = ServerConfig::builder_with_provider(Arc::new(default_provider()));
        let config = config.with_safe_default_protocol_versions().unwrap().with_no_client_auth();
        let mut config = config.with_single_cert(vec![signed.cert.der().clone()], key).unwrap();
        config.alpn_protocols = protocols.iter().map(|name| name.as_bytes().to_vec()).collect();
        let acceptor = TlsAcceptor::from(Arc::new(config));
        let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
        let port = listener.local_addr().unwrap().port();
        let (versions, connections) = (Arc::<Mutex<Vec<Version>>>::default(), Arc::<Mutex<usize>>::default());
        let (service, seen, count) =
            (transport(Arc::new(Memory::default()), &[]), versions.clone(), connections.clone());
        tokio::spawn(async move {
            while let Ok((stream, _)) = listener.accept().await {
                *count.lock().unwrap() += 1;
                tokio::spawn(serve(acceptor.clone(), stream, service.clone(), seen.clone()));
            }
        });
        Self { port, folder, versions, connections }
    }

    fn authority(&self) -> PathBuf {
        self.folder.path().join("authority.pem")
    }

    /// Runs a command that trusts the authorities in a file.
    async fn run(&self, authority: PathBuf, arguments: &[&str]) -> Ran {
        let mut command = bare(self.folder.path(), arguments);
        command.env("MGRAPH_CACHE_URL", format!("https://localhost:{}", self.port)).env("SSL_CERT_FILE", authority);
        command.env("MGRAPH_CACHE_NAMESPACE", "demo");
        finish(command).await
    }
}

/// Serves one connection in the protocol that was negotiated.
async fn serve(acceptor: TlsAcceptor, stream: TcpStream, service: Arc<dyn Transport>, seen: Arc<Mutex<Vec<Version>>>) {
    let Ok(stream) = acceptor.accept(stream).await else { return };
    let is_http2 = stream.get_ref().1.alpn_protocol() == Some(b"h2");
    let answer = service_fn(move |request: Request<Incoming>| {
        seen.lock().unwrap().push(request.version());
        let service = service.clone();
        async move {
            let request = request.map(|body| body.map_err(BoxError::from).boxed());
            Ok::<_, Infallible>(service.send(request).await.unwrap())
        }
    });
    let stream = TokioIo::new(stream);
    // It ends with an error when the client breaks off.
    let _ = match is_http2 {
        true => http2::Builder::new(TokioExecutor::new()).serve_connection(stream, answer).await,
        false => http1::Builder::new().serve_connection(stream, answer).await,
    };
}

#[tokio::test]
async fn http_2_is_spoken_where_the_server_offers_it() {
    for (protocols, version) in
        [(&["h2", "http/1.1"][..], Version::HTTP_2), (&["http/1.1"], Version::HTTP_11), (&[], Version::HTTP_11)]
    {
        let server = TlsServer::start(protocols).await;
        let file = server.folder.path().join("a.txt");
        std::fs::write(&file, "hello").unwrap();
        let stored = server.run(server.authority(), &["put", "a.txt", "-k", "a", "-f", "b"]).await;
        assert_eq!(stored.code, 0, "{stored:?}");
        let read = server.run(server.authority(), &["cat", "demo:key@key_based/a/b"]).await;
        assert_eq!(read.stdout, "hello", "{read:?}");
        let versions = server.versions.lock().unwrap();
        assert!(versions.len() >= 2 && versions.iter().all(|seen| *seen == version), "{protocols:?}: {versions:?}");
    }
}

#[tokio::test]
async fn a_certificate_that_is_refused_is_said_at_once() {
    let (server, other) = (TlsServer::start(&["h2"]).await, TlsServer::start(&["h2"]).await);
    let refused = server.run(other.authority(), &["ls", "demo", "--json"]).await;
    assert_eq!((refused.code, *server.connections.lock().unwrap()), (1, 1), "it is not tried again: {refused:?}");
    for word in ["\"code\":\"tls\"", "invalid peer certificate", "SSL_CERT_FILE"] {
        assert!(refused.stderr.contains(word), "{refused:?}");
    }
    let doctor = server.run(other.authority(), &["doctor"]).await;
    assert_eq!(doctor.code, 1, "{doctor:?}");
    assert!(!doctor.stderr.contains("mgraph-cache serve"), "{doctor:?}");
}

#[tokio::test]
async fn a_server_without_tls_is_said_at_once() {
    let plain = cache_client::testing::LocalServer::start().unwrap();
    let (folder, tls) = (tempfile::tempdir().unwrap(), TlsServer::start(&[]).await);
    let mut command = bare(folder.path(), &["--url", &plain.url().replace("http:", "https:"), "ls"]);
    command.env("SSL_CERT_FILE", tls.authority());
    let ran = finish(command).await;
    assert_eq!(ran.code, 1, "{ran:?}");
    assert!(ran.stderr.contains("no secure connection to the service"), "{ran:?}");
}
