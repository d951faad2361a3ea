//! What of a batch reaches the sink: what its filter lets through and what is not too old for it.
//!
//! Pure; it is handed the time. What stays behind is counted, and the position moves past it all the same.

use std::{sync::Arc, time::Duration};

use journal::{Position, Stored};
use model::codec;

use crate::Filter;

/// What an operator wants to reach the sink.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Selection {
    /// Which records.
    pub filter: Filter,
    /// Records that have been in the journal for longer are skipped and counted as expired; `None` waits for ever.
    pub max_lag: Option<Duration>,
}

/// A batch, sorted.
#[derive(Debug, Default, PartialEq, Eq)]
pub(crate) struct Selected {
    /// What is to be delivered.
    pub(crate) kept: Arc<[Stored]>,
    /// How many the filter held back.
    pub(crate) filtered: u64,
    /// How many were too old.
    pub(crate) expired: u64,
}

impl Selection {
    /// Records up to `counted` were selected before, in a batch that was not delivered; what the filter holds back of them is
    /// counted already. What is too old is passed at once, so it does not come again.
    pub(crate) fn select(&self, batch: Vec<Stored>, counted: Position, now_ms: i64) -> Selected {
        let born_before = self.max_lag.map(|lag| {
            let lag = i64::try_from(lag.as_millis()).unwrap_or(i64::MAX);
            now_ms.saturating_sub(lag)
        });
        let mut selected = Selected::default();
        let mut kept = Vec::with_capacity(batch.len());
        for stored in batch {
            if born_before.is_some_and(|limit| stored.at_ms < limit) {
                selected.expired += 1;
            } else if self.fits(&stored) {
                kept.push(stored);
            } else {
                selected.filtered += u64::from(stored.position > counted);
            }
        }
        selected.kept = kept.into();
        selected
    }

    /// A record that cannot be read is not held back: what it is, nobody knows.
    fn fits(&self, stored: &Stored) -> bool {
        self.filter.is_open()
            || codec::decode(stored.position, &stored.bytes)
                .map_or(true, |record| self.filter.passes(&record))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_is_older_than_the_lag_expires_and_what_cannot_be_read_passes_the_filter() {
        let stored = |position, at_ms| Stored { position, at_ms, bytes: b"?".to_vec() };
        let kinds = vec![model::Kind::Gap];
        let selection = Selection {
            filter: Filter { kinds, ..Filter::default() },
            max_lag: Some(Duration::from_millis(50)),
        };
        let selected = selection.select(vec![stored(1, 49), stored(2, 50), stored(3, 10)], 0, 100);
        assert_eq!(selected, Selected { kept: [stored(2, 50)].into(), filtered: 0, expired: 2 });
        let all = Selection::default().select(vec![stored(1, i64::MIN)], 0, i64::MAX);
        assert_eq!(all.kept.len(), 1);
    }
}
