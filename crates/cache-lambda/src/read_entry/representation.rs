//! The representations in which an entry is read.

use axum::Json;
use axum::response::{IntoResponse, Response};
use base64::Engine;
use base64::prelude::BASE64_STANDARD;
use cache_api::contents;
use cache_core::cache::{Retrieved, Selector};
use cache_core::content::GZIP;
use cache_core::entry::Entry;
use cache_core::representation::{EncodedContent, Generic, JsonForm, LookupKind, TextForm};
use cache_core::strategy::ContentKind;
use http::{HeaderValue, header};
use serde_json::value::RawValue;

use super::{EntryRead, ReadOutcome, is_gzip, vary_on_encoding};
use crate::compute;
use crate::conditional::ETag;
use crate::media_type::{BYTES, JSON, TEXT_UTF_8};
use crate::problem::Problem;
use crate::redirect::Representation;
use crate::response::content;

/// What the gzip of a text inflates to at most, times its size. Zeros inflate to more, but that is quickly done.
const INFLATION: usize = 16;

impl EntryRead {
    /// The content within JSON, or where to read it when it is binary.
    ///
    /// # Errors
    ///
    /// 404 when there is no such entry; 412 when it is not what the caller expects; 413 when it is too large to pass through;
    /// 500 when it is damaged; 503 when the storage does not respond in time.
    pub async fn generic(self) -> Result<Response, Problem> {
        let found = self.retrieve(self.reader.options.max_bytes()).await?;
        let found = found.ok_or_else(|| Problem::entry_not_found(self.cache.name(), &self.selector))?;
        let found = self.whole(found)?;
        let number = found.entry.revision.as_ref().map_or(0, |revision| revision.number).to_string();
        let url = self.binary_url(&found.entry);
        let etag = etag(&found.entry, &["generic", &found.entry.cache_id.to_string(), &number, &url]);
        self.compute(computed_bytes(&found), found, move |read, found| {
            read.respond(&found.entry, &etag, || match read.stored(found).generic()? {
                Generic::Data { data_type, json_text } => {
                    let data: &RawValue = serde_json::from_slice(&json_text).map_err(|error| {
                        Problem::internal(format!("{}: the JSON form is not JSON: {error}", found.entry.cache_id))
                    })?;
                    let metadata = content::metadata(&found.entry);
                    let body = contents::Retrieved { data, metadata, data_type: data_type.to_owned() };
                    Ok(Json(body).into_response())
                }
                Generic::Binary { size } => {
                    Ok(Json(content::binary_reference(&found.entry, size, url)).into_response())
                }
            })
        })
        .await
    }

    /// The content as text; bytes in base64.
    ///
    /// # Errors
    ///
    /// As [`EntryRead::generic`], but what is too large to pass through is redirected if it can be; and 503 when there is no room
    /// in memory in time.
    pub async fn string(self, by: LookupKind) -> Result<Response, Problem> {
        let etag = move |entry: &Entry| etag(entry, &["string", by_name(by)]);
        let found = match self.read(Representation::String, etag).await? {
            ReadOutcome::Content(found) => *found,
            ReadOutcome::Response(response) => return Ok(response),
        };
        self.compute(computed_bytes(&found), found, move |read, found| {
            read.respond(&found.entry, &etag(&found.entry), || {
                let text = match read.stored(found).as_string(by)? {
                    TextForm::Text(text) => text,
                    TextForm::Base64(bytes) => BASE64_STANDARD.encode(bytes).into(),
                };
                Ok(([(header::CONTENT_TYPE, TEXT_UTF_8)], text).into_response())
            })
        })
        .await
    }

    /// The content as JSON; bytes in base64 within JSON.
    ///
    /// # Errors
    ///
    /// As [`EntryRead::string`], and 415 when it is a text that is not JSON.
    pub async fn json(self, by: LookupKind) -> Result<Response, Problem> {
        let etag = |entry: &Entry| etag(entry, &["json"]);
        let found = match self.read(Representation::Json, etag).await? {
            ReadOutcome::Content(found) => *found,
            ReadOutcome::Response(response) => return Ok(response),
        };
        self.compute(computed_bytes(&found), found, move |read, found| {
            let form = read.stored(found).as_json(by).map_err(Problem::json_form)?;
            read.respond(&found.entry, &etag(&found.entry), || match form {
                JsonForm::Value(json_text) => Ok(([(header::CONTENT_TYPE, JSON)], json_text).into_response()),
                JsonForm::Base64(bytes) => Ok(Json(content::base64(BASE64_STANDARD.encode(bytes))).into_response()),
            })
        })
        .await
    }

