//! What is done to a journal until the power goes, and what of it must be there afterwards.

use std::{collections::BTreeMap, path::Path, sync::Arc, time::Duration};

use journal::{
    Batch, Item, Journal, Key, Location, Mark, Outcome, ReadLimit, Retention, Stored, Twin, TwinSide, When,
};
use rand::{Rng, rngs::SmallRng};
use tokio::task::JoinSet;

const SCOPES: u8 = 3;
const READERS: u8 = 2;
/// Some records take more than a page.
const RECORD_BYTES_MAX: usize = 6_000;
/// Item number of the change of the item with the number below it.
const CHANGE: u64 = 1 << 32;

/// A journal and its writer.
pub(crate) struct Open {
    pub(crate) journal: Journal,
    writers: JoinSet<()>,
}

impl Open {
    pub(crate) async fn at(directory: &Path) -> Self {
        let retention = Retention { max_age: Duration::from_secs(1 << 30), max_size: u64::MAX };
        let location = Location::Directory(directory.to_owned());
        let (journal, writer) = Journal::open(location, retention, Arc::new(|| 0)).await.unwrap();
        let mut writers = JoinSet::new();
        writers.spawn(writer.run());
        Self { journal, writers }
    }

    pub(crate) async fn close(&mut self) {
        self.journal.close();
        self.writers.join_next().await.unwrap().unwrap();
    }

    /// Drops the writer where it stands.
    pub(crate) async fn abandon(mut self) {
        self.writers.shutdown().await;
    }
}

/// One commit: batches that arrive together, or a reader that moves.
#[derive(Clone)]
pub(crate) enum Work {
    Append(Vec<Batch>),
    Acknowledge { reader: u8, position: u64 },
}

impl Work {
    /// The next piece: new items after the last one of their scope, with some of the old ones again.
    pub(crate) fn next(state: &State, chance: &mut SmallRng) -> Self {
        if chance.random_ratio(1, 8) {
            let position = chance.random_range(0..=state.records.len() as u64 + 2);
            return Self::Acknowledge { reader: chance.random_range(0..READERS), position };
        }
        let mut last = state.marks.clone();
        let batches = (0..chance.random_range(1..=3)).map(|_| batch(&mut last, chance)).collect();
        Self::Append(batches)
    }

    /// Does it, all of it in one commit.
    pub(crate) async fn perform(&self, journal: &Journal) -> Vec<Outcome> {
        match self {
            Self::Acknowledge { reader, position } => {
                journal.acknowledge(&reader.to_string(), *position).await.unwrap();
                Vec::new()
            }
            Self::Append(batches) => {
                let mut appends = JoinSet::new();
                for (number, batch) in batches.iter().cloned().enumerate() {
                    let journal = journal.clone();
                    appends.spawn(async move { (number, journal.append(batch).await.unwrap().outcomes) });
                }
                let outcomes: BTreeMap<_, _> = appends.join_all().await.into_iter().collect();
                outcomes.into_values().flatten().collect()
            }
        }
    }
}

fn batch(last: &mut BTreeMap<u8, u64>, chance: &mut SmallRng) -> Batch {
    let scope = chance.random_range(0..SCOPES);
    let last = last.entry(scope).or_default();
    let mut items = Vec::new();
    for _ in 0..chance.random_range(0..6) {
        let again = *last > 0 && chance.random_ratio(1, 4);
        let number = if again { chance.random_range(1..=*last) } else { *last + 1 };
        *last = number.max(*last);
        items.push(item(scope, number, chance));
        if chance.random_ratio(1, 4) {
            // It is stored only where the item itself was known: the same again gives the same again.
            let altered = Item { twins: Vec::new(), ..item(scope, number + CHANGE, chance) };
            items.push(Item { when: When::PreviousKnown, ..altered });
        }
    }
    let mark = Mark { name: "last".into(), value: last.to_le_bytes().to_vec() };
    Batch { scope: scope.to_string().into(), items, marks: vec![mark] }
}

fn item(scope: u8, number: u64, chance: &mut SmallRng) -> Item {
    let longest = if chance.random_ratio(1, 8) { RECORD_BYTES_MAX } else { RECORD_BYTES_MAX / 20 };
    let filler = chance.random_range(0..longest);
    let bytes = [&[scope][..], &number.to_le_bytes(), &vec![b'x'; filler]].concat();
    let twin = |chance: &mut SmallRng| Twin {
        side: if chance.random() { TwinSide::Log } else { TwinSide::Stream },
        content: [chance.random_range(0..4); 16],
        at_ms: chance.random_range(0..30),
        window_ms: 5,
        claims: [chance.random_range(0..3), 0],
    };
    Item {
        key: key(scope, number),
        twins: (0..chance.random_range(0..3)).map(|_| twin(chance)).collect(),
        bytes: chance.random_ratio(7, 8).then_some(bytes),
        when: When::Always,
    }
}

fn key(scope: u8, number: u64) -> Key {
    let mut key = [scope; 16];
    key[4..12].copy_from_slice(&number.wrapping_mul(0x9e37_79b9_7f4a_7c15).to_le_bytes());
    key
}

/// Everything that can be read from a journal.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct State {
    records: Vec<Stored>,
    marks: BTreeMap<u8, u64>,
    readers: BTreeMap<u8, u64>,
}

impl State {
    /// Reads it, and holds what must agree with each other against each other.
    pub(crate) async fn of(journal: &Journal) -> Self {
        let all = ReadLimit { records: usize::MAX, bytes: usize::MAX };
        let records = journal.read_after(0, all).await.unwrap();
        assert_eq!(*journal.head().borrow(), records.len() as u64);
        assert!(records.iter().zip(1..).all(|(stored, position)| stored.position == position), "no holes");
        let (mut marks, mut readers) = (BTreeMap::new(), BTreeMap::new());
        for scope in 0..SCOPES {
            let mark = journal.mark(&scope.to_string(), "last").await.unwrap();
            let Some(last) = mark.map(|value| u64::from_le_bytes(value.try_into().unwrap())) else {
                continue;
            };
            marks.insert(scope, last);
            // The mark covers exactly the items up to it.
            let known =
                journal.known((1..=last + 3).map(|number| key(scope, number)).collect()).await.unwrap();
            assert!(known[..usize::try_from(last).unwrap()].iter().all(|known| *known), "scope {scope}");
            assert_eq!(known.iter().filter(|known| **known).count() as u64, last, "scope {scope}");
        }
        for stored in &records {
            let number = u64::from_le_bytes(stored.bytes[1..9].try_into().unwrap());
            assert!(number % CHANGE <= marks[&stored.bytes[0]], "a record beyond its mark");
        }
        for reader in 0..READERS {
            readers.insert(reader, journal.position(&reader.to_string()).await.unwrap());
        }
        Self { records, marks, readers }
    }
}
