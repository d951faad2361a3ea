//! An hour of everything at once: 300 BMCs of every flavour, levers and a bad network, a fault every second, `kill -9` every
//! minute, the disk full once, the daemon's clock stepped once. Then one more life without kills, in which memory must not
//! grow; then quiet, in which everything must come.
//!
//! A daemon that lives a minute cannot show what grows in an hour. So memory is compared twice: the lives at the end of the
//! hour with one of the same age and an empty journal, that watches the same BMCs (a journal that grows must not make a
//! start larger; logs that fill do, until they are full), and the last life, a third as long as the hour, with itself at
//! half its age.

use std::{fmt::Write as _, fs, path::Path, time::Duration};

use model::Clock;
use serde_json::json;
use tokio::time::{Instant, sleep};

use crate::{
    home::{Home, read},
    scene::{CANNOT_WRITE, Outcome, Scene, Setting, number, say},
    small_disk::SmallDisk,
    stepped_clock::SteppedClock,
};

const MINUTE: Duration = Duration::from_mins(1);

/// For so long the disk is full after that.
const FULL_FOR: Duration = Duration::from_secs(20);

/// What it says when there is room again.
const WRITES_AGAIN: &str = "the journal can be written again";

/// Streams are opened again so soon after that.
const REOPENED_WITHIN: Duration = Duration::from_mins(1);

/// How far the clock is stepped: more than any window in which things are compared by time.
const STEP_SECONDS: i64 = 2 * 3600;

/// The library looks at its file once a second; what happens meanwhile has no certain time.
const STEPPED_WITHIN: Duration = Duration::from_secs(3);

/// In a life of a minute memory is measured at this age, when every stream is open.
const AGE: Duration = Duration::from_secs(50);

/// Memory may be that much larger than before: a tenth.
const GROWTH_MAX: f64 = 1.10;

/// Lives that are compared with each other: single ones vary with what happens in them.
const LIVES: usize = 5;

/// What was measured and what was left out.
#[derive(Default)]
struct Diary {
    /// Kilobytes of each life of a minute at [`AGE`].
    lives: Vec<u64>,
    /// Entries that the BMCs then held.
    held: Vec<usize>,
    /// Kilobytes at [`AGE`] of a life with an empty journal, after the others.
    newborn: u64,
    /// Kilobytes of the last life, minute by minute.
    last: Vec<u64>,
    notes: Vec<String>,
}

/// Tells the story and writes its table below `target`; panics when the promise is broken.
pub(crate) async fn run(setting: Setting, minutes: u32, table: &Path) {
    let (home, mut diary) = (Home::kept("hour"), Diary::default());
    say(&format_args!("until it ends well, its evidence stays in {}", home.path("").display()));
    let disk = SmallDisk::mount(&home.path("journal"));
    let stepped = SteppedClock::new(home.path("clock"));
    let (clock, environment) = match stepped {
        Some((clock, environment)) => (Some(clock), environment),
        None => (None, Vec::new()),
    };
    let shown = clock.as_ref().map_or_else(Clock::system, SteppedClock::shown);
    let mut scene = Scene::start(setting, home, (environment, shown)).await;
    scene.trouble.daemon.network.trouble();
    for minute in 0..minutes {
        let begun = Instant::now();
        if minute == minutes / 3 {
            diary.notes.push(fill(&mut scene, disk.as_ref()).await);
        }
        if minute == minutes / 3 * 2 {
            diary.notes.push(step(&mut scene, clock.as_ref()).await);
        }
        scene.suffer(AGE.saturating_sub(begun.elapsed())).await;
        diary.lives.push(resident(scene.process()));
        diary.held.push(scene.held());
        scene.suffer(MINUTE.saturating_sub(begun.elapsed())).await;
        let process = scene.process();
        scene.kill().await;
        SteppedClock::bury(process);
    }
    diary.newborn = scene.stand_in(AGE, resident).await;
    for _ in 0..(minutes / 3).max(1) {
        scene.suffer(MINUTE).await;
        diary.last.push(resident(scene.process()));
    }
    let (outcome, home) = scene.end().await;
    drop(disk);
    let (text, grown) = diary.table(&outcome);
    write(table, &text, &diary.json(&outcome, minutes, setting));
    say(&text);
    assert!(grown.is_none(), "{}; the evidence is in {}", grown.unwrap_or_default(), home.path("").display());
    outcome.assert_kept(setting.seed, home);
}

