//! One commit: a group of requests becomes one transaction.
//!
//! It promises all or nothing for the whole group, and that duplicates are recognised within the group as well as
//! against what is stored. It decides nothing about when to commit, and answers nobody: the writer does, afterwards.

use std::collections::BTreeMap;

use rusqlite::{CachedStatement, Connection, OptionalExtension, TransactionBehavior, params};

use crate::{
    Appended, Batch, DeadLetter, Item, Outcome, Position, TwinSide, When, dead_letter,
    totals::Totals,
    twin::{self, Partner},
};

/// What a request asks for.
#[derive(Debug)]
pub(crate) enum Work {
    /// Store a batch.
    Append(Batch),
    /// Move a reader forward.
    Acknowledge { reader: String, position: Position },
    /// Keep what a reader's peer will never take.
    PutAside { reader: String, letters: Vec<DeadLetter> },
    /// Say which readers there are.
    SetReaders(Vec<String>),
}

impl Work {
    /// What it counts in a group: its items, and one for what comes without.
    pub(crate) fn weight(&self) -> usize {
        match self {
            Self::Append(batch) => batch.items.len().max(1),
            Self::PutAside { letters, .. } => letters.len().max(1),
            Self::Acknowledge { .. } | Self::SetReaders(_) => 1,
        }
    }
}

/// What became of a group: the totals after it and an answer per request.
pub(crate) struct Committed {
    pub(crate) totals: Totals,
    pub(crate) answers: Vec<Appended>,
    /// Dead letters that had to go for newer ones.
    pub(crate) displaced: u64,
}

/// Marks of a group by scope and name: only the newest value of each is written.
type Marks<'g> = BTreeMap<(i64, &'g str), &'g [u8]>;

/// Commits a group; on an error nothing of it is stored.
pub(crate) fn commit<'g>(
    connection: &mut Connection,
    totals: Totals,
    now_ms: i64,
    group: impl Iterator<Item = &'g Work>,
) -> rusqlite::Result<Committed> {
    let transaction = connection.transaction_with_behavior(TransactionBehavior::Immediate)?;
    let mut marks = Marks::new();
    let mut appender = Appender::new(&transaction, totals, now_ms)?;
    let mut answers = Vec::new();
    let mut displaced = 0;
    for work in group {
        let outcomes = match work {
            Work::Append(batch) => {
                let scope = scope_number(&transaction, &batch.scope)?;
                let named =
                    batch.marks.iter().map(|mark| ((scope, mark.name.as_str()), mark.value.as_slice()));
                marks.extend(named);
                let mut outcomes = Vec::with_capacity(batch.items.len());
                for item in &batch.items {
                    outcomes.push(appender.append(scope, item, outcomes.last())?);
                }
                outcomes
            }
            Work::Acknowledge { reader, position } => {
                acknowledge(&transaction, reader, (*position).min(appender.totals.head))?;
                Vec::new()
            }
            Work::PutAside { reader, letters } => {
                displaced += dead_letter::put_aside(&transaction, reader, letters, now_ms)?;
                Vec::new()
            }
            Work::SetReaders(names) => {
                set_readers(&transaction, names)?;
                Vec::new()
            }
        };
        answers.push(Appended { outcomes });
    }
    let totals = appender.totals;
    drop(appender);
    set_marks(&transaction, marks)?;
    totals.save(&transaction)?;
    transaction.commit()?;
    Ok(Committed { totals, answers, displaced })
}

/// Appending within one transaction: the statements that every item needs, and the totals as they grow.
struct Appender<'t> {
    connection: &'t Connection,
    remember: CachedStatement<'t>,
    store: CachedStatement<'t>,
    totals: Totals,
    now_ms: i64,
}

impl<'t> Appender<'t> {
    fn new(connection: &'t Connection, totals: Totals, now_ms: i64) -> rusqlite::Result<Self> {
        let remember = connection.prepare_cached("INSERT INTO seen VALUES(?1) ON CONFLICT DO NOTHING")?;
        let store = connection.prepare_cached("INSERT INTO record VALUES(?1, ?2, ?3)")?;
        Ok(Self { connection, remember, store, totals, now_ms })
    }

    fn append(&mut self, scope: i64, item: &Item, previous: Option<&Outcome>) -> rusqlite::Result<Outcome> {
        if self.remember.execute([&item.key[..]])? == 0 {
            return Ok(Outcome::Known);
        }
        let totals = &mut self.totals;
        totals.keys += 1;
        if twin::spend_partner(self.connection, totals, scope, &item.twins)? == Partner::Spent {
            return Ok(Outcome::Paired);
        }
        let stored_alone = match item.when {
            When::Always => true,
            When::PreviousKnown => previous == Some(&Outcome::Known),
        };
        let Some(bytes) = item.bytes.as_ref().filter(|_| stored_alone) else {
            // Old news from a log: a stream may yet replay it.
            let of_log = item.twins.iter().filter(|twin| twin.side == TwinSide::Log);
            twin::insert(self.connection, totals, scope, self.now_ms, of_log)?;
            return Ok(Outcome::Noted);
        };
        if !item.twins.is_empty() {
            twin::insert(self.connection, totals, scope, self.now_ms, item.twins.iter())?;
        }
        totals.head += 1;
        totals.records += 1;
        totals.bytes += bytes.len() as u64;
        self.store.execute(params![totals.head.cast_signed(), self.now_ms, bytes])?;
        Ok(Outcome::Stored(totals.head))
    }
}

fn set_marks(connection: &Connection, marks: Marks<'_>) -> rusqlite::Result<()> {
    let sql = "INSERT INTO mark VALUES(?1, ?2, ?3) ON CONFLICT DO UPDATE SET value = excluded.value";
    let mut set = connection.prepare_cached(sql)?;
    for ((scope, name), value) in marks {
        set.execute(params![scope, name, value])?;
    }
    Ok(())
}

/// The number that stands for a scope's name in the rows; given at its first appearance.
fn scope_number(connection: &Connection, name: &str) -> rusqlite::Result<i64> {
    let known = connection
        .prepare_cached("SELECT id FROM scope WHERE name = ?1")?
        .query_row([name], |row| row.get(0))
        .optional()?;
    if let Some(number) = known {
        return Ok(number);
    }
    connection.prepare_cached("INSERT INTO scope(name) VALUES(?1)")?.insert([name])
}

fn acknowledge(connection: &Connection, reader: &str, position: Position) -> rusqlite::Result<()> {
    connection
        .prepare_cached(
            "INSERT INTO reader VALUES(?1, ?2, 1) \
             ON CONFLICT DO UPDATE SET position = max(position, excluded.position)",
        )?
        .execute(params![reader, position.cast_signed()])?;
    Ok(())
}

fn set_readers(connection: &Connection, names: &[String]) -> rusqlite::Result<()> {
    connection.execute("UPDATE reader SET present = 0", [])?;
    let mut present = connection
        .prepare_cached("INSERT INTO reader VALUES(?1, 0, 1) ON CONFLICT DO UPDATE SET present = 1")?;
    for name in names {
        present.execute([name])?;
    }
    Ok(())
}
