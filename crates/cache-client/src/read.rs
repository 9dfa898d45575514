//! Reads in the forms that the service renders. They are what `curl` shows; only `get` and `download` compare the content
//! with its SHA-256.

use bytes::Bytes;
use cache_api::contents::{BinaryReference, FileMetadata, Metadata};
use http::{HeaderValue, header};
use serde::Deserialize;
use serde::de::DeserializeOwned;
use serde_json::value::RawValue;

use crate::call::Call;
use crate::entry::Entry;
use crate::error::Error;
use crate::namespace::Namespace;
use crate::operations as op;
use crate::operations::Operation;
use crate::selector::{Selector, strategy_name};

/// A read of one entry in a form of choice.
#[derive(Debug, Clone)]
#[must_use = "end it with a form, such as `text`"]
pub struct Read {
    namespace: Namespace,
    selector: Selector,
    revision: Option<u64>,
    range: Option<(u64, u64)>,
}

/// What the form without a name returns.
#[derive(Debug, Clone, Deserialize)]
#[serde(untagged)]
pub enum Generic {
    /// Where to read bytes.
    Binary(Box<BinaryReference>),
    /// A text or a document, with its metadata.
    Data(Box<GenericData>),
}

/// A text or a document, with its metadata.
#[derive(Debug, Clone, Deserialize)]
pub struct GenericData {
    /// The content as JSON.
    pub data: serde_json::Value,
    /// Its metadata.
    pub metadata: Metadata,
    /// `json` or `string`.
    pub data_type: String,
}

#[derive(Debug, Clone, Copy)]
enum Form {
    Generic,
    Text,
    Json,
    Bytes,
    Metadata,
}

impl Namespace {
    /// Reads an entry in the form that the service renders: as text, as JSON, as bytes.
    pub fn read(&self, selector: impl Into<Selector>) -> Read {
        Read { namespace: self.clone(), selector: selector.into(), revision: None, range: None }
    }
}

impl Entry {
    /// Its content in the form that the service renders.
    pub fn read(&self) -> Read {
        self.namespace().read(Selector::id(self.id()))
    }
}

impl Read {
    /// The content after this update of the entry, from 0. Only of an entry that is named by its id.
    pub fn revision(mut self, number: u64) -> Self {
        self.revision = Some(number);
        self
    }

    /// Only the bytes from `first` to `last`, both included. Only of [`Read::bytes`].
    pub fn range(mut self, first: u64, last: u64) -> Self {
        self.range = Some((first, last));
        self
    }

    /// The content within JSON, or where to read it when it is bytes.
    ///
    /// # Errors
    ///
    /// See [`Error`]; a miss is `None`.
    pub async fn generic(self) -> Result<Option<Generic>, Error> {
        self.namespace.json_if_any(&self.call(Form::Generic)?).await
    }

    /// The content as text; bytes in base64.
    ///
    /// # Errors
    ///
    /// See [`Error`]; a miss is `None`.
    pub async fn text(self) -> Result<Option<String>, Error> {
        let text = self.body(Form::Text).await?.map(|body| String::from_utf8(body.into())).transpose();
        text.map_err(|error| Error::unreadable("a read", "a text is not UTF-8", error))
    }

    /// The content as JSON of a type; bytes as `{"data_type":"binary","encoding":"base64","data":…}`.
    ///
    /// # Errors
    ///
    /// See [`Error`]; a miss is `None`.
    pub async fn json<T: DeserializeOwned>(self) -> Result<Option<T>, Error> {
        let read = |body: Bytes| {
            serde_json::from_slice(&body).map_err(|error| {
                Error::unreadable("a read", format!("the content is no JSON of this type: {error}"), error)
            })
        };
        self.body(Form::Json).await?.map(read).transpose()
    }

    /// The content as JSON, in the sender's spelling.
    ///
    /// # Errors
    ///
    /// See [`Error`]; a miss is `None`.
    pub async fn raw_json(self) -> Result<Option<Box<RawValue>>, Error> {
        self.json().await
    }

