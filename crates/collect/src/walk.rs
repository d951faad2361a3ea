//! One reading of one log, page by page: which entries are news, how far it goes on, and what it showed as a whole. Pure:
//! pages in, decisions out; it is handed the time.
//!
//! Not here: what follows for the log from the whole reading (`continuity`), and whether an entry is known to the journal.

use std::{
    collections::{HashSet, VecDeque},
    time::Duration,
};

use chrono::{DateTime, Utc};
use model::{BOOKMARK_FINGERPRINTS_MAX, Ids, Listed, LogBookmark};
use redfish::{Entry, KnownPage, Page, Scheme};

use crate::{
    History,
    continuity::{Continuity, Fresh, Overlap, Reading},
    equals::Equals,
    places::Places,
};

/// How much older than the first contact an entry may look and still have come after it: BMCs write whole seconds, and
/// their clocks are a little off.
const CONTACT_SLACK: Duration = Duration::from_secs(5);

/// Undated entries that wait for the end of a reading, where it is known which log they are of. HPE's longest log holds 526
/// entries; what goes beyond is told at once.
const HELD_MAX: usize = 10_000;

/// In which order a log lists its entries.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Order {
    /// Newest first (Dell, Cisco): the walk may end at a full overlap.
    NewestFirst,
    /// Oldest first, or no evidence: the walk goes to the end.
    OldestFirst,
}

/// What to do after a page.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Next {
    /// Read the next page, if there is one.
    GoOn,
    /// Everything from here on is known, or older than what was asked for.
    Enough,
    /// The log became shorter under the reading, or ran past it: what stood on the pages before is not what stands there
    /// now (T15).
    StartAgain,
}

/// An entry that is not known yet, as far as this reading can tell.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum News {
    /// Make a record of it.
    Tell,
    /// Remember that it was there, and say nothing: older than `initial_history`.
    Note,
}

/// An entry with what makes it unique among those that say the same.
#[derive(Debug)]
pub(crate) struct Named {
    pub(crate) entry: Entry,
    /// How many entries of other ids say the same.
    pub(crate) occurrence: u32,
    pub(crate) ids: Ids,
    pub(crate) news: News,
}

/// What a first contact brings.
#[derive(Debug, Clone, Copy)]
pub(crate) struct Start {
    pub(crate) history: History,
    /// When the endpoint was reached: the opening of the stream, where there is one, for what comes on it afterwards is
    /// news.
    pub(crate) contact: DateTime<Utc>,
    /// Up to this id somebody else has told this log already (`logs_state_file`).
    pub(crate) told_before: Option<u64>,
}

/// Where the reading began.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Part {
    /// At the log's first page.
    Whole,
    /// Near its end: a few entries that are known, and what came after them.
    Tail,
}

/// What a log that moves under its reading brings about.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Motion {
    /// It is read again from its first page.
    StartsAgain,
    /// It is read to its end even so; it has not moved yet.
    ReadsOn,
    /// It is read to its end, and has moved.
    Seen,
}

/// One reading of one log.
#[derive(Debug)]
pub(crate) struct Walk {
    before: LogBookmark,
    known: HashSet<u64>,
    start: Start,
    part: Part,
    /// When the first reading of this log began, while it has not come to its end.
    first_since: Option<DateTime<Utc>>,
    /// Whether this very walk is the first contact.
    first_contact: bool,
    equals: Equals,
    /// New to the bookmark, oldest first as far as it goes.
    newest: VecDeque<u64>,
    order: Option<Order>,
    reading: Reading,
    held: Vec<(usize, Entry)>,
    /// Place in the listing of the newest entry that the bookmark knows.
    anchor: Option<usize>,
    places: Places,
    motion: Motion,
    /// The highest number and the newest time of the first page.
    top: Option<(Option<u64>, Option<DateTime<Utc>>)>,
    scheme: &'static str,
    ended_early: bool,
    count: Option<u64>,
    /// The same, where it is not just the page's.
    total: Option<u64>,
}

