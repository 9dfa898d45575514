//! [`FieldPath`]: the name of one field of a document, whose value alone is hashed.

use std::fmt;
use std::str::FromStr;

use serde::{Deserialize, Deserializer, Serialize, Serializer};
use thiserror::Error;

use super::escape::Unescaped;
use super::tokens::{Token, Tokens};
use super::{JsonKind, JsonValue};
use crate::sanitize::sanitize;

/// The longest field path, in characters.
pub const MAX_FIELD_PATH_CHARS: usize = 256;

/// The keys that lead to a field, joined by dots: `user.profile.email`. 1 to 256 characters of `A-Za-z0-9_-.`, no empty key.
///
/// Parsing sanitizes as for the names of [`crate::ids`]: any other character becomes `_`.
#[derive(Debug, Clone, PartialEq, Eq, Hash)]
pub struct FieldPath(String);

impl FieldPath {
    /// The path as text.
    pub fn as_str(&self) -> &str {
        &self.0
    }
}

impl FromStr for FieldPath {
    type Err = InvalidFieldPath;

    fn from_str(raw: &str) -> Result<Self, InvalidFieldPath> {
        let chars = raw.chars().count();
        if chars == 0 {
            return Err(InvalidFieldPath::Empty);
        }
        if chars > MAX_FIELD_PATH_CHARS {
            return Err(InvalidFieldPath::TooLong { was: chars });
        }
        if raw.contains("..") {
            return Err(InvalidFieldPath::ConsecutiveDots);
        }
        if raw.starts_with('.') || raw.ends_with('.') {
            return Err(InvalidFieldPath::OuterDot);
        }
        Ok(Self(sanitize(raw, ".")))
    }
}

impl fmt::Display for FieldPath {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.0)
    }
}

impl Serialize for FieldPath {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        serializer.serialize_str(&self.0)
    }
}

impl<'de> Deserialize<'de> for FieldPath {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        let text = String::deserialize(deserializer)?;
        text.parse().map_err(|err| serde::de::Error::custom(format_args!("'{text}' {err}")))
    }
}

/// Why a text is not a [`FieldPath`].
#[derive(Debug, Clone, PartialEq, Eq, Error)]
pub enum InvalidFieldPath {
    /// No character at all.
    #[error("must not be empty: leave it out to hash the whole content")]
    Empty,
    /// Too many characters.
    #[error("has {was} characters, the limit is {MAX_FIELD_PATH_CHARS}")]
    TooLong {
        /// Characters.
        was: usize,
    },
    /// An empty key in the middle.
    #[error("must not have two dots in a row: name a key between them")]
    ConsecutiveDots,
    /// An empty key at an end.
    #[error("must not begin or end with a dot")]
    OuterDot,
}

/// Why the field that a path names cannot be hashed. Each `at` is the part of the path that the reason is about.
#[derive(Debug, Clone, PartialEq, Eq, Error)]
pub enum UnusableField {
    /// The last key of `at` is not in its object.
    #[error("the content has no field '{at}'")]
    Missing {
        /// The path up to the missing key.
        at: String,
    },
    /// The path goes on, but there is nothing to look into.
    #[error("the content has no field '{path}': {} is {found}, not an object", named(at))]
    NotAnObject {
        /// The whole path.
        path: String,
        /// The path up to the value; empty for the content itself.
        at: String,
        /// What is there instead.
        found: &'static str,
    },
    /// The field is `null`.
    #[error("the field '{at}' is null: hash another field, or give it a value")]
    Null {
        /// The path.
        at: String,
    },
    /// The field is an empty string.
    #[error("the field '{at}' is an empty string: hash another field, or give it a value")]
    EmptyString {
        /// The path.
        at: String,
    },
}

fn named(at: &str) -> String {
    if at.is_empty() { "the content".to_owned() } else { format!("'{at}'") }
}

/// Where the values lie that the keys lead to, one after the other. Shorter than `keys` when one of them is missing, or
/// leads into something that is not an object.
///
/// The text is read once, whatever the number of keys. A later duplicate of a key replaces what the earlier one led to.
pub(super) fn find(text: &str, keys: &[&str]) -> Vec<usize> {
    let mut found = Vec::new();
    let mut tokens = Tokens::new(text);
    // How many containers are open, and how many of them, from the outermost one, are objects on the path.
    let (mut depth, mut on_path) = (0, 0);
    let mut is_on_path = true;
    while let Some((at, token)) = tokens.next() {
        match token {
            Token::ObjectStart | Token::ArrayStart => {
                depth += 1;
                if is_on_path && token == Token::ObjectStart && depth <= keys.len() {
                    on_path = depth;
                }
            }
            Token::ObjectEnd | Token::ArrayEnd => {
                depth -= 1;
                on_path = on_path.min(depth);
            }
            Token::Key | Token::Scalar => {}
        }
        is_on_path =
            token == Token::Key && depth == on_path && Unescaped::new(text, at + 1).eq(keys[depth - 1].chars());
        if is_on_path {
            found.truncate(depth - 1);
            found.push(tokens.offset());
        }
    }
    found
}

impl<'a> JsonValue<'a> {
    /// The value of a field.
    ///
    /// # Errors
    ///
    /// [`UnusableField::Missing`] and [`UnusableField::NotAnObject`].
    pub fn at(self, path: &FieldPath) -> Result<Self, UnusableField> {
        let keys: Vec<&str> = path.0.split('.').collect();
        let found = find(self.text, &keys);
        let last = found.last().map_or(self, |&start| self.value_at(start));
        if found.len() == keys.len() {
            return Ok(last);
        }
        let at = |keys: &[&str]| keys.join(".");
        Err(match last.kind() {
            JsonKind::Object => UnusableField::Missing { at: at(&keys[..=found.len()]) },
            kind @ (JsonKind::Null | JsonKind::Bool | JsonKind::Number | JsonKind::String | JsonKind::Array) => {
                UnusableField::NotAnObject { path: path.0.clone(), at: at(&keys[..found.len()]), found: kind.name() }
            }
        })
    }

    /// Writes the text that stands for a field in a hash: a string as it is, anything else as Python's `str` writes it,
    /// objects and lists in canonical JSON. `write` receives it in parts.
    ///
    /// # Errors
    ///
    /// The field is missing, null, or an empty string. Then nothing is written.
    pub fn field_to(self, path: &FieldPath, write: &mut dyn FnMut(&str)) -> Result<(), UnusableField> {
        let value = self.at(path)?;
        match value.kind() {
            JsonKind::Null => return Err(UnusableField::Null { at: path.0.clone() }),
            JsonKind::String => match value.as_string() {
                Some(text) if !text.is_empty() => write(&text),
                Some(_) | None => return Err(UnusableField::EmptyString { at: path.0.clone() }),
            },
            JsonKind::Bool => write(if value.text == "true" { "True" } else { "False" }),
            JsonKind::Number | JsonKind::Array | JsonKind::Object => value.canonical_to(write),
        }
        Ok(())
    }

    /// As [`JsonValue::field_to`], in memory.
    ///
    /// # Errors
    ///
    /// As [`JsonValue::field_to`].
    pub fn field_text(self, path: &FieldPath) -> Result<String, UnusableField> {
        let mut text = String::new();
        self.field_to(path, &mut |part| text.push_str(part))?;
        Ok(text)
    }
}
