//! What an endpoint and an event cost: the released daemon on a simulated fleet, and a bare reader of the same streams
//! as the floor. `just bench-fleet` runs it; `docs/PERFORMANCE.md` says how to read it.
//!
//! Everything is a process of its own (BMCs, daemon, floor), so that CPU and memory are the kernel's numbers. Nothing is
//! asserted but that every event is in the file exactly once: times are for people to compare, not for tests.

mod asked;
mod bare;
mod bmcs;
mod daemon;
mod full_journal;
mod hour;
mod instructions;
mod plot;
mod polls;
mod process;
mod report;
mod served;
mod storm;
mod table;
mod tail;

use std::{
    io::Write,
    path::{Path, PathBuf},
    process::ExitCode,
};

use anyhow::bail;
use asked::{Asked, Depth, Role};

fn main() -> ExitCode {
    let done = match asked::role() {
        Ok(Role::Measure(asked)) => with_files(asked.endpoints, || measure(asked)),
        Ok(Role::Storm(endpoints)) => with_files(endpoints, || storm::measure(endpoints)),
        Ok(Role::Hour(endpoints, minutes)) => with_files(endpoints, || hour::measure(endpoints, minutes)),
        Ok(Role::Polls(endpoints)) => with_files(endpoints, || polls::measure(endpoints)),
        Ok(Role::Instructions) => instructions::measure(),
        Ok(Role::Plot) => plot::draw(&runs(), &root().join("docs/pictures")),
        Ok(Role::Bmcs { first, count }) => served::serve(first, count),
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

/// Begins when so many endpoints may be open.
fn with_files(endpoints: usize, work: impl FnOnce() -> anyhow::Result<()>) -> anyhow::Result<()> {
    process::raise_open_files(endpoints)?;
    work()
}

fn measure(asked: Asked) -> anyhow::Result<()> {
    let report = table::measure(asked)?;
    report.print()?;
    report.save(&runs())?;
    if let Some(wrong) = report.wrong() {
        bail!("{wrong}");
    }
    match asked.depth {
        Depth::Whole => Ok(()),
        Depth::Short => report.judge(),
    }
}

/// Where runs and counts are saved.
fn runs() -> PathBuf {
    root().join("target/bench-fleet")
}

fn root() -> PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR")).join("../..")
}

fn say(what: &str) {
    // Progress is for people; nobody may be reading.
    drop(writeln!(std::io::stderr(), "fleet: {what}"));
}
