//! `bmcwatch journal`: looks at the journal's file itself, whether a daemon runs on it or not, and copies it.
//!
//! Nothing here writes into the journal. Not here: how that is done (crate `journal`).

use std::{
    io::{self, Write},
    path::Path,
};

use anyhow::bail;
use journal::{Stat, Visitor};
use serde::Serialize;

use crate::{
    cli::JournalCommand,
    terminal::{self, clean},
};

#[derive(Serialize)]
struct Numbers<'a> {
    file: String,
    file_bytes: u64,
    head: u64,
    oldest: u64,
    records: u64,
    bytes: u64,
    keys: u64,
    pruned_delivered: u64,
    pruned_undelivered: u64,
    readers: Vec<Reader<'a>>,
}

#[derive(Serialize)]
struct Reader<'a> {
    name: &'a str,
    position: u64,
    lag: u64,
}

/// Does what is asked with the journal of this directory.
pub(crate) fn run(directory: &Path, command: JournalCommand) -> anyhow::Result<()> {
    let visitor = Visitor::open(directory)?;
    match command {
        JournalCommand::Stat { json } => {
            let stat = visitor.stat()?;
            let numbers = numbers(visitor.path(), &stat);
            let text = if json { serde_json::to_string(&numbers)? + "\n" } else { text(&numbers) };
            io::stdout().write_all(text.as_bytes())?;
        }
        JournalCommand::Verify => {
            let stat = visitor.stat()?;
            verify(&visitor)?;
            writeln!(io::stdout(), "sound: {} records, {} keys", stat.records, stat.keys)?;
        }
        JournalCommand::Backup { path } => {
            terminal::note(&format!("copying {} to {}", visitor.path().display(), path.display()));
            visitor.back_up(&path)?;
            let copy = Visitor::open_file(&path)?;
            verify(&copy)?;
            let Stat { records, head, file_bytes, .. } = copy.stat()?;
            writeln!(
                io::stdout(),
                "copied and verified: {records} records up to position {head}, {file_bytes} bytes, in {}",
                path.display()
            )?;
        }
    }
    Ok(())
}

fn verify(visitor: &Visitor) -> anyhow::Result<()> {
    terminal::note(&format!("verifying {} ({} bytes)", visitor.path().display(), visitor.stat()?.file_bytes));
    let problems = visitor.verify()?;
    for problem in &problems {
        writeln!(io::stdout(), "{}", clean(problem))?;
    }
    match problems.len() {
        0 => Ok(()),
        1 => bail!("{} has a problem", visitor.path().display()),
        many => bail!("{} has {many} problems", visitor.path().display()),
    }
}

fn numbers<'a>(path: &Path, stat: &'a Stat) -> Numbers<'a> {
    let reader = |(name, position): &'a (String, u64)| Reader {
        name,
        position: *position,
        lag: stat.head.saturating_sub(*position),
    };
    Numbers {
        file: path.display().to_string(),
        file_bytes: stat.file_bytes,
        head: stat.head,
        oldest: stat.oldest,
        records: stat.records,
        bytes: stat.bytes,
        keys: stat.keys,
        pruned_delivered: stat.pruned_delivered,
        pruned_undelivered: stat.pruned_undelivered,
        readers: stat.readers.iter().map(reader).collect(),
    }
}

fn text(numbers: &Numbers<'_>) -> String {
    let rows = [
        ("file", clean(&numbers.file)),
        ("on disk", format!("{} bytes", numbers.file_bytes)),
        ("records", format!("{} ({} bytes)", numbers.records, numbers.bytes)),
        ("positions", format!("{} to {}", numbers.oldest, numbers.head)),
        ("keys", numbers.keys.to_string()),
        (
            "deleted",
            format!("{} delivered, {} lost to a sink", numbers.pruned_delivered, numbers.pruned_undelivered),
        ),
    ];
    let rows = rows.into_iter().map(|(name, text)| format!("{name:<10} {text}\n"));
    let reader = |reader: &Reader<'_>| {
        format!("{:<10} {} at {}, {} behind\n", "sink", clean(reader.name), reader.position, reader.lag)
    };
    rows.chain(numbers.readers.iter().map(reader)).collect()
}
