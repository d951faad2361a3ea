//! Bookmark against reading: does the log go on, was it cleared, did it wrap over what nobody had read, is it another
//! machine's? Pure: it is handed the time.
//!
//! Nothing here decides whether an entry is told: an unknown entry is news whatever the verdict. The verdict decides what
//! is said about entries that nobody can read any more, and which entries without a time are new ones.

use std::{cmp::Ordering, time::Duration};

use model::{Ids, Listed, LogBookmark};
use redfish::{Entry, Scheme};

/// A log that lost all that was known of it is asked again after so long, before it is believed: a listing that is made
/// while the log is rotated looks the same.
pub(crate) const SECOND_READING_AFTER: Duration = Duration::from_secs(30);

/// An empty log is believed after so long: bmcweb lists nothing while its logging daemon is away (T33), and a daemon that
/// is restarted or updated is back within minutes.
pub(crate) const EMPTY_BELIEVED_AFTER: Duration = Duration::from_mins(10);

/// So many entries in a row without a hole are no chance; the smallest ring seen keeps ten (phosphor-logging's informational
/// entries).
const ROW_MIN: u64 = 10;

/// Ids of ten digits and more are seconds since 1970 (bmcweb), not a count.
const NUMBER_MAX: u64 = 1_000_000_000;

/// How much of what the bookmark knows a reading showed.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq, PartialOrd, Ord)]
pub(crate) enum Overlap {
    #[default]
    None,
    /// Some of it: the log goes on, though the newest entry may have been deleted by itself (T7, T8).
    Some,
    /// The newest entry that was read is there: whatever came after it is there too.
    Newest,
}

/// What a reading of a whole log showed.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub(crate) struct Reading {
    /// Entries listed.
    pub(crate) entries: usize,
    pub(crate) overlap: Overlap,
    /// The entry that is listed first.
    pub(crate) first: Option<Listed>,
    /// The lowest and the highest number, where entries are numbered.
    pub(crate) numbers: Option<(u64, u64)>,
    /// Whether numbers only rise, or only fall, from entry to entry. Numbers without an order prove nothing.
    pub(crate) row: Row,
    /// An entry that is not known says that the log was cleared.
    pub(crate) marker: bool,
    /// An entry that is not known says that entries were lost before it.
    pub(crate) overflowed: bool,
    /// What is newer than the newest known entry.
    pub(crate) fresh: Fresh,
    /// When the newest entry happened, by the BMC's clock.
    pub(crate) newest_at_ms: Option<i64>,
    /// `Members@odata.count`.
    pub(crate) count: Option<u64>,
    /// UUID of the service or manager.
    pub(crate) machine: Option<String>,
}

/// The numbers of a listing, one after the other.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub(crate) struct Row {
    last: Option<u64>,
    direction: Option<Ordering>,
    /// It went up and down.
    broken: bool,
}

impl Row {
    /// Whether the highest number is that of the newest entry.
    pub(crate) fn is_ordered(self) -> bool {
        !self.broken
    }

    fn note(&mut self, number: u64) {
        let step = self.last.map(|last| number.cmp(&last)).filter(|step| *step != Ordering::Equal);
        self.broken |= step.zip(self.direction).is_some_and(|(step, direction)| step != direction);
        self.direction = self.direction.or(step);
        self.last = Some(number);
    }
}

/// Entries that are newer than the newest known one.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub(crate) struct Fresh {
    pub(crate) entries: u64,
    /// Those that tell of a login or a request.
    pub(crate) sessions: u64,
    /// The first and the last of the lowest numbers that follow each other without a hole, in whichever order they come.
    pub(crate) lowest_row: Option<(u64, u64)>,
}

impl Fresh {
    pub(crate) fn note(&mut self, entry: &Entry) {
        self.entries += 1;
        self.sessions += u64::from(entry.signs.session);
        if let Some(number) = number(entry) {
            self.lowest_row = Some(self.lowest_row.map_or((number, number), |row| lower_row(row, number)));
        }
    }

    /// The number with which a long row without a hole begins. Holes further on are of entries deleted since.
    fn row(&self) -> Option<u64> {
        let (low, high) = self.lowest_row?;
        (high - low + 1 >= ROW_MIN).then_some(low)
    }
}

