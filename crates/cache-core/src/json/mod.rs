//! JSON as this service needs it: the sender's text is kept, and hashes follow Python's `json.dumps`.
//!
//! Why a parser of our own: an entry's hash needs every integer exactly and every float as a float, and its content is
//! stored with the sender's number text and key order. `serde_json` returns numbers as `f64`, or keeps their text by a
//! feature that changes numbers for every other user of it in the build. The grammar is RFC 8259 without extensions, and
//! the text must be UTF-8.
//!
//! | file | holds |
//! |---|---|
//! | `mod.rs` | [`Document`], [`JsonValue`], and the errors |
//! | `parse.rs` | source to [`Document`]: checks and minifies |
//! | `escape.rs` | one escape in a string, for parser and readers |
//! | `tokens.rs` | the tokens of a minified text |
//! | `index.rs` | the members of all objects in the order of their keys |
//! | `render.rs` | [`JsonValue`] to text, as Python writes it |
//! | `field.rs` | [`FieldPath`], and the field that it names |
//!
//! # Memory
//!
//! There is no tree of values: a value is a part of the text, and what is asked of it is read from there.
//!
//! | step | heap, for a source of `n` bytes |
//! |---|---|
//! | [`Document::parse`] | the minified text, at most `n`; nothing when there is no white space between the first and the last byte |
//! | [`JsonValue::canonical_to`], [`JsonValue::dumps_to`] | at most 3.2 `n` for an index of members, freed at the end, and a buffer of 8 KiB |
//! | [`JsonValue::field_to`] | nothing, but for a list or an object as above |
//! | [`JsonValue::member`], [`JsonValue::items`] | nothing |
//!
//! So a document that is parsed and hashed takes at most 5.2 times its size, its source included. No step uses the call
//! stack for depth. Time is linear in the size of the source, but for the sorting of keys.

mod escape;
mod field;
mod index;
mod parse;
mod render;
mod tokens;

use std::borrow::Cow;
use std::fmt;

use bytes::Bytes;
use thiserror::Error;

pub use field::{FieldPath, InvalidFieldPath, MAX_FIELD_PATH_CHARS, UnusableField};

use escape::Unescaped;
use index::Order;

/// How deep arrays and objects may be nested. A document without any has depth 0.
pub const MAX_DEPTH: usize = 900;

/// The longest source in bytes: 4 GiB less one byte, since the index has offsets of 32 bits.
pub const MAX_BYTES: usize = u32::MAX as usize;

/// A JSON text of any kind of value that was checked and minified.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Document {
    /// Valid JSON in UTF-8 without white space outside of strings.
    text: Bytes,
}

impl Document {
    /// Checks and minifies one JSON value.
    ///
    /// # Errors
    ///
    /// The first place at which the source is not JSON, or exceeds [`MAX_DEPTH`] or [`MAX_BYTES`].
    pub fn parse(source: &Bytes) -> Result<Self, JsonError> {
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
    pub fn root(&self) -> JsonValue<'_> {
        let text = std::str::from_utf8(&self.text).expect("the parser has checked that the text is UTF-8");
        JsonValue { text }
    }
}

/// A value in a [`Document`].
#[derive(Clone, Copy, PartialEq, Eq)]
pub struct JsonValue<'a> {
    /// The text of this value alone, checked and minified.
    text: &'a str,
}

/// The kinds of values.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum JsonKind {
    /// `null`
    Null,
    /// `true` or `false`
    Bool,
    /// An integer or a float, of any number of digits.
    Number,
    /// Text.
    String,
    /// Values in order.
    Array,
    /// Members. Of duplicate keys, the last value counts at the place of the first.
    Object,
}

impl JsonKind {
    /// The kind in messages: "a list", "null".
    pub const fn name(self) -> &'static str {
        match self {
            Self::Null => "null",
            Self::Bool => "a boolean",
            Self::Number => "a number",
            Self::String => "a string",
            Self::Array => "a list",
            Self::Object => "an object",
        }
    }
}

