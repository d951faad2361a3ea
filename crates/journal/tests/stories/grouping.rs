//! Groups, marks, readers, reading and closing.

use std::time::Duration;

use journal::{AppendError, Appended, Batch, Outcome, ReadError, ReadLimit};
use tokio::{task::JoinSet, time::Instant};

use crate::{KEEP, Story, batch, item, key, mark};

#[tokio::test(start_paused = true)]
async fn a_lonely_append_waits_for_company_and_no_longer() {
    let story = Story::in_memory(KEEP).await;
    let started = Instant::now();
    story.append(item(1)).await;
    assert_eq!(started.elapsed().as_millis(), 50);
}

#[tokio::test(start_paused = true)]
async fn what_arrives_within_the_linger_is_one_commit() {
    let story = Story::in_memory(KEEP).await;
    let late = async {
        tokio::time::sleep(Duration::from_millis(49)).await;
        story.append(item(2)).await
    };
    let outcomes = tokio::join!(story.append(item(1)), late, story.journal.acknowledge("sink", 0));
    assert_eq!((outcomes.0, outcomes.1), (Outcome::Stored(1), Outcome::Stored(2)));
    let stat = story.journal.stat().await.unwrap();
    assert_eq!((stat.commits, stat.committed_items), (1, 3));
}

#[tokio::test(start_paused = true)]
async fn a_full_group_does_not_wait() {
    let story = Story::in_memory(KEEP).await;
    let started = Instant::now();
    story.journal.append(batch((1..=512).map(item).collect())).await.unwrap();
    assert_eq!(started.elapsed(), Duration::ZERO);
    assert_eq!(*story.journal.head().borrow(), 512);
}

#[tokio::test(start_paused = true)]
async fn a_group_that_has_all_its_company_does_not_wait() {
    for (requests, waits_ms) in [(15, 50), (16, 5)] {
        let story = Story::in_memory(KEEP).await;
        let started = Instant::now();
        let mut sent = JoinSet::new();
        for number in 1..=requests {
            let journal = story.journal.clone();
            sent.spawn(async move { journal.append(batch(vec![item(number)])).await.unwrap() });
        }
        sent.join_all().await;
        assert_eq!(started.elapsed().as_millis(), waits_ms, "{requests} requests");
    }
}

#[tokio::test(start_paused = true)]
async fn the_newest_mark_of_a_group_stands() {
    let story = Story::in_memory(KEEP).await;
    let with = |number, name, value| Batch { marks: vec![mark(name, value)], ..batch(vec![item(number)]) };
    let (first, second, third) = tokio::join!(
        story.journal.append(with(1, "sel", "1")),
        story.journal.append(with(2, "sel", "2")),
        story.journal.append(Batch { scope: "other".into(), ..with(3, "sel", "3") }),
    );
    assert!(first.is_ok() && second.is_ok() && third.is_ok());
    assert_eq!(story.journal.stat().await.unwrap().commits, 1);
    assert_eq!(story.journal.mark("bmc", "sel").await.unwrap().unwrap(), b"2");
    assert_eq!(story.journal.mark("other", "sel").await.unwrap().unwrap(), b"3");
    assert_eq!(story.journal.mark("bmc", "lclog").await.unwrap(), None);
}

#[tokio::test(start_paused = true)]
async fn a_batch_of_marks_alone_is_an_append() {
    let story = Story::in_memory(KEEP).await;
    let marks = Batch { marks: vec![mark("sel", "x")], ..batch(Vec::new()) };
    assert_eq!(story.journal.append(marks).await.unwrap(), Appended { outcomes: Vec::new() });
    assert_eq!(story.journal.mark("bmc", "sel").await.unwrap().unwrap(), b"x");
}

