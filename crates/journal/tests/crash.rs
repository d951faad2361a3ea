//! Killed at any moment, the journal loses nothing it had called durable, has nothing twice, and its marks cover
//! exactly what is stored.
//!
//! The test program starts itself again as the child that is killed. `CRASH_KILLS=5000` kills that many.

#![expect(clippy::unwrap_used, reason = "in a test a panic is the report")]

use std::{
    collections::{BTreeMap, BTreeSet},
    io::{BufRead, BufReader, Write},
    path::Path,
    process::{Command, Stdio},
    sync::Arc,
    time::Duration,
};

use journal::{Batch, Item, Journal, Key, Location, Mark, Outcome, ReadLimit, Retention, When};
use tempfile::TempDir;
use tokio::task::JoinSet;

/// Kills without `CRASH_KILLS`.
const KILLS: u64 = 300;
/// Kills that one journal has to survive; then a new one is begun, so that looking at it stays quick.
const KILLS_PER_JOURNAL: u64 = 25;
/// Appends of the child between two checkpoints: by itself it would be dead before its log is large enough for one.
const APPENDS_PER_CHECKPOINT: u64 = 7;
/// Tasks of the child that append side by side.
const SCOPES: u64 = 4;
/// Items of one batch.
const ITEMS: u64 = 5;
/// Names the directory to the child.
const DIRECTORY: &str = "JOURNAL_CRASH_DIRECTORY";

#[test]
fn a_killed_writer_loses_nothing_that_it_called_durable() {
    if let Some(directory) = variable(DIRECTORY) {
        return runtime().block_on(append_until_killed(Path::new(&directory)));
    }
    let kills = variable("CRASH_KILLS").map_or(KILLS, |kills| kills.parse().expect("it is a number"));
    let mut chance = 0x2026_1120;
    let (mut left, mut appended) = (kills, 0);
    while left > 0 {
        let directory = memory_directory();
        let mut told = Told::default();
        for _ in 0..left.min(KILLS_PER_JOURNAL) {
            run_and_kill(directory.path(), &mut chance, &mut told);
            runtime().block_on(check(directory.path(), &told));
        }
        appended += told.durable.values().sum::<u64>();
        left -= left.min(KILLS_PER_JOURNAL);
    }
    assert!(appended > kills, "the children did something");
    println!("{kills} kills among {appended} appended items");
}

#[expect(
    clippy::disallowed_methods,
    reason = "the environment is how a test program is told what it is to do"
)]
fn variable(name: &str) -> Option<String> {
    std::env::var(name).ok()
}

/// A directory in memory where the system has such: what a killed process has written stays, synced or not.
fn memory_directory() -> TempDir {
    tempfile::tempdir_in("/dev/shm").unwrap_or_else(|_| tempfile::tempdir().unwrap())
}

/// What the children have called durable.
#[derive(Debug, Default)]
struct Told {
    /// The highest number per scope.
    durable: BTreeMap<u64, u64>,
    /// The highest position that the reader has acknowledged.
    acknowledged: u64,
}

/// Starts the child, kills it at some moment, and reads all that it has called durable until then.
fn run_and_kill(directory: &Path, chance: &mut u64, told: &mut Told) {
    let mut child = Command::new(std::env::current_exe().unwrap())
        .args(["--exact", "a_killed_writer_loses_nothing_that_it_called_durable", "--nocapture"])
        .env(DIRECTORY, directory)
        .stdout(Stdio::piped())
        .spawn()
        .unwrap();
    let mut draw = |below: u64| {
        *chance = chance_after(*chance);
        *chance % below
    };
    // After so many lines and so long, in the middle of whatever it does then; one in four as it starts, or while it opens.
    let lines = if draw(4) == 0 { 0 } else { draw(60) };
    let moment = Duration::from_micros(if lines == 0 { draw(20_000) } else { draw(1_500) });
    let mut output = BufReader::new(child.stdout.take().unwrap()).lines();
    let read = |line: std::io::Result<String>| told.read(&line.unwrap());
    let seen = output.by_ref().map(read).filter(|told| *told).take(usize::try_from(lines).unwrap()).count();
    assert_eq!(seen as u64, lines, "the child ended by itself");
    std::thread::sleep(moment);
    child.kill().unwrap();
    for line in output {
        told.read(&line.unwrap());
    }
    child.wait().unwrap();
}

