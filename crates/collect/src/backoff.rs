//! How long to wait before trying again: 1, 2, 4, 8, 16, 30 s, each with jitter, until something healthy resets it.
//!
//! It reads no clock and does not sleep.

use std::time::Duration;

use crate::jitter::Jitter;

/// A capped exponential wait.
#[derive(Debug, Clone)]
pub(crate) struct Backoff {
    initial: Duration,
    max: Duration,
    next: Duration,
}

impl Backoff {
    /// The first wait is `initial`, none is longer than `max`.
    pub(crate) fn new(initial: Duration, max: Duration) -> Self {
        Self { initial, max, next: initial.min(max) }
    }

    /// The next wait. `asked` is the BMC's `Retry-After`, which is obeyed when it is longer.
    pub(crate) fn next(&mut self, asked: Option<Duration>, jitter: &mut Jitter) -> Duration {
        let wait = jitter.around(self.next);
        self.next = (self.next * 2).min(self.max);
        wait.max(asked.unwrap_or_default())
    }

    /// Whether the quick tries are used up: from now on waits grow no more.
    pub(crate) fn is_at_its_longest(&self) -> bool {
        self.next == self.max
    }

    /// A healthy read starts the row anew.
    pub(crate) fn reset(&mut self) {
        self.next = self.initial.min(self.max);
    }
}

#[cfg(test)]
mod tests {
    use model::EndpointId;

    use super::*;

    #[test]
    fn waits_double_to_the_cap_and_start_anew_after_a_healthy_read() {
        let mut jitter = Jitter::of(1, &EndpointId::try_from("a").unwrap());
        let mut backoff = Backoff::new(Duration::from_secs(1), Duration::from_secs(30));
        for full in [1, 2, 4, 8, 16, 30, 30] {
            let wait = backoff.next(None, &mut jitter);
            let full = Duration::from_secs(full);
            assert!(full / 2 <= wait && wait <= full, "{wait:?} for {full:?}");
        }
        backoff.reset();
        assert!(backoff.next(None, &mut jitter) <= Duration::from_secs(1));
    }

    #[test]
    fn retry_after_is_obeyed() {
        let mut jitter = Jitter::of(1, &EndpointId::try_from("a").unwrap());
        let mut backoff = Backoff::new(Duration::from_secs(1), Duration::from_secs(30));
        let asked = Duration::from_mins(2);
        assert_eq!(backoff.next(Some(asked), &mut jitter), asked);
    }
}
