//! Stores: a new entry, from a text, a value, bytes or a file.

use std::path::PathBuf;
use std::sync::Arc;
use std::time::Duration;

use bytes::Bytes;
use cache_api::kinds::Strategy;
use cache_api::uploads::UploadType;
use http::{HeaderValue, header};
use serde::Serialize;
use serde_json::value::RawValue;

use crate::body::RequestBody;
use crate::call::{Call, to_json, without_white_space};
use crate::error::Error;
use crate::names;
use crate::namespace::Namespace;
use crate::operations::{
    POST_STORE_BINARY, POST_STORE_BINARY_UNDER_KEY, POST_STORE_JSON, POST_STORE_JSON_UNDER_KEY, POST_STORE_STRING,
    POST_STORE_STRING_UNDER_KEY,
};
use crate::progress::Progress;
use crate::retrieved::{GZIP, sha256_hex, wrong_bytes};
use crate::selector::strategy_name;
use crate::upload::{self, Destination, Upload};

pub use cache_api::entries::Store as Stored;

/// Contents above this go to the storage directly, in bytes: what a Lambda function takes in one request, as base64.
pub const MAX_DIRECT_STORE_BYTES: u64 = 4_000_000;

/// A store that is being described. It carries an `Idempotency-Key`, so it is one entry however often it is sent.
#[derive(Debug)]
#[must_use = "end it with `send`"]
pub struct Store {
    namespace: Namespace,
    content: Result<Source, Error>,
    options: Options,
    progress: Arc<Progress>,
}

#[derive(Debug)]
enum Source {
    Text(Bytes),
    Json(Bytes),
    Binary(Bytes),
    File { path: PathBuf, is_text: bool },
}

/// What a store may be asked for beside its content.
#[derive(Debug, Clone)]
struct Options {
    destination: Destination,
    ttl: Option<Duration>,
    if_absent: bool,
    hash_field: Option<String>,
    is_gzip: bool,
}

impl Namespace {
    /// Stores a text.
    pub fn store_text(&self, text: impl Into<String>) -> Store {
        Store::new(self.clone(), Ok(Source::Text(text.into().into())))
    }

    /// Stores bytes.
    pub fn store_bytes(&self, bytes: impl Into<Bytes>) -> Store {
        Store::new(self.clone(), Ok(Source::Binary(bytes.into())))
    }

    /// Stores a value as JSON. The service takes objects: a map or a struct, no list and no number.
    pub fn store_json<T: Serialize + ?Sized>(&self, value: &T) -> Store {
        Store::new(self.clone(), to_json(value).map(|json| Source::Json(json.into())))
    }

    /// Stores a JSON text, in its spelling of numbers and order of keys. White space between them does not count.
    pub fn store_json_text(&self, text: &RawValue) -> Store {
        Store::new(self.clone(), Ok(Source::Json(without_white_space(text).into())))
    }

    /// Stores a file as bytes. A large one goes to the storage directly.
    pub fn store_file(&self, path: impl Into<PathBuf>) -> Store {
        Store::new(self.clone(), Ok(Source::File { path: path.into(), is_text: false }))
    }
}

impl Store {
    fn new(namespace: Namespace, content: Result<Source, Error>) -> Self {
        let options = Options {
            destination: Destination { strategy: Strategy::Direct, key: None, file_id: None, idempotency_key: None },
            ttl: None,
            if_absent: false,
            hash_field: None,
            is_gzip: false,
        };
        Self { namespace, content, options, progress: Arc::default() }
    }

    /// How the entry can be found beside its id and hash. [`Strategy::Direct`] without it.
    pub fn strategy(mut self, strategy: Strategy) -> Self {
        self.options.destination.strategy = strategy;
        self
    }

    /// The key to store under, such as `users/ada`.
    pub fn key(mut self, key: impl Into<String>) -> Self {
        self.options.destination.key = Some(key.into());
        self
    }

    /// The name under the key. With it, each store is a new version, and can be read by [`Selector::key`](crate::Selector::key).
    pub fn file_id(mut self, file_id: impl Into<String>) -> Self {
        self.options.destination.file_id = Some(file_id.into());
        self
    }

    /// Ends the entry sooner than its namespace says. Whole seconds, rounded up.
    pub fn ttl(mut self, ttl: Duration) -> Self {
        self.options.ttl = Some(ttl);
        self
    }

    /// Stores only if there is no live version under the key and file id; else it is [`Error::Conflict`].
    pub fn if_absent(mut self) -> Self {
        self.options.if_absent = true;
        self
    }

    /// The field of a JSON object whose value makes the hash, such as `user.id`. It needs a key.
    pub fn hash_field(mut self, path: impl Into<String>) -> Self {
        self.options.hash_field = Some(path.into());
        self
    }

    /// The bytes are compressed with gzip, and are read without it.
    pub fn gzip(mut self) -> Self {
        self.options.is_gzip = true;
        self
    }

    /// The file is a text in UTF-8.
    pub fn as_text(mut self) -> Self {
        if let Ok(Source::File { is_text, .. }) = &mut self.content {
            *is_text = true;
        }
        self
    }

