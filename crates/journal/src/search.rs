//! Searching: where in the journal a time begins, found in a few steps, and reading towards the older.
//!
//! It promises that its cost does not grow with the journal. It goes by the wall clock at appending; where that clock
//! was set back, a time is found at one of the places where it passes. What a record says of itself is not known here.

use rusqlite::{Connection, OptionalExtension};

use crate::{Position, ReadLimit, Stored, read};

/// The last position before the first record that was appended at this time or later: reading after it yields those.
pub(crate) fn before_time(connection: &Connection, at_ms: i64) -> rusqlite::Result<Position> {
    // One transaction: retention deletes from the front meanwhile.
    let transaction = connection.unchecked_transaction()?;
    let bound = |sql| transaction.query_row(sql, [], |row| row.get::<_, Option<i64>>(0));
    let oldest = bound("SELECT min(position) FROM record")?;
    let newest = bound("SELECT max(position) FROM record")?;
    let (Some(oldest), Some(newest)) = (oldest, newest) else {
        return transaction
            .query_row("SELECT head FROM totals", [], |row| Ok(row.get::<_, i64>(0)?.cast_unsigned()));
    };
    let mut at = transaction.prepare_cached("SELECT at_ms FROM record WHERE position = ?1")?;
    // Everything up to `low` is older, everything from `high` on is not.
    let (mut low, mut high) = (oldest - 1, newest + 1);
    while high - low > 1 {
        let middle = low + (high - low) / 2;
        // Only the front is ever deleted; were there a hole all the same, it would count as old.
        let appended: Option<i64> = at.query_row([middle], |row| row.get(0)).optional()?;
        if appended.is_some_and(|appended| appended >= at_ms) { high = middle } else { low = middle }
    }
    Ok(low.cast_unsigned())
}

/// Records before a position, newest first.
pub(crate) fn records_before(
    connection: &Connection,
    before: Position,
    limit: ReadLimit,
) -> rusqlite::Result<Vec<Stored>> {
    let mut query = connection.prepare_cached(
        "SELECT position, at_ms, bytes FROM record WHERE position < ?1 ORDER BY position DESC",
    )?;
    read::take(query.query([before.min(Position::MAX / 2).cast_signed()])?, limit)
}
