//! What a poll of a long log costs, with nothing new in it and with one entry more.

use std::{io::Write, time::Duration};

use anyhow::Context;

use crate::{bmcs::Bmcs, daemon::Daemon, process, say, tail::Tail};

/// Entries in each log.
const LENGTH: usize = 400;
/// Between two polls of an endpoint.
const POLL_EVERY: Duration = Duration::from_mins(1);
/// Polls of each endpoint that are watched, with nothing new and with one entry more.
const POLLS: u32 = 2;

/// Prints CPU of a poll of either kind.
pub(crate) fn measure(endpoints: usize) -> anyhow::Result<()> {
    let scratch = tempfile::tempdir().context("make a directory for journal and files")?;
    say(&format!("{endpoints} simulated BMCs, polled each minute"));
    let mut bmcs = Bmcs::start(endpoints)?;
    let daemon = Daemon::start(&bmcs, endpoints, &scratch.path().join("all"))?;
    bmcs.wait_until_read(endpoints)?;
    bmcs.downgrade_some()?;
    bmcs.downgrade_rest()?;
    let mut tail = Tail::follow(&daemon.records(), bmcs.logged())?;
    bmcs.begin_log(LENGTH * endpoints, 0)?;
    tail.wait_for(LENGTH * endpoints)?;
    bmcs.end_log()?;
    // The look at the log after the one that brought them.
    std::thread::sleep(POLL_EVERY);
    let quiet = poll(&daemon, endpoints)?;
    let more = endpoints * POLLS as usize;
    bmcs.begin_log(more, (u32::try_from(endpoints)? / 60).max(1))?;
    let grown = poll(&daemon, endpoints)?;
    bmcs.end_log()?;
    let mut out = std::io::stdout().lock();
    writeln!(out, "log of {LENGTH} entries: {quiet:.2} ms nothing new, {grown:.2} ms one more")?;
    tail.wait_for(LENGTH * endpoints + more)?;
    tail.check(bmcs.logged())?;
    daemon.stop()
}

/// CPU of a poll, milliseconds.
fn poll(daemon: &Daemon, endpoints: usize) -> anyhow::Result<f64> {
    let before = process::usage(daemon.id())?;
    std::thread::sleep(POLL_EVERY * POLLS);
    let cpu = process::since(daemon.id(), &before)?.as_secs_f64();
    #[expect(clippy::cast_precision_loss, reason = "a few thousand")]
    Ok(cpu * 1000.0 / (endpoints as f64 * f64::from(POLLS)))
}
