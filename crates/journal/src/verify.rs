//! Verifying: reads everything and tells what is wrong, in sentences for people.
//!
//! It repairs nothing. A journal that grows meanwhile is no problem: records are read a slice at a time.

use rusqlite::Connection;

use crate::{Position, ReadLimit, read, totals::Totals};

/// Problems told at most: a damaged file has thousands of the same.
const PROBLEMS_MAX: usize = 100;

/// Records read in one transaction.
const SLICE: ReadLimit = ReadLimit { records: 1000, bytes: 8 << 20 };

/// The problems found; none when the journal is sound.
pub(crate) fn verify(connection: &Connection) -> rusqlite::Result<Vec<String>> {
    let mut problems = pages(connection)?;
    if problems.is_empty() {
        sums(connection, &mut problems)?;
        records(connection, &mut problems)?;
    }
    problems.truncate(PROBLEMS_MAX);
    Ok(problems)
}

/// SQLite's own check of its pages and of the order of keys in them.
fn pages(connection: &Connection) -> rusqlite::Result<Vec<String>> {
    let mut check = connection.prepare(&format!("PRAGMA quick_check({PROBLEMS_MAX})"))?;
    let answers =
        check.query_map([], |row| row.get::<_, String>(0))?.collect::<rusqlite::Result<Vec<_>>>()?;
    Ok(answers.into_iter().filter(|answer| answer != "ok").collect())
}

/// The totals are what counting gives, and nobody has read what does not exist.
fn sums(connection: &Connection, problems: &mut Vec<String>) -> rusqlite::Result<()> {
    let transaction = connection.unchecked_transaction()?;
    let totals = Totals::load(&transaction)?;
    let number = |sql| transaction.query_row(sql, [], |row| row.get::<_, i64>(0).map(i64::cast_unsigned));
    for (what, told, sql) in [
        ("records", totals.records, "SELECT count(*) FROM record"),
        ("bytes of records", totals.bytes, "SELECT coalesce(sum(length(bytes)), 0) FROM record"),
        ("keys", totals.keys, "SELECT count(*) FROM seen"),
    ] {
        let counted = number(sql)?;
        if counted != told {
            problems
                .push(format!("{what}: {counted} are stored, {told} were counted when they were written"));
        }
    }
    let newest = number("SELECT coalesce(max(position), 0) FROM record")?;
    if newest > totals.head {
        problems.push(format!("record {newest} is beyond the head, {}", totals.head));
    }
    let mut ahead = transaction.prepare("SELECT name, position FROM reader WHERE position > ?1")?;
    let mut rows = ahead.query([totals.head.cast_signed()])?;
    while let Some(row) = rows.next()? {
        let (name, position) = (row.get::<_, String>(0)?, row.get::<_, i64>(1)?);
        problems.push(format!("reader {name} stands at {position}, beyond the head, {}", totals.head));
    }
    Ok(())
}

/// Every record can be read, and positions increase.
fn records(connection: &Connection, problems: &mut Vec<String>) -> rusqlite::Result<()> {
    let mut after: Position = 0;
    loop {
        let slice = read::records_after(connection, after, SLICE)?;
        if slice.is_empty() || problems.len() >= PROBLEMS_MAX {
            return Ok(());
        }
        for stored in &slice {
            if stored.position <= after {
                problems.push(format!("record {} comes after record {after}", stored.position));
            }
            after = stored.position;
        }
    }
}
