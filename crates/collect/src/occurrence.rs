//! Which of several events that say the same an event is: the count that goes into its name. Pure.
//!
//! An event is named by its content, so that one that is sent again is recognised by the journal, whatever ids it is given
//! then. But real events may be alike in everything (three equal lines of one second on bmcweb), so the events of one
//! connection are counted on: 0, 1, 2. Where a payload tells old news, equals are counted from 0 within that payload, and so
//! meet the names that they had when they came first: a whole log sent at once (T60), every unrecovered event (T73).
//! Old news is only what is clearly older than the newest event, or of a time that the BMC's clock is not near, and that decides
//! nothing but the counting: whether an event is told, its name alone decides, so that after a step of the BMC's clock
//! nothing is swallowed but the later ones of several equal events that come in one batch before the first of them was
//! found to be new; and those stand in the log.
//!
//! A payload sent twice on one connection (T62) is recognised as a whole. Not here: names (`redfish`), known names (`journal`).

use std::collections::VecDeque;

use chrono::{DateTime, TimeDelta, Utc};
use redfish::Event;
use tokio::time::Instant;

use crate::{History, walk::News};

/// How many contents of one connection are remembered. Equal events come within one second.
const CONTENTS_REMEMBERED: usize = 64;

/// How many payloads of one connection are remembered: a loop sends the same one again at once.
const PAYLOADS_REMEMBERED: usize = 16;

/// How much older than the newest event one must be to be old news: what happens at once is pushed out of order, and two
/// sources of one BMC write their times apart. Tighter, it would swallow a real event that is equal to another.
const OLD_NEWS_AFTER: TimeDelta = TimeDelta::seconds(5);

/// How far from the BMC's clock, as its newest event showed it, an event may be when it comes, and still be just happening. A
/// reader that is far behind must not take what waits in its socket for old.
const NOW_WITHIN: TimeDelta = TimeDelta::seconds(60);

/// With `initial_history = "none"` an event may be so much older than the newest and still be told: times of one BMC differ.
const HISTORY_MIN: TimeDelta = TimeDelta::hours(1);

/// An event and how many with its content came before it.
#[derive(Debug)]
pub(crate) struct Counted {
    pub(crate) event: Event,
    pub(crate) occurrence: u32,
    pub(crate) news: News,
}

/// The newest time that events of one stream run have shown, and when they came; it outlives connections.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub(crate) struct Newest(Option<(DateTime<Utc>, Instant)>);

impl Newest {
    /// The newest time of these events.
    pub(crate) fn of(events: &[Counted], now: Instant) -> Self {
        Self(events.iter().filter_map(|counted| counted.event.facts.occurred_at).max().map(|at| (at, now)))
    }

    /// These events were all new, so the BMC's clock is where they say: it may have been set back, or the time before was
    /// one that cannot be.
    pub(crate) fn was_news(&mut self, told: Self) {
        if let (Some((told_at, _)), Some((newest, _))) = (told.0, self.0)
            && told_at != newest
        {
            *self = told;
        }
    }

    /// Takes the times of a payload in, and tells whether it is old news. What cannot be of now shows no time.
    fn take(&mut self, events: &[Event], now: Instant) -> bool {
        let times = || events.iter().filter_map(|event| event.facts.occurred_at);
        let (Some(oldest), Some(latest)) = (times().min(), times().max()) else { return false };
        if self.clock(now).is_some_and(|clock| (clock - latest).abs() > NOW_WITHIN) {
            return true;
        }
        let newest = self.0.filter(|(newest, _)| *newest >= latest).unwrap_or((latest, now));
        self.0 = Some(newest);
        newest.0 - oldest > OLD_NEWS_AFTER
    }

    /// Where the BMC's clock is now, by the newest time that it has shown and the time since.
    fn clock(self, now: Instant) -> Option<DateTime<Utc>> {
        let (newest, came) = self.0?;
        newest.checked_add_signed(TimeDelta::from_std(now.duration_since(came)).ok()?)
    }

    /// Whether an event is of a past that was not asked for: BMCs send whole logs, months old (T60).
    fn news(self, event: &Event, history: History) -> News {
        let asked = match history {
            History::All => return News::Tell,
            History::None => HISTORY_MIN,
            History::Last(age) => TimeDelta::from_std(age).unwrap_or(TimeDelta::MAX).max(HISTORY_MIN),
        };
        match (self.0, event.facts.occurred_at) {
            (Some((newest, _)), Some(at)) if newest - at > asked => News::Note,
            _ => News::Tell,
        }
    }
}

/// The memory of one connection.
#[derive(Debug, Default)]
pub(crate) struct Occurrences {
    contents: VecDeque<Content>,
    payloads: VecDeque<u64>,
    payload: u32,
}