impl Walk {
    /// A walk that starts from a bookmark, or from none at a first contact.
    pub(crate) fn new(before: Option<LogBookmark>, part: Part, start: Start) -> Self {
        let first_contact = before.is_none();
        let before = before.unwrap_or_default();
        let first_since = match before.unfinished_since_ms {
            Some(ms) => Some(DateTime::from_timestamp_millis(ms).unwrap_or(start.contact)),
            None => first_contact.then_some(start.contact),
        };
        Self {
            known: before.newest.iter().copied().collect(),
            places: Places::new(&before.undated),
            before,
            start,
            part,
            first_since,
            first_contact,
            equals: Equals::default(),
            newest: VecDeque::new(),
            order: None,
            reading: Reading::default(),
            held: Vec::new(),
            anchor: None,
            motion: Motion::StartsAgain,
            top: None,
            scheme: "",
            ended_early: false,
            count: None,
            total: None,
        }
    }

    /// The same, read to its end though the log moves under it: what is there is told, and nothing follows from the whole.
    pub(crate) fn for_the_last_time(self) -> Self {
        Self { motion: Motion::ReadsOn, ..self }
    }

    /// Whether the log moved under the reading.
    pub(crate) fn has_moved(&self) -> bool {
        self.motion == Motion::Seen
    }

    /// What is known of the only page of the log, when there was but one: a page that has its digest now holds nothing new. Its
    /// members may be left out where no verdict on an undated entry or an empty log depends on them.
    pub(crate) fn known_page(&self) -> KnownPage {
        if self.before.doubted_since_ms.is_some() {
            return KnownPage::default();
        }
        let named = self.before.ids == Ids::Names && self.before.undated.is_empty() && !self.before.emptied;
        KnownPage { digest: self.before.body_digest, members: self.before.members.filter(|_| named) }
    }

    /// The walk that begins with this page. Only where the oldest were listed first are members remembered that may be left out,
    /// and what is left of the page need not show it.
    pub(crate) fn beginning_with(self, page: &Page) -> Self {
        if page.left_out == 0 {
            return self;
        }
        Self { part: Part::Tail, order: Some(Order::OldestFirst), ..self }
    }

    /// Whether the whole log came in one page that holds what it held.
    pub(crate) fn is_unchanged(&self, page: &Page) -> bool {
        page.next.is_none() && self.known_page().digest == Some(page.digest)
    }

    /// Whether this page holds the newest entry of the bookmark, so that a reading may begin with it.
    pub(crate) fn continues_with(&self, page: &Page) -> bool {
        let Some(newest) = self.before.newest.last() else { return false };
        let holds_newest = page.entries.iter().any(|entry| fingerprint(entry) == *newest);
        holds_newest && !page.entries.first().is_some_and(|first| stands_twice(first, &page.entries))
    }

    /// Takes the entries out of a page, in the order in which they shall be told, and says whether to read on. Undated
    /// entries may be held back to the end: without a time they look like those of before a clear.
    pub(crate) fn take(&mut self, page: &mut Page) -> (Vec<Named>, Next) {
        let order = *self.order.get_or_insert_with(|| order_of(&page.entries));
        if self.shrank(page) | self.overtaken(page, order) {
            match self.motion {
                Motion::StartsAgain => return (Vec::new(), Next::StartAgain),
                Motion::ReadsOn | Motion::Seen => self.motion = Motion::Seen,
            }
        }
        let entries = std::mem::take(&mut page.entries);
        let overlaps = entries.iter().all(|entry| self.known.contains(&fingerprint(entry)))
            && !entries.last().is_some_and(|last| stands_twice(last, &entries));
        let too_old = self.first_since.is_some() && entries.iter().all(|entry| !self.is_news(entry));
        let enough = order == Order::NewestFirst && !entries.is_empty() && (overlaps || too_old);
        self.ended_early |= enough;
        let mut named = Vec::with_capacity(entries.len());
        for entry in entries {
            let at = self.note(&entry, order);
            if self.waits(&entry) {
                self.held.push((at, entry));
            } else {
                named.push(self.name(entry, self.before.ids));
            }
        }
        if order == Order::NewestFirst {
            named.reverse();
        }
        (named, if enough { Next::Enough } else { Next::GoOn })
    }

