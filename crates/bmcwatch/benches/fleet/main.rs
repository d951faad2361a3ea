//! What an endpoint and an event cost: the released daemon on a simulated fleet, and a bare reader of the same streams
//! as the floor. `just bench-fleet` runs it; `docs/PERFORMANCE.md` says how to read it.
//!
//! Everything is a process of its own (BMCs, daemon, floor), so that CPU and memory are the kernel's numbers. Nothing is
//! asserted but that every event is in the file exactly once: times are for people to compare, not for tests.

mod asked;
mod bare;
mod bmcs;
mod daemon;
mod process;
mod report;
mod tail;

use std::{io::Write, path::Path, process::ExitCode, time::Duration};

use anyhow::Context;

use asked::{Asked, Role};
use bmcs::Bmcs;
use daemon::Daemon;
use process::Usage;
use report::{Measured, Report};
use tail::Tail;

/// Events a second in the steady part, over the whole fleet.
const RATE: u32 = 2_000;
/// What is let pass before memory is read: idle pooled connections close after 5 to 10 s.
const SETTLE: Duration = Duration::from_secs(12);
/// How long idle CPU is watched.
const IDLE: Duration = Duration::from_secs(10);
/// Scrapes of which the mean is taken.
const SCRAPES: u32 = 20;
/// Events of the burst on each stream.
const BURST_PER_STREAM: usize = 50;
/// Events of the burst at most.
const BURST_MAX: usize = 100_000;

fn main() -> ExitCode {
    let done = match asked::role() {
        Ok(Role::Measure(asked)) => measure(asked),
        Ok(Role::Bmcs { first, count }) => bmcs::serve(first, count),
        Ok(Role::Bare(directory)) => bare::run(&directory),
        Err(error) => Err(error),
    };
    match done {
        Ok(()) => ExitCode::SUCCESS,
        Err(error) => {
            drop(writeln!(std::io::stderr(), "fleet: {error:#}"));
            ExitCode::FAILURE
        }
    }
}

fn measure(asked: Asked) -> anyhow::Result<()> {
    process::raise_open_files(asked.endpoints)?;
    let scratch = tempfile::tempdir().context("make a directory for journal and files")?;
    say(&format!("{} simulated BMCs", asked.endpoints));
    let mut bmcs = Bmcs::start(asked.endpoints)?;

    say("the daemon with one endpoint");
    let one = alone(&bmcs, scratch.path())?;
    say("the daemon with all");
    let watched = watched(&mut bmcs, asked, scratch.path(), &one)?;
    say("the floor: bare streams, plain file");
    let floor = floor(&mut bmcs, asked, scratch.path())?;

    let report = Report { asked, watched, floor };
    report.print()?;
    report.save(Path::new(env!("CARGO_MANIFEST_DIR")).join("../../target/bench-fleet.json").as_path())
}

/// Memory and CPU of a daemon with the first endpoint only.
fn alone(bmcs: &Bmcs, scratch: &Path) -> anyhow::Result<Usage> {
    let directory = scratch.join("one");
    let daemon = Daemon::start(&bmcs.addresses[..1], &directory)?;
    bmcs.wait_until_read(1)?;
    std::thread::sleep(SETTLE);
    let usage = process::usage(daemon.id())?;
    daemon.stop()?;
    bmcs.wait_until_open(0)?;
    Ok(usage)
}

fn watched(bmcs: &mut Bmcs, asked: Asked, scratch: &Path, one: &Usage) -> anyhow::Result<Measured> {
    let directory = scratch.join("all");
    let begun = process::now();
    let daemon = Daemon::start(&bmcs.addresses, &directory)?;
    bmcs.wait_until_read(asked.endpoints)?;
    let connected_after = begun.elapsed();
    let connected = process::usage(daemon.id())?;
    std::thread::sleep(SETTLE);
    let mut measured = load(bmcs, asked, daemon.id(), &daemon.records(), one)?;
    measured.connect_cpu = connected.cpu.saturating_sub(one.cpu);
    measured.connected_after = connected_after;
    measured.connected = connected;
    let before = process::usage(daemon.id())?;
    for _ in 0..SCRAPES {
        measured.scrape_bytes = daemon.scrape()?;
    }
    measured.scrape_cpu = process::since(daemon.id(), &before)? / SCRAPES;
    daemon.stop()?;
    bmcs.wait_until_open(0)?;
    Ok(measured)
}

fn floor(bmcs: &mut Bmcs, asked: Asked, scratch: &Path) -> anyhow::Result<Measured> {
    let directory = scratch.join("bare");
    let one = bare::Bare::start(&bmcs.addresses[..1], &bmcs.ca, &directory)?;
    bmcs.wait_until_open(1)?;
    std::thread::sleep(Duration::from_secs(2));
    let alone = process::usage(one.id())?;
    one.stop()?;
    bmcs.wait_until_open(0)?;

    let begun = process::now();
    let bare = bare::Bare::start(&bmcs.addresses, &bmcs.ca, &directory)?;
    bmcs.wait_until_open(asked.endpoints)?;
    let connected_after = begun.elapsed();
    let connected = process::usage(bare.id())?;
    std::thread::sleep(Duration::from_secs(2));
    let mut measured = load(bmcs, asked, bare.id(), &bare.records(), &alone)?;
    measured.connect_cpu = connected.cpu.saturating_sub(alone.cpu);
    measured.connected_after = connected_after;
    measured.connected = connected;
    bare.stop()?;
    bmcs.wait_until_open(0)?;
    Ok(measured)
}

/// Idle, steady, burst: the same for the daemon and for the floor.
fn load(bmcs: &mut Bmcs, asked: Asked, id: u32, file: &Path, alone: &Usage) -> anyhow::Result<Measured> {
    let mut measured = Measured { alone: *alone, idle: process::usage(id)?, ..Measured::default() };
    std::thread::sleep(IDLE);
    measured.idle_cpu = process::since(id, &measured.idle)?.div_f64(IDLE.as_secs_f64());

    let mut tail = Tail::follow(file, bmcs.logged());
    let steady = RATE as usize * asked.seconds as usize;
    let before = process::usage(id)?;
    bmcs.begin_log(steady, RATE)?;
    tail.wait_for(steady)?;
    bmcs.end_log()?;
    measured.steady_cpu = process::since(id, &before)?;
    measured.steady_events = steady;
    (measured.latency_p50, measured.latency_p99) = tail.latencies();

    let burst = (asked.endpoints * BURST_PER_STREAM).min(BURST_MAX);
    let (before, begun) = (process::usage(id)?, process::now());
    bmcs.begin_log(burst, 0)?;
    tail.wait_for(steady + burst)?;
    bmcs.end_log()?;
    measured.burst_took = begun.elapsed();
    measured.burst_cpu = process::since(id, &before)?;
    measured.burst_events = burst;
    std::thread::sleep(Duration::from_secs(3));
    measured.after_burst = process::usage(id)?;
    tail.check(bmcs.logged())?;
    Ok(measured)
}

fn say(what: &str) {
    // Progress is for people; nobody may be reading.
    drop(writeln!(std::io::stderr(), "fleet: {what}"));
}
