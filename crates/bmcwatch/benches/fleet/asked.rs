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
}

/// What this process is.
pub(crate) enum Role {
    /// The one that a person started.
    Measure(Asked),
    /// Serves BMCs, those of the fleet from `first`.
    Bmcs { first: usize, count: usize },
    /// The floor, with its files in this directory.
    Bare(PathBuf),
}

const USAGE: &str = "usage: cargo bench -p bmcwatch --bench fleet -- [--endpoints N] [--seconds S]";

pub(crate) fn role() -> anyhow::Result<Role> {
    let mut asked = Asked { endpoints: 1_000, seconds: 10 };
    let mut words = std::env::args().skip(1);
    while let Some(word) = words.next() {
        let mut value = || words.next().context(USAGE);
        match word.as_str() {
            // Cargo says so.
            "--bench" => {}
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
    Ok(Role::Measure(asked))
}
