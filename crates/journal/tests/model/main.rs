//! Any sequence of appends, acknowledgements, retention and reopenings gives what a vector and a few maps give.
//!
//! Reopening, in order and abruptly, is an operation like any other: what twins wait for is not forgotten either.

#![expect(clippy::unwrap_used, reason = "in a test a panic is the report")]

mod pairing;
mod unspent;

use std::{
    collections::{BTreeMap, BTreeSet},
    path::Path,
    sync::Arc,
    time::Duration,
};

use journal::{
    Batch, Item, Journal, Location, Mark, Outcome, ReadLimit, Retention, Stored, Twin, TwinSide, When,
};
use proptest::{collection::vec, prelude::*};
use tokio::task::JoinSet;

use unspent::Unspent;

/// Few enough that many come again.
const KEYS: u8 = 96;
/// Each record is so long, and so many of them are kept.
const RECORD_BYTES: usize = 100;
const KEPT: usize = 5;

#[derive(Debug, Clone)]
enum Operation {
    Append {
        scope: u8,
        items: Vec<One>,
        mark: Option<u8>,
    },
    Acknowledge {
        reader: u8,
        position: u64,
    },
    /// Says that only this reader exists now.
    SetReader(u8),
    /// Lets retention pass.
    Wait,
    Reopen,
    /// The writer is dropped where it stands.
    Abort,
}

/// An item. Some keys, by their number, are old news.
#[derive(Debug, Clone)]
struct One {
    key: u8,
    twins: Vec<Twin>,
    when: When,
}

fn one() -> impl Strategy<Value = One> {
    let when = prop_oneof![2 => Just(When::Always), 1 => Just(When::PreviousKnown)];
    (0..KEYS, pairing::witnessed(), when).prop_map(|(key, twins, when)| One { key, twins, when })
}

fn operation() -> impl Strategy<Value = Operation> {
    prop_oneof![
        8 => (0..3u8, vec(one(), 0..8), any::<Option<u8>>())
            .prop_map(|(scope, items, mark)| Operation::Append { scope, items, mark }),
        2 => (0..2u8, 0..60u64).prop_map(|(reader, position)| Operation::Acknowledge { reader, position }),
        1 => (0..2u8).prop_map(Operation::SetReader),
        1 => Just(Operation::Wait),
        1 => Just(Operation::Reopen),
        1 => Just(Operation::Abort),
    ]
}

/// What the journal should be.
#[derive(Default)]
struct Model {
    records: Vec<Stored>,
    pruned: usize,
    keys: BTreeSet<u8>,
    marks: BTreeMap<u8, u8>,
    readers: BTreeMap<u8, u64>,
    unspent: BTreeMap<u8, Unspent>,
}

impl Model {
    fn append(&mut self, scope: u8, items: &[One], mark: Option<u8>) -> Vec<Outcome> {
        self.marks.extend(mark.map(|value| (scope, value)));
        let mut outcomes = Vec::new();
        for item in items {
            outcomes.push(self.append_one(scope, item, outcomes.last()));
        }
        outcomes
    }

    fn append_one(&mut self, scope: u8, item: &One, previous: Option<&Outcome>) -> Outcome {
        if !self.keys.insert(item.key) {
            return Outcome::Known;
        }
        let position = self.head() + 1;
        let unspent = self.unspent.entry(scope).or_default();
        if unspent.spend(&item.twins) {
            return Outcome::Paired;
        }
        let is_told = item.when == When::Always || previous == Some(&Outcome::Known);
        let Some(bytes) = bytes(item.key).filter(|_| is_told) else {
            unspent.wait(item.twins.iter().filter(|twin| twin.side == TwinSide::Log).copied());
            return Outcome::Noted;
        };
        unspent.wait(item.twins.iter().copied());
        self.records.push(Stored { position, at_ms: 0, bytes });
        Outcome::Stored(position)
    }

    fn head(&self) -> u64 {
        self.records.len() as u64
    }

    fn prune(&mut self) {
        self.pruned = self.pruned.max(self.records.len().saturating_sub(KEPT));
    }
}

fn bytes(key: u8) -> Option<Vec<u8>> {
    (key % 4 != 1).then(|| vec![key; RECORD_BYTES])
}