    /// The content as bytes, without gzip.
    ///
    /// # Errors
    ///
    /// See [`Error`]; a miss is `None`.
    pub async fn bytes(self) -> Result<Option<Bytes>, Error> {
        self.body(Form::Bytes).await
    }

    /// The metadata, without the content.
    ///
    /// # Errors
    ///
    /// See [`Error`]; a miss is `None`.
    pub async fn metadata(self) -> Result<Option<Metadata>, Error> {
        if let Selector::Id(id) = &self.selector {
            let read = |found: FileMetadata| metadata_of(id, found);
            let call = self.call(Form::Metadata)?;
            return Ok(self.namespace.json_if_any(&call).await?.map(read));
        }
        self.namespace.json_if_any(&self.call(Form::Metadata)?).await
    }

    async fn body(self, form: Form) -> Result<Option<Bytes>, Error> {
        Ok(self.namespace.client().send_if_any(&self.call(form)?).await?.map(|reply| reply.body))
    }

    fn range_header(&self) -> Option<HeaderValue> {
        let (first, last) = self.range?;
        HeaderValue::from_str(&format!("bytes={first}-{last}")).ok()
    }

    fn call(&self, form: Form) -> Result<Call, Error> {
        self.selector.check()?;
        let call = match &self.selector {
            Selector::Id(id) => self.namespace.call(by_id(form), &[id])?.query("revision", self.revision),
            Selector::Hash { .. } | Selector::Key { .. } if self.revision.is_some() => {
                return Err(Error::argument("a revision", "is of one entry: name it by its id"));
            }
            Selector::Hash { hash, version } => self.namespace.call(by_hash(form), &[hash])?.query("version", *version),
            Selector::Key { strategy, key, file_id, version } => {
                let name = match form {
                    Form::Generic => None,
                    Form::Text => Some("string"),
                    Form::Json => Some("json"),
                    Form::Bytes => Some("binary"),
                    Form::Metadata => Some("metadata"),
                };
                let parameters = [strategy_name(*strategy), key, file_id];
                self.namespace.call(&op::GET_RETRIEVE_KEY, &parameters)?.query("version", *version).query("as", name)
            }
        };
        Ok(match self.range_header() {
            Some(range) => call.header(header::RANGE, range),
            None => call,
        })
    }
}

fn by_id(form: Form) -> &'static Operation {
    match form {
        Form::Generic => &op::GET_RETRIEVE_ID,
        Form::Text => &op::GET_RETRIEVE_ID_STRING,
        Form::Json => &op::GET_RETRIEVE_ID_JSON,
        Form::Bytes => &op::GET_RETRIEVE_ID_BINARY,
        Form::Metadata => &op::GET_RETRIEVE_ID_METADATA,
    }
}

fn by_hash(form: Form) -> &'static Operation {
    match form {
        Form::Generic => &op::GET_RETRIEVE_HASH,
        Form::Text => &op::GET_RETRIEVE_HASH_STRING,
        Form::Json => &op::GET_RETRIEVE_HASH_JSON,
        Form::Bytes => &op::GET_RETRIEVE_HASH_BINARY,
        Form::Metadata => &op::GET_RETRIEVE_HASH_METADATA,
    }
}

/// By id the metadata has another shape, with the same facts.
fn metadata_of(id: &str, found: FileMetadata) -> Metadata {
    let data = found.data;
    Metadata {
        cache_id: id.to_owned().into(),
        cache_hash: data.cache_hash,
        cache_key: data.cache_key,
        file_id: data.file_id,
        namespace: data.namespace,
        strategy: data.strategy,
        stored_at: data.stored_at,
        expires_at: data.expires_at,
        file_type: data.file_type,
        content_encoding: data.content_encoding,
        content_size: found.content_size,
    }
}
