//! The totals: what the journal knows about itself without counting, kept in one row and changed with every commit.
//!
//! They make opening and `stat` cheap whatever the number of records. They are plain values: a transaction works on a
//! copy, and only when it has committed does the copy count.

use rusqlite::Connection;

use crate::Position;

/// One row of numbers.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub(crate) struct Totals {
    /// Newest position ever given; it stays when every record has been deleted.
    pub(crate) head: Position,
    /// Stored records.
    pub(crate) records: u64,
    /// Their bytes.
    pub(crate) bytes: u64,
    /// Remembered keys.
    pub(crate) keys: u64,
    /// Deleted records that every reader had had.
    pub(crate) pruned_delivered: u64,
    /// Deleted records that some reader had not had.
    pub(crate) pruned_undelivered: u64,
    /// Items that have been given twin rows, ever: the next such item's number.
    pub(crate) twin_items: u64,
    /// The widest window of any twin ever stored, in milliseconds: no partner is further away.
    pub(crate) widest_window_ms: i64,
}

impl Totals {
    pub(crate) fn load(connection: &Connection) -> rusqlite::Result<Self> {
        connection
            .prepare_cached(
                "SELECT head, records, bytes, keys, pruned_delivered, pruned_undelivered, twin_items, \
                 widest_window_ms FROM totals",
            )?
            .query_row([], |row| {
                let number = |column| row.get::<_, i64>(column).map(i64::cast_unsigned);
                Ok(Self {
                    head: number(0)?,
                    records: number(1)?,
                    bytes: number(2)?,
                    keys: number(3)?,
                    pruned_delivered: number(4)?,
                    pruned_undelivered: number(5)?,
                    twin_items: number(6)?,
                    widest_window_ms: row.get(7)?,
                })
            })
    }

    pub(crate) fn save(&self, connection: &Connection) -> rusqlite::Result<()> {
        connection
            .prepare_cached(
                "UPDATE totals SET head = ?1, records = ?2, bytes = ?3, keys = ?4, pruned_delivered = ?5, \
                 pruned_undelivered = ?6, twin_items = ?7, widest_window_ms = ?8",
            )?
            .execute([
                self.head.cast_signed(),
                self.records.cast_signed(),
                self.bytes.cast_signed(),
                self.keys.cast_signed(),
                self.pruned_delivered.cast_signed(),
                self.pruned_undelivered.cast_signed(),
                self.twin_items.cast_signed(),
                self.widest_window_ms,
            ])?;
        Ok(())
    }
}