#[tokio::test(start_paused = true)]
async fn a_reader_moves_forward_only_and_not_beyond_the_head() {
    let story = Story::in_memory(KEEP).await;
    story.journal.append(batch((1..=9).map(item).collect())).await.unwrap();
    for (asked, stands) in [(5, 5), (3, 5), (7, 7), (100, 9)] {
        story.journal.acknowledge("sink", asked).await.unwrap();
        assert_eq!(story.journal.position("sink").await.unwrap(), stands, "asked for {asked}");
    }
    assert_eq!(story.journal.position("nobody").await.unwrap(), 0);
    story.journal.set_readers(vec!["new".into()]).await.unwrap();
    assert_eq!(story.journal.stat().await.unwrap().readers, [("new".to_owned(), 0)]);
    assert_eq!(
        story.journal.position("sink").await.unwrap(),
        9,
        "it is remembered should the reader come back"
    );
}

#[tokio::test(start_paused = true)]
async fn a_read_ends_at_either_limit_but_gives_one_record() {
    let story = Story::in_memory(KEEP).await;
    story.journal.append(batch((10..=19).map(item).collect())).await.unwrap();
    for (after, records, bytes, expected) in [
        (0, 3, 100, &[1, 2, 3][..]),
        (3, 9, 4, &[4, 5]),
        (8, 9, 0, &[9]),
        (9, 0, 0, &[10]),
        (10, 9, 100, &[]),
    ] {
        let read = story.journal.read_after(after, ReadLimit { records, bytes }).await.unwrap();
        assert_eq!(read.iter().map(|stored| stored.position).collect::<Vec<_>>(), expected, "after {after}");
    }
    assert_eq!(story.journal.read_after(u64::MAX, ReadLimit { records: 1, bytes: 1 }).await.unwrap(), []);
}

#[tokio::test(start_paused = true)]
async fn closing_commits_what_was_sent_and_refuses_the_rest() {
    let directory = tempfile::tempdir().unwrap();
    let mut story = Story::in_directory(directory.path()).await;
    let journal = story.journal.clone();
    let mut sent = send_append(&story, 1);
    assert!(sent.try_join_next().is_none());
    tokio::task::yield_now().await;
    journal.close();
    assert!(matches!(journal.append(batch(vec![item(2)])).await, Err(AppendError::Closed)));
    assert_eq!(sent.join_next().await.unwrap().unwrap(), Outcome::Stored(1));
    story.writers.join_next().await.unwrap().unwrap();
    assert!(matches!(journal.known(vec![key(1)]).await, Err(ReadError::Closed)));
    assert!(!directory.path().join("journal.db-wal").exists(), "everything is in the one file");

    let again = Story::in_directory(directory.path()).await;
    assert_eq!(again.positions().await, [1]);
}

fn send_append(story: &Story, number: u64) -> JoinSet<Outcome> {
    let journal = story.journal.clone();
    let mut sent = JoinSet::new();
    sent.spawn(async move { journal.append(batch(vec![item(number)])).await.unwrap().outcomes[0] });
    sent
}

#[tokio::test(start_paused = true)]
async fn the_writer_ends_when_nobody_holds_the_journal() {
    let Story { journal, mut writers, .. } = Story::in_memory(KEEP).await;
    drop(journal);
    writers.join_next().await.unwrap().unwrap();
}

#[tokio::test(start_paused = true)]
async fn an_append_that_nobody_awaits_is_stored_nevertheless() {
    let story = Story::in_memory(KEEP).await;
    let impatient = tokio::time::timeout(Duration::from_millis(1), story.append(item(1))).await;
    assert!(impatient.is_err());
    story.journal.head().wait_for(|head| *head == 1).await.unwrap();
    assert_eq!(story.append(item(1)).await, Outcome::Known);
}

#[tokio::test(start_paused = true)]
async fn an_append_whose_writer_is_gone_is_closed() {
    let mut story = Story::in_memory(KEEP).await;
    story.writers.shutdown().await;
    assert!(matches!(story.journal.append(batch(vec![item(1)])).await, Err(AppendError::Closed)));
    assert!(matches!(story.journal.stat().await, Err(ReadError::Closed)));
}
