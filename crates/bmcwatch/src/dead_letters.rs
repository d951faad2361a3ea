//! `bmcwatch sinks dead-letters`: asks the running daemon for them and prints a table, or lines.
//!
//! It asks the running daemon; the journal belongs to one process.

use std::io::{self, Write};

use anyhow::Context;
use serde::{Deserialize, Serialize};
use serde_json::value::RawValue;

use crate::{
    admin_client::AdminClient,
    cli::DeadLetters,
    terminal::{clean, clean_json},
};

/// Letters asked for at a time.
const PAGE_LETTERS: u32 = 200;

#[derive(Deserialize)]
struct Sinks {
    sinks: Vec<Sink>,
}

#[derive(Deserialize)]
struct Sink {
    name: String,
}

#[derive(Deserialize)]
struct Page {
    next: Option<u64>,
    dead_letters: Vec<Letter>,
}

#[derive(Deserialize)]
struct Letter {
    position: u64,
    at: Option<String>,
    error: String,
    record: Option<Box<RawValue>>,
}

#[derive(Serialize)]
struct Line<'a> {
    sink: &'a str,
    position: u64,
    at: Option<&'a str>,
    error: &'a str,
    record: Option<&'a RawValue>,
}

/// Prints what is asked for.
pub(crate) async fn show(daemon: AdminClient, asked: &DeadLetters) -> anyhow::Result<()> {
    let names = if let Some(name) = &asked.sink {
        vec![name.clone()]
    } else {
        let Sinks { sinks } = read(&daemon.get("/api/v1/sinks").await?)?;
        sinks.into_iter().map(|sink| sink.name).collect()
    };
    let mut out = io::stdout().lock();
    if !asked.json {
        writeln!(out, "{:<16} {:>10}  {:<24} ERROR", "SINK", "POSITION", "AT")?;
    }
    for name in &names {
        let mut after = 0;
        loop {
            let path = ["api", "v1", "sinks", name, "dead-letters"];
            let page: Page = read(&daemon.get_after(&path, after, PAGE_LETTERS).await?)?;
            for letter in &page.dead_letters {
                print(&mut out, name, letter, asked.json)?;
            }
            match page.next {
                Some(next) => after = next,
                None => break,
            }
        }
    }
    Ok(())
}

fn read<T: for<'a> Deserialize<'a>>(answer: &[u8]) -> anyhow::Result<T> {
    serde_json::from_slice(answer).context("read the daemon's answer")
}

fn print(out: &mut impl Write, sink: &str, letter: &Letter, json: bool) -> anyhow::Result<()> {
    if json {
        let Letter { position, at, error, record } = letter;
        let (at, record) = (at.as_deref(), record.as_deref());
        let line = serde_json::to_string(&Line { sink, position: *position, at, error, record })?;
        writeln!(out, "{}", clean_json(&line))?;
    } else {
        let at = letter.at.as_deref().unwrap_or("-");
        writeln!(out, "{sink:<16} {:>10}  {at:<24} {}", letter.position, clean(&letter.error))?;
    }
    Ok(())
}
