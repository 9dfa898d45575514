//! Objects in a bucket of Amazon S3, or of a server that speaks its protocol.
//!
//! A call is one request, unless it has to be retried: the SDK makes up to three attempts after 5xx, throttling, broken
//! connections, and 409. Each PUT carries the SHA-256 of its bytes, which S3 verifies. A [`Version`] is an ETag without
//! its quotes.
//!
//! A **failed precondition may be caused by an earlier attempt of the same call**: when a conditional PUT is applied,
//! its response is lost, and the SDK sends it again, S3 responds 412. Callers that must know compare what is stored
//! with what they wrote; this module cannot tell the two apart.
//!
//! The bucket must be a general purpose bucket (directory buckets do not list in key order). It is not created by
//! [`S3::open`], and a missing one shows with the first call.

use std::ops::Range;
use std::time::Duration;

use async_trait::async_trait;
use aws_sdk_s3::Client;
use aws_sdk_s3::operation::get_object::GetObjectOutput;
use aws_sdk_s3::primitives::DateTime;
use aws_sdk_s3::types::ChecksumMode;
use base64::Engine;
use base64::engine::general_purpose::STANDARD;
use bytes::Bytes;
use cache_core::digest::Sha256Digest;
use cache_core::error::error_chain;
use cache_core::storage::{
    GetOptions, GetResult, ListPage, ListRequest, Object, ObjectHead, ObjectKey, Presign, PutMode, Storage,
    StorageError, Version,
};
use cache_core::time::UnixMillis;

use crate::slice::slice_object;
use error::{Cause, S3Error};

mod connect;
mod environment;
mod error;
mod listing;
mod presign;
mod probe;
mod tls;

/// Which bucket, and how long to wait for it.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct S3Config {
    /// The bucket's name.
    pub bucket: String,
    /// Another server than AWS, with the bucket's name in the path. `None`: `AWS_ENDPOINT_URL`, else AWS.
    pub endpoint_url: Option<String>,
    /// `None`: the region of the environment, the profile or the machine, else `us-east-1`.
    pub region: Option<String>,
    /// How conditional writes name an ETag. [`S3::probe`] tests what a server needs.
    pub etag_quoting: ETagQuoting,
    /// For a quick start, as of a function: [`crate::open`] calls [`S3::warm_up`] in the background, and does not probe
    /// a server other than AWS. `etag_quoting` then has to fit that server.
    pub warm_up: bool,
    /// How long it may take to connect.
    pub connect_timeout: Duration,
    /// How long one attempt may take until its response begins.
    pub attempt_timeout: Duration,
    /// How long a call may take in all, including retries and the body of the response.
    pub operation_timeout: Duration,
}

/// How `If-Match` of a PUT carries an ETag.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub enum ETagQuoting {
    /// In quotes, as RFC 9110 and AWS have it.
    #[default]
    Quoted,
    /// Without quotes. Ceph 16 compares the header with the bare ETag.
    Unquoted,
}

impl S3Config {
    /// This bucket, with timeouts that fit a Lambda function: 1 s to connect, 4 s for an attempt, 10 s for a call.
    pub fn new(bucket: impl Into<String>) -> Self {
        Self {
            bucket: bucket.into(),
            endpoint_url: None,
            region: None,
            etag_quoting: ETagQuoting::Quoted,
            warm_up: false,
            connect_timeout: Duration::from_secs(1),
            attempt_timeout: Duration::from_secs(4),
            operation_timeout: Duration::from_secs(10),
        }
    }
}

/// Objects in a bucket. Clones share their connections.
#[derive(Debug, Clone)]
pub struct S3 {
    client: Client,
    bucket: String,
    is_aws: bool,
    etag_quoting: ETagQuoting,
    operation_timeout: Duration,
}

impl S3 {
    /// Creates a client with the credentials of the environment, the profile or the machine. Does not call S3.
    ///
    /// # Errors
    ///
    /// [`StorageError::Refused`] if there are no credentials.
    pub async fn open(config: S3Config) -> Result<Self, StorageError> {
        let client = connect::client(&config).await;
        let client = client.map_err(|err| err.into_storage_error(&config.bucket, &config.bucket))?;
        Ok(Self::with_client(client, config))
    }

