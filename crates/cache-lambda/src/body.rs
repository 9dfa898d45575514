//! The body of a request as content.
//!
//! A JSON type is `application/json` or any `application/*+json`.
//!
//! | kind | JSON type | no Content-Type | any other type |
//! |---|---|---|---|
//! | string | a JSON string, whose value is used | the bytes in UTF-8 | the bytes in UTF-8 |
//! | JSON | an object | an object | refused |
//! | binary | a JSON string, whose UTF-8 bytes are used | the bytes | the bytes |

use std::borrow::Cow;
use std::error::Error;
use std::io;
use std::iter::successors;

use axum::body::{Body, HttpBody};
use axum::extract::FromRequest;
use bytes::{Bytes, BytesMut};
use cache_core::content::{Content, GZIP};
use cache_core::json::{Document, FieldPath, JsonKind, JsonValue};
use http::{HeaderMap, Request, header};
use http_body_util::BodyExt;
use serde_json::{Map, Value};

use crate::compute;
use crate::in_flight::BytesPermit;
use crate::problem::Problem;
use crate::state::AppState;

/// How long a body of short fields may be, in bytes: 64 KiB.
pub const MAX_FIELDS_BYTES: u64 = 64 << 10;

/// How many bytes of a body that is taken in parts are in memory at once, at most: 2 MiB.
const MAX_PARTS_BYTES: u64 = 2 << 20;

/// How many bytes of a body an error shows.
const SHOWN_BYTES: usize = 200;

/// A body that was received in full, with the properties in its headers.
#[derive(Debug)]
pub struct Payload {
    declared: Declared,
    content_encoding: Option<String>,
    bytes: Bytes,
    max_bytes: u64,
}

/// The kind of body that the Content-Type declares.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Declared {
    Nothing,
    Json,
    Other,
}

impl FromRequest<AppState> for Payload {
    type Rejection = Problem;

    async fn from_request(request: Request<Body>, state: &AppState) -> Result<Self, Problem> {
        Self::up_to(state.config.max_body_bytes, request, Problem::body_too_large).await
    }
}

/// A body of at most `MAX_BYTES`, for routes that take no content. Nothing is received of a longer one.
#[derive(Debug)]
pub struct Limited<const MAX_BYTES: u64>(pub Payload);

impl<const MAX_BYTES: u64> FromRequest<AppState> for Limited<MAX_BYTES> {
    type Rejection = Problem;

    async fn from_request(request: Request<Body>, _: &AppState) -> Result<Self, Problem> {
        Payload::up_to(MAX_BYTES, request, Problem::body_too_large).await.map(Self)
    }
}

fn broken_off(error: &axum::Error) -> Problem {
    for cause in successors(Some(error as &dyn Error), |error| (*error).source()) {
        if cause.downcast_ref().is_some_and(|error: &io::Error| error.kind() == io::ErrorKind::TimedOut) {
            return Problem::body_timeout();
        }
        if let Some(exceeded) = cause.downcast_ref() {
            return Problem::limit_exceeded(exceeded);
        }
    }
    Problem::unreadable_body(format!("the body broke off ({error}): send it again"))
}

fn text(headers: &HeaderMap, name: header::HeaderName) -> Option<String> {
    headers.get(name).map(|value| String::from_utf8_lossy(value.as_bytes()).trim().to_owned())
}

fn announced(headers: &HeaderMap) -> Option<u64> {
    text(headers, header::CONTENT_LENGTH)?.parse().ok()
}

fn declared(headers: &HeaderMap) -> Declared {
    let Some(declared) = text(headers, header::CONTENT_TYPE) else { return Declared::Nothing };
    let essence = declared.split(';').next().unwrap_or_default().trim().to_ascii_lowercase();
    match essence.strip_prefix("application/") {
        Some(kind) if kind == "json" || kind.ends_with("+json") => Declared::Json,
        _ => Declared::Other,
    }
}

/// A body that is taken in parts, as they come.
pub struct BodyParts<P> {
    body: Body,
    received: u64,
    max_bytes: u64,
    too_large: P,
    /// For the parts that are in memory.
    _permit: Option<BytesPermit>,
}

impl<P: Fn(u64) -> Problem> BodyParts<P> {
    /// As [`Payload::up_to`].
    ///
    /// # Errors
    ///
    /// `too_large` when the Content-Length is above the limit; 503 when there is no room in memory for a part in time.
    pub async fn up_to(max_bytes: u64, request: Request<Body>, too_large: P) -> Result<Self, Problem> {
        let (parts, body) = request.into_parts();
        let announced = announced(&parts.headers);
        if announced.is_some_and(|length| length > max_bytes) {
            return Err(too_large(max_bytes));
        }
        let permit = BytesPermit::of(&parts.extensions);
        if let Some(permit) = &permit {
            permit.reserve(MAX_PARTS_BYTES.min(max_bytes)).await?;
        }
        Ok(Self { body, received: 0, max_bytes, too_large, _permit: permit })
    }

