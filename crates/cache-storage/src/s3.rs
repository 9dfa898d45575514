//! Objects in a bucket of Amazon S3, or of a server that speaks its protocol.
//!
//! Every call is one request, unless it has to be repeated: the SDK tries up to three times after 5xx, throttling, a
//! connection that breaks, and 409. Each PUT carries the SHA-256 of its bytes, which S3 verifies. A [`Version`] is an ETag.
//!
//! A **conflict may be one's own doing**: when a conditional PUT lands, its reply is lost, and the SDK sends it again, S3
//! answers 412. Callers that must know compare what is stored with what they wrote; nothing here can tell the two apart.
//!
//! The bucket must be a general purpose bucket (directory buckets do not list in key order). It is not made at open, and
//! a missing one shows with the first call.

use std::ops::Range;
use std::time::Duration;

use async_trait::async_trait;
use aws_sdk_s3::Client;
use aws_sdk_s3::operation::get_object::GetObjectOutput;
use aws_sdk_s3::operation::list_objects_v2::ListObjectsV2Output;
use aws_sdk_s3::primitives::DateTime;
use aws_sdk_s3::types::ChecksumMode;
use base64::Engine;
use base64::engine::general_purpose::STANDARD;
use bytes::Bytes;
use cache_core::content::Digest;
use cache_core::storage::{
    ListPage, ListRequest, ListedObject, Object, ObjectHead, ObjectKey, Presign, PutMode, Storage, StorageError,
    Version,
};

use crate::part::part;
use trouble::{Trouble, with_causes};

mod connect;
mod environment;
mod presign;
mod trouble;
mod trust;

/// S3 lists at most this many keys and folders at once.
const MOST_LISTED: usize = 1000;

/// Which bucket, and how long to wait for it.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct S3Config {
    /// The bucket's name.
    pub bucket: String,
    /// Another server than AWS, with the bucket's name in the path. `None`: what `AWS_ENDPOINT_URL` says, else AWS.
    pub endpoint_url: Option<String>,
    /// `None`: what the environment, the profile or the machine says, else `us-east-1`.
    pub region: Option<String>,
    /// How long making a connection may take.
    pub connect_timeout: Duration,
    /// How long one request may take until its answer begins.
    pub attempt_timeout: Duration,
    /// How long a call may take in all, with its repetitions and until the last byte.
    pub operation_timeout: Duration,
}

