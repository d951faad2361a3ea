//! What one reading tells, how far it goes, and what it remembers.

use model::{Facts, ReadMembers, Severity};
use redfish::{Dating, Identity, Signs};

use super::*;
use crate::continuity::{Ask, Lost};

const HOUR: Duration = Duration::from_hours(1);

fn now() -> DateTime<Utc> {
    "2026-11-20T12:00:00Z".parse().unwrap()
}

fn digest(number: u64) -> [u8; 16] {
    let mut digest = [0; 16];
    digest[..8].copy_from_slice(&number.to_le_bytes());
    digest
}

/// Entry n says "n" and happened n minutes after midnight.
fn entry(id: u64) -> Entry {
    let identity =
        Identity { scheme: Scheme::Content, digest: digest(id), dating: Dating::Dated { at_ms: 0 } };
    let facts = Facts {
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
    Entry {
        facts,
        identity,
        placeless: identity,
        place: id,
        number: Some(id),
        revision: None,
        signs: Signs::default(),
        twins: Vec::new(),
    }
}

/// An entry without a time, that says `says` under this id.
fn undated(id: u64, says: u64) -> Entry {
    let mut entry = entry(id);
    entry.facts.occurred_at = None;
    let named =
        |number| Identity { scheme: Scheme::IdAndContent, digest: digest(number), dating: Dating::Undated };
    entry.identity = named(1_000_000 * id + says);
    entry.placeless = named(says);
    entry
}

fn page_of(entries: Vec<Entry>) -> Page {
    Page {
        entries,
        next: None,
        count: None,
        digest: 7,
        members: None,
        left_out: 0,
        rejected: 0,
        empty_slots: 0,
    }
}

fn page(ids: impl IntoIterator<Item = u64>) -> Page {
    page_of(ids.into_iter().map(entry).collect())
}

fn bookmark(ids: impl IntoIterator<Item = u64>) -> LogBookmark {
    LogBookmark { newest: ids.into_iter().collect(), ..LogBookmark::default() }
}

fn start(history: History) -> Start {
    Start { history, contact: now(), told_before: None }
}

fn walk(before: Option<LogBookmark>, history: History) -> Walk {
    Walk::new(before, Part::Whole, start(history))
}

fn next(walk: &mut Walk, mut page: Page) -> Next {
    walk.take(&mut page).1
}

fn finished(walk: Walk, verdict: Continuity) -> LogBookmark {
    walk.finish(&verdict, (&page([]), 2), now()).1
}

#[test]
fn a_newest_first_log_is_read_to_a_page_that_is_wholly_known() {
    let mut walk = walk(Some(bookmark(1..=50)), History::All);
    assert_eq!(next(&mut walk, page((26..=75).rev())), Next::GoOn, "a partial overlap is not enough");
    assert_eq!(next(&mut walk, page((1..=25).rev())), Next::Enough);
    assert_eq!(finished(walk, Continuity::Continues).newest, (1..=75).collect::<Vec<_>>());
}

#[test]
fn a_bookmark_does_not_shrink_by_a_reading_that_ended_early() {
    let mut walk = walk(Some(bookmark(1..=128)), History::All);
    assert_eq!(next(&mut walk, page((79..=128).rev())), Next::Enough);
    assert_eq!(finished(walk, Continuity::Continues).newest, (1..=128).collect::<Vec<_>>());
}

#[test]
fn an_oldest_first_log_is_read_to_the_end() {
    let mut walk = walk(Some(bookmark(1..=50)), History::All);
    assert_eq!(next(&mut walk, page(1..=50)), Next::GoOn);
    assert_eq!(next(&mut walk, page(51..=60)), Next::GoOn);
    assert_eq!(finished(walk, Continuity::Continues).newest, (1..=60).collect::<Vec<_>>());
}

#[test]
fn a_reading_of_the_end_adds_to_what_was_known() {
    let mut walk = Walk::new(Some(bookmark(1..=100)), Part::Tail, start(History::All));
    assert!(walk.continues_with(&page(90..=103)));
    assert!(!walk.continues_with(&page(101..=103)), "nothing shows that the log goes on");
    assert_eq!(next(&mut walk, page(90..=103)), Next::GoOn);
    assert_eq!(finished(walk, Continuity::Continues).newest, (1..=103).collect::<Vec<_>>());
}

#[test]
fn a_bookmark_remembers_the_newest_and_not_more() {
    let newest = |ids: Vec<u64>| {
        let mut walk = walk(None, History::All);
        walk.take(&mut page(ids));
        finished(walk, Continuity::Continues).newest
    };
    assert_eq!(newest((1..=500).collect()), (373..=500).collect::<Vec<_>>());
    assert_eq!(newest((1..=500).rev().collect()), (373..=500).collect::<Vec<_>>());
}

#[test]
fn entries_that_say_the_same_are_counted_by_their_ids() {
    let alike = |id: u64| Entry { identity: entry(7).identity, placeless: entry(7).placeless, ..entry(id) };
    let entries = vec![alike(1), alike(2), entry(8), alike(2), alike(3), alike(1)];
    let mut walk = walk(None, History::All);
    let (named, _) = walk.take(&mut page_of(entries));
    let counts: Vec<u32> = named.iter().map(|named| named.occurrence).collect();
    assert_eq!(counts, [0, 1, 0, 1, 2, 0], "an id that comes again is the same entry (T9)");
}

#[test]
fn equals_that_may_go_on_beyond_the_page_are_not_enough() {
    let alike = |id: u64| Entry { identity: entry(7).identity, placeless: entry(7).placeless, ..entry(id) };
    let mut walk = walk(Some(bookmark([7])), History::All);
    assert_eq!(next(&mut walk, page_of(vec![alike(9), alike(8)])), Next::GoOn);
}

#[test]
fn a_log_that_becomes_shorter_under_the_reading_is_read_again() {
    let mut reading = walk(None, History::All);
    let counted = |ids, count| Page { count: Some(count), ..page(ids) };
    assert_eq!(next(&mut reading, counted(1..=50, 120)), Next::GoOn);
    assert_eq!(next(&mut reading, counted(51..=100, 130)), Next::GoOn, "it may grow");
    assert_eq!(next(&mut reading, counted(101..=110, 60)), Next::StartAgain);
}

#[test]
fn t27_a_count_that_is_only_the_pages_says_nothing_of_the_log() {
    let counted = |ids, count| Page { count: Some(count), ..page(ids) };
    let mut reading = walk(None, History::All);
    assert_eq!(next(&mut reading, counted(1..=50, 50)), Next::GoOn);
    assert_eq!(next(&mut reading, counted(51..=60, 10)), Next::GoOn);
}

#[test]
fn t15_a_log_that_runs_past_the_reading_is_read_again() {
    let mut reading = walk(Some(bookmark(1..=287)), History::All);
    assert_eq!(next(&mut reading, page((241..=290).rev())), Next::GoOn);
    assert_eq!(next(&mut reading, page((317..=342).rev())), Next::StartAgain);
    // What was read before and comes again, because newer ones have pushed it down, is no reason.
    let mut reading = walk(Some(bookmark(1..=10)), History::All);
    assert_eq!(next(&mut reading, page((51..=100).rev())), Next::GoOn);
    assert_eq!(next(&mut reading, page((3..=52).rev())), Next::GoOn);
}

fn told(history: History) -> usize {
    let mut walk = walk(None, history);
    let (named, _) = walk.take(&mut page(0..720));
    named.iter().filter(|named| named.news == News::Tell).count()
}

#[test]
fn a_first_contact_brings_what_initial_history_says() {
    assert_eq!(told(History::All), 720);
    assert_eq!(told(History::None), 0);
    assert_eq!(told(History::Last(HOUR)), 60);
}

#[test]
fn a_first_contact_does_not_tell_what_another_collector_has_told() {
    let taken_over = Start { told_before: Some(700), ..start(History::Last(HOUR)) };
    let mut walk = Walk::new(None, Part::Whole, taken_over);
    let (named, _) = walk.take(&mut page(0..720));
    assert_eq!(named.iter().filter(|named| named.news == News::Tell).count(), 19);
}

#[test]
fn what_is_logged_while_the_first_contact_goes_on_is_news() {
    // The stream may have brought it already: noted as old, it would swallow the event.
    assert!(walk(None, History::None).is_news(&entry(720)));
}

#[test]
fn an_entry_without_a_time_is_told_because_losing_is_worse() {
    assert!(walk(None, History::Last(HOUR)).is_news(&undated(1, 1)));
}

#[test]
fn after_the_first_reading_everything_unknown_is_news_however_old_it_looks() {
    assert!(walk(Some(bookmark(1..=5)), History::Last(HOUR)).is_news(&entry(0)));
}

#[test]
fn a_first_reading_that_broke_off_goes_on_as_the_same_first_reading() {
    let begun = walk(None, History::None).begun().unwrap();
    let later = Start { contact: now() + HOUR, ..start(History::None) };
    let walk = Walk::new(Some(begun), Part::Whole, later);
    assert!(!walk.is_news(&entry(719)), "it was there at the first contact");
    assert!(walk.is_news(&entry(721)), "it came after the first contact");
    assert!(walk.begun().is_none());
}

#[test]
fn a_long_newest_first_log_is_not_read_beyond_the_asked_history() {
    let mut walk = walk(None, History::Last(HOUR));
    assert_eq!(next(&mut walk, page((671..=720).rev())), Next::GoOn);
    assert_eq!(next(&mut walk, page((621..=670).rev())), Next::GoOn, "some of it is an hour old");
    assert_eq!(next(&mut walk, page((571..=620).rev())), Next::Enough);
}

#[test]
fn the_same_bytes_hold_nothing_new() {
    let before = LogBookmark { body_digest: Some(7), ..bookmark(1..=5) };
    assert!(walk(Some(before.clone()), History::All).is_unchanged(&page(1..=5)));
    assert!(!walk(Some(bookmark(1..=5)), History::All).is_unchanged(&page(1..=5)));
    let doubted = LogBookmark { doubted_since_ms: Some(1), ..before };
    assert!(!walk(Some(doubted), History::All).is_unchanged(&page(1..=5)), "the doubt must be settled");
}

#[test]
fn a_page_whose_beginning_is_known_is_read_from_there_and_remembered_as_a_whole() {
    let read = |count| Some(ReadMembers { count, digest: u64::from(count) });
    let first = Some(Listed { place: 1, fingerprint: 1 });
    let before = LogBookmark { members: read(100), first, ..bookmark(1..=100) };
    let walk = walk(Some(before), History::All);
    assert_eq!(walk.known_page().members, read(100));
    let mut page = Page { members: read(101), left_out: 36, count: Some(101), ..page(37..=101) };
    let mut walk = walk.beginning_with(&page);
    let (named, next) = walk.take(&mut page);
    assert_eq!((named.len(), next), (65, Next::GoOn));
    let reading = walk.reading(None);
    assert_eq!((reading.overlap, reading.fresh.entries), (Overlap::Newest, 1));
    let (_, after) = walk.finish(&Continuity::Continues, (&page, 1), now());
    assert_eq!((after.members, after.body_digest, after.first), (read(101), Some(7), first));
    assert_eq!(after.newest, (1..=101).collect::<Vec<_>>());
}

#[test]
fn no_beginning_is_left_out_where_the_whole_log_decides_what_an_entry_is() {
    let members = Some(ReadMembers { count: 100, digest: 1 });
    let before = LogBookmark { members, ..bookmark(1..=100) };
    let undated = vec![Listed { place: 1, fingerprint: 1 }];
    for (before, known) in [
        (before.clone(), members),
        (LogBookmark { ids: Ids::Places, ..before.clone() }, None),
        (LogBookmark { undated, ..before.clone() }, None),
        (LogBookmark { emptied: true, ..before.clone() }, None),
        (LogBookmark { doubted_since_ms: Some(1), ..before }, None),
    ] {
        assert_eq!(walk(Some(before), History::All).known_page().members, known);
    }
    let stood = Page { left_out: 36, ..page((37..=100).chain([7])) };
    let walk_on = walk(Some(bookmark(1..=100)), History::All).beginning_with(&stood);
    assert_eq!(walk_on.order(), Order::OldestFirst, "though its last entry is dated before its first");
    let newest_first = Page { members, ..page((1..=5).rev()) };
    let mut walk = walk(Some(bookmark([])), History::All);
    walk.take(&mut Page { entries: newest_first.entries.clone(), ..page([]) });
    let (_, after) = walk.finish(&Continuity::Continues, (&newest_first, 1), now());
    assert_eq!(after.members, None, "what is new stands before what is known");
}

/// A log of undated entries that says these, under ids 1..n.
fn undated_log(says: &[u64]) -> Page {
    page_of((1..).zip(says).map(|(id, says)| undated(id, *says)).collect())
}

#[test]
fn entries_without_a_time_wait_for_the_verdict() {
    let mut walk = walk(Some(bookmark([1, 2])), History::All);
    let (named, _) = walk.take(&mut undated_log(&[1, 2, 3]));
    assert!(named.is_empty());
    let (held, bookmark) = walk.finish(&Continuity::Continues, (&page([]), 1), now());
    assert_eq!((held.len(), bookmark.generation), (3, 0));
}

#[test]
fn after_a_clear_entries_without_a_time_are_of_another_generation() {
    let mut walk = walk(Some(bookmark([1, 2])), History::All);
    walk.take(&mut undated_log(&[1]));
    let cleared = Continuity::Cleared(Lost::Unknown);
    let (held, bookmark) = walk.finish(&cleared, (&page([]), 1), now());
    assert_eq!((held.len(), bookmark.generation, bookmark.newest), (1, 1, vec![1]));
}

#[test]
fn while_nothing_can_be_said_the_bookmark_stays_and_the_undated_wait() {
    let before = bookmark([1, 2]);
    let mut walk = walk(Some(before.clone()), History::All);
    walk.take(&mut undated_log(&[8]));
    let verdict = Continuity::CannotTell(Ask::SecondReading);
    let (held, after) = walk.finish(&verdict, (&page([]), 1), now());
    let doubted = LogBookmark { doubted_since_ms: Some(now().timestamp_millis()), ..before };
    assert_eq!((held.len(), after), (0, doubted));
}

#[test]
fn ids_that_move_are_seen_to_be_places_and_what_had_been_read_is_not_told_again() {
    let mut first = walk(None, History::All);
    first.take(&mut undated_log(&[1, 2, 3]));
    let before = finished(first, Continuity::Continues);
    // Entry 1 was trimmed: the others moved up, and 4 is new.
    let mut second = walk(Some(before), History::All);
    second.take(&mut undated_log(&[2, 3, 4]));
    let (held, after) = second.finish(&Continuity::WrappedWithoutLoss, (&page([]), 1), now());
    let news: Vec<News> = held.iter().map(|named| named.news).collect();
    assert_eq!(news, [News::Note, News::Note, News::Tell]);
    assert!(held.iter().all(|named| named.ids == Ids::Places));
    assert_eq!(after.ids, Ids::Places);
}

#[test]
fn an_entry_deleted_by_itself_shows_places_too() {
    let mut first = walk(None, History::All);
    first.take(&mut undated_log(&[1, 2, 3, 4]));
    let before = finished(first, Continuity::Continues);
    let mut second = walk(Some(before), History::All);
    second.take(&mut undated_log(&[1, 3, 4, 5]));
    let (held, after) = second.finish(&Continuity::Continues, (&page([]), 1), now());
    let news: Vec<News> = held.iter().map(|named| named.news).collect();
    assert_eq!((news, after.ids), (vec![News::Note, News::Note, News::Note, News::Tell], Ids::Places));
}

#[test]
fn ids_that_stay_are_names_though_equal_entries_stand_elsewhere() {
    let mut first = walk(None, History::All);
    first.take(&mut undated_log(&[1, 2, 2]));
    let before = finished(first, Continuity::Continues);
    let mut second = walk(Some(before), History::All);
    second.take(&mut undated_log(&[1, 2, 2, 2]));
    let (held, after) = second.finish(&Continuity::Continues, (&page([]), 1), now());
    assert_eq!((held.len(), after.ids), (4, Ids::Names));
}
