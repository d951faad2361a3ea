//! Finding the records of a time, newest first, and looking at a journal that somebody else has open.

use std::{fs, os::unix::fs::PermissionsExt, sync::atomic::Ordering};

use journal::{BackUpError, Journal, OpenError, Position, ReadLimit, Retention, Visitor};

use crate::{ALL, KEEP, Story, batch, item};

/// A journal whose records 1, 2, 3, ... were appended at these times.
async fn appended_at(times: &[i64]) -> Story {
    let story = Story::in_memory(KEEP).await;
    for (number, at_ms) in (1..).zip(times) {
        story.now_ms.store(*at_ms, Ordering::Relaxed);
        story.append(item(number)).await;
    }
    story
}

async fn check(times: &[i64], at_ms: impl Iterator<Item = i64>) {
    let story = appended_at(times).await;
    for at_ms in at_ms {
        let older = times.iter().filter(|time| **time < at_ms).count();
        let found = story.journal.before_time(at_ms).await.unwrap();
        assert_eq!(found, Position::try_from(older).unwrap(), "{times:?} at {at_ms}");
    }
}

#[tokio::test(start_paused = true)]
async fn a_time_is_found_between_the_records_before_it_and_those_from_it_on() {
    check(&[], -1..2).await;
    check(&[10], 9..12).await;
    let times: Vec<i64> = (0..100).map(|number| number / 3 * 10).collect();
    check(&times, -1..340).await;
}

#[tokio::test(start_paused = true)]
async fn a_clock_that_was_set_back_still_gives_a_place_where_the_time_passes() {
    let times = [10, 20, 90, 30, 40, 50];
    let story = appended_at(&times).await;
    for at_ms in 0..100 {
        let found = usize::try_from(story.journal.before_time(at_ms).await.unwrap()).unwrap();
        assert!(found == 0 || times[found - 1] < at_ms, "{at_ms}");
        assert!(found == times.len() || times[found] >= at_ms, "{at_ms}");
    }
}

#[tokio::test(start_paused = true)]
async fn a_time_is_found_when_retention_has_deleted_the_oldest() {
    let retention = Retention { max_size: 8, ..KEEP };
    let story = Story::in_memory(retention).await;
    for number in 1..=9 {
        story.now_ms.store(i64::try_from(number).unwrap() * 10, Ordering::Relaxed);
        story.append(item(number)).await;
    }
    tokio::time::sleep(std::time::Duration::from_mins(2)).await;
    let oldest = story.positions().await[0];
    assert!(oldest > 1);
    assert_eq!(story.journal.before_time(0).await.unwrap(), oldest - 1);
    assert_eq!(story.journal.before_time(80).await.unwrap(), 7);
    assert_eq!(story.journal.before_time(1000).await.unwrap(), 9);
}

#[tokio::test(start_paused = true)]
async fn reading_towards_the_older_begins_before_the_position_and_obeys_the_limit() {
    let story = appended_at(&[0; 9]).await;
    let before = async |position, limit| -> Vec<Position> {
        let found = story.journal.search_before(position, limit).await.unwrap();
        found.iter().map(|stored| stored.position).collect()
    };
    assert_eq!(before(4, ALL).await, [3, 2, 1]);
    assert_eq!(before(Position::MAX, ReadLimit { records: 2, ..ALL }).await, [9, 8]);
    assert_eq!(before(Position::MAX, ReadLimit { bytes: 0, ..ALL }).await, [9]);
    assert_eq!(before(1, ALL).await, [0; 0]);
}

#[tokio::test]
async fn a_visitor_sees_the_journal_of_a_running_process_and_copies_it_whole() {
    let directory = tempfile::tempdir().unwrap();
    let live = directory.path().join("journal");
    let story = Story::in_directory(&live).await;
    story.journal.append(batch((1..=500).map(item).collect())).await.unwrap();
    story.journal.acknowledge("archive", 40).await.unwrap();

    let visitor = Visitor::open(&live).unwrap();
    let stat = visitor.stat().unwrap();
    assert_eq!((stat.head, stat.records, stat.keys), (500, 500, 500));
    assert!(stat.file_bytes > 0);
    assert_eq!(visitor.verify().unwrap(), [""; 0]);

    let restored = directory.path().join("restored");
    fs::create_dir(&restored).unwrap();
    let copy = restored.join("journal.db");
    visitor.back_up(&copy).unwrap();
    assert_eq!(fs::metadata(&copy).unwrap().permissions().mode() & 0o777, 0o600);
    // It never writes over anything.
    assert!(matches!(visitor.back_up(&copy), Err(BackUpError::Create { .. })));
    // Life goes on, and the copy does not follow.
    story.append(item(501)).await;
    assert_eq!(visitor.stat().unwrap().records, 501);
    assert_eq!(Visitor::open_file(&copy).unwrap().verify().unwrap(), [""; 0]);
    story.close().await;

    let story = Story::in_directory(&restored).await;
    assert_eq!(story.positions().await.len(), 500);
    assert_eq!(story.journal.position("archive").await.unwrap(), 40);
    story.append(item(7)).await;
    assert_eq!(story.append(item(900)).await, journal::Outcome::Stored(501));
    story.close().await;
}

#[tokio::test]
async fn a_visitor_sees_the_journal_of_a_process_that_has_ended_and_makes_none() {
    let directory = tempfile::tempdir().unwrap();
    assert!(matches!(Visitor::open(directory.path()), Err(OpenError::Database { .. })));
    let story = Story::in_directory(directory.path()).await;
    story.append(item(1)).await;
    story.close().await;
    let before = fs::read(directory.path().join("journal.db")).unwrap();
    let visitor = Visitor::open(directory.path()).unwrap();
    assert_eq!(visitor.stat().unwrap().records, 1);
    assert_eq!(visitor.verify().unwrap(), [""; 0]);
    drop(visitor);
    assert!(before == fs::read(directory.path().join("journal.db")).unwrap());
    fs::write(directory.path().join("journal.db"), "nonsense, and more of it than a header has".repeat(9))
        .unwrap();
    assert!(matches!(Visitor::open(directory.path()), Err(OpenError::Damaged { .. })));
}

/// What a running journal's own handle says of a closed one: searches end like reads.
#[tokio::test]
async fn a_search_after_closing_is_refused() {
    let directory = tempfile::tempdir().unwrap();
    let story = Story::in_directory(directory.path()).await;
    let journal: Journal = story.journal.clone();
    story.close().await;
    assert!(matches!(journal.before_time(0).await, Err(journal::ReadError::Closed)));
    assert!(matches!(journal.search_after(0, ALL).await, Err(journal::ReadError::Closed)));
}
