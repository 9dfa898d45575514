//! Names that a request may carry, as types. A value of one of these types is valid; nothing behind the door checks again.
//!
//! Parsing **cleans**, as the Python service does: white space around the name is cut, and each character outside the
//! name's alphabet becomes `_`. What cleaning leaves must then be usable: not empty, not `_` alone, and for paths free of
//! empty, `.` and `..` segments and of backslashes. A caller who wants no cleaning compares the parsed name with what it
//! was parsed from.

use std::fmt;
use std::str::FromStr;

use serde::{Deserialize, Deserializer, Serialize, Serializer};
use thiserror::Error;
use uuid::Uuid;

use crate::strategy::{ContentKind, Strategy};

/// The longest namespace or file id, in characters.
pub const MAX_ID_CHARS: usize = 128;
/// The longest cache key or data key, in characters.
pub const MAX_PATH_CHARS: usize = 1024;

/// Why a text is not a valid name.
#[derive(Debug, Clone, PartialEq, Eq, Error)]
pub enum InvalidName {
    /// Nothing is left after trimming.
    #[error("must not be empty")]
    Empty,
    /// Too many characters.
    #[error("has {was} characters, the limit is {limit}")]
    TooLong {
        /// Characters after trimming.
        was: usize,
        /// The limit.
        limit: usize,
    },
    /// No character of it is allowed.
    #[error("has no usable character: use letters, digits, '-' or '_' (not '_' alone)")]
    OnlyUnderscores,
    /// A path with a segment that means something else, or nothing.
    #[error("must not have empty, '.' or '..' segments, nor begin or end with '/'")]
    OddSegment,
    /// A path with a backslash.
    #[error("must not contain a backslash: separate folders with '/'")]
    Backslash,
    /// Not a UUID with dashes.
    #[error("is not a GUID such as 550e8400-e29b-41d4-a716-446655440000")]
    NotAGuid,
    /// Not a hash.
    #[error("must be 10 to 96 lowercase hex digits")]
    NotAHash,
    /// Not a blob token.
    #[error("must be five lowercase hex digits")]
    NotAToken,
}

/// Cuts and replaces as the module's docs say. `path` keeps `.`, `/`, `\` and spaces as well.
fn clean(raw: &str, limit: usize, path: bool) -> Result<String, InvalidName> {
    let trimmed = raw.trim();
    let chars = trimmed.chars().count();
    if chars == 0 {
        return Err(InvalidName::Empty);
    }
    if chars > limit {
        return Err(InvalidName::TooLong { was: chars, limit });
    }
    let keeps = |c: char| c.is_ascii_alphanumeric() || "_-".contains(c) || (path && "./\\ ".contains(c));
    let cleaned: String = trimmed.chars().map(|c| if keeps(c) { c } else { '_' }).collect();
    if cleaned.bytes().all(|b| b == b'_') {
        return Err(InvalidName::OnlyUnderscores);
    }
    Ok(cleaned)
}

fn clean_path(raw: &str) -> Result<String, InvalidName> {
    let cleaned = clean(raw, MAX_PATH_CHARS, true)?;
    if cleaned.contains('\\') {
        return Err(InvalidName::Backslash);
    }
    if cleaned.split('/').any(|segment| matches!(segment.trim(), "" | "." | "..")) {
        return Err(InvalidName::OddSegment);
    }
    Ok(cleaned)
}

/// A name that is a cleaned text behind a private field.
macro_rules! name_type {
    ($(#[$docs:meta])* $name:ident, $clean:expr) => {
        $(#[$docs])*
        #[derive(Debug, Clone, PartialEq, Eq, Hash, PartialOrd, Ord)]
        pub struct $name(String);

        impl $name {
            /// The name as text.
            pub fn as_str(&self) -> &str {
                &self.0
            }
        }

        impl FromStr for $name {
            type Err = InvalidName;

            fn from_str(raw: &str) -> Result<Self, InvalidName> {
                #[allow(clippy::redundant_closure_call, reason = "the macro takes the rule as a closure")]
                ($clean)(raw).map(Self)
            }
        }

        text_form!($name);
    };
}

/// `Display` as the exact inverse of `FromStr`, and the same text in JSON.
macro_rules! text_form {
    ($name:ident) => {
        impl fmt::Display for $name {
            fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
                fmt::Display::fmt(&self.0, f)
            }
        }

        impl Serialize for $name {
            fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
                serializer.collect_str(&self.0)
            }
        }

        impl<'de> Deserialize<'de> for $name {
            fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
                let text = String::deserialize(deserializer)?;
                text.parse().map_err(|err| serde::de::Error::custom(format_args!("'{text}' {err}")))
            }
        }
    };
}