fn batch(scope: u8, items: &[One], mark: Option<u8>) -> Batch {
    let item = |one: &One| Item {
        key: [one.key; 16],
        twins: one.twins.clone(),
        bytes: bytes(one.key),
        when: one.when,
    };
    let mark = mark.map(|value| Mark { name: "log".into(), value: vec![value] });
    Batch {
        scope: scope.to_string().into(),
        items: items.iter().map(item).collect(),
        marks: mark.into_iter().collect(),
    }
}

async fn open(directory: &Path) -> (Journal, JoinSet<()>) {
    let retention =
        Retention { max_age: Duration::from_secs(1 << 30), max_size: (KEPT * RECORD_BYTES) as u64 };
    let location = Location::Directory(directory.to_owned());
    let (journal, writer) = Journal::open(location, retention, Arc::new(|| 0)).await.unwrap();
    let mut writers = JoinSet::new();
    writers.spawn(writer.run());
    (journal, writers)
}

async fn check(operations: Vec<Operation>) {
    // In memory where the system has such a directory: no power is cut here, so a sync need not wait for a disk.
    let directory = tempfile::tempdir_in("/dev/shm").unwrap_or_else(|_| tempfile::tempdir().unwrap());
    let mut model = Model::default();
    let (mut journal, mut writers) = open(directory.path()).await;
    for operation in operations {
        match operation {
            Operation::Append { scope, items, mark } => {
                let appended = journal.append(batch(scope, &items, mark)).await.unwrap();
                assert_eq!(appended.outcomes, model.append(scope, &items, mark));
            }
            Operation::SetReader(reader) => journal.set_readers(vec![reader.to_string()]).await.unwrap(),
            Operation::Acknowledge { reader, position } => {
                journal.acknowledge(&reader.to_string(), position).await.unwrap();
                let head = model.head();
                let stands = model.readers.entry(reader).or_default();
                *stands = position.min(head).max(*stands);
            }
            Operation::Wait => {
                tokio::time::sleep(Duration::from_secs(61)).await;
                model.prune();
            }
            Operation::Reopen => {
                journal.close();
                writers.join_next().await.unwrap().unwrap();
                (journal, writers) = open(directory.path()).await;
            }
            Operation::Abort => {
                writers.shutdown().await;
                (journal, writers) = open(directory.path()).await;
            }
        }
        compare(&journal, &mut model).await;
    }
    assert_eq!(journal.verify().await.unwrap(), [""; 0]);
}

async fn compare(journal: &Journal, model: &mut Model) {
    assert_eq!(*journal.head().borrow(), model.head());
    let all = ReadLimit { records: usize::MAX, bytes: usize::MAX };
    let stored = journal.read_after(0, all).await.unwrap();
    // Retention may come earlier than the model's, at opening; it never takes more.
    let at_most = model.records.len().saturating_sub(KEPT);
    let pruned = model.records.len() - stored.len();
    assert!((model.pruned..=at_most.max(model.pruned)).contains(&pruned), "{pruned} of {at_most}");
    model.pruned = pruned;
    assert_eq!(stored, model.records[pruned..]);
    let known = journal.known((0..KEYS).map(|key| [key; 16]).collect()).await.unwrap();
    assert!((0..KEYS).zip(known).all(|(key, known)| known == model.keys.contains(&key)));
    for scope in 0..3 {
        let expected = model.marks.get(&scope).map(|value| vec![*value]);
        assert_eq!(journal.mark(&scope.to_string(), "log").await.unwrap(), expected);
    }
    for reader in 0..2 {
        let expected = model.readers.get(&reader).copied().unwrap_or(0);
        assert_eq!(journal.position(&reader.to_string()).await.unwrap(), expected);
    }
}

proptest! {
    #![proptest_config(ProptestConfig { cases: 128, failure_persistence: None, ..ProptestConfig::default() })]

    #[test]
    fn a_journal_is_a_vector_that_survives_reopening(operations in vec(operation(), 1..40)) {
        let runtime =
            tokio::runtime::Builder::new_current_thread().enable_time().start_paused(true).build().unwrap();
        runtime.block_on(check(operations));
    }
}