    /// The bytes, or a range of them. Gzip content is sent compressed to callers that accept it.
    ///
    /// # Errors
    ///
    /// As [`EntryRead::string`]. A range that the content does not have is a response: 416.
    pub async fn binary(self) -> Result<Response, Problem> {
        let conditions = &self.reader.conditions;
        let sends_gzip = conditions.accepts_gzip && !conditions.has_range();
        let as_gzip = move |entry: &Entry| sends_gzip && is_gzip(entry);
        let etag = move |entry: &Entry| etag(entry, &["binary", if as_gzip(entry) { GZIP } else { "" }]);
        let found = match self.read(Representation::Binary, etag).await? {
            ReadOutcome::Content(found) => *found,
            ReadOutcome::Response(response) => return Ok(response),
        };
        let size = match found.entry.content.kind {
            ContentKind::Json => computed_bytes(&found),
            ContentKind::Binary if is_gzip(&found.entry) => computed_bytes(&found),
            // They are sent as they are.
            ContentKind::String | ContentKind::Binary | ContentKind::Zip => 0,
        };
        self.compute(size, found, move |read, found| {
            let (stored, etag) = (read.stored(found), etag(&found.entry));
            let response = read.respond(&found.entry, &etag, || {
                Ok(match as_gzip(&found.entry) {
                    true => ([(header::CONTENT_ENCODING, GZIP)], typed_as_bytes(stored.bytes.clone())).into_response(),
                    false => typed_as_bytes(read.reader.conditions.respond_with_range(&etag, stored.as_binary()?)),
                })
            })?;
            Ok(vary_on_encoding(response, &found.entry))
        })
        .await
    }

    /// Renders a content, which takes as long as `size` bytes do.
    async fn compute(
        self,
        size: usize,
        found: Retrieved,
        render: impl FnOnce(&Self, &Retrieved) -> Result<Response, Problem> + Send + 'static,
    ) -> Result<Response, Problem> {
        compute::on_body(size, move || render(&self, &found)).await?
    }

    /// The metadata. The content is not read.
    ///
    /// # Errors
    ///
    /// 404 when there is no such entry; 500 when what lists it is damaged; 503 when the storage does not respond in time.
    pub async fn metadata(self) -> Result<Response, Problem> {
        let entry = self.cache.entry(&self.selector).await?;
        let entry = entry.ok_or_else(|| self.not_found())?;
        Ok(Json(content::metadata(&entry)).into_response())
    }

    fn stored<'a>(&self, found: &'a Retrieved) -> EncodedContent<'a> {
        EncodedContent {
            kind: found.entry.content.kind,
            content_encoding: found.entry.content.content_encoding.as_deref(),
            bytes: &found.bytes,
            max_inflated: self.reader.max_inflated,
        }
    }

    /// The URL of the bytes. It names the newest entry with a hash only if that was asked for.
    fn binary_url(&self, entry: &Entry) -> String {
        match &self.selector {
            Selector::Hash(hash, None) => format!("/{}/retrieve/hash/{hash}/binary", self.cache.name()),
            Selector::Id(_) | Selector::Hash(_, Some(_)) | Selector::Key(..) => {
                format!("/{}/retrieve/{}/binary", self.cache.name(), entry.cache_id)
            }
        }
    }
}

/// How many bytes a rendering has to go through.
fn computed_bytes(found: &Retrieved) -> usize {
    let stored = found.bytes.len();
    if is_gzip(&found.entry) { stored.saturating_mul(INFLATION) } else { stored }
}

/// The tag of one representation of an entry's content.
fn etag(entry: &Entry, representation: &[&str]) -> ETag {
    let sha256 = entry.content.sha256.to_string();
    let (kind, encoding) = (entry.content.kind.name(), entry.content.content_encoding.as_deref().unwrap_or_default());
    ETag::of(&[&[sha256.as_str(), kind, encoding], representation].concat())
}

const fn by_name(by: LookupKind) -> &'static str {
    match by {
        LookupKind::Id => "id",
        LookupKind::Hash => "hash",
    }
}

/// A response that is not an error is of the type that all bytes have.
fn typed_as_bytes(response: impl IntoResponse) -> Response {
    let mut response = response.into_response();
    response.headers_mut().insert(header::CONTENT_TYPE, HeaderValue::from_static(BYTES));
    response
}
