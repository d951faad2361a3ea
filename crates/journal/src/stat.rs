//! Numbers about the journal, for metrics and for people. Reading them costs the same whatever the journal holds.

use std::time::Duration;

use rusqlite::Connection;

use crate::{Position, dead_letter, totals::Totals};

/// Numbers about the journal, for metrics and `journal stat`.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Stat {
    /// Newest position.
    pub head: Position,
    /// Oldest stored position; 0 when empty.
    pub oldest: Position,
    /// Stored records.
    pub records: u64,
    /// Bytes of the records.
    pub bytes: u64,
    /// Bytes on disk, the write-ahead log included; 0 in memory.
    pub file_bytes: u64,
    /// Remembered keys.
    pub keys: u64,
    /// Commits that succeeded since opening.
    pub commits: u64,
    /// Commits that failed since opening.
    pub failed_commits: u64,
    /// Items in the commits that succeeded since opening, duplicates included.
    pub committed_items: u64,
    /// How long the newest commit took.
    pub last_commit: Duration,
    /// How long all commits since opening took together.
    pub total_commit: Duration,
    /// Named readers and their positions; only those that exist now.
    pub readers: Vec<(String, Position)>,
    /// Records deleted by retention that every reader had had.
    pub pruned_delivered: u64,
    /// Records deleted by retention that some reader had not had: loss for that reader.
    pub pruned_undelivered: u64,
    /// Dead letters that are kept, by reader; readers that exist no more are among them.
    pub dead_letters: Vec<(String, u64)>,
    /// Dead letters that had to go for newer ones since opening.
    pub displaced_letters: u64,
}

/// What the writer counts since opening.
#[derive(Debug, Clone, Copy, Default)]
pub(crate) struct Counters {
    pub(crate) commits: u64,
    pub(crate) failed_commits: u64,
    pub(crate) committed_items: u64,
    pub(crate) last_commit: Duration,
    pub(crate) total_commit: Duration,
    pub(crate) displaced_letters: u64,
}

/// Reads what the database knows; the counters and the bytes on disk are the caller's.
pub(crate) fn stat(connection: &Connection, counters: Counters, file_bytes: u64) -> rusqlite::Result<Stat> {
    // One transaction, so that the numbers belong together.
    let transaction = connection.unchecked_transaction()?;
    let totals = Totals::load(&transaction)?;
    let oldest = transaction
        .prepare_cached("SELECT min(position) FROM record")?
        .query_row([], |row| row.get::<_, Option<i64>>(0))?;
    let readers = transaction
        .prepare_cached("SELECT name, position FROM reader WHERE present = 1 ORDER BY name")?
        .query_map([], |row| Ok((row.get(0)?, row.get::<_, i64>(1)?.cast_unsigned())))?
        .collect::<rusqlite::Result<_>>()?;
    Ok(Stat {
        head: totals.head,
        oldest: oldest.unwrap_or(0).cast_unsigned(),
        records: totals.records,
        bytes: totals.bytes,
        file_bytes,
        keys: totals.keys,
        commits: counters.commits,
        failed_commits: counters.failed_commits,
        committed_items: counters.committed_items,
        last_commit: counters.last_commit,
        total_commit: counters.total_commit,
        readers,
        pruned_delivered: totals.pruned_delivered,
        pruned_undelivered: totals.pruned_undelivered,
        dead_letters: dead_letter::counts(&transaction)?,
        displaced_letters: counters.displaced_letters,
    })
}
