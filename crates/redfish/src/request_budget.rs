//! How much one endpoint may be asked: requests of the last minute against a budget, and how long answers take.
//!
//! It decides when the next request may go; whoever sends waits for it (`client/exchange`). Not here: how often logs are read
//! (`collect`), and the connects of the whole process (`connect_budget`).

use std::{
    sync::{Mutex, MutexGuard, PoisonError},
    time::Duration,
};

use tokio::time::Instant;

/// Requests that one endpoint gets within a minute. One after the other, a quick BMC could answer so many; a reading of a
/// long log page by page needs fewer. Who reaches it is a loop that asks for no reason: a fuse, not a pace.
pub const REQUESTS_PER_MINUTE_MAX: u32 = 1200;

/// Seconds of a minute: places in the ring.
const SECONDS: usize = 60;

/// What one endpoint was asked; shared by its client and whoever shows it.
#[derive(Debug)]
pub struct Requests(Mutex<Count>);

/// A look at it.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub struct Asked {
    /// Requests since the client was made.
    pub total: u64,
    /// Requests of the last minute.
    pub last_minute: u32,
    /// How many of them all were answered, with whatever status.
    pub answers: u64,
    /// How long the answers took to begin, all together.
    pub waited: Duration,
}

impl Asked {
    /// How long an answer took on average since an earlier look; none if there was none.
    pub fn latency_since(&self, before: &Self) -> Option<Duration> {
        let answers = u32::try_from(self.answers - before.answers).unwrap_or(u32::MAX);
        self.waited.saturating_sub(before.waited).checked_div(answers)
    }
}

#[derive(Debug)]
struct Count {
    since: Instant,
    /// The second that `latest` counts, from `since`.
    second: u64,
    /// By second, in a ring.
    latest: [u16; SECONDS],
    asked: Asked,
}

impl Requests {
    /// Nothing was asked yet.
    pub(crate) fn new(now: Instant) -> Self {
        let latest = [0; SECONDS];
        Self(Mutex::new(Count { since: now, second: 0, latest, asked: Asked::default() }))
    }

    /// Held for a look or a count, never across an await.
    fn lock(&self) -> MutexGuard<'_, Count> {
        self.0.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// Takes one request from the budget, or says how long to wait before asking again.
    pub(crate) fn take(&self, now: Instant) -> Result<(), Duration> {
        let mut count = self.lock();
        count.turn_to(now);
        if count.asked.last_minute >= REQUESTS_PER_MINUTE_MAX {
            let next = count.since + Duration::from_secs(count.second + 1);
            return Err(next.saturating_duration_since(now));
        }
        let index = index(count.second);
        count.latest[index] += 1;
        count.asked.last_minute += 1;
        count.asked.total += 1;
        Ok(())
    }

    /// A request was answered after so long.
    pub(crate) fn answered(&self, after: Duration) {
        let asked = &mut self.lock().asked;
        asked.answers += 1;
        asked.waited += after;
    }

    /// What was asked so far.
    pub fn look(&self, now: Instant) -> Asked {
        let mut count = self.lock();
        count.turn_to(now);
        count.asked
    }
}

impl Count {
    /// Forgets the seconds that are more than a minute ago.
    fn turn_to(&mut self, now: Instant) {
        let second = now.duration_since(self.since).as_secs();
        let passed = second.saturating_sub(self.second).min(SECONDS as u64);
        for ahead in 1..=passed {
            let past = std::mem::take(&mut self.latest[index(self.second + ahead)]);
            self.asked.last_minute -= u32::from(past);
        }
        self.second = self.second.max(second);
    }
}

fn index(second: u64) -> usize {
    usize::try_from(second % SECONDS as u64).expect("it is below 60")
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_last_minute_is_counted_and_what_is_older_forgotten() {
        let start = Instant::now();
        let at = |seconds| start + Duration::from_secs(seconds);
        let requests = Requests::new(start);
        for second in [0, 0, 30, 59, 61] {
            assert_eq!(requests.take(at(second)), Ok(()));
        }
        assert_eq!(requests.look(at(61)).last_minute, 3);
        assert_eq!(requests.look(at(90)).last_minute, 2);
        assert_eq!(requests.look(at(10_000)), Asked { total: 5, ..Asked::default() });
    }

    #[test]
    fn who_asks_without_pause_waits_and_no_minute_has_more_than_the_budget() {
        let start = Instant::now();
        let requests = Requests::new(start);
        let mut now = start;
        let mut sent = Vec::new();
        while sent.len() < 3 * REQUESTS_PER_MINUTE_MAX as usize {
            match requests.take(now) {
                Ok(()) => sent.push(now),
                Err(wait) => {
                    assert!(!wait.is_zero());
                    now += wait;
                }
            }
            now += Duration::from_millis(1);
        }
        for window in sent.windows(REQUESTS_PER_MINUTE_MAX as usize + 1) {
            assert!(window[REQUESTS_PER_MINUTE_MAX as usize] - window[0] >= Duration::from_secs(59));
        }
    }

    #[test]
    fn the_latency_is_that_of_the_answers_between_two_looks() {
        let requests = Requests::new(Instant::now());
        let look = || requests.look(Instant::now());
        requests.answered(Duration::from_secs(9));
        let before = look();
        assert_eq!(look().latency_since(&before), None);
        requests.answered(Duration::from_secs(1));
        requests.answered(Duration::from_secs(3));
        assert_eq!(look().latency_since(&before), Some(Duration::from_secs(2)));
    }
}