    /// Creates a client with these credentials instead of those of the environment.
    ///
    /// # Panics
    ///
    /// If TLS cannot be used on this machine.
    #[cfg(any(test, feature = "testing"))]
    pub fn with_keys(config: S3Config, access_key_id: &str, secret_access_key: &str) -> Self {
        use environment::Environment;

        let client = connect::client_with_keys(&config, access_key_id, secret_access_key, &Environment::default());
        Self::with_client(client.expect("TLS works everywhere"), config)
    }

    /// Creates the bucket, unless it exists.
    ///
    /// # Errors
    ///
    /// As of every call.
    #[cfg(any(test, feature = "testing"))]
    pub async fn create_bucket(&self) -> Result<(), StorageError> {
        let request = self.client.create_bucket().bucket(&self.bucket);
        self.with_timeout("", async { Ok(request.send().await.map(drop)?) }).await
    }

    /// Opens the two connections that a retrieve needs, before the first retrieve has to wait for them. Failures are
    /// only logged: the call that needs a connection opens its own.
    pub async fn warm_up(&self) {
        let head_bucket = || self.client.head_bucket().bucket(&self.bucket).customize();
        let connect = || head_bucket().config_override(connect::without_retries()).send();
        let (first, second) = tokio::join!(connect(), connect());
        for response in [first, second] {
            match response {
                Ok(_) => tracing::debug!("a connection to the bucket is ready"),
                Err(error) => tracing::debug!("warming up: {}", error_chain(&error)),
            }
        }
    }

    /// Whether the endpoint is one of Amazon S3.
    pub fn is_aws(&self) -> bool {
        self.is_aws
    }

    /// How conditional writes name an ETag.
    pub fn etag_quoting(&self) -> ETagQuoting {
        self.etag_quoting
    }

    fn with_client(client: connect::S3Client, config: S3Config) -> Self {
        let S3Config { bucket, etag_quoting, operation_timeout, .. } = config;
        Self { client: client.client, bucket, is_aws: client.is_aws, etag_quoting, operation_timeout }
    }

    /// Waits for a call, at most for the operation timeout. The SDK's own timeout ends where the body of a response
    /// begins.
    fn with_timeout<T>(
        &self,
        key: &str,
        call: impl Future<Output = Result<T, S3Error>> + Send,
    ) -> impl Future<Output = Result<T, StorageError>> {
        self.within(self.operation_timeout, key, call)
    }

    async fn within<T>(
        &self,
        timeout: Duration,
        key: &str,
        call: impl Future<Output = Result<T, S3Error>> + Send,
    ) -> Result<T, StorageError> {
        // The SDK's futures are tens of kilobytes large; on the heap they do not enlarge those of all callers.
        let result = match tokio::time::timeout(timeout, Box::pin(call)).await {
            Ok(result) => result,
            Err(elapsed) => {
                let message = format!("no response from S3 within {timeout:?}");
                Err(S3Error::Unavailable(Cause::with_source(message, elapsed)))
            }
        };
        result.map_err(|err| err.into_storage_error(&self.bucket, key))
    }

    async fn get_object(&self, key: &ObjectKey, options: &GetOptions) -> Result<Option<GetResult>, S3Error> {
        // Quirk: the Range header cannot express "no bytes".
        if options.range.as_ref().is_some_and(Range::is_empty) {
            return self.get_no_bytes(key, options).await;
        }
        let request = self.client.get_object().bucket(&self.bucket).key(key.as_str());
        let request = request
            .set_range(options.range.as_ref().map(range_header))
            .set_if_none_match(options.if_none_match.as_ref().map(quoted));
        match request.send().await.map_err(S3Error::from) {
            Ok(response) => receive(response, options.range.as_ref()).await.map(GetResult::Object).map(Some),
            Err(S3Error::NotModified) => Ok(Some(GetResult::NotModified)),
            Err(S3Error::NoSuchKey) => Ok(None),
            // Quirk: a range that starts beyond the end is an error, and an empty object has no valid range at all.
            Err(S3Error::InvalidRange) => self.get_no_bytes(key, options).await,
            Err(err) => Err(err),
        }
    }

