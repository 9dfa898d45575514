//! Names that a request may carry, as types. A value of one of these types is valid; nothing behind the door checks again.
//!
//! Parsing **sanitizes**, as the Python service does: white space around the name is cut, and each character outside the
//! name's alphabet becomes `_`. The result must be usable: not empty, not `_` alone (unless it was sent like
//! that as a file id), and for paths free of `.` and `..` segments. A caller who wants no
//! sanitizing compares the parsed name with what it was parsed from.

mod paths;

use std::fmt;
use std::str::FromStr;

use serde::{Deserialize, Deserializer, Serialize, Serializer};
use thiserror::Error;
use uuid::Uuid;

use crate::sanitize::sanitize;
use crate::strategy::{ContentKind, Strategy};

pub(crate) use paths::valid_member_name;
pub use paths::{CacheKey, DataKey};

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
    /// A path with a segment that means something else, or is blank.
    #[error("must not have blank, '.' or '..' segments")]
    InvalidSegment,
    /// The name of a member with a segment of nothing; keys may have them.
    #[error("must not have empty segments, nor begin or end with '/'")]
    EmptySegment,
    /// A path of nothing but `/`.
    #[error("must have a segment between its '/'")]
    NoSegment,
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

/// What paths may have beside the characters of other names. A backslash is judged by the name's type.
const PATH_CHARS: &str = "./\\ ";

/// Trims, checks and sanitizes, as the module's docs say. `also` is which characters stay beside `A-Za-z0-9_-`.
fn valid_text(raw: &str, limit: usize, also: &str) -> Result<String, InvalidName> {
    let trimmed = raw.trim();
    let chars = trimmed.chars().count();
    if chars == 0 {
        return Err(InvalidName::Empty);
    }
    if chars > limit {
        return Err(InvalidName::TooLong { was: chars, limit });
    }
    let sanitized = sanitize(trimmed, also);
    if sanitized.bytes().all(|b| b == b'_') {
        return Err(InvalidName::OnlyUnderscores);
    }
    Ok(sanitized)
}

/// As [`valid_text`], but a file may be called `_`.
fn valid_file_id(raw: &str) -> Result<String, InvalidName> {
    let sent = raw.trim();
    let is_underscores = !sent.is_empty() && sent.len() <= MAX_ID_CHARS && sent.bytes().all(|b| b == b'_');
    if is_underscores { Ok(sent.to_owned()) } else { valid_text(raw, MAX_ID_CHARS, "") }
}

/// A name that is a sanitized text behind a private field.
macro_rules! name_type {
    ($(#[$docs:meta])* $name:ident, $parse:expr) => {
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
                ($parse)(raw).map(Self)
            }
        }

        display_as_text!($name);
    };
}

/// `Display` as the exact inverse of `FromStr`, and the same text in JSON.
macro_rules! display_as_text {
    ($name:ident) => {
        impl fmt::Display for $name {
            fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
                fmt::Display::fmt(&self.0, f)
            }
        }

        serde_as_text!($name);
    };
}

/// The same text in JSON as `Display` writes and `FromStr` reads.
macro_rules! serde_as_text {
    ($name:ident) => {
        impl Serialize for $name {
            fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
                serializer.collect_str(self)
            }
        }

        impl<'de> Deserialize<'de> for $name {
            fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
                crate::serde_text::deserialize(deserializer)
            }
        }
    };
}
pub(crate) use serde_as_text;

