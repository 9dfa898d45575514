//! [`FieldPath`]: the name of one field of a document, whose value alone is hashed.

use std::fmt;
use std::str::FromStr;

use serde::{Deserialize, Deserializer, Serialize, Serializer};
use thiserror::Error;

use super::Json;

/// The longest field path, in characters.
pub const MAX_FIELD_PATH_CHARS: usize = 256;

/// The keys that lead to a field, joined by dots: `user.profile.email`. 1 to 256 characters of `A-Za-z0-9_-.`, no empty key.
///
/// Parsing cleans as the names of [`crate::ids`] do: any other character becomes `_`.
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
        let keeps = |c: char| c.is_ascii_alphanumeric() || "_-.".contains(c);
        Ok(Self(raw.chars().map(|c| if keeps(c) { c } else { '_' }).collect()))
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

impl Json {
    /// The value of a field.
    pub fn at(&self, path: &FieldPath) -> Result<&Self, UnusableField> {
        let mut value = self;
        let mut walked = 0;
        for key in path.0.split('.') {
            let Self::Object(members) = value else {
                let at = path.0[..walked].trim_end_matches('.').to_owned();
                return Err(UnusableField::NotAnObject { path: path.0.clone(), at, found: value.kind() });
            };
            let end = walked + key.len();
            value = match members.iter().find(|(name, _)| name == key) {
                Some((_, member)) => member,
                None => return Err(UnusableField::Missing { at: path.0[..end].to_owned() }),
            };
            walked = end + ".".len();
        }
        Ok(value)
    }

    /// The text that stands for a field in a hash: a string as it is, anything else as Python's `str` writes it, objects
    /// and lists in canonical JSON.
    pub fn field_text(&self, path: &FieldPath) -> Result<String, UnusableField> {
        let at = || path.0.clone();
        match self.at(path)? {
            Self::Null => Err(UnusableField::Null { at: at() }),
            Self::String(text) if text.is_empty() => Err(UnusableField::EmptyString { at: at() }),
            Self::String(text) => Ok(text.clone()),
            Self::Bool(true) => Ok("True".to_owned()),
            Self::Bool(false) => Ok("False".to_owned()),
            value @ (Self::Integer(_) | Self::Float(_) | Self::Array(_) | Self::Object(_)) => Ok(value.canonical()),
        }
    }
}
