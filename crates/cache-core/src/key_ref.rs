//! Names what a key index is about.

use sha2::{Digest, Sha256};

use crate::ids::{CacheKey, FileId};
use crate::strategy::Strategy;

/// What a key index is about: the versions stored with one strategy under one cache key and file id.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct KeyRef {
    /// The strategy of its entries.
    pub strategy: Strategy,
    /// The path they were stored under.
    pub cache_key: CacheKey,
    /// The file name they were stored with.
    pub file_id: FileId,
}

impl KeyRef {
    /// The first 32 hex digits of SHA-256 over strategy, cache key and file id, each ended by a zero byte.
    pub(crate) fn digest(&self) -> String {
        let mut hasher = Sha256::new();
        for part in [self.strategy.name(), self.cache_key.as_str(), self.file_id.as_str()] {
            hasher.update(part);
            hasher.update([0]);
        }
        hex::encode(&hasher.finalize()[..16])
    }
}