impl S3Config {
    /// This bucket, with the timeouts that fit a Lambda function: 1 s to connect, 4 s for a request, 10 s for a call.
    pub fn new(bucket: impl Into<String>) -> Self {
        Self {
            bucket: bucket.into(),
            endpoint_url: None,
            region: None,
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
    operation_timeout: Duration,
}

impl S3 {
    /// Prepares a client, with the credentials that the environment, the profile or the machine provides. Does not call S3.
    ///
    /// # Errors
    ///
    /// [`StorageError::Refused`] when there are no credentials.
    pub async fn open(config: S3Config) -> Result<Self, StorageError> {
        let client = connect::client(&config).await.map_err(|trouble| trouble.about(&config.bucket, &config.bucket))?;
        Ok(Self::with_client(client, config))
    }

    /// A client with these credentials, whatever the surroundings provide.
    #[cfg(any(test, feature = "testing"))]
    pub(crate) fn with_keys(config: S3Config, access_key_id: &str, secret_access_key: &str) -> Self {
        use environment::Environment;

        let client = connect::client_with_keys(&config, access_key_id, secret_access_key, &Environment::default());
        Self::with_client(client.expect("TLS works everywhere"), config)
    }

    /// Makes the bucket, unless it is there.
    #[cfg(any(test, feature = "testing"))]
    pub(crate) async fn make_bucket(&self) -> Result<(), StorageError> {
        let request = self.client.create_bucket().bucket(&self.bucket);
        self.within_deadline("", async { Ok(request.send().await.map(drop)?) }).await
    }

    /// Makes the two connections that a retrieve needs, before the first one has to wait for them. What goes wrong is no
    /// error: the call that needs a connection makes its own.
    pub async fn warm_up(&self) {
        let connect =
            || self.client.head_bucket().bucket(&self.bucket).customize().config_override(connect::once()).send();
        let (first, second) = tokio::join!(connect(), connect());
        for answer in [first, second] {
            match answer {
                Ok(_) => tracing::debug!("a connection to the bucket is ready"),
                Err(error) => tracing::debug!("warming up: {}", with_causes(&error)),
            }
        }
    }

    fn with_client(client: Client, config: S3Config) -> Self {
        Self { client, bucket: config.bucket, operation_timeout: config.operation_timeout }
    }

    /// Waits for a call, but no longer than the deadline. The SDK's own one ends where the body of an answer begins.
    async fn within_deadline<T>(
        &self,
        name: &str,
        call: impl Future<Output = Result<T, Trouble>> + Send,
    ) -> Result<T, StorageError> {
        // The SDK's futures are tens of kilobytes large; on the heap they do not swell those of all callers.
        let done = match tokio::time::timeout(self.operation_timeout, Box::pin(call)).await {
            Ok(done) => done,
            Err(_) => Err(Trouble::Unavailable(format!("no answer within {:?}", self.operation_timeout))),
        };
        done.map_err(|trouble| trouble.about(&self.bucket, name))
    }

    async fn fetch(&self, key: &ObjectKey, range: Option<Range<u64>>) -> Result<Option<Object>, Trouble> {
        // Quirk: the Range header cannot say "no bytes".
        if range.as_ref().is_some_and(Range::is_empty) {
            return self.fetch_nothing(key).await;
        }
        // Quirk: its end is inclusive, and servers may read it as a signed number.
        let last = |range: &Range<u64>| (range.end - 1).min(i64::MAX as u64);
        let header = range.as_ref().map(|range| format!("bytes={}-{}", range.start, last(range)));
        let request = self.client.get_object().bucket(&self.bucket).key(key.as_str()).set_range(header);
        match request.send().await.map_err(Trouble::from) {
            Ok(answer) => received(answer, range).await.map(Some),
            Err(Trouble::NoSuchObject) => Ok(None),
            // Quirk: a range that starts beyond the end is an error, and an empty object has no valid range at all.
            Err(Trouble::RangeBeyondEnd) => self.fetch_nothing(key).await,
            Err(trouble) => Err(trouble),
        }
    }

    /// No bytes of an object, but its size and version.
    async fn fetch_nothing(&self, key: &ObjectKey) -> Result<Option<Object>, Trouble> {
        let head = self.fetch_head(key).await?;
        Ok(head.map(|head| Object { bytes: Bytes::new(), size: head.size, version: head.version }))
    }

    async fn fetch_head(&self, key: &ObjectKey) -> Result<Option<ObjectHead>, Trouble> {
        // Quirk: a HEAD has no body, so in a missing bucket every object is merely missing.
        let request = self.client.head_object().bucket(&self.bucket).key(key.as_str());
        match request.checksum_mode(ChecksumMode::Enabled).send().await.map_err(Trouble::from) {
            Ok(head) => Ok(Some(ObjectHead {
                size: size(head.content_length),
                version: version(head.e_tag)?,
                sha256: head.checksum_sha256.as_deref().and_then(digest),
                modified_ms: milliseconds(head.last_modified),
            })),
            Err(Trouble::NoSuchObject) => Ok(None),
            Err(trouble) => Err(trouble),
        }
    }

    async fn store(&self, key: &ObjectKey, bytes: Bytes, mode: PutMode) -> Result<Version, Trouble> {
        let checksum = STANDARD.encode(Digest::of(&bytes).as_bytes());
        let request = self.client.put_object().bucket(&self.bucket).key(key.as_str()).checksum_sha256(checksum);
        let request = match mode {
            PutMode::Overwrite => request,
            PutMode::Create => request.if_none_match("*"),
            PutMode::Replace(Version(etag)) => request.if_match(etag),
        };
        match request.body(bytes.into()).send().await.map_err(Trouble::from) {
            Ok(stored) => version(stored.e_tag),
            // Quirk: If-Match on an absent key is 404, not 412.
            Err(Trouble::NoSuchObject) => Err(Trouble::ConditionFailed),
            Err(trouble) => Err(trouble),
        }
    }

    async fn fetch_page(&self, request: &ListRequest) -> Result<ListPage, Trouble> {
        let answer = self
            .client
            .list_objects_v2()
            .bucket(&self.bucket)
            .prefix(&request.prefix)
            .set_start_after(start_after(request))
            .set_delimiter(request.delimiter.then(|| "/".to_owned()))
            // At most a thousand, so no bits are lost.
            .max_keys(request.limit.clamp(1, MOST_LISTED) as i32)
            .send()
            .await?;
        Ok(page(answer))
    }
}

#[async_trait]
impl Storage for S3 {
    async fn get(&self, key: &ObjectKey, range: Option<Range<u64>>) -> Result<Option<Object>, StorageError> {
        self.within_deadline(key.as_str(), self.fetch(key, range)).await
    }

    async fn head(&self, key: &ObjectKey) -> Result<Option<ObjectHead>, StorageError> {
        self.within_deadline(key.as_str(), self.fetch_head(key)).await
    }

    async fn put(&self, key: &ObjectKey, bytes: Bytes, mode: PutMode) -> Result<Version, StorageError> {
        self.within_deadline(key.as_str(), self.store(key, bytes, mode)).await
    }

    async fn delete(&self, key: &ObjectKey) -> Result<(), StorageError> {
        let request = self.client.delete_object().bucket(&self.bucket).key(key.as_str());
        self.within_deadline(key.as_str(), async { Ok(request.send().await.map(drop)?) }).await
    }

    async fn list(&self, request: &ListRequest) -> Result<ListPage, StorageError> {
        self.within_deadline(&request.prefix, self.fetch_page(request)).await
    }

    fn presigner(&self) -> Option<&dyn Presign> {
        Some(self)
    }
}

/// The object of an answer whose body is still on its way.
async fn received(answer: GetObjectOutput, range: Option<Range<u64>>) -> Result<Object, Trouble> {
    let version = version(answer.e_tag)?;
    // Such as `bytes 0-9/100`, and only when the answer is a part.
    let whole_size = answer.content_range.as_deref().and_then(|range| range.rsplit_once('/')?.1.parse().ok());
    let body =
        answer.body.collect().await.map_err(|err| Trouble::Unavailable(format!("the answer broke off: {err}")))?;
    let bytes = body.into_bytes();
    Ok(match whole_size {
        Some(size) => Object { bytes, size, version },
        // Quirk: a server may ignore the Range header.
        None => part(bytes, version, range),
    })
}

/// Where S3 is to begin.
fn start_after(request: &ListRequest) -> Option<String> {
    match &request.start_after {
        // Quirk: S3 would list a folder again because of the keys in it. Nothing in it comes after the last character that
        // there is (keys with this very character aside, which no name of the cache can have).
        Some(folder) if request.delimiter && folder.ends_with('/') => Some(format!("{folder}{}", char::MAX)),
        Some(key) => Some(key.clone()),
        // Quirk: S3's console makes folders by writing an empty object whose key ends with `/`. It would come first here,
        // and as the end of a page of one it would be taken for the folder, which the next page is to skip.
        None if request.prefix.ends_with('/') => Some(request.prefix.clone()),
        None => None,
    }
}

fn page(answer: ListObjectsV2Output) -> ListPage {
    // Both lists are in order, so the greater one of their ends is the end of all.
    let last_key = answer.contents().last().and_then(|object| object.key());
    let last_folder = answer.common_prefixes().last().and_then(|folder| folder.prefix());
    let next = last_key.max(last_folder).map(str::to_owned).filter(|_| answer.is_truncated == Some(true));
    let listed = |object: aws_sdk_s3::types::Object| {
        let modified_ms = milliseconds(object.last_modified);
        // The console's folders, as above, are no objects.
        let key = object.key.filter(|key| !key.ends_with('/'))?;
        Some(ListedObject { key, size: size(object.size), modified_ms })
    };
    ListPage {
        objects: answer.contents.unwrap_or_default().into_iter().filter_map(listed).collect(),
        folders: answer.common_prefixes.unwrap_or_default().into_iter().filter_map(|folder| folder.prefix).collect(),
        next,
    }
}

fn size(content_length: Option<i64>) -> u64 {
    content_length.and_then(|length| u64::try_from(length).ok()).unwrap_or_default()
}

fn milliseconds(time: Option<DateTime>) -> u64 {
    let ms = time.and_then(|time| time.to_millis().ok());
    ms.and_then(|ms| u64::try_from(ms).ok()).unwrap_or_default()
}

/// The SHA-256 of the whole object. Quirk: of an object that was uploaded in parts it is one of their digests, with a `-`.
fn digest(checksum: &str) -> Option<Digest> {
    let bytes = STANDARD.decode(checksum).ok()?;
    bytes.try_into().ok().map(Digest::from_bytes)
}

fn version(etag: Option<String>) -> Result<Version, Trouble> {
    etag.map(Version).ok_or_else(|| Trouble::Unavailable("an answer without an ETag".to_owned()))
}

#[cfg(test)]
mod presign_tests;
#[cfg(test)]
mod tests;
#[cfg(test)]
mod wire;

#[cfg(test)]
crate::conformance!(let Some(moto) = crate::moto::Moto::shared(); moto.storage("conformance").await);