    /// The next part; `None` after the last one.
    ///
    /// # Errors
    ///
    /// `too_large` when more than the limit has arrived; 400 when there is no body, or it broke off; 408 when nothing more came in
    /// time; 429 beyond the limit of bytes of the caller's key.
    pub async fn next(&mut self) -> Result<Option<Bytes>, Problem> {
        while let Some(frame) = self.body.frame().await {
            let Ok(data) = frame.map_err(|error| broken_off(&error))?.into_data() else { continue };
            self.received += data.len() as u64;
            if self.received > self.max_bytes {
                return Err((self.too_large)(self.max_bytes));
            }
            return Ok(Some(data));
        }
        match self.received {
            0 => Err(Problem::missing_body()),
            _ => Ok(None),
        }
    }
}

/// A body of up to `max_bytes`. The permit to hold it in memory grows before its bytes are received: all of it when its length was
/// `announced`, else as it grows.
async fn receive(
    mut body: Body,
    announced: Option<u64>,
    max_bytes: u64,
    permit: Option<&BytesPermit>,
    too_large: impl Fn(u64) -> Problem,
) -> Result<Bytes, Problem> {
    let mut reserved = announced.unwrap_or_default();
    if let Some(permit) = permit {
        permit.reserve(reserved).await?;
    }
    let mut received = BytesMut::new();
    while let Some(frame) = body.frame().await {
        let Ok(data) = frame.map_err(|error| broken_off(&error))?.into_data() else { continue };
        let length = (received.len() + data.len()) as u64;
        if length > max_bytes {
            return Err(too_large(max_bytes));
        }
        if received.is_empty() && body.is_end_stream() {
            return Ok(data);
        }
        if length > reserved {
            reserved = length.saturating_mul(2).min(max_bytes);
            if let Some(permit) = permit {
                permit.reserve(reserved).await?;
            }
        }
        if received.is_empty() {
            received.reserve(usize::try_from(reserved).unwrap_or_default());
        }
        received.extend_from_slice(&data);
    }
    Ok(received.freeze())
}

impl Payload {
    /// Receives a body of up to `max_bytes`. `too_large` makes the problem of a longer one from that limit. A longer
    /// body is not buffered beyond the limit, and not read at all when its Content-Length is above it.
    ///
    /// # Errors
    ///
    /// `too_large` when it is longer; 400 when it broke off; 408 when nothing more came in time; 429 beyond the limit of bytes of
    /// the caller's key; 503 when there is no room in memory in time.
    pub async fn up_to(
        max_bytes: u64,
        request: Request<Body>,
        too_large: impl Fn(u64) -> Problem,
    ) -> Result<Self, Problem> {
        let (parts, body) = request.into_parts();
        let announced = announced(&parts.headers);
        if announced.is_some_and(|length| length > max_bytes) {
            return Err(too_large(max_bytes));
        }
        let permit = BytesPermit::of(&parts.extensions);
        let bytes = receive(body, announced, max_bytes, permit.as_ref(), too_large).await?;
        Ok(Self {
            declared: declared(&parts.headers),
            content_encoding: text(&parts.headers, header::CONTENT_ENCODING),
            bytes,
            max_bytes,
        })
    }

    /// A text, which may be empty when it was sent as the JSON string `""`.
    ///
    /// # Errors
    ///
    /// 400 when there is no body, or it is not UTF-8, or with a JSON type no JSON string.
    pub fn text(self) -> Result<String, Problem> {
        self.refuse_nothing()?;
        match self.declared {
            Declared::Json => self.json_string("string_type", "the body should be a JSON string"),
            Declared::Nothing | Declared::Other => String::from_utf8(self.bytes.into()).map_err(|error| {
                let message = "the body should be text in UTF-8: send other bytes to a binary route";
                Problem::body("string_unicode", message, shown(error.as_bytes()))
            }),
        }
    }

    /// A JSON object to store.
    ///
    /// # Errors
    ///
    /// As [`Payload::object`].
    pub fn document(self) -> Result<Document, Problem> {
        self.object("dict_type")
    }

    /// A JSON object. `item_type` is the `type` of the item when it is none, such as `dict_type`.
    ///
    /// # Errors
    ///
    /// 400 when there is no body, it has a type other than JSON, or it is no JSON object.
    pub fn object(self, item_type: &str) -> Result<Document, Problem> {
        const MESSAGE: &str = "the body should be a JSON object, sent with 'Content-Type: application/json'";
        self.refuse_nothing()?;
        if self.declared == Declared::Other {
            return Err(Problem::body(item_type, MESSAGE, shown(&self.bytes)));
        }
        let document = self.parse()?;
        if document.root().kind() != JsonKind::Object {
            return Err(Problem::body(item_type, MESSAGE, shown_json(document.root())));
        }
        Ok(document)
    }

