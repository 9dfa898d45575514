//! What counts as a round of calls.
//!
//! A **round** is a set of calls in flight together, as long as one round trip takes: a call belongs to the current round
//! when no call of that round has ended yet; the first call after one has ended begins the next round. So calls that are
//! awaited one after the other are a round each, and calls that are joined are one round.

/// Counts rounds from the beginnings and ends of calls.
#[derive(Debug, Default)]
pub(crate) struct Rounds {
    /// The current round, 0 before the first call.
    current: usize,
    /// Whether a call of the current round has ended.
    ended: bool,
}

impl Rounds {
    /// A call begins; returns the round that it belongs to, from 1.
    pub(crate) fn begin(&mut self) -> usize {
        if self.ended || self.current == 0 {
            self.current += 1;
            self.ended = false;
        }
        self.current
    }

    /// A call of this round has ended.
    pub(crate) fn end(&mut self, round: usize) {
        self.ended |= round == self.current;
    }

    /// How many rounds there were.
    pub(crate) fn count(&self) -> usize {
        self.current
    }
}
