//! The generic cell rate algorithm: a rate limit with one number as its state.
//!
//! From ITU-T I.371: the state is the theoretical arrival time (TAT) of the next request if all came evenly. A request is
//! admitted if it does not come earlier than that by more than the burst allows.

/// The state of one limit.
#[derive(Debug, Clone, Copy, Default)]
pub(crate) struct Gcra {
    /// In microseconds since 1970 UTC.
    tat_us: u64,
}

/// A rate: one request each so many microseconds, and so many at once.
#[derive(Debug, Clone, Copy)]
pub(crate) struct Rate {
    /// Microseconds from one request to the next.
    pub(crate) interval_us: u64,
    /// How many may come at once, at least 1.
    pub(crate) burst: u64,
}

impl Gcra {
    /// Admits a request, or says after how many microseconds one would be.
    pub(crate) fn admit(&mut self, now_us: u64, rate: Rate) -> Result<(), u64> {
        let tolerance = rate.interval_us.saturating_mul(rate.burst.max(1));
        // No TAT lies further ahead, unless the clock was set back or the limit was lowered.
        let tat = self.tat_us.clamp(now_us, now_us.saturating_add(tolerance));
        let next = tat.saturating_add(rate.interval_us);
        match next.saturating_sub(now_us).checked_sub(tolerance) {
            None | Some(0) => {
                self.tat_us = next;
                Ok(())
            }
            Some(wait) => {
                self.tat_us = tat;
                Err(wait)
            }
        }
    }
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    proptest! {
        #[test]
        fn in_any_window_no_more_are_admitted_than_the_burst_and_the_rate(
            gaps in prop::collection::vec(0_u64..3_000, 1..300), interval_us in 1_u64..2_000, burst in 1_u64..20,
        ) {
            let (mut gcra, rate) = (Gcra::default(), Rate { interval_us, burst });
            let mut now = 1_000_000;
            let mut admitted = Vec::new();
            for gap in gaps {
                now += gap;
                if gcra.admit(now, rate).is_ok() {
                    admitted.push(now);
                }
            }
            for (at, from) in admitted.iter().enumerate() {
                for (last, to) in admitted.iter().enumerate().skip(at) {
                    prop_assert!((last - at + 1) as u64 <= burst + (to - from) / interval_us + 1);
                }
            }
        }

        #[test]
        fn a_refused_request_is_admitted_after_the_time_that_was_said(used in 0_u64..40, interval_us in 1_u64..2_000, burst in 1_u64..20) {
            let (mut gcra, rate) = (Gcra::default(), Rate { interval_us, burst });
            let refused = (0..used).filter_map(|_| gcra.admit(5_000, rate).err()).last();
            prop_assert_eq!(refused.is_some(), used > burst);
            if let Some(wait) = refused {
                prop_assert!(gcra.admit(5_000 + wait - 1, rate).is_err());
                prop_assert!(gcra.admit(5_000 + wait, rate).is_ok());
            }
        }
    }

    #[test]
    fn a_clock_that_was_set_back_does_not_block_for_longer_than_a_burst() {
        let (mut gcra, rate) = (Gcra::default(), Rate { interval_us: 1_000, burst: 5 });
        gcra.admit(86_400_000_000, rate).unwrap();
        assert!(gcra.admit(1_000_000, rate).is_err());
        assert!(gcra.admit(1_000_000 + 1_000, rate).is_ok());
    }
}