    /// Whether the log holds fewer entries than a page ago. Some send the page's number of entries for the log's (T26, T27).
    fn shrank(&mut self, page: &Page) -> bool {
        let total = page.count.filter(|count| *count != page.listed());
        let shrank = matches!((self.total, total), (Some(before), Some(now)) if now < before);
        (self.total, self.count) = (total.or(self.total), page.count);
        shrank
    }

    /// Whether a log that lists its newest entries first has run past the reading: a further page begins with what is newer
    /// than anything on the first one, and what came between the two may have gone with the oldest (T15).
    fn overtaken(&mut self, page: &Page, order: Order) -> bool {
        let Some(first) = page.entries.first().filter(|_| order == Order::NewestFirst) else { return false };
        let (top, top_at) = *self.top.get_or_insert_with(|| {
            let numbers = page.entries.iter().map(|entry| entry.number);
            (numbers.max().flatten(), page.entries.iter().filter_map(|entry| entry.facts.occurred_at).max())
        });
        match (top, first.number) {
            (Some(top), Some(number)) => number > top,
            _ => top_at.is_some() && first.facts.occurred_at > top_at,
        }
    }

    /// Whether the entry's name depends on the verdict about the whole reading.
    fn waits(&self, entry: &Entry) -> bool {
        let undated = !entry.identity.dating.is_dated();
        let judged = self.first_since.is_none() && self.part == Part::Whole;
        undated && judged && !self.before.newest.is_empty() && self.held.len() < HELD_MAX
    }

    /// Remembers what an entry shows about the log; its place in the listing.
    fn note(&mut self, entry: &Entry, order: Order) -> usize {
        let fingerprint = fingerprint(entry);
        let at = self.reading.entries;
        let known = self.known.contains(&fingerprint);
        self.reading.note(entry, known, self.before.newest.last());
        match (order, known) {
            // What was counted is older than this one.
            (Order::OldestFirst, true) => self.reading.fresh = Fresh::default(),
            (Order::NewestFirst, false) if self.reading.overlap > Overlap::None => {}
            (_, false) => self.reading.fresh.note(entry),
            (Order::NewestFirst, true) => {}
        }
        if at == 0 && order == Order::OldestFirst {
            self.reading.first = Some(Listed { place: entry.place, fingerprint });
        }
        if !entry.identity.dating.is_dated() {
            self.places.note(Listed { place: entry.place, fingerprint }, order);
        }
        self.scheme = entry.identity.scheme.as_str();
        if known && (order == Order::OldestFirst || self.anchor.is_none()) {
            self.anchor = Some(at);
        }
        let keeps_all = order == Order::OldestFirst && self.part == Part::Whole;
        if keeps_all || !known {
            match order {
                Order::NewestFirst if self.newest.len() < BOOKMARK_FINGERPRINTS_MAX => {
                    self.newest.push_front(fingerprint);
                }
                Order::NewestFirst => {}
                Order::OldestFirst => {
                    if self.newest.len() == BOOKMARK_FINGERPRINTS_MAX {
                        self.newest.pop_front();
                    }
                    self.newest.push_back(fingerprint);
                }
            }
        }
        at
    }

    fn name(&mut self, entry: Entry, ids: Ids) -> Named {
        let occurrence = match (entry.identity.scheme, ids) {
            (Scheme::Content, _) | (Scheme::IdAndContent, Ids::Places) => self.equals.count(&entry),
            _ => 0,
        };
        let news = if self.is_news(&entry) { News::Tell } else { News::Note };
        Named { entry, occurrence, ids, news }
    }

