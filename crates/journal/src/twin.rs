//! Twins in the database: unmatched items of either witness, waiting for the other's report of the same thing.
//!
//! It promises that each item is spent at most once, and that the nearest in time that does not contradict is taken. An item owns a range of
//! row numbers, so that all its contents go at once, without an index. What a content is, the caller knows.

use rusqlite::{Connection, params};

use crate::{Twin, TwinSide, totals::Totals};

/// Contents an item may have; the surest come first, further ones are not looked at. Row numbers are built on it.
const CONTENTS_MAX: usize = 16;

/// Row numbers set aside for an item: one per content.
const ROWS_PER_ITEM: i64 = 16;

/// What an hour of the index has, in milliseconds; the statements write it out, as SQLite only uses an index on an expression
/// where the very expression is asked for.
const HOUR_MS: i64 = 3_600_000;

/// No window is wider, whatever is asked: each hour within it is a look of its own.
const WINDOW_MAX_MS: i64 = 24 * HOUR_MS;

/// Whether the other witness had told the same.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Partner {
    /// It had, and its item is used up now.
    Spent,
    /// Not yet.
    None,
}

/// Finds the unspent item of the other side that tells the same and spends it.
pub(crate) fn spend_partner(
    connection: &Connection,
    totals: &Totals,
    scope: i64,
    twins: &[Twin],
) -> rusqlite::Result<Partner> {
    for twin in twins.iter().take(CONTENTS_MAX) {
        if let Some(id) = nearest(connection, totals, scope, twin)? {
            let first = id - id % ROWS_PER_ITEM;
            connection
                .prepare_cached("DELETE FROM twin WHERE id >= ?1 AND id < ?2")?
                .execute([first, first + ROWS_PER_ITEM])?;
            return Ok(Partner::Spent);
        }
    }
    Ok(Partner::None)
}

/// The nearest item of the other side that agrees; the earlier of two that are equally far.
fn nearest(
    connection: &Connection,
    totals: &Totals,
    scope: i64,
    twin: &Twin,
) -> rusqlite::Result<Option<i64>> {
    let reach = totals.widest_window_ms.max(twin.window_ms).min(WINDOW_MAX_MS);
    let (earliest, latest) = (twin.at_ms.saturating_sub(reach), twin.at_ms.saturating_add(reach));
    let hours = |from: i64, to: i64| from / HOUR_MS..=to / HOUR_MS;
    let side = number(other(twin.side));
    // Nearly always there is none, and one look is half of two.
    let mut any = connection.prepare_cached(
        "SELECT 1 FROM twin WHERE scope = ?1 AND at_ms / 3600000 = ?2 AND content = ?3 AND side = ?4",
    )?;
    let mut is_there = false;
    for hour in hours(earliest, latest) {
        is_there |= any.exists(params![scope, hour, twin.content, side])?;
    }
    if !is_there {
        return Ok(None);
    }
    let later = "SELECT id, at_ms, claims FROM twin \
                 WHERE scope = ?1 AND at_ms / 3600000 = ?2 AND content = ?3 AND side = ?4 \
                 AND at_ms BETWEEN ?5 AND ?6 AND at_ms - ?5 <= max(window_ms, ?7) ORDER BY at_ms";
    let earlier = "SELECT id, at_ms, claims FROM twin \
                   WHERE scope = ?1 AND at_ms / 3600000 = ?2 AND content = ?3 AND side = ?4 \
                   AND at_ms BETWEEN ?6 AND ?5 AND ?5 - at_ms <= max(window_ms, ?7) ORDER BY at_ms DESC";
    let seek = |sql, hours: &mut dyn Iterator<Item = i64>, limit: i64| -> rusqlite::Result<_> {
        let mut statement = connection.prepare_cached(sql)?;
        for hour in hours {
            let values = params![scope, hour, twin.content, side, twin.at_ms, limit, twin.window_ms];
            let rows = statement.query_map(values, |row| Ok((row.get(0)?, row.get(1)?, row.get(2)?)))?;
            for row in rows {
                let (id, at_ms, claims): (i64, i64, i64) = row?;
                if agree(packed(twin.claims), claims) {
                    return Ok(Some((id, at_ms)));
                }
            }
        }
        Ok(None)
    };
    let after = seek(later, &mut hours(twin.at_ms, latest), latest)?;
    let before = seek(earlier, &mut hours(earliest, twin.at_ms).rev(), earliest)?;
    let nearest = [before, after].into_iter().flatten().min_by_key(|(_, at_ms)| at_ms.abs_diff(twin.at_ms));
    Ok(nearest.map(|(id, _)| id))
}

/// Stores an item's twins, to be found by the other side.
pub(crate) fn insert<'t>(
    connection: &Connection,
    totals: &mut Totals,
    scope: i64,
    noted_ms: i64,
    twins: impl Iterator<Item = &'t Twin>,
) -> rusqlite::Result<()> {
    let first = (totals.twin_items + 1).cast_signed() * ROWS_PER_ITEM;
    let mut insert = connection.prepare_cached(
        "INSERT INTO twin(id, scope, content, side, at_ms, window_ms, claims, noted_ms) \
         VALUES(?1, ?2, ?3, ?4, ?5, ?6, ?7, ?8)",
    )?;
    for (id, twin) in (first..).zip(twins.take(CONTENTS_MAX)) {
        totals.twin_items = (id / ROWS_PER_ITEM).cast_unsigned();
        totals.widest_window_ms = totals.widest_window_ms.max(twin.window_ms);
        let side = number(twin.side);
        let claims = packed(twin.claims);
        insert.execute(params![
            id,
            scope,
            twin.content,
            side,
            twin.at_ms,
            twin.window_ms,
            claims,
            noted_ms
        ])?;
    }
    Ok(())
}

/// Deletes the oldest rows noted before `before_ms`, at most `limit` of them; how many went.
pub(crate) fn prune(connection: &Connection, before_ms: i64, limit: u32) -> rusqlite::Result<usize> {
    connection
        .prepare_cached(
            "DELETE FROM twin WHERE id <= (SELECT max(id) FROM \
             (SELECT id, noted_ms FROM twin ORDER BY id LIMIT ?2) WHERE noted_ms < ?1)",
        )?
        .execute(params![before_ms, limit])
}

/// Whether two packed claims have no half in which both say something, and not the same.
fn agree(one: i64, other: i64) -> bool {
    let halves = [i64::from(u32::MAX), !i64::from(u32::MAX)];
    halves.iter().all(|half| {
        let (one, other) = (one & half, other & half);
        one == 0 || other == 0 || one == other
    })
}

fn packed([first, second]: [u32; 2]) -> i64 {
    (u64::from(first) << 32 | u64::from(second)).cast_signed()
}

fn other(side: TwinSide) -> TwinSide {
    match side {
        TwinSide::Log => TwinSide::Stream,
        TwinSide::Stream => TwinSide::Log,
    }
}

fn number(side: TwinSide) -> i64 {
    match side {
        TwinSide::Log => 0,
        TwinSide::Stream => 1,
    }
}
