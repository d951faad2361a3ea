//! Twins are paired as a search through a plain list of all unspent items would pair them.

use std::{sync::Arc, time::Duration};

use journal::{Batch, Item, Journal, Location, Outcome, Retention, Twin, TwinSide, When};
use proptest::{collection::vec, prelude::*};
use tokio::task::JoinSet;

use crate::unspent::Unspent;

/// An hour of the index begins here.
const HOUR_MS: i64 = 3_600_000;

/// An item of one side with one time; contents, windows, claims and times from few, so that many meet, on both sides of an hour.
pub(crate) fn witnessed() -> impl Strategy<Value = Vec<Twin>> {
    let content = (0..4u8, 0..6i64, [0..3u32, 0..2u32]);
    (any::<bool>(), HOUR_MS - 15..HOUR_MS + 15, vec(content, 0..3)).prop_map(|(log, at_ms, contents)| {
        let side = if log { TwinSide::Log } else { TwinSide::Stream };
        let twin =
            |(content, window_ms, claims)| Twin { side, content: [content; 16], at_ms, window_ms, claims };
        contents.into_iter().map(twin).collect()
    })
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
            when: When::Always,
        };
        let items = batch.iter().map(item).collect();
        let appended = journal.append(Batch { scope: "bmc".into(), items, marks: Vec::new() }).await.unwrap();
        for ((number, twins), outcome) in batch.iter().zip(appended.outcomes) {
            let paired = unspent.spend(twins);
            if !paired {
                unspent.wait(twins.iter().copied());
            }
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