/// The disk of the journal is full for a while, and things happen all the same.
async fn fill(scene: &mut Scene, disk: Option<&SmallDisk>) -> String {
    let Some(disk) = disk else {
        return "SKIPPED: the disk was never full, since only root may mount a small one".to_owned();
    };
    scene.deafen(scene.setting.patience);
    disk.fill();
    let begun = Instant::now();
    // What the write-ahead log has taken before can still be written over.
    until_logged(scene, CANNOT_WRITE).await;
    scene.suffer(FULL_FOR).await;
    disk.free();
    until_logged(scene, WRITES_AGAIN).await;
    scene.deafen(REOPENED_WITHIN);
    format!("the disk of the journal was full for {} s", begun.elapsed().as_secs())
}

/// Suffers until the daemon has said something.
async fn until_logged(scene: &mut Scene, message: &str) {
    let begun = Instant::now();
    while !scene.log().contains(message) {
        assert!(begun.elapsed() < scene.setting.patience, "{message:?} was not logged:\n{}", scene.log());
        scene.suffer(Duration::from_secs(1)).await;
    }
}

/// The daemon's clock is stepped. Nothing happens meanwhile, since it would have no certain time.
async fn step(scene: &mut Scene, clock: Option<&SteppedClock>) -> String {
    let Some(clock) = clock else {
        for bmc in &scene.trouble.bmcs {
            bmc.step_clock(-STEP_SECONDS);
        }
        return "SKIPPED: libfaketime is not installed; the BMCs' clocks were stepped instead".to_owned();
    };
    sleep(STEPPED_WITHIN).await;
    clock.step(STEP_SECONDS);
    sleep(STEPPED_WITHIN).await;
    format!("the daemon's clock was stepped by {STEP_SECONDS} s")
}

/// Kilobytes of memory that a process has in use.
pub(crate) fn resident(process: u32) -> u64 {
    let status = read(Path::new(&format!("/proc/{process}/status")));
    let line = status.lines().find_map(|line| line.strip_prefix("VmRSS:")).unwrap_or_default();
    line.split_whitespace().next().and_then(|kilobytes| kilobytes.parse().ok()).unwrap_or(0)
}

fn median(of: &[u64]) -> u64 {
    let mut sorted = of.to_vec();
    sorted.sort_unstable();
    sorted.get(sorted.len() / 2).copied().unwrap_or(0)
}

impl Diary {
    /// Memory before and after: of lives at the end against one with an empty journal, and of the last life at half its age
    /// and at its end.
    fn memory(&self) -> Vec<(&'static str, u64, u64)> {
        let mut compared = Vec::new();
        if self.lives.len() >= LIVES {
            let end = median(&self.lives[self.lives.len() - LIVES..]);
            compared.push(("a life of a minute without and with the journal", self.newborn, end));
        }
        if self.last.len() >= 2 * LIVES {
            let half = self.last.len() / 2;
            let end = median(&self.last[self.last.len() - LIVES / 2..]);
            compared.push(("the last life", median(&self.last[half - LIVES / 2..][..LIVES]), end));
        }
        compared
    }

    /// The table, and what has grown too much.
    fn table(&self, outcome: &Outcome) -> (String, Option<String>) {
        let (mut text, mut grown) = (outcome.to_string(), None);
        let mut row = |line: String| writeln!(text, "{line}").expect("a String takes every write");
        row(format!("kB of memory {} s after each start: {:?}", AGE.as_secs(), self.lives));
        row(format!("entries that the BMCs held then: {:?}", self.held));
        row(format!("kB of memory of the last life, by minute: {:?}", self.last));
        for (what, before, after) in self.memory() {
            let growth = number(after) / number(before);
            row(format!("memory of {what}: {before} kB, then {after} kB: {growth:.3}"));
            if growth > GROWTH_MAX {
                grown = Some(format!("memory of {what} has grown from {before} to {after} kB"));
            }
        }
        if self.memory().len() < 2 {
            row("SKIPPED: too few minutes to compare memory (30 or more)".to_owned());
        }
        self.notes.iter().for_each(|note| row(note.clone()));
        (text, grown)
    }

    fn json(&self, outcome: &Outcome, minutes: u32, setting: Setting) -> serde_json::Value {
        let rows: serde_json::Map<_, _> =
            outcome.rows().into_iter().map(|(name, value)| (name, value.into())).collect();
        json!({
            "minutes": minutes, "endpoints": setting.bmcs, "seed": setting.seed, "counts": rows,
            "memory_kb_of_lives": self.lives, "held_entries": self.held, "memory_kb_of_a_newborn": self.newborn,
            "memory_kb_of_last_life": self.last, "notes": self.notes,
        })
    }
}

fn write(table: &Path, text: &str, json: &serde_json::Value) {
    fs::create_dir_all(table.parent().expect("a file has a directory"))
        .expect("the target directory is ours");
    fs::write(table.with_extension("txt"), text).expect("the target directory is ours");
    fs::write(table.with_extension("json"), json.to_string()).expect("the target directory is ours");
    say(&format_args!("written to {} and .json", table.with_extension("txt").display()));
}
