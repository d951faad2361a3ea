//! Stories about the journal as its users see it, in memory and virtual time where no file is needed.

#![expect(clippy::unwrap_used, reason = "in a test a panic is the report")]

mod dead_letters;
mod duplicates;
mod grouping;
mod opening;
mod retention;
mod searching;

use std::{
    path::Path,
    sync::{
        Arc,
        atomic::{AtomicI64, Ordering},
    },
    time::Duration,
};

use journal::{Batch, Item, Journal, Key, Location, Mark, OpenError, Outcome, ReadLimit, Retention, When};
use tokio::task::JoinSet;

const KEEP: Retention = Retention { max_age: Duration::from_secs(1 << 30), max_size: u64::MAX };
const ALL: ReadLimit = ReadLimit { records: usize::MAX, bytes: usize::MAX };

/// A journal, its writer, and the wall clock it goes by.
struct Story {
    journal: Journal,
    writers: JoinSet<()>,
    now_ms: Arc<AtomicI64>,
}

impl Story {
    async fn in_memory(retention: Retention) -> Self {
        Self::open(Location::Memory, retention).await.unwrap()
    }

    async fn in_directory(directory: &Path) -> Self {
        Self::open(Location::Directory(directory.to_owned()), KEEP).await.unwrap()
    }

    async fn open(location: Location, retention: Retention) -> Result<Self, OpenError> {
        let now_ms = Arc::new(AtomicI64::new(0));
        let clock = Arc::clone(&now_ms);
        let (journal, writer) =
            Journal::open(location, retention, Arc::new(move || clock.load(Ordering::Relaxed))).await?;
        let mut writers = JoinSet::new();
        writers.spawn(writer.run());
        Ok(Self { journal, writers, now_ms })
    }

    /// Appends one item of the scope "bmc".
    async fn append(&self, item: Item) -> Outcome {
        self.journal.append(batch(vec![item])).await.unwrap().outcomes[0]
    }

    async fn positions(&self) -> Vec<u64> {
        self.journal.read_after(0, ALL).await.unwrap().iter().map(|stored| stored.position).collect()
    }

    async fn close(mut self) {
        self.journal.close();
        self.writers.join_next().await.unwrap().unwrap();
    }
}

fn key(number: u64) -> Key {
    u128::from(number).to_le_bytes()
}

fn item(number: u64) -> Item {
    Item {
        key: key(number),
        twins: Vec::new(),
        bytes: Some(number.to_string().into_bytes()),
        when: When::Always,
    }
}

fn batch(items: Vec<Item>) -> Batch {
    Batch { scope: "bmc".into(), items, marks: Vec::new() }
}

fn mark(name: &str, value: &str) -> Mark {
    Mark { name: name.to_owned(), value: value.as_bytes().to_vec() }
}
