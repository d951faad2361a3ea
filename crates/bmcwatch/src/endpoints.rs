//! `bmcwatch endpoints`: asks the running daemon what its endpoints are doing and prints a table.

use std::{
    io::{self, Write},
    net::{IpAddr, Ipv4Addr, Ipv6Addr, SocketAddr},
    time::Duration,
};

use anyhow::{Context, bail};
use serde::Deserialize;

/// The daemon answers from memory; more means that it is not there.
const ANSWER_MAX: Duration = Duration::from_secs(10);

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

/// Prints every endpoint of the daemon that listens at `listen`.
pub async fn show(listen: SocketAddr) -> anyhow::Result<()> {
    let address = SocketAddr::new(reachable(listen.ip()), listen.port());
    // No TLS is spoken here, but the client is not built without a provider. Another one in place is as good.
    drop(rustls::crypto::ring::default_provider().install_default());
    let client = reqwest::Client::builder().no_proxy().timeout(ANSWER_MAX).build()?;
    let mut after: Option<String> = None;
    let mut out = io::stdout().lock();
    writeln!(out, "{:<24} {:<12} {:<9} {:<24} WHY", "ENDPOINT", "STATE", "MODE", "SINCE")?;
    loop {
        let mut url = format!("http://{address}/api/v1/endpoints?limit={PAGE_ROWS}");
        if let Some(after) = &after {
            url.push_str("&after=");
            url.push_str(after);
        }
        let asked = client.get(&url).send().await;
        let answer = asked.with_context(|| format!("ask the daemon at {address}; is it running?"))?;
        if !answer.status().is_success() {
            bail!("the daemon at {address} answered {}", answer.status());
        }
        let page: Page =
            serde_json::from_slice(&answer.bytes().await?).context("read the daemon's answer")?;
        for row in &page.endpoints {
            print(&mut out, row)?;
        }
        match page.next {
            Some(next) => after = Some(next),
            None => return Ok(()),
        }
    }
}

fn print(out: &mut impl Write, row: &Row) -> io::Result<()> {
    let mut why = row.reason.clone().unwrap_or_default();
    if let (Some(error), "backoff" | "auth_failed" | "unsupported") = (&row.last_error, row.state.as_str()) {
        why = format!("{why}: {error}");
    }
    if let Some(at) = &row.next_try_at {
        why = format!("{why} (next try {at})");
    }
    writeln!(out, "{:<24} {:<12} {:<9} {:<24} {}", row.id, row.state, row.mode, row.since, why.trim())
}

/// A daemon that listens on every address is asked on loopback.
fn reachable(ip: IpAddr) -> IpAddr {
    match ip {
        IpAddr::V4(ip) if ip.is_unspecified() => Ipv4Addr::LOCALHOST.into(),
        IpAddr::V6(ip) if ip.is_unspecified() => Ipv6Addr::LOCALHOST.into(),
        ip => ip,
    }
}
