//! When a login may be tried: the rule that keeps an account from being locked. Pure: it is handed the time.
//!
//! A try is noted before it is sent, so that a life that ends in the middle of one has still counted it. Not here: what is
//! remembered over restarts (`client/remembered`), and what else is needed for a login (`auth`).

use std::time::Duration;

use tokio::time::Instant;

/// Refusals in a row after which no login is tried by itself.
const REFUSALS_MAX: usize = 2;
/// How long no login is tried then.
pub(crate) const PAUSE: Duration = Duration::from_hours(1);
/// Tries in any hour that were not accepted, whatever asked for them: reloads and `endpoints retry`, and tries in whose
/// middle the program was killed. AMI locks an account at five in 30 s, Lenovo at five in an hour.
pub(crate) const TRIES_PER_PAUSE_MAX: usize = 4;

/// A login that was not accepted.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) struct Try {
    pub(crate) at: Instant,
    pub(crate) outcome: Outcome,
}

/// What is known of a try.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Outcome {
    /// Nothing: it is under way, or nobody was left to hear the answer.
    Unknown,
    /// It was refused.
    Refused,
}

/// How the try that was begun last has ended.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Ended {
    /// The credentials were refused.
    Refused,
    /// They were not: they were accepted, or the BMC spoke of something else, or the network lost it.
    Otherwise,
}

/// The tries since credentials were accepted last, the newest few.
#[derive(Debug, Default)]
pub(crate) struct Tries {
    tries: Vec<Try>,
    /// Somebody asked for one more.
    granted: bool,
}

impl Tries {
    /// Whether a login may be tried now; otherwise how long not.
    pub(crate) fn may(&self, now: Instant) -> Result<(), Duration> {
        let until = |at: Instant| (at + PAUSE).saturating_duration_since(now);
        // Whatever the reasons, the fourth before this one must be old enough.
        let most = self.tries.len().checked_sub(TRIES_PER_PAUSE_MAX).map(|index| until(self.tries[index].at));
        let mut refused = self.tries.iter().filter(|tried| tried.outcome == Outcome::Refused);
        let in_a_row = match refused.clone().count() {
            ..REFUSALS_MAX => None,
            _ if self.granted => None,
            _ => refused.next_back().map(|tried| until(tried.at)),
        };
        match most.max(in_a_row) {
            Some(left) if !left.is_zero() => Err(left),
            _ => Ok(()),
        }
    }

    /// A login is about to be tried.
    pub(crate) fn begin(&mut self, now: Instant) {
        self.granted = false;
        self.push(Try { at: now, outcome: Outcome::Unknown });
    }

    /// The try that was begun last has ended.
    pub(crate) fn end(&mut self, ended: Ended) {
        match (ended, self.tries.last_mut()) {
            (Ended::Refused, Some(tried)) => tried.outcome = Outcome::Refused,
            (Ended::Otherwise, Some(_)) => drop(self.tries.pop()),
            (Ended::Refused | Ended::Otherwise, None) => {}
        }
    }

    /// Credentials that had been accepted, or what they had brought, were refused.
    pub(crate) fn refused(&mut self, now: Instant) {
        self.push(Try { at: now, outcome: Outcome::Refused });
    }

    fn push(&mut self, tried: Try) {
        if self.tries.len() == TRIES_PER_PAUSE_MAX {
            self.tries.remove(0);
        }
        self.tries.push(tried);
    }

    /// The credentials are good. True when that changes anything.
    pub(crate) fn accepted(&mut self) -> bool {
        self.granted = false;
        let any = !self.tries.is_empty();
        self.tries.clear();
        any
    }

    /// Somebody says that they are right now: one more try, within the limit of an hour.
    pub(crate) fn grant(&mut self) {
        self.granted = true;
    }

    /// Takes over what another life has tried.
    pub(crate) fn restore(&mut self, tries: impl Iterator<Item = Try>) {
        tries.for_each(|tried| self.push(tried));
    }

    /// The tries, oldest first.
    pub(crate) fn iter(&self) -> impl Iterator<Item = &Try> {
        self.tries.iter()
    }
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    const MINUTE: Duration = Duration::from_mins(1);

    /// Tries now if that is allowed, and is refused. True when it was tried.
    fn try_once(tries: &mut Tries, now: Instant) -> bool {
        if tries.may(now).is_err() {
            return false;
        }
        tries.begin(now);
        tries.end(Ended::Refused);
        true
    }

    #[test]
    fn two_refusals_pause_for_an_hour_then_one_try_an_hour() {
        let start = Instant::now();
        let mut tries = Tries::default();
        let moments: Vec<u32> =
            (0..300).filter(|minute| try_once(&mut tries, start + *minute * MINUTE)).collect();
        assert_eq!(moments, [0, 1, 61, 121, 181, 241]);
    }

    #[test]
    fn somebody_who_asks_gets_one_try_and_four_in_an_hour_are_all() {
        let start = Instant::now();
        let mut tries = Tries::default();
        let mut moments = Vec::new();
        for minute in 0..125 {
            tries.grant();
            if try_once(&mut tries, start + minute * MINUTE) {
                moments.push(minute);
            }
        }
        assert_eq!(moments, [0, 1, 2, 3, 60, 61, 62, 63, 120, 121, 122, 123]);
        assert_eq!(tries.may(start + 124 * MINUTE), Err(56 * MINUTE));
    }

    #[test]
    fn tries_without_an_answer_count_in_the_hour_only() {
        let start = Instant::now();
        let mut tries = Tries::default();
        for _ in 0..TRIES_PER_PAUSE_MAX {
            assert_eq!(tries.may(start), Ok(()));
            tries.begin(start);
        }
        assert_eq!(tries.may(start), Err(PAUSE));
        assert_eq!(tries.may(start + PAUSE), Ok(()));
        assert!(tries.accepted());
        assert_eq!(tries.may(start), Ok(()));
    }

    #[test]
    fn a_try_that_was_no_refusal_leaves_nothing_behind() {
        let start = Instant::now();
        let mut tries = Tries::default();
        tries.begin(start);
        tries.end(Ended::Otherwise);
        assert!(!tries.accepted());
    }

    proptest! {
        /// Whatever happens between them, no hour has more than four tries.
        #[test]
        fn no_hour_has_more_than_four_tries(steps in prop::collection::vec((0_u64..2000, 0_u8..4), 1..400)) {
            let mut now = Instant::now();
            let mut tries = Tries::default();
            let mut moments = Vec::new();
            for (wait, step) in steps {
                now += Duration::from_secs(wait);
                match step {
                    0 => tries.grant(),
                    1 if tries.may(now).is_ok() => {
                        // Killed in the middle; the next life takes over what was noted.
                        tries.begin(now);
                        moments.push(now);
                        let noted: Vec<Try> = tries.iter().copied().collect();
                        tries = Tries::default();
                        tries.restore(noted.into_iter());
                    }
                    _ => {
                        if try_once(&mut tries, now) {
                            moments.push(now);
                        }
                    }
                }
            }
            for window in moments.windows(TRIES_PER_PAUSE_MAX + 1) {
                prop_assert!(window[TRIES_PER_PAUSE_MAX] - window[0] >= PAUSE);
            }
        }
    }
}