name_type! {
    /// A world of its own: nothing is shared between two namespaces. 1 to 128 characters of `A-Za-z0-9_-`.
    Namespace, |raw| clean(raw, MAX_ID_CHARS, false)
}
name_type! {
    /// The name of a file under a key, of an entry or of child data. 1 to 128 characters of `A-Za-z0-9_-`.
    FileId, |raw| clean(raw, MAX_ID_CHARS, false)
}
name_type! {
    /// A readable path that an entry is stored under, such as `users/u1`. 1 to 1,024 characters of `A-Za-z0-9_-./ `.
    CacheKey, clean_path
}
name_type! {
    /// A readable path of child data under its entry, such as `analysis/sentiment`. 1 to 1,024 characters of `A-Za-z0-9_-./ `.
    DataKey, clean_path
}

/// The hash that contents are found by: 10 to 96 lowercase hex digits; those that this service makes have 16.
#[derive(Debug, Clone, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub struct CacheHash(String);

impl CacheHash {
    /// How many hex digits of a SHA-256 make a hash.
    pub const DIGITS: usize = 16;

    /// The hash of canonical content with this SHA-256.
    pub(crate) fn from_digest(digest: &[u8]) -> Self {
        Self(hex::encode(&digest[..Self::DIGITS / 2]))
    }

    /// The hash as text.
    pub fn as_str(&self) -> &str {
        &self.0
    }

    /// The 64 bits of a hash of [`CacheHash::DIGITS`] digits.
    fn bits(&self) -> Option<u64> {
        (self.0.len() == Self::DIGITS).then(|| u64::from_str_radix(&self.0, 16).ok()).flatten()
    }
}

impl FromStr for CacheHash {
    type Err = InvalidName;

    fn from_str(text: &str) -> Result<Self, InvalidName> {
        let hex = |b: u8| b.is_ascii_digit() || (b'a'..=b'f').contains(&b);
        match text.len() {
            10..=96 if text.bytes().all(hex) => Ok(Self(text.to_owned())),
            _ => Err(InvalidName::NotAHash),
        }
    }
}

text_form!(CacheHash);

/// The name of one stored entry, a UUID with dashes in lowercase.
///
/// The ids that this service makes are of version 8 (RFC 9562) and carry an [`IdParts`] in their 122 free bits. Any other
/// UUID is a valid id, too: of an entry that came from elsewhere.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub struct CacheId(Uuid);

/// What an id of this service says about its entry.
///
/// | bits | what |
/// |---|---|
/// | 64 | the cache hash |
/// | 18 | the blob token |
/// | 3 | the strategy |
/// | 2 | the kind of content |
/// | 35 | chance |
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct IdParts {
    /// Hash of the entry's content.
    pub cache_hash: CacheHash,
    /// Which of the blobs under that hash holds the content.
    pub token: BlobToken,
    /// The entry's strategy.
    pub strategy: Strategy,
    /// The kind of its content.
    pub kind: ContentKind,
}

impl CacheId {
    /// Makes an id; `None` for a hash that has not [`CacheHash::DIGITS`] digits. Of `random` the lowest 35 bits are used.
    pub fn new(parts: &IdParts, random: u64) -> Option<Self> {
        let hash = u128::from(parts.cache_hash.bits()?);
        let free = (hash << 58)
            | (u128::from(parts.token.0) << 40)
            | (u128::from(parts.strategy.code()) << 37)
            | (u128::from(parts.kind.code()) << 35)
            | u128::from(random & ((1 << 35) - 1));
        // RFC 9562: 48 free bits, 4 bits of version, 12 free bits, 2 bits of variant, 62 free bits.
        let bits =
            (free >> 74) << 80 | 0x8 << 76 | ((free >> 62) & 0xfff) << 64 | 0b10 << 62 | (free & ((1 << 62) - 1));
        Some(Self(Uuid::from_u128(bits)))
    }

    /// What the id says about its entry; `None` for an id from elsewhere.
    pub fn parts(&self) -> Option<IdParts> {
        let bits = self.0.as_u128();
        if (bits >> 76) & 0xf != 0x8 || (bits >> 62) & 0b11 != 0b10 {
            return None;
        }
        let free = (bits >> 80) << 74 | ((bits >> 64) & 0xfff) << 62 | (bits & ((1 << 62) - 1));
        Some(IdParts {
            cache_hash: CacheHash(format!("{:016x}", free >> 58)),
            token: BlobToken(((free >> 40) & u128::from(BlobToken::MAX)) as u32),
            strategy: Strategy::from_code(((free >> 37) & 0b111) as u8)?,
            kind: ContentKind::from_code(((free >> 35) & 0b11) as u8)?,
        })
    }

    /// An id from anywhere, such as one of the fixtures.
    pub const fn from_u128(bits: u128) -> Self {
        Self(Uuid::from_u128(bits))
    }
}