    /// Whether an entry that the journal does not know is news. Only a first reading leaves anything out.
    fn is_news(&self, entry: &Entry) -> bool {
        let Some(since) = self.first_since else { return true };
        if let (Some(told), Some(number)) = (self.start.told_before, id_number(entry)) {
            return number > told;
        }
        match (self.start.history, entry.facts.occurred_at) {
            (History::All, _) => true,
            (History::None, Some(at)) => at + CONTACT_SLACK >= since,
            (History::None, None) => !self.first_contact,
            (History::Last(age), at) => at.is_none_or(|at| age_of(since, at) <= age),
        }
    }

    /// In which order the log lists its entries; known after the first page.
    pub(crate) fn order(&self) -> Order {
        self.order.unwrap_or(Order::OldestFirst)
    }

    /// The first entry that was listed.
    pub(crate) fn first(&self) -> Option<Listed> {
        self.reading.first
    }

    /// Whether it is the first reading of this log, or goes on with it.
    pub(crate) fn is_first(&self) -> bool {
        self.first_since.is_some()
    }

    /// Whether it shows the whole log, once it has come to its end.
    pub(crate) fn is_whole(&self) -> bool {
        self.part == Part::Whole && self.order() == Order::OldestFirst
    }

    /// Entries listed so far.
    pub(crate) fn entries(&self) -> usize {
        self.reading.entries
    }

    /// The bookmark to set with the first page of a first reading, so that a reading that breaks off goes on later as the
    /// same first reading.
    pub(crate) fn begun(&self) -> Option<LogBookmark> {
        let since = self.first_since?;
        self.first_contact.then(|| LogBookmark {
            unfinished_since_ms: Some(since.timestamp_millis()),
            ..LogBookmark::default()
        })
    }

    /// What the reading showed, once it has come to its end; to be judged in `continuity`.
    pub(crate) fn reading(&mut self, machine: Option<&str>) -> Reading {
        self.reading.machine = machine.map(str::to_owned);
        let mut reading = self.reading.clone();
        reading.count = self.count;
        if self.part == Part::Tail || self.ended_early {
            // It began or ended at known entries.
            reading.overlap = reading.overlap.max(Overlap::Some);
        }
        reading
    }

    /// Whether ids were seen to move in this reading, though the log goes on.
    fn shows_places(&self, verdict: &Continuity) -> bool {
        let goes_on = matches!(verdict, Continuity::Continues | Continuity::WrappedWithoutLoss);
        goes_on && self.places.have_moved()
    }

    /// The entries that waited for the verdict, and the bookmark that covers the reading. `last` is the last page read and
    /// `pages` how many there were. While a verdict is not possible, everything that depends on it stays as it was.
    pub(crate) fn finish(
        mut self,
        verdict: &Continuity,
        (last, pages): (&Page, usize),
        now: DateTime<Utc>,
    ) -> (Vec<Named>, LogBookmark) {
        if let Continuity::CannotTell(_) = verdict {
            let since = self.before.doubted_since_ms.unwrap_or(now.timestamp_millis());
            return (Vec::new(), LogBookmark { doubted_since_ms: Some(since), ..self.before });
        }
        let ids = if self.shows_places(verdict) { Ids::Places } else { self.before.ids };
        let newly_places = ids != self.before.ids;
        let order = self.order();
        let held = std::mem::take(&mut self.held);
        let anchor = self.anchor;
        let mut named = Vec::with_capacity(held.len());
        for (at, entry) in held {
            let mut next = self.name(entry, ids);
            // Under its new name it is unknown; that it was read is shown by what stands after it.
            let was_read = anchor.is_some_and(|anchor| match order {
                Order::OldestFirst => at <= anchor,
                Order::NewestFirst => at >= anchor,
            });
            if newly_places && was_read {
                next.news = News::Note;
            }
            named.push(next);
        }
        if order == Order::NewestFirst {
            named.reverse();
        }
        let bookmark = self.bookmark(verdict, ids, (last, pages));
        (named, bookmark)
    }

