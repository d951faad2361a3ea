//! A hundred BMCs that shout while all others whisper: what the quiet ones suffer, and whether anything is lost.

use std::io::Write;

use anyhow::Context;

use crate::{bmcs::Bmcs, daemon::Daemon, process, say, tail::Tail};

/// BMCs that log this many events each second.
const LOUD: usize = 100;
const EVENTS_A_SECOND: usize = 1_000;
/// For so long.
const SECONDS: usize = 10;

/// Prints how late the quiet ones' events are in the file, and what memory it took; fails unless every event is there once.
pub(crate) fn measure(endpoints: usize) -> anyhow::Result<()> {
    let scratch = tempfile::tempdir().context("make a directory for journal and files")?;
    say(&format!("{endpoints} simulated BMCs, of which {LOUD} are loud"));
    let mut bmcs = Bmcs::start(endpoints)?;
    let daemon = Daemon::start(&bmcs, endpoints, &scratch.path().join("all"))?;
    bmcs.wait_until_read(endpoints)?;
    let before = process::usage(daemon.id())?;
    let mut tail = Tail::follow(&daemon.records(), bmcs.logged())?;
    let begun = process::now();
    let events = bmcs.begin_uneven(LOUD, EVENTS_A_SECOND * SECONDS, SECONDS)?;
    tail.wait_for(events)?;
    bmcs.end_log()?;
    let took = begun.elapsed();
    let after = process::usage(daemon.id())?;
    tail.check(bmcs.logged())?;
    let (p50, p99) = tail.latencies(LOUD);
    daemon.stop()?;
    let mut out = std::io::stdout().lock();
    writeln!(out, "{events} events in {took:.1?}, every one in the file once")?;
    writeln!(out, "those of the quiet ones were in the file after {p50:.0?}, 99 of 100 after {p99:.0?}")?;
    writeln!(out, "memory {} MiB before, {} MiB after", before.rss / 1024, after.rss / 1024)?;
    Ok(())
}
