//! How fast streams are opened, over all endpoints: a fleet that starts, or comes back, does so one after the other.
//!
//! Opening a stream takes a second connection for a moment. When thousands do so at once, the memory of all those
//! connections is taken at once, and hardly any of it goes back to the system. Not here: how many handshakes are under way
//! (`redfish::Https`), and when one endpoint tries again (`backoff`).

use std::time::Duration;

use tokio::{
    sync::Mutex,
    time::{Instant, sleep_until},
};

/// Between two endpoints: with timers that count milliseconds about 400 a second, 25 s for 10,000, which costs about a core
/// meanwhile. What is late is not made up for: on a busy machine starts are late because earlier ones are at work.
const STEP: Duration = Duration::from_micros(1_500);

/// Lets one after the other go, in the order in which they came.
#[derive(Debug)]
pub(crate) struct Pace(Mutex<Instant>);

impl Pace {
    /// The first may go at `now`.
    pub(crate) fn new(now: Instant) -> Self {
        Self(Mutex::new(now))
    }

    /// Waits for one's turn. Who gives up meanwhile takes nobody's place.
    pub(crate) async fn turn(&self) {
        let mut next = self.0.lock().await;
        sleep_until(*next).await;
        *next = Instant::now() + STEP;
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[tokio::test(start_paused = true)]
    async fn a_fleet_goes_at_the_pace_and_a_late_one_does_not_wait() {
        let begun = Instant::now();
        let pace = Pace::new(begun);
        for _ in 0..100 {
            pace.turn().await;
        }
        // Timers count whole milliseconds.
        assert!(begun.elapsed() >= STEP * 99 && begun.elapsed() <= STEP * 198);
        tokio::time::sleep(Duration::from_secs(5)).await;
        let before = Instant::now();
        pace.turn().await;
        assert_eq!(before.elapsed(), Duration::ZERO);
    }
}
