//! A network and a service that fail.

use std::sync::Arc;
use std::sync::atomic::AtomicUsize;
use std::sync::atomic::Ordering::SeqCst;
use std::time::{Duration, Instant};

use bytes::Bytes;
use cache_testing::faulty_proxy::{FaultyProxy, Network};
use mgraph_cache_client::testing::LocalServer;
use mgraph_cache_client::{Client, ContentKind, Error, MAX_DIRECT_STORE_BYTES, Namespace, Policy, Selector, Strategy};
use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::net::TcpStream;

use crate::support::{answer, scripted};

const NO_ENTRY: &str = "2cf24dba-5fb0-8a30-b820-00000001cedd";

/// The client of a server behind a network. The server lives as long as the first value.
async fn behind_proxy(policy: Policy) -> (LocalServer, FaultyProxy, Namespace) {
    let server = LocalServer::start().unwrap();
    let proxy = FaultyProxy::start(&server.url(), 7).await;
    let client = Client::builder(proxy.endpoint_url()).policy(policy).build().unwrap();
    (server, proxy, client.namespace("demo").unwrap())
}

async fn ids(server: &LocalServer) -> usize {
    let direct = server.client().build().unwrap().namespace("demo").unwrap();
    direct.ids(1000, None).await.unwrap().items.len()
}

#[tokio::test]
async fn stores_over_a_failing_network_are_one_entry_each() {
    let (server, proxy, cache) = behind_proxy(Policy { max_attempts: 12, ..Policy::default() }).await;
    proxy.set(Network { refused: 0.2, reset: 0.2, ..Network::default() });
    for number in 0..30 {
        cache.store_text(format!("text {number}")).send().await.unwrap();
    }
    assert!(proxy.calls().iter().filter(|call| call.failed).count() > 5, "the network did not fail");
    proxy.set(Network::default());
    assert_eq!(ids(&server).await, 30);
}

/// A proxy that cuts both connections at the first byte of an answer, as often as it is told to: what was asked for is done
/// by then, and nobody hears of it.
#[derive(Clone)]
struct Cutter {
    url: String,
    cuts: Arc<AtomicUsize>,
}

impl Cutter {
    async fn start(server: &LocalServer) -> Self {
        let upstream = server.url().trim_start_matches("http://").to_owned();
        let listener = tokio::net::TcpListener::bind("127.0.0.1:0").await.unwrap();
        let cutter = Self { url: format!("http://{}", listener.local_addr().unwrap()), cuts: Arc::default() };
        let accepting = cutter.clone();
        tokio::spawn(async move {
            while let Ok((client, _)) = listener.accept().await {
                tokio::spawn(accepting.clone().serve(client, upstream.clone()));
            }
        });
        cutter
    }

    async fn serve(self, mut client: TcpStream, upstream: String) {
        let mut server = TcpStream::connect(upstream).await.unwrap();
        let ((mut from_client, mut to_client), (mut from_server, mut to_server)) = (client.split(), server.split());
        let answers = async {
            let mut buffer = vec![0; 65536];
            loop {
                let read = from_server.read(&mut buffer).await.unwrap_or(0);
                if read == 0 || self.cuts.try_update(SeqCst, SeqCst, |cuts| cuts.checked_sub(1)).is_ok() {
                    return;
                }
                if to_client.write_all(&buffer[..read]).await.is_err() {
                    return;
                }
            }
        };
        tokio::select! {
            _ = tokio::io::copy(&mut from_client, &mut to_server) => {}
            () = answers => {}
        }
    }

    /// Does something while the next answer is lost.
    async fn lose<T>(&self, work: impl Future<Output = Result<T, Error>>) -> T {
        self.cuts.store(1, SeqCst);
        let done = work.await.unwrap();
        assert_eq!(self.cuts.load(SeqCst), 0, "no answer was lost");
        done
    }
}

#[tokio::test]
async fn what_is_repeated_after_a_lost_answer_is_done_once() {
    let server = LocalServer::start().unwrap();
    let cutter = Cutter::start(&server).await;
    let cache = Client::builder(&cutter.url).build().unwrap().namespace("demo").unwrap();
    let under_key = |text: &str| cache.store_text(text).strategy(Strategy::KeyBased).key("k").file_id("f");
    let stored = cutter.lose(under_key("one").send()).await;
    assert_eq!((stored.version, stored.key_version), (1, Some(1)));
    assert_eq!(cutter.lose(under_key("two").send()).await.key_version, Some(2));
    let key = cache.by_key(Strategy::KeyBased, "k", "f");
    assert_eq!(cutter.lose(key.rollback(1)).await.unwrap().key_version, Some(3));
    let entry = cache.entry(stored.cache_id.as_str());
    assert_eq!(cutter.lose(entry.update_text("newer")).await.unwrap().revision, 1);
    cutter.lose(entry.children().store_unnamed(ContentKind::String, "child")).await.unwrap();
    assert_eq!(entry.children().list(None).await.unwrap().unwrap().file_count, 1);
    let zip = cutter.lose(cache.store_zip(Bytes::new()).send("zips", "z")).await;
    let zip = cache.entry(zip.store.cache_id.as_str()).zip();
    cutter.lose(zip.add_text("a", "A")).await;
    let large = cache.store_bytes(vec![1; MAX_DIRECT_STORE_BYTES as usize + 1]);
    assert_eq!(cutter.lose(large.send()).await.version, 1);
    // Three versions under the key, of which two share a content; two archives; one large content.
    assert_eq!((key.versions(10, None).await.unwrap().unwrap().count, ids(&server).await), (3, 6));
}

