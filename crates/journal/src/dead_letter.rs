//! Dead letters: records that a reader's peer will never take, kept for a person to look at.
//!
//! They are copies, so they outlive the records in the journal. It promises that a letter is durable before the reader
//! moves past its record, when it is put aside before that is acknowledged. Not here: why a record was refused, and
//! whether it was the record's fault (the reader's business).

use rusqlite::{Connection, params};

use crate::Position;

/// Letters kept per reader; beyond, the oldest go and are counted. Enough to see what they have in common; a peer that
/// refuses more needs a person, not a larger table. Of records with 2 KiB each they are 2 MB.
pub const DEAD_LETTERS_MAX: u32 = 1000;

/// Older programs do not look at this table, and newer ones make it where it is absent: the format stays what it was.
pub(crate) const SCHEMA: &str = "
    CREATE TABLE IF NOT EXISTS dead_letter(
        reader TEXT NOT NULL, position INTEGER NOT NULL, error TEXT NOT NULL, at_ms INTEGER NOT NULL,
        bytes BLOB NOT NULL, PRIMARY KEY(reader, position));
";

/// A record that was put aside.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct DeadLetter {
    /// Where it stood in the journal.
    pub position: Position,
    /// What was said of it.
    pub error: String,
    /// The bytes that were appended.
    pub bytes: Vec<u8>,
}

/// A dead letter as it is kept.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct KeptLetter {
    /// The letter.
    pub letter: DeadLetter,
    /// When it was put aside, in milliseconds since 1970.
    pub at_ms: i64,
}

/// Keeps letters, the same position once; answers how many older ones had to go.
pub(crate) fn put_aside(
    connection: &Connection,
    reader: &str,
    letters: &[DeadLetter],
    now_ms: i64,
) -> rusqlite::Result<u64> {
    let mut keep = connection.prepare_cached(
        "INSERT INTO dead_letter VALUES(?1, ?2, ?3, ?4, ?5) \
         ON CONFLICT DO UPDATE SET error = excluded.error, at_ms = excluded.at_ms",
    )?;
    for letter in letters {
        keep.execute(params![reader, letter.position.cast_signed(), letter.error, now_ms, letter.bytes])?;
    }
    let gone = connection
        .prepare_cached(
            "DELETE FROM dead_letter WHERE reader = ?1 AND position <= (SELECT position FROM dead_letter \
             WHERE reader = ?1 ORDER BY position DESC LIMIT 1 OFFSET ?2)",
        )?
        .execute(params![reader, DEAD_LETTERS_MAX])?;
    Ok(gone as u64)
}

/// Letters of a reader after a position, oldest first.
pub(crate) fn letters_after(
    connection: &Connection,
    reader: &str,
    after: Position,
    limit: u32,
) -> rusqlite::Result<Vec<KeptLetter>> {
    connection
        .prepare_cached(
            "SELECT position, error, at_ms, bytes FROM dead_letter WHERE reader = ?1 AND position > ?2 \
             ORDER BY position LIMIT ?3",
        )?
        .query_map(params![reader, after.min(Position::MAX / 2).cast_signed(), limit], |row| {
            let letter = DeadLetter {
                position: row.get::<_, i64>(0)?.cast_unsigned(),
                error: row.get(1)?,
                bytes: row.get(3)?,
            };
            Ok(KeptLetter { letter, at_ms: row.get(2)? })
        })?
        .collect()
}

/// How many letters each reader has, those that exist no more included.
pub(crate) fn counts(connection: &Connection) -> rusqlite::Result<Vec<(String, u64)>> {
    connection
        .prepare_cached("SELECT reader, count(*) FROM dead_letter GROUP BY reader ORDER BY reader")?
        .query_map([], |row| Ok((row.get(0)?, row.get::<_, i64>(1)?.cast_unsigned())))?
        .collect()
}
