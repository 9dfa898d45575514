//! JSON as this service needs it: the sender's text is kept, and hashes follow Python's `json.dumps`.
//!
//! Why a parser of our own: an entry's hash needs every integer exactly and every float as a float, and its content is
//! stored with the sender's number text and key order. `serde_json` hands numbers out as `f64`, or keeps their text by a
//! feature that changes numbers for every other user of it in the build. The grammar is RFC 8259 without extensions, and
//! the text must be UTF-8.
//!
//! | file | holds |
//! |---|---|
//! | `mod.rs` | what a document is, and why a text is none |
//! | `parse.rs` | text to [`Document`] |
//! | `render.rs` | [`Json`] to text, as Python writes it |
//! | `field.rs` | [`FieldPath`], and the field that it names |

mod field;
mod parse;
mod render;

use bytes::Bytes;
use thiserror::Error;

pub use field::{FieldPath, InvalidFieldPath, MAX_FIELD_PATH_CHARS, UnusableField};

/// How deep arrays and objects may be nested. A document without any has depth 0.
pub const MAX_DEPTH: usize = 128;

/// A parsed JSON text of any kind of value, together with its minified source.
#[derive(Debug, Clone, PartialEq)]
pub struct Document {
    text: Bytes,
    root: Json,
}

impl Document {
    /// Parses one JSON value. Time and memory are linear in the size of the source, but for the sorting of keys.
    pub fn parse(source: &Bytes) -> Result<Self, InvalidJson> {
        parse::parse(source)
    }

    /// The source without the white space outside of strings and without a byte order mark; all else is as it was sent:
    /// number text, key order, escapes, even duplicate keys. It is UTF-8.
    pub fn text(&self) -> &Bytes {
        &self.text
    }

    /// As [`Document::text`], without a copy.
    pub fn into_text(self) -> Bytes {
        self.text
    }

    /// The value.
    pub fn root(&self) -> &Json {
        &self.root
    }
}

/// A JSON value.
#[derive(Debug, Clone, PartialEq)]
pub enum Json {
    /// `null`
    Null,
    /// `true` or `false`
    Bool(bool),
    /// A number without fraction and exponent, of any size, in decimal digits as Python writes it: `-0` is `0`.
    Integer(String),
    /// Any other number. The parser makes finite ones only.
    Float(f64),
    /// Text without its escapes.
    String(String),
    /// Values in order.
    Array(Vec<Json>),
    /// Members in the order in which their keys first appear. Keys differ: of duplicates the last value counts.
    Object(Vec<(String, Json)>),
}

impl Json {
    /// What `json.dumps(value, sort_keys=True)` returns in Python: the text that content hashes are taken over.
    pub fn canonical(&self) -> String {
        render::render(self, render::Order::Sorted)
    }

    /// What `json.dumps(value)` returns in Python.
    pub fn dumps(&self) -> String {
        render::render(self, render::Order::Inserted)
    }

    /// The kind of value, for messages: "a list", "null".
    pub const fn kind(&self) -> &'static str {
        match self {
            Self::Null => "null",
            Self::Bool(_) => "a boolean",
            Self::Integer(_) | Self::Float(_) => "a number",
            Self::String(_) => "a string",
            Self::Array(_) => "a list",
            Self::Object(_) => "an object",
        }
    }
}

/// Why a text is not JSON, and where.
#[derive(Debug, Clone, PartialEq, Eq, Error)]
#[error("not readable as JSON at byte {offset}: {reason}")]
pub struct InvalidJson {
    /// Byte of the source, counted from 0, at which reading stopped.
    pub offset: usize,
    /// What is wrong there.
    pub reason: JsonFault,
}

/// What can be wrong in a JSON text.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Error)]
pub enum JsonFault {
    /// There is no value.
    #[error("the text is empty")]
    Empty,
    /// UTF-16 or UTF-32.
    #[error("the text is UTF-16 or UTF-32: send UTF-8")]
    WideEncoding,
    /// Bytes that are no text.
    #[error("the text is not valid UTF-8")]
    InvalidUtf8,
    /// The text stops in the middle of a value.
    #[error("the text ends in the middle of a value")]
    UnexpectedEnd,
    /// No value starts here.
    #[error("expected a value")]
    ExpectedValue,
    /// An object's key is missing.
    #[error("expected a key in double quotes")]
    ExpectedKey,
    /// A key without a colon.
    #[error("expected ':' after the key")]
    ExpectedColon,
    /// An array's item is followed by something else.
    #[error("expected ',' or ']' after the item")]
    ExpectedItemEnd,
    /// An object's member is followed by something else.
    #[error("expected ',' or '}}' after the value")]
    ExpectedMemberEnd,
    /// `NaN`, `Infinity` or `-Infinity`.
    #[error("NaN and Infinity are not JSON: use null or a string")]
    NotFinite,
    /// A float beyond the range of 64 bits, such as `1e400`.
    #[error("the number is too large for a 64-bit float: send it as an integer or a string")]
    NumberTooLarge,
    /// A zero before another digit.
    #[error("a number must not have leading zeros")]
    LeadingZero,
    /// A digit is missing.
    #[error("the number is incomplete: expected a digit")]
    ExpectedDigit,
    /// A raw line break, tab or other control character in a string.
    #[error("a control character in a string must be escaped")]
    ControlCharacter,
    /// A backslash before something that it does not go with.
    #[error("unknown escape: use one of \\\" \\\\ \\/ \\b \\f \\n \\r \\t or \\u with four hex digits")]
    BadEscape,
    /// Half of a surrogate pair.
    #[error("the \\u escape is half of a surrogate pair: it stands for no character")]
    LoneSurrogate,
    /// Nesting beyond [`MAX_DEPTH`].
    #[error("arrays and objects are nested deeper than {MAX_DEPTH}")]
    TooDeep,
    /// Something follows the value.
    #[error("unexpected text after the end of the value")]
    TrailingText,
}

#[cfg(test)]
mod tests;
