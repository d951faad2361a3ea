//! The rolling window in which stream failures of one endpoint are counted.
//!
//! Pure: it is handed the time. What is a failure, and what follows when there are too many, is decided in `stream`.

use std::{collections::VecDeque, time::Duration};

use tokio::time::Instant;

/// Times of the failures that are still young enough to count.
#[derive(Debug, Clone)]
pub(crate) struct FailureWindow {
    length: Duration,
    threshold: usize,
    failures: VecDeque<Instant>,
}

/// What a failure means.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Verdict {
    /// Try again.
    Bearable,
    /// Too many within the window.
    Exceeded,
}

impl FailureWindow {
    /// `threshold` failures within `length` are too many.
    pub(crate) fn new(length: Duration, threshold: u32) -> Self {
        Self { length, threshold: threshold as usize, failures: VecDeque::new() }
    }

    /// Counts a failure. A failure exactly `length` old no longer counts.
    pub(crate) fn record(&mut self, now: Instant) -> Verdict {
        while self.failures.front().is_some_and(|at| now.duration_since(*at) >= self.length) {
            self.failures.pop_front();
        }
        self.failures.push_back(now);
        // Never more than the threshold is kept: the oldest ones could not change a verdict.
        if self.failures.len() > self.threshold {
            self.failures.pop_front();
        }
        if self.failures.len() >= self.threshold { Verdict::Exceeded } else { Verdict::Bearable }
    }

    /// A stream that proved itself wipes the slate.
    pub(crate) fn clear(&mut self) {
        self.failures.clear();
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn check(threshold: u32, seconds: &[u64], exceeded_at: Option<usize>) {
        let start = Instant::now();
        let mut window = FailureWindow::new(Duration::from_mins(5), threshold);
        let verdicts: Vec<Verdict> =
            seconds.iter().map(|second| window.record(start + Duration::from_secs(*second))).collect();
        let first = verdicts.iter().position(|verdict| *verdict == Verdict::Exceeded);
        assert_eq!(first, exceeded_at, "{verdicts:?}");
    }

    #[test]
    fn the_fifth_failure_within_five_minutes_is_too_many() {
        check(5, &[0, 1, 2, 3, 299], Some(4));
    }

    #[test]
    fn failures_that_leave_the_window_do_not_count() {
        check(5, &[0, 100, 200, 250, 300], None);
        check(5, &[0, 100, 200, 250, 300, 399], Some(5));
    }

    #[test]
    fn one_failure_a_minute_never_exceeds_and_a_threshold_of_one_does_at_once() {
        check(6, &[0, 60, 120, 180, 240, 300, 360, 420], None);
        check(1, &[7], Some(0));
    }

    #[test]
    fn a_proven_stream_wipes_the_slate() {
        let now = Instant::now();
        let mut window = FailureWindow::new(Duration::from_mins(5), 2);
        assert_eq!(window.record(now), Verdict::Bearable);
        window.clear();
        assert_eq!(window.record(now), Verdict::Bearable);
        assert_eq!(window.record(now), Verdict::Exceeded);
    }
}
