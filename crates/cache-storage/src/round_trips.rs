//! Counts round trips: how often a caller had to wait for the storage before it could go on.
//!
//! A **round trip** is a set of calls that are in flight together. A call belongs to the current round trip if no call
//! of it has ended yet; the first call that begins after one has ended starts the next round trip. So calls that are
//! awaited one after the other are one round trip each, and calls that are joined are one round trip together.

/// Counts round trips from the beginnings and ends of calls.
#[derive(Debug, Default)]
pub struct RoundTrips {
    /// The current round trip, 0 before the first call.
    current: usize,
    /// Whether a call of the current round trip has ended.
    ended: bool,
}

impl RoundTrips {
    /// Begins a call and returns its round trip, counted from 1.
    pub fn begin(&mut self) -> usize {
        if self.ended || self.current == 0 {
            self.current += 1;
            self.ended = false;
        }
        self.current
    }

    /// Ends a call of this round trip.
    pub fn end(&mut self, round_trip: usize) {
        self.ended |= round_trip == self.current;
    }

    /// The number of round trips so far.
    pub fn count(&self) -> usize {
        self.current
    }
}
