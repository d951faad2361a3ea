//! The run behind the table of budgets: the daemon on the fleet, and then the floor, each through the same steps.

#![expect(clippy::cast_precision_loss, reason = "numbers for people, far below 2^52")]

use std::{path::Path, time::Duration};

use anyhow::Context;

use crate::{
    asked::{Asked, Depth},
    bare,
    bmcs::Bmcs,
    daemon::Daemon,
    full_journal,
    process::{self, Usage},
    report::{Measured, RATE, Report, Steady},
    say,
    tail::Tail,
};

/// Events a second, over the whole fleet, one part after the other.
const RATES: [u32; 4] = [500, 1_000, RATE, 4_000];
/// What is let pass before memory is read: idle pooled connections close after 5 to 10 s.
const SETTLE: Duration = Duration::from_secs(12);
/// What is let pass before and after the many scrapes: jemalloc was seen to give back for 24 s.
const REST: Duration = Duration::from_secs(24);
/// How long idle CPU is watched.
const IDLE: Duration = Duration::from_secs(10);
/// Scrapes of which the mean is taken.
const SCRAPES: u32 = 20;
/// Scrapes over which memory must not grow.
const MANY_SCRAPES: u32 = 1_000;
/// Events of the burst on each stream.
const BURST_PER_STREAM: usize = 50;
/// Events of the burst at most.
const BURST_MAX: usize = 100_000;
/// Until a BMC answers, while the fleet connects.
const LATENCY: Duration = Duration::from_millis(200);
/// How often all streams are cut.
const STORMS: u32 = 6;
/// After each the streams live long enough to have proved themselves (`min_stream_lifetime`), or the fleet would be polled.
const PROVEN: Duration = Duration::from_secs(32);
/// Events on each stream after them.
const CHURN_PER_STREAM: usize = 300;
/// How long polling is watched; each endpoint is polled once a minute.
const POLLING: Duration = Duration::from_mins(2);

/// Measures everything and leaves the report.
pub(crate) fn measure(asked: Asked) -> anyhow::Result<Report> {
    let scratch = tempfile::tempdir().context("make a directory for journal and files")?;
    say(&format!("{} simulated BMCs", asked.endpoints));
    let mut bmcs = Bmcs::start(asked.endpoints)?;
    say("the daemon with one endpoint");
    let one = alone(&bmcs, scratch.path())?;
    say("the daemon with all");
    let watched = watched(&mut bmcs, asked, scratch.path(), &one)?;
    drop(bmcs);
    say("the floor: bare streams, plain file");
    let mut bmcs = Bmcs::start(asked.endpoints)?;
    let floor = floor(&mut bmcs, asked, scratch.path())?;
    Ok(Report { asked, watched, floor })
}

/// Memory and CPU of a daemon with the first endpoint only.
fn alone(bmcs: &Bmcs, scratch: &Path) -> anyhow::Result<Usage> {
    let directory = scratch.join("one");
    let daemon = Daemon::start(bmcs, 1, &directory)?;
    bmcs.wait_until_read(1)?;
    std::thread::sleep(SETTLE);
    let usage = process::usage(daemon.id())?;
    daemon.stop()?;
    bmcs.wait_until_open(0)?;
    Ok(usage)
}

fn watched(bmcs: &mut Bmcs, asked: Asked, scratch: &Path, one: &Usage) -> anyhow::Result<Measured> {
    let directory = scratch.join("all");
    bmcs.set_latency(LATENCY)?;
    let begun = process::now();
    let daemon = Daemon::start(bmcs, asked.endpoints, &directory)?;
    bmcs.wait_until_read(asked.endpoints)?;
    let connected_after = begun.elapsed();
    let connected = process::usage(daemon.id())?;
    bmcs.set_latency(Duration::ZERO)?;
    std::thread::sleep(SETTLE);
    let mut measured = load(bmcs, asked, daemon.id(), &daemon.records(), one)?;
    measured.connect_cpu = connected.cpu.saturating_sub(one.cpu);
    measured.connected_after = connected_after;
    measured.connected = connected;
    scrapes(&daemon, &mut measured)?;
    let done = worse(bmcs, asked, &daemon, &mut measured);
    measured.wrong = done.err().map(|error| format!("bmcwatch: {error:#}"));
    daemon.stop()?;
    if asked.depth == Depth::Whole {
        say("a start with a full journal");
        measured.open_took = full_journal::time_to_ready(bmcs, &scratch.join("full"))?;
    }
    Ok(measured)
}

/// What a fleet does to the daemon on its worst days, and polling. When something of it goes wrong, what was measured before
/// is worth printing all the same.
fn worse(bmcs: &mut Bmcs, asked: Asked, daemon: &Daemon, measured: &mut Measured) -> anyhow::Result<()> {
    if asked.depth == Depth::Whole {
        say("six storms, and 300 events on each stream");
        churn(bmcs, daemon.id(), &daemon.records(), PROVEN, measured)?;
    }
    say("one event service in a hundred goes, then all others; and polling");
    (measured.first_poll_of_some, _) = bmcs.downgrade_some()?;
    (measured.first_poll_max, measured.first_poll_p99) = bmcs.downgrade_rest()?;
    if asked.depth == Depth::Short {
        return Ok(());
    }
    std::thread::sleep(SETTLE);
    // Those that are slow to answer are polled more seldom, so what was polled is counted.
    let polled = daemon.polls()?;
    let (before, requests) = (process::usage(daemon.id())?, bmcs.requests()?);
    std::thread::sleep(POLLING);
    let (cpu, requests) = (process::since(daemon.id(), &before)?, bmcs.requests()? - requests);
    let polls = ((daemon.polls()? - polled) as f64).max(1.0);
    measured.poll_cpu = cpu.div_f64(polls);
    measured.poll_requests = requests as f64 / polls;
    Ok(())
}