    /// The `Idempotency-Key`, in place of a random one: the same store in another process is the same entry.
    pub fn idempotency_key(mut self, key: impl Into<String>) -> Self {
        self.options.destination.idempotency_key = Some(key.into());
        self
    }

    /// Counts the bytes of a large content as they are sent.
    pub fn progress(mut self, progress: Arc<Progress>) -> Self {
        self.progress = progress;
        self
    }

    /// Stores it.
    ///
    /// # Errors
    ///
    /// See [`Error`]. [`Error::Temporary`] means that the outcome is unknown.
    pub async fn send(self) -> Result<Stored, Error> {
        let Self { namespace, content, options, progress } = self;
        options.check()?;
        let (kind, bytes) = match content? {
            Source::Json(bytes) => return store(&namespace, &options, "json", bytes).await,
            Source::Text(bytes) => (UploadType::String, bytes),
            Source::Binary(bytes) => (UploadType::Binary, bytes),
            Source::File { path, is_text } => {
                let kind = if is_text { UploadType::String } else { UploadType::Binary };
                let metadata = tokio::fs::metadata(&path).await;
                let size = metadata.map_err(|error| Error::file(&path, "storing a file", error))?.len();
                progress.expect(size);
                if size > MAX_DIRECT_STORE_BYTES && options.can_be_uploaded() {
                    let sha256 = upload::sha256_of_file(path.clone()).await?;
                    let body = RequestBody::File { path, size, progress };
                    return Upload { namespace, destination: options.destination, kind, sha256, body }.send().await;
                }
                let read = tokio::fs::read(&path).await;
                (kind, read.map_err(|error| Error::file(&path, "storing a file", error))?.into())
            }
        };
        if bytes.len() as u64 > MAX_DIRECT_STORE_BYTES && options.can_be_uploaded() {
            let (sha256, body) = (sha256_hex(&bytes), RequestBody::Bytes(bytes));
            return Upload { namespace, destination: options.destination, kind, sha256, body }.send().await;
        }
        store(&namespace, &options, if kind == UploadType::String { "string" } else { "binary" }, bytes).await
    }
}

impl Options {
    fn check(&self) -> Result<(), Error> {
        self.destination.key.as_deref().map_or(Ok(()), |key| names::check_path("the key", key))?;
        self.destination.file_id.as_deref().map_or(Ok(()), |id| names::check_id("the file id", id))?;
        match (&self.destination.key, &self.destination.file_id, &self.hash_field) {
            (None, Some(_), _) => Err(Error::argument("a file id", "needs a key, too")),
            (None, _, Some(_)) => Err(Error::argument("a hash field", "needs a key, too")),
            _ if self.if_absent && self.destination.file_id.is_none() => {
                Err(Error::argument("`if_absent`", "needs a key and a file id: else every store is the first"))
            }
            _ => Ok(()),
        }
    }

    /// Whether an upload can do the same. It takes no other option.
    fn can_be_uploaded(&self) -> bool {
        self.ttl.is_none() && !self.if_absent && self.hash_field.is_none() && !self.is_gzip
    }
}

async fn store(namespace: &Namespace, options: &Options, form: &str, bytes: Bytes) -> Result<Stored, Error> {
    let (operation, keyed, content_type) = match form {
        "json" => (&POST_STORE_JSON, &POST_STORE_JSON_UNDER_KEY, "application/json"),
        "string" => (&POST_STORE_STRING, &POST_STORE_STRING_UNDER_KEY, "text/plain; charset=utf-8"),
        _ => (&POST_STORE_BINARY, &POST_STORE_BINARY_UNDER_KEY, "application/octet-stream"),
    };
    let strategy = strategy_name(options.destination.strategy);
    let mut call: Call = match &options.destination.key {
        Some(key) => namespace.call(keyed, &[strategy, key])?,
        None => namespace.call(operation, &[strategy])?,
    };
    let seconds = options.ttl.map(|ttl| ttl.as_secs() + u64::from(ttl.subsec_nanos() > 0));
    call = call.query("file_id", options.destination.file_id.as_deref()).query("ttl_seconds", seconds);
    call = call.query("json_field_path", options.hash_field.as_deref());
    if let Some(key) = &options.destination.idempotency_key {
        call = call.idempotency_key(key)?;
    }
    if options.if_absent {
        call = call.header(header::IF_NONE_MATCH, HeaderValue::from_static("*"));
    }
    if options.is_gzip {
        call = call.header(header::CONTENT_ENCODING, HeaderValue::from_static(GZIP));
    }
    let sha256 = sha256_hex(&bytes);
    let stored: Stored = namespace.json(&call.bytes(content_type, bytes)).await?;
    // What was received is what was sent. JSON with a hash field aside, both are of the bytes.
    match stored.sha256.as_str() == sha256 {
        true => Ok(stored),
        false => Err(wrong_bytes("a store", &sha256, stored.sha256.as_str())),
    }
}