    /// The fields of a JSON object that holds no content, in at most [`MAX_FIELDS_BYTES`]. `item_type` is as for
    /// [`Payload::object`]. A tree of values takes up to 100 times the memory of its text, so it is not made of more.
    ///
    /// # Errors
    ///
    /// 413 when it is longer than [`MAX_FIELDS_BYTES`]; else as [`Payload::object`], and 400 when no tree can be made of it.
    pub fn fields(self, item_type: &str) -> Result<Map<String, Value>, Problem> {
        if self.bytes.len() as u64 > MAX_FIELDS_BYTES {
            return Err(Problem::body_too_large(MAX_FIELDS_BYTES));
        }
        serde_json::from_slice(self.object(item_type)?.text())
            .map_err(|error| Problem::unreadable_body(error.to_string()))
    }

    /// Bytes, of which there may be none when they were sent as the JSON string `""`.
    ///
    /// # Errors
    ///
    /// 400 when there is no body, or with a JSON type no JSON string.
    pub fn bytes(self) -> Result<Bytes, Problem> {
        self.refuse_nothing()?;
        match self.declared {
            Declared::Json => {
                let message = "the body should be a JSON string, or bytes sent with another Content-Type";
                self.json_string("bytes_type", message).map(Bytes::from)
            }
            Declared::Nothing | Declared::Other => Ok(self.bytes),
        }
    }

    /// The body as it was sent, with any Content-Type.
    ///
    /// # Errors
    ///
    /// 400 when there is no body.
    pub fn raw(self) -> Result<Bytes, Problem> {
        self.refuse_nothing()?;
        Ok(self.bytes)
    }

    /// A text to store as an entry.
    ///
    /// # Errors
    ///
    /// As [`Payload::text`], and 400 when the text is empty.
    pub async fn string_content(self) -> Result<Content, Problem> {
        self.compute(|payload| Ok(Content::string(payload.text()?)?)).await
    }

    /// A JSON object to store as an entry, hashed by one field when one is named.
    ///
    /// # Errors
    ///
    /// As [`Payload::object`], and 400 when the object has no value in the field.
    pub async fn json_content(self, field: Option<FieldPath>) -> Result<Content, Problem> {
        let content = |payload: Self| {
            let document = payload.document()?;
            match field {
                Some(field) => Ok(Content::json_by_field(document, field)?),
                None => Ok(Content::json(document)),
            }
        };
        self.compute(content).await
    }

    /// Bytes to store as an entry: inflated for hashing when the Content-Encoding is gzip.
    ///
    /// # Errors
    ///
    /// As [`Payload::bytes`], and 400 when there are none, or what is called gzip is not; 413 when it inflates to more than the body
    /// may have.
    pub async fn binary_content(self) -> Result<Content, Problem> {
        self.compute(Self::into_binary_content).await
    }

    /// What takes long for a large body, on a thread where that does not hold up other requests.
    ///
    /// # Errors
    ///
    /// Those of `work`; 500 when the process ends before.
    pub async fn compute<T: Send + 'static>(
        self,
        work: impl FnOnce(Self) -> Result<T, Problem> + Send + 'static,
    ) -> Result<T, Problem> {
        compute::on_body(self.bytes.len(), move || work(self)).await?
    }

    fn into_binary_content(mut self) -> Result<Content, Problem> {
        let max_bytes = self.max_bytes;
        let encoding = self.content_encoding.take().filter(|encoding| !encoding.is_empty());
        let bytes = self.bytes()?;
        Ok(match encoding {
            None => Content::binary(bytes)?,
            Some(encoding) if encoding == GZIP => Content::gzip(bytes, max_bytes)?,
            Some(label) => Content::binary_encoded(bytes, &label)?,
        })
    }

    /// Whether nothing was sent.
    pub fn is_empty(&self) -> bool {
        self.bytes.is_empty()
    }

    fn refuse_nothing(&self) -> Result<(), Problem> {
        if self.bytes.is_empty() { Err(Problem::missing_body()) } else { Ok(()) }
    }

    fn parse(&self) -> Result<Document, Problem> {
        Document::parse(&self.bytes).map_err(|error| Problem::json(&error))
    }

    fn json_string(&self, item_type: &str, message: &str) -> Result<String, Problem> {
        let document = self.parse()?;
        let text = document.root().as_string().map(Cow::into_owned);
        text.ok_or_else(|| Problem::body(item_type, message, shown_json(document.root())))
    }
}

/// The beginning of a body, for an error.
fn shown(bytes: &[u8]) -> Value {
    String::from_utf8_lossy(&bytes[..bytes.len().min(SHOWN_BYTES)]).into()
}

/// The value of a field that is there and is not `null`.
pub fn given<'a>(object: JsonValue<'a>, name: &str) -> Option<JsonValue<'a>> {
    object.member(name).filter(|value| value.kind() != JsonKind::Null)
}

/// A value of a body, for an error: only the beginning of its text when that is long.
pub fn shown_json(value: JsonValue<'_>) -> Value {
    let text = value.text();
    let whole = (text.len() <= SHOWN_BYTES).then(|| serde_json::from_str(text).ok()).flatten();
    whole.unwrap_or_else(|| shown(text.as_bytes()))
}

#[cfg(test)]
mod tests;
