//! `bmcwatch events`: asks the running daemon for records and prints them, oldest first.
//!
//! The daemon looks at a bounded number of records per answer, so one question may be many requests.

use anyhow::Context;
use serde::Deserialize;
use serde_json::value::RawValue;

use crate::{
    admin_client::{AdminClient, path_with},
    cli::{Chosen, Events},
    printer::{Form, Printer},
};

/// Asked for at a time.
const PAGE_RECORDS: u64 = 1000;
/// Without `--since` and `--limit`: what fits on a few screens.
const NEWEST: u64 = 100;

#[derive(Deserialize)]
struct Page {
    events: Vec<Box<RawValue>>,
    next: u64,
    more: bool,
}

/// Prints what is asked for.
pub(crate) async fn show(daemon: AdminClient, asked: Events) -> anyhow::Result<()> {
    let mut parameters = parameters(&asked.chosen);
    parameters.extend(asked.until.as_ref().map(|until| ("until", until.clone())));
    let mut printer = Printer::new(Form::asked(asked.json));
    printer.begin()?;
    if asked.chosen.since.is_some() {
        return print_all(&daemon, &parameters, asked.limit.unwrap_or(u64::MAX), &mut printer).await;
    }
    let mut newest = newest(&daemon, &parameters, asked.limit.unwrap_or(NEWEST)).await?;
    newest.reverse();
    printer.print(newest.iter().map(|record| record.get()))?;
    Ok(())
}

/// The filters as the daemon calls them.
pub(crate) fn parameters(chosen: &Chosen) -> Vec<(&'static str, String)> {
    let given = [
        ("since", &chosen.since),
        ("severity", &chosen.severity),
        ("endpoint", &chosen.endpoint),
        ("message_id", &chosen.message_id),
    ];
    let given = given.into_iter().filter_map(|(name, text)| Some((name, text.clone()?)));
    let kinds = (!chosen.kind.is_empty()).then(|| ("kind", chosen.kind.join(",")));
    given.chain(kinds).collect()
}

async fn print_all(
    daemon: &AdminClient,
    parameters: &[(&'static str, String)],
    mut limit: u64,
    printer: &mut Printer,
) -> anyhow::Result<()> {
    let mut after = 0;
    while limit > 0 {
        let page = page(daemon, parameters, ("after", after.to_string()), limit).await?;
        printer.print(page.events.iter().map(|record| record.get()))?;
        if !page.more {
            break;
        }
        limit -= page.events.len() as u64;
        after = page.next;
    }
    Ok(())
}

/// The newest records, newest first.
async fn newest(
    daemon: &AdminClient,
    parameters: &[(&'static str, String)],
    limit: u64,
) -> anyhow::Result<Vec<Box<RawValue>>> {
    let mut found = Vec::new();
    let mut before = "end".to_owned();
    loop {
        let page = page(daemon, parameters, ("before", before), limit - found.len() as u64).await?;
        found.extend(page.events);
        if !page.more || found.len() as u64 >= limit {
            return Ok(found);
        }
        before = page.next.to_string();
    }
}

async fn page(
    daemon: &AdminClient,
    parameters: &[(&'static str, String)],
    place: (&'static str, String),
    limit: u64,
) -> anyhow::Result<Page> {
    let limit = ("limit", limit.min(PAGE_RECORDS).to_string());
    let parameters = parameters.iter().chain([&place, &limit]);
    let answer = daemon.get(&path_with("/api/v1/events", parameters)?).await?;
    serde_json::from_slice(&answer).context("read the daemon's answer")
}
