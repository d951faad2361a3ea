//! Retention: which records may be deleted, and deleting them a slice at a time.
//!
//! It promises that the oldest go first, that each deletion is counted as delivered or as loss, and that a slice is
//! short enough for appends to go on between two. Keys are not touched: they outlive their records. The pages that become
//! free stay in the file, and new records take them.

use std::time::Duration;

use rusqlite::{Connection, TransactionBehavior};

use crate::{Position, totals::Totals, twin};

/// What may be deleted.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Retention {
    /// Records older than this go, by the wall clock at appending.
    pub max_age: Duration,
    /// When the records take more bytes than this, the oldest go.
    pub max_size: u64,
}

/// Rows deleted in one transaction: a few milliseconds, so that an append hardly waits.
const SLICE_ROWS: u32 = 1000;

/// How long an unmatched item waits for the other witness: no BMC replays its stream after a month.
const TWIN_AGE_MAX: Duration = Duration::from_hours(30 * 24);

/// What one slice did.
#[derive(Debug, Clone, Copy)]
pub(crate) struct Slice {
    pub(crate) totals: Totals,
    pub(crate) rest: Rest,
}

/// Whether another slice is due at once.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Rest {
    More,
    Nothing,
}

/// Deletes one slice of what is too old or too much.
pub(crate) fn prune(
    connection: &mut Connection,
    mut totals: Totals,
    retention: Retention,
    now_ms: i64,
) -> rusqlite::Result<Slice> {
    let transaction = connection.transaction_with_behavior(TransactionBehavior::Immediate)?;
    let doomed = oldest_doomed(&transaction, totals.bytes, retention, now_ms)?;
    if let Some(last) = doomed.last {
        let delivered = slowest_reader(&transaction)?.map_or(last, |slowest| slowest.min(last));
        let count = |up_to: Position| -> rusqlite::Result<u64> {
            transaction
                .prepare_cached("SELECT count(*) FROM record WHERE position <= ?1")?
                .query_row([up_to.cast_signed()], |row| row.get::<_, i64>(0).map(i64::cast_unsigned))
        };
        let delivered = count(delivered)?;
        totals.pruned_delivered += delivered;
        totals.pruned_undelivered += doomed.records - delivered;
        totals.records = totals.records.saturating_sub(doomed.records);
        totals.bytes = totals.bytes.saturating_sub(doomed.bytes);
        transaction
            .prepare_cached("DELETE FROM record WHERE position <= ?1")?
            .execute([last.cast_signed()])?;
    }
    let twins = twin::prune(&transaction, now_ms.saturating_sub(millis(TWIN_AGE_MAX)), SLICE_ROWS)?;
    if doomed.records == 0 && twins == 0 {
        drop(transaction);
    } else {
        totals.save(&transaction)?;
        transaction.commit()?;
    }
    let full = doomed.records == u64::from(SLICE_ROWS) || twins == SLICE_ROWS as usize;
    let rest = if full { Rest::More } else { Rest::Nothing };
    Ok(Slice { totals, rest })
}

/// A record as retention sees it.
struct Old {
    position: Position,
    at_ms: i64,
    bytes: u64,
}

/// What goes in one slice.
#[derive(Debug, Default, PartialEq, Eq)]
struct Doomed {
    last: Option<Position>,
    records: u64,
    bytes: u64,
}

/// Of the oldest records, in order, those that must go: up to the first that is young enough while the size fits.
/// A clock that ran ahead for a while so keeps records longer; the size still holds.
fn doomed(
    oldest: impl Iterator<Item = rusqlite::Result<Old>>,
    stored_bytes: u64,
    retention: Retention,
    now_ms: i64,
) -> rusqlite::Result<Doomed> {
    let born_before = now_ms.saturating_sub(millis(retention.max_age));
    let mut doomed = Doomed::default();
    for old in oldest {
        let old = old?;
        let left = stored_bytes.saturating_sub(doomed.bytes);
        if old.at_ms >= born_before && left <= retention.max_size {
            break;
        }
        doomed.last = Some(old.position);
        doomed.records += 1;
        doomed.bytes += old.bytes;
    }
    Ok(doomed)
}

/// Reads no further than the first record that stays.
fn oldest_doomed(
    connection: &Connection,
    stored_bytes: u64,
    retention: Retention,
    now_ms: i64,
) -> rusqlite::Result<Doomed> {
    let mut query = connection
        .prepare_cached("SELECT position, at_ms, length(bytes) FROM record ORDER BY position LIMIT ?1")?;
    let rows = query.query_map([SLICE_ROWS], |row| {
        Ok(Old {
            position: row.get::<_, i64>(0)?.cast_unsigned(),
            at_ms: row.get(1)?,
            bytes: row.get::<_, i64>(2)?.cast_unsigned(),
        })
    })?;
    doomed(rows, stored_bytes, retention, now_ms)
}

fn slowest_reader(connection: &Connection) -> rusqlite::Result<Option<Position>> {
    connection
        .prepare_cached("SELECT min(position) FROM reader WHERE present = 1")?
        .query_row([], |row| row.get::<_, Option<i64>>(0))
        .map(|slowest| slowest.map(i64::cast_unsigned))
}

fn millis(duration: Duration) -> i64 {
    i64::try_from(duration.as_millis()).unwrap_or(i64::MAX)
}

#[cfg(test)]
mod tests {
    use super::*;

    /// Ten records of 10 bytes, positions 1 to 10, appended at the given times; the last position that goes.
    fn check(at_ms: [i64; 10], max_age_ms: u64, max_size: u64, expected: Option<Position>) {
        let old = |(at_ms, position)| Old { position, at_ms, bytes: 10 };
        let oldest = at_ms.into_iter().zip(1..).map(old).map(Ok);
        let retention = Retention { max_age: Duration::from_millis(max_age_ms), max_size };
        let found = doomed(oldest, 100, retention, 100).unwrap();
        assert_eq!(found.last, expected);
        assert_eq!((found.records, found.bytes), (expected.unwrap_or(0), expected.unwrap_or(0) * 10));
    }

    #[test]
    fn what_is_young_and_fits_stays() {
        check([0; 10], 100, 100, None);
    }

    #[test]
    fn what_is_older_than_the_age_goes() {
        check([0, 10, 20, 30, 40, 50, 60, 70, 80, 90], 50, 100, Some(5));
    }

    #[test]
    fn what_does_not_fit_goes_however_young() {
        check([100; 10], 50, 65, Some(4));
        check([100; 10], 50, 0, Some(10));
    }

    #[test]
    fn a_clock_that_ran_ahead_keeps_records_longer_but_not_beyond_the_size() {
        check([0, 0, 999, 0, 0, 0, 0, 0, 0, 0], 50, 100, Some(2));
        check([0, 0, 999, 0, 0, 0, 0, 0, 0, 0], 50, 70, Some(10));
    }
}
