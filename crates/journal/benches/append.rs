//! What durability costs: batches of 100 records of 1 KB with one mark, appended to a journal in a directory, beside
//! the floor, the same bytes appended to a plain file and synced. The ratio is what counts; it is printed last.
//!
//! Not here: other stores. The budget stands in relation to the floor.

#![expect(clippy::print_stdout, reason = "a benchmark reports on its output")]

mod load;

use std::{fs::File, io::Write, time::Duration};

use criterion::{Criterion, Throughput};
use journal::{Batch, Item, Journal, Key, ReadLimit, Twin, TwinSide, When};
use tokio::{runtime::Runtime, task::JoinSet};

use load::{ITEMS, RECORD_BYTES, batch, by_scope, keep_all, key, now, open, scatter};

/// A full group: so many batches go side by side that the writer need not linger.
const BATCHES: u64 = 6;
/// Records in the journal whose opening and scanning is timed.
const MANY: u64 = 1_000_000;

fn main() {
    let mut criterion = Criterion::default()
        .sample_size(20)
        .measurement_time(Duration::from_secs(5))
        .warm_up_time(Duration::from_secs(1))
        .configure_from_args();
    let floor = plain_file(&mut criterion);
    let by_scope = journal(&mut criterion, "journal", by_scope);
    let scattered = journal(&mut criterion, "journal_scattered_keys", scattered);
    criterion.final_summary();
    // A single round is a test run, and a floor that was filtered out gives no ratio.
    if floor.records <= ITEMS * BATCHES {
        return;
    }
    println!("plain file + fdatasync    {floor}");
    for (name, spent) in [("keys that lie by scope", by_scope), ("scattered keys", scattered)] {
        let (wall, cpu) = (spent.wall_us() / floor.wall_us(), spent.cpu_us() / floor.cpu_us());
        println!("journal, {name}: {spent}; ratio: wall {wall:.1}, CPU {cpu:.1}");
    }
    many();
    growth("key", None);
    let twin = Twin {
        side: TwinSide::Log,
        content: [0; 16],
        at_ms: 1_795_000_000_000,
        window_ms: 5000,
        claims: [0; 2],
    };
    growth("key and twin", Some(twin));
}

/// What a measured stretch took.
#[derive(Default)]
struct Spent {
    records: u64,
    wall: Duration,
    cpu: Duration,
}

impl Spent {
    fn add(&mut self, records: u64, wall: Duration, cpu: Duration) {
        self.records += records;
        self.wall += wall;
        self.cpu += cpu;
    }

    fn wall_us(&self) -> f64 {
        self.wall.as_secs_f64() * 1e6 / f64::from(u32::try_from(self.records).unwrap_or(u32::MAX))
    }

    fn cpu_us(&self) -> f64 {
        self.cpu.as_secs_f64() * 1e6 / f64::from(u32::try_from(self.records).unwrap_or(u32::MAX))
    }
}

impl std::fmt::Display for Spent {
    fn fmt(&self, formatter: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        write!(formatter, "{:.2} us wall, {:.2} us CPU a record", self.wall_us(), self.cpu_us())
    }
}

/// The floor: write and sync, a group at a time as the journal does.
fn plain_file(criterion: &mut Criterion) -> Spent {
    let directory = tempfile::tempdir().expect("a temporary directory");
    let mut file = File::create(directory.path().join("plain")).expect("a file in it");
    let record = vec![b'x'; RECORD_BYTES];
    measure(criterion, "plain_file", |rounds| {
        for _ in 0..rounds {
            let bytes = record.repeat(usize::try_from(ITEMS * BATCHES).expect("a small number"));
            file.write_all(&bytes).expect("room on the disk");
            file.sync_data().expect("a disk that syncs");
        }
    })
}

fn journal(criterion: &mut Criterion, name: &str, keys: fn(u64) -> Key) -> Spent {
    let runtime = Runtime::new().expect("a runtime");
    let directory = tempfile::tempdir().expect("a temporary directory");
    let (journal, mut writers) = runtime.block_on(open(directory.path(), keep_all()));
    let mut next = 0;
    let spent =
        measure(criterion, name, |rounds| runtime.block_on(append(&journal, &mut next, rounds, keys)));
    journal.close();
    runtime.block_on(writers.join_next());
    spent
}