impl<'a> JsonValue<'a> {
    /// The minified text of the value.
    pub fn text(self) -> &'a str {
        self.text
    }

    /// The kind of value.
    pub fn kind(self) -> JsonKind {
        match self.text.as_bytes().first() {
            Some(b'{') => JsonKind::Object,
            Some(b'[') => JsonKind::Array,
            Some(b'"') => JsonKind::String,
            Some(b't' | b'f') => JsonKind::Bool,
            Some(b'n') => JsonKind::Null,
            _ => JsonKind::Number,
        }
    }

    /// The text of a string without its escapes; `None` for any other value.
    pub fn as_string(self) -> Option<Cow<'a, str>> {
        let inside = self.text.strip_prefix('"')?.strip_suffix('"')?;
        if !inside.contains('\\') {
            return Some(inside.into());
        }
        // No escape is shorter than its character.
        let mut text = String::with_capacity(inside.len());
        text.extend(Unescaped::new(self.text, 1));
        Some(text.into())
    }

    /// The value of an object's member; `None` when there is no such key, or the value is not an object.
    pub fn member(self, key: &str) -> Option<Self> {
        let found = field::find(self.text, &[key]);
        found.first().map(|&start| self.value_at(start))
    }

    /// The items of an array in their order; none of any other value.
    pub fn items(self) -> impl Iterator<Item = Self> + use<'a> {
        let mut at = if self.kind() == JsonKind::Array { 1 } else { self.text.len() };
        std::iter::from_fn(move || {
            at += usize::from(self.text.as_bytes().get(at) == Some(&b','));
            self.text.as_bytes().get(at).filter(|&&byte| byte != b']')?;
            let item = self.value_at(at);
            at += item.text.len();
            Some(item)
        })
    }

    /// The value that starts at an offset into the text.
    fn value_at(self, start: usize) -> Self {
        Self { text: &self.text[start..tokens::value_end(self.text, start)] }
    }

    /// Writes what `json.dumps(value, sort_keys=True)` returns in Python: the text that content hashes are taken over.
    /// `write` receives it in parts.
    pub fn canonical_to(self, write: &mut dyn FnMut(&str)) {
        render::render(self.text, Order::Sorted, write);
    }

    /// Writes what `json.dumps(value)` returns in Python. `write` receives it in parts.
    pub fn dumps_to(self, write: &mut dyn FnMut(&str)) {
        render::render(self.text, Order::Inserted, write);
    }

    /// As [`JsonValue::canonical_to`], in memory. It may have up to 6 times as many bytes as the text.
    pub fn canonical(self) -> String {
        let mut text = String::new();
        self.canonical_to(&mut |part| text.push_str(part));
        text
    }

    /// As [`JsonValue::dumps_to`], in memory. It may have up to 6 times as many bytes as the text.
    pub fn dumps(self) -> String {
        let mut text = String::new();
        self.dumps_to(&mut |part| text.push_str(part));
        text
    }
}

impl fmt::Debug for JsonValue<'_> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(self.text)
    }
}

/// Why a text is not JSON, and where.
#[derive(Debug, Clone, PartialEq, Eq, Error)]
#[error("not readable as JSON at byte {offset}: {kind}")]
pub struct JsonError {
    /// Byte of the source, counted from 0, at which reading stopped.
    pub offset: usize,
    /// What is wrong there.
    pub kind: JsonErrorKind,
}

/// What can be wrong in a JSON text.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Error)]
pub enum JsonErrorKind {
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
    /// More than [`MAX_BYTES`].
    #[error("the text is longer than {MAX_BYTES} bytes")]
    TooLong,
    /// Something follows the value.
    #[error("unexpected text after the end of the value")]
    TrailingText,
}

#[cfg(test)]
mod property_tests;
#[cfg(test)]
mod reference;
#[cfg(test)]
mod tests;
