//! When to read the logs because the stream says that there is a new entry. Pure: it is handed the time.
//!
//! Readings may themselves be what is announced: where each request or login leaves an entry, a reading at each ring would
//! feed itself for ever (T74). So a ring that comes while we read, or shortly after, is answered later each time; one that
//! comes out of the silence is answered soon.

use std::time::Duration;

use tokio::time::Instant;

/// A series of announcements is one reading.
const SOON: Duration = Duration::from_secs(2);

/// Readings that the bell asks for are at least so far apart; what is announced within that time of a reading may be its
/// own doing.
const APART: Duration = Duration::from_secs(30);

/// The longest wait; the timer reads the logs more often by default.
const APART_MAX: Duration = Duration::from_hours(1);

/// The bell of one stream.
#[derive(Debug)]
pub(crate) struct Doorbell {
    pause: Duration,
    last_read: Option<Instant>,
    rang_while_reading: bool,
    suspected: bool,
}

impl Default for Doorbell {
    fn default() -> Self {
        Self { pause: APART, last_read: None, rang_while_reading: false, suspected: false }
    }
}

impl Doorbell {
    /// It rings while nobody reads; when to begin to.
    pub(crate) fn rings(&mut self, now: Instant) -> Instant {
        match self.last_read {
            Some(read) if now.duration_since(read) < APART => {
                self.suspected = true;
                read + self.pause
            }
            _ => {
                self.suspected = false;
                self.pause = APART;
                now + SOON
            }
        }
    }

    /// It rings while the logs are read.
    pub(crate) fn rings_while_reading(&mut self) {
        self.rang_while_reading = true;
    }

    /// A reading has ended; when to begin the next one, if the bell asks for one.
    pub(crate) fn read(&mut self, now: Instant) -> Option<Instant> {
        if std::mem::take(&mut self.suspected) {
            self.pause = (self.pause * 2).min(APART_MAX);
        }
        self.last_read = Some(now);
        std::mem::take(&mut self.rang_while_reading).then(|| self.rings(now))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[tokio::test(start_paused = true)]
    async fn a_ring_out_of_the_silence_is_answered_soon_and_the_next_after_a_pause() {
        let start = Instant::now();
        let mut bell = Doorbell::default();
        assert_eq!(bell.rings(start), start + SOON);
        let read = start + SOON;
        assert_eq!(bell.read(read), None);
        assert_eq!(bell.rings(read + SOON), read + APART);
        assert_eq!(bell.read(read + APART), None);
        let later = read + 10 * APART;
        assert_eq!(bell.rings(later), later + SOON);
    }

    #[tokio::test(start_paused = true)]
    async fn t74_readings_that_ring_the_bell_themselves_become_rare() {
        let start = Instant::now();
        let mut bell = Doorbell::default();
        let mut at = bell.rings(start);
        for _ in 0..20 {
            bell.rings_while_reading();
            at = bell.read(at).expect("it rang");
        }
        assert!(at - start > 10 * APART_MAX, "{:?}", at - start);
    }
}
