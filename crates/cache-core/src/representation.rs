//! Representations (RFC 9110, 3.2) of stored content: how each kind of content is read in each form.
//!
//! | stored | generic | as string | as JSON | as binary |
//! |---|---|---|---|---|
//! | string | data, `string` | the text | the text, when it is JSON; else refused | UTF-8 bytes |
//! | JSON | data, `json` | as Python's `json.dumps` writes it | the document | as string |
//! | binary, ZIP | size | base64; by hash the text, when it is UTF-8 | base64 | the bytes |
//! | gzip that holds JSON of any kind | data, `json` | as Python's `json.dumps` writes it | the document | the inflated bytes |
//! | gzip that holds anything else | size | as for binary, inflated | base64, inflated | the inflated bytes |
//!
//! Only the content encoding [`GZIP`] is undone. Base64 itself is left to the caller that writes the response.

use bytes::Bytes;
use thiserror::Error;

use crate::content::{GZIP, InflateError, inflate};
use crate::json::{Document, JsonError};
use crate::strategy::ContentKind;

/// How many characters of a text [`JsonFormError::NotJson`] shows.
pub const MAX_PREVIEW_CHARS: usize = 100;

/// Content as it was read from the storage. It is not empty.
#[derive(Debug, Clone, Copy)]
pub struct EncodedContent<'a> {
    /// The kind of content.
    pub kind: ContentKind,
    /// The content encoding of the bytes.
    pub content_encoding: Option<&'a str>,
    /// The bytes as they are stored.
    pub bytes: &'a Bytes,
    /// How many bytes a gzip stream may inflate to.
    pub max_inflated: u64,
}

/// How the request named the entry. It changes the representation of binary and non-JSON content, as in the Python service.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum LookupKind {
    /// By its cache id, or its key.
    Id,
    /// By its cache hash.
    Hash,
}

/// The form of a content that suits its kind.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Generic {
    /// A content that can be shown within a JSON response.
    Data {
        /// `json` or `string`.
        data_type: &'static str,
        /// The content as one JSON value in UTF-8, ready to be embedded.
        json_text: Bytes,
    },
    /// A content that has to be read as binary.
    Binary {
        /// How many bytes [`EncodedContent::as_binary`] has.
        size: usize,
    },
}

/// A content as it stands within a JSON response, whatever its kind.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Embedded {
    /// A text or a document.
    Json {
        /// `json` or `string`.
        data_type: &'static str,
        /// The content as one JSON value in UTF-8, ready to be embedded.
        json_text: Bytes,
    },
    /// Bytes to be shown in base64.
    Bytes(Bytes),
}

/// A content as text.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum TextForm {
    /// The text in UTF-8.
    Text(Bytes),
    /// Bytes to be shown in base64 (RFC 4648, with padding).
    Base64(Bytes),
}

/// A content as JSON.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum JsonForm {
    /// One JSON value in UTF-8.
    Value(Bytes),
    /// Bytes to be shown as `{"data_type":"binary","encoding":"base64","data":…}`.
    Base64(Bytes),
}

impl Embedded {
    /// Bytes of the JSON value, or those to be shown in base64.
    pub fn size(&self) -> usize {
        match self {
            Self::Json { json_text, .. } => json_text.len(),
            Self::Bytes(bytes) => bytes.len(),
        }
    }
}

/// Content after decompression.
enum Opened {
    Text(Bytes),
    /// JSON text.
    Json(Bytes),
    Binary(Bytes),
}

