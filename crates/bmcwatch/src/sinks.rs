//! `bmcwatch sinks`: asks the running daemon what its sinks are doing and prints a table.

use std::io::{self, Write};

use anyhow::Context;
use serde::Deserialize;

use crate::{
    admin_client::AdminClient,
    printer::Form,
    terminal::{clean, clean_json},
};

#[derive(Deserialize)]
struct Answer {
    sinks: Vec<Sink>,
}

#[derive(Deserialize)]
struct Sink {
    name: String,
    #[serde(rename = "type")]
    kind: String,
    up: bool,
    ended: bool,
    position: u64,
    lag: u64,
    delivered: u64,
    last_error: Option<String>,
    last_success_at: Option<String>,
}

/// Prints every sink of the daemon.
pub(crate) async fn show(daemon: AdminClient, form: Form) -> anyhow::Result<()> {
    let answer = daemon.get("/api/v1/sinks").await?;
    let text = std::str::from_utf8(&answer).context("read the daemon's answer")?;
    let mut out = io::stdout().lock();
    if form == Form::Lines {
        writeln!(out, "{}", clean_json(text))?;
        return Ok(());
    }
    let answer: Answer = serde_json::from_str(text).context("read the daemon's answer")?;
    write!(out, "{}", table(&answer.sinks))?;
    Ok(())
}

fn table(sinks: &[Sink]) -> String {
    let mut rows = vec![
        ["SINK", "TYPE", "STATE", "POSITION", "LAG", "DELIVERED", "LAST SUCCESS", "WHY"].map(str::to_owned),
    ];
    rows.extend(sinks.iter().map(row));
    let width = |column: usize| rows.iter().map(|row| row[column].chars().count()).max().unwrap_or(0);
    let widths: Vec<usize> = (0..rows[0].len()).map(width).collect();
    let line = |row: &[String; 8]| {
        let cells = row.iter().zip(&widths).enumerate().map(|(column, (cell, width))| match column {
            3..=5 => format!("{cell:>width$}"),
            _ => format!("{cell:<width$}"),
        });
        format!("{}\n", cells.collect::<Vec<_>>().join("  ").trim_end())
    };
    rows.iter().map(line).collect()
}

fn row(sink: &Sink) -> [String; 8] {
    let state = match (sink.up, sink.ended) {
        (_, true) => "ended",
        (true, false) => "up",
        (false, false) => "down",
    };
    // The error of a sink that is up again is history.
    let why = sink.last_error.as_deref().filter(|_| !sink.up).map(clean).unwrap_or_default();
    let [position, lag, delivered] =
        [sink.position, sink.lag, sink.delivered].map(|number| number.to_string());
    let success = sink.last_success_at.as_deref().map_or_else(|| "never".to_owned(), clean);
    [clean(&sink.name), clean(&sink.kind), state.to_owned(), position, lag, delivered, success, why]
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_row_says_whether_a_sink_lags_and_why_it_is_down() {
        let sink = |name: &str, up, lag| Sink {
            name: name.to_owned(),
            kind: "file".to_owned(),
            up,
            ended: false,
            position: 1024,
            lag,
            delivered: 24,
            last_error: Some("append: \u{1b}[2J full".to_owned()),
            last_success_at: Some("2026-11-20T14:02:09Z".to_owned()),
        };
        let expected = concat!(
            "SINK       TYPE  STATE  POSITION  LAG  DELIVERED  LAST SUCCESS          WHY\n",
            "archive    file  up         1024    0         24  2026-11-20T14:02:09Z\n",
            "elsewhere  file  down       1024  211         24  2026-11-20T14:02:09Z  append: \\u{1b}[2J full\n",
        );
        assert_eq!(table(&[sink("archive", true, 0), sink("elsewhere", false, 211)]), expected);
    }
}