impl FromStr for CacheId {
    type Err = InvalidName;

    fn from_str(text: &str) -> Result<Self, InvalidName> {
        let id = Uuid::try_parse(text).map_err(|_| InvalidName::NotAGuid)?;
        let dashed = text.len() == 36 && !text.starts_with(['{', 'u']);
        if dashed { Ok(Self(id)) } else { Err(InvalidName::NotAGuid) }
    }
}

text_form!(CacheId);

/// Tells the blobs under one cache hash apart. Token 0 is the blob that is named by the hash alone.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, PartialOrd, Ord, Default, Serialize, Deserialize)]
#[serde(transparent)]
pub struct BlobToken(u32);

impl BlobToken {
    /// The blob that is named by its hash alone.
    pub const PLAIN: Self = Self(0);
    /// The largest token: 18 bits.
    pub const MAX: u32 = (1 << 18) - 1;

    /// A token other than [`BlobToken::PLAIN`], from random bits.
    pub fn fresh(random: u64) -> Self {
        Self((random % u64::from(Self::MAX)) as u32 + 1)
    }

    /// Whether this is [`BlobToken::PLAIN`].
    pub const fn is_plain(self) -> bool {
        self.0 == 0
    }
}

impl FromStr for BlobToken {
    type Err = InvalidName;

    /// The inverse of `Display`.
    fn from_str(text: &str) -> Result<Self, InvalidName> {
        let token = u32::from_str_radix(text, 16).map(Self).map_err(|_| InvalidName::NotAToken)?;
        (token.0 <= Self::MAX && token.to_string() == text).then_some(token).ok_or(InvalidName::NotAToken)
    }
}

impl fmt::Display for BlobToken {
    /// Five lowercase hex digits.
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{:05x}", self.0)
    }
}

#[cfg(test)]
mod tests {
    use proptest::{prop_assert_eq, proptest};

    use super::*;

    #[test]
    fn a_name_is_trimmed_and_cleaned() {
        assert_eq!(" a.b c ".parse::<Namespace>().unwrap().as_str(), "a_b_c");
        assert_eq!("café/x y".parse::<CacheKey>().unwrap().as_str(), "caf_/x y");
    }

    #[test]
    fn an_unusable_name_is_refused_with_its_reason() {
        let long = "x".repeat(129);
        assert_eq!(" ".parse::<Namespace>(), Err(InvalidName::Empty));
        assert_eq!(long.parse::<Namespace>(), Err(InvalidName::TooLong { was: 129, limit: 128 }));
        assert_eq!("..".parse::<FileId>(), Err(InvalidName::OnlyUnderscores));
        for key in ["/a", "a/", "a//b", "a/../b", ".", "a/./b", "a/ /b"] {
            assert_eq!(key.parse::<CacheKey>(), Err(InvalidName::OddSegment), "{key}");
        }
        assert_eq!("a\\b".parse::<DataKey>(), Err(InvalidName::Backslash));
        assert_eq!("ABCDEF0123".parse::<CacheHash>(), Err(InvalidName::NotAHash));
        assert_eq!("550e8400e29b41d4a716446655440000".parse::<CacheId>(), Err(InvalidName::NotAGuid));
    }

    #[test]
    fn an_id_from_elsewhere_says_nothing_about_its_entry() {
        let id: CacheId = "96952918-3669-4537-9d7e-95c35b35fd12".parse().unwrap();
        assert_eq!(id.parts(), None);
    }

    proptest! {
        #[test]
        fn an_id_gives_back_what_it_was_made_of(hash: u64, token in 0..=BlobToken::MAX, strategy in 0..5u8, kind in 0..4u8, random: u64) {
            let parts = IdParts {
                cache_hash: CacheHash(format!("{hash:016x}")),
                token: BlobToken(token),
                strategy: Strategy::from_code(strategy).unwrap(),
                kind: ContentKind::from_code(kind).unwrap(),
            };
            let id = CacheId::new(&parts, random).unwrap();
            prop_assert_eq!(id.0.get_version_num(), 8);
            prop_assert_eq!(id.parts(), Some(parts));
            prop_assert_eq!(id.to_string().parse::<CacheId>(), Ok(id));
            prop_assert_eq!(BlobToken(token).to_string().parse::<BlobToken>(), Ok(BlobToken(token)));
        }

        #[test]
        fn cleaning_a_clean_name_changes_nothing(raw in ".{0,40}") {
            if let Ok(name) = raw.parse::<Namespace>() {
                prop_assert_eq!(name.to_string().parse::<Namespace>(), Ok(name));
            }
            if let Ok(key) = raw.parse::<CacheKey>() {
                prop_assert_eq!(key.to_string().parse::<CacheKey>(), Ok(key));
            }
        }
    }
}