impl EncodedContent<'_> {
    /// The form that suits the kind of content.
    ///
    /// # Errors
    ///
    /// [`Unreadable`]: the stored bytes are not what their kind and encoding say.
    pub fn generic(&self) -> Result<Generic, Unreadable> {
        Ok(match self.embedded()? {
            Embedded::Json { data_type, json_text } => Generic::Data { data_type, json_text },
            Embedded::Bytes(bytes) => Generic::Binary { size: bytes.len() },
        })
    }

    /// The same with all bytes: as [`EncodedContent::as_binary`] has them.
    ///
    /// # Errors
    ///
    /// [`Unreadable`].
    pub fn embedded(&self) -> Result<Embedded, Unreadable> {
        Ok(match self.open()? {
            Opened::Text(text) => Embedded::Json { data_type: "string", json_text: json_string(&text)? },
            Opened::Json(json_text) => Embedded::Json { data_type: "json", json_text },
            Opened::Binary(bytes) => Embedded::Bytes(bytes),
        })
    }

    /// The content as text.
    ///
    /// # Errors
    ///
    /// [`Unreadable`].
    pub fn as_string(&self, by: LookupKind) -> Result<TextForm, Unreadable> {
        Ok(match self.open()? {
            Opened::Text(text) => TextForm::Text(text),
            Opened::Json(json_text) => TextForm::Text(dumps(&json_text)?),
            Opened::Binary(bytes) if by == LookupKind::Hash && std::str::from_utf8(&bytes).is_ok() => {
                TextForm::Text(bytes)
            }
            Opened::Binary(bytes) => TextForm::Base64(bytes),
        })
    }

    /// The content as JSON.
    ///
    /// # Errors
    ///
    /// [`JsonFormError`]: the content is a text that is not JSON, or it is unreadable.
    pub fn as_json(&self, by: LookupKind) -> Result<JsonForm, JsonFormError> {
        Ok(match self.open()? {
            Opened::Text(text) => JsonForm::Value(json_in(&text, by)?),
            Opened::Json(json_text) => JsonForm::Value(json_text),
            Opened::Binary(bytes) => JsonForm::Base64(bytes),
        })
    }

    /// The content as bytes, without its compression.
    ///
    /// # Errors
    ///
    /// [`Unreadable`].
    pub fn as_binary(&self) -> Result<Bytes, Unreadable> {
        match self.kind {
            ContentKind::Json => dumps(self.bytes),
            ContentKind::Binary if self.is_gzip() => self.inflated(),
            ContentKind::String | ContentKind::Binary | ContentKind::Zip => Ok(self.bytes.clone()),
        }
    }

    /// Whether the stored bytes are compressed, and could be sent as they are to a caller who accepts gzip.
    pub fn is_gzip(&self) -> bool {
        self.kind == ContentKind::Binary && self.content_encoding == Some(GZIP)
    }

    fn inflated(&self) -> Result<Bytes, Unreadable> {
        Ok(inflate(self.bytes, self.max_inflated)?)
    }

    fn open(&self) -> Result<Opened, Unreadable> {
        match self.kind {
            ContentKind::String => Ok(Opened::Text(self.bytes.clone())),
            ContentKind::Json => Ok(Opened::Json(self.bytes.clone())),
            ContentKind::Binary if self.is_gzip() => {
                let inflated = self.inflated()?;
                let document = Document::parse(&inflated);
                Ok(document.map_or(Opened::Binary(inflated), |document| Opened::Json(document.into_text())))
            }
            ContentKind::Binary | ContentKind::Zip => Ok(Opened::Binary(self.bytes.clone())),
        }
    }
}

/// The text as a JSON string that keeps all characters but those that must be escaped.
fn json_string(text: &[u8]) -> Result<Bytes, Unreadable> {
    let text = std::str::from_utf8(text).map_err(|_| Unreadable::NotUtf8)?;
    Ok(serde_json::Value::from(text).to_string().into())
}

fn dumps(json_text: &Bytes) -> Result<Bytes, Unreadable> {
    Ok(Document::parse(json_text)?.root().dumps().into())
}

fn json_in(text: &Bytes, by: LookupKind) -> Result<Bytes, JsonFormError> {
    Document::parse(text).map(Document::into_text).map_err(|reason| {
        let preview =
            (by == LookupKind::Id).then(|| String::from_utf8_lossy(text).chars().take(MAX_PREVIEW_CHARS).collect());
        JsonFormError::NotJson { preview, reason }
    })
}

