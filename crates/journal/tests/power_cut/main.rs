//! A power cut at any moment: what was acknowledged is there, what was not is there whole or not at all, and marks cover
//! exactly the records they speak of.
//!
//! `CRASH_RUNS=200` lives that many journals, `CRASH_SEED=7` begins with that one.

#![expect(clippy::unwrap_used, reason = "in a test a panic is the report")]

mod torn;
mod work;

use std::{collections::BTreeMap, path::Path};

use journal::Outcome;
use rand::{Rng, SeedableRng, rngs::SmallRng};
use tempfile::TempDir;

use torn::{Cut, Files, Holds};
use work::{Open, State, Work};

/// Journals that are lived without `CRASH_RUNS`.
const RUNS: u64 = 24;
/// Pieces of work in the life of one journal.
const STEPS: usize = 24;
/// Power cuts in and after each of them.
const CUTS: usize = 4;

/// What happens to the files between two looks at them.
enum Step {
    Commit(Work),
    /// What a commit does itself when the log has grown large.
    Checkpoint,
    Close,
}

/// How many cuts of each kind left which state.
type Tally = BTreeMap<(&'static str, &'static str), u64>;

#[test]
fn a_power_cut_at_any_moment_loses_nothing_acknowledged_and_leaves_nothing_half() {
    let first = number("CRASH_SEED");
    let runs = number("CRASH_RUNS").unwrap_or(if first.is_some() { 1 } else { RUNS });
    let first = first.unwrap_or(1);
    let mut tally = Tally::new();
    for seed in first..first + runs {
        println!("seed {seed}");
        let runtime = tokio::runtime::Builder::new_current_thread().enable_time().start_paused(true).build();
        runtime.unwrap().block_on(live(seed, &mut tally));
    }
    println!("{} power cuts: {tally:?}", tally.values().sum::<u64>());
    if runs >= RUNS {
        for (kind, state) in [
            ("header", "before"),
            ("truncated", "before"),
            ("scattered", "before"),
            ("scattered", "after"),
            ("flipped", "before"),
            ("garbage", "after"),
            ("checkpoint", "after"),
        ] {
            assert!(tally.contains_key(&(kind, state)), "{kind}");
        }
    }
}

#[expect(clippy::disallowed_methods, reason = "the seed of a test is no setting of the program")]
fn number(name: &str) -> Option<u64> {
    Some(std::env::var(name).ok()?.parse().expect("it is a number"))
}

/// The life of one journal. Now and then it goes on as what a power cut has left of it.
async fn live(seed: u64, tally: &mut Tally) {
    let mut chance = SmallRng::seed_from_u64(seed);
    let mut home = memory_directory();
    let mut open = Open::at(home.path()).await;
    let mut state = State::of(&open.journal).await;
    for _ in 0..STEPS {
        let step = match chance.random_range(0..12) {
            0 | 1 => Step::Checkpoint,
            2 => Step::Close,
            _ => Step::Commit(Work::next(&state, &mut chance)),
        };
        let before = Files::of(home.path());
        let outcomes = take(&step, &mut open, home.path()).await;
        let after = Files::of(home.path());
        if matches!(step, Step::Close) {
            open = Open::at(home.path()).await;
        }
        let state_after = State::of(&open.journal).await;
        if before == after {
            assert_eq!(state, state_after, "nothing was written, nothing has changed");
            continue;
        }
        for _ in 0..CUTS {
            let cut = step.cut(&before, &after, &mut chance);
            let (expected, word) = match cut.holds {
                Holds::Before => (&state, "before"),
                Holds::After => (&state_after, "after"),
            };
            *tally.entry((cut.kind, word)).or_default() += 1;
            let (survivor_home, survivor) = survive(&cut, expected).await;
            if let Step::Commit(work) = &step {
                let again = work.perform(&survivor.journal).await;
                if cut.holds == Holds::Before {
                    assert_eq!(again, outcomes, "what was lost is done again and has the same end");
                }
                assert_eq!(State::of(&survivor.journal).await, state_after, "done again it is there once");
            }
            if chance.random_ratio(1, 16) {
                open.abandon().await;
                (home, open) = (survivor_home, survivor);
            } else {
                survivor.abandon().await;
            }
        }
        state = state_after;
    }
    assert_eq!(open.journal.verify().await.unwrap(), [""; 0]);
}

impl Step {
    fn cut(&self, before: &Files, after: &Files, chance: &mut SmallRng) -> Cut {
        match self {
            Self::Commit(_) => torn::in_commit(before, after, chance),
            Self::Checkpoint => torn::in_checkpoint(before, after, chance),
            Self::Close => torn::in_closing(before, after, chance),
        }
    }
}

/// Takes a step to its end, and answers what became of items.
async fn take(step: &Step, open: &mut Open, home: &Path) -> Vec<Outcome> {
    match step {
        Step::Commit(work) => {
            let commits = open.journal.stat().await.unwrap().commits;
            let outcomes = work.perform(&open.journal).await;
            assert_eq!(open.journal.stat().await.unwrap().commits, commits + 1, "one commit");
            outcomes
        }
        Step::Checkpoint => {
            checkpoint(home);
            Vec::new()
        }
        Step::Close => {
            open.close().await;
            Vec::new()
        }
    }
}

/// Opens what the cut has left.
async fn survive(cut: &Cut, expected: &State) -> (TempDir, Open) {
    let home = memory_directory();
    cut.files.write(home.path());
    let open = Open::at(home.path()).await;
    assert_eq!(State::of(&open.journal).await, *expected, "{} {:?}", cut.kind, cut.holds);
    assert_eq!(open.journal.verify().await.unwrap(), [""; 0], "{}", cut.kind);
    (home, open)
}

/// A directory in memory where the system has such: what reaches a disk is decided by the test, so a sync that waits for
/// one proves nothing here.
fn memory_directory() -> TempDir {
    tempfile::tempdir_in("/dev/shm").unwrap_or_else(|_| tempfile::tempdir().unwrap())
}

fn checkpoint(directory: &Path) {
    let database = rusqlite::Connection::open(directory.join("journal.db")).unwrap();
    database.pragma_update(None, "synchronous", "FULL").unwrap();
    let busy: i64 = database.query_row("PRAGMA wal_checkpoint(PASSIVE)", [], |row| row.get(0)).unwrap();
    assert_eq!(busy, 0);
}