name_type! {
    /// An isolated namespace: nothing is shared between two of them. 1 to 128 characters of `A-Za-z0-9_-`.
    Namespace, |raw| valid_text(raw, MAX_ID_CHARS, "")
}
name_type! {
    /// The name of a file under a key, of an entry or of child data. 1 to 128 characters of `A-Za-z0-9_-`.
    FileId, valid_file_id
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

display_as_text!(CacheHash);

/// The name of one stored entry, a UUID with dashes in lowercase.
///
/// The ids that this service makes are of version 8 (RFC 9562) and carry an [`IdParts`] in their 122 free bits. Any other
/// UUID is a valid id, too: of an entry that came from elsewhere.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub struct CacheId(Uuid);

/// What an id of this service says about its entry, so that a read by id needs no lookup.
///
/// | bits | what |
/// |---|---|
/// | 64 | the cache hash |
/// | 3 | the strategy |
/// | 2 | the kind of content |
/// | 1 | 0: the content was stored inline, 1: as a blob |
/// | 52 | inline: 36 bits of version, 16 random bits; blob: 20 bits of token, 32 bits of version |
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct IdParts {
    /// Hash of the entry's content.
    pub cache_hash: CacheHash,
    /// The entry's strategy.
    pub strategy: Strategy,
    /// The kind of the content it was stored with.
    pub kind: ContentKind,
    /// Which version under the hash it is, and where its content was stored.
    pub locator: Locator,
}

/// The last 52 bits of an id.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Locator {
    /// The content was stored inline, in the manifest.
    Inline {
        /// The version under the hash.
        version: u64,
        /// Random bits, so that two processes that draw an id for one version draw different ones.
        random: u16,
    },
    /// The content was stored as a blob.
    Blob {
        /// The version under the hash. In the id of an upload, which has no version yet, random bits.
        version: u64,
        /// Which blob under the hash.
        token: BlobToken,
    },
}

impl Locator {
    /// The largest version that an id of an inline content can hold.
    pub const MAX_INLINE_VERSION: u64 = (1 << 36) - 1;
    /// The largest version that an id of a blob can hold.
    pub const MAX_BLOB_VERSION: u64 = (1 << 32) - 1;

    /// The version under the hash.
    pub fn version(self) -> u64 {
        match self {
            Self::Inline { version, .. } | Self::Blob { version, .. } => version,
        }
    }

    /// The blob, if the content was stored as one.
    pub fn token(self) -> Option<BlobToken> {
        match self {
            Self::Inline { .. } => None,
            Self::Blob { token, .. } => Some(token),
        }
    }

    /// The 53 bits that stand for it in an id; `None` when the version does not fit.
    fn bits(self) -> Option<u128> {
        match self {
            Self::Inline { version, random } if version <= Self::MAX_INLINE_VERSION => {
                Some(u128::from(version) << 16 | u128::from(random))
            }
            Self::Blob { version, token } if version <= Self::MAX_BLOB_VERSION => {
                Some(1 << 52 | u128::from(token.0) << 32 | u128::from(version))
            }
            Self::Inline { .. } | Self::Blob { .. } => None,
        }
    }

    fn from_bits(bits: u128) -> Self {
        if bits >> 52 & 1 == 0 {
            Self::Inline { version: (bits >> 16) as u64 & Self::MAX_INLINE_VERSION, random: bits as u16 }
        } else {
            let token = BlobToken((bits >> 32) as u32 & BlobToken::MAX);
            Self::Blob { version: bits as u64 & Self::MAX_BLOB_VERSION, token }
        }
    }
}

impl CacheId {
    /// Makes an id; `None` for a hash that has not [`CacheHash::DIGITS`] digits, or a version that is too large.
    pub fn new(parts: &IdParts) -> Option<Self> {
        let free = (u128::from(parts.cache_hash.bits()?) << 58)
            | (u128::from(parts.strategy.code()) << 55)
            | (u128::from(parts.kind.code()) << 53)
            | parts.locator.bits()?;
        // RFC 9562: 48 free bits, 4 bits of version, 12 free bits, 2 bits of variant, 62 free bits.
        let bits =
            (free >> 74) << 80 | 0x8 << 76 | ((free >> 62) & 0xfff) << 64 | 0b10 << 62 | (free & ((1 << 62) - 1));
        Some(Self(Uuid::from_u128(bits)))
    }

    /// What the id says about its entry; `None` for an id that this service did not make.
    pub fn parts(&self) -> Option<IdParts> {
        let bits = self.0.as_u128();
        if (bits >> 76) & 0xf != 0x8 || (bits >> 62) & 0b11 != 0b10 {
            return None;
        }
        let free = (bits >> 80) << 74 | ((bits >> 64) & 0xfff) << 62 | (bits & ((1 << 62) - 1));
        Some(IdParts {
            cache_hash: CacheHash(format!("{:016x}", free >> 58)),
            strategy: Strategy::from_code(((free >> 55) & 0b111) as u8)?,
            kind: ContentKind::from_code(((free >> 53) & 0b11) as u8)?,
            locator: Locator::from_bits(free),
        })
    }

    /// Any id, such as one of the fixtures.
    pub const fn from_u128(bits: u128) -> Self {
        Self(Uuid::from_u128(bits))
    }