/// The stored bytes are not what their kind and encoding say. The caller cannot correct that.
#[derive(Debug, Clone, PartialEq, Eq, Error)]
pub enum Unreadable {
    /// A gzip stream does not inflate any more, or the limit is lower than when it was stored.
    #[error(transparent)]
    Gzip(#[from] InflateError),
    /// A JSON document does not parse.
    #[error("the stored document is {0}")]
    Json(#[from] JsonError),
    /// A text is not UTF-8.
    #[error("the stored text is not valid UTF-8")]
    NotUtf8,
}

/// Why a content has no JSON form.
#[derive(Debug, Clone, PartialEq, Eq, Error)]
pub enum JsonFormError {
    /// A text that is not JSON.
    #[error("the content is a string, and {reason}; read it as a string")]
    NotJson {
        /// The beginning of the text, up to [`MAX_PREVIEW_CHARS`] characters; `None` by hash.
        preview: Option<String>,
        /// Why it is not JSON.
        reason: JsonError,
    },
    /// The stored bytes cannot be read at all.
    #[error(transparent)]
    Unreadable(#[from] Unreadable),
}

#[cfg(test)]
mod tests {
    use std::io::Write;

    use flate2::Compression;
    use flate2::write::GzEncoder;

    use super::*;
    use crate::json::JsonErrorKind;

    fn gzip(bytes: &[u8]) -> Bytes {
        let mut encoder = GzEncoder::new(Vec::new(), Compression::default());
        encoder.write_all(bytes).unwrap();
        encoder.finish().unwrap().into()
    }

    fn stored<'a>(kind: ContentKind, content_encoding: Option<&'a str>, bytes: &'a Bytes) -> EncodedContent<'a> {
        EncodedContent { kind, content_encoding, bytes, max_inflated: 1000 }
    }

    fn data(data_type: &'static str, json_text: &'static str) -> Generic {
        Generic::Data { data_type, json_text: json_text.into() }
    }

    fn text(text: &'static str) -> TextForm {
        TextForm::Text(text.into())
    }

    fn value(text: &'static str) -> JsonForm {
        JsonForm::Value(text.into())
    }

    /// One row of the table: the forms of a content that has them all, by id and by hash alike.
    #[track_caller]
    fn check(stored: EncodedContent, generic: Generic, string: TextForm, json: JsonForm, binary: &[u8]) {
        assert_eq!(stored.generic().unwrap(), generic);
        for by in [LookupKind::Id, LookupKind::Hash] {
            assert_eq!(stored.as_string(by).unwrap(), string);
            assert_eq!(stored.as_json(by).unwrap(), json);
        }
        assert_eq!(stored.as_binary().unwrap(), binary);
    }

    /// One row of the table: a content that is binary to the reader, and by hash its text, when it is one.
    #[track_caller]
    fn check_binary(stored: EncodedContent, bytes: &[u8], by_hash: TextForm) {
        let raw = Bytes::copy_from_slice(bytes);
        assert_eq!(stored.generic().unwrap(), Generic::Binary { size: bytes.len() });
        assert_eq!(stored.as_string(LookupKind::Id).unwrap(), TextForm::Base64(raw.clone()));
        assert_eq!(stored.as_string(LookupKind::Hash).unwrap(), by_hash);
        for by in [LookupKind::Id, LookupKind::Hash] {
            assert_eq!(stored.as_json(by).unwrap(), JsonForm::Base64(raw.clone()));
        }
        assert_eq!(stored.as_binary().unwrap(), raw);
    }

    #[test]
    fn a_string_that_holds_json_has_all_forms() {
        for (source, embedded, json) in [
            ("[1, 2.50]", r#""[1, 2.50]""#, "[1,2.50]"),
            ("123", r#""123""#, "123"),
            ("null", r#""null""#, "null"),
            ("\"é\"\n", r#""\"é\"\n""#, "\"é\""),
        ] {
            let bytes = Bytes::from(source);
            let stored = stored(ContentKind::String, None, &bytes);
            check(stored, data("string", embedded), text(source), value(json), source.as_bytes());
        }
    }

    #[test]
    fn a_string_that_is_not_json_has_no_json_form() {
        let long = "é<".repeat(80);
        let bytes = Bytes::from(long.clone());
        let stored = stored(ContentKind::String, None, &bytes);
        assert_eq!(
            stored.generic().unwrap(),
            Generic::Data { data_type: "string", json_text: format!("\"{long}\"").into() }
        );
        assert_eq!(stored.as_string(LookupKind::Id).unwrap(), TextForm::Text(bytes.clone()));
        assert_eq!(stored.as_binary().unwrap(), bytes);
        let reason = JsonError { offset: 0, kind: JsonErrorKind::ExpectedValue };
        for (by, preview) in [(LookupKind::Id, Some("é<".repeat(50))), (LookupKind::Hash, None)] {
            let refused = JsonFormError::NotJson { preview, reason: reason.clone() };
            assert_eq!(stored.as_json(by), Err(refused));
        }
    }

    #[test]
    fn json_is_text_as_python_writes_it() {
        let bytes = Bytes::from(r#"{"b":"é","a":[1e5,2]}"#);
        let stored = stored(ContentKind::Json, None, &bytes);
        let dumped = r#"{"b": "\u00e9", "a": [100000.0, 2]}"#;
        check(
            stored,
            data("json", r#"{"b":"é","a":[1e5,2]}"#),
            text(dumped),
            value(r#"{"b":"é","a":[1e5,2]}"#),
            dumped.as_bytes(),
        );
    }

    #[test]
    fn binary_and_zip_are_bytes_also_when_they_hold_json() {
        for kind in [ContentKind::Binary, ContentKind::Zip] {
            check_binary(
                stored(kind, None, &Bytes::from_static(b"\0\xff")),
                b"\0\xff",
                TextForm::Base64(b"\0\xff"[..].into()),
            );
            check_binary(stored(kind, None, &Bytes::from("{}")), b"{}", text("{}"));
        }
    }

    #[test]
    fn gzip_without_its_content_encoding_is_plain_binary() {
        let bytes = gzip(b"{}");
        for encoding in [None, Some("GZIP"), Some("br")] {
            check_binary(stored(ContentKind::Binary, encoding, &bytes), &bytes, TextForm::Base64(bytes.clone()));
        }
    }

    #[test]
    fn gzip_that_holds_json_of_any_kind_is_json_and_its_bytes_stay() {
        for (source, json, dumped) in [
            ("{ \"é\" : 1.50 }\n", "{\"é\":1.50}", r#"{"\u00e9": 1.5}"#),
            ("\"txt\"", "\"txt\"", "\"txt\""),
            ("null", "null", "null"),
            ("321", "321", "321"),
            ("true", "true", "true"),
            ("[1,2]", "[1,2]", "[1, 2]"),
        ] {
            let bytes = gzip(source.as_bytes());
            let stored = stored(ContentKind::Binary, Some("gzip"), &bytes);
            check(stored, data("json", json), text(dumped), value(json), source.as_bytes());
        }
    }

    #[test]
    fn gzip_that_holds_no_json_is_binary_without_its_compression() {
        for (bytes, by_hash) in [
            (&b"plain text"[..], text("plain text")),
            (b"", text("")),
            (b"NaN", text("NaN")),
            (b"\xff\xfe", TextForm::Base64(b"\xff\xfe"[..].into())),
        ] {
            check_binary(stored(ContentKind::Binary, Some("gzip"), &gzip(bytes)), bytes, by_hash);
        }
    }

    #[test]
    fn damaged_bytes_are_unreadable() {
        let damaged = Bytes::from_static(b"\x1f\x8b\xff");
        let gzip = stored(ContentKind::Binary, Some("gzip"), &damaged);
        for refused in [gzip.generic().err(), gzip.as_string(LookupKind::Id).err(), gzip.as_binary().err()] {
            assert!(matches!(refused, Some(Unreadable::Gzip(InflateError::BadStream(_)))), "{refused:?}");
        }
        assert!(matches!(gzip.as_json(LookupKind::Id), Err(JsonFormError::Unreadable(Unreadable::Gzip(_)))));
        assert!(matches!(stored(ContentKind::Json, None, &damaged).as_binary(), Err(Unreadable::Json(_))));
        assert_eq!(stored(ContentKind::String, None, &damaged).generic(), Err(Unreadable::NotUtf8));
    }

    #[test]
    fn a_content_above_the_limit_is_not_inflated() {
        let bytes = gzip(&[b' '; 1001]);
        let too_large = Unreadable::Gzip(InflateError::TooLarge { limit: 1000 });
        assert_eq!(stored(ContentKind::Binary, Some("gzip"), &bytes).as_binary(), Err(too_large));
    }
}
