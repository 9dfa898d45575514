//! The S3 server that tests use: [`Moto`], or one that the environment names.
//!
//! `MGRAPH_S3_ENDPOINT` is the URL of one's own, with the credentials in `AWS_ACCESS_KEY_ID` and `AWS_SECRET_ACCESS_KEY`.
//! `make test-s3-engines` runs the tests with several.

use std::collections::HashSet;
use std::env;
use std::process;
use std::sync::OnceLock;

use cache_storage::s3::{ETagQuoting, S3, S3Config};
use tokio::sync::{Mutex, OnceCell};

use crate::moto::Moto;

/// The key of moto, which accepts any.
const MOTO_KEY: &str = "test";

/// A server that runs as long as the tests of this process.
#[derive(Debug)]
pub struct S3Server {
    endpoint_url: String,
    access_key_id: String,
    secret_access_key: String,
    /// Ends with this value; `None` if it is not ours.
    moto: Option<Moto>,
    /// The buckets that exist, by the names in tests.
    buckets: Mutex<HashSet<String>>,
    /// What the probe has found, once for all tests.
    etag_quoting: OnceCell<ETagQuoting>,
}

impl S3Server {
    /// The server that all tests of this process share; `None`, and a line with the reason, if there is none.
    pub fn shared() -> Option<&'static Self> {
        static SHARED: OnceLock<Option<S3Server>> = OnceLock::new();
        SHARED.get_or_init(|| Self::of_environment().or_else(Self::moto)).as_ref()
    }

    fn of_environment() -> Option<Self> {
        let variable = |name: &str| env::var(name).unwrap_or_default();
        Some(Self {
            endpoint_url: env::var("MGRAPH_S3_ENDPOINT").ok()?,
            access_key_id: variable("AWS_ACCESS_KEY_ID"),
            secret_access_key: variable("AWS_SECRET_ACCESS_KEY"),
            moto: None,
            buckets: Mutex::default(),
            etag_quoting: OnceCell::new(),
        })
    }

    fn moto() -> Option<Self> {
        let moto = Moto::start()?;
        Some(Self {
            endpoint_url: moto.endpoint_url(),
            access_key_id: MOTO_KEY.to_owned(),
            secret_access_key: MOTO_KEY.to_owned(),
            moto: Some(moto),
            buckets: Mutex::default(),
            etag_quoting: OnceCell::new(),
        })
    }

    /// The URL of the server.
    pub fn endpoint_url(&self) -> String {
        self.endpoint_url.clone()
    }

    /// The environment variables with which another process uses the server as its S3. The endpoint comes first.
    pub fn environment(&self) -> [(&'static str, String); 4] {
        [
            ("AWS_ENDPOINT_URL", self.endpoint_url()),
            ("AWS_ACCESS_KEY_ID", self.access_key_id.clone()),
            ("AWS_SECRET_ACCESS_KEY", self.secret_access_key.clone()),
            ("AWS_REGION", "us-east-1".to_owned()),
        ]
    }

    /// The bucket of this name, which is created if it does not exist. A server that outlives the process has one for each.
    ///
    /// # Panics
    ///
    /// If the server refuses to create it.
    pub async fn bucket(&self, name: &str) -> String {
        let bucket = match self.moto {
            Some(_) => name.to_owned(),
            None => format!("{name}-{}", process::id()),
        };
        // Locked until the bucket exists, since others may wait for the same one.
        let mut buckets = self.buckets.lock().await;
        if buckets.insert(name.to_owned()) {
            let created = self.own_client(&bucket).create_bucket().await;
            created.unwrap_or_else(|error| panic!("the bucket {bucket} is not created: {error:?}"));
        }
        bucket
    }

    /// A storage in this bucket, which is created if it does not exist.
    ///
    /// # Panics
    ///
    /// If the server refuses to create the bucket, or is not fit for the cache.
    pub async fn storage(&self, bucket: &str) -> S3 {
        self.storage_at(self.endpoint_url(), bucket).await
    }

    /// As [`S3Server::storage`], through another URL that leads to this server.
    ///
    /// # Panics
    ///
    /// As [`S3Server::storage`].
    pub async fn storage_at(&self, endpoint_url: String, bucket: &str) -> S3 {
        let bucket = self.bucket(bucket).await;
        let etag_quoting = match self.moto {
            Some(_) => ETagQuoting::Quoted,
            None => *self.etag_quoting.get_or_init(|| self.probe(&bucket)).await,
        };
        self.client(S3Config { endpoint_url: Some(endpoint_url), etag_quoting, ..S3Config::new(bucket) })
    }

    async fn probe(&self, bucket: &str) -> ETagQuoting {
        let probed = self.own_client(bucket).probe().await;
        probed.unwrap_or_else(|error| panic!("the server is not fit: {error:?}")).etag_quoting()
    }

    fn own_client(&self, bucket: &str) -> S3 {
        self.client(S3Config { endpoint_url: Some(self.endpoint_url()), ..S3Config::new(bucket) })
    }

    fn client(&self, config: S3Config) -> S3 {
        S3::with_keys(config, &self.access_key_id, &self.secret_access_key)
    }
}