/// The answer to any of the three requests may be lost.
#[tokio::test]
async fn an_upload_over_a_failing_network_is_one_entry() {
    let (server, proxy, cache) = behind_proxy(Policy { max_attempts: 12, ..Policy::default() }).await;
    proxy.set(Network { refused: 0.2, reset: 0.1, response_lost: 0.4, ..Network::default() });
    for number in 0..5 {
        let stored = cache.store_bytes(vec![number; MAX_DIRECT_STORE_BYTES as usize + 1]).send().await.unwrap();
        assert_eq!(stored.version, 1);
    }
    proxy.set(Network::default());
    assert_eq!(ids(&server).await, 5);
}

#[tokio::test]
async fn a_server_that_was_dropped_is_gone_with_its_connections() {
    let server = LocalServer::start().unwrap();
    let policy = Policy { max_attempts: 1, ..Policy::default() };
    let client = server.client().policy(policy).build().unwrap();
    client.info().health().await.unwrap();
    drop(server);
    let error = loop {
        if let Err(error) = client.info().health().await {
            break error;
        }
        tokio::task::yield_now().await;
    };
    assert!(matches!(error, Error::Temporary(_)), "{error}");
}

#[tokio::test]
async fn retry_after_is_waited_for() {
    let busy = answer("503 Service Unavailable", "retry-after: 1\r\n", "{\"message\":\"busy\",\"detail\":\"busy\"}");
    let (url, requests) = scripted(vec![busy, answer("200 OK", "", "{\"status\":\"ok\"}")]).await;
    let began = Instant::now();
    Client::builder(url).build().unwrap().info().health().await.unwrap();
    assert!(began.elapsed() >= Duration::from_secs(1), "{:?}", began.elapsed());
    assert_eq!(requests.lock().unwrap().len(), 2);
}

/// A limit is checked before anything is done, so this is safe of every call.
#[tokio::test]
async fn what_is_beyond_a_limit_is_sent_again_after_retry_after() {
    let limited = answer("429 Too Many Requests", "retry-after: 1\r\n", "{\"message\":\"slow\",\"detail\":{}}");
    let (url, requests) = scripted(vec![limited, answer("200 OK", "", "{}")]).await;
    let began = Instant::now();
    Client::builder(url).build().unwrap().test_data().minimal().await.unwrap();
    assert!(began.elapsed() >= Duration::from_secs(1), "{:?}", began.elapsed());
    assert_eq!(requests.lock().unwrap().len(), 2);
}

#[tokio::test]
async fn a_long_retry_after_is_left_to_the_caller() {
    let limited = answer("429 Too Many Requests", "retry-after: 3600\r\n", "{\"message\":\"day\",\"detail\":{}}");
    let (url, requests) = scripted(vec![limited]).await;
    let error = Client::builder(url).build().unwrap().info().health().await.unwrap_err();
    assert!(matches!(error, Error::LimitExceeded(_)) && error.is_temporary(), "{error}");
    assert_eq!(error.failure().retry_after(), Some(Duration::from_secs(3600)));
    assert_eq!(requests.lock().unwrap().len(), 1);
}

#[tokio::test]
async fn a_missing_permission_is_not_asked_for_again() {
    let body = "{\"message\":\"no 'write'\",\"detail\":{\"error_type\":\"PERMISSION_MISSING\"}}";
    let (url, requests) = scripted(vec![answer("403 Forbidden", "", body), String::new()]).await;
    let error = Client::builder(url).build().unwrap().info().health().await.unwrap_err();
    assert!(matches!(error, Error::PermissionMissing(_)) && !error.is_temporary(), "{error}");
    assert_eq!(requests.lock().unwrap().len(), 1);
}