/// The number of an entry, where it is a count.
fn number(entry: &Entry) -> Option<u64> {
    entry.number.filter(|number| *number < NUMBER_MAX)
}

/// The lowest row of numbers after one more number.
fn lower_row((low, high): (u64, u64), number: u64) -> (u64, u64) {
    match number {
        _ if number + 1 == low => (number, high),
        _ if number < low => (number, number),
        _ if number == high + 1 => (low, number),
        _ => (low, high),
    }
}

/// The range of numbers with that of one more entry.
fn wider(numbers: Option<(u64, u64)>, entry: &Entry) -> Option<(u64, u64)> {
    let Some(number) = number(entry) else { return numbers };
    let (low, high) = numbers.unwrap_or((number, number));
    Some((low.min(number), high.max(number)))
}

impl Reading {
    /// Takes an entry in; `newest` is the newest entry that the bookmark knows.
    pub(crate) fn note(&mut self, entry: &Entry, known: bool, newest: Option<&u64>) {
        self.entries += 1;
        if known {
            let is_newest = newest == Some(&entry.placeless.fingerprint());
            self.overlap = self.overlap.max(if is_newest { Overlap::Newest } else { Overlap::Some });
        }
        self.marker |= entry.signs.cleared && !known;
        self.overflowed |= entry.signs.overflowed && !known;
        self.numbers = wider(self.numbers, entry);
        if let Some(number) = number(entry) {
            self.row.note(number);
        }
        self.newest_at_ms = self.newest_at_ms.max(entry.facts.occurred_at.map(|at| at.timestamp_millis()));
    }
}

/// The verdict.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Continuity {
    /// What was read last is there, or nothing had been read.
    Continues,
    /// Older entries went; all of them had been read.
    WrappedWithoutLoss,
    /// Entries went that nobody had read.
    WrappedWithLoss(Lost),
    /// Somebody cleared the log, and there are entries of after that.
    Cleared(Lost),
    /// It has been empty for long.
    Emptied,
    /// After that, there are entries again, and they are others.
    Refilled(Lost),
    /// Numbers or times began anew, and nothing of what was known is left.
    Restarted(Lost),
    /// Another machine answers at this address (T77).
    Replaced,
    /// Not yet; what to do to find out.
    CannotTell(Ask),
}

/// How many entries may have gone unread.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Lost {
    /// So many at most.
    AtMost(u64),
    /// Nobody knows.
    Unknown,
}

/// What to ask next.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Ask {
    /// The same again, soon.
    SecondReading,
    /// The same again, until it has stayed empty for long.
    WhetherItStaysEmpty,
}

impl Continuity {
    /// Whether entries from now on are those of another log, so that what has no time is new.
    pub(crate) fn begins_anew(self) -> bool {
        match self {
            Self::Cleared(_) | Self::Refilled(_) | Self::Restarted(_) | Self::Replaced => true,
            Self::Continues
            | Self::WrappedWithoutLoss
            | Self::WrappedWithLoss(_)
            | Self::Emptied
            | Self::CannotTell(_) => false,
        }
    }
}

