//! Twins are paired as a search through a plain list of all unspent items would pair them.

#![expect(clippy::unwrap_used, reason = "in a test a panic is the report")]

use std::{sync::Arc, time::Duration};

use journal::{Batch, Item, Journal, Location, Outcome, Retention, Twin, TwinSide};
use proptest::{collection::vec, prelude::*};
use tokio::task::JoinSet;

/// An item of one side with one time; contents, windows and times from few, so that many meet.
fn witnessed() -> impl Strategy<Value = Vec<Twin>> {
    (any::<bool>(), 0..30i64, vec((0..4u8, 0..6i64), 0..3)).prop_map(|(log, at_ms, contents)| {
        let side = if log { TwinSide::Log } else { TwinSide::Stream };
        let twin = |(content, window_ms)| Twin { side, content: [content; 16], at_ms, window_ms };
        contents.into_iter().map(twin).collect()
    })
}

/// The unspent items, in the order in which they came.
#[derive(Default)]
struct Unspent(Vec<(usize, Twin)>);

impl Unspent {
    /// Whether the item is paired; if so its partner is spent, else it waits.
    fn pair(&mut self, number: usize, twins: &[Twin]) -> bool {
        for twin in twins {
            if let Some(partner) = self.nearest(twin) {
                self.0.retain(|(number, _)| *number != partner);
                return true;
            }
        }
        self.0.extend(twins.iter().map(|twin| (number, *twin)));
        false
    }

    /// Nearest in time; of two as near the earlier; of two at once the one that came last if it is not later.
    fn nearest(&self, twin: &Twin) -> Option<usize> {
        let fits = |other: &Twin| {
            let apart = other.at_ms.abs_diff(twin.at_ms).cast_signed();
            other.side != twin.side
                && other.content == twin.content
                && apart <= twin.window_ms.max(other.window_ms)
        };
        let rank = |number: usize, other: &Twin| {
            let later = other.at_ms > twin.at_ms;
            let order = i64::try_from(number).unwrap();
            (other.at_ms.abs_diff(twin.at_ms), later, if later { order } else { -order })
        };
        let fitting = self.0.iter().filter(|(_, other)| fits(other));
        fitting.min_by_key(|(number, other)| rank(*number, other)).map(|(number, _)| *number)
    }
}

async fn check(items: Vec<Vec<Twin>>, batch_size: usize) {
    let retention = Retention { max_age: Duration::from_secs(1 << 30), max_size: u64::MAX };
    let (journal, writer) = Journal::open(Location::Memory, retention, Arc::new(|| 0)).await.unwrap();
    let mut writers = JoinSet::new();
    writers.spawn(writer.run());
    let mut unspent = Unspent::default();
    let numbered: Vec<_> = items.into_iter().enumerate().collect();
    for batch in numbered.chunks(batch_size) {
        let item = |(number, twins): &(usize, Vec<Twin>)| Item {
            key: (*number as u128).to_be_bytes(),
            twins: twins.clone(),
            bytes: Some(Vec::new()),
        };
        let items = batch.iter().map(item).collect();
        let appended = journal.append(Batch { scope: "bmc".into(), items, marks: Vec::new() }).await.unwrap();
        for ((number, twins), outcome) in batch.iter().zip(appended.outcomes) {
            let paired = unspent.pair(*number, twins);
            assert_eq!(outcome == Outcome::Paired, paired, "item {number}: {twins:?}");
        }
    }
}

proptest! {
    #![proptest_config(ProptestConfig { cases: 200, failure_persistence: None, ..ProptestConfig::default() })]

    #[test]
    fn pairs_are_those_of_a_search_through_a_list(items in vec(witnessed(), 1..60), batch_size in 1..9usize) {
        let runtime =
            tokio::runtime::Builder::new_current_thread().enable_time().start_paused(true).build().unwrap();
        runtime.block_on(check(items, batch_size));
    }
}
