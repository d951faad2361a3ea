//! What goes, when, and how it is counted.

use std::{sync::atomic::Ordering, time::Duration};

use journal::{Item, Location, Outcome, Retention, Twin, TwinSide, Visitor};
use tokio::time::sleep;

use crate::{KEEP, Story, batch, item, key};

const DAY_MS: i64 = 24 * 3600 * 1000;

/// Longer than retention ever sleeps.
const A_WHILE: Duration = Duration::from_secs(70);

fn kilobyte(number: u64) -> Item {
    Item { bytes: Some(vec![0; 1000]), ..item(number) }
}

#[tokio::test(start_paused = true)]
async fn records_that_are_too_old_go_and_their_keys_stay() {
    let story = Story::in_memory(Retention { max_age: Duration::from_hours(24), ..KEEP }).await;
    story.append(item(1)).await;
    story.now_ms.store(DAY_MS / 2, Ordering::Relaxed);
    story.append(item(2)).await;
    story.now_ms.store(DAY_MS + 1, Ordering::Relaxed);
    sleep(A_WHILE).await;
    assert_eq!(story.positions().await, [2]);
    assert_eq!(story.append(item(1)).await, Outcome::Known);
    let stat = story.journal.stat().await.unwrap();
    assert_eq!((stat.oldest, stat.records, stat.keys, stat.bytes), (2, 1, 2, 1));
    assert_eq!(story.journal.verify().await.unwrap(), [""; 0]);
}

#[tokio::test(start_paused = true)]
async fn the_oldest_go_until_the_rest_fits_slice_by_slice() {
    let story = Story::in_memory(Retention { max_size: 500_000, ..KEEP }).await;
    story.journal.append(batch((0..3000).map(kilobyte).collect())).await.unwrap();
    sleep(A_WHILE).await;
    let stat = story.journal.stat().await.unwrap();
    assert_eq!((stat.oldest, stat.records, stat.bytes), (2501, 500, 500_000));
    assert_eq!((stat.pruned_delivered, stat.pruned_undelivered), (2500, 0), "nobody was there to miss them");
}

#[tokio::test(start_paused = true)]
async fn what_the_slowest_reader_has_not_had_is_counted_as_loss() {
    let story = Story::in_memory(Retention { max_size: 4_000, ..KEEP }).await;
    story.journal.set_readers(vec!["fast".into(), "slow".into()]).await.unwrap();
    story.journal.append(batch((0..10).map(kilobyte).collect())).await.unwrap();
    story.journal.acknowledge("fast", 10).await.unwrap();
    story.journal.acknowledge("slow", 2).await.unwrap();
    sleep(A_WHILE).await;
    let stat = story.journal.stat().await.unwrap();
    assert_eq!((stat.pruned_delivered, stat.pruned_undelivered), (2, 4));
}

#[tokio::test(start_paused = true)]
async fn a_reader_that_no_longer_exists_loses_nothing() {
    let story = Story::in_memory(Retention { max_size: 4_000, ..KEEP }).await;
    story.journal.set_readers(vec!["fast".into(), "gone".into()]).await.unwrap();
    story.journal.append(batch((0..10).map(kilobyte).collect())).await.unwrap();
    story.journal.acknowledge("fast", 10).await.unwrap();
    story.journal.set_readers(vec!["fast".into()]).await.unwrap();
    sleep(A_WHILE).await;
    assert_eq!(story.journal.stat().await.unwrap().pruned_undelivered, 0);
}

#[tokio::test(start_paused = true)]
async fn a_position_is_not_given_twice_even_when_everything_has_gone() {
    let directory = tempfile::tempdir().unwrap();
    let location = Location::Directory(directory.path().to_owned());
    let story = Story::open(location, Retention { max_size: 0, ..KEEP }).await.unwrap();
    story.journal.append(batch((0..10).map(kilobyte).collect())).await.unwrap();
    sleep(A_WHILE).await;
    assert_eq!(story.positions().await, [0; 0]);
    story.close().await;
    let story = Story::in_directory(directory.path()).await;
    assert_eq!(*story.journal.head().borrow(), 10);
    assert_eq!(story.append(item(77)).await, Outcome::Stored(11));
}

#[tokio::test(start_paused = true)]
async fn what_has_gone_makes_room_in_the_file_for_what_comes_and_a_copy_is_without_it() {
    let directory = tempfile::tempdir().unwrap();
    let location = Location::Directory(directory.path().to_owned());
    let story = Story::open(location, Retention { max_size: 1_000_000, ..KEEP }).await.unwrap();
    for round in 0..5 {
        let numbers = round * 5000..(round + 1) * 5000;
        story.journal.append(batch(numbers.map(kilobyte).collect())).await.unwrap();
        sleep(A_WHILE).await;
        assert_eq!(story.journal.stat().await.unwrap().records, 1000);
    }
    story.close().await;
    let bytes = |name: &str| directory.path().join(name).metadata().unwrap().len();
    let one_round = 5000 * 4096 / 3;
    assert!(
        bytes("journal.db") < 2 * one_round,
        "{} bytes for the records of one round",
        bytes("journal.db")
    );
    Visitor::open(directory.path()).unwrap().back_up(&directory.path().join("copy.db")).unwrap();
    assert!(bytes("copy.db") < one_round / 2, "{} bytes for 1000 records", bytes("copy.db"));
}

#[tokio::test(start_paused = true)]
async fn an_item_waits_a_month_for_its_twin_and_no_longer() {
    for (days, expected) in [(29, Outcome::Paired), (31, Outcome::Stored(2))] {
        let story = Story::in_memory(KEEP).await;
        let seen = |number, side| {
            let twin = Twin { side, content: key(7), at_ms: 0, window_ms: 0, claims: [0; 2] };
            Item { twins: vec![twin], ..item(number) }
        };
        story.append(seen(1, TwinSide::Stream)).await;
        story.now_ms.store(days * DAY_MS, Ordering::Relaxed);
        sleep(A_WHILE).await;
        assert_eq!(story.append(seen(2, TwinSide::Log)).await, expected, "after {days} days");
    }
}