    /// No bytes of an object, but its size and version.
    async fn get_no_bytes(&self, key: &ObjectKey, options: &GetOptions) -> Result<Option<GetResult>, S3Error> {
        Ok(self.head_object(key).await?.map(|ObjectHead { size, version, .. }| {
            if options.if_none_match.as_ref() == Some(&version) {
                return GetResult::NotModified;
            }
            GetResult::Object(Object { bytes: Bytes::new(), size, version })
        }))
    }

    async fn head_object(&self, key: &ObjectKey) -> Result<Option<ObjectHead>, S3Error> {
        // Quirk: the response to a HEAD has no body, so in a missing bucket every object is merely missing.
        let request = self.client.head_object().bucket(&self.bucket).key(key.as_str());
        match request.checksum_mode(ChecksumMode::Enabled).send().await.map_err(S3Error::from) {
            Ok(head) => Ok(Some(ObjectHead {
                size: size(head.content_length),
                version: version(head.e_tag)?,
                sha256: head.checksum_sha256.as_deref().and_then(whole_object_sha256),
                modified: unix_millis(head.last_modified),
            })),
            Err(S3Error::NoSuchKey) => Ok(None),
            Err(err) => Err(err),
        }
    }

    async fn put_object(&self, key: &ObjectKey, bytes: Bytes, mode: PutMode) -> Result<Version, S3Error> {
        let checksum = STANDARD.encode(Sha256Digest::of(&bytes).as_bytes());
        let request = self.client.put_object().bucket(&self.bucket).key(key.as_str()).checksum_sha256(checksum);
        let is_conditional = mode != PutMode::Overwrite;
        let request = match mode {
            PutMode::Overwrite => request,
            PutMode::Create => request.if_none_match("*"),
            PutMode::Update(version) => request.if_match(self.etag_quoting.header(&version)),
        };
        let request = request.body(bytes.into());
        let response = match is_conditional {
            true => request.customize().config_override(connect::for_conditional_write()).send().await,
            false => request.send().await,
        };
        match response.map_err(S3Error::from) {
            Ok(response) => version(response.e_tag),
            // Quirk: If-Match on an absent key is 404, not 412.
            Err(S3Error::NoSuchKey) => Err(S3Error::PreconditionFailed),
            Err(err) => Err(err),
        }
    }

    async fn copy_object(&self, from: &ObjectKey, to: &ObjectKey, mode: PutMode) -> Result<Option<Version>, S3Error> {
        // Quirk: other servers than AWS ignore conditions of a copy.
        if !self.is_aws && !self.allows(to, &mode).await? {
            return Err(S3Error::PreconditionFailed);
        }
        let source = format!("{}/{}", self.bucket, percent_encoded(from.as_str()));
        let request = self.client.copy_object().bucket(&self.bucket).key(to.as_str()).copy_source(source);
        let is_update = matches!(mode, PutMode::Update(_));
        let request = match mode {
            PutMode::Overwrite => request,
            PutMode::Create => request.if_none_match("*"),
            PutMode::Update(version) => request.if_match(self.etag_quoting.header(&version)),
        };
        let response = request.customize().config_override(connect::for_copy()).send().await;
        match response.map_err(S3Error::from) {
            Ok(response) => version(response.copy_object_result.and_then(|result| result.e_tag)).map(Some),
            // Quirk: as of a PUT. If it was the source that is absent, the target is not what it was for long.
            Err(S3Error::NoSuchKey) if is_update => Err(S3Error::PreconditionFailed),
            Err(S3Error::NoSuchKey) => Ok(None),
            Err(err) => Err(err),
        }
    }

    /// Whether an object is as a mode requires it.
    async fn allows(&self, key: &ObjectKey, mode: &PutMode) -> Result<bool, S3Error> {
        Ok(match mode {
            PutMode::Overwrite => true,
            PutMode::Create => self.head_object(key).await?.is_none(),
            PutMode::Update(version) => self.head_object(key).await?.is_some_and(|head| head.version == *version),
        })
    }

    async fn delete_object(&self, key: &ObjectKey) -> Result<(), S3Error> {
        self.client.delete_object().bucket(&self.bucket).key(key.as_str()).send().await?;
        Ok(())
    }
}

#[async_trait]
impl Storage for S3 {
    async fn get(&self, key: &ObjectKey, options: &GetOptions) -> Result<Option<GetResult>, StorageError> {
        self.with_timeout(key.as_str(), self.get_object(key, options)).await
    }