    /// The 16 bytes of the id.
    pub fn as_bytes(&self) -> &[u8; 16] {
        self.0.as_bytes()
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

display_as_text!(CacheId);

/// Tells the blobs under one cache hash apart: 20 random bits. A token is never used again once its blob was deleted.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub struct BlobToken(u32);

serde_as_text!(BlobToken);

impl BlobToken {
    /// The largest token.
    pub const MAX: u32 = (1 << 20) - 1;

    /// A token from random bits.
    pub fn from_random(random: u64) -> Self {
        Self((random & u64::from(Self::MAX)) as u32)
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
    fn a_name_is_trimmed_and_sanitized() {
        assert_eq!(" a.b c ".parse::<Namespace>().unwrap().as_str(), "a_b_c");
        assert_eq!("café/x y".parse::<CacheKey>().unwrap().as_str(), "caf_/x y");
    }

    #[test]
    fn an_unusable_name_is_refused_with_its_reason() {
        let long = "x".repeat(129);
        assert_eq!(" ".parse::<Namespace>(), Err(InvalidName::Empty));
        assert_eq!(long.parse::<Namespace>(), Err(InvalidName::TooLong { was: 129, limit: 128 }));
        assert_eq!("..".parse::<FileId>(), Err(InvalidName::OnlyUnderscores));
        assert_eq!("ABCDEF0123".parse::<CacheHash>(), Err(InvalidName::NotAHash));
        assert_eq!("550e8400e29b41d4a716446655440000".parse::<CacheId>(), Err(InvalidName::NotAGuid));
    }

    #[test]
    fn a_file_may_be_called_underscore_if_it_was_sent_like_that() {
        assert_eq!("_".parse::<FileId>().unwrap().as_str(), "_");
        assert_eq!("!!".parse::<FileId>(), Err(InvalidName::OnlyUnderscores));
        assert_eq!("_".parse::<Namespace>(), Err(InvalidName::OnlyUnderscores));
    }

    #[test]
    fn an_id_from_elsewhere_says_nothing_about_its_entry() {
        let id: CacheId = "96952918-3669-4537-9d7e-95c35b35fd12".parse().unwrap();
        assert_eq!(id.parts(), None);
    }

    #[test]
    fn a_version_that_does_not_fit_gives_no_id() {
        let parts = |locator| IdParts {
            cache_hash: CacheHash("2cf24dba5fb0a30e".to_owned()),
            strategy: Strategy::Direct,
            kind: ContentKind::String,
            locator,
        };
        let token = BlobToken::from_random(1);
        for too_large in [
            Locator::Inline { version: Locator::MAX_INLINE_VERSION + 1, random: 0 },
            Locator::Blob { version: Locator::MAX_BLOB_VERSION + 1, token },
        ] {
            assert_eq!(CacheId::new(&parts(too_large)), None);
        }
    }

    proptest! {
        #[test]
        fn an_id_gives_back_what_it_was_made_of(
            hash: u64, strategy in 0..5u8, kind in 0..4u8, inline: bool, version in 0..=Locator::MAX_INLINE_VERSION, random: u64,
        ) {
            let token = BlobToken::from_random(random);
            let locator = if inline {
                Locator::Inline { version, random: random as u16 }
            } else {
                Locator::Blob { version: version & Locator::MAX_BLOB_VERSION, token }
            };
            let parts = IdParts {
                cache_hash: CacheHash(format!("{hash:016x}")),
                strategy: Strategy::from_code(strategy).unwrap(),
                kind: ContentKind::from_code(kind).unwrap(),
                locator,
            };
            let id = CacheId::new(&parts).unwrap();
            prop_assert_eq!(id.0.get_version_num(), 8);
            prop_assert_eq!(id.parts(), Some(parts));
            prop_assert_eq!(id.to_string().parse::<CacheId>(), Ok(id));
            prop_assert_eq!(token.to_string().parse::<BlobToken>(), Ok(token));
        }

        #[test]
        fn sanitizing_a_valid_name_changes_nothing(raw in ".{0,40}") {
            if let Ok(name) = raw.parse::<Namespace>() {
                prop_assert_eq!(name.to_string().parse::<Namespace>(), Ok(name));
            }
            if let Ok(key) = raw.parse::<CacheKey>() {
                prop_assert_eq!(key.to_string().parse::<CacheKey>(), Ok(key));
            }
        }
    }
}
