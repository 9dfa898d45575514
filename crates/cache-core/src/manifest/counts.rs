//! How many entries of each strategy a manifest lists.

use serde::{Deserialize, Serialize};

use crate::strategy::Strategy;
use crate::time::UnixMillis;

/// Live entries by strategy, expired ones included until they are removed, and the earliest expiry.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default, Serialize, Deserialize)]
pub struct Counts {
    /// Entries of each strategy, in the order of [`Strategy::ALL`].
    by_strategy: [u64; Strategy::ALL.len()],
    /// No entry expires before this time. `None`: none ever expires. After a removal it may be too early.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    earliest_expiry: Option<UnixMillis>,
}

impl Counts {
    /// So many entries of each strategy, in the order of [`Strategy::ALL`], and the earliest expiry.
    pub(crate) const fn new(by_strategy: [u64; Strategy::ALL.len()], earliest_expiry: Option<UnixMillis>) -> Self {
        Self { by_strategy, earliest_expiry }
    }

    /// Entries of a strategy.
    pub fn of(&self, strategy: Strategy) -> u64 {
        self.by_strategy[strategy as usize]
    }

    /// Entries of all strategies.
    pub fn total(&self) -> u64 {
        self.by_strategy.iter().sum()
    }

    /// No entry expires before this time, if any ever does.
    pub fn earliest_expiry(&self) -> Option<UnixMillis> {
        self.earliest_expiry
    }

    /// Whether there are no entries.
    pub fn is_zero(&self) -> bool {
        self.total() == 0
    }

    /// Counts one more entry.
    pub(super) fn add(&mut self, strategy: Strategy, expires_at: Option<UnixMillis>) {
        self.by_strategy[strategy as usize] += 1;
        self.earliest_expiry = [self.earliest_expiry, expires_at].into_iter().flatten().min();
    }

    /// Counts one entry less.
    pub(super) fn subtract(&mut self, strategy: Strategy) {
        let count = &mut self.by_strategy[strategy as usize];
        *count = count.saturating_sub(1);
    }
}
