//! How long to wait before a failing sink is tried again: 1, 2, 4, 8, 16, 30, 30, ... seconds, each shortened by up to
//! a quarter at random, so that many daemons do not come back to one peer in step. It never gives up.

use std::time::Duration;

use rand::{Rng, SeedableRng, rngs::SmallRng};

/// First wait: a peer that restarts is back soon.
const FIRST: Duration = Duration::from_secs(1);
/// Longest wait: an operator who repaired a sink should see it move within half a minute.
const LONGEST: Duration = Duration::from_secs(30);

/// A peer that asks for more patience than this is asked again after this: what it said may be a mistake.
const PEER_LONGEST: Duration = Duration::from_mins(5);

/// The waits of one sink.
#[derive(Debug)]
pub(crate) struct Backoff {
    failures: u32,
    chance: SmallRng,
}

impl Backoff {
    /// Waits whose chance follows from `seed`.
    pub(crate) fn seeded(seed: u64) -> Self {
        Self { failures: 0, chance: SmallRng::seed_from_u64(seed) }
    }

    /// One more failure: how long to wait now.
    pub(crate) fn next(&mut self) -> Duration {
        let doubled = FIRST.saturating_mul(1_u32.checked_shl(self.failures).unwrap_or(u32::MAX));
        self.failures = self.failures.saturating_add(1);
        doubled.min(LONGEST).mul_f64(self.chance.random_range(0.75..=1.0))
    }

    /// One more failure, after which the peer said how long to wait: at least that.
    pub(crate) fn next_not_before(&mut self, after: Duration) -> Duration {
        self.next().max(after.min(PEER_LONGEST))
    }

    /// It worked: the next failure waits the first wait again.
    pub(crate) fn reset(&mut self) {
        self.failures = 0;
    }

    /// Failures since it last worked.
    pub(crate) fn failures(&self) -> u32 {
        self.failures
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn waits_double_up_to_thirty_seconds_and_start_anew_after_a_success() {
        let mut backoff = Backoff::seeded(7);
        let expected = [1, 2, 4, 8, 16, 30, 30];
        for seconds in expected {
            let wait = backoff.next();
            let full = Duration::from_secs(seconds);
            assert!(wait <= full && wait >= full.mul_f64(0.74), "{wait:?} for {full:?}");
        }
        backoff.reset();
        assert!(backoff.next() <= FIRST);
    }

    #[test]
    fn the_hundredth_failure_still_waits_the_longest_wait() {
        let mut backoff = Backoff::seeded(1);
        let wait = (0..100).map(|_| backoff.next()).last().unwrap();
        assert!(wait <= LONGEST && wait >= LONGEST.mul_f64(0.74), "{wait:?}");
    }

    #[test]
    fn a_peer_that_asks_for_patience_gets_it_up_to_a_limit() {
        let mut backoff = Backoff::seeded(1);
        assert_eq!(backoff.next_not_before(Duration::from_secs(7)), Duration::from_secs(7));
        assert!(backoff.next_not_before(Duration::ZERO) > Duration::from_secs(1));
        assert_eq!(backoff.next_not_before(Duration::MAX), PEER_LONGEST);
    }

    #[test]
    fn the_same_seed_gives_the_same_waits() {
        let waits = |seed| {
            let mut backoff = Backoff::seeded(seed);
            [backoff.next(), backoff.next()]
        };
        assert_eq!(waits(3), waits(3));
        assert_ne!(waits(3), waits(4));
    }
}
