//! The verdicts, as a table of what was known and what is shown.

use super::*;

const READ: Reading = Reading {
    entries: 9,
    overlap: Overlap::None,
    first: None,
    numbers: None,
    row: Row { last: None, direction: None, broken: false },
    marker: false,
    overflowed: false,
    fresh: Fresh { entries: 0, sessions: 0, lowest_row: None },
    newest_at_ms: Some(2_000),
    count: Some(9),
    machine: None,
};

/// Nine entries were known, numbered up to 50, the newest of the first second.
fn known() -> LogBookmark {
    LogBookmark {
        newest: (42..=50).collect(),
        count: Some(9),
        last_number: Some(50),
        newest_at_ms: Some(1_000),
        ..LogBookmark::default()
    }
}

fn doubted(since_ms: i64) -> LogBookmark {
    LogBookmark { doubted_since_ms: Some(since_ms), ..known() }
}

const SECOND_MS: i64 = 1_000;

fn check(before: &LogBookmark, reading: &Reading, expected: Continuity) {
    assert_eq!(judge(before, reading, 3_600 * SECOND_MS), expected, "{reading:?}");
}

#[test]
fn a_log_that_shows_what_is_known_goes_on() {
    for overlap in [Overlap::Some, Overlap::Newest] {
        check(&known(), &Reading { overlap, ..READ }, Continuity::Continues);
    }
    let first = |fingerprint| Some(Listed { place: 1, fingerprint });
    let before = LogBookmark { first: first(42), ..known() };
    let reading = Reading { overlap: Overlap::Newest, first: first(43), ..READ };
    check(&before, &reading, Continuity::WrappedWithoutLoss);
}

#[test]
fn t08_holes_in_the_row_of_numbers_are_no_gap() {
    let reading = Reading { overlap: Overlap::Some, numbers: Some((47, 900)), ..READ };
    check(&known(), &reading, Continuity::Continues);
}

#[test]
fn t08_a_long_row_behind_a_hole_is_one_of_two_rings_that_wrapped() {
    let row = |low, high, entries| Reading {
        overlap: Overlap::Newest,
        numbers: Some((50, high)),
        fresh: Fresh { entries, sessions: 0, lowest_row: Some((low, high)) },
        ..READ
    };
    check(&known(), &row(301, 500, 200), Continuity::WrappedWithLoss(Lost::AtMost(250)));
    check(&known(), &row(51, 250, 200), Continuity::Continues);
    // What was deleted further on changes nothing; a short row is no sign.
    check(&known(), &row(301, 325, 150), Continuity::WrappedWithLoss(Lost::AtMost(250)));
    check(&known(), &row(301, 309, 150), Continuity::Continues);
    check(&known(), &row(53, 55, 3), Continuity::Continues);
    // Given again after the newest was deleted by itself (T7).
    check(&known(), &row(50, 69, 20), Continuity::Continues);
}

#[test]
fn t08_the_lowest_row_ends_at_the_first_hole_whichever_way_the_log_is_read() {
    let with_holes = || (301..=325).chain(327..=400).chain(500..=520);
    let row = |mut numbers: Box<dyn Iterator<Item = u64>>| {
        let first = numbers.next().unwrap();
        numbers.fold((first, first), lower_row)
    };
    assert_eq!(row(Box::new(with_holes())), (301, 325));
    assert_eq!(row(Box::new(with_holes().rev())), (301, 325));
    assert_eq!(row(Box::new([7, 7, 8, 8].into_iter())), (7, 8));
}

#[test]
fn t07_a_number_that_may_have_been_given_again_is_missing_when_nothing_known_is_left() {
    let deleted = LogBookmark { shown_number: Some(49), ..known() };
    let reading = Reading { numbers: Some((51, 59)), ..READ };
    check(&deleted, &reading, Continuity::WrappedWithLoss(Lost::AtMost(1)));
    // As long as the log shows what is known, a hole is nothing but what was deleted.
    let fresh = Fresh { entries: 20, sessions: 0, lowest_row: Some((51, 70)) };
    let reading = Reading { overlap: Overlap::Some, numbers: Some((41, 70)), fresh, ..READ };
    check(&deleted, &reading, Continuity::Continues);
}

#[test]
fn t05_a_few_entries_right_behind_the_last_number_are_no_wrap() {
    let reading = Reading { entries: 1, numbers: Some((51, 51)), ..READ };
    check(&known(), &reading, Continuity::CannotTell(Ask::SecondReading));
    check(&doubted(0), &reading, Continuity::Cleared(Lost::Unknown));
    let scheme = Scheme::HpeEventNumber.as_str().to_owned();
    check(&LogBookmark { scheme, ..known() }, &reading, Continuity::Cleared(Lost::AtMost(0)));
}

#[test]
fn numbers_that_jump_prove_a_wrap_with_loss_and_count_it() {
    let reading = Reading { numbers: Some((61, 69)), ..READ };
    check(&known(), &reading, Continuity::WrappedWithLoss(Lost::AtMost(10)));
    let reading = Reading { entries: 10, numbers: Some((51, 60)), ..READ };
    check(&known(), &reading, Continuity::WrappedWithoutLoss);
}