    fn bookmark(self, verdict: &Continuity, ids: Ids, (last, pages): (&Page, usize)) -> LogBookmark {
        let before = self.before;
        let anew = verdict.begins_anew();
        let scheme = if self.scheme.is_empty() { before.scheme.as_str() } else { self.scheme };
        let keeps_all = self.order == Some(Order::OldestFirst) && self.part == Part::Whole;
        let mut newest: Vec<u64> = self.newest.into();
        if !anew && (!keeps_all || self.reading.entries == 0) {
            // Only what is new was gathered: it stands behind what was known.
            let room = BOOKMARK_FINGERPRINTS_MAX.saturating_sub(newest.len());
            let kept = before.newest.len().saturating_sub(room);
            newest.splice(0..0, before.newest[kept..].iter().copied());
        }
        let undated = self.places.remember();
        let whole = self.part == Part::Whole;
        let only_page = pages == 1 && last.next.is_none() && (whole || last.left_out > 0);
        let last_number = self.reading.numbers.map(|(_, max)| max);
        let shown_number = last_number.filter(|_| self.reading.row.is_ordered());
        let kept = |seen: Option<_>, before| if anew { seen } else { seen.max(before) };
        LogBookmark {
            generation: before.generation + u32::from(anew),
            scheme: scheme.to_owned(),
            newest,
            unfinished_since_ms: None,
            count: last.count,
            body_digest: only_page.then_some(last.digest),
            members: last.members.filter(|_| only_page && self.order == Some(Order::OldestFirst)),
            first: if whole { self.reading.first } else { before.first },
            undated: if anew || !undated.is_empty() { undated } else { before.undated },
            ids,
            last_number: kept(last_number, before.last_number),
            shown_number,
            newest_at_ms: self.reading.newest_at_ms.or(before.newest_at_ms),
            read_at_ms: Some(self.start.contact.timestamp_millis()),
            latest: None,
            machine: self.reading.machine.or(before.machine),
            doubted_since_ms: None,
            emptied: *verdict == Continuity::Emptied || before.emptied && self.reading.entries == 0,
            overflow_told: before.overflow_told,
        }
    }
}

/// The entry that a page lists first.
pub(crate) fn first_listed(page: &Page) -> Option<Listed> {
    page.entries.first().map(|entry| Listed { place: entry.place, fingerprint: fingerprint(entry) })
}

/// What the bookmark remembers of an entry. No id is in it, for ids move.
pub(crate) fn fingerprint(entry: &Entry) -> u64 {
    entry.placeless.fingerprint()
}

/// Whether what an entry says stands on this page under another id too: then it may stand on the next page as well, and
/// only who reads that counts them all.
fn stands_twice(entry: &Entry, page: &[Entry]) -> bool {
    page.iter().any(|other| other.place != entry.place && fingerprint(other) == fingerprint(entry))
}

fn id_number(entry: &Entry) -> Option<u64> {
    entry.facts.entry_id.as_deref()?.parse().ok()
}

fn age_of(now: DateTime<Utc>, at: DateTime<Utc>) -> Duration {
    (now - at).to_std().unwrap_or_default()
}

/// By the first evidence that there is: numbers, then times. Without any the walk goes to the end, which is always right
/// and sometimes slow.
fn order_of(entries: &[Entry]) -> Order {
    let (Some(first), Some(last)) = (entries.first(), entries.last()) else { return Order::OldestFirst };
    if let (Some(first), Some(last)) = (id_number(first), id_number(last))
        && first != last
    {
        return if first > last { Order::NewestFirst } else { Order::OldestFirst };
    }
    match (first.facts.occurred_at, last.facts.occurred_at) {
        (Some(first), Some(last)) if first > last => Order::NewestFirst,
        _ => Order::OldestFirst,
    }
}

#[cfg(test)]
mod tests;