#[tokio::test]
async fn a_retry_that_would_end_after_the_budget_is_not_made() {
    let busy = answer("503 Service Unavailable", "retry-after: 30\r\n", "{\"message\":\"busy\",\"detail\":\"busy\"}");
    let (url, requests) = scripted(vec![busy.clone(), busy]).await;
    let client = Client::builder(url).total_timeout(Duration::from_secs(2)).build().unwrap();
    let began = Instant::now();
    let error = client.info().health().await.unwrap_err();
    assert!(matches!(error, Error::Temporary(_)) && error.to_string().contains("busy"), "{error}");
    assert!(began.elapsed() < Duration::from_secs(2));
    assert_eq!(requests.lock().unwrap().len(), 1);
}

#[tokio::test]
async fn a_body_that_stalls_ends_within_the_budget() {
    let stalls = "HTTP/1.1 200 OK\r\ncontent-length: 100\r\n\r\n{\"results\":[…".to_owned();
    let (url, _) = scripted(vec![stalls.clone(), stalls.clone(), stalls]).await;
    let policy = Policy {
        attempt_timeout: Duration::from_millis(300),
        total_timeout: Duration::from_secs(2),
        ..Policy::default()
    };
    let cache = Client::builder(url).policy(policy).build().unwrap().namespace("demo").unwrap();
    let began = Instant::now();
    let error = cache.get(Selector::id(NO_ENTRY)).await.unwrap_err();
    assert!(matches!(error, Error::Temporary(_)) && error.to_string().contains("no complete answer within"), "{error}");
    assert_eq!(error.failure().attempts(), 3, "{error}");
    assert!(began.elapsed() < Duration::from_secs(3), "{:?}", began.elapsed());
}

#[tokio::test]
async fn a_call_that_is_not_safe_to_repeat_is_sent_once() {
    let (url, requests) =
        scripted(vec!["HTTP/1.1 200 OK\r\ncontent-length: 9\r\n\r\n{".to_owned(), String::new()]).await;
    let error = Client::builder(url).build().unwrap().test_data().minimal().await.unwrap_err();
    assert!(matches!(error, Error::Temporary(_)), "{error}");
    assert_eq!(requests.lock().unwrap().len(), 1);
}

#[tokio::test]
async fn errors_say_what_the_caller_can_do() {
    let json = "content-type: application/json\r\nfast-api-request-id: id-1\r\n";
    let message = "{\"message\":\"do this\",\"detail\":\"do this\"}";
    let permission_missing = message.replace("\"do this\"}", "{\"error_type\":\"PERMISSION_MISSING\"}}");
    let no_retry = Policy { max_attempts: 1, ..Policy::default() };
    for (status, body, kind) in [
        ("401 Unauthorized", message, "NotPermitted"),
        ("403 Forbidden", message, "NotPermitted"),
        ("403 Forbidden", &permission_missing, "PermissionMissing"),
        ("400 Bad Request", message, "InvalidRequest"),
        ("404 Not Found", message, "InvalidRequest"),
        ("404 Not Found", "{\"message\":\"no route\",\"detail\":\"Not Found\"}", "InvalidRequest"),
        ("404 Not Found", "<h1>nginx</h1>", "Protocol"),
        ("409 Conflict", message, "Conflict"),
        ("412 Precondition Failed", message, "Conflict"),
        ("429 Too Many Requests", message, "LimitExceeded"),
        ("500 Internal Server Error", message, "Server"),
        ("502 Bad Gateway", "<h1>no</h1>", "Temporary"),
        ("507 Insufficient Storage", message, "Full"),
        ("200 OK", "<h1>hi</h1>", "Protocol"),
    ] {
        let (url, _) = scripted(vec![answer(status, json, body)]).await;
        let client = Client::builder(url).policy(no_retry).build().unwrap();
        let error = client.info().health().await.unwrap_err();
        assert!(format!("{error:?}").starts_with(kind), "{status}: {error:?}");
        if !status.starts_with("200") {
            assert_eq!(error.failure().request_id(), Some("id-1"), "{status}");
        }
    }
}

/// A page of a proxy or of another service must not look as if there were no entry.
#[tokio::test]
async fn a_404_of_something_else_is_no_miss() {
    for body in ["<h1>nginx</h1>", "{\"detail\":\"Not Found\",\"message\":\"no route matches\"}"] {
        let (url, _) = scripted(vec![answer("404 Not Found", "", body)]).await;
        let cache = Client::builder(url).build().unwrap().namespace("demo").unwrap();
        cache.entry(NO_ENTRY).config().await.unwrap_err();
    }
}

#[tokio::test]
async fn a_storage_that_does_not_answer_is_no_miss() {
    let result = "{\"results\":[{\"status\":503,\"error\":{\"message\":\"storage is unavailable\"}}]}";
    let (url, _) = scripted(vec![answer("200 OK", "", result)]).await;
    let cache = Client::builder(url).build().unwrap().namespace("demo").unwrap();
    let error = cache.get(Selector::id(NO_ENTRY)).await.unwrap_err();
    assert!(matches!(error, Error::Temporary(_)), "{error}");
}
