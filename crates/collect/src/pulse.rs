//! Whether a stream that says nothing is still there (T51): by its keep-alives where the endpoint sends them, by a small
//! request now and then where it is silent by nature. Pure; what came is noticed by its bytes, in `redfish`.

use std::time::Duration;

use tokio::time::Instant;

/// How often a stream that is silent by nature (bmcweb sends no keep-alives) is proved by a small request. A request every
/// few minutes costs a BMC nothing, and a dead stream is noticed before the next reconciliation.
pub(crate) const SIDE_READ_AFTER: Duration = Duration::from_mins(5);

/// Whether the streams of an endpoint send keep-alives.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub(crate) enum KeepAlives {
    /// Not that we know: silence means nothing.
    #[default]
    NotSeen,
    /// They came: silence means death, from the first byte of the next stream on.
    Sent,
    /// They came once, and a whole stream passed without any.
    Doubted,
}

/// What was heard of a stream.
#[derive(Debug, Clone, Copy)]
pub(crate) struct Heard {
    /// Keep-alives came on it.
    pub(crate) keep_alives: bool,
    /// When anything came last.
    pub(crate) last_byte_at: Instant,
}

/// What its silence means.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Silence {
    Nothing,
    /// The BMC is to be asked whether it is there.
    Ask,
    Death,
}

/// The watch over one stream.
#[derive(Debug, Clone, Copy)]
pub(crate) struct Pulse {
    /// What earlier streams of the endpoint have shown.
    expected: KeepAlives,
    idle_timeout: Duration,
    side_read_at: Instant,
}

impl Pulse {
    /// A stream that was opened now.
    pub(crate) fn new(expected: KeepAlives, idle_timeout: Duration, now: Instant) -> Self {
        Self { expected, idle_timeout, side_read_at: now + SIDE_READ_AFTER }
    }

    fn has_keep_alives(&self, heard: Heard) -> bool {
        heard.keep_alives || self.expected != KeepAlives::NotSeen
    }

    /// When to look again.
    pub(crate) fn next(&self, heard: Heard) -> Instant {
        if self.has_keep_alives(heard) { heard.last_byte_at + self.idle_timeout } else { self.side_read_at }
    }

    /// What the silence means now.
    pub(crate) fn look(&mut self, heard: Heard, now: Instant) -> Silence {
        let silent = now.duration_since(heard.last_byte_at);
        if self.has_keep_alives(heard) {
            return if silent >= self.idle_timeout { Silence::Death } else { Silence::Nothing };
        }
        if now < self.side_read_at {
            return Silence::Nothing;
        }
        self.side_read_at = now + SIDE_READ_AFTER;
        if silent >= SIDE_READ_AFTER { Silence::Ask } else { Silence::Nothing }
    }

    /// What a stream that has ended has shown. One that died of silence without a single keep-alive was dead from its
    /// beginning, or the firmware is another: the second in a row shows that, and a BMC must not be reconnected to for ever.
    pub(crate) fn learned(&self, heard: Heard, died: bool) -> KeepAlives {
        match (heard.keep_alives, died, self.expected) {
            (true, _, _) => KeepAlives::Sent,
            (false, true, KeepAlives::Sent) => KeepAlives::Doubted,
            (false, true, KeepAlives::Doubted | KeepAlives::NotSeen) => KeepAlives::NotSeen,
            (false, false, expected) => expected,
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const SECOND: Duration = Duration::from_secs(1);
    const TIMEOUT: Duration = Duration::from_secs(90);

    use KeepAlives::{Doubted, NotSeen, Sent};

    /// What `silent` seconds after the last byte mean, that long after the opening.
    fn check(expected: KeepAlives, keep_alives: bool, silent: u32, means: Silence) {
        let opened = Instant::now();
        let mut pulse = Pulse::new(expected, TIMEOUT, opened);
        let heard = Heard { keep_alives, last_byte_at: opened };
        let due = pulse.next(heard) <= opened + silent * SECOND;
        assert_eq!(pulse.look(heard, opened + silent * SECOND), means, "{expected:?} {keep_alives} {silent}");
        assert_eq!(due, means != Silence::Nothing, "it is looked at when it means something");
    }

    #[test]
    fn silence_is_death_where_keep_alives_came_on_this_stream_or_on_earlier_ones() {
        for (expected, keep_alives) in [(NotSeen, true), (Sent, false), (Doubted, false), (Sent, true)] {
            check(expected, keep_alives, 89, Silence::Nothing);
            check(expected, keep_alives, 90, Silence::Death);
        }
    }

    #[test]
    fn a_stream_that_is_silent_by_nature_is_asked_about_and_not_left() {
        check(NotSeen, false, 299, Silence::Nothing);
        check(NotSeen, false, 300, Silence::Ask);
        check(NotSeen, false, 86_400, Silence::Ask);
    }

    #[test]
    fn keep_alives_are_expected_until_two_streams_in_a_row_died_without_any() {
        let now = Instant::now();
        for (expected, keep_alives, died, learned) in [
            (NotSeen, true, false, Sent),
            (Sent, true, true, Sent),
            (Sent, false, false, Sent),
            (Sent, false, true, Doubted),
            (Doubted, false, false, Doubted),
            (Doubted, true, true, Sent),
            (Doubted, false, true, NotSeen),
            (NotSeen, false, true, NotSeen),
            (NotSeen, false, false, NotSeen),
        ] {
            let heard = Heard { keep_alives, last_byte_at: now };
            let after = Pulse::new(expected, TIMEOUT, now).learned(heard, died);
            assert_eq!(after, learned, "{expected:?} {keep_alives} {died}");
        }
    }
}
