//! Uploads: a large content is announced, sent to the URL in the response, and completed.

use std::io::Read as _;
use std::path::PathBuf;

use cache_api::entries::Store as Stored;
use cache_api::kinds::Strategy;
use cache_api::uploads::{NewUpload, SentUpload, UploadStarted, UploadType};
use http::{HeaderName, HeaderValue};
use sha2::{Digest, Sha256};

use crate::body::RequestBody;
use crate::call::Call;
use crate::error::{Error, Failure};
use crate::namespace::Namespace;
use crate::operations::{POST_UPLOAD, POST_UPLOAD_COMPLETE, PUT_UPLOAD_CONTENT};
use crate::selector::strategy_name;

/// How many bytes of a file are hashed at once.
const CHUNK_BYTES: usize = 1024 * 1024;

/// Where an entry is stored, and by what a repeat is known.
#[derive(Debug, Clone)]
pub(crate) struct Destination {
    pub(crate) strategy: Strategy,
    pub(crate) key: Option<String>,
    pub(crate) file_id: Option<String>,
    pub(crate) idempotency_key: Option<String>,
}

/// A content on its way to the storage.
pub(crate) struct Upload {
    pub(crate) namespace: Namespace,
    pub(crate) destination: Destination,
    pub(crate) kind: UploadType,
    pub(crate) sha256: String,
    pub(crate) body: RequestBody,
}

impl Upload {
    pub(crate) async fn send(self) -> Result<Stored, Error> {
        let Self { namespace, destination, kind, sha256, body } = self;
        let (size, strategy) = (body.len(), strategy_name(destination.strategy));
        let (cache_key, file_id) = (destination.key.map(Into::into), destination.file_id.map(Into::into));
        let sha256: cache_api::names::Sha256Digest = sha256.into();
        let announced = NewUpload {
            data_type: kind,
            sha256: sha256.clone(),
            size,
            cache_key: cache_key.clone(),
            file_id: file_id.clone(),
        };
        let mut call = namespace.call(&POST_UPLOAD, &[strategy])?;
        if let Some(key) = &destination.idempotency_key {
            call = call.idempotency_key(key)?;
        }
        let started: UploadStarted = namespace.json(&call.json(&announced)?).await?;
        let client = namespace.client();
        let mut put = Call::at(&PUT_UPLOAD_CONTENT, started.url);
        put.body = body;
        for (name, value) in &started.headers {
            let header = (name.parse::<HeaderName>(), HeaderValue::from_str(value));
            let (Ok(name), Ok(value)) = header else {
                return Err(Error::Protocol(Failure::new("an upload", format!("the header {name} cannot be sent"))));
            };
            put = put.header(name, value);
        }
        match client.transfer(&put).await {
            Ok(()) => {}
            // An attempt whose answer was lost, or an earlier upload with the same `Idempotency-Key`: the content is there.
            Err(Error::Conflict(_)) => {}
            Err(error) => return Err(error),
        }
        let sent = SentUpload { upload_id: started.upload_id, data_type: kind, sha256, size, cache_key, file_id };
        let mut complete = namespace.call(&POST_UPLOAD_COMPLETE, &[strategy])?.json(&sent)?;
        complete.copied_bytes = size;
        namespace.json(&complete).await
    }
}

/// SHA-256 of a file in 64 hex digits, as [`EntryInfo::sha256`](crate::EntryInfo::sha256) has it.
///
/// # Errors
///
/// When the file cannot be read.
pub async fn sha256_of_file(path: PathBuf) -> Result<String, Error> {
    let shown = path.clone();
    let hash = move || -> std::io::Result<String> {
        let (mut file, mut hasher) = (std::fs::File::open(path)?, Sha256::new());
        let mut chunk = vec![0; CHUNK_BYTES];
        loop {
            match file.read(&mut chunk)? {
                0 => return Ok(hex::encode(hasher.finalize())),
                read => hasher.update(&chunk[..read]),
            }
        }
    };
    // Off the threads of the runtime.
    let hashed = tokio::task::spawn_blocking(hash).await.unwrap_or_else(|error| Err(std::io::Error::other(error)));
    hashed.map_err(|error| Error::file(&shown, "hashing a file", error))
}
