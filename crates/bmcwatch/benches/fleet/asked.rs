//! The command line of the benchmark, and of the processes that it starts from its own program.

use std::path::PathBuf;

use anyhow::{Context, bail};

/// What was asked for.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Asked {
    /// Simulated BMCs.
    pub(crate) endpoints: usize,
    /// Length of the steady part.
    pub(crate) seconds: u32,
    /// How much is measured, and what is a failure.
    pub(crate) depth: Depth,
}

/// How much is measured.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Depth {
    /// Every row; whoever reads them judges.
    Whole,
    /// What a minute allows; it fails where a budget is missed by far, which noise does not explain.
    Short,
}

/// What this process is.
pub(crate) enum Role {
    /// The one that a person started.
    Measure(Asked),
    /// A hundred loud BMCs among so many.
    Storm(usize),
    /// So many BMCs for so many minutes.
    Hour(usize, u32),
    /// Polls of so many BMCs.
    Polls(usize),
    /// Instructions of an event.
    Instructions,
    /// Pictures of what was saved.
    Plot,
    /// Serves BMCs, those of the fleet from `first`.
    Bmcs { first: usize, count: usize },
    /// The floor, with its files in this directory.
    Bare(PathBuf),
}

/// Which of the measurements.
enum What {
    Table,
    Storm,
    Hour,
    Polls,
}

const USAGE: &str = "usage: cargo bench -p bmcwatch --bench fleet -- \
                     [--short | storm | hour | polls | instructions | plot] [--endpoints N] [--seconds S] [--minutes M]";

pub(crate) fn role() -> anyhow::Result<Role> {
    let mut asked = Asked { endpoints: 1_000, seconds: 10, depth: Depth::Whole };
    let mut minutes = 60;
    let mut what = What::Table;
    let mut words = std::env::args().skip(1);
    while let Some(word) = words.next() {
        let mut value = || words.next().context(USAGE);
        match word.as_str() {
            // Cargo says so.
            "--bench" => {}
            "--short" => asked.depth = Depth::Short,
            "storm" => what = What::Storm,
            "plot" => return Ok(Role::Plot),
            "instructions" => return Ok(Role::Instructions),
            "hour" => what = What::Hour,
            "polls" => what = What::Polls,
            "--minutes" => minutes = value()?.parse().context(USAGE)?,
            "--endpoints" => asked.endpoints = value()?.parse().context(USAGE)?,
            "--seconds" => asked.seconds = value()?.parse().context(USAGE)?,
            "role:bmcs" => return Ok(Role::Bmcs { first: value()?.parse()?, count: value()?.parse()? }),
            "role:bare" => return Ok(Role::Bare(value()?.into())),
            _ => bail!(USAGE),
        }
    }
    if asked.endpoints == 0 || asked.seconds == 0 {
        bail!(USAGE);
    }
    Ok(match what {
        What::Table => Role::Measure(asked),
        What::Storm => Role::Storm(asked.endpoints),
        What::Hour => Role::Hour(asked.endpoints, minutes),
        What::Polls => Role::Polls(asked.endpoints),
    })
}
