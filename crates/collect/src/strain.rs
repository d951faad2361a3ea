//! How much a BMC suffers, and how much more seldom it is read for that. Pure: it is handed the time.
//!
//! A BMC that answers 5xx or 429, or late, or ever more slowly has too much to do: the time between two readings doubles, again
//! and again while that goes on, and comes back with good readings. Not here: an endpoint that does not answer at all
//! (`backoff`), and what the BMC itself asks for (`Retry-After`).

use std::time::Duration;

use tokio::time::Instant;

/// The time between two readings is at most so many times what was asked for: 16.
const LEVEL_MAX: u32 = 4;

/// No doubling leads beyond this; who asked for more gets it.
const INTERVAL_MAX: Duration = Duration::from_hours(1);

/// Answers that take so many times longer than usual are a sign.
const SLOWER: u32 = 4;

/// Quicker answers than this are no sign, whatever is usual.
const SLOW: Duration = Duration::from_secs(2);

/// What a reading showed.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Reading {
    /// It came to its end. How long an answer took on average, and how many logs answered 5xx.
    Done { latency: Option<Duration>, failed_logs: u32 },
    /// The BMC answered 5xx or 429, or too late.
    Overloaded,
}

/// Why an endpoint is read more seldom.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Cause {
    Overloaded,
    Slow,
}

/// The strain of one endpoint.
#[derive(Debug, Default)]
pub(crate) struct Strain {
    level: u32,
    cause: Option<Cause>,
    risen_at: Option<Instant>,
    /// How long an answer usually takes.
    usual: Option<Duration>,
    /// Logs that answered 5xx at the last reading: one that always does is broken, and no sign.
    failed_logs: Option<u32>,
}

impl Strain {
    /// Takes note of a reading; `interval` is the time between two that was asked for.
    pub(crate) fn note(&mut self, reading: Reading, now: Instant, interval: Duration) {
        match reading {
            Reading::Overloaded => self.rise(Cause::Overloaded, now, interval),
            Reading::Done { latency, failed_logs } => {
                let failed_before = self.failed_logs.replace(failed_logs);
                let slow = latency.is_some_and(|latency| self.is_slow(latency));
                if failed_before.is_some_and(|before| failed_logs > before) {
                    self.rise(Cause::Overloaded, now, interval);
                } else if slow {
                    self.rise(Cause::Slow, now, interval);
                } else {
                    self.level /= 2;
                }
            }
        }
    }

    /// Whether answers have become slow. What goes on for long becomes usual.
    fn is_slow(&mut self, latency: Duration) -> bool {
        let usual = self.usual.unwrap_or(latency);
        self.usual = Some(usual * 7 / 8 + latency / 8);
        latency >= SLOW && latency > usual * SLOWER
    }

    /// One doubling in the time between two readings: tries that follow each other quickly say one thing.
    fn rise(&mut self, cause: Cause, now: Instant, interval: Duration) {
        let again = self.risen_at.is_none_or(|at| now.duration_since(at) >= interval);
        if again || self.level == 0 {
            self.level = (self.level + 1).min(LEVEL_MAX);
            self.risen_at = Some(now);
        }
        self.cause = Some(cause);
    }

    /// The time between two readings.
    pub(crate) fn interval(&self, asked_for: Duration) -> Duration {
        (asked_for * (1 << self.level)).min(INTERVAL_MAX.max(asked_for))
    }

    /// What the operator is told, while the endpoint is read more seldom.
    pub(crate) fn reason(&self) -> Option<String> {
        let times = 1_u32.checked_shl(self.level).filter(|times| *times > 1)?;
        let why = match self.cause? {
            Cause::Overloaded => "it answers 5xx or 429, or too late",
            Cause::Slow => "its answers have become slow",
        };
        Some(format!("slowed: {why}; read up to {times} times more seldom"))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const MINUTE: Duration = Duration::from_mins(1);
    const INTERVAL: Duration = Duration::from_mins(5);

    fn done(millis: u64) -> Reading {
        Reading::Done { latency: Some(Duration::from_millis(millis)), failed_logs: 0 }
    }

    fn failed(logs: u32) -> Reading {
        Reading::Done { latency: None, failed_logs: logs }
    }

    /// Readings at these minutes, and the minutes between two readings after each.
    #[track_caller]
    fn check(rows: &[(u32, Reading, u32)]) {
        let start = Instant::now();
        let mut strain = Strain::default();
        for (row, (minute, reading, expected)) in rows.iter().enumerate() {
            strain.note(*reading, start + *minute * MINUTE, INTERVAL);
            assert_eq!(strain.interval(INTERVAL), *expected * MINUTE, "row {row}");
            assert_eq!(strain.reason().is_some(), *expected > 5, "row {row}");
        }
    }

    #[test]
    fn a_bmc_that_cannot_keep_up_is_read_ever_more_seldom_and_good_readings_bring_it_back() {
        check(&[
            (0, done(500), 5),
            (5, Reading::Overloaded, 10),
            (6, Reading::Overloaded, 10),
            (9, Reading::Overloaded, 10),
            (15, Reading::Overloaded, 20),
            (35, Reading::Overloaded, 40),
            (75, Reading::Overloaded, 60),
            (135, Reading::Overloaded, 60),
            (195, done(500), 20),
            (215, done(500), 10),
            (225, done(500), 5),
        ]);
    }

    #[test]
    fn answers_that_become_slow_are_a_sign_until_they_are_usual() {
        check(&[(0, done(500), 5), (5, done(600), 5), (10, done(1900), 5)]);
        check(&[
            (0, done(500), 5),
            (5, done(9000), 10),
            (15, done(9000), 20),
            (35, done(9000), 10),
            (45, done(9000), 5),
        ]);
        check(&[(0, done(9000), 5), (5, done(9000), 5)]);
    }

    #[test]
    fn a_log_that_is_broken_for_good_is_no_sign_and_one_that_fails_of_late_is() {
        check(&[(0, failed(1), 5), (5, failed(1), 5)]);
        check(&[(0, failed(0), 5), (5, failed(1), 10), (15, failed(1), 5), (20, failed(0), 5)]);
    }

    #[test]
    fn who_asks_for_readings_every_two_hours_gets_them() {
        let mut strain = Strain::default();
        strain.note(Reading::Overloaded, Instant::now(), 120 * MINUTE);
        assert_eq!(strain.interval(120 * MINUTE), 120 * MINUTE);
    }
}
