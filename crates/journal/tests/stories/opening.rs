//! What opening accepts, and what it refuses and leaves alone.

use std::os::unix::fs::PermissionsExt;

use journal::{Item, KeyOrder, Location, OpenError, Outcome, Twin, TwinSide, Visitor};

use crate::{KEEP, Story, item, key};

async fn refusal(directory: &std::path::Path) -> OpenError {
    let opened = Story::open(Location::Directory(directory.to_owned()), KEEP).await;
    opened.err().expect("it is refused")
}

#[tokio::test(start_paused = true)]
async fn a_new_directory_and_its_files_are_private() {
    let directory = tempfile::tempdir().unwrap();
    let inner = directory.path().join("a/b");
    let story = Story::in_directory(&inner).await;
    story.append(item(1)).await;
    let mode = |path: &std::path::Path| path.metadata().unwrap().permissions().mode() & 0o777;
    assert_eq!(mode(&inner), 0o700);
    for file in ["journal.db", "journal.db-wal", "lock"] {
        assert_eq!(mode(&inner.join(file)), 0o600, "{file}");
    }
    assert!(story.journal.stat().await.unwrap().file_bytes > 0);
}

#[tokio::test(start_paused = true)]
async fn a_second_opening_is_locked_out_until_the_first_has_closed() {
    let directory = tempfile::tempdir().unwrap();
    let story = Story::in_directory(directory.path()).await;
    assert!(matches!(refusal(directory.path()).await, OpenError::Locked { .. }));
    story.close().await;
    Story::in_directory(directory.path()).await;
}

#[tokio::test(start_paused = true)]
async fn a_newer_format_is_refused() {
    let directory = tempfile::tempdir().unwrap();
    Story::in_directory(directory.path()).await.close().await;
    let database = rusqlite::Connection::open(directory.path().join("journal.db")).unwrap();
    database.pragma_update(None, "user_version", 99).unwrap();
    drop(database);
    assert!(matches!(refusal(directory.path()).await, OpenError::Newer { found: 99, known: 3, .. }));
}

#[tokio::test(start_paused = true)]
async fn a_journal_of_the_first_format_gets_the_index_of_the_second_with_all_that_waits_in_it() {
    let directory = tempfile::tempdir().unwrap();
    let witnessed = |number, side| {
        let twin = Twin { side, content: key(7), at_ms: 0, window_ms: 0, claims: [0; 2] };
        Item { twins: vec![twin], ..item(number) }
    };
    let story = Story::in_directory(directory.path()).await;
    assert_eq!(story.append(witnessed(1, TwinSide::Stream)).await, Outcome::Stored(1));
    story.close().await;
    let database = rusqlite::Connection::open(directory.path().join("journal.db")).unwrap();
    let before = "DROP INDEX twin_hour; CREATE INDEX twin_content ON twin(scope, content, side, at_ms); \
                  PRAGMA user_version = 1;";
    database.execute_batch(before).unwrap();
    // Who only looks changes nothing.
    assert_eq!(Visitor::open(directory.path()).unwrap().verify().unwrap(), [""; 0]);
    let story = Story::in_directory(directory.path()).await;
    assert_eq!(story.append(witnessed(2, TwinSide::Log)).await, Outcome::Paired);
    story.close().await;
    let told = |sql| database.query_row(sql, [], |row| row.get::<_, String>(0)).unwrap();
    assert_eq!(
        told(
            "SELECT group_concat(name) FROM sqlite_schema WHERE tbl_name = 'twin' AND sql LIKE 'CREATE INDEX%'"
        ),
        "twin_hour"
    );
    assert_eq!(told("SELECT CAST(user_version AS TEXT) FROM pragma_user_version"), "2");
}

#[tokio::test(start_paused = true)]
async fn a_journal_keeps_the_order_of_keys_with_which_it_was_made() {
    let directory = tempfile::tempdir().unwrap();
    for (format, order) in [(3, KeyOrder::Time), (2, KeyOrder::Scattered), (3, KeyOrder::Time)] {
        Story::in_directory(directory.path()).await.close().await;
        let database = rusqlite::Connection::open(directory.path().join("journal.db")).unwrap();
        database.pragma_update(None, "user_version", format).unwrap();
        for _ in 0..2 {
            let story = Story::in_directory(directory.path()).await;
            assert_eq!(story.journal.key_order(), order, "format {format}");
            story.close().await;
        }
    }
    assert_eq!(Story::in_memory(KEEP).await.journal.key_order(), KeyOrder::Time);
}

#[tokio::test(start_paused = true)]
async fn a_database_of_another_program_is_refused() {
    let directory = tempfile::tempdir().unwrap();
    let database = rusqlite::Connection::open(directory.path().join("journal.db")).unwrap();
    database.execute_batch("CREATE TABLE theirs(x)").unwrap();
    drop(database);
    assert!(matches!(refusal(directory.path()).await, OpenError::Foreign { .. }));
}

#[tokio::test(start_paused = true)]
async fn a_damaged_file_is_refused_with_advice_and_left_as_it_is() {
    let directory = tempfile::tempdir().unwrap();
    let file = directory.path().join("journal.db");
    let garbage = "not a database ".repeat(1000);
    std::fs::write(&file, &garbage).unwrap();
    let refused = refusal(directory.path()).await;
    assert!(matches!(refused, OpenError::Damaged { .. }));
    assert!(refused.to_string().contains("move the directory away"));
    assert_eq!(std::fs::read_to_string(&file).unwrap(), garbage);
}

#[tokio::test(start_paused = true)]
async fn damage_inside_the_file_is_found_by_verifying() {
    let directory = tempfile::tempdir().unwrap();
    let story = Story::in_directory(directory.path()).await;
    for number in 0..50 {
        story.append(Item { bytes: Some(vec![1; 5000]), ..item(number) }).await;
    }
    story.close().await;
    let file = directory.path().join("journal.db");
    let mut bytes = std::fs::read(&file).unwrap();
    let middle = bytes.len() / 8192 * 4096;
    bytes[middle..middle + 16384].fill(0xff);
    std::fs::write(&file, bytes).unwrap();
    let story = Story::in_directory(directory.path()).await;
    assert_ne!(story.journal.verify().await.unwrap_or_else(|error| vec![error.to_string()]), [""; 0]);
}

#[tokio::test(start_paused = true)]
async fn a_directory_that_is_a_file_is_an_error_that_names_it() {
    let directory = tempfile::tempdir().unwrap();
    let file = directory.path().join("file");
    std::fs::write(&file, "").unwrap();
    assert!(matches!(refusal(&file).await, OpenError::Directory { directory, .. } if directory == file));
}

#[tokio::test(start_paused = true)]
async fn what_was_committed_is_there_after_an_abrupt_end() {
    let directory = tempfile::tempdir().unwrap();
    let mut story = Story::in_directory(directory.path()).await;
    story.append(item(1)).await;
    story.writers.shutdown().await;
    let again = Story::in_directory(directory.path()).await;
    assert_eq!(*again.journal.head().borrow(), 1);
    assert_eq!(again.append(item(1)).await, Outcome::Known);
    assert_eq!(again.append(item(2)).await, Outcome::Stored(2));
}
