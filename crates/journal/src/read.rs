//! What comes out of the journal: stored records in order, and what is asked by name.
//!
//! Every read is a short transaction: a snapshot that is held keeps the write-ahead log from being reused, and the
//! file stays as large as it has become.

use rusqlite::{Connection, OptionalExtension, Rows};

use crate::{Key, Position};

/// A stored record.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Stored {
    /// Its place in the journal.
    pub position: Position,
    /// When it was appended, in milliseconds since 1970: what retention goes by.
    pub at_ms: i64,
    /// The bytes that were appended.
    pub bytes: Vec<u8>,
}

/// How much one read may return; whichever is reached first, but always one record if there is one.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct ReadLimit {
    /// Records at most.
    pub records: usize,
    /// Bytes at most.
    pub bytes: usize,
}

/// Records after a position, oldest first.
pub(crate) fn records_after(
    connection: &Connection,
    after: Position,
    limit: ReadLimit,
) -> rusqlite::Result<Vec<Stored>> {
    let mut query = connection
        .prepare_cached("SELECT position, at_ms, bytes FROM record WHERE position > ?1 ORDER BY position")?;
    take(query.query([after.min(Position::MAX / 2).cast_signed()])?, limit)
}

/// The first of these rows (position, `at_ms`, bytes) that fit the limit.
pub(crate) fn take(mut rows: Rows<'_>, limit: ReadLimit) -> rusqlite::Result<Vec<Stored>> {
    let mut found = Vec::new();
    let mut bytes = 0;
    while found.is_empty() || found.len() < limit.records {
        let Some(row) = rows.next()? else { break };
        let blob = row.get_ref(2)?.as_blob()?;
        bytes += blob.len();
        if bytes > limit.bytes && !found.is_empty() {
            break;
        }
        let position = row.get::<_, i64>(0)?.cast_unsigned();
        found.push(Stored { position, at_ms: row.get(1)?, bytes: blob.to_vec() });
    }
    Ok(found)
}

/// Which of these keys are known, in their order.
pub(crate) fn known(connection: &Connection, keys: &[Key]) -> rusqlite::Result<Vec<bool>> {
    let transaction = connection.unchecked_transaction()?;
    let mut query = transaction.prepare_cached("SELECT 1 FROM seen WHERE key = ?1")?;
    keys.iter().map(|key| query.exists([&key[..]])).collect()
}

/// The value of a mark.
pub(crate) fn mark(connection: &Connection, scope: &str, name: &str) -> rusqlite::Result<Option<Vec<u8>>> {
    connection
        .prepare_cached(
            "SELECT value FROM mark JOIN scope ON scope.id = mark.scope WHERE scope.name = ?1 AND mark.name = ?2",
        )?
        .query_row([scope, name], |row| row.get(0))
        .optional()
}

/// Where a reader stands; 0 if it was never seen.
pub(crate) fn position(connection: &Connection, reader: &str) -> rusqlite::Result<Position> {
    connection
        .prepare_cached("SELECT position FROM reader WHERE name = ?1")?
        .query_row([reader], |row| row.get::<_, i64>(0))
        .optional()
        .map(|found| found.unwrap_or(0).cast_unsigned())
}
