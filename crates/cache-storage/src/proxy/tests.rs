//! What a client sees of the bad network, and what is noted of its calls.

use cache_core::storage::{ObjectKey, PutMode, Storage, StorageError};

use super::*;
use crate::moto::Moto;
use crate::s3::S3;

/// A proxy in front of moto, with a storage behind it and one that is not; `None` when moto is not set up.
async fn proxy(bucket: &str) -> Option<(Proxy, S3, S3)> {
    let moto = Moto::shared()?;
    let proxy = Proxy::start(&moto.endpoint_url(), 7).await;
    let behind = moto.storage_at(proxy.endpoint_url(), bucket).await;
    proxy.reset();
    Some((proxy, behind, moto.storage(bucket).await))
}

fn key() -> ObjectKey {
    "a/b".parse().unwrap()
}

/// Puts an object through this network: it fails after three attempts, and is there or not.
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
async fn a_lost_reply_leaves_the_effect() {
    check_fails("reply-lost", Network { reply_lost: 1.0, ..Network::default() }, true).await;
}

#[tokio::test]
async fn a_read_has_no_reply_that_could_be_lost() {
    let Some((proxy, behind, _)) = proxy("reads").await else { return };
    proxy.set(Network { reply_lost: 1.0, ..Network::default() });
    assert_eq!(behind.get(&key(), None).await.unwrap(), None);
}

#[tokio::test]
async fn calls_are_noted_with_their_round() {
    let Some((proxy, behind, _)) = proxy("noted").await else { return };
    // Long enough for both calls of the second round to begin before one of them ends.
    proxy.set(Network { delay: Duration::from_millis(100), ..Network::default() });
    behind.put(&key(), "four".into(), PutMode::Create).await.unwrap();
    let (read, head) = (key(), "c".parse().unwrap());
    let (got, missed) = tokio::join!(behind.get(&read, None), behind.head(&head));
    assert_eq!((got.unwrap().unwrap().bytes, missed.unwrap()), ("four".into(), None));
    let calls = proxy.calls();
    let put = &calls[0];
    assert_eq!((put.round, put.verb, put.size, put.checksum_fits), (1, Verb::Put, 4, true));
    assert!(put.target.starts_with("/noted/a/b"), "{}", put.target);
    assert_eq!(calls.iter().map(|call| call.round).collect::<Vec<_>>(), [1, 2, 2]);
    assert_eq!(proxy.most_in_flight(), 2);
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
        let network = Network { slow: 0.1, refused: 0.1, reset: 0.1, reply_lost: 0.1, ..Network::default() };
        let mut state = State {
            upstream: String::new(),
            network,
            dice: Dice::new(seed),
            calls: Vec::new(),
            rounds: Rounds::default(),
            in_flight: 0,
            most_in_flight: 0,
        };
        let fate = |_| (state.fate(Verb::Put).fault.map(|fault| std::mem::discriminant(&fault)), state.dice.fraction());
        (0..400).map(fate).collect::<Vec<_>>()
    };
    let failed = fates(1).iter().filter(|(fault, _)| fault.is_some()).count();
    assert!((80..160).contains(&failed), "{failed}");
    assert_eq!(fates(1), fates(1));
    assert_ne!(fates(1), fates(2));
}
