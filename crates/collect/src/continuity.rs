//! Comparing a bookmark with what a log shows: how far a reading goes on, which entries are news, and what the next
//! bookmark is. Pure: pages in, decisions out; it is handed the time.
//!
//! This is the place where clears, wraps, renumbered and replaced logs will be told apart; today it knows two cases, "goes
//! on" and "read to the end". The journal's keys keep either from telling anything twice.

use std::{
    collections::{HashSet, VecDeque},
    time::Duration,
};

use chrono::{DateTime, Utc};
use model::{BOOKMARK_FINGERPRINTS_MAX, LogBookmark};
use redfish::{Entry, Page};

use crate::History;

/// How much older than the first contact an entry may look and still have come after it: BMCs write whole seconds, and
/// their clocks are a little off.
const CONTACT_SLACK: Duration = Duration::from_secs(5);

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
}

/// One reading of one log, page by page.
#[derive(Debug)]
pub(crate) struct Walk {
    before: LogBookmark,
    known: HashSet<u64>,
    history: History,
    /// When the first reading of this log began, while it has not come to its end.
    first_since: Option<DateTime<Utc>>,
    /// Whether this very walk is the first contact.
    first_contact: bool,
    newest: VecDeque<u64>,
    order: Option<Order>,
    scheme: &'static str,
}

impl Walk {
    /// A walk that starts from a bookmark, or from none at a first contact. `contact` is when the endpoint was reached:
    /// the opening of the stream, where there is one, for what comes on it afterwards is news.
    pub(crate) fn new(before: Option<LogBookmark>, history: History, contact: DateTime<Utc>) -> Self {
        let first_contact = before.is_none();
        let before = before.unwrap_or_default();
        let first_since = match before.unfinished_since_ms {
            Some(ms) => Some(DateTime::from_timestamp_millis(ms).unwrap_or(contact)),
            None => first_contact.then_some(contact),
        };
        let known = before.newest.iter().copied().collect();
        let (newest, order, scheme) = (VecDeque::new(), None, "");
        Self { before, known, history, first_since, first_contact, newest, order, scheme }
    }

    /// Whether the whole log came in one page that is byte for byte what it was.
    pub(crate) fn is_unchanged(&self, page: &Page) -> bool {
        page.next.is_none() && self.before.body_digest == Some(page.digest)
    }

    /// Whether an entry that the journal does not know is news. Only a first reading leaves anything out.
    pub(crate) fn tells(&self, entry: &Entry) -> bool {
        let Some(since) = self.first_since else { return true };
        match (self.history, entry.facts.occurred_at) {
            (History::All, _) => true,
            (History::None, Some(at)) => at + CONTACT_SLACK >= since,
            (History::None, None) => !self.first_contact,
            (History::Last(age), at) => at.is_none_or(|at| age_of(since, at) <= age),
        }
    }

    /// Takes a page in and says whether to read on.
    pub(crate) fn take(&mut self, page: &Page) -> Next {
        let order = *self.order.get_or_insert_with(|| order_of(&page.entries));
        for entry in &page.entries {
            self.scheme = entry.identity.scheme.as_str();
            match order {
                Order::NewestFirst if self.newest.len() < BOOKMARK_FINGERPRINTS_MAX => {
                    self.newest.push_front(entry.identity.fingerprint());
                }
                Order::NewestFirst => {}
                Order::OldestFirst => {
                    if self.newest.len() == BOOKMARK_FINGERPRINTS_MAX {
                        self.newest.pop_front();
                    }
                    self.newest.push_back(entry.identity.fingerprint());
                }
            }
        }
        if order == Order::OldestFirst || page.entries.is_empty() {
            return Next::GoOn;
        }
        let overlaps = page.entries.iter().all(|entry| self.known.contains(&entry.identity.fingerprint()));
        let too_old = self.first_since.is_some() && page.entries.iter().all(|entry| !self.tells(entry));
        if overlaps || too_old { Next::Enough } else { Next::GoOn }
    }