#[test]
fn numbers_that_go_on_in_a_shorter_log_prove_a_clear() {
    let reading = Reading { numbers: Some((52, 53)), entries: 2, count: Some(2), ..READ };
    check(&known(), &reading, Continuity::Cleared(Lost::AtMost(1)));
}

#[test]
fn a_marker_entry_proves_a_clear_at_once() {
    let reading = Reading { marker: true, numbers: Some((1, 3)), ..READ };
    check(&known(), &reading, Continuity::Cleared(Lost::Unknown));
    // The marker's own number says that nothing came between (HPE).
    let reading = Reading { marker: true, numbers: Some((51, 51)), ..READ };
    check(&known(), &reading, Continuity::Cleared(Lost::AtMost(0)));
}

#[test]
fn t05_t06_numbers_that_begin_anew_are_believed_at_the_second_reading() {
    let reading = Reading { numbers: Some((1, 9)), ..READ };
    check(&known(), &reading, Continuity::CannotTell(Ask::SecondReading));
    check(&doubted(3_580 * SECOND_MS), &reading, Continuity::CannotTell(Ask::SecondReading));
    check(&doubted(3_570 * SECOND_MS), &reading, Continuity::Cleared(Lost::Unknown));
}

#[test]
fn t33_an_empty_log_is_believed_when_it_has_stayed_empty_for_ten_minutes() {
    let empty = Reading { entries: 0, count: Some(0), newest_at_ms: None, ..READ };
    check(&known(), &empty, Continuity::CannotTell(Ask::WhetherItStaysEmpty));
    check(&doubted(3_001 * SECOND_MS), &empty, Continuity::CannotTell(Ask::WhetherItStaysEmpty));
    check(&doubted(3_000 * SECOND_MS), &empty, Continuity::Emptied);
    let emptied = LogBookmark { emptied: true, ..known() };
    check(&emptied, &empty, Continuity::Continues);
    check(&emptied, &READ, Continuity::Refilled(Lost::AtMost(0)));
    check(&emptied, &Reading { overlap: Overlap::Newest, ..READ }, Continuity::Continues);
    // It comes back as it was.
    check(&doubted(1), &Reading { overlap: Overlap::Newest, ..READ }, Continuity::Continues);
}

#[test]
fn times_that_go_back_tell_a_restart_from_a_clear() {
    let reading = Reading { numbers: Some((1, 9)), newest_at_ms: Some(500), ..READ };
    check(&doubted(0), &reading, Continuity::Restarted(Lost::Unknown));
}

#[test]
fn without_numbers_the_count_tells_a_clear_from_a_wrap() {
    check(&doubted(0), &Reading { count: Some(8), ..READ }, Continuity::Cleared(Lost::Unknown));
    check(&doubted(0), &READ, Continuity::WrappedWithLoss(Lost::Unknown));
}

#[test]
fn ids_that_are_places_or_seconds_are_not_taken_for_numbers() {
    let places = LogBookmark { ids: Ids::Places, ..doubted(0) };
    let reading = Reading { numbers: Some((1, 9)), ..READ };
    check(&places, &reading, Continuity::WrappedWithLoss(Lost::Unknown));
}

#[test]
fn numbers_that_go_up_and_down_prove_nothing() {
    let row_of = |numbers: &[u64]| {
        let mut row = Row::default();
        for number in numbers {
            row.note(*number);
        }
        row
    };
    for numbers in [&[61, 62, 70][..], &[70, 61, 60], &[61, 61, 62], &[61], &[]] {
        assert!(!row_of(numbers).broken, "{numbers:?}");
    }
    let row = row_of(&[61, 69, 51]);
    check(
        &known(),
        &Reading { numbers: Some((51, 69)), row, ..READ },
        Continuity::CannotTell(Ask::SecondReading),
    );
}

#[test]
fn t77_another_machine_is_known_by_its_uuid_if_nothing_of_the_log_is_left() {
    let before = LogBookmark { machine: Some("a".to_owned()), ..known() };
    let other = Reading { machine: Some("b".to_owned()), ..READ };
    check(&before, &other, Continuity::Replaced);
    // A UUID that was made anew by a factory reset is no other machine while the log goes on.
    check(&before, &Reading { overlap: Overlap::Newest, ..other }, Continuity::Continues);
}

#[test]
fn what_came_and_went_while_the_log_was_empty_shows_in_the_numbers_only() {
    let before = LogBookmark { newest: Vec::new(), ..known() };
    check(
        &before,
        &Reading { numbers: Some((54, 54)), ..READ },
        Continuity::WrappedWithLoss(Lost::AtMost(3)),
    );
    check(&before, &Reading { numbers: Some((51, 54)), ..READ }, Continuity::Continues);
    check(&before, &READ, Continuity::Continues);
}
