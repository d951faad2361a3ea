//! What a reader's peer will never take is kept, bounded, and survives.

use journal::{DEAD_LETTERS_MAX, DeadLetter, KeptLetter};

use super::*;

fn letter(position: u64, error: &str) -> DeadLetter {
    DeadLetter { position, error: error.to_owned(), bytes: position.to_string().into_bytes() }
}

async fn positions(story: &Story, reader: &str, after: u64, limit: u32) -> Vec<u64> {
    let letters = story.journal.dead_letters(reader, after, limit).await.unwrap();
    letters.iter().map(|kept| kept.letter.position).collect()
}

#[tokio::test(start_paused = true)]
async fn letters_are_kept_by_reader_and_read_in_pages() {
    let story = Story::in_memory(KEEP).await;
    story.now_ms.store(42, Ordering::Relaxed);
    story.journal.put_aside("a", vec![letter(7, "400"), letter(3, "413")]).await.unwrap();
    story.journal.put_aside("b", vec![letter(5, "400")]).await.unwrap();
    assert_eq!(positions(&story, "a", 0, 10).await, [3, 7]);
    assert_eq!(positions(&story, "a", 0, 1).await, [3]);
    assert_eq!(positions(&story, "a", 3, 10).await, [7]);
    assert_eq!(positions(&story, "c", 0, 10).await, [0; 0]);
    let of_b = story.journal.dead_letters("b", 0, 10).await.unwrap();
    assert_eq!(of_b, [KeptLetter { letter: letter(5, "400"), at_ms: 42 }]);
    let stat = story.journal.stat().await.unwrap();
    assert_eq!(stat.dead_letters, [("a".to_owned(), 2), ("b".to_owned(), 1)]);
    story.close().await;
}

#[tokio::test(start_paused = true)]
async fn a_letter_that_is_put_aside_again_is_kept_once_with_its_newest_error() {
    let story = Story::in_memory(KEEP).await;
    story.journal.put_aside("a", vec![letter(7, "first")]).await.unwrap();
    story.journal.put_aside("a", vec![letter(7, "second")]).await.unwrap();
    let kept = story.journal.dead_letters("a", 0, 10).await.unwrap();
    assert_eq!(kept, [KeptLetter { letter: letter(7, "second"), at_ms: 0 }]);
    story.close().await;
}

#[tokio::test(start_paused = true)]
async fn the_oldest_go_for_newer_ones_and_are_counted() {
    let story = Story::in_memory(KEEP).await;
    let most = u64::from(DEAD_LETTERS_MAX);
    story.journal.put_aside("other", vec![letter(1, "")]).await.unwrap();
    story.journal.put_aside("a", (1..=most).map(|position| letter(position, "")).collect()).await.unwrap();
    assert_eq!(story.journal.stat().await.unwrap().displaced_letters, 0);
    story.journal.put_aside("a", vec![letter(most + 1, ""), letter(most + 2, "")]).await.unwrap();
    assert_eq!(positions(&story, "a", 0, 2).await, [3, 4]);
    assert_eq!(positions(&story, "other", 0, 2).await, [1]);
    let stat = story.journal.stat().await.unwrap();
    assert_eq!(stat.displaced_letters, 2);
    assert_eq!(stat.dead_letters, [("a".to_owned(), most), ("other".to_owned(), 1)]);
    story.close().await;
}

#[tokio::test]
async fn letters_survive_a_restart_and_a_journal_of_before_them_gets_their_table() {
    let directory = tempfile::tempdir().unwrap();
    Story::in_directory(directory.path()).await.close().await;
    let database = rusqlite::Connection::open(directory.path().join("journal.db")).unwrap();
    database.execute_batch("DROP TABLE dead_letter").unwrap();
    drop(database);
    let story = Story::in_directory(directory.path()).await;
    story.journal.put_aside("a", vec![letter(7, "400")]).await.unwrap();
    story.close().await;
    let story = Story::in_directory(directory.path()).await;
    assert_eq!(positions(&story, "a", 0, 10).await, [7]);
    story.close().await;
}
