//! SHA-256 digests.

use std::fmt;
use std::str::FromStr;

use serde::{Deserialize, Deserializer, Serialize, Serializer};
use sha2::{Digest, Sha256};
use thiserror::Error;

use crate::ids::CacheHash;

/// A SHA-256, as text 64 lowercase hex digits.
#[derive(Clone, Copy, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub struct Sha256Digest([u8; 32]);

impl Sha256Digest {
    /// The SHA-256 of some bytes.
    pub fn of(bytes: &[u8]) -> Self {
        Self(Sha256::digest(bytes).into())
    }

    /// The digest with these bytes.
    pub const fn from_bytes(bytes: [u8; 32]) -> Self {
        Self(bytes)
    }

    /// The 32 bytes of the digest.
    pub fn as_bytes(&self) -> &[u8; 32] {
        &self.0
    }

    /// The cache hash of a content that is hashed as it is stored.
    pub(crate) fn cache_hash(&self) -> CacheHash {
        CacheHash::from_digest(&self.0)
    }
}

/// Computes the SHA-256 of bytes that arrive in parts.
#[derive(Debug, Default)]
pub(crate) struct Sha256Hasher(Sha256);

impl Sha256Hasher {
    /// Adds the next part.
    pub(crate) fn update(&mut self, part: &[u8]) {
        self.0.update(part);
    }

    /// The digest of all parts.
    pub(crate) fn finish(self) -> Sha256Digest {
        Sha256Digest(self.0.finalize().into())
    }
}

impl fmt::Display for Sha256Digest {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&hex::encode(self.0))
    }
}

impl fmt::Debug for Sha256Digest {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "Sha256Digest({self})")
    }
}

impl FromStr for Sha256Digest {
    type Err = InvalidDigest;

    fn from_str(text: &str) -> Result<Self, InvalidDigest> {
        let mut digest = [0; 32];
        // `hex` would take capitals, too; then `Display` were not the inverse.
        if text.bytes().any(|b| b.is_ascii_uppercase()) || hex::decode_to_slice(text, &mut digest).is_err() {
            return Err(InvalidDigest);
        }
        Ok(Self(digest))
    }
}

impl Serialize for Sha256Digest {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        serializer.collect_str(self)
    }
}

impl<'de> Deserialize<'de> for Sha256Digest {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        crate::serde_text::deserialize(deserializer)
    }
}

/// A text that is not a [`Sha256Digest`].
#[derive(Debug, Clone, PartialEq, Eq, Error)]
#[error("is not a SHA-256: it must be 64 lowercase hex digits")]
pub struct InvalidDigest;

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    #[test]
    fn a_digest_is_64_lowercase_hex_digits() {
        let digest = Sha256Digest::of(b"hello");
        assert!(digest.to_string().starts_with("2cf24dba5fb0a30e"));
        assert_eq!(digest.to_string().to_uppercase().parse::<Sha256Digest>(), Err(InvalidDigest));
        assert_eq!(digest.to_string()[2..].parse::<Sha256Digest>(), Err(InvalidDigest));
    }

    proptest! {
        #[test]
        fn parts_have_the_digest_of_the_whole(bytes: Vec<u8>, part in 1..9_usize) {
            let mut hasher = Sha256Hasher::default();
            bytes.chunks(part).for_each(|part| hasher.update(part));
            prop_assert_eq!(hasher.finish(), Sha256Digest::of(&bytes));
        }

        #[test]
        fn a_digest_reads_back(bytes: [u8; 32]) {
            let digest = Sha256Digest(bytes);
            prop_assert_eq!(digest.to_string().parse(), Ok(digest));
            let json = serde_json::to_string(&digest).unwrap();
            prop_assert_eq!(serde_json::from_str::<Sha256Digest>(&json).unwrap(), digest);
        }
    }
}