fn floor(bmcs: &mut Bmcs, asked: Asked, scratch: &Path) -> anyhow::Result<Measured> {
    let directory = scratch.join("bare");
    let one = bare::Bare::start(bmcs, 1, &directory)?;
    bmcs.wait_until_open(1)?;
    std::thread::sleep(Duration::from_secs(2));
    let alone = process::usage(one.id())?;
    one.stop()?;
    bmcs.wait_until_open(0)?;

    bmcs.set_latency(LATENCY)?;
    let begun = process::now();
    let bare = bare::Bare::start(bmcs, asked.endpoints, &directory)?;
    bmcs.wait_until_open(asked.endpoints)?;
    let connected_after = begun.elapsed();
    let connected = process::usage(bare.id())?;
    bmcs.set_latency(Duration::ZERO)?;
    std::thread::sleep(Duration::from_secs(2));
    let mut measured = load(bmcs, asked, bare.id(), &bare.records(), &alone)?;
    measured.connect_cpu = connected.cpu.saturating_sub(alone.cpu);
    measured.connected_after = connected_after;
    measured.connected = connected;
    if asked.depth == Depth::Whole {
        // The floor gives no stream up, however young it dies.
        let done = churn(bmcs, bare.id(), &bare.records(), Duration::ZERO, &mut measured);
        measured.wrong = done.err().map(|error| format!("the floor: {error:#}"));
    }
    bare.stop()?;
    Ok(measured)
}

fn scrapes(daemon: &Daemon, measured: &mut Measured) -> anyhow::Result<()> {
    let before = process::usage(daemon.id())?;
    for _ in 0..SCRAPES {
        measured.scrape_bytes = daemon.scrape()?.len();
    }
    measured.scrape_cpu = process::since(daemon.id(), &before)? / SCRAPES;
    // What the burst took has gone back by then.
    std::thread::sleep(REST);
    let before = process::usage(daemon.id())?.rss;
    for _ in 0..MANY_SCRAPES {
        daemon.scrape()?;
    }
    // The page of the last one too.
    std::thread::sleep(REST);
    measured.scrapes_grew = process::usage(daemon.id())?.rss.saturating_sub(before);
    Ok(())
}

/// All streams are cut, again and again, then every one gets a burst: what memory stays taken, and how long the way back
/// was.
fn churn(
    bmcs: &mut Bmcs,
    id: u32,
    file: &Path,
    proven: Duration,
    measured: &mut Measured,
) -> anyhow::Result<()> {
    let endpoints = bmcs.addresses.len();
    bmcs.set_latency(LATENCY)?;
    let before = process::usage(id)?;
    for _ in 0..STORMS {
        let begun = process::now();
        bmcs.cut(0, 1)?;
        bmcs.wait_until_open(endpoints)?;
        measured.storm_took = measured.storm_took.max(begun.elapsed());
        std::thread::sleep(proven);
    }
    measured.storm_cpu = process::since(id, &before)? / STORMS;
    bmcs.set_latency(Duration::ZERO)?;
    let burst = endpoints * CHURN_PER_STREAM;
    let mut tail = Tail::follow(file, bmcs.logged())?;
    bmcs.begin_log(burst, 0)?;
    tail.wait_for(burst)?;
    bmcs.end_log()?;
    std::thread::sleep(SETTLE);
    measured.churned = process::usage(id)?;
    tail.check(bmcs.logged())
}

/// Idle, steady, burst: the same for the daemon and for the floor.
fn load(bmcs: &mut Bmcs, asked: Asked, id: u32, file: &Path, alone: &Usage) -> anyhow::Result<Measured> {
    let mut measured = Measured { alone: *alone, idle: process::usage(id)?, ..Measured::default() };
    std::thread::sleep(IDLE);
    measured.idle_cpu = process::since(id, &measured.idle)?.div_f64(IDLE.as_secs_f64());

    let mut tail = Tail::follow(file, bmcs.logged())?;
    let mut events = 0;
    for rate in RATES.into_iter().filter(|rate| asked.depth == Depth::Whole || *rate == RATE) {
        let steady = rate as usize * asked.seconds as usize;
        events += steady;
        let before = process::usage(id)?;
        bmcs.begin_log(steady, rate)?;
        tail.wait_for(events)?;
        bmcs.end_log()?;
        let cpu = process::since(id, &before)?.div_f64(steady as f64);
        let (p50, p99) = tail.latencies(0);
        measured.steady.push(Steady { rate, cpu, p50, p99 });
    }

    let burst = (asked.endpoints * BURST_PER_STREAM).min(BURST_MAX);
    let (before, begun) = (process::usage(id)?, process::now());
    bmcs.begin_log(burst, 0)?;
    tail.wait_for(events + burst)?;
    bmcs.end_log()?;
    measured.burst_took = begun.elapsed();
    measured.burst_cpu = process::since(id, &before)?;
    measured.burst_events = burst;
    std::thread::sleep(Duration::from_secs(3));
    measured.after_burst = process::usage(id)?;
    tail.check(bmcs.logged())?;
    Ok(measured)
}
