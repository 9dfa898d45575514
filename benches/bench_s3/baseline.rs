//! The same S3 calls without a service: the SDK's client with the service's settings, and nothing around it.

use std::sync::atomic::{AtomicUsize, Ordering};
use std::time::{Duration, Instant};

use aws_sdk_s3::Client;
use aws_sdk_s3::config::{
    BehaviorVersion, Config, Credentials, Region, RequestChecksumCalculation, ResponseChecksumValidation,
};
use aws_smithy_http_client::tls::{Provider, rustls_provider::CryptoMode};
use base64::Engine;
use base64::prelude::BASE64_STANDARD;
use cache_storage::operation::StorageOp;
use cache_testing::faulty_proxy::Call;
use futures::future::join_all;
use percent_encoding::percent_decode_str;
use sha2::{Digest, Sha256};

/// A client that repeats what another one did.
pub struct Baseline {
    client: Client,
    bucket: String,
    /// How many keys it has written: each is a new one.
    written: AtomicUsize,
}

impl Baseline {
    /// A client of the bucket at this address.
    pub fn new(endpoint_url: &str, bucket: &str) -> Self {
        let http =
            aws_smithy_http_client::Builder::new().tls_provider(Provider::Rustls(CryptoMode::Ring)).build_https();
        let config = Config::builder()
            .behavior_version(BehaviorVersion::v2026_01_12())
            .http_client(http)
            .credentials_provider(Credentials::new("test", "test", None, None, "given"))
            .region(Region::from_static("us-east-1"))
            .endpoint_url(endpoint_url)
            .force_path_style(true)
            .request_checksum_calculation(RequestChecksumCalculation::WhenRequired)
            .response_checksum_validation(ResponseChecksumValidation::WhenRequired)
            .build();
        Self { client: Client::from_conf(config), bucket: bucket.to_owned(), written: AtomicUsize::new(0) }
    }

    /// Makes these calls in the rounds in which they came, and returns how long it took.
    pub async fn repeat(&self, calls: &[Call]) -> Duration {
        let started = Instant::now();
        for round in calls.chunk_by(|one, other| one.round_trip == other.round_trip) {
            join_all(round.iter().map(|call| self.call(call))).await;
        }
        started.elapsed()
    }

    /// Reads what was read, and writes as much as was written: under a new key, for the old ones are taken.
    async fn call(&self, call: &Call) {
        let (path, query) = call.target.split_once('?').unwrap_or((&call.target, ""));
        let path = percent_decode_str(path).decode_utf8_lossy();
        let key = path.strip_prefix(&format!("/{}/", self.bucket)).unwrap_or_default();
        let number = self.written.fetch_add(1, Ordering::Relaxed);
        match call.operation {
            // A miss is a round trip, too.
            StorageOp::Get => {
                if let Ok(found) = self.client.get_object().bucket(&self.bucket).key(key).send().await {
                    found.body.collect().await.unwrap();
                }
            }
            StorageOp::Head => drop(self.client.head_object().bucket(&self.bucket).key(key).send().await),
            StorageOp::Put => self.put(&format!("bare/{number}"), call.size).await,
            StorageOp::Delete => drop(self.client.delete_object().bucket(&self.bucket).key(key).send().await.unwrap()),
            StorageOp::List => self.list(query).await,
        }
    }

    /// Writes an object of so many bytes.
    pub async fn put(&self, key: &str, size: usize) {
        let body = vec![b'x'; size];
        let checksum = BASE64_STANDARD.encode(Sha256::digest(&body));
        let request = self.client.put_object().bucket(&self.bucket).key(key).checksum_sha256(checksum);
        request.if_none_match("*").body(body.into()).send().await.unwrap();
    }

    async fn list(&self, query: &str) {
        let value = |name: &str| {
            let raw = query.split('&').find_map(|pair| pair.strip_prefix(name)?.strip_prefix('='))?;
            Some(percent_decode_str(raw).decode_utf8_lossy().into_owned())
        };
        let request = self.client.list_objects_v2().bucket(&self.bucket);
        let request = request.set_prefix(value("prefix")).set_delimiter(value("delimiter"));
        request.set_start_after(value("start-after")).send().await.unwrap();
    }
}
