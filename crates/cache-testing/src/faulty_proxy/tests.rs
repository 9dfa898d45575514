//! The faulty network as a client sees it, and the record of its calls.

use cache_core::storage::{GetOptions, ObjectKey, PutMode, Storage, StorageError};
use cache_storage::s3::S3;

use super::*;
use crate::s3_server::S3Server;

/// A proxy in front of moto, a storage behind it and one that is not; `None` if moto is not set up.
async fn proxy(bucket: &str) -> Option<(FaultyProxy, S3, S3)> {
    let server = S3Server::shared()?;
    let proxy = FaultyProxy::start(&server.endpoint_url(), 7).await;
    let behind = server.storage_at(proxy.endpoint_url(), bucket).await;
    proxy.reset();
    Some((proxy, behind, server.storage(bucket).await))
}

fn key() -> ObjectKey {
    "a/b".parse().unwrap()
}

/// Puts an object through this network: it fails after three attempts, and is applied or not.
async fn check_fails(bucket: &str, network: Network, lands: bool) {
    let Some((proxy, behind, direct)) = proxy(bucket).await else { return };
    proxy.set(network);
    let failed = behind.put(&key(), "x".into(), PutMode::Overwrite).await;
    assert!(matches!(failed, Err(StorageError::Unavailable { .. })), "{failed:?}");
    assert_eq!(proxy.calls().iter().map(|call| call.failed).collect::<Vec<_>>(), [true; 3]);
    assert_eq!(direct.head(&key()).await.unwrap().is_some(), lands);
}

#[tokio::test]
async fn a_refused_call_has_no_effect() {
    check_fails("refused", Network { refused: 1.0, ..Network::default() }, false).await;
}

#[tokio::test]
async fn a_reset_call_has_no_effect() {
    check_fails("reset", Network { reset: 1.0, ..Network::default() }, false).await;
}

#[tokio::test]
async fn a_lost_response_leaves_the_effect() {
    check_fails("response-lost", Network { response_lost: 1.0, ..Network::default() }, true).await;
}

#[tokio::test]
async fn the_response_of_a_read_is_never_lost() {
    let Some((proxy, behind, _)) = proxy("reads").await else { return };
    proxy.set(Network { response_lost: 1.0, ..Network::default() });
    assert_eq!(behind.get(&key(), &GetOptions::default()).await.unwrap(), None);
}

#[tokio::test]
async fn calls_are_recorded_with_their_round_trip() {
    let Some((proxy, behind, _)) = proxy("recorded").await else { return };
    // Long enough for both calls of the second round trip to begin before one of them ends.
    proxy.set(Network { delay: Duration::from_millis(100), ..Network::default() });
    behind.put(&key(), "four".into(), PutMode::Create).await.unwrap();
    let (read, options, head) = (key(), GetOptions::default(), "c".parse().unwrap());
    let (got, missed) = tokio::join!(behind.get(&read, &options), behind.head(&head));
    let got = got.unwrap().unwrap().into_object().unwrap();
    assert_eq!((got.bytes, missed.unwrap()), ("four".into(), None));
    let calls = proxy.calls();
    let put = &calls[0];
    assert_eq!((put.round_trip, put.operation, put.size, put.checksum_fits), (1, StorageOp::Put, 4, true));
    assert!(put.target.starts_with("/recorded/a/b"), "{}", put.target);
    assert_eq!(calls.iter().map(|call| call.round_trip).collect::<Vec<_>>(), [1, 2, 2]);
    assert_eq!(proxy.max_in_flight(), 2);
    assert_eq!(proxy.upstream_times().len(), 3);
}

#[tokio::test]
async fn a_wrong_checksum_is_noticed() {
    let Some((proxy, ..)) = proxy("checksum").await else { return };
    let stream = TcpStream::connect(proxy.address).await.unwrap();
    let (mut sender, connection) = client::conn::http1::handshake(TokioIo::new(stream)).await.unwrap();
    tokio::spawn(connection);
    let request = Request::put("/checksum/a").header("host", "localhost").header("x-amz-checksum-sha256", "wrong");
    sender.send_request(request.body(Full::new(Bytes::from("x"))).unwrap()).await.unwrap();
    assert_eq!(proxy.calls().iter().map(|call| call.checksum_fits).collect::<Vec<_>>(), [false]);
}

#[test]
fn the_same_seed_means_the_same_faults() {
    let fates = |seed| {
        let network = Network { slow: 0.1, refused: 0.1, reset: 0.1, response_lost: 0.1, ..Network::default() };
        let mut state = State {
            upstream: String::new(),
            network,
            rng: fastrand::Rng::with_seed(seed),
            calls: Vec::new(),
            upstream_times: Vec::new(),
            round_trips: RoundTrips::default(),
            in_flight: 0,
            max_in_flight: 0,
        };
        let fate = |_| (state.fate(StorageOp::Put).fault.map(|fault| std::mem::discriminant(&fault)), state.rng.f64());
        (0..400).map(fate).collect::<Vec<_>>()
    };
    let failed = fates(1).iter().filter(|(fault, _)| fault.is_some()).count();
    assert!((80..160).contains(&failed), "{failed}");
    assert_eq!(fates(1), fates(1));
    assert_ne!(fates(1), fates(2));
}