/// How often a content came: 16 bytes, for every connection has many of them.
#[derive(Debug, Clone, Copy)]
struct Content {
    fingerprint: u64,
    payload: u32,
    in_payload: u16,
    in_all: u16,
}

impl Occurrences {
    /// Whether this very payload has come before on this connection; remembers it.
    pub(crate) fn came_before(&mut self, name: Option<u64>) -> bool {
        let Some(name) = name else { return false };
        if self.payloads.contains(&name) {
            return true;
        }
        if self.payloads.len() == PAYLOADS_REMEMBERED {
            self.payloads.pop_front();
        }
        self.payloads.push_back(name);
        false
    }

    /// Counts the events of one payload.
    pub(crate) fn count(
        &mut self,
        newest: &mut Newest,
        payload: Vec<Event>,
        (history, now): (History, Instant),
        counted: &mut Vec<Counted>,
    ) {
        let is_old_news = newest.take(&payload, now);
        self.payload = self.payload.wrapping_add(1);
        for event in payload {
            let news = newest.news(&event, history);
            let content = self.content(event.identity.fingerprint());
            // Without a time nothing shows that an event is old.
            let from_zero = is_old_news && event.identity.dating.is_dated();
            let occurrence = if from_zero { content.in_payload } else { content.in_all };
            content.in_payload = content.in_payload.saturating_add(1);
            content.in_all = content.in_all.max(occurrence.saturating_add(1));
            counted.push(Counted { event, occurrence: u32::from(occurrence), news });
        }
    }

    /// The place of a content; those that come again are kept longest.
    fn content(&mut self, fingerprint: u64) -> &mut Content {
        let known = self.contents.iter().rposition(|content| content.fingerprint == fingerprint);
        let mut content = known.and_then(|place| self.contents.remove(place)).unwrap_or(Content {
            fingerprint,
            payload: self.payload,
            in_payload: 0,
            in_all: 0,
        });
        if content.payload != self.payload {
            content.payload = self.payload;
            content.in_payload = 0;
        }
        if self.contents.len() == CONTENTS_REMEMBERED {
            self.contents.pop_front();
        }
        self.contents.push_back(content);
        self.contents.back_mut().expect("it was put there")
    }
}

#[cfg(test)]
mod tests {
    use model::{Facts, Severity};
    use redfish::{Dating, Identity, Scheme};

    use super::*;

    /// An event that says `content` at a second of a day; 0 is no time.
    fn event((content, second): (u8, i64)) -> Event {
        let occurred_at = (second > 0).then(|| DateTime::from_timestamp(1_795_176_000 + second, 0).unwrap());
        let facts = Facts {
            occurred_at,
            occurred_at_raw: None,
            severity: Severity::Ok,
            message: String::new(),
            message_id: None,
            message_args: Vec::new(),
            log_service: None,
            entry_id: None,
            event_id: None,
            origin: None,
            original: None,
        };
        let dating = occurred_at.map_or(Dating::Undated, |at| Dating::Dated { at_ms: at.timestamp_millis() });
        let mut digest = [content; 16];
        digest[..4].copy_from_slice(&u32::try_from(second).unwrap().to_le_bytes());
        Event {
            facts,
            identity: Identity { scheme: Scheme::EventContent, digest, dating },
            twins: Vec::new(),
        }
    }

    /// The occurrences of payloads that come at once, one after the other on one connection.
    fn counts(newest: &mut Newest, payloads: &[&[(u8, i64)]]) -> Vec<u32> {
        counts_at(newest, payloads, Instant::now())
    }

    fn counts_at(newest: &mut Newest, payloads: &[&[(u8, i64)]], now: Instant) -> Vec<u32> {
        let timed: Vec<_> = payloads.iter().map(|payload| (*payload, now)).collect();
        heard(newest, &timed, History::All).iter().map(|counted| counted.occurrence).collect()
    }

    /// What is made of payloads that come at these times.
    fn heard(newest: &mut Newest, payloads: &[(&[(u8, i64)], Instant)], history: History) -> Vec<Counted> {
        let (mut occurrences, mut counted) = (Occurrences::default(), Vec::new());
        for (payload, now) in payloads {
            let events = payload.iter().copied().map(event).collect();
            occurrences.count(newest, events, (history, *now), &mut counted);
        }
        counted
    }

    #[test]
    fn t73_the_newest_event_told_again_minutes_later_is_old_news() {
        let (now, a): (_, &[(u8, i64)]) = (Instant::now(), &[(1, 60)]);
        let after = |seconds| now + std::time::Duration::from_secs(seconds);
        let counts = |again| {
            let counted = heard(&mut Newest::default(), &[(a, now), (a, after(again))], History::All);
            counted.iter().map(|counted| counted.occurrence).collect::<Vec<_>>()
        };
        assert_eq!(counts(61), [0, 0]);
        assert_eq!(
            counts(59),
            [0, 1],
            "a reader that is behind does not take what is just happening for old"
        );
    }