impl Told {
    /// Takes in a line of the child; whether it was one of ours, for the test harness prints lines as well.
    fn read(&mut self, line: &str) -> bool {
        let words: Vec<&str> = line.split(' ').collect();
        match words[..] {
            ["durable", scope, number] => {
                let durable = self.durable.entry(scope.parse().unwrap()).or_default();
                *durable = number.parse::<u64>().unwrap().max(*durable);
            }
            ["acknowledged", position] => {
                self.acknowledged = position.parse::<u64>().unwrap().max(self.acknowledged);
            }
            _ => return false,
        }
        true
    }
}

async fn append_until_killed(directory: &Path) {
    let (journal, mut tasks) = open(directory).await;
    for scope in 0..SCOPES {
        let (journal, directory) = (journal.clone(), directory.to_owned());
        tasks.spawn(async move {
            let name = scope.to_string();
            let mark = journal.mark(&name, "last").await.unwrap();
            let mut last = mark.map_or(0, |value| u64::from_le_bytes(value.try_into().unwrap()));
            for turn in 1.. {
                let outcomes = journal.append(batch(scope, last)).await.unwrap().outcomes;
                last += ITEMS;
                tell(&format!("durable {scope} {last}\n"));
                if let Some(Outcome::Stored(position)) = outcomes.last() {
                    journal.acknowledge("sink", *position).await.unwrap();
                    tell(&format!("acknowledged {position}\n"));
                }
                if turn % APPENDS_PER_CHECKPOINT == scope {
                    checkpoint(&directory);
                }
            }
        });
    }
    tasks.join_next().await;
}

/// One write, so that a line is whole or not there.
fn tell(line: &str) {
    std::io::stdout().write_all(line.as_bytes()).unwrap();
}

/// While others append: what a commit does itself when the log has grown large.
fn checkpoint(directory: &Path) {
    let database = rusqlite::Connection::open(directory.join("journal.db")).unwrap();
    database.pragma_update(None, "synchronous", "FULL").unwrap();
    database.query_row("PRAGMA wal_checkpoint(PASSIVE)", [], |_| Ok(())).unwrap();
}

/// After every kill: all that was called durable is there once, in order, and the marks say the same.
async fn check(directory: &Path, told: &Told) {
    let (journal, mut tasks) = open(directory).await;
    let all = ReadLimit { records: usize::MAX, bytes: usize::MAX };
    let stored = journal.read_after(0, all).await.unwrap();
    assert!(stored.iter().zip(1..).all(|(stored, position)| stored.position == position), "no holes");
    assert_eq!(*journal.head().borrow(), stored.len() as u64);
    let distinct: BTreeSet<_> = stored.iter().map(|stored| &stored.bytes).collect();
    assert_eq!(distinct.len(), stored.len(), "nothing is there twice");
    for scope in 0..SCOPES {
        let durable = told.durable.get(&scope).copied().unwrap_or(0);
        let of_scope = stored.iter().filter(|stored| stored.bytes.starts_with(&scope.to_le_bytes()));
        let numbers: Vec<u64> = of_scope.map(|stored| number(&stored.bytes)).collect();
        let mark = journal.mark(&scope.to_string(), "last").await.unwrap();
        let last = mark.map_or(0, |value| u64::from_le_bytes(value.try_into().unwrap()));
        assert!(last >= durable, "scope {scope}: {durable} was durable, {last} is marked");
        assert_eq!(numbers, (1..=last).collect::<Vec<_>>(), "scope {scope}");
        let keys = (1..=last + ITEMS).map(|number| key(scope, number)).collect();
        let known = journal.known(keys).await.unwrap();
        assert_eq!(known.iter().filter(|known| **known).count() as u64, last);
    }
    let position = journal.position("sink").await.unwrap();
    assert!((told.acknowledged..=stored.len() as u64).contains(&position), "{told:?}: {position}");
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
        Item {
            key: key(scope, number),
            twins: Vec::new(),
            bytes: Some([bytes, vec![b'x'; 500]].concat()),
            when: When::Always,
        }
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
