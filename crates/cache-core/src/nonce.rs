//! Nonces: whose entry, or whose revision, a row of a manifest is.
//!
//! An id is new with every attempt of a store, so it cannot tell whether an earlier attempt was applied. The nonce never
//! changes over the attempts of one store, and is equal for all repeats of an idempotent one.

use std::fmt;
use std::str::FromStr;
use std::time::Duration;

use serde::{Deserialize, Deserializer, Serialize, Serializer};
use sha2::{Digest, Sha256};
use thiserror::Error;

/// 64 bits that identify one store, and where they come from.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub struct Nonce {
    bits: u64,
    origin: NonceOrigin,
}

/// Where the bits of a [`Nonce`] come from, which says how long a repeat may come with them.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub enum NonceOrigin {
    /// Drawn by one store; its own attempts end within a minute.
    Random,
    /// Derived from an `Idempotency-Key`, which is promised to work for an hour.
    IdempotencyKey,
    /// Derived from the id of an upload, which can be completed for half a day.
    Upload,
}

impl Nonce {
    /// The nonce of one store, from random bits.
    pub const fn from_random(bits: u64) -> Self {
        Self { bits, origin: NonceOrigin::Random }
    }

    /// The nonce of everything that is identified by these parts: the first 64 bits of SHA-256 over them, each preceded by its
    /// length, so that no two lists of parts run together.
    pub fn derived(origin: NonceOrigin, parts: &[&[u8]]) -> Self {
        let mut hasher = Sha256::new();
        for part in parts {
            hasher.update((part.len() as u64).to_be_bytes());
            hasher.update(part);
        }
        let mut bits = [0; 8];
        bits.copy_from_slice(&hasher.finalize()[..8]);
        Self { bits: u64::from_be_bytes(bits), origin }
    }

    /// Where it comes from.
    pub const fn origin(self) -> NonceOrigin {
        self.origin
    }

    /// All of its bits.
    pub(crate) const fn bits(self) -> u64 {
        self.bits
    }

    /// The lowest 16 bits, which tell apart the ids that racing stores draw for one version.
    pub const fn low_bits(self) -> u16 {
        self.bits as u16
    }

    /// For how long after the store the nonce of a removed entry is remembered: plain ones longer than all attempts of a store
    /// and the calls that they leave behind, the others longer than clients may repeat the request.
    pub const fn remembered_for(self) -> Duration {
        match self.origin {
            NonceOrigin::Random => Duration::from_secs(5 * 60),
            NonceOrigin::IdempotencyKey => Duration::from_secs(2 * 60 * 60),
            NonceOrigin::Upload => Duration::from_secs(25 * 60 * 60),
        }
    }
}

impl fmt::Display for Nonce {
    /// 16 hex digits, and `k` or `u` for the nonce of an idempotency key or of an upload.
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let suffix = match self.origin {
            NonceOrigin::Random => "",
            NonceOrigin::IdempotencyKey => "k",
            NonceOrigin::Upload => "u",
        };
        write!(f, "{:016x}{suffix}", self.bits)
    }
}

impl FromStr for Nonce {
    type Err = InvalidNonce;

    fn from_str(text: &str) -> Result<Self, InvalidNonce> {
        let (digits, suffix) = text.split_at_checked(16).ok_or(InvalidNonce)?;
        let origin = match suffix {
            "" => NonceOrigin::Random,
            "k" => NonceOrigin::IdempotencyKey,
            "u" => NonceOrigin::Upload,
            _ => return Err(InvalidNonce),
        };
        let is_hex = digits.bytes().all(|b| b.is_ascii_digit() || (b'a'..=b'f').contains(&b));
        let bits = u64::from_str_radix(digits, 16).ok().filter(|_| is_hex);
        bits.map(|bits| Self { bits, origin }).ok_or(InvalidNonce)
    }
}

impl Serialize for Nonce {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        serializer.collect_str(self)
    }
}

impl<'de> Deserialize<'de> for Nonce {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        crate::serde_text::deserialize(deserializer)
    }
}

/// A text that is not a [`Nonce`].
#[derive(Debug, Clone, Copy, PartialEq, Eq, Error)]
#[error("is not a nonce: it must be 16 lowercase hex digits, and 'k' or 'u'")]
pub struct InvalidNonce;

#[cfg(test)]
mod tests {
    use proptest::{prop_assert_eq, prop_assert_ne, proptest};

    use super::*;

    proptest! {
        #[test]
        fn a_nonce_is_read_back(bits: u64, origin in 0..3usize) {
            let origin = [NonceOrigin::Random, NonceOrigin::IdempotencyKey, NonceOrigin::Upload][origin];
            let nonce = Nonce { bits, origin };
            prop_assert_eq!(nonce.to_string().parse(), Ok(nonce));
        }

        #[test]
        fn parts_that_are_split_differently_give_different_nonces(a in "[ab]{0,3}", b in "[ab]{0,3}") {
            let joined = format!("{a}{b}");
            let nonce = |parts: &[&[u8]]| Nonce::derived(NonceOrigin::Upload, parts);
            prop_assert_ne!(nonce(&[a.as_bytes(), b.as_bytes()]), nonce(&[joined.as_bytes()]));
        }
    }
}