fn measure(criterion: &mut Criterion, name: &str, mut work: impl FnMut(u64)) -> Spent {
    let mut spent = Spent::default();
    let mut group = criterion.benchmark_group("append");
    group.throughput(Throughput::Elements(ITEMS * BATCHES));
    group.bench_function(name, |bencher| {
        bencher.iter_custom(|rounds| {
            let (started, cpu) = (now(), cpu_time());
            work(rounds);
            let wall = started.elapsed();
            spent.add(rounds * ITEMS * BATCHES, wall, cpu_time().saturating_sub(cpu));
            wall
        });
    });
    group.finish();
    spent
}

/// Opening and scanning a large journal.
fn many() {
    let runtime = Runtime::new().expect("a runtime");
    let directory = tempfile::tempdir().expect("a temporary directory");
    runtime.block_on(async {
        let (journal, mut writers) = open(directory.path(), keep_all()).await;
        let started = now();
        append(&journal, &mut 0, MANY / ITEMS / BATCHES, by_scope).await;
        println!("{MANY} records: written in {:.2?}", started.elapsed());
        drop(journal);
        writers.join_next().await;
        let started = now();
        let (journal, _writers) = open(directory.path(), keep_all()).await;
        println!("opened in {:.2?}", started.elapsed());
        let (started, mut after) = (now(), 0);
        let limit = ReadLimit { records: 1000, bytes: 8 << 20 };
        while let Some(last) = journal.read_after(after, limit).await.expect("a read").last() {
            after = last.position;
        }
        println!("scanned {after} in {:.2?}", started.elapsed());
        let stat = journal.stat().await.expect("a stat");
        println!("{} bytes of records in {} on disk", stat.bytes, stat.file_bytes);
    });
}

/// What stays on disk for each item when its record has gone.
fn growth(what: &str, twin: Option<Twin>) {
    const NOTED: u64 = 200_000;
    let runtime = Runtime::new().expect("a runtime");
    let directory = tempfile::tempdir().expect("a temporary directory");
    runtime.block_on(async {
        let (journal, mut writers) = open(directory.path(), keep_all()).await;
        for first in (0..NOTED).step_by(1000) {
            let item = |number: u64| {
                let key = scattered(number);
                let twins = twin.map(|twin| Twin { content: key, ..twin }).into_iter().collect();
                Item { key, twins, bytes: None, when: When::Always }
            };
            let items = (first..first + 1000).map(item).collect();
            let noted = Batch { scope: "bmc".into(), items, marks: Vec::new() };
            journal.append(noted).await.expect("a commit");
        }
        journal.close();
        writers.join_next().await;
    });
    let bytes = directory.path().join("journal.db").metadata().expect("the database").len();
    println!("{} bytes on disk per {what}", bytes / NOTED);
}

async fn append(journal: &Journal, next: &mut u64, rounds: u64, keys: fn(u64) -> Key) {
    for _ in 0..rounds {
        let mut sent = JoinSet::new();
        for _ in 0..BATCHES {
            let (journal, batch) = (journal.clone(), batch(*next, keys, None));
            *next += ITEMS;
            sent.spawn(async move { journal.append(batch).await.expect("a commit") });
        }
        sent.join_all().await;
    }
}

/// A key that lies anywhere.
fn scattered(number: u64) -> Key {
    key(scatter(number), number)
}

/// CPU time of this process, its threads included, in the kernel's ticks of 10 ms.
fn cpu_time() -> Duration {
    let stat = std::fs::read_to_string("/proc/self/stat").unwrap_or_default();
    let after_name = stat.rsplit(')').next().unwrap_or_default();
    let ticks: u64 =
        after_name.split_whitespace().skip(11).take(2).filter_map(|field| field.parse::<u64>().ok()).sum();
    Duration::from_millis(ticks * 10)
}
