//! How near a sink is to losing records to retention: looked at once a minute beside the pump, also while a delivery
//! hangs, and told once when it comes near.
//!
//! [`danger`] decides, without I/O. Not here: the loss itself, which the pump notices and counts.

use std::time::Duration;

use journal::{Journal, Position, ReadLimit, Retention, Stat, Stored};
use model::{Clock, codec};
use tokio::sync::watch;
use tracing::{info, warn};

use crate::SinkView;

/// Between two looks: retention works in minutes at the soonest, and an operator needs hours.
const LOOK_EVERY: Duration = Duration::from_mins(1);

/// What waits is in danger when it has used up this share of the journal's age: half is still days with the default.
const AGE_SHARE: u32 = 2;

/// And when it takes more than this many hundredths of the journal's size.
const SIZE_PERCENT: u128 = 80;

/// What will delete records that the sink has not had.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Danger {
    Age,
    Size,
}

impl Danger {
    fn as_str(self) -> &'static str {
        match self {
            Self::Age => "older than half of [journal] max_age",
            Self::Size => "more than 80 % of [journal] max_size",
        }
    }
}

/// Whether what waits for a sink will soon be deleted.
fn danger(oldest: Duration, waiting_bytes: u128, retention: Retention) -> Option<Danger> {
    if oldest > retention.max_age / AGE_SHARE {
        Some(Danger::Age)
    } else if waiting_bytes * 100 > u128::from(retention.max_size) * SIZE_PERCENT {
        Some(Danger::Size)
    } else {
        None
    }
}

/// What records after `position` take, at the average size of a record.
fn waiting_bytes(position: Position, stat: &Stat) -> u128 {
    let waiting = stat.head.saturating_sub(position).min(stat.records);
    u128::from(stat.bytes) * u128::from(waiting) / u128::from(stat.records.max(1))
}

/// When a stored record was observed.
pub(crate) fn observed_at(stored: &Stored) -> Option<chrono::DateTime<chrono::Utc>> {
    codec::facets(&stored.bytes).ok().map(|facets| facets.observed_at)
}

/// Looks after one sink.
pub(crate) struct LagWatch {
    pub(crate) name: String,
    pub(crate) journal: Journal,
    pub(crate) clock: Clock,
    pub(crate) view: watch::Sender<SinkView>,
}

impl LagWatch {
    /// Looks for ever.
    pub(crate) async fn run(self) {
        let mut told = None;
        loop {
            tokio::time::sleep(LOOK_EVERY).await;
            let found = match self.waiting().await {
                Some((oldest, stat)) => self.judge(&oldest, &stat),
                None => None,
            };
            match (told, found) {
                (None, Some(danger)) => warn!(
                    sink = %self.name, waiting = danger.as_str(),
                    "sink is so far behind that retention will delete records before it has them"
                ),
                (Some(_), None) => info!(sink = %self.name, "sink is no longer near to losing records"),
                (None, None) | (Some(_), Some(_)) => {}
            }
            told = found;
        }
    }

    /// The oldest record that waits, if one does and the journal answers, and what the journal holds.
    async fn waiting(&self) -> Option<(Stored, Stat)> {
        const ONE: ReadLimit = ReadLimit { records: 1, bytes: 1 };
        let position = self.journal.position(&self.name).await.ok()?;
        let oldest = self.journal.read_after(position, ONE).await.ok()?.into_iter().next()?;
        Some((oldest, self.journal.stat().await.ok()?))
    }

    fn judge(&self, oldest: &Stored, stat: &Stat) -> Option<Danger> {
        let observed = observed_at(oldest);
        self.view.send_if_modified(|view| {
            // The pump may have moved on meanwhile; then it has said so.
            let waits = view.position < oldest.position;
            if waits {
                view.oldest_pending_at = observed;
            }
            waits
        });
        let age = self.clock.now().timestamp_millis().saturating_sub(oldest.at_ms);
        let age = Duration::from_millis(u64::try_from(age).unwrap_or(0));
        danger(age, waiting_bytes(oldest.position - 1, stat), self.journal.retention())
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_waits_is_in_danger_well_before_it_is_deleted() {
        let retention = Retention { max_age: Duration::from_hours(10), max_size: 1000 };
        for (hours, bytes, expected) in [
            (0, 0, None),
            (5, 800, None),
            (6, 0, Some(Danger::Age)),
            (0, 801, Some(Danger::Size)),
            (6, 801, Some(Danger::Age)),
        ] {
            assert_eq!(danger(Duration::from_hours(hours), bytes, retention), expected, "{hours} {bytes}");
        }
        let forever = Retention { max_age: Duration::MAX, max_size: u64::MAX };
        assert_eq!(danger(Duration::from_hours(24), 1 << 40, forever), None);
    }

    #[test]
    fn what_waits_is_weighed_by_the_average_record() {
        let stat = Stat { head: 1000, records: 100, bytes: 5000, ..Stat::default() };
        assert_eq!(waiting_bytes(990, &stat), 500);
        assert_eq!(waiting_bytes(0, &stat), 5000, "what is deleted already takes nothing");
        assert_eq!(waiting_bytes(0, &Stat::default()), 0);
    }
}