    async fn head(&self, key: &ObjectKey) -> Result<Option<ObjectHead>, StorageError> {
        self.with_timeout(key.as_str(), self.head_object(key)).await
    }

    async fn put(&self, key: &ObjectKey, bytes: Bytes, mode: PutMode) -> Result<Version, StorageError> {
        self.with_timeout(key.as_str(), self.put_object(key, bytes, mode)).await
    }

    async fn copy(&self, from: &ObjectKey, to: &ObjectKey, mode: PutMode) -> Result<Option<Version>, StorageError> {
        let timeout = self.operation_timeout.max(connect::COPY_TIMEOUT);
        self.within(timeout, to.as_str(), self.copy_object(from, to, mode)).await
    }

    async fn delete(&self, key: &ObjectKey) -> Result<(), StorageError> {
        self.with_timeout(key.as_str(), self.delete_object(key)).await
    }

    async fn list(&self, request: &ListRequest) -> Result<ListPage, StorageError> {
        self.with_timeout(&request.prefix, self.list_objects(request)).await
    }

    fn seeks(&self) -> bool {
        true
    }

    fn presigner(&self) -> Option<&dyn Presign> {
        Some(self)
    }
}

impl ETagQuoting {
    /// The value of a PUT's `If-Match`.
    fn header(self, version: &Version) -> String {
        match self {
            Self::Quoted => quoted(version),
            Self::Unquoted => version.to_string(),
        }
    }
}

/// A key as it stands in a header.
fn percent_encoded(key: &str) -> String {
    let is_plain = |byte: u8| byte.is_ascii_alphanumeric() || b"-._~/".contains(&byte);
    key.bytes().map(|byte| if is_plain(byte) { char::from(byte).to_string() } else { format!("%{byte:02X}") }).collect()
}

fn quoted(version: &Version) -> String {
    format!("\"{version}\"")
}

/// The Range header. Quirk: its end is inclusive, and servers may read it as a signed number.
fn range_header(range: &Range<u64>) -> String {
    format!("bytes={}-{}", range.start, (range.end - 1).min(i64::MAX as u64))
}

/// Reads the body of a response.
async fn receive(response: GetObjectOutput, range: Option<&Range<u64>>) -> Result<Object, S3Error> {
    let version = version(response.e_tag)?;
    // For example `bytes 0-9/100`, and only if the response is partial.
    let whole_size = response.content_range.as_deref().and_then(|range| range.rsplit_once('/')?.1.parse().ok());
    let body = response.body.collect().await;
    let body = body.map_err(|err| S3Error::Unavailable(Cause::with_source("the response is incomplete", err)))?;
    let bytes = body.into_bytes();
    Ok(match whole_size {
        Some(size) => Object { bytes, size, version },
        // Quirk: a server may ignore the Range header.
        None => slice_object(bytes, version, range),
    })
}

fn size(content_length: Option<i64>) -> u64 {
    content_length.and_then(|length| u64::try_from(length).ok()).unwrap_or_default()
}

fn unix_millis(time: Option<DateTime>) -> UnixMillis {
    let millis = time.and_then(|time| time.to_millis().ok());
    UnixMillis::new(millis.and_then(|millis| u64::try_from(millis).ok()).unwrap_or_default())
}

/// The SHA-256 of the whole object. Quirk: of an object that was uploaded in parts it is a digest of their digests, and
/// ends with `-` and their number.
fn whole_object_sha256(checksum: &str) -> Option<Sha256Digest> {
    let bytes = STANDARD.decode(checksum).ok()?;
    bytes.try_into().ok().map(Sha256Digest::from_bytes)
}

fn version(etag: Option<String>) -> Result<Version, S3Error> {
    let etag = etag.ok_or_else(|| S3Error::Unavailable(Cause::new("S3 sent a response without an ETag")))?;
    Ok(unquoted(&etag))
}

/// An ETag without its quotes. Quirk: some servers leave them out in listings.
fn unquoted(etag: &str) -> Version {
    Version::new(etag.trim_matches('"'))
}

#[cfg(test)]
mod request_tests;
#[cfg(test)]
mod tests;
