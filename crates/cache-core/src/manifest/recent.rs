//! What a manifest remembers of entries that were removed, so that nobody who comes late takes them for never stored.

use std::time::Duration;

use serde::{Deserialize, Serialize};

use crate::ids::{BlobToken, CacheId};
use crate::nonce::{Nonce, NonceOrigin};
use crate::time::UnixMillis;

/// How many removed entries are remembered at most.
pub const MAX_RECENT: usize = 1_024;
/// For how long the token of a deleted blob is not used again. A DELETE that is sent twice cannot arrive later: SigV4 rejects
/// what was signed more than 15 minutes before.
const TOKEN_RETIRED_FOR: Duration = Duration::from_secs(60 * 60);

/// An entry that was removed soon after it was stored.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
pub struct RemovedEntry {
    /// The nonce of its store.
    pub nonce: Nonce,
    /// The id that it had.
    pub cache_id: CacheId,
    /// The version that it had.
    pub version: u64,
    /// When this may be forgotten.
    pub until: UnixMillis,
}

/// The token of a blob that was deleted lately.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
pub struct RetiredToken {
    /// The token.
    pub token: BlobToken,
    /// When it may be used again.
    pub until: UnixMillis,
}

/// Removed entries and retired tokens.
#[derive(Debug, Clone, PartialEq, Eq, Default, Serialize, Deserialize)]
pub struct Recent {
    /// Entries that were removed.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub removed: Vec<RemovedEntry>,
    /// Tokens of blobs that were deleted.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub tokens: Vec<RetiredToken>,
}

/// There is no room to remember one more removed entry.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct RecentIsFull;

impl Recent {
    /// Whether there is nothing to remember.
    pub fn is_empty(&self) -> bool {
        self.removed.is_empty() && self.tokens.is_empty()
    }

    /// The removed entry of a store.
    pub fn find(&self, nonce: Nonce) -> Option<&RemovedEntry> {
        self.removed.iter().find(|removed| removed.nonce == nonce)
    }

    /// Whether a token must not be used.
    pub fn is_retired(&self, token: BlobToken) -> bool {
        self.tokens.iter().any(|retired| retired.token == token)
    }

    /// Forgets what has run out.
    pub fn prune(&mut self, now: UnixMillis) {
        self.removed.retain(|removed| removed.until > now);
        self.tokens.retain(|retired| retired.until > now);
    }

    /// Remembers an entry that is removed, unless nobody can come back for it any more.
    ///
    /// # Errors
    ///
    /// When there are too many that clients may still come back for.
    pub fn add(
        &mut self,
        nonce: Nonce,
        cache_id: CacheId,
        version: u64,
        stored_at: UnixMillis,
        now: UnixMillis,
    ) -> Result<(), RecentIsFull> {
        let until = stored_at.plus(nonce.remembered_for());
        if until <= now {
            return Ok(());
        }
        if self.removed.len() >= MAX_RECENT {
            let plain = self.removed.iter().position(|removed| removed.nonce.origin() == NonceOrigin::Random);
            self.removed.remove(plain.ok_or(RecentIsFull)?);
        }
        self.removed.push(RemovedEntry { nonce, cache_id, version, until });
        Ok(())
    }

    /// Retires the token of a blob that is about to be deleted.
    pub fn retire(&mut self, token: BlobToken, now: UnixMillis) {
        self.tokens.push(RetiredToken { token, until: now.plus(TOKEN_RETIRED_FOR) });
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const NOW: UnixMillis = UnixMillis::new(1_000_000);

    fn id(number: u64) -> CacheId {
        CacheId::from_u128(u128::from(number))
    }

    #[test]
    fn a_removed_entry_is_found_until_its_time_is_over() {
        let mut recent = Recent::default();
        let nonce = Nonce::from_random(1);
        recent.add(nonce, id(1), 1, NOW, NOW).unwrap();
        recent.prune(NOW.plus(nonce.remembered_for() - Duration::from_millis(1)));
        assert_eq!(recent.find(nonce).map(|removed| removed.version), Some(1));
        recent.prune(NOW.plus(nonce.remembered_for()));
        assert_eq!(recent.find(nonce), None);
    }

    #[test]
    fn an_old_entry_is_not_remembered() {
        let mut recent = Recent::default();
        let nonce = Nonce::from_random(1);
        recent.add(nonce, id(1), 1, NOW, NOW.plus(nonce.remembered_for())).unwrap();
        assert!(recent.is_empty());
    }

    #[test]
    fn plain_nonces_make_room_for_those_of_clients() {
        let mut recent = Recent::default();
        let client = |number: u64| Nonce::derived(NonceOrigin::IdempotencyKey, &[&number.to_be_bytes()]);
        recent.add(Nonce::from_random(0), id(0), 1, NOW, NOW).unwrap();
        for number in 0..MAX_RECENT as u64 {
            recent.add(client(number), id(number), 1, NOW, NOW).unwrap();
        }
        assert_eq!((recent.removed.len(), recent.find(Nonce::from_random(0))), (MAX_RECENT, None));
        let refused = recent.add(client(u64::MAX), id(1), 1, NOW, NOW);
        assert_eq!(refused, Err(RecentIsFull));
    }
}
