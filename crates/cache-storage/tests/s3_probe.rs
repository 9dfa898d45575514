//! The probe, against servers that speak S3's protocol.

#![allow(clippy::unwrap_used, reason = "a test panics where it fails")]

use std::error::Error;
use std::iter::successors;

use cache_core::storage::StorageError;
use cache_storage::s3::{ETagQuoting, S3, S3Config};
use cache_testing::fake_s3::{FakeS3, Quirks};
use cache_testing::s3_server::S3Server;

async fn probe(quirks: Quirks, etag_quoting: ETagQuoting) -> (Result<S3, StorageError>, FakeS3) {
    let fake = FakeS3::start(quirks).await;
    let config = S3Config { endpoint_url: Some(fake.endpoint_url()), etag_quoting, ..S3Config::new("bucket") };
    (S3::with_keys(config, "id", "secret").probe().await, fake)
}

/// Probes such a server, and expects it to be refused with this reason.
async fn assert_refused(quirks: Quirks, reason: &str) {
    let (probed, fake) = probe(quirks, ETagQuoting::default()).await;
    let err = probed.unwrap_err();
    assert!(matches!(err, StorageError::Refused { .. }), "{err:?}");
    let sources: Vec<_> =
        successors(Some(&err as &dyn Error), |err| (*err).source()).map(ToString::to_string).collect();
    assert!(sources.iter().any(|source| source.contains(reason)), "{sources:?}");
    assert_eq!(fake.paths(), [""; 0], "the probe leaves nothing behind");
}

#[tokio::test]
async fn a_server_like_s3_is_used_with_quotes() {
    for configured in [ETagQuoting::Quoted, ETagQuoting::Unquoted] {
        let (probed, fake) = probe(Quirks::default(), configured).await;
        assert_eq!(probed.unwrap().etag_quoting(), ETagQuoting::Quoted);
        assert_eq!(fake.paths(), [""; 0], "the probe leaves nothing behind");
    }
}

#[tokio::test]
async fn a_server_that_compares_unquoted_is_used_without_quotes() {
    let (probed, _) = probe(Quirks { compares_unquoted: true, ..Quirks::default() }, ETagQuoting::Quoted).await;
    assert_eq!(probed.unwrap().etag_quoting(), ETagQuoting::Unquoted);
}

#[tokio::test]
async fn a_server_that_ignores_a_condition_is_refused() {
    let ignoring = |quirk: fn(&mut Quirks)| {
        let mut quirks = Quirks::default();
        quirk(&mut quirks);
        quirks
    };
    let lost = "If-Match of a PUT is ignored, so concurrent changes are lost";
    assert_refused(ignoring(|quirks| quirks.ignores_if_match = true), lost).await;
    let overwritten = "If-None-Match: * of a PUT is ignored";
    assert_refused(ignoring(|quirks| quirks.ignores_if_none_match = true), overwritten).await;
    let comes_back = "a deleted object comes back";
    assert_refused(ignoring(|quirks| quirks.ignores_if_match_of_absent = true), comes_back).await;
    assert_refused(ignoring(|quirks| quirks.lacks_if_match = true), "S3 responded 501 NotImplemented").await;
}

#[tokio::test]
async fn a_server_that_checks_and_then_writes_is_refused() {
    let creates = Quirks { checks_then_creates: true, ..Quirks::default() };
    assert_refused(creates, "8 of 8 concurrent creates of one object succeeded").await;
    let updates = Quirks { checks_then_updates: true, ..Quirks::default() };
    assert_refused(updates, "8 of 8 concurrent updates of one ETag succeeded").await;
}

#[tokio::test]
async fn a_server_that_does_not_respond_is_unavailable() {
    let config = S3Config { endpoint_url: Some("http://127.0.0.1:1".to_owned()), ..S3Config::new("bucket") };
    let probed = S3::with_keys(config, "id", "secret").probe().await;
    assert!(matches!(probed, Err(StorageError::Unavailable { .. })), "{probed:?}");
}

#[tokio::test]
async fn moto_passes_the_probe() {
    let Some(server) = S3Server::shared() else { return };
    let probed = server.storage("probed").await.probe().await.unwrap();
    assert_eq!(probed.etag_quoting(), ETagQuoting::Quoted);
}
