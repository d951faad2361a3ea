//! Killed at any moment, the journal loses nothing it had called durable, has nothing twice, and its marks cover
//! exactly what is stored.
//!
//! The test program starts itself again as the child that is killed.

#![expect(clippy::unwrap_used, reason = "in a test a panic is the report")]

use std::{
    collections::BTreeSet,
    io::{BufRead, BufReader, Write},
    path::Path,
    process::{Command, Stdio},
    sync::Arc,
    time::Duration,
};

use journal::{Batch, Item, Journal, Key, Location, Mark, ReadLimit, Retention};
use tokio::task::JoinSet;

const KILLS: u64 = 20;
/// Tasks of the child that append side by side.
const SCOPES: u64 = 4;
/// Items of one batch.
const ITEMS: u64 = 5;
/// Names the directory to the child.
const DIRECTORY: &str = "JOURNAL_CRASH_DIRECTORY";

#[test]
fn a_killed_writer_loses_nothing_that_it_called_durable() {
    #[expect(
        clippy::disallowed_methods,
        reason = "the environment is how a test program tells its child what it is"
    )]
    if let Ok(directory) = std::env::var(DIRECTORY) {
        return runtime().block_on(append_until_killed(Path::new(&directory)));
    }
    let directory = tempfile::tempdir().unwrap();
    // The highest number that the child has called durable, per scope.
    let mut durable: Vec<u64> = (0..SCOPES).map(|_| 0).collect();
    let mut chance = 0x2026_1120;
    for _ in 0..KILLS {
        chance = chance_after(chance);
        run_and_kill(directory.path(), chance % 40, &mut durable);
        runtime().block_on(check(directory.path(), &durable));
    }
    assert!(durable.iter().all(|number| *number > KILLS), "{durable:?}: the child did something");
}

/// Starts the child, reads `lines` of what it calls durable, kills it, and reads what it had still written.
fn run_and_kill(directory: &Path, lines: u64, durable: &mut [u64]) {
    let mut child = Command::new(std::env::current_exe().unwrap())
        .args(["--exact", "a_killed_writer_loses_nothing_that_it_called_durable", "--nocapture"])
        .env(DIRECTORY, directory)
        .stdout(Stdio::piped())
        .spawn()
        .unwrap();
    let output = BufReader::new(child.stdout.take().unwrap());
    let mut seen = 0;
    for line in output.lines() {
        let line = line.unwrap();
        // The test harness of the child prints lines of its own.
        let Some(told) = line.strip_prefix("durable ") else { continue };
        if let Some((scope, number)) = told.split_once(' ') {
            let scope: usize = scope.parse().unwrap();
            durable[scope] = number.parse::<u64>().unwrap().max(durable[scope]);
        }
        seen += 1;
        if seen == lines + 1 {
            child.kill().unwrap();
        }
    }
    child.wait().unwrap();
}

async fn append_until_killed(directory: &Path) {
    let (journal, mut tasks) = open(directory).await;
    for scope in 0..SCOPES {
        let journal = journal.clone();
        tasks.spawn(async move {
            let name = scope.to_string();
            let mark = journal.mark(&name, "last").await.unwrap();
            let mut last = mark.map_or(0, |value| u64::from_le_bytes(value.try_into().unwrap()));
            loop {
                journal.append(batch(scope, last)).await.unwrap();
                last += ITEMS;
                // One write, so that a line is whole or not there.
                std::io::stdout().write_all(format!("durable {scope} {last}\n").as_bytes()).unwrap();
            }
        });
    }
    tasks.join_next().await;
}

/// After every kill: all that was called durable is there once, in order, and the marks say the same.
async fn check(directory: &Path, durable: &[u64]) {
    let (journal, mut tasks) = open(directory).await;
    let all = ReadLimit { records: usize::MAX, bytes: usize::MAX };
    let stored = journal.read_after(0, all).await.unwrap();
    assert!(stored.iter().zip(1..).all(|(stored, position)| stored.position == position), "no holes");
    assert_eq!(*journal.head().borrow(), stored.len() as u64);
    let distinct: BTreeSet<_> = stored.iter().map(|stored| &stored.bytes).collect();
    assert_eq!(distinct.len(), stored.len(), "nothing is there twice");
    for (scope, durable) in (0..SCOPES).zip(durable) {
        let of_scope = stored.iter().filter(|stored| stored.bytes.starts_with(&scope.to_le_bytes()));
        let numbers: Vec<u64> = of_scope.map(|stored| number(&stored.bytes)).collect();
        let mark = journal.mark(&scope.to_string(), "last").await.unwrap();
        let last = mark.map_or(0, |value| u64::from_le_bytes(value.try_into().unwrap()));
        assert!(last >= *durable, "scope {scope}: {durable} was durable, {last} is marked");
        assert_eq!(numbers, (1..=last).collect::<Vec<_>>(), "scope {scope}");
        let keys = (1..=last + ITEMS).map(|number| key(scope, number)).collect();
        let known = journal.known(keys).await.unwrap();
        assert_eq!(known.iter().filter(|known| **known).count() as u64, last);
    }
    assert_eq!(journal.verify().await.unwrap(), [""; 0]);
    // The write-ahead log is left as it is, so that the next child may be killed while it replays.
    tasks.shutdown().await;
}

async fn open(directory: &Path) -> (Journal, JoinSet<()>) {
    let retention = Retention { max_age: Duration::from_secs(1 << 30), max_size: u64::MAX };
    let location = Location::Directory(directory.to_owned());
    let (journal, writer) = Journal::open(location, retention, Arc::new(|| 0)).await.unwrap();
    let mut tasks = JoinSet::new();
    tasks.spawn(writer.run());
    (journal, tasks)
}

/// Virtual time: nobody waits for the linger, so that more happens before a kill.
fn runtime() -> tokio::runtime::Runtime {
    tokio::runtime::Builder::new_current_thread().enable_time().start_paused(true).build().unwrap()
}

fn batch(scope: u64, last: u64) -> Batch {
    let item = |number: u64| {
        let bytes = [scope.to_le_bytes(), number.to_le_bytes()].concat();
        Item { key: key(scope, number), twins: Vec::new(), bytes: Some([bytes, vec![b'x'; 500]].concat()) }
    };
    let last_now = last + ITEMS;
    Batch {
        scope: scope.to_string().into(),
        items: (last + 1..=last_now).map(item).collect(),
        marks: vec![Mark { name: "last".into(), value: last_now.to_le_bytes().to_vec() }],
    }
}

fn key(scope: u64, number: u64) -> Key {
    let mut key = [0; 16];
    key[..8].copy_from_slice(&chance_after(number + 1).to_le_bytes());
    key[8..].copy_from_slice(&scope.to_le_bytes());
    key
}

fn number(bytes: &[u8]) -> u64 {
    u64::from_le_bytes(bytes[8..16].try_into().unwrap())
}

/// Xorshift: repeatable, and scattered enough.
fn chance_after(mut state: u64) -> u64 {
    state ^= state << 13;
    state ^= state >> 7;
    state ^ (state << 17)
}
