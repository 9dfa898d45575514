//! The representations in which an entry is read.

use axum::Json;
use axum::response::{IntoResponse, Response};
use base64::Engine;
use base64::prelude::BASE64_STANDARD;
use cache_core::cache::{Entry, Selector};
use cache_core::content::GZIP;
use cache_core::forms::{By, Generic, JsonForm, Stored, TextForm};
use cache_core::record::Record;
use http::{HeaderValue, header};
use serde_json::value::RawValue;

use super::{EntryRead, ReadOutcome, is_gzip, vary_on_encoding};
use crate::conditional::ETag;
use crate::media_type::{BYTES, JSON, TEXT_UTF_8};
use crate::problem::Problem;
use crate::redirect::Representation;
use crate::response::content::{Base64, BinaryReference, Metadata, Retrieved};

impl EntryRead {
    /// The content within JSON, or where to read it when it is binary.
    pub async fn generic(self) -> Result<Response, Problem> {
        let found = self.retrieve(self.reader.options.max_bytes()).await?;
        let found = found.ok_or_else(|| Problem::entry_not_found(&self.namespace, &self.selector))?;
        let entry = self.whole(found)?;
        let number = entry.record.revision.as_ref().map_or(0, |revision| revision.number).to_string();
        let url = self.binary_url(&entry.record);
        let etag = etag(&entry.record, &["generic", &entry.record.cache_id.to_string(), &number, &url]);
        self.respond(&entry.record, &etag, || match self.stored(&entry).generic()? {
            Generic::Data { data_type, json_text } => {
                let data: &RawValue = serde_json::from_slice(&json_text).map_err(|error| {
                    Problem::internal(format!("{}: the JSON form is not JSON: {error}", entry.record.cache_id))
                })?;
                Ok(Json(Retrieved { data, metadata: (&entry.record).into(), data_type }).into_response())
            }
            Generic::Binary { size } => Ok(Json(BinaryReference::new(&entry.record, size, url)).into_response()),
        })
    }

    /// The content as text; bytes in base64.
    pub async fn string(self, by: By) -> Result<Response, Problem> {
        let etag = |record: &Record| etag(record, &["string", by_name(by)]);
        let entry = match self.read(Representation::String, etag).await? {
            ReadOutcome::Content(entry) => *entry,
            ReadOutcome::Redirect(response) => return Ok(response),
        };
        self.respond(&entry.record, &etag(&entry.record), || {
            let text = match self.stored(&entry).as_string(by)? {
                TextForm::Text(text) => text,
                TextForm::Base64(bytes) => BASE64_STANDARD.encode(bytes).into(),
            };
            Ok(([(header::CONTENT_TYPE, TEXT_UTF_8)], text).into_response())
        })
    }

    /// The content as JSON; bytes in base64 within JSON.
    pub async fn json(self, by: By) -> Result<Response, Problem> {
        let etag = |record: &Record| etag(record, &["json"]);
        let entry = match self.read(Representation::Json, etag).await? {
            ReadOutcome::Content(entry) => *entry,
            ReadOutcome::Redirect(response) => return Ok(response),
        };
        let form = self.stored(&entry).as_json(by).map_err(Problem::json_form)?;
        self.respond(&entry.record, &etag(&entry.record), || match form {
            JsonForm::Value(json_text) => Ok(([(header::CONTENT_TYPE, JSON)], json_text).into_response()),
            JsonForm::Base64(bytes) => Ok(Json(Base64::new(BASE64_STANDARD.encode(bytes))).into_response()),
        })
    }

    /// The bytes, or a range of them. Gzip content is sent as it is to callers that accept it.
    pub async fn binary(self) -> Result<Response, Problem> {
        let conditions = &self.reader.conditions;
        let as_gzip = |record: &Record| is_gzip(record) && conditions.accepts_gzip && !conditions.has_range();
        let etag = |record: &Record| etag(record, &["binary", if as_gzip(record) { GZIP } else { "" }]);
        let entry = match self.read(Representation::Binary, etag).await? {
            ReadOutcome::Content(entry) => *entry,
            ReadOutcome::Redirect(response) => return Ok(response),
        };
        let (stored, etag) = (self.stored(&entry), etag(&entry.record));
        let response = self.respond(&entry.record, &etag, || {
            Ok(match as_gzip(&entry.record) {
                true => ([(header::CONTENT_ENCODING, GZIP)], typed_as_bytes(stored.bytes.clone())).into_response(),
                false => typed_as_bytes(conditions.respond_with_range(&etag, stored.as_binary()?)),
            })
        })?;
        Ok(vary_on_encoding(response, &entry.record))
    }

    /// What accompanies the content; it is not read.
    pub async fn metadata(self) -> Result<Response, Problem> {
        let record = self.reader.cache.record(&self.namespace, &self.selector).await?;
        let record = record.ok_or_else(|| self.not_found())?;
        Ok(Json(Metadata::from(&record)).into_response())
    }

    fn stored<'a>(&self, entry: &'a Entry) -> Stored<'a> {
        Stored {
            kind: entry.record.kind,
            content_encoding: entry.record.current().content_encoding,
            bytes: &entry.content,
            max_inflated: self.reader.max_inflated,
        }
    }

    /// The URL of the bytes. It names the newest entry with a hash only if that was asked for.
    fn binary_url(&self, record: &Record) -> String {
        match &self.selector {
            Selector::Hash(hash, None) => format!("/{}/retrieve/hash/{hash}/binary", self.namespace),
            Selector::Id(_) | Selector::Hash(_, Some(_)) | Selector::Key(..) => {
                format!("/{}/retrieve/{}/binary", self.namespace, record.cache_id)
            }
        }
    }
}

/// The tag of one representation of an entry's content.
fn etag(record: &Record, representation: &[&str]) -> ETag {
    let sha256 = record.current().sha256.to_string();
    let (kind, encoding) = (record.kind.name(), record.current().content_encoding.unwrap_or_default());
    ETag::of(&[&[sha256.as_str(), kind, encoding], representation].concat())
}

const fn by_name(by: By) -> &'static str {
    match by {
        By::Id => "id",
        By::Hash => "hash",
    }
}

/// A response that is not an error is of the type that all bytes have.
fn typed_as_bytes(response: impl IntoResponse) -> Response {
    let mut response = response.into_response();
    response.headers_mut().insert(header::CONTENT_TYPE, HeaderValue::from_static(BYTES));
    response
}
