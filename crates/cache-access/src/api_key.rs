//! The text of a key: `mgc_`, 32 random characters, and six characters of a checksum.
//!
//! As GitHub's tokens: scanners find a key that leaked by its prefix, `_` lets a double click select all of it, and the checksum
//! refuses what was mistyped without asking the storage. See
//! <https://github.blog/engineering/platform-security/behind-githubs-new-authentication-token-formats/>.

use std::fmt;
use std::str::FromStr;

use cache_core::digest::Sha256Digest;
use cache_core::rng::Rng;
use serde::{Deserialize, Deserializer, Serialize, Serializer};
use thiserror::Error;

/// What every key begins with.
pub const PREFIX: &str = "mgc_";
/// 62^32 is more than 2^190.
const RANDOM_CHARS: usize = 32;
/// 62^6 is more than 2^32.
const CHECKSUM_CHARS: usize = 6;
const BASE62: &[u8; 62] = b"0123456789ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz";
/// How many digits of the SHA-256 are the id.
const ID_DIGITS: usize = 12;

/// A key, as its holder sends it. It is a secret: `Debug` hides it.
#[derive(Clone, PartialEq, Eq)]
pub struct ApiKey(String);

impl ApiKey {
    /// Draws a new key.
    pub fn generate(rng: &dyn Rng) -> Self {
        let mut random = String::with_capacity(RANDOM_CHARS);
        while random.len() < RANDOM_CHARS {
            // Six bits are one of 64 values; two of them are no character, and dropped.
            let mut bits = rng.next_u64();
            for _ in 0..10 {
                if let Some(character) = BASE62.get((bits & 63) as usize) {
                    random.push(char::from(*character));
                }
                bits >>= 6;
            }
        }
        random.truncate(RANDOM_CHARS);
        let checksum = checksum(random.as_bytes()).map(char::from);
        Self([PREFIX, &random].into_iter().flat_map(str::chars).chain(checksum).collect())
    }

    /// The key as text.
    pub fn as_str(&self) -> &str {
        &self.0
    }

    /// What the key is stored and found under. 190 random bits need no slow hash.
    pub fn digest(&self) -> Sha256Digest {
        Sha256Digest::of(self.0.as_bytes())
    }
}

impl FromStr for ApiKey {
    type Err = NotAnApiKey;

    fn from_str(text: &str) -> Result<Self, NotAnApiKey> {
        check(text.as_bytes()).map(|()| Self(text.to_owned()))
    }
}

impl fmt::Debug for ApiKey {
    /// Leaves out the key.
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "ApiKey({})", KeyId::of(&self.digest()))
    }
}

/// What the key with this text is stored and found under.
///
/// # Errors
///
/// When the text is no key.
pub fn digest_of(text: &[u8]) -> Result<Sha256Digest, NotAnApiKey> {
    check(text).map(|()| Sha256Digest::of(text))
}

fn check(text: &[u8]) -> Result<(), NotAnApiKey> {
    let body = text.strip_prefix(PREFIX.as_bytes()).ok_or(NotAnApiKey)?;
    if body.len() != RANDOM_CHARS + CHECKSUM_CHARS {
        return Err(NotAnApiKey);
    }
    // It looks at all of them, so that the compiler can take several at once.
    let is_base62 = body.iter().fold(true, |is_base62, byte| is_base62 & byte.is_ascii_alphanumeric());
    let (random, sum) = body.split_at(RANDOM_CHARS);
    if is_base62 && checksum(random) == sum { Ok(()) } else { Err(NotAnApiKey) }
}

/// A text that is no key, or one that was mistyped.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Error)]
#[error("is not an API key: one has {PREFIX} and {} letters and digits", RANDOM_CHARS + CHECKSUM_CHARS)]
pub struct NotAnApiKey;

fn checksum(random: &[u8]) -> [u8; CHECKSUM_CHARS] {
    let mut rest = crc32fast::hash(random);
    let mut digits = [b'0'; CHECKSUM_CHARS];
    for digit in digits.iter_mut().rev() {
        *digit = BASE62[(rest % 62) as usize];
        rest /= 62;
    }
    digits
}

/// By what people and logs name a key: the first 12 hex digits of its SHA-256. It is no secret.
#[derive(Debug, Clone, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub struct KeyId(String);

impl KeyId {
    /// The id of the key with this digest.
    pub fn of(digest: &Sha256Digest) -> Self {
        let mut digits = digest.to_string();
        digits.truncate(ID_DIGITS);
        Self(digits)
    }

    /// The id as text.
    pub fn as_str(&self) -> &str {
        &self.0
    }
}

impl fmt::Display for KeyId {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.0)
    }
}

impl FromStr for KeyId {
    type Err = NotAKeyId;

    fn from_str(text: &str) -> Result<Self, NotAKeyId> {
        let is_digit = |byte: u8| byte.is_ascii_digit() || (b'a'..=b'f').contains(&byte);
        if text.len() == ID_DIGITS && text.bytes().all(is_digit) { Ok(Self(text.to_owned())) } else { Err(NotAKeyId) }
    }
}

impl Serialize for KeyId {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        serializer.serialize_str(&self.0)
    }
}

impl<'de> Deserialize<'de> for KeyId {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        String::deserialize(deserializer)?.parse().map_err(serde::de::Error::custom)
    }
}

/// A text that is no [`KeyId`].
#[derive(Debug, Clone, Copy, PartialEq, Eq, Error)]
#[error("must be the {ID_DIGITS} lowercase hex digits that lists and logs show")]
pub struct NotAKeyId;

#[cfg(test)]
mod tests {
    use cache_testing::seeded_rng::SeededRng;
    use proptest::prelude::*;

    use super::*;

    proptest! {
        #[test]
        fn a_key_that_was_drawn_is_read_and_one_that_was_mistyped_is_refused(
            seed: u64, position in PREFIX.len()..PREFIX.len() + RANDOM_CHARS + CHECKSUM_CHARS, typed in "[0-9A-Za-z]",
        ) {
            let key = ApiKey::generate(&SeededRng::new(seed));
            prop_assert_eq!(key.as_str().parse::<ApiKey>(), Ok(key.clone()));
            let mut mistyped = key.as_str().to_owned();
            mistyped.replace_range(position..=position, &typed);
            prop_assert_eq!(mistyped.parse::<ApiKey>().is_ok(), mistyped == key.as_str());
        }
    }

    #[test]
    fn the_format_of_a_key_stays() {
        let key: ApiKey = "mgc_000000000000000000000000000000002wjyrI".parse().unwrap();
        assert_eq!(KeyId::of(&key.digest()).as_str(), "fad717276833");
        assert!(format!("{key:?}").len() < 30 && !format!("{key:?}").contains("mgc_"));
    }

    #[test]
    fn what_is_no_key_is_refused() {
        let too_long = format!("{}0", ApiKey::generate(&SeededRng::new(1)).as_str());
        for text in ["", "mgc_", "secret", "mgc_ä", &too_long, " mgc_000000000000000000000000000000002wjyrI"] {
            assert_eq!(text.parse::<ApiKey>(), Err(NotAnApiKey), "{text}");
        }
    }

    #[test]
    fn an_id_is_twelve_hex_digits() {
        let id = KeyId::of(&ApiKey::generate(&SeededRng::new(1)).digest());
        assert_eq!(id.as_str().parse(), Ok(id.clone()));
        for text in ["", "abc", "ABCDEFABCDEF", "abcdefabcdefa", "abcdefabcde/"] {
            assert_eq!(text.parse::<KeyId>(), Err(NotAKeyId), "{text}");
        }
    }
}