/// What a reading means.
pub(crate) fn judge(before: &LogBookmark, reading: &Reading, now_ms: i64) -> Continuity {
    let numbers = reading.numbers.filter(|_| before.ids == Ids::Names && reading.row.is_ordered());
    let last = before.shown_number.or(before.last_number);
    let jump = last.zip(numbers).map(|(last, (low, _))| Jump::of(last, low));
    if before.newest.is_empty() {
        // It was empty. Only numbers can show that something came and went meanwhile.
        return match jump {
            Some(Jump::Up(missing)) if missing > 0 => Continuity::WrappedWithLoss(Lost::AtMost(missing)),
            _ => Continuity::Continues,
        };
    }
    if reading.overlap > Overlap::None {
        if let Some(missing) = skipped(before, reading) {
            return Continuity::WrappedWithLoss(Lost::AtMost(missing));
        }
        let same_first = before.first.is_none() || before.first == reading.first;
        return if same_first { Continuity::Continues } else { Continuity::WrappedWithoutLoss };
    }
    let replaced = before.machine.is_some() && reading.machine.is_some() && before.machine != reading.machine;
    if replaced {
        return Continuity::Replaced;
    }
    let doubted_for = before.doubted_since_ms.map(|since| now_ms.saturating_sub(since));
    let doubted_long = |wait: Duration| {
        doubted_for.is_some_and(|ms| u128::try_from(ms).is_ok_and(|ms| ms >= wait.as_millis()))
    };
    if reading.entries == 0 {
        return match before.emptied {
            true => Continuity::Continues,
            false if doubted_long(EMPTY_BELIEVED_AFTER) => Continuity::Emptied,
            false => Continuity::CannotTell(Ask::WhetherItStaysEmpty),
        };
    }
    if before.emptied {
        return Continuity::Refilled(match jump {
            Some(Jump::Up(missing)) => Lost::AtMost(missing),
            // What came before it and went is not known; the clear has been told, and the gap with it.
            Some(Jump::Back) | None => Lost::AtMost(0),
        });
    }
    let (verdict, proven) = of_strangers(before, reading, jump);
    if proven || doubted_long(SECOND_READING_AFTER) {
        verdict
    } else {
        Continuity::CannotTell(Ask::SecondReading)
    }
}

/// How many numbers are missing behind the newest known entry, where that shows a loss though the log goes on. Two rings may
/// share a log (phosphor-logging keeps errors and informational entries apart): one of them wraps while the other keeps what
/// is known. Single holes are natural (T8); a long row without one, right behind a hole, is a ring that wrapped.
fn skipped(before: &LogBookmark, reading: &Reading) -> Option<u64> {
    let (last, low) = (before.last_number?, reading.fresh.row()?);
    match Jump::of(last, low) {
        Jump::Up(missing) if missing > 0 && before.ids == Ids::Names => Some(missing),
        Jump::Up(_) | Jump::Back => None,
    }
}

/// Whether entries of this scheme have a number of the vendor's that no clear sets back.
fn counts_for_ever(scheme: &str) -> bool {
    [Scheme::HpeEventNumber, Scheme::LenovoSequence].into_iter().any(|lasting| lasting.as_str() == scheme)
}

/// From the last number that was known to the lowest that is there.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Jump {
    /// Upwards, over so many.
    Up(u64),
    /// To one that had been given before.
    Back,
}

impl Jump {
    fn of(last: u64, low: u64) -> Self {
        if low > last { Self::Up(low - last - 1) } else { Self::Back }
    }
}

/// A log that shows entries, and none that is known: the verdict, and whether it needs no second reading.
fn of_strangers(before: &LogBookmark, reading: &Reading, jump: Option<Jump>) -> (Continuity, bool) {
    let fewer = matches!((before.count, reading.count), (Some(before), Some(now)) if now < before);
    let earlier =
        matches!((before.newest_at_ms, reading.newest_at_ms), (Some(before), Some(now)) if now < before);
    let lost = match jump {
        Some(Jump::Up(missing)) => Lost::AtMost(missing),
        Some(Jump::Back) | None => Lost::Unknown,
    };
    if reading.marker {
        return (Continuity::Cleared(lost), true);
    }
    match jump {
        Some(Jump::Up(_)) if fewer => (Continuity::Cleared(lost), true),
        Some(Jump::Up(0)) if reading.entries as u64 >= ROW_MIN => (Continuity::WrappedWithoutLoss, true),
        // A ring that holds so few does not wrap: it was emptied. Then a number that is nothing but the `Id` may have begun
        // anew, and stand behind the last one by chance (T5).
        Some(Jump::Up(0)) if counts_for_ever(&before.scheme) => (Continuity::Cleared(lost), true),
        Some(Jump::Up(0)) => (Continuity::Cleared(Lost::Unknown), false),
        Some(Jump::Up(_)) => (Continuity::WrappedWithLoss(lost), true),
        Some(Jump::Back) | None if earlier => (Continuity::Restarted(lost), false),
        Some(Jump::Back) => (Continuity::Cleared(lost), false),
        None if fewer => (Continuity::Cleared(lost), false),
        None => (Continuity::WrappedWithLoss(lost), false),
    }
}

#[cfg(test)]
mod tests;
