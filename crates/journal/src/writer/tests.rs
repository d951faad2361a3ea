//! Commits that really fail: a database that may not grow, a table that refuses.

use std::sync::Arc;

use tokio::task::JoinSet;

use super::*;
use crate::{Batch, Item, Journal, KeyOrder, Location, Outcome, When};

const KEEP: Retention = Retention { max_age: Duration::from_secs(1 << 30), max_size: u64::MAX };

fn batch(number: u8, size: usize) -> Batch {
    let item =
        Item { key: [number; 16], twins: Vec::new(), bytes: Some(vec![number; size]), when: When::Always };
    Batch { scope: "bmc".into(), items: vec![item], marks: Vec::new() }
}

async fn open(directory: &std::path::Path) -> (Journal, Writer) {
    let location = Location::Directory(directory.to_owned());
    Journal::open(location, KEEP, Arc::new(|| 0)).await.unwrap()
}

#[tokio::test(start_paused = true)]
async fn a_full_disk_refuses_the_whole_group_and_heals() {
    let directory = tempfile::tempdir().unwrap();
    let (journal, writer) = open(directory.path()).await;
    let limit = |connection: &mut Connection| {
        connection.query_row("PRAGMA max_page_count = 40", [], |row| row.get::<_, i64>(0)).unwrap()
    };
    assert_eq!(writer.desk.with(limit).await, Some(40));
    let mut writers = JoinSet::new();
    writers.spawn(writer.run());

    assert_eq!(journal.append(batch(1, 10)).await.unwrap().outcomes, [Outcome::Stored(1)]);
    let (small, large) = tokio::join!(journal.append(batch(2, 10)), journal.append(batch(3, 1 << 20)));
    assert!(matches!(small, Err(AppendError::Commit { .. })), "{small:?}");
    assert!(matches!(large, Err(AppendError::Commit { .. })), "{large:?}");
    assert!(matches!(journal.append(batch(4, 10)).await, Err(AppendError::NotWritable)));
    assert_eq!(journal.known(vec![[1; 16], [2; 16], [3; 16]]).await.unwrap(), [true, false, false]);

    // The limit was the connection's; the next connection has none, as after a disk has been cleaned up.
    let started = Instant::now();
    journal.writable().wait_for(|writable| *writable).await.unwrap();
    assert!(started.elapsed() <= REOPEN_FIRST);
    assert_eq!(journal.append(batch(3, 1 << 20)).await.unwrap().outcomes, [Outcome::Stored(2)]);
    let stat = journal.stat().await.unwrap();
    assert_eq!((stat.commits, stat.failed_commits, stat.records), (2, 1, 2));
    assert_eq!(journal.verify().await.unwrap(), [""; 0]);
}

#[tokio::test(start_paused = true)]
async fn reopening_is_tried_at_growing_distances_until_a_write_succeeds() {
    let directory = tempfile::tempdir().unwrap();
    let (journal, writer) = open(directory.path()).await;
    let mut writers = JoinSet::new();
    writers.spawn(writer.run());
    let saboteur = Connection::open(database::file(directory.path())).unwrap();
    saboteur
        .execute_batch(
            "CREATE TRIGGER broken BEFORE UPDATE ON totals BEGIN SELECT RAISE(ABORT, 'broken'); END",
        )
        .unwrap();

    let failed = journal.append(batch(1, 10)).await;
    assert!(matches!(failed, Err(AppendError::Commit { .. })), "{failed:?}");
    let started = Instant::now();
    tokio::time::sleep(Duration::from_secs(100)).await;
    assert!(!*journal.writable().borrow());
    saboteur.execute_batch("DROP TRIGGER broken").unwrap();
    journal.writable().wait_for(|writable| *writable).await.unwrap();
    // 1 + 2 + 4 + 8 + 16 + 30 + 30 seconds make 91; the next try comes 30 s later.
    assert_eq!(started.elapsed().as_secs(), 121);
    assert_eq!(journal.stat().await.unwrap().failed_commits, 8);
    assert_eq!(journal.append(batch(1, 10)).await.unwrap().outcomes, [Outcome::Stored(1)]);
}

#[tokio::test(start_paused = true)]
async fn keys_lie_as_the_journal_says_that_is_there_after_a_failure() {
    let directory = tempfile::tempdir().unwrap();
    let (journal, writer) = open(directory.path()).await;
    let mut writers = JoinSet::new();
    writers.spawn(writer.run());
    assert_eq!(journal.key_order(), KeyOrder::Time);
    let other = Connection::open(database::file(directory.path())).unwrap();
    let older = "PRAGMA user_version = 2;
                 CREATE TRIGGER broken BEFORE UPDATE ON totals BEGIN SELECT RAISE(ABORT, 'broken'); END";
    other.execute_batch(older).unwrap();
    journal.append(batch(1, 10)).await.unwrap_err();
    other.execute_batch("DROP TRIGGER broken").unwrap();
    journal.writable().wait_for(|writable| *writable).await.unwrap();
    assert_eq!(journal.key_order(), KeyOrder::Scattered);
}

#[tokio::test(start_paused = true)]
async fn a_journal_in_memory_keeps_what_it_has_when_a_commit_fails() {
    let (journal, writer) = Journal::open(Location::Memory, KEEP, Arc::new(|| 0)).await.unwrap();
    let desk = writer.desk.clone();
    let mut writers = JoinSet::new();
    writers.spawn(writer.run());
    journal.append(batch(1, 10)).await.unwrap();
    let limit = |pages: u32| {
        move |connection: &mut Connection| {
            let sql = format!("PRAGMA max_page_count = {pages}");
            connection.query_row(&sql, [], |row| row.get::<_, i64>(0)).unwrap()
        }
    };
    desk.with(limit(1)).await;
    let failed = journal.append(batch(2, 1 << 20)).await;
    assert!(matches!(failed, Err(AppendError::Commit { .. })), "{failed:?}");
    desk.with(limit(1 << 20)).await;
    journal.writable().wait_for(|writable| *writable).await.unwrap();
    assert_eq!(journal.append(batch(2, 1 << 20)).await.unwrap().outcomes, [Outcome::Stored(2)]);
    assert_eq!(journal.known(vec![[1; 16]]).await.unwrap(), [true]);
}

/// What no test without a power switch can show: that a commit waits for the disk, also after a failure was healed.
#[tokio::test(start_paused = true)]
async fn every_commit_is_synced_before_it_is_answered() {
    let directory = tempfile::tempdir().unwrap();
    let (_journal, mut writer) = open(directory.path()).await;
    let check = async |writer: &Writer| {
        let text = |connection: &mut Connection| {
            connection.query_row("PRAGMA journal_mode", [], |row| row.get::<_, String>(0)).unwrap()
        };
        let number = |connection: &mut Connection| {
            connection.query_row("PRAGMA synchronous", [], |row| row.get::<_, i64>(0)).unwrap()
        };
        assert_eq!(writer.desk.with(text).await.as_deref(), Some("wal"));
        assert_eq!(writer.desk.with(number).await, Some(2), "2 is FULL");
    };
    check(&writer).await;
    writer.fail(&AppendError::NotWritable, REOPEN_FIRST);
    writer.reopen().await;
    assert!(matches!(writer.health, Health::Sound));
    check(&writer).await;
}
