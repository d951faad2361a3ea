//! Whether an event stream that is open and healthy is stuck: its log goes on, and the stream says nothing, though it has
//! pushed entries like these before. Pure.
//!
//! That a log has what was never pushed proves nothing: many BMCs leave part of what they log out, always (T71). So only
//! entries of kinds that this endpoint has pushed count (`habits`), only where the logs had been read whole on the same
//! connection, and only while nothing at all came. Not here: what follows (`stream`).

use crate::{catch_up::Tally, collector::Broken};

/// So many readings must have found something that was not pushed. One may be a push that was late or lost.
const READINGS: u32 = 2;

/// So many entries they must have found together.
const ENTRIES: u32 = 3;

/// A stream that is stuck again after so many new connections, without a word in between, is given up.
const REOPENINGS_MAX: u32 = 1;

/// What a reading on the timer came to.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Reading {
    /// Some log could not be read: what it holds may be older than the connection when it is read next.
    Partial,
    /// All logs were read, and this many new entries are such as this stream pushes.
    Whole(u32),
}

impl Reading {
    /// What a reading came to, while so many events were held: they may be what it found.
    pub(crate) fn of(read: &Result<Tally, Broken>, held: usize) -> Self {
        match read {
            Ok(tally) if tally.failed_logs == 0 => {
                Self::Whole(tally.unpushed.saturating_sub(u32::try_from(held).unwrap_or(u32::MAX)))
            }
            Ok(_) | Err(_) => Self::Partial,
        }
    }
}

/// What a reading says of the stream.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub(crate) struct Finding {
    /// So many entries should have come on it and did not.
    pub(crate) missed: u32,
    /// And that is enough to say that nothing comes on it any more.
    pub(crate) is_stuck: bool,
}

/// The evidence against the streams of one run. It outlives connections.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub(crate) struct Wedge {
    /// The logs were read whole since the stream was opened, so what is new was logged while it was open.
    read_whole: bool,
    /// Readings that found something since the stream was opened or last said something.
    readings: u32,
    entries: u32,
    /// Times that it was found stuck since it last said something.
    stuck: u32,
}

impl Wedge {
    /// A new connection.
    pub(crate) fn opened(&mut self) {
        *self = Self { stuck: self.stuck, ..Self::default() };
    }

    /// Something came on the stream: it is alive, however little it says.
    pub(crate) fn heard(&mut self) {
        *self = Self { read_whole: self.read_whole, ..Self::default() };
    }

    /// The logs were read.
    pub(crate) fn read(&mut self, reading: Reading) -> Finding {
        let missed = match reading {
            Reading::Whole(missed) if std::mem::replace(&mut self.read_whole, true) => missed,
            Reading::Whole(_) => 0,
            Reading::Partial => {
                self.read_whole = false;
                0
            }
        };
        if missed == 0 {
            return Finding::default();
        }
        self.readings += 1;
        self.entries = self.entries.saturating_add(missed);
        let is_stuck = self.readings >= READINGS && self.entries >= ENTRIES;
        self.stuck += u32::from(is_stuck);
        Finding { missed, is_stuck }
    }

    /// Whether to open it again is no use.
    pub(crate) fn is_hopeless(&self) -> bool {
        self.stuck > REOPENINGS_MAX
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    /// What happens to a stream.
    enum Step {
        Opened,
        Heard,
        Partial,
        Whole(u32),
    }

    /// What the readings among these steps found, one letter each: `.` nothing, `m` missed, `S` stuck; `!` once there is
    /// no hope.
    fn check(steps: &[Step], found: &str) {
        let mut wedge = Wedge::default();
        let mut told = String::new();
        for step in steps {
            let reading = match step {
                Opened => {
                    wedge.opened();
                    continue;
                }
                Heard => {
                    wedge.heard();
                    continue;
                }
                Partial => Reading::Partial,
                Whole(missed) => Reading::Whole(*missed),
            };
            told.push(match wedge.read(reading) {
                Finding { is_stuck: true, .. } => 'S',
                Finding { missed: 0, .. } => '.',
                Finding { .. } => 'm',
            });
            if wedge.is_hopeless() {
                told.push('!');
            }
        }
        assert_eq!(told, found);
    }

    use Step::{Heard, Opened, Partial, Whole};

    #[test]
    fn a_stream_that_says_nothing_while_its_log_goes_on_is_stuck_at_the_second_reading_that_shows_it() {
        check(&[Opened, Whole(0), Whole(2), Whole(1)], ".mS");
        check(&[Opened, Whole(0), Whole(1), Whole(0), Whole(1), Whole(0), Whole(1)], ".m.m.S");
        check(&[Opened, Whole(0), Whole(100)], ".m");
    }

    #[test]
    fn what_never_comes_on_a_stream_is_no_evidence() {
        check(&[Opened, Whole(0), Whole(0), Whole(0), Whole(0)], "....");
    }

    #[test]
    fn one_word_takes_all_suspicion_away() {
        check(&[Opened, Whole(0), Whole(5), Heard, Whole(5), Heard, Whole(5)], ".mmm");
        check(&[Opened, Whole(0), Whole(5), Whole(5), Opened, Whole(0), Heard, Whole(5), Whole(5)], ".mS.mS");
    }

    #[test]
    fn entries_that_may_be_older_than_the_connection_prove_nothing() {
        check(&[Opened, Whole(9), Whole(1), Whole(1)], ".mm");
        check(&[Opened, Whole(0), Partial, Whole(9), Whole(9), Partial, Whole(9), Whole(9)], "...m..S");
        check(&[Opened, Whole(0), Whole(5), Opened, Whole(5), Whole(5)], ".m.m");
    }

    #[test]
    fn a_stream_that_is_stuck_again_after_it_was_opened_again_is_given_up() {
        let once = || [Opened, Whole(0), Whole(2), Whole(2)];
        let twice: Vec<Step> = once().into_iter().chain(once()).collect();
        check(&twice, ".mS.mS!");
    }
}
