//! `bmcwatch endpoints`: asks the running daemon what its endpoints are doing and prints a table, or asks it to do something
//! with one of them.

use std::io::{self, Write};

use anyhow::Context;
use serde::Deserialize;

use crate::{
    admin_client::{AdminClient, path_with},
    terminal::clean,
};

/// Rows asked for at a time.
const PAGE_ROWS: usize = 1000;

#[derive(Deserialize)]
struct Page {
    endpoints: Vec<Row>,
    next: Option<String>,
}

#[derive(Deserialize)]
struct Row {
    id: String,
    state: String,
    mode: String,
    since: String,
    reason: Option<String>,
    last_error: Option<String>,
    next_try_at: Option<String>,
}

/// Prints every endpoint of the daemon.
pub async fn show(daemon: AdminClient) -> anyhow::Result<()> {
    let mut after: Option<String> = None;
    let mut out = io::stdout().lock();
    writeln!(out, "{:<24} {:<12} {:<9} {:<24} WHY", "ENDPOINT", "STATE", "MODE", "SINCE")?;
    loop {
        let limit = ("limit", PAGE_ROWS.to_string());
        let after_id = after.map(|after| ("after", after));
        let answer = daemon.get(&path_with("/api/v1/endpoints", after_id.iter().chain([&limit]))?).await?;
        let page: Page = serde_json::from_slice(&answer).context("read the daemon's answer")?;
        for row in &page.endpoints {
            print(&mut out, row)?;
        }
        match page.next {
            Some(next) => after = Some(next),
            None => return Ok(()),
        }
    }
}

/// Asks the daemon to try one endpoint now.
pub async fn retry(daemon: AdminClient, id: &str) -> anyhow::Result<()> {
    let answer = daemon.post_endpoint(id, "retry").await?;
    let Tried { state } = serde_json::from_slice(&answer).context("read the daemon's answer")?;
    writeln!(
        io::stdout(),
        "{id} is tried now; it was in state {state}. `bmcwatch endpoints` shows what came of it."
    )?;
    Ok(())
}

#[derive(Deserialize)]
struct Tried {
    state: String,
}

#[derive(Deserialize)]
struct Trusted {
    trusted: String,
}

/// Tells the daemon to accept the key of an endpoint that it refuses.
pub async fn trust(daemon: AdminClient, id: &str) -> anyhow::Result<()> {
    let answer = daemon.post_endpoint(id, "trust").await?;
    let Trusted { trusted } = serde_json::from_slice(&answer).context("read the daemon's answer")?;
    writeln!(io::stdout(), "{id} is trusted with {trusted} from now on")?;
    Ok(())
}

fn print(out: &mut impl Write, row: &Row) -> io::Result<()> {
    let mut why = row.reason.clone().unwrap_or_default();
    if let (Some(error), "backoff" | "auth_failed" | "unsupported") = (&row.last_error, row.state.as_str()) {
        why = format!("{why}: {error}");
    }
    if let Some(at) = &row.next_try_at {
        why = format!("{why} (next try {at})");
    }
    // The reason may quote what a BMC said.
    let why = clean(why.trim());
    writeln!(out, "{:<24} {:<12} {:<9} {:<24} {why}", row.id, row.state, row.mode, row.since)
}
