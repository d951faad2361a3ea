//! A journal that holds ten million records beside one that holds none: opening, appending, reading and trimming, in one
//! run. `cargo bench -p journal --bench large -- 10000000`; it takes about 15 GB of disk.
//!
//! Appended are batches of 100 records of 1 KB with a key, a twin and a mark, from 10,000 scopes, six at a time. The newest are
//! read as a sink does that keeps up, from the system's cache, the oldest as one that was away for long, from the disk. Trimmed
//! is by size, as the daemon does it. Not here: budgets; the ratio of the two is what is asked about.

#![expect(clippy::print_stdout, reason = "a benchmark reports on its output")]

mod load;

use std::{fs::File, path::Path, time::Duration};

use journal::{Journal, ReadLimit, Retention, Twin, TwinSide};
use nix::fcntl::{PosixFadviseAdvice, posix_fadvise};
use tokio::{runtime::Runtime, task::JoinSet};

use load::{ITEMS, batch, by_scope, keep_all, now, open};

const RECORDS_DEFAULT: u64 = 10_000_000;
/// Batches on their way at once: a full group of the writer.
const BATCHES: u64 = 6;
/// What is appended, read and trimmed for the comparison.
const SAMPLE: u64 = 300_000;
/// Retention looks once a minute; whoever waits for a trim is patient.
const TRIM_PATIENCE: Duration = Duration::from_mins(10);

/// Each record waits for one.
const TWIN: Twin = Twin { side: TwinSide::Log, content: [0; 16], at_ms: 0, window_ms: 5000, claims: [0; 2] };

/// What was found, in microseconds a record but for the opening.
struct Speeds {
    open_ms: f64,
    append: f64,
    read_oldest: f64,
    read_newest: f64,
    trim: f64,
}

/// A name, and which of the speeds it is.
type Row = (&'static str, fn(&Speeds) -> f64);

fn main() {
    let asked = std::env::args().skip(1).find_map(|word| word.parse().ok());
    let records = asked.unwrap_or(RECORDS_DEFAULT);
    let runtime = Runtime::new().expect("a runtime");
    let empty = runtime.block_on(speeds(0));
    let full = runtime.block_on(speeds(records));
    println!("{:<34} {:>10} {:>14} {:>7}", "", "empty", format!("{records} records"), "ratio");
    let rows: [Row; 5] = [
        ("open, ms", |one| one.open_ms),
        ("append, us a record", |one| one.append),
        ("read the oldest, us a record", |one| one.read_oldest),
        ("read the newest, us a record", |one| one.read_newest),
        ("trim, us a record", |one| one.trim),
    ];
    for (name, of) in rows {
        println!("{name:<34} {:>10.2} {:>14.2} {:>7.2}", of(&empty), of(&full), of(&full) / of(&empty));
    }
}

/// Fills a journal, closes it, and measures what the next process would find. Everything is read and trimmed that was appended
/// for the comparison, so that the two do the same.
async fn speeds(records: u64) -> Speeds {
    let directory = tempfile::tempdir().expect("a temporary directory");
    let mut next = 0;
    if records > 0 {
        let (journal, mut writers) = open(directory.path(), keep_all()).await;
        append(&journal, &mut next, records).await;
        journal.close();
        writers.join_next().await;
        println!("{records} records are there");
    }
    let begun = now();
    let (journal, mut writers) = open(directory.path(), keep_all()).await;
    let open_ms = begun.elapsed().as_secs_f64() * 1e3;
    let append = per_record(async || append(&journal, &mut next, SAMPLE).await).await;
    let read_newest = per_record(async || read(&journal, records).await).await;
    let bytes = journal.stat().await.expect("a stat").bytes;
    journal.close();
    writers.join_next().await;
    drop_cached(&directory.path().join("journal.db"));
    let (journal, mut writers) = open(directory.path(), keep_all()).await;
    let read_oldest = per_record(async || read(&journal, 0).await).await;
    journal.close();
    writers.join_next().await;
    let keep_less = Retention { max_size: bytes - bytes / (records + SAMPLE) * SAMPLE, ..keep_all() };
    let (journal, mut writers) = open(directory.path(), keep_less).await;
    // It begins within a minute, and is timed from the first slice on.
    trimmed(&journal, bytes - 1).await;
    let trim = per_record(async || trimmed(&journal, keep_less.max_size).await).await;
    journal.close();
    writers.join_next().await;
    Speeds { open_ms, append, read_oldest, read_newest, trim }
}

async fn per_record(work: impl AsyncFnOnce()) -> f64 {
    let begun = now();
    work().await;
    begun.elapsed().as_secs_f64() * 1e6 / f64::from(u32::try_from(SAMPLE).expect("a sample"))
}

async fn append(journal: &Journal, next: &mut u64, records: u64) {
    for _ in 0..records / ITEMS / BATCHES {
        let mut sent = JoinSet::new();
        for _ in 0..BATCHES {
            let (journal, batch) = (journal.clone(), batch(*next, by_scope, Some(TWIN)));
            *next += ITEMS;
            sent.spawn(async move { journal.append(batch).await.expect("a commit") });
        }
        sent.join_all().await;
    }
}

async fn read(journal: &Journal, mut after: u64) {
    let limit = ReadLimit { records: 1000, bytes: 8 << 20 };
    let end = after + SAMPLE;
    while after < end {
        let Some(last) =
            journal.read_after(after, limit).await.expect("a read").last().map(|one| one.position)
        else {
            break;
        };
        after = last;
    }
}

/// Makes the system forget what it holds of a file that nobody has open: the next reader goes to the disk.
fn drop_cached(path: &Path) {
    let file = File::open(path).expect("a file");
    file.sync_all().expect("a disk that syncs");
    posix_fadvise(&file, 0, 0, PosixFadviseAdvice::POSIX_FADV_DONTNEED).expect("a system that listens");
}

/// Waits until no more is kept than may be.
async fn trimmed(journal: &Journal, max_size: u64) {
    let begun = now();
    while journal.stat().await.expect("a stat").bytes > max_size {
        assert!(begun.elapsed() < TRIM_PATIENCE, "it is not trimmed");
        tokio::time::sleep(Duration::from_millis(5)).await;
    }
}
