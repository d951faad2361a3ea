//! User instructions to connect, and of an event from the socket to the journal and the file, as callgrind counts them: the
//! steadiest numbers there are, whatever else the machine does. What the kernel does is not in them.

use std::{io::Write, path::Path, process::Command};

use anyhow::{Context, ensure};

use crate::{bare::Bare, bmcs::Bmcs, daemon::Daemon, process, runs, say, tail::Tail};

/// Streams, and events on each. Under callgrind everything is fifty times slower, so they come as a burst at any rate.
const ENDPOINTS: usize = 200;
const EVENTS_EACH: usize = 25;
/// Before the count, so that nothing is counted that is done once.
const WARM_UP_EACH: usize = 5;
/// Times the floor that are allowed.
const BUDGET: f64 = 1.6;

/// Prints the instructions of both, and leaves what they were spent on for `callgrind_annotate`: `callgrind.ID.1` is connecting,
/// `callgrind.ID.2` the events.
pub(crate) fn measure() -> anyhow::Result<()> {
    let scratch = tempfile::tempdir().context("make a directory for journal and files")?;
    // Callgrind writes there, and makes no directory.
    std::fs::create_dir_all(runs()).context("make the directory of the counts")?;
    let mut bmcs = Bmcs::start(ENDPOINTS)?;
    say("the daemon under callgrind");
    let daemon = Daemon::start_as(process::counted, &bmcs, ENDPOINTS, &scratch.path().join("all"))?;
    bmcs.wait_until_read(ENDPOINTS)?;
    let our_connect = counted(daemon.id(), 1, ENDPOINTS)?;
    let ours = an_event(&mut bmcs, daemon.id(), &daemon.records())?;
    daemon.stop()?;
    bmcs.wait_until_open(0)?;
    say("the floor under callgrind");
    let bare = Bare::start_as(process::counted, &bmcs, ENDPOINTS, &scratch.path().join("bare"))?;
    bmcs.wait_until_open(ENDPOINTS)?;
    let floor_connect = counted(bare.id(), 1, ENDPOINTS)?;
    let floor = an_event(&mut bmcs, bare.id(), &bare.records())?;
    bare.stop()?;
    let (ratio, mut out) = (ours / floor, std::io::stdout().lock());
    let verdict = if ratio <= BUDGET { "ok" } else { "OVER" };
    writeln!(out, "user instructions to connect: bmcwatch {our_connect:.0}, floor {floor_connect:.0}")?;
    writeln!(out, "user instructions of an event: bmcwatch {ours:.0}, floor {floor:.0}")?;
    writeln!(out, "ratio {ratio:.2}, budget {BUDGET:.2}: {verdict}")?;
    Ok(())
}

/// Instructions of a process for one event.
fn an_event(bmcs: &mut Bmcs, id: u32, file: &Path) -> anyhow::Result<f64> {
    let mut tail = Tail::follow(file, bmcs.logged())?;
    burst(bmcs, &mut tail, WARM_UP_EACH, WARM_UP_EACH)?;
    control("--zero", id)?;
    burst(bmcs, &mut tail, EVENTS_EACH, WARM_UP_EACH + EVENTS_EACH)?;
    tail.check(bmcs.logged())?;
    counted(id, 2, ENDPOINTS * EVENTS_EACH)
}

/// Instructions of a process since its start or since they were set to zero, each of so many things; its `nth` count.
fn counted(id: u32, nth: usize, things: usize) -> anyhow::Result<f64> {
    control("--dump", id)?;
    let counted = std::fs::read_to_string(process::counts(id, nth)).context("read what callgrind counted")?;
    let total = counted.lines().find_map(|line| line.strip_prefix("totals: ")).context("find the total")?;
    let total: f64 = total.trim().parse().context("read the total")?;
    #[expect(clippy::cast_precision_loss, reason = "a few thousand")]
    Ok(total / things as f64)
}

/// So many events on each stream, until the file has that many of each in all.
fn burst(bmcs: &mut Bmcs, tail: &mut Tail, events: usize, all: usize) -> anyhow::Result<()> {
    bmcs.begin_log(ENDPOINTS * events, 0)?;
    tail.wait_for(ENDPOINTS * all)?;
    bmcs.end_log()
}

fn control(what: &str, id: u32) -> anyhow::Result<()> {
    let id = id.to_string();
    let done = Command::new("callgrind_control").args([what, &id]).output();
    let done = done.context("run callgrind_control, which comes with valgrind")?;
    ensure!(done.status.success(), "callgrind_control {what}: {}", String::from_utf8_lossy(&done.stderr));
    Ok(())
}