    /// In which order the log lists its entries; known after the first page.
    pub(crate) fn order(&self) -> Order {
        self.order.unwrap_or(Order::OldestFirst)
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

    /// The bookmark of a walk that came to its end: the last page read, and whether it was the only one.
    pub(crate) fn finished(&self, last: &Page, pages: usize) -> LogBookmark {
        let scheme = if self.scheme.is_empty() { self.before.scheme.as_str() } else { self.scheme };
        LogBookmark {
            generation: self.before.generation,
            scheme: scheme.to_owned(),
            newest: self.newest.iter().copied().collect(),
            unfinished_since_ms: None,
            count: last.count,
            body_digest: (pages == 1 && last.next.is_none()).then_some(last.digest),
        }
    }
}

fn age_of(now: DateTime<Utc>, at: DateTime<Utc>) -> Duration {
    (now - at).to_std().unwrap_or_default()
}

/// By the first evidence that there is: numeric ids, then times. Without any the walk goes to the end, which is always
/// right and sometimes slow.
fn order_of(entries: &[Entry]) -> Order {
    let (Some(first), Some(last)) = (entries.first(), entries.last()) else { return Order::OldestFirst };
    let number = |entry: &Entry| entry.facts.entry_id.as_deref().and_then(|id| id.parse::<u64>().ok());
    if let (Some(first), Some(last)) = (number(first), number(last))
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
mod tests {
    use model::{Facts, Severity};
    use redfish::{Identity, Scheme};

    use super::*;

    const HOUR: Duration = Duration::from_hours(1);

    fn now() -> DateTime<Utc> {
        "2026-11-20T12:00:00Z".parse().unwrap()
    }

    fn entry(id: u64) -> Entry {
        let mut digest = [0; 16];
        digest[..8].copy_from_slice(&id.to_le_bytes());
        let facts = Facts {
            // Entry n happened n minutes after midnight.
            occurred_at: Some(now() - 12 * HOUR + Duration::from_mins(1) * u32::try_from(id).unwrap()),
            occurred_at_raw: None,
            severity: Severity::Ok,
            message: String::new(),
            message_id: None,
            message_args: Vec::new(),
            log_service: None,
            entry_id: Some(id.to_string()),
            event_id: None,
            origin: None,
            original: None,
        };
        Entry { facts, identity: Identity { scheme: Scheme::IdAndContent, digest }, twins: Vec::new() }
    }

    fn page(ids: impl IntoIterator<Item = u64>) -> Page {
        let entries = ids.into_iter().map(entry).collect();
        Page { entries, next: None, count: None, digest: 7, rejected: 0, empty_slots: 0 }
    }

    fn bookmark(ids: impl IntoIterator<Item = u64>) -> LogBookmark {
        LogBookmark { newest: ids.into_iter().collect(), ..LogBookmark::default() }
    }

    #[test]
    fn a_newest_first_log_is_read_to_a_page_that_is_wholly_known() {
        let mut walk = Walk::new(Some(bookmark(1..=50)), History::All, now());
        assert_eq!(walk.take(&page((26..=75).rev())), Next::GoOn, "a partial overlap is not enough");
        assert_eq!(walk.take(&page((1..=25).rev())), Next::Enough);
        assert_eq!(walk.finished(&page([]), 2).newest, (1..=75).collect::<Vec<_>>());
    }

    #[test]
    fn an_oldest_first_log_is_read_to_the_end() {
        let mut walk = Walk::new(Some(bookmark(1..=50)), History::All, now());
        assert_eq!(walk.take(&page(1..=50)), Next::GoOn);
        assert_eq!(walk.take(&page(51..=60)), Next::GoOn);
        assert_eq!(walk.finished(&page([]), 2).newest, (1..=60).collect::<Vec<_>>());
    }

    #[test]
    fn a_bookmark_remembers_the_newest_and_not_more() {
        let newest = |ids: Vec<u64>| {
            let mut walk = Walk::new(None, History::All, now());
            walk.take(&page(ids));
            walk.finished(&page([]), 1).newest
        };
        assert_eq!(newest((1..=500).collect()), (373..=500).collect::<Vec<_>>());
        assert_eq!(newest((1..=500).rev().collect()), (373..=500).collect::<Vec<_>>());
    }

    #[test]
    fn a_first_contact_brings_what_initial_history_says() {
        let told = |history| {
            let walk = Walk::new(None, history, now());
            (0..720).filter(|id| walk.tells(&entry(*id))).count()
        };
        assert_eq!(told(History::All), 720);
        assert_eq!(told(History::None), 0);
        assert_eq!(told(History::Last(HOUR)), 60);
    }

    #[test]
    fn what_is_logged_while_the_first_contact_goes_on_is_news() {
        // The stream may have brought it already: noted as old, it would swallow the event.
        assert!(Walk::new(None, History::None, now()).tells(&entry(720)));
    }

    #[test]
    fn an_entry_without_a_time_is_told_because_losing_is_worse() {
        let mut timeless = entry(1);
        timeless.facts.occurred_at = None;
        assert!(Walk::new(None, History::Last(HOUR), now()).tells(&timeless));
    }

    #[test]
    fn after_the_first_reading_everything_unknown_is_news_however_old_it_looks() {
        let walk = Walk::new(Some(bookmark(1..=5)), History::Last(HOUR), now());
        assert!(walk.tells(&entry(0)));
    }

    #[test]
    fn a_first_reading_that_broke_off_goes_on_as_the_same_first_reading() {
        let begun = Walk::new(None, History::None, now()).begun().unwrap();
        let later = now() + HOUR;
        let walk = Walk::new(Some(begun), History::None, later);
        assert!(!walk.tells(&entry(719)), "it was there at the first contact");
        assert!(walk.tells(&entry(721)), "it came after the first contact");
        assert!(walk.begun().is_none());
    }

    #[test]
    fn a_long_newest_first_log_is_not_read_beyond_the_asked_history() {
        let mut walk = Walk::new(None, History::Last(HOUR), now());
        assert_eq!(walk.take(&page((671..=720).rev())), Next::GoOn);
        assert_eq!(walk.take(&page((621..=670).rev())), Next::GoOn, "some of it is an hour old");
        assert_eq!(walk.take(&page((571..=620).rev())), Next::Enough);
    }

    #[test]
    fn the_same_bytes_hold_nothing_new() {
        let before = LogBookmark { body_digest: Some(7), ..bookmark(1..=5) };
        let walk = Walk::new(Some(before), History::All, now());
        assert!(walk.is_unchanged(&page(1..=5)));
        assert!(!Walk::new(Some(bookmark(1..=5)), History::All, now()).is_unchanged(&page(1..=5)));
    }
}