    #[test]
    fn t73_what_is_told_again_after_the_clock_went_back_is_old_news_though_it_is_dated_later() {
        let now = Instant::now();
        let later = now + std::time::Duration::from_mins(16);
        // The clock shows 1560 then; what comes is of 29 minutes later.
        let mut newest = Newest(Some((event((9, 600)).facts.occurred_at.unwrap(), now)));
        let [again, other]: [&[(u8, i64)]; 2] = [&[(1, 3300)], &[(2, 3300)]];
        let counted = heard(&mut newest, &[(again, later), (other, later), (again, later)], History::All);
        assert!(counted.iter().all(|counted| counted.occurrence == 0), "{counted:?}");
        // Told as new, it shows where the clock is.
        newest.was_news(Newest::of(&counted, later));
        assert_eq!(counts_at(&mut newest, &[again, again], later), [0, 1]);
    }

    #[test]
    fn t60_what_is_older_than_the_history_that_was_asked_for_is_not_told() {
        let burst: &[(u8, i64)] = &[(1, 1), (2, 40_000), (3, 80_000), (4, 0)];
        let told = |history| {
            let counted = heard(&mut Newest::default(), &[(burst, Instant::now())], history);
            counted.iter().map(|counted| counted.news == News::Tell).collect::<Vec<_>>()
        };
        assert_eq!(told(History::All), [true, true, true, true]);
        assert_eq!(told(History::None), [false, false, true, true], "no time says nothing");
        let half_a_day = History::Last(std::time::Duration::from_hours(12));
        assert_eq!(told(half_a_day), [false, true, true, true]);
    }

    #[test]
    fn equal_events_of_one_connection_are_counted_on() {
        let a = (1, 60);
        assert_eq!(counts(&mut Newest::default(), &[&[a], &[(2, 60)], &[a, a], &[a]]), [0, 0, 1, 2, 3]);
    }

    #[test]
    fn a_late_event_within_the_window_is_counted_on_too() {
        let (a, b) = ((1, 60), (2, 65));
        assert_eq!(counts(&mut Newest::default(), &[&[a], &[b], &[a]]), [0, 0, 1]);
    }

    #[test]
    fn t60_a_burst_meets_the_counts_that_its_events_had_and_goes_on_from_there() {
        let (old, a) = ((1, 10), (2, 60));
        let live: &[&[(u8, i64)]] = &[&[a], &[a], &[old, a, a, a], &[a]];
        assert_eq!(counts(&mut Newest::default(), live), [0, 1, 0, 0, 1, 2, 3]);
    }

    #[test]
    fn t73_an_old_event_alone_meets_the_count_that_it_had_on_this_and_on_other_connections() {
        let (old, new) = ((1, 10), (2, 60));
        let mut newest = Newest::default();
        assert_eq!(counts(&mut newest, &[&[old], &[new], &[old], &[old]]), [0, 0, 0, 0]);
        assert_eq!(counts(&mut newest, &[&[old], &[old]]), [0, 0]);
    }

    #[test]
    fn events_without_a_time_are_always_counted_on() {
        let timeless = (1, 0);
        assert_eq!(
            counts(&mut Newest::default(), &[&[timeless], &[(2, 60)], &[(3, 1), timeless]]),
            [0, 0, 0, 1]
        );
    }

    #[test]
    fn when_what_looked_old_was_new_equal_events_are_counted_on_again() {
        let mut newest = Newest::default();
        counts(&mut newest, &[&[(1, 60)]]);
        let back = (2, 10);
        let now = Instant::now();
        let told = [Counted { event: event(back), occurrence: 0, news: News::Tell }];
        newest.was_news(Newest::of(&told, now));
        assert_eq!(counts(&mut newest, &[&[back], &[back]]), [0, 1]);
        newest.was_news(Newest::default());
        assert_eq!(newest.0.map(|(at, _)| at), event(back).facts.occurred_at, "no time says nothing");
    }

    #[test]
    fn t62_a_payload_is_known_again_only_by_a_name() {
        let mut occurrences = Occurrences::default();
        let known = [Some(1), None, None, Some(1), Some(2)].map(|name| occurrences.came_before(name));
        assert_eq!(known, [false, false, false, true, false]);
        (3..40).for_each(|name| assert!(!occurrences.came_before(Some(name))));
        assert!(!occurrences.came_before(Some(1)), "the memory is bounded");
    }

    #[test]
    fn the_memory_of_contents_is_bounded() {
        let mut occurrences = Occurrences::default();
        let events = (1..200).map(|second| event((1, second))).collect();
        let asked = (History::All, Instant::now());
        occurrences.count(&mut Newest::default(), events, asked, &mut Vec::new());
        assert_eq!(occurrences.contents.len(), CONTENTS_REMEMBERED);
    }
}
